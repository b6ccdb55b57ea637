"""Elementary and special functions of one tensor, element by element."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import DTypeError
from kerasish.ops.fastpath import floats, numbers, operand, unary

__all__ = [
    "abs",
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "log",
    "log1p",
    "log2",
    "log10",
    "nan_to_num",
    "negative",
    "rad2deg",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
]


@unary("exp")
def exp(x: Any) -> Tensor:
    """e^x. Integers become `floatx()`.

    Example:
        >>> exp([0.0]).tolist()
        [1.0]
    """
    return p.exp(floats(x))


@unary("expm1")
def expm1(x: Any) -> Tensor:
    """e^x − 1, accurate near 0. Integers become `floatx()`.

    Example:
        >>> expm1([0.0]).tolist()
        [0.0]
    """
    return p.expm1(floats(x))


@unary("log")
def log(x: Any) -> Tensor:
    """ln x; −inf at 0, NaN below. Integers become `floatx()`.

    Example:
        >>> log([1.0]).tolist()
        [0.0]
    """
    return p.log(floats(x))


@unary("log1p")
def log1p(x: Any) -> Tensor:
    """ln(1 + x), accurate near 0. Integers become `floatx()`.

    Example:
        >>> log1p([0.0]).tolist()
        [0.0]
    """
    return p.log1p(floats(x))


@unary("sqrt")
def sqrt(x: Any) -> Tensor:
    """√x; NaN below 0. Integers become `floatx()`.

    Example:
        >>> sqrt([4.0, 9.0]).tolist()
        [2.0, 3.0]
    """
    return p.sqrt(floats(x))


@unary("rsqrt")
def rsqrt(x: Any) -> Tensor:
    """1/√x. Integers become `floatx()`.

    Example:
        >>> rsqrt([4.0]).tolist()
        [0.5]
    """
    return p.rsqrt(floats(x))


@unary("sin")
def sin(x: Any) -> Tensor:
    """Sine, x in radians. Integers become `floatx()`.

    Example:
        >>> sin([0.0]).tolist()
        [0.0]
    """
    return p.sin(floats(x))


@unary("cos")
def cos(x: Any) -> Tensor:
    """Cosine, x in radians. Integers become `floatx()`.

    Example:
        >>> cos([0.0]).tolist()
        [1.0]
    """
    return p.cos(floats(x))


@unary("tan")
def tan(x: Any) -> Tensor:
    """Tangent, x in radians. Integers become `floatx()`.

    Example:
        >>> tan([0.0]).tolist()
        [0.0]
    """
    return p.tan(floats(x))


@unary("arcsin")
def arcsin(x: Any) -> Tensor:
    """Inverse sine in radians; NaN outside [−1, 1]. Integers become `floatx()`.

    Example:
        >>> arcsin([0.0]).tolist()
        [0.0]
    """
    return p.arcsin(floats(x))


@unary("arccos")
def arccos(x: Any) -> Tensor:
    """Inverse cosine in radians; NaN outside [−1, 1]. Integers become `floatx()`.

    Example:
        >>> arccos([1.0]).tolist()
        [0.0]
    """
    return p.arccos(floats(x))


@unary("arctan")
def arctan(x: Any) -> Tensor:
    """Inverse tangent in radians. Integers become `floatx()`.

    Example:
        >>> arctan([0.0]).tolist()
        [0.0]
    """
    return p.arctan(floats(x))


@unary("sinh")
def sinh(x: Any) -> Tensor:
    """Hyperbolic sine, (e^x − e^−x)/2. Integers become `floatx()`.

    Example:
        >>> sinh([0.0]).tolist()
        [0.0]
    """
    return p.sinh(floats(x))


@unary("cosh")
def cosh(x: Any) -> Tensor:
    """Hyperbolic cosine, (e^x + e^−x)/2. Integers become `floatx()`.

    Example:
        >>> cosh([0.0]).tolist()
        [1.0]
    """
    return p.cosh(floats(x))


@unary("tanh")
def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent. Integers become `floatx()`.

    Example:
        >>> tanh([0.0]).tolist()
        [0.0]
    """
    return p.tanh(floats(x))


@unary("arcsinh")
def arcsinh(x: Any) -> Tensor:
    """Inverse hyperbolic sine. Integers become `floatx()`.

    Example:
        >>> arcsinh([0.0]).tolist()
        [0.0]
    """
    return p.arcsinh(floats(x))


@unary("arccosh")
def arccosh(x: Any) -> Tensor:
    """Inverse hyperbolic cosine; NaN below 1. Integers become `floatx()`.

    Example:
        >>> arccosh([1.0]).tolist()
        [0.0]
    """
    return p.arccosh(floats(x))


@unary("arctanh")
def arctanh(x: Any) -> Tensor:
    """Inverse hyperbolic tangent; ±inf at ±1. Integers become `floatx()`.

    Example:
        >>> arctanh([0.0]).tolist()
        [0.0]
    """
    return p.arctanh(floats(x))


@unary("floor")
def floor(x: Any) -> Tensor:
    """The largest integer not above x, as a float. Integers become `floatx()`.

    Example:
        >>> floor([1.7, -1.2]).tolist()
        [1.0, -2.0]
    """
    return p.floor(floats(x))


@unary("ceil")
def ceil(x: Any) -> Tensor:
    """The smallest integer not below x, as a float. Integers become `floatx()`.

    Example:
        >>> ceil([1.2, -1.7]).tolist()
        [2.0, -1.0]
    """
    return p.ceil(floats(x))


@unary("trunc")
def trunc(x: Any) -> Tensor:
    """The integer part of x; integers stay as they are.

    Example:
        >>> trunc([1.7, -1.7]).tolist()
        [1.0, -1.0]
    """
    x = operand(x)
    return p.trunc(x) if dtypes.is_float(dtype_of(x)) else x


@op
def round(x: Any, decimals: int = 0) -> Tensor:
    """x rounded to `decimals` places, halves to even; integers stay integers.

    Example:
        >>> round([0.5, 1.5, 2.4]).tolist()
        [0.0, 2.0, 2.0]
    """
    x = numbers(x)
    name = dtype_of(x)
    if not dtypes.is_float(name):
        if decimals >= 0:
            return x
        scale = 10.0**-decimals
        wide = p.cast(x, dtype="float64")
        return p.cast(p.multiply(p.round(p.divide(wide, scale)), scale), dtype=name)
    if decimals == 0:
        return p.round(x)
    scale = 10.0 ** _magnitude(decimals)
    if decimals > 0:
        return p.divide(p.round(p.multiply(x, scale)), scale)
    return p.multiply(p.round(p.divide(x, scale)), scale)


def _magnitude(value: int) -> int:
    """|value| of a Python number; the builtin's name is taken in this module."""
    return value if value >= 0 else -value


@unary("abs", "fi")
def absolute(x: Any) -> Tensor:
    """|x|; bools and unsigned integers stay as they are.

    Example:
        >>> absolute([-1.0, 2.0]).tolist()
        [1.0, 2.0]
    """
    x = operand(x)
    return x if dtype_of(x).startswith(("bool", "uint")) else p.abs(x)


@unary("abs", "fi")
def abs(x: Any) -> Tensor:
    """|x|; the same as `absolute`.

    Example:
        >>> abs([-1.0, 2.0]).tolist()
        [1.0, 2.0]
    """
    x = operand(x)
    return x if dtype_of(x).startswith(("bool", "uint")) else p.abs(x)


@op
def fabs(x: Any) -> Tensor:
    """|x| as a float.

    Example:
        >>> fabs([-1, 2]).tolist()
        [1.0, 2.0]
    """
    return p.abs(floats(x))


@unary("negative", "fiu")
def negative(x: Any) -> Tensor:
    """−x; integers wrap.

    Raises:
        DTypeError: x is bool.

    Example:
        >>> negative([1.0, -2.0]).tolist()
        [-1.0, 2.0]
    """
    x = operand(x)
    if dtype_of(x) == "bool":
        raise DTypeError("A bool has no negative.", received="bool", hint="use ops.logical_not")
    return p.negative(x)


@unary("sign", "fi")
def sign(x: Any) -> Tensor:
    """−1, 0 or 1; NaN for NaN.

    Raises:
        DTypeError: x is bool.

    Example:
        >>> sign([-3.0, 0.0, 2.0]).tolist()
        [-1.0, 0.0, 1.0]
    """
    x = operand(x)
    name = dtype_of(x)
    if name == "bool":
        raise DTypeError("A bool has no sign.", received="bool", hint="ops.cast(x, 'int32')")
    return p.minimum(x, 1) if name.startswith("uint") else p.sign(x)


@unary("square", "fiu")
def square(x: Any) -> Tensor:
    """x²; bools become int32.

    Example:
        >>> square([2.0, -3.0]).tolist()
        [4.0, 9.0]
    """
    return p.square(numbers(x))


@op
def reciprocal(x: Any) -> Tensor:
    """1/x as a float.

    Example:
        >>> reciprocal([2.0, 4.0]).tolist()
        [0.5, 0.25]
    """
    return p.divide(1.0, floats(x))


@overridable
def _exp2(x: Tensor, /) -> Tensor:
    return p.power(2.0, x)


@op
def exp2(x: Any) -> Tensor:
    """2^x.

    Example:
        >>> exp2([3.0]).tolist()
        [8.0]
    """
    return _exp2(floats(x))


@overridable
def _log2(x: Tensor, /) -> Tensor:
    return p.divide(p.log(x), _math.log(2.0))


@op
def log2(x: Any) -> Tensor:
    """log₂ x.

    Example:
        >>> log2([1.0]).tolist()
        [0.0]
    """
    return _log2(floats(x))


@overridable
def _log10(x: Tensor, /) -> Tensor:
    return p.divide(p.log(x), _math.log(10.0))


@op
def log10(x: Any) -> Tensor:
    """log₁₀ x.

    Example:
        >>> log10([1.0]).tolist()
        [0.0]
    """
    return _log10(floats(x))


@op
def deg2rad(x: Any) -> Tensor:
    """x · π/180.

    Example:
        >>> deg2rad([0.0]).tolist()
        [0.0]
    """
    return p.multiply(floats(x), _math.pi / 180.0)


@op
def rad2deg(x: Any) -> Tensor:
    """x · 180/π.

    Example:
        >>> rad2deg([0.0]).tolist()
        [0.0]
    """
    return p.multiply(floats(x), 180.0 / _math.pi)


_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}


@op
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with NaN replaced by `nan` and ±inf by `posinf` and `neginf` (default: the dtype's largest numbers).

    Example:
        >>> nan_to_num([float("nan"), 1.0]).tolist()
        [0.0, 1.0]
    """
    x = operand(x)
    name = dtype_of(x)
    if not dtypes.is_float(name):
        return x
    high = _LARGEST[name] if posinf is None else float(posinf)
    low = -_LARGEST[name] if neginf is None else float(neginf)
    infinite = p.isinf(x)
    x = p.where(p.logical_and(infinite, p.greater(x, 0.0)), high, x)
    x = p.where(p.logical_and(infinite, p.less(x, 0.0)), low, x)
    return p.where(p.isnan(x), float(nan), x)
