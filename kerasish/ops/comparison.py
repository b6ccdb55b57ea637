"""Comparisons, logic, bits, tests of single elements, and choices between tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, DTypeError
from kerasish.core.operators import OPERATIONS
from kerasish.ops.fastpath import BITS_OF, binary, booleans, operand, operands, unary

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "right_shift",
    "select",
    "signbit",
]

Compare = Callable[[Tensor, Tensor], Tensor]


def _ordered(compare: Compare, x1: Any, x2: Any) -> Tensor:
    x1, x2, dtype = operands(x1, x2)
    if dtype == "bool":  # False < True, which not every framework knows
        x1, x2 = p.cast(x1, dtype="uint8"), p.cast(x2, dtype="uint8")
    return compare(x1, x2)


@binary("equal")
def equal(x1: Any, x2: Any) -> Tensor:
    """Whether x1 == x2; NaN equals nothing.

    Example:
        >>> equal([1, 2], 2).tolist()
        [False, True]
    """
    return _ordered(p.equal, x1, x2)


@binary("not_equal")
def not_equal(x1: Any, x2: Any) -> Tensor:
    """Whether x1 != x2; NaN differs from everything.

    Example:
        >>> not_equal([1, 2], 2).tolist()
        [True, False]
    """
    return _ordered(p.not_equal, x1, x2)


@binary("less")
def less(x1: Any, x2: Any) -> Tensor:
    """Whether x1 < x2.

    Example:
        >>> less([1, 2], 2).tolist()
        [True, False]
    """
    return _ordered(p.less, x1, x2)


@binary("less_equal")
def less_equal(x1: Any, x2: Any) -> Tensor:
    """Whether x1 <= x2.

    Example:
        >>> less_equal([1, 3], 2).tolist()
        [True, False]
    """
    return _ordered(p.less_equal, x1, x2)


@binary("greater")
def greater(x1: Any, x2: Any) -> Tensor:
    """Whether x1 > x2.

    Example:
        >>> greater([1, 3], 2).tolist()
        [False, True]
    """
    return _ordered(p.greater, x1, x2)


@binary("greater_equal")
def greater_equal(x1: Any, x2: Any) -> Tensor:
    """Whether x1 >= x2.

    Example:
        >>> greater_equal([1, 2], 2).tolist()
        [False, True]
    """
    return _ordered(p.greater_equal, x1, x2)


def _truths(x1: Any, x2: Any) -> list[Tensor]:
    return [x if dtype_of(x) == "bool" else p.cast(x, dtype="bool") for x in tensors(x1, x2)]


@binary("logical_and", "b")
def logical_and(x1: Any, x2: Any) -> Tensor:
    """Whether x1 and x2 are both different from 0.

    Example:
        >>> logical_and([True, True], [1, 0]).tolist()
        [True, False]
    """
    return p.logical_and(*_truths(x1, x2))


@binary("logical_or", "b")
def logical_or(x1: Any, x2: Any) -> Tensor:
    """Whether x1 or x2 is different from 0.

    Example:
        >>> logical_or([False, False], [1, 0]).tolist()
        [True, False]
    """
    return p.logical_or(*_truths(x1, x2))


@binary("logical_xor", "b")
def logical_xor(x1: Any, x2: Any) -> Tensor:
    """Whether exactly one of x1 and x2 is different from 0.

    Example:
        >>> logical_xor([True, True], [1, 0]).tolist()
        [False, True]
    """
    return p.logical_xor(*_truths(x1, x2))


@unary("logical_not", "b")
def logical_not(x: Any) -> Tensor:
    """Whether x is 0.

    Example:
        >>> logical_not([True, False]).tolist()
        [False, True]
    """
    return p.logical_not(booleans(x))


# -- bits ----------------------------------------------------------------------------------------------------


def _bits(x: Any, y: Any, on_bools: Compare | None, on_integers: Compare) -> Tensor:
    x, y = promoted(x, y)
    dtype = dtype_of(x)
    if dtype == "bool":
        if on_bools is not None:
            return on_bools(x, y)
        x, y = p.cast(x, dtype="int32"), p.cast(y, dtype="int32")
    elif not dtypes.is_integer(dtype):
        raise DTypeError("Bits belong to integers and bools.", received=dtype, hint="ops.cast(x, 'int32')")
    return on_integers(x, y)


@op
def bitwise_and(x: Any, y: Any) -> Tensor:
    """Bits set in both integers; of bools `logical_and`.

    Example:
        >>> bitwise_and([6], [3]).tolist()
        [2]
    """
    return _bits(x, y, p.logical_and, p.bitwise_and)


@op
def bitwise_or(x: Any, y: Any) -> Tensor:
    """Bits set in either integer; of bools `logical_or`.

    Example:
        >>> bitwise_or([6], [3]).tolist()
        [7]
    """
    return _bits(x, y, p.logical_or, p.bitwise_or)


@op
def bitwise_xor(x: Any, y: Any) -> Tensor:
    """Bits set in exactly one integer; of bools `logical_xor`.

    Example:
        >>> bitwise_xor([6], [3]).tolist()
        [5]
    """
    return _bits(x, y, p.logical_xor, p.bitwise_xor)


@op
def bitwise_not(x: Any) -> Tensor:
    """Every bit flipped; of bools `logical_not`.

    Example:
        >>> bitwise_not([0]).tolist()
        [-1]
    """
    x = operand(x)
    if dtype_of(x) == "bool":
        return p.logical_not(x)
    if not dtypes.is_integer(dtype_of(x)):
        raise DTypeError(
            "Bits belong to integers and bools.", received=dtype_of(x), hint="ops.cast(x, 'int32')"
        )
    return p.bitwise_not(x)


@op
def bitwise_invert(x: Any) -> Tensor:
    """Every bit flipped; the same as `bitwise_not`.

    Example:
        >>> bitwise_invert([0]).tolist()
        [-1]
    """
    return bitwise_not(x)


OPERATIONS["invert"] = bitwise_not  # Python's ~x


@op
def left_shift(x: Any, y: Any) -> Tensor:
    """x · 2^y, bits falling off (0 <= y < width).

    Example:
        >>> left_shift([3], [2]).tolist()
        [12]
    """
    return _bits(x, y, None, p.left_shift)


@op
def right_shift(x: Any, y: Any) -> Tensor:
    """⌊x / 2^y⌋ (0 <= y < width).

    Example:
        >>> right_shift([12], [2]).tolist()
        [3]
    """
    return _bits(x, y, None, p.right_shift)


@op
def bitwise_left_shift(x: Any, y: Any) -> Tensor:
    """x · 2^y; the same as `left_shift`.

    Example:
        >>> bitwise_left_shift([3], [2]).tolist()
        [12]
    """
    return _bits(x, y, None, p.left_shift)


@op
def bitwise_right_shift(x: Any, y: Any) -> Tensor:
    """⌊x / 2^y⌋; the same as `right_shift`.

    Example:
        >>> bitwise_right_shift([12], [2]).tolist()
        [3]
    """
    return _bits(x, y, None, p.right_shift)


# -- tests of elements ---------------------------------------------------------------------------------------


@unary("isfinite")
def isfinite(x: Any) -> Tensor:
    """Whether x is neither infinite nor NaN.

    Example:
        >>> isfinite([1.0, float("inf")]).tolist()
        [True, False]
    """
    x = operand(x)
    return p.isfinite(x) if dtypes.is_float(dtype_of(x)) else p.equal(x, x)


@unary("isnan")
def isnan(x: Any) -> Tensor:
    """Whether x is NaN.

    Example:
        >>> isnan([1.0, float("nan")]).tolist()
        [False, True]
    """
    x = operand(x)
    return p.isnan(x) if dtypes.is_float(dtype_of(x)) else p.not_equal(x, x)


@unary("isinf")
def isinf(x: Any) -> Tensor:
    """Whether x is +inf or −inf.

    Example:
        >>> isinf([1.0, float("-inf")]).tolist()
        [False, True]
    """
    x = operand(x)
    return p.isinf(x) if dtypes.is_float(dtype_of(x)) else p.not_equal(x, x)


@op
def isposinf(x: Any) -> Tensor:
    """Whether x is +inf.

    Example:
        >>> isposinf([1.0, float("inf")]).tolist()
        [False, True]
    """
    x = operand(x)
    return p.equal(x, float("inf")) if dtypes.is_float(dtype_of(x)) else p.not_equal(x, x)


@op
def isneginf(x: Any) -> Tensor:
    """Whether x is −inf.

    Example:
        >>> isneginf([1.0, float("-inf")]).tolist()
        [False, True]
    """
    x = operand(x)
    return p.equal(x, float("-inf")) if dtypes.is_float(dtype_of(x)) else p.not_equal(x, x)


@op
def isreal(x: Any) -> Tensor:
    """Whether x is real: always True, as all tensors are real.

    Example:
        >>> isreal([1.0]).tolist()
        [True]
    """
    x = operand(x)
    if dtypes.is_float(dtype_of(x)):
        return p.logical_or(p.isnan(x), p.equal(x, x))
    return p.equal(x, x)


@op
def signbit(x: Any) -> Tensor:
    """Whether the sign of x is minus, −0.0 included.

    Example:
        >>> signbit([-0.0, 1.0]).tolist()
        [True, False]
    """
    x = operand(x)
    dtype = dtype_of(x)
    if dtype == "bool" or dtype.startswith("uint"):
        return p.not_equal(x, x)
    return p.less(p.bitcast(x, dtype=BITS_OF[dtype]) if dtype in BITS_OF else x, 0)


@overridable
def _isclose(x1: Tensor, x2: Tensor, /, *, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    gap = p.abs(p.subtract(x1, x2))
    near = p.less_equal(gap, p.add(p.multiply(p.abs(x2), rtol), atol))
    finite = p.logical_and(p.isfinite(x1), p.isfinite(x2))
    close = p.logical_or(p.equal(x1, x2), p.logical_and(near, finite))
    if equal_nan:
        close = p.logical_or(close, p.logical_and(p.isnan(x1), p.isnan(x2)))
    return close


@op
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether |x1 − x2| <= atol + rtol·|x2|; infinities of one sign are close, NaN is close to NaN on request.

    Example:
        >>> isclose([1.0, 2.0], [1.0, 2.1]).tolist()
        [True, False]
    """
    x1, x2 = promoted(x1, x2, at_least="float")
    return _isclose(x1, x2, rtol=float(rtol), atol=float(atol), equal_nan=bool(equal_nan))


@op
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether `isclose` holds everywhere, as a bool scalar tensor.

    Example:
        >>> bool(allclose([1.0], [1.0]))
        True
    """
    close = isclose(x1, x2, rtol, atol, equal_nan)
    return p.all(close, axis=tuple(range(len(shape_of(close)))), keepdims=False)


@op
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element of x1 is among the elements of x2.

    Args:
        x1: Any shape; the result's shape.
        x2: The values looked for, any shape.
        assume_unique: Accepted for Keras' sake; the result is the same.
        invert: Return the opposite.

    Example:
        >>> isin([1, 2, 3], [3, 1]).tolist()
        [True, False, True]
    """
    x1, x2 = promoted(x1, x2)
    rank = len(shape_of(x1))
    column = p.reshape(x1, shape=(*shape_of(x1), 1))
    row = p.reshape(x2, shape=(shapes.size_of(shape_of(x2)),))
    found = p.any(p.equal(column, row), axis=(rank,), keepdims=False)
    return p.logical_not(found) if invert else found


@op
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Tensor:
    """The element of the first choice whose condition holds, else `default`. All broadcast.

    Raises:
        ArgumentError: The lists are empty or differ in length.

    Example:
        >>> select([[True, False]], [[1, 2]], default=9).tolist()
        [1, 9]
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ArgumentError(
            "As many conditions as choices are needed.", received=f"{len(condlist)} and {len(choicelist)}"
        )
    result, *choices = promoted(default, *choicelist)
    for condition, choice in zip(reversed(list(condlist)), reversed(choices), strict=True):
        result = p.where(booleans(condition), choice, result)
    return result
