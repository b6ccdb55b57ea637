"""Sums, products, quotients, powers and other functions of two tensors that broadcast."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import DTypeError
from kerasish.ops.fastpath import BITS_OF, binary, filled, floats, numbers, operands

__all__ = [
    "add",
    "arctan2",
    "clip",
    "divide",
    "divide_no_nan",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "nextafter",
    "power",
    "remainder",
    "subtract",
    "true_divide",
]


@binary("add")
def add(x1: Any, x2: Any) -> Tensor:
    """x1 + x2. Integers wrap; of two bools, whether any holds. Shape: broadcast.

    Example:
        >>> add([1.0, 2.0], 3).tolist()
        [4.0, 5.0]
    """
    x1, x2, dtype = operands(x1, x2)
    return p.logical_or(x1, x2) if dtype == "bool" else p.add(x1, x2)


@binary("subtract")
def subtract(x1: Any, x2: Any) -> Tensor:
    """x1 − x2. Integers wrap. Shape: broadcast.

    Raises:
        DTypeError: Both are bool.

    Example:
        >>> subtract([1.0, 2.0], 3).tolist()
        [-2.0, -1.0]
    """
    x1, x2, dtype = operands(x1, x2)
    if dtype == "bool":
        raise DTypeError("Bools cannot be subtracted.", received="bool and bool", hint="use ops.logical_xor")
    return p.subtract(x1, x2)


@binary("multiply")
def multiply(x1: Any, x2: Any) -> Tensor:
    """x1 · x2. Integers wrap; of two bools, whether both hold. Shape: broadcast.

    Example:
        >>> multiply([1.0, 2.0], 3).tolist()
        [3.0, 6.0]
    """
    x1, x2, dtype = operands(x1, x2)
    return p.logical_and(x1, x2) if dtype == "bool" else p.multiply(x1, x2)


@binary("divide", "f")
def true_divide(x1: Any, x2: Any) -> Tensor:
    """x1 / x2 in floats: two integers give `floatx()`; over 0 ±inf or NaN. Shape: broadcast.

    Example:
        >>> true_divide([1, 2], 4).tolist()
        [0.25, 0.5]
    """
    x1, x2, _ = operands(x1, x2, at_least="float")
    return p.divide(x1, x2)


@binary("divide", "f")
def divide(x1: Any, x2: Any) -> Tensor:
    """x1 / x2 in floats; the same as `true_divide`.

    Example:
        >>> divide([1.0, 2.0], 4).tolist()
        [0.25, 0.5]
    """
    x1, x2, _ = operands(x1, x2, at_least="float")
    return p.divide(x1, x2)


@op
def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """x1 / x2, and 0 wherever x2 is 0. Its gradient there is 0 too.

    Example:
        >>> divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
        [0.0, 0.5]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    zero = p.equal(x2, 0.0)
    return p.where(zero, 0.0, p.divide(x1, p.where(zero, 1.0, x2)))


@binary("floor_divide")
def floor_divide(x1: Any, x2: Any) -> Tensor:
    """⌊x1 / x2⌋; an integer over 0 gives 0. Shape: broadcast.

    Example:
        >>> floor_divide([7, -7], 2).tolist()
        [3, -4]
    """
    return p.floor_divide(*_counts(x1, x2))


@binary("remainder")
def mod(x1: Any, x2: Any) -> Tensor:
    """x1 − ⌊x1/x2⌋·x2, with the sign of x2; an integer over 0 gives 0, a float NaN.

    Example:
        >>> mod([7, -7], 3).tolist()
        [1, 2]
    """
    return p.remainder(*_counts(x1, x2))


@binary("remainder")
def remainder(x1: Any, x2: Any) -> Tensor:
    """x1 − ⌊x1/x2⌋·x2; the same as `mod`.

    Example:
        >>> remainder([7, -7], 3).tolist()
        [1, 2]
    """
    return p.remainder(*_counts(x1, x2))


def _counts(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Operands of one dtype; bools become int32."""
    a, b, dtype = operands(x1, x2)
    return (p.cast(a, dtype="int32"), p.cast(b, dtype="int32")) if dtype == "bool" else (a, b)


@op
def fmod(x1: Any, x2: Any) -> Tensor:
    """x1 − trunc(x1/x2)·x2, with the sign of x1; an integer over 0 gives 0, a float NaN.

    Example:
        >>> fmod([7, -7], 3).tolist()
        [1, -1]
    """
    x1, x2 = promoted(x1, x2)
    x1, x2 = _counts(x1, x2)
    if dtype_of(x1).startswith("u"):
        return p.remainder(x1, x2)
    size = p.remainder(p.abs(x1), p.abs(x2))
    return p.where(p.less(x1, 0), p.negative(size), size)


@binary("power", "f")
def power(x1: Any, x2: Any) -> Tensor:
    """x1 to the x2. Integers stay integers and wrap; a negative integer exponent truncates the true value.

    Example:
        >>> power([2.0, 3.0], 2).tolist()
        [4.0, 9.0]
    """
    return p.power(*_counts(x1, x2))


@binary("maximum")
def maximum(x1: Any, x2: Any) -> Tensor:
    """The larger of x1 and x2; NaN if either is NaN.

    Example:
        >>> maximum([1.0, 4.0], 2).tolist()
        [2.0, 4.0]
    """
    x1, x2, dtype = operands(x1, x2)
    return p.logical_or(x1, x2) if dtype == "bool" else p.maximum(x1, x2)


@binary("minimum")
def minimum(x1: Any, x2: Any) -> Tensor:
    """The smaller of x1 and x2; NaN if either is NaN.

    Example:
        >>> minimum([1.0, 4.0], 2).tolist()
        [1.0, 2.0]
    """
    x1, x2, dtype = operands(x1, x2)
    return p.logical_and(x1, x2) if dtype == "bool" else p.minimum(x1, x2)


@op
def fmax(x1: Any, x2: Any) -> Tensor:
    """The larger of x1 and x2; NaN only if both are NaN.

    Example:
        >>> fmax([1.0, float("nan")], 2.0).tolist()
        [2.0, 2.0]
    """
    x1, x2 = promoted(x1, x2)
    if not dtypes.is_float(dtype_of(x1)):
        return maximum(x1, x2)
    return p.where(p.isnan(x1), x2, p.where(p.isnan(x2), x1, p.maximum(x1, x2)))


@op
def fmin(x1: Any, x2: Any) -> Tensor:
    """The smaller of x1 and x2; NaN only if both are NaN.

    Example:
        >>> fmin([1.0, float("nan")], 2.0).tolist()
        [1.0, 2.0]
    """
    x1, x2 = promoted(x1, x2)
    if not dtypes.is_float(dtype_of(x1)):
        return minimum(x1, x2)
    return p.where(p.isnan(x1), x2, p.where(p.isnan(x2), x1, p.minimum(x1, x2)))


@op
def arctan2(x1: Any, x2: Any) -> Tensor:
    """The angle of the point (x2, x1) in radians, in [−π, π].

    Example:
        >>> arctan2([0.0], [1.0]).tolist()
        [0.0]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    return p.arctan2(x1, x2)


@overridable
def _hypot(x1: Tensor, x2: Tensor, /) -> Tensor:
    x1, x2 = p.abs(x1), p.abs(x2)
    large, small = p.maximum(x1, x2), p.minimum(x1, x2)  # large · √(1 + (small/large)²) does not overflow
    plain = p.logical_and(p.greater(large, 0.0), p.isfinite(large))
    ratio = p.divide(p.where(plain, small, 0.0), p.where(plain, large, 1.0))
    length = p.multiply(large, p.sqrt(p.add(p.square(ratio), 1.0)))
    infinite = p.logical_or(p.isinf(x1), p.isinf(x2))
    return p.where(infinite, _math.inf, length)


@op
def hypot(x1: Any, x2: Any) -> Tensor:
    """√(x1² + x2²), without overflow on the way.

    Example:
        >>> hypot([3.0], [4.0]).tolist()
        [5.0]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    return _hypot(x1, x2)


@overridable
def _logaddexp(x1: Tensor, x2: Tensor, /) -> Tensor:
    high, low = p.maximum(x1, x2), p.minimum(x1, x2)
    gap = p.where(p.equal(high, low), 0.0, p.subtract(low, high))  # inf − inf would be NaN
    return p.add(high, p.log1p(p.exp(gap)))


@op
def logaddexp(x1: Any, x2: Any) -> Tensor:
    """ln(e^x1 + e^x2), without overflow.

    Example:
        >>> logaddexp([1000.0], [-1000.0]).tolist()
        [1000.0]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    return _logaddexp(x1, x2)


@op
def logaddexp2(x1: Any, x2: Any) -> Tensor:
    """log₂(2^x1 + 2^x2), without overflow.

    Example:
        >>> logaddexp2([3.0], [3.0]).tolist()
        [4.0]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    ln2 = _math.log(2.0)
    high, low = p.maximum(x1, x2), p.minimum(x1, x2)
    gap = p.where(p.equal(high, low), 0.0, p.subtract(low, high))
    return p.add(high, p.divide(p.log1p(p.exp(p.multiply(gap, ln2))), ln2))


@op
def heaviside(x1: Any, x2: Any) -> Tensor:
    """0 where x1 < 0, x2 where x1 is 0, 1 where x1 > 0; NaN for NaN.

    Example:
        >>> heaviside([-1.0, 0.0, 2.0], 0.5).tolist()
        [0.0, 0.5, 1.0]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    step = p.where(p.greater(x1, 0.0), filled(x1, shape_of(x1), 1.0, dtype_of(x1)), 0.0)
    return p.where(p.isnan(x1), x1, p.where(p.equal(x1, 0.0), x2, step))


@op
def nextafter(x1: Any, x2: Any) -> Tensor:
    """The float next to x1 on the way to x2; x2 itself where they are equal.

    Example:
        >>> nextafter([1.0], [2.0]).tolist() == [1.0 + 2.0**-23]
        True
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    name = dtype_of(x1)
    x1, x2 = p.add(x1, p.multiply(x2, 0.0)) if shape_of(x1) != shape_of(x2) else x1, x2
    ints = BITS_OF[name]
    bits = p.bitcast(x1, dtype=ints)
    one = filled(x1, shape_of(x1), 1, ints)
    away = p.equal(p.greater(x2, x1), p.greater(x1, 0.0))  # growing in size: the next larger bit pattern
    moved = p.bitcast(p.where(away, p.add(bits, one), p.subtract(bits, one)), dtype=name)
    smallest = p.bitcast(one, dtype=name)
    from_zero = p.where(p.greater(x2, 0.0), smallest, p.negative(smallest))
    result = p.where(p.equal(x1, 0.0), from_zero, moved)
    result = p.where(p.equal(x1, x2), x2, result)
    unordered = p.logical_or(p.isnan(x1), p.isnan(x2))
    return p.where(unordered, _math.nan, result)


@op
def ldexp(x1: Any, x2: Any) -> Tensor:
    """x1 · 2^x2 for integers x2.

    Raises:
        DTypeError: x2 does not hold integers.

    Example:
        >>> ldexp([1.5], [2]).tolist()
        [6.0]
    """
    mantissa, exponent = tensors(x1, x2)
    if not dtypes.is_integer(dtype_of(exponent)):
        raise DTypeError("The exponent must hold integers.", received=dtype_of(exponent))
    mantissa = floats(mantissa)
    exponent = p.cast(exponent, dtype=dtype_of(mantissa))
    half = p.floor(p.multiply(exponent, 0.5))  # two factors: 2^x2 alone may leave the range
    two = filled(mantissa, (), 2.0, dtype_of(mantissa))
    return p.multiply(p.multiply(mantissa, p.power(two, half)), p.power(two, p.subtract(exponent, half)))


def _two_integers(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    a, b = promoted(x1, x2)
    if not dtypes.is_integer(dtype_of(a)):
        raise DTypeError("Integers are needed.", received=dtype_of(a), hint="ops.cast(x, 'int32')")
    return a, b


@op
def gcd(x1: Any, x2: Any) -> Tensor:
    """The greatest common divisor of integers; 0 for two zeros.

    Raises:
        DTypeError: Not integers.

    Example:
        >>> gcd([12, 18], [8, 27]).tolist()
        [4, 9]
    """
    a, b = _two_integers(x1, x2)
    zero = p.multiply(p.add(a, b), 0)
    a, b = p.abs(p.add(a, zero)), p.abs(p.add(b, zero))
    # Euclid's algorithm needs the most steps for neighbouring Fibonacci numbers: 1.44·width of them.
    for _ in range(_math.ceil(1.45 * dtypes.bits(dtype_of(a)))):
        a, b = p.where(p.equal(b, 0), a, b), p.where(p.equal(b, 0), b, p.remainder(a, b))
    return a


@op
def lcm(x1: Any, x2: Any) -> Tensor:
    """The least common multiple of integers; 0 if either is 0.

    Raises:
        DTypeError: Not integers.

    Example:
        >>> lcm([4, 6], [6, 8]).tolist()
        [12, 24]
    """
    a, b = _two_integers(x1, x2)
    return p.multiply(p.floor_divide(p.abs(a), gcd(a, b)), p.abs(b))  # an integer over 0 gives 0


@overridable
def _clip(x: Tensor, low: Tensor, high: Tensor, /) -> Tensor:
    return p.minimum(p.maximum(x, low), high)


@op
def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """min(max(x, x_min), x_max); NaN stays NaN; where x_min > x_max, x_max. Bools become int32.

    Example:
        >>> clip([-1.0, 0.5, 2.0], 0.0, 1.0).tolist()
        [0.0, 0.5, 1.0]
    """
    if x_min is None and x_max is None:
        return numbers(x)
    if x_min is None:
        return minimum(numbers(x), x_max)
    if x_max is None:
        return maximum(numbers(x), x_min)
    x, low, high = promoted(x, x_min, x_max, scalars=True)
    if "bool" in (dtype_of(x), dtype_of(low), dtype_of(high)):
        x, low, high = (p.cast(t, dtype="int32") for t in promoted(x, low, high))
    return _clip(x, low, high)
