"""Elementary and special functions of one tensor, element by element."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import DTypeError
from kerasish.ops.fastpath import BITS_OF, filled, floats, numbers, operand, unary

__all__ = [
    "abs",
    "absolute",
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "ceil",
    "conj",
    "conjugate",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "i0",
    "imag",
    "log",
    "log10",
    "log1p",
    "log2",
    "nan_to_num",
    "negative",
    "rad2deg",
    "real",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinc",
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


@unary("erf")
def erf(x: Any) -> Tensor:
    """The error function 2/√π ∫₀ˣ e^−t² dt. Integers become `floatx()`.

    Example:
        >>> erf([0.0]).tolist()
        [0.0]
    """
    return p.erf(floats(x))


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


@overridable
def _cbrt(x: Tensor, /) -> Tensor:
    size = p.abs(x)
    usual = p.logical_and(p.greater(size, 0.0), p.isfinite(size))
    root = p.power(p.where(usual, size, 1.0), 1.0 / 3.0)
    # One Newton step takes the last bits right: cube roots of cubes come out exact.
    root = p.subtract(root, p.divide(p.subtract(root, p.divide(size, p.square(root))), 3.0))
    return p.where(usual, p.multiply(p.sign(x), root), x)


@op
def cbrt(x: Any) -> Tensor:
    """∛x, negative for negative x.

    Example:
        >>> cbrt([8.0, -27.0]).tolist()
        [2.0, -3.0]
    """
    return _cbrt(floats(x))


@overridable
def _erfc(x: Tensor, /) -> Tensor:
    # Above 2 the continued fraction √π e^x² erfc(x) = 1/(x + ½/(x + 1/(x + 3/2/(x + ...)))): no cancellation.
    far = p.greater(x, 2.0)
    z = p.where(far, x, 2.0)
    tail = z
    for k in range(60, 0, -1):
        tail = p.add(z, p.divide(0.5 * k, tail))
    large = p.divide(p.exp(p.negative(p.square(z))), p.multiply(tail, _math.sqrt(_math.pi)))
    return p.where(far, large, p.subtract(1.0, p.erf(x)))


@op
def erfc(x: Any) -> Tensor:
    """1 − erf(x), accurate for large x.

    Example:
        >>> erfc([0.0]).tolist()
        [1.0]
    """
    return _erfc(floats(x))


@overridable
def _erfinv(x: Tensor, /) -> Tensor:
    # Winitzki's approximation (2008), then Newton steps on erf(y) = x.
    a = 0.147
    inside = p.less(p.abs(x), 1.0)
    z = p.where(inside, x, 0.0)
    log = p.log1p(p.negative(p.square(z)))
    half = p.add(p.multiply(log, 0.5), 2.0 / (_math.pi * a))
    inner = p.subtract(p.sqrt(p.subtract(p.square(half), p.divide(log, a))), half)
    y = p.multiply(p.sign(z), p.sqrt(p.maximum(inner, 0.0)))
    for _ in range(3):
        # Only the last step carries the gradient, 1 / erf'(y): that of the first guess is infinite at 0.
        y = p.stop_gradient(y)
        slope = p.multiply(p.exp(p.negative(p.square(y))), 2.0 / _math.sqrt(_math.pi))
        y = p.subtract(y, p.divide(p.subtract(p.erf(y), z), slope))
    ends = p.where(p.equal(p.abs(x), 1.0), p.multiply(p.stop_gradient(x), _math.inf), _math.nan)
    return p.where(inside, y, ends)


@op
def erfinv(x: Any) -> Tensor:
    """The y with erf(y) = x; ±inf at ±1, NaN outside.

    Example:
        >>> erfinv([0.0]).tolist()
        [0.0]
    """
    return _erfinv(floats(x))


@op
def sinc(x: Any) -> Tensor:
    """sin(πx)/(πx), 1 at 0.

    Example:
        >>> sinc([0.0]).tolist()
        [1.0]
    """
    x = floats(x)
    zero = p.equal(x, 0.0)
    angle = p.multiply(p.where(zero, 1.0, x), _math.pi)
    return p.where(zero, 1.0, p.divide(p.sin(angle), angle))


@overridable
def _i0(x: Tensor, /) -> Tensor:
    size = p.abs(x)
    far = p.greater(size, 15.0)
    # Near: Σ (x²/4)ᵏ / k!², by Horner's rule. Far: e^x/√(2πx) · Σ ∏ (2j−1)²/(8jx).
    quarter = p.multiply(p.square(p.where(far, 15.0, size)), 0.25)
    near = filled(x, shape_of(x), 1.0, dtype_of(x))
    for k in range(45, 0, -1):
        near = p.add(p.multiply(p.multiply(quarter, near), 1.0 / (k * k)), 1.0)
    large = p.where(far, size, 15.0)
    series = filled(x, shape_of(x), 1.0, dtype_of(x))
    for k in range(20, 0, -1):
        series = p.add(p.multiply(p.divide(series, large), (2 * k - 1) ** 2 / (8.0 * k)), 1.0)
    tail = p.divide(p.multiply(p.exp(large), series), p.sqrt(p.multiply(large, 2.0 * _math.pi)))
    return p.where(far, tail, near)


@op
def i0(x: Any) -> Tensor:
    """The modified Bessel function of the first kind, order 0.

    Example:
        >>> i0([0.0]).tolist()
        [1.0]
    """
    return _i0(floats(x))


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


@op
def real(x: Any) -> Tensor:
    """The real part: x itself, as all tensors are real.

    Example:
        >>> real([1.0]).tolist()
        [1.0]
    """
    return operand(x)


@op
def imag(x: Any) -> Tensor:
    """The imaginary part: zeros, as all tensors are real.

    Example:
        >>> imag([1.0]).tolist()
        [0.0]
    """
    x = operand(x)
    return filled(x, shape_of(x), 0, dtype_of(x))


@op
def conjugate(x: Any) -> Tensor:
    """The complex conjugate: x itself, as all tensors are real.

    Example:
        >>> conjugate([1.0]).tolist()
        [1.0]
    """
    return operand(x)


@op
def conj(x: Any) -> Tensor:
    """The complex conjugate; the same as `conjugate`.

    Example:
        >>> conj([1.0]).tolist()
        [1.0]
    """
    return operand(x)


@op
def angle(x: Any) -> Tensor:
    """The angle in the complex plane: π for x < 0 and −0.0, else 0; NaN for NaN.

    Example:
        >>> angle([1.0]).tolist()
        [0.0]
    """
    x = floats(x)
    minus = p.less(p.bitcast(x, dtype=BITS_OF[dtype_of(x)]), 0)  # −0.0 counts as negative
    turned = p.where(minus, filled(x, shape_of(x), _math.pi, dtype_of(x)), 0.0)
    return p.where(p.isnan(x), x, turned)


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
