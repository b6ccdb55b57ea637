"""Arguments that are numbers, not data: shapes, counts and axes given as ints, tuples or tensors with known values."""

from __future__ import annotations

import operator
from typing import Any

from kerasish.core import shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.convert import plain, to_numpy
from kerasish.core.errors import ArgumentError, TraceError
from kerasish.core.registry import TABLE
from kerasish.core.symbolic import SymbolicTensor


def host_number(x: Any, name: str) -> Any:
    """The Python number behind `x`, which may be a scalar tensor with a known value. Unknown sizes stay unknown.

    Raises:
        TraceError: The value is not known while tracing.
    """
    if isinstance(x, (int, float)):
        return x
    x = plain(x)
    if x is None or isinstance(x, (str, list, tuple, dict)):
        raise ArgumentError(f"`{name}` must be a number.", received=repr(x))
    _check_known(x, name)
    array = to_numpy(x)
    if array.size != 1:
        raise ArgumentError(f"`{name}` must be a single number.", received=shapes.show(array.shape))
    return array.reshape(()).item()


def _check_known(x: Any, name: str) -> None:
    engine = TABLE.get(x.__class__)
    unknown = isinstance(x, (AbstractTensor, SymbolicTensor)) or (engine is not None and engine.is_traced(x))
    if unknown:
        raise TraceError(
            f"`{name}` must be known while a function is traced.",
            received=repr(x)[:80],
            hint="pass a Python number",
        )


def host_int(x: Any, name: str) -> int:
    """`host_number`, which must be an integer."""
    if isinstance(x, int):
        return x
    value = host_number(x, name)
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise ArgumentError(f"`{name}` must be an integer.", received=value) from None


def size_tuple(shape: Any, name: str = "shape") -> tuple[int, ...]:
    """A shape given as an int, a list or tuple (its entries may be scalar tensors), or a vector. None becomes −1.

    Raises:
        ArgumentError: Not a shape.
    """
    if isinstance(shape, int):
        return (shape,)
    shape = plain(shape)
    if shape is None:
        raise ArgumentError(f"`{name}` must be a tuple of integers.", received="None")
    if not isinstance(shape, (list, tuple)):
        _check_known(shape, name)
        shape = to_numpy(shape).reshape(-1).tolist()
    return tuple(-1 if s is None else host_int(s, name) for s in shape)


def known_sizes(shape: Any, name: str = "shape") -> tuple[int, ...]:
    """`size_tuple` without negative sizes, as for tensors to be made.

    Raises:
        ArgumentError: A size is negative or None.
    """
    sizes = size_tuple(shape, name)
    if any(s < 0 for s in sizes):
        raise ArgumentError(f"`{name}` must hold sizes >= 0.", received=shape)
    return sizes
