"""Elementwise primitives. Binary ones broadcast; their operands have equal dtypes, one may be a Python scalar."""

from __future__ import annotations

from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import DTypeError
from kerasish.core.primitive import primitive


def _same(x: Any) -> AbstractTensor:
    return AbstractTensor(x.shape, x.dtype)


def _float(x: Any) -> AbstractTensor:
    if not dtypes.is_float(x.dtype):
        raise DTypeError("A floating dtype is needed.", received=x.dtype, hint="ops.cast(x, 'float32')")
    return AbstractTensor(x.shape, x.dtype)


def _bool(x: Any) -> AbstractTensor:
    return AbstractTensor(x.shape, "bool")


def _pair(x1: Any, x2: Any, dtype: str | None = None) -> AbstractTensor:
    one, two = isinstance(x1, AbstractTensor), isinstance(x2, AbstractTensor)
    if one and two:
        if x1.dtype != x2.dtype:
            raise DTypeError("Operands need one dtype.", received=f"{x1.dtype} and {x2.dtype}")
        return AbstractTensor(shapes.broadcast(x1.shape, x2.shape), dtype or x1.dtype)
    x = x1 if one else x2
    return AbstractTensor(x.shape, dtype or x.dtype)


@primitive
def cast(x: Any, /, *, dtype: str) -> Any:
    """Convert to `dtype`.

    Float to integer truncates towards zero, saturates at the ends of the integer's range and maps NaN to 0. Integer to
    narrower integer wraps. To bool: x != 0, so NaN is True. To a narrower float: rounds to nearest even, overflow gives
    an infinity.
    """
    return AbstractTensor(x.shape, dtype)


@primitive
def bitcast(x: Any, /, *, dtype: str) -> Any:
    """Reinterpret the bits of `x` as a dtype of the same width."""
    if dtypes.bits(x.dtype) != dtypes.bits(dtype):
        raise DTypeError("A bitcast keeps the width.", received=f"{x.dtype} to {dtype}")
    return AbstractTensor(x.shape, dtype)


@primitive
def negative(x: Any, /) -> Any:
    """−x; integers wrap."""
    return _same(x)


@primitive
def abs(x: Any, /) -> Any:
    """|x|."""
    return _same(x)


@primitive
def sign(x: Any, /) -> Any:
    """−1, 0 or 1; NaN for NaN."""
    return _same(x)


@primitive
def square(x: Any, /) -> Any:
    """x²."""
    return _same(x)


@primitive
def exp(x: Any, /) -> Any:
    """e^x."""
    return _float(x)


@primitive
def expm1(x: Any, /) -> Any:
    """e^x − 1, accurate near 0."""
    return _float(x)


@primitive
def log(x: Any, /) -> Any:
    """ln x; −inf at 0, NaN below."""
    return _float(x)


@primitive
def log1p(x: Any, /) -> Any:
    """ln(1 + x), accurate near 0."""
    return _float(x)


@primitive
def sqrt(x: Any, /) -> Any:
    """√x; NaN below 0."""
    return _float(x)


@primitive
def rsqrt(x: Any, /) -> Any:
    """1/√x."""
    return _float(x)


@primitive
def sin(x: Any, /) -> Any:
    """Sine, x in radians."""
    return _float(x)


@primitive
def cos(x: Any, /) -> Any:
    """Cosine, x in radians."""
    return _float(x)


@primitive
def tan(x: Any, /) -> Any:
    """Tangent, x in radians."""
    return _float(x)


@primitive
def arcsin(x: Any, /) -> Any:
    """Inverse sine in radians; NaN outside [−1, 1]."""
    return _float(x)


@primitive
def arccos(x: Any, /) -> Any:
    """Inverse cosine in radians; NaN outside [−1, 1]."""
    return _float(x)


@primitive
def arctan(x: Any, /) -> Any:
    """Inverse tangent in radians."""
    return _float(x)


@primitive
def sinh(x: Any, /) -> Any:
    """Hyperbolic sine."""
    return _float(x)


@primitive
def cosh(x: Any, /) -> Any:
    """Hyperbolic cosine."""
    return _float(x)


@primitive
def tanh(x: Any, /) -> Any:
    """Hyperbolic tangent."""
    return _float(x)


@primitive
def arcsinh(x: Any, /) -> Any:
    """Inverse hyperbolic sine."""
    return _float(x)


@primitive
def arccosh(x: Any, /) -> Any:
    """Inverse hyperbolic cosine; NaN below 1."""
    return _float(x)


@primitive
def arctanh(x: Any, /) -> Any:
    """Inverse hyperbolic tangent; ±inf at ±1."""
    return _float(x)


@primitive
def sigmoid(x: Any, /) -> Any:
    """1 / (1 + e^−x), without overflow at either end."""
    return _float(x)


@primitive
def erf(x: Any, /) -> Any:
    """Error function 2/√π ∫₀ˣ e^−t² dt."""
    return _float(x)


@primitive
def floor(x: Any, /) -> Any:
    """Largest integer not above x, as a float."""
    return _float(x)


@primitive
def ceil(x: Any, /) -> Any:
    """Smallest integer not below x, as a float."""
    return _float(x)


@primitive
def trunc(x: Any, /) -> Any:
    """Integer part, as a float."""
    return _float(x)


@primitive
def round(x: Any, /) -> Any:
    """Nearest integer as a float, halves to even."""
    return _float(x)


@primitive
def isfinite(x: Any, /) -> Any:
    """Whether x is neither infinite nor NaN (float input)."""
    _float(x)
    return _bool(x)


@primitive
def isnan(x: Any, /) -> Any:
    """Whether x is NaN (float input)."""
    _float(x)
    return _bool(x)


@primitive
def isinf(x: Any, /) -> Any:
    """Whether x is +inf or −inf (float input)."""
    _float(x)
    return _bool(x)


@primitive
def logical_not(x: Any, /) -> Any:
    """Not x (bool input)."""
    return _bool(x)


@primitive
def bitwise_not(x: Any, /) -> Any:
    """Every bit flipped (integer input)."""
    return _same(x)


@primitive
def add(x1: Any, x2: Any, /) -> Any:
    """x1 + x2; integers wrap."""
    return _pair(x1, x2)


@primitive
def subtract(x1: Any, x2: Any, /) -> Any:
    """x1 − x2; integers wrap."""
    return _pair(x1, x2)


@primitive
def multiply(x1: Any, x2: Any, /) -> Any:
    """x1 · x2; integers wrap."""
    return _pair(x1, x2)


@primitive
def divide(x1: Any, x2: Any, /) -> Any:
    """x1 / x2 (floats); ±inf or NaN over 0."""
    result = _pair(x1, x2)
    return _float(result)


@primitive
def floor_divide(x1: Any, x2: Any, /) -> Any:
    """floor(x1 / x2); an integer over 0 gives 0."""
    return _pair(x1, x2)


@primitive
def remainder(x1: Any, x2: Any, /) -> Any:
    """x1 − floor(x1/x2)·x2, the sign of x2; an integer over 0 gives 0, a float NaN."""
    return _pair(x1, x2)


@primitive
def power(x1: Any, x2: Any, /) -> Any:
    """x1 to the x2. Integers wrap; a negative integer exponent truncates the true value (0, or ±1 for base ±1)."""
    return _pair(x1, x2)


@primitive
def maximum(x1: Any, x2: Any, /) -> Any:
    """The larger; NaN if either is NaN."""
    return _pair(x1, x2)


@primitive
def minimum(x1: Any, x2: Any, /) -> Any:
    """The smaller; NaN if either is NaN."""
    return _pair(x1, x2)


@primitive
def arctan2(x1: Any, x2: Any, /) -> Any:
    """Angle of the point (x2, x1) in radians, in [−π, π]."""
    return _float(_pair(x1, x2))


@primitive
def equal(x1: Any, x2: Any, /) -> Any:
    """x1 == x2; NaN equals nothing."""
    return _pair(x1, x2, "bool")


@primitive
def not_equal(x1: Any, x2: Any, /) -> Any:
    """x1 != x2."""
    return _pair(x1, x2, "bool")


@primitive
def less(x1: Any, x2: Any, /) -> Any:
    """x1 < x2."""
    return _pair(x1, x2, "bool")


@primitive
def less_equal(x1: Any, x2: Any, /) -> Any:
    """x1 <= x2."""
    return _pair(x1, x2, "bool")


@primitive
def greater(x1: Any, x2: Any, /) -> Any:
    """x1 > x2."""
    return _pair(x1, x2, "bool")


@primitive
def greater_equal(x1: Any, x2: Any, /) -> Any:
    """x1 >= x2."""
    return _pair(x1, x2, "bool")


@primitive
def logical_and(x1: Any, x2: Any, /) -> Any:
    """x1 and x2 (bool tensors)."""
    return _pair(x1, x2, "bool")


@primitive
def logical_or(x1: Any, x2: Any, /) -> Any:
    """x1 or x2 (bool tensors)."""
    return _pair(x1, x2, "bool")


@primitive
def logical_xor(x1: Any, x2: Any, /) -> Any:
    """Either, not both (bool tensors)."""
    return _pair(x1, x2, "bool")


@primitive
def bitwise_and(x1: Any, x2: Any, /) -> Any:
    """Bitwise and (integers)."""
    return _pair(x1, x2)


@primitive
def bitwise_or(x1: Any, x2: Any, /) -> Any:
    """Bitwise or (integers)."""
    return _pair(x1, x2)


@primitive
def bitwise_xor(x1: Any, x2: Any, /) -> Any:
    """Bitwise exclusive or (integers)."""
    return _pair(x1, x2)


@primitive
def left_shift(x1: Any, x2: Any, /) -> Any:
    """x1 · 2^x2, bits falling off (integers, 0 <= x2 < width)."""
    return _pair(x1, x2)


@primitive
def right_shift(x1: Any, x2: Any, /) -> Any:
    """x1 / 2^x2, arithmetic for signed and logical for unsigned integers (0 <= x2 < width)."""
    return _pair(x1, x2)


@primitive
def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """x1 where the bool `condition` holds, else x2; all three broadcast; one branch may be a Python scalar."""
    branches = [x for x in (x1, x2) if isinstance(x, AbstractTensor)]
    dtype = _pair(x1, x2).dtype
    return AbstractTensor(shapes.broadcast(condition.shape, *(x.shape for x in branches)), dtype)
