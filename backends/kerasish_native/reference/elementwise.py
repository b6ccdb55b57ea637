"""Elementwise primitives in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish.core import dtypes
from kerasish.core.convert import host_cast

Array = npt.NDArray[Any]
Kernel = Callable[..., Any]


def cast(x: Array, *, dtype: str) -> Array:
    """Convert; the same dtype costs nothing."""
    target = dtypes.to_numpy(dtype)
    if x.dtype == target:
        return x
    if x.dtype.kind in "biu" or target.kind == "f":
        return x.astype(target)
    return host_cast(x, dtype)


def bitcast(x: Array, *, dtype: str) -> Array:
    """The same bits under another dtype."""
    return x.view(dtypes.to_numpy(dtype))


def is_half(x: Array) -> bool:
    """Whether `x` has 16 bit floats, for which arithmetic runs in float32 and is rounded once."""
    kind = x.dtype
    return kind.itemsize == 2 and kind.kind in "fV"


def _unary(function: Kernel) -> Kernel:
    def kernel(x: Array) -> Array:
        if is_half(x):
            return np.asarray(function(x.astype(np.float32))).astype(x.dtype)
        y = function(x)
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel


def _exact(function: Kernel) -> Kernel:
    def kernel(x: Array) -> Array:
        y = function(x)
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel


def strong(x: Any, other: Any) -> Any:
    """A Python scalar beside bfloat16 must become one first: NumPy would answer in float32."""
    if x.__class__ is not np.ndarray and other.dtype.kind == "V":
        return other.dtype.type(x)
    return x


def _binary(function: Kernel) -> Kernel:
    def kernel(x1: Any, x2: Any) -> Array:
        if x1.__class__ is not np.ndarray:
            x1 = strong(x1, x2)
        elif x2.__class__ is not np.ndarray:
            x2 = strong(x2, x1)
        y = function(x1, x2)
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel


def _rsqrt(x: Array) -> Array:
    return np.asarray(1.0 / np.sqrt(x))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))  # at most 1: no overflow at either end
    return np.asarray(np.maximum(e, x >= 0) / (1.0 + e))  # 1 or e above, without a slow np.where


# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23
# (1969): erf x = x·A(x²)/B(x²) up to 0.46875, erfc x = e^−x²·C(x)/D(x) above. Highest power first.
_A = (
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_B = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_C = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
    2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
    1.23033935479799725e3,
)  # fmt: skip
_D = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    result = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        result *= x
        result += c
    return result


def _erf(x: Array) -> Array:
    a = np.minimum(np.abs(x.astype(np.float64)), 6.0)  # erf is 1 to the last bit from 6 on; NaN stays
    low = np.minimum(a, 0.46875)
    small = low * _polynomial(_A, low * low) / _polynomial(_B, low * low)
    large = 1.0 - np.exp(-a * a) * _polynomial(_C, a) / _polynomial(_D, a)
    return np.copysign(np.where(a <= 0.46875, small, large), x).astype(x.dtype)


def _power(x1: Any, x2: Any) -> Any:
    kind = x2.dtype.kind if isinstance(x2, (np.ndarray, np.generic)) else x1.dtype.kind
    if kind not in "iu":
        return np.power(x1, x2)
    below = np.less(x2, 0)
    if not np.any(below):
        return np.power(x1, x2)
    shape = np.broadcast(x1, x2)
    dtype = x1.dtype if isinstance(x1, np.ndarray) else x2.dtype
    base, exponent = (np.broadcast_to(np.asarray(v, dtype), shape.shape) for v in (x1, x2))
    unit = np.where(exponent % 2 == 0, np.abs(base), base)  # ±1 to a negative power
    truncated = np.where(np.abs(base) == 1, unit, 0)
    return np.where(below, truncated, np.power(base, np.where(below, 0, exponent))).astype(dtype)


def _wide(function: Kernel) -> Kernel:
    """A binary function whose 16 bit case runs in float32."""

    def kernel(x1: Any, x2: Any) -> Any:
        tensor = x1 if isinstance(x1, np.ndarray) else x2
        if not is_half(tensor):
            return function(x1, x2)
        one, two = (x.astype(np.float32) if isinstance(x, (np.ndarray, np.generic)) else x for x in (x1, x2))
        return np.asarray(function(one, two)).astype(tensor.dtype)

    return kernel


_BITS = {"f": np.int32, "d": np.int64}


def masked(x: Array, keep: Array) -> Array:
    """`x` where the bool array `keep` holds, else 0: a bitwise and, several times as fast as `np.where`."""
    bits = _BITS.get(x.dtype.char)
    if bits is None:
        return np.where(keep, x, x.dtype.type(0))
    mask = np.negative(keep.view(np.int8)).astype(bits)  # all ones or all zeros
    return np.asarray(np.bitwise_and(mask, x.view(bits))).view(x.dtype)


def _is_zero(x: Any) -> bool:
    return x.__class__ is float and x == 0 and math.copysign(1, x) > 0


def where(condition: Array, x1: Any, x2: Any) -> Array:
    """Choose elementwise."""
    if _is_zero(x2):
        return masked(x1, condition)
    if _is_zero(x1):
        return masked(x2, ~condition)
    if x1.__class__ is not np.ndarray:
        x1 = strong(x1, x2)
    elif x2.__class__ is not np.ndarray:
        x2 = strong(x2, x1)
    return np.asarray(np.where(condition, x1, x2))


_UNARY: dict[str, Kernel] = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": _rsqrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arcsinh": np.arcsinh, "arccosh": np.arccosh,
    "arctanh": np.arctanh, "sigmoid": _sigmoid, "erf": _erf,
}  # fmt: skip
_EXACT: dict[str, Kernel] = {
    "negative": np.negative, "abs": np.abs, "sign": np.sign, "square": np.square, "floor": np.floor,
    "ceil": np.ceil, "trunc": np.trunc, "round": np.rint, "isfinite": np.isfinite, "isnan": np.isnan,
    "isinf": np.isinf, "logical_not": np.logical_not, "bitwise_not": np.bitwise_not,
}  # fmt: skip
_BINARY: dict[str, Kernel] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "floor_divide": np.floor_divide, "remainder": np.remainder, "power": _wide(_power), "maximum": np.maximum,
    "minimum": np.minimum, "arctan2": _wide(np.arctan2), "equal": np.equal, "not_equal": np.not_equal,
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift, "right_shift": np.right_shift,
}  # fmt: skip

KERNELS: dict[str, Kernel] = {
    "cast": cast,
    "bitcast": bitcast,
    "where": where,
    **{name: _unary(function) for name, function in _UNARY.items()},
    **{name: _exact(function) for name, function in _EXACT.items()},
    **{name: _binary(function) for name, function in _BINARY.items()},
}
