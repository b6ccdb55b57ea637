"""Between the host and an engine: making tensors, reading them, their dtype, shape and device."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, host_array, plain, shape_of, tensors, to_numpy, to_tensor
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.registry import TABLE, device, discover, engine_of
from kerasish.core.symbolic import SymbolicTensor
from kerasish.core.variable import Variable
from kerasish.ops.fastpath import operand

__all__ = [
    "array",
    "cast",
    "convert_to_numpy",
    "convert_to_tensor",
    "copy",
    "device_scope",
    "dtype",
    "is_tensor",
    "ndim",
    "saturate_cast",
    "shape",
    "size",
    "stop_gradient",
    "view",
]


@op
def convert_to_tensor(
    x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None
) -> Tensor:
    """A tensor of the engine in force (or of the engine that owns `x`) with the values of `x`.

    Python floats become `floatx()`, Python ints int32, NumPy arrays keep their dtype, on every engine.

    Args:
        x: A tensor, variable, NumPy array, number, or nested lists of these.
        dtype: The dtype wanted; default the dtype of `x`.
        sparse: Accepted for Keras' sake; tensors are always dense.
        ragged: Accepted for Keras' sake; tensors are never ragged.

    Raises:
        ShapeError: Nested lists are ragged.
        DTypeError: The data is not numeric.

    Example:
        >>> convert_to_tensor([1, 2], dtype="float32").tolist()
        [1.0, 2.0]
    """
    if sparse or ragged:
        raise ArgumentError(
            "Sparse and ragged tensors are not supported.", hint="leave `sparse` and `ragged` out"
        )
    name = None if dtype is None else dtypes.canonical(dtype)
    x = plain(x)
    if isinstance(x, (list, tuple)) and _holds_tensors(x):
        return _nested(x, name)
    return to_tensor(x, engine_of((x,)), name)


def _holds_tensors(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_holds_tensors(item) for item in x)
    return isinstance(x, (Variable, SymbolicTensor)) or _owner(x) is not None


def _owner(x: Any) -> Any:
    kind = x.__class__
    return TABLE[kind] if kind in TABLE else discover(kind, x)


def _nested(x: Any, name: str | None) -> Tensor:
    items = [_nested(item, None) if isinstance(item, (list, tuple)) else plain(item) for item in x]
    items = tensors(*items)
    common = name or dtypes.promote(*(dtype_of(item) for item in items))
    items = [item if dtype_of(item) == common else p.cast(item, dtype=common) for item in items]
    if len({len(shape_of(item)) for item in items}) > 1:
        raise ShapeError(
            "Rows of different rank do not make a tensor.", received=[shape_of(i) for i in items]
        )
    return p.concatenate([p.reshape(item, shape=(1, *shape_of(item))) for item in items], axis=0)


@op
def array(x: Any, dtype: Any = None) -> Tensor:
    """A tensor with the values of `x`; see `convert_to_tensor`.

    Example:
        >>> array([[1.0, 2.0]]).shape
        (1, 2)
    """
    return convert_to_tensor(x, dtype=dtype)


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values of a tensor, variable or nested lists of them on the host, as a NumPy array. Waits for the device.

    Example:
        >>> convert_to_numpy([1.0, 2.0]).dtype
        dtype('float32')
    """
    if isinstance(x, (list, tuple)) and _holds_tensors(x):
        return to_numpy(convert_to_tensor(x))
    return np.asarray(to_numpy(x))


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor: concrete, traced or symbolic.

    Example:
        >>> is_tensor(convert_to_tensor([1.0])), is_tensor([1.0])
        (True, False)
    """
    if isinstance(x, SymbolicTensor):
        return True
    return _owner(x) is not None or engine_of((x,)).is_tensor(x)


@op
def cast(x: Any, dtype: Any) -> Tensor:
    """Convert to `dtype`.

    Float to integer truncates towards zero, saturates at the ends of the integer's range and maps NaN to 0; integer to
    narrower integer wraps; to bool means x != 0.

    Example:
        >>> cast([1.7, -2.7], "int32").tolist()
        [1, -2]
    """
    name = dtypes.canonical(dtype)
    x = operand(x)
    return x if dtype_of(x) == name else p.cast(x, dtype=name)


@op
def saturate_cast(x: Any, dtype: Any) -> Tensor:
    """Convert to `dtype`; values outside its range become its nearest end instead of wrapping.

    Example:
        >>> saturate_cast([-1, 300], "uint8").tolist()
        [0, 255]
    """
    name = dtypes.canonical(dtype)
    x = operand(x)
    have = dtype_of(x)
    if dtypes.is_integer(have) and dtypes.is_integer(name):
        (low, high), (least, most) = dtypes.int_range(name), dtypes.int_range(have)
        x = p.maximum(x, low) if low > least else x
        x = p.minimum(x, high) if high < most else x
    elif dtypes.is_float(have) and dtypes.is_float(name) and name in ("float16", "bfloat16"):
        limit = _largest(name)
        x = p.minimum(p.maximum(x, -limit), limit) if _largest(have) > limit else x
    return x if have == name else p.cast(x, dtype=name)


def _largest(dtype: str) -> float:
    return {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}.get(
        dtype, 1.7976931348623157e308
    )


@op
def copy(x: Any) -> Tensor:
    """A tensor of its own with the values of `x`.

    Example:
        >>> copy([1, 2]).tolist()
        [1, 2]
    """
    x = operand(x)
    return x.copy() if x.__class__ is np.ndarray else x  # the other engines' tensors never change in place


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape of `x` as a tuple; None stands for sizes a symbolic tensor does not know.

    Example:
        >>> shape([[1, 2, 3]])
        (1, 3)
    """
    if isinstance(x, SymbolicTensor):
        return x.shape
    return tuple(shape_of(operand(x)))


def ndim(x: Any) -> int:
    """The number of axes of `x`.

    Example:
        >>> ndim([[1, 2, 3]])
        2
    """
    return len(x.shape) if isinstance(x, SymbolicTensor) else len(shape_of(operand(x)))


def size(x: Any) -> int | None:
    """The number of elements of `x`; None where a symbolic tensor does not know.

    Example:
        >>> size([[1, 2, 3]])
        3
    """
    if isinstance(x, SymbolicTensor):
        return None if None in x.shape else int(np.prod(x.shape, dtype=np.int64))
    return shapes.size_of(shape_of(operand(x)))


def dtype(x: Any) -> str:
    """The dtype name of `x`.

    Example:
        >>> dtype([1.0])
        'float32'
    """
    return x.dtype if isinstance(x, (SymbolicTensor, Variable)) else dtype_of(operand(x))


@op
def stop_gradient(variable: Any) -> Tensor:
    """`variable`, taken as a constant by gradients.

    Example:
        >>> stop_gradient([1.0]).tolist()
        [1.0]
    """
    return p.stop_gradient(operand(variable))


def device_scope(device_name: str) -> AbstractContextManager[None]:
    """A `with` block that puts the tensors made in it on a device such as "cpu:0" or "gpu:0".

    Example:
        >>> with device_scope("cpu:0"):
        ...     x = convert_to_tensor([1.0])
    """
    return device(device_name)


@op
def view(x: Any, dtype: Any = None) -> Tensor:
    """The bits of `x` read as `dtype`; the last axis grows or shrinks where the widths differ (little end first).

    Raises:
        ShapeError: The last axis is no multiple of what one wider element needs.

    Example:
        >>> view(array([1.0], dtype="float32"), "int32").tolist()
        [1065353216]
    """
    x = operand(x)
    have = dtype_of(x)
    name = have if dtype is None else dtypes.canonical(dtype)
    if "bool" in (have, name) and have != name:
        raise DTypeError("The bits of a bool are not defined.", received=f"{have} to {name}", hint="ops.cast")
    if name == have:
        return x
    before, after = dtypes.bits(have), dtypes.bits(name)
    if before == after:
        return p.bitcast(x, dtype=name)
    sizes = shape_of(x)
    if not sizes or (before < after and shapes.is_known(sizes[-1]) and sizes[-1] * before % after):
        raise ShapeError(
            "The last axis does not fill the wider dtype.",
            expected=f"a last axis divisible by {max(after // before, 1)}",
            received=f"{have}{shapes.show(sizes)}",
        )
    return _narrower(x, name) if before > after else _wider(x, name)


def _unsigned(width: int) -> str:
    return f"uint{width}"


def _narrower(x: Tensor, name: str) -> Tensor:
    wide, narrow = dtypes.bits(dtype_of(x)), dtypes.bits(name)
    bits = x if dtype_of(x) == _unsigned(wide) else p.bitcast(x, dtype=_unsigned(wide))
    parts = []
    for offset in range(0, wide, narrow):
        part = p.cast(
            p.right_shift(bits, offset), dtype=_unsigned(narrow)
        )  # a narrowing cast keeps the low bits
        parts.append(p.reshape(part, shape=(*shape_of(part), 1)))
    joined = p.concatenate(parts, axis=len(shape_of(x)))
    sizes = shape_of(x)
    joined = p.reshape(joined, shape=(*sizes[:-1], sizes[-1] * len(parts)))
    return joined if name == _unsigned(narrow) else p.bitcast(joined, dtype=name)


def _wider(x: Tensor, name: str) -> Tensor:
    narrow, wide = dtypes.bits(dtype_of(x)), dtypes.bits(name)
    bits = x if dtype_of(x) == _unsigned(narrow) else p.bitcast(x, dtype=_unsigned(narrow))
    sizes, count = shape_of(x), wide // narrow
    grouped = p.reshape(p.cast(bits, dtype=_unsigned(wide)), shape=(*sizes[:-1], sizes[-1] // count, count))
    shifts = host_array([i * narrow for i in range(count)], _unsigned(wide))
    grouped, moved = tensors(grouped, shifts)
    joined = p.sum(p.left_shift(grouped, moved), axis=(len(sizes),), keepdims=False)
    return joined if name == _unsigned(wide) else p.bitcast(joined, dtype=name)
