"""Special functions of one tensor, and the parts of complex numbers, which here are always real."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.ops.fastpath import BITS_OF, filled, floats, operand, unary

__all__ = [
    "angle",
    "cbrt",
    "conj",
    "conjugate",
    "erf",
    "erfc",
    "erfinv",
    "i0",
    "imag",
    "real",
    "sinc",
]


@unary("erf")
def erf(x: Any) -> Tensor:
    """The error function 2/√π ∫₀ˣ e^−t² dt. Integers become `floatx()`.

    Example:
        >>> erf([0.0]).tolist()
        [0.0]
    """
    return p.erf(floats(x))


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
