"""Dtype names, their promotion lattice and NumPy equivalents: one answer on every engine.

The lattice is the one of JAX ("jax.numpy type promotion"), which Keras 3 follows: bool < integers < floats, Python
scalars are weak (`int` gives way to any integer or float, `float` to any float), and an integer meeting a float never
widens the float.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kerasish.core.config import floatx
from kerasish.core.errors import DTypeError, UnknownNameError

UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = UNSIGNED + SIGNED
FLOATS = ("float16", "bfloat16", "float32", "float64")
ALL = ("bool", *INTEGERS, *FLOATS)
OTHER = ("string", "complex64", "complex128")

_IS_FLOAT = frozenset(FLOATS)
_IS_INT = frozenset(INTEGERS)
_BITS = {
    "bool": 1,
    "bfloat16": 16,
    **{n: int(n.lstrip("uintfloa")) for n in ALL if n not in ("bool", "bfloat16")},
}

# Edges of the lattice: each type to the types directly above it. "int" and "float" are the weak Python types.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("int16", "uint16"),
    "uint16": ("int32", "uint32"),
    "uint32": ("int64", "uint64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("float16", "bfloat16"),
    "float16": ("float32",),
    "bfloat16": ("float32",),
    "float32": ("float64",),
    "float64": (),
}


def _upper_bounds() -> dict[str, frozenset[str]]:
    bounds: dict[str, frozenset[str]] = {}

    def visit(name: str) -> frozenset[str]:
        if name not in bounds:
            bounds[name] = frozenset({name}).union(*(visit(above) for above in _ABOVE[name]))
        return bounds[name]

    for name in _ABOVE:
        visit(name)
    return bounds


_UPPER = _upper_bounds()


def is_float(dtype: str) -> bool:
    """Whether `dtype` names a floating type."""
    return dtype in _IS_FLOAT


def is_integer(dtype: str) -> bool:
    """Whether `dtype` names a signed or unsigned integer type (bool is not one)."""
    return dtype in _IS_INT


def bits(dtype: str) -> int:
    """Width of one element in bits."""
    return _BITS[dtype]


@functools.cache
def _lookup(dtype: Any) -> str:
    if dtype is bool:
        return "bool"
    if dtype is int:
        return "int32"
    name = getattr(dtype, "name", None) or (dtype if isinstance(dtype, str) else None)
    if name is None and isinstance(dtype, type) and issubclass(dtype, np.generic):
        name = np.dtype(dtype).name
    if name is None:
        name = str(dtype).rsplit(".", 1)[-1]  # frameworks print theirs as "package.float32"
    name = {"half": "float16", "double": "float64", "bool_": "bool", "str": "string"}.get(name, name)
    if name in _BITS or name in OTHER:
        return name
    if name.startswith(("float8", "key<")):
        raise DTypeError(f"The dtype {name!r} is not supported.", hint=f"one of {', '.join(ALL)}")
    raise UnknownNameError.of("dtype", name, ALL)


def canonical(dtype: Any) -> str:
    """The kerasish name of a dtype given as a name, a Python or NumPy type, or a framework's dtype object.

    Raises:
        UnknownNameError: There is no such dtype.

    Example:
        >>> canonical(float), canonical(np.dtype("int8"))
        ('float32', 'int8')
    """
    if dtype.__class__ is str and dtype in _BITS:
        return dtype
    if dtype is float:
        return floatx()
    try:
        return _lookup(dtype)
    except TypeError:  # unhashable
        raise DTypeError("A dtype must be a name such as 'float32'.", received=repr(dtype)) from None


@functools.cache
def to_numpy(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype of a kerasish dtype name; bfloat16 comes from ml_dtypes."""
    if dtype == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)  # type: ignore[no-any-return]
    return np.dtype("str" if dtype == "string" else dtype)


@functools.cache
def of_numpy(dtype: np.dtype[Any]) -> str:
    """The kerasish name of a NumPy dtype."""
    if dtype.kind in "USO":
        return "string"
    return canonical(dtype.name)


@functools.cache
def _join(names: frozenset[str]) -> str:
    common = frozenset.intersection(*(_UPPER[name] for name in names))
    least = [name for name in common if common <= _UPPER[name]]
    return least[0]


@functools.cache
def _promote(names: tuple[str, ...], floatx: str) -> str:
    joined = _join(frozenset(names))
    return {"int": "int32", "float": floatx}.get(joined, joined)


def promote(*names: str) -> str:
    """The least dtype above all of `names`; "int" and "float" stand for weak Python scalars.

    A weak result becomes int32, or `floatx()`.

    Example:
        >>> promote("int64", "float16"), promote("int8", "uint8"), promote("float32", "int")
        ('float16', 'int16', 'float32')
    """
    try:
        return _promote(names, floatx())
    except KeyError as error:
        raise DTypeError(
            f"The dtype {error.args[0]!r} has no place in arithmetic.",
            received=names,
            hint="cast to a numeric dtype first",
        ) from None


def weak_name(value: object) -> str | None:
    """The weak type name of a Python scalar ("bool", "int", "float"), or None for anything else."""
    kind = value.__class__
    if kind is float:
        return "float"
    if kind is int:
        return "int"
    if kind is bool:
        return "bool"
    return None


def int_range(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype."""
    width = _BITS[dtype]
    if dtype.startswith("u"):
        return 0, 2**width - 1
    return -(2 ** (width - 1)), 2 ** (width - 1) - 1
