"""From whatever a user holds to tensors of one engine, and back to NumPy. Promotion of operands lives here too."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.core.config import floatx
from kerasish.core.context import current_call
from kerasish.core.contract import Engine
from kerasish.core.errors import ArgumentError, DTypeError, EngineMismatchError, ShapeError
from kerasish.core.primitive import ABSTRACT
from kerasish.core.primitives.elementwise import cast as _cast
from kerasish.core.registry import TABLE, current_device, current_engine, discover, engine_of


def _owner(x: Any) -> Engine | None:
    kind = x.__class__
    try:
        return TABLE[kind]
    except KeyError:
        return discover(kind, x)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor as a plain tuple."""
    if x.__class__ is np.ndarray:
        return x.shape  # type: ignore[no-any-return]
    engine = _owner(x)
    return engine.shape_of(x) if engine is not None else np.shape(x)


def dtype_of(x: Any) -> str:
    """The dtype name of a tensor."""
    if x.__class__ is np.ndarray:
        return dtypes.of_numpy(x.dtype)
    engine = _owner(x)
    if engine is not None:
        return engine.dtype_of(x)
    weak = dtypes.weak_name(x)
    if weak is not None:
        return dtypes.promote(weak)
    return dtypes.of_numpy(np.asarray(x).dtype)


def ndim_of(x: Any) -> int:
    """Number of axes of a tensor."""
    return len(shape_of(x))


def host_array(x: Any, dtype: str | None = None) -> np.ndarray:
    """Host data as an array: Python floats become floatx, Python ints int32, NumPy arrays keep their dtype.

    Raises:
        ShapeError: Nested lists are ragged.
        DTypeError: The data is not numeric.
    """
    if isinstance(x, (np.ndarray, np.generic)):
        array = np.asarray(x)
    else:
        if isinstance(x, (list, tuple)) and any(hasattr(item, "__array__") for item in x):
            x = [
                host_array(item) if hasattr(item, "__array__") or isinstance(item, (list, tuple)) else item
                for item in x
            ]
        try:
            array = np.asarray(x)
        except ValueError:
            raise ShapeError(
                "Rows of different lengths do not make a tensor.",
                hint="pad them to one length (pad_sequences)",
            ) from None
        if not hasattr(x, "__array__") and not _holds_arrays(x):
            if array.dtype == np.float64:
                array = array.astype(dtypes.to_numpy(dtype or floatx()))
            elif array.dtype == np.int64 and (dtype is None or not array.size or _fits_int32(array)):
                array = array.astype(np.int32) if _fits_int32(array) else array
    if array.dtype == object:
        raise DTypeError(
            "This is not numeric data.", received=repr(x)[:80], hint="numbers, or arrays of numbers"
        )
    if dtype is not None and dtypes.of_numpy(array.dtype) != dtype:
        array = host_cast(array, dtype)
    return array


def _holds_arrays(x: Any) -> bool:
    return isinstance(x, list) and bool(x) and isinstance(x[0], (np.ndarray, np.generic))


def _fits_int32(array: np.ndarray) -> bool:
    return not array.size or (array.min() >= -(2**31) and array.max() < 2**31)


def host_cast(array: np.ndarray, dtype: str) -> np.ndarray:
    """Convert under the contract of the primitive `cast`: saturate, NaN to 0, no warnings."""
    if dtype == "string" or array.dtype.kind in "US":
        raise DTypeError("Text cannot be converted to numbers.", received=str(array.dtype), expected=dtype)
    target = dtypes.to_numpy(dtype)
    source = dtypes.of_numpy(array.dtype)
    if dtypes.is_float(source) and dtypes.is_integer(dtype):
        low, high = dtypes.int_range(dtype)
        wide = array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            result = np.trunc(wide).astype(target)
        result = np.where(np.isnan(wide), target.type(0), result)
        result = np.where(wide >= float(high), target.type(high), result)
        return np.where(wide <= float(low), target.type(low), result)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(target)


def to_tensor(x: Any, engine: Engine | None = None, dtype: str | None = None) -> Any:
    """`x` as a tensor of `engine` (default: the one in force), converted to `dtype` if given.

    Raises:
        EngineMismatchError: `x` is a tensor of another engine.
    """
    engine = engine or current_engine()
    if x.__class__ is np.ndarray and dtype is None and engine.is_tensor(x):
        return x
    value = getattr(x, "__kerasish_value__", None)
    if value is not None:
        x = value()
    if isinstance(x, np.generic):
        x = np.asarray(x)
    if engine.is_tensor(x):
        return x if dtype is None or engine.dtype_of(x) == dtype else _cast(x, dtype=dtype)
    owner = _owner(x)
    if owner is ABSTRACT:  # the abstract engine takes part without being in force
        return x if dtype is None or x.dtype == dtype else _cast(x, dtype=dtype)
    if owner is not None and engine is not ABSTRACT:
        if owner.supports("traced_host") or owner.supports("host"):
            return x
        raise EngineMismatchError(
            f"A tensor of the {owner.name} engine met the {engine.name} engine.",
            hint="convert it with kerasish.ops.convert_to_numpy first",
        )
    if owner is not None:
        return ABSTRACT.primitives["stop_gradient"](_spec(owner, x, dtype))
    if x is None:
        raise ArgumentError("A tensor is needed.", received="None")
    array = host_array(x, dtype)
    if array.dtype.kind in "US" and not (engine is ABSTRACT or engine.supports("host")):
        raise DTypeError(
            f"Tensors of the {engine.name} engine hold no text.", received=f"string {repr(x)[:40]}"
        )
    return engine.asarray(array, dtype=dtypes.of_numpy(array.dtype), device=current_device())


def _spec(owner: Engine, x: Any, dtype: str | None) -> Any:
    from kerasish.core.abstract import AbstractTensor

    return AbstractTensor(owner.shape_of(x), dtype or owner.dtype_of(x))


def plain(x: Any) -> Any:
    """A variable's value, a plain object itself."""
    value = getattr(x, "__kerasish_value__", None)
    return x if value is None else value()


def tensors(*xs: Any) -> list[Any]:
    """All `xs` as tensors of the engine that owns any of them (else the one in force). Dtypes stay."""
    values = [plain(x) for x in xs]
    engine = engine_of(values)
    return [to_tensor(x, engine) for x in values]


def promoted(*xs: Any, scalars: bool = False, at_least: str | None = None) -> list[Any]:
    """All `xs` as tensors of one engine and one dtype, by the lattice.

    Args:
        xs: Tensors, variables, arrays, lists or Python scalars.
        scalars: Leave Python scalars as they are (binary primitives take one), unless all are scalars.
        at_least: A weak name ("float") that takes part in the promotion.
    """
    values = [plain(x) for x in xs]
    engine = engine_of(values)
    weak = [dtypes.weak_name(x) for x in values]
    converted = [x if w else to_tensor(x, engine) for x, w in zip(values, weak, strict=True)]
    names = [w or _dtype(engine, x) for x, w in zip(converted, weak, strict=True)]
    dtype = dtypes.promote(*names, *([at_least] if at_least else []))
    keep = scalars and not all(weak)
    return [
        _scalar(x, dtype, engine) if w and keep else to_tensor(x, engine, dtype)
        for x, w in zip(converted, weak, strict=True)
    ]


def _dtype(engine: Engine, x: Any) -> str:
    return engine.dtype_of(x) if engine.is_tensor(x) else dtype_of(x)


def _scalar(x: Any, dtype: str, engine: Engine) -> Any:
    if dtypes.is_integer(dtype):
        low, high = dtypes.int_range(dtype)
        if not low <= x <= high:
            return to_tensor(np.asarray(x), engine, dtype)
        return int(x)
    return x if dtype == "bool" else float(x)


def floating(x: Any) -> Any:
    """`x` as a tensor of a float dtype: integers and bools become floatx."""
    x = tensors(x)[0]
    name = dtype_of(x)
    return x if dtypes.is_float(name) else _cast(x, dtype=floatx())


def to_numpy(x: Any) -> np.ndarray:
    """The values of a tensor, variable, array or list on the host."""
    x = plain(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return np.asarray(x)
    engine = _owner(x)
    return engine.to_numpy(x) if engine is not None else host_array(x)


def is_abstract() -> bool:
    """Whether the running call infers shapes only."""
    call = current_call()
    return call is not None and call.abstract
