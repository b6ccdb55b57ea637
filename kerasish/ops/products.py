"""Products of tensors: matrix products, einsum and its relatives, correlations, distances."""

from __future__ import annotations

import functools
import string
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.ops.fastpath import binary, floats, operand, remember
from kerasish.ops.matrices import diagonal
from kerasish.ops.reductions import mean
from kerasish.ops.shaping import flat

__all__ = [
    "cdist",
    "corrcoef",
    "correlate",
    "cross",
    "diff",
    "dot",
    "einsum",
    "inner",
    "kron",
    "matmul",
    "outer",
    "tensordot",
    "trapezoid",
    "vdot",
]


def _pair(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    a, b = promoted(x1, x2)
    remember(a)
    return a, b


def _through_int(function: Any, *xs: Tensor) -> Tensor:
    """Products of bools: as numbers, and back."""
    if dtype_of(xs[0]) != "bool":
        return function(*xs)
    return p.cast(function(*(p.cast(x, dtype="int32") for x in xs)), dtype="bool")


def _matmul(x1: Tensor, x2: Tensor) -> Tensor:
    one, two = shape_of(x1), shape_of(x2)
    if not one or not two:
        raise ShapeError("matmul takes no scalars.", received=f"{one} and {two}", hint="use ops.multiply")
    x1 = p.reshape(x1, shape=(1, *one)) if len(one) == 1 else x1
    x2 = p.reshape(x2, shape=(*two, 1)) if len(two) == 1 else x2
    result = p.matmul(x1, x2)
    if len(one) > 1 and len(two) > 1:
        return result
    *batch, rows, columns = shape_of(result)
    kept = [n for n, given in ((rows, one), (columns, two)) if len(given) > 1]
    return p.reshape(result, shape=(*batch, *kept))


@binary("matmul", "f", least_rank=2)
def matmul(x1: Any, x2: Any) -> Tensor:
    """The matrix product over the last two axes; leading axes broadcast.

    A vector is a row on the left, a column on the right. Products of int8 add up in int32.

    Raises:
        ShapeError: The inner sizes differ, or an operand is a scalar.

    Example:
        >>> matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
        [[11.0]]
    """
    a, b = tensors(x1, x2)
    if dtype_of(a) == dtype_of(b) == "int8":  # quantized weights add up in int32
        a, b = p.cast(a, dtype="int32"), p.cast(b, dtype="int32")
    return _through_int(_matmul, *_pair(a, b))


@op
def dot(x1: Any, x2: Any) -> Tensor:
    """Σ over the last axis of x1 and the second-to-last (of a vector, the only one) of x2; scalars multiply.

    Example:
        >>> dot([1, 2], [3, 4]).tolist()
        11
    """
    a, b = _pair(x1, x2)
    if not shape_of(a) or not shape_of(b):
        return p.logical_and(a, b) if dtype_of(a) == "bool" else p.multiply(a, b)
    second = len(shape_of(b)) - 1 if len(shape_of(b)) == 1 else len(shape_of(b)) - 2
    return _through_int(lambda x, y: _contract(x, y, [len(shape_of(x)) - 1], [second]), a, b)


def _contract(a: Tensor, b: Tensor, left: list[int], right: list[int]) -> Tensor:
    """Σ over pairs of axes, as one matrix product."""
    one, two = shape_of(a), shape_of(b)
    for i, j in zip(left, right, strict=True):
        if not shapes.compatible(one[i], two[j]):
            raise ShapeError(
                "Sizes to sum over differ.",
                expected=f"equal sizes of axis {i} and axis {j}",
                received=f"{shapes.show(one)} and {shapes.show(two)}",
            )
    free_a = [i for i in range(len(one)) if i not in left]
    free_b = [j for j in range(len(two)) if j not in right]
    inner_size = shapes.size_of(one[i] for i in left)
    a = p.reshape(
        p.transpose(a, axes=(*free_a, *left)), shape=(shapes.size_of(one[i] for i in free_a), inner_size)
    )
    b = p.reshape(
        p.transpose(b, axes=(*right, *free_b)), shape=(inner_size, shapes.size_of(two[j] for j in free_b))
    )
    return p.reshape(p.matmul(a, b), shape=(*(one[i] for i in free_a), *(two[j] for j in free_b)))


@op
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """Σ over pairs of axes: the last n of x1 with the first n of x2, or axes[0] of x1 with axes[1] of x2.

    Example:
        >>> tensordot([[1, 2], [3, 4]], [1, 1], axes=1).tolist()
        [3, 7]
    """
    a, b = _pair(x1, x2)
    one, two = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, int):
        if not 0 <= axes <= min(one, two):
            raise ArgumentError(
                "`axes` exceeds the number of axes.", expected=f"0 to {min(one, two)}", received=axes
            )
        left, right = list(range(one - axes, one)), list(range(axes))
    else:
        left, right = ([side] if isinstance(side, int) else list(side) for side in axes)
    if len(left) != len(right):
        raise ArgumentError("As many axes of each tensor are needed.", received=axes)
    left = [axis_index(i, one, name="axes") for i in left]
    right = [axis_index(j, two, name="axes") for j in right]
    return _through_int(lambda x, y: _contract(x, y, left, right), a, b)


@op
def inner(x1: Any, x2: Any) -> Tensor:
    """Σ over the last axes of both; scalars multiply.

    Example:
        >>> inner([1, 2], [3, 4]).tolist()
        11
    """
    a, b = _pair(x1, x2)
    if not shape_of(a) or not shape_of(b):
        return p.logical_and(a, b) if dtype_of(a) == "bool" else p.multiply(a, b)
    return _through_int(lambda x, y: _contract(x, y, [len(shape_of(x)) - 1], [len(shape_of(y)) - 1]), a, b)


@op
def outer(x1: Any, x2: Any) -> Tensor:
    """x1[i] · x2[j] of the flattened tensors.

    Example:
        >>> outer([1, 2], [3, 4]).tolist()
        [[3, 4], [6, 8]]
    """
    a, b = _pair(x1, x2)
    rows, columns = shapes.size_of(shape_of(a)), shapes.size_of(shape_of(b))
    a, b = p.reshape(a, shape=(rows, 1)), p.reshape(b, shape=(1, columns))
    return p.logical_and(a, b) if dtype_of(a) == "bool" else p.multiply(a, b)


@op
def vdot(x1: Any, x2: Any) -> Tensor:
    """Σ x1 · x2 of the flattened tensors.

    Example:
        >>> vdot([[1, 2]], [[3, 4]]).tolist()
        11
    """
    a, b = _pair(x1, x2)
    return _through_int(lambda x, y: _contract(flat(x), flat(y), [0], [0]), a, b)


@op
def kron(x1: Any, x2: Any) -> Tensor:
    """The Kronecker product: each element of x1 times all of x2.

    Example:
        >>> kron([1, 2], [1, 1]).tolist()
        [1, 1, 2, 2]
    """
    a, b = _pair(x1, x2)
    rank = max(len(shape_of(a)), len(shape_of(b)))
    one = (*(1,) * (rank - len(shape_of(a))), *shape_of(a))
    two = (*(1,) * (rank - len(shape_of(b))), *shape_of(b))
    a = p.reshape(a, shape=tuple(n for s in one for n in (s, 1)))
    b = p.reshape(b, shape=tuple(n for s in two for n in (1, s)))
    both = p.logical_and(a, b) if dtype_of(a) == "bool" else p.multiply(a, b)
    return p.reshape(both, shape=tuple(s * t for s, t in zip(one, two, strict=True)))


@op
def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Tensor:
    """The cross product of vectors of 3 (or 2, whose third part is 0) along an axis.

    Args:
        x1: Vectors along `axisa`.
        x2: Vectors along `axisb`.
        axisa: The axis of x1.
        axisb: The axis of x2.
        axisc: The axis of the result; of two plane vectors only the third part remains.
        axis: All three at once.

    Example:
        >>> cross([1, 0, 0], [0, 1, 0]).tolist()
        [0, 0, 1]
    """
    a, b = _pair(x1, x2)
    if dtype_of(a) == "bool":
        raise DTypeError("Bools have no cross product.", received="bool")
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    left, right = _parts(a, axisa), _parts(b, axisb)
    if len(left) == 2 and len(right) == 2:
        return _minor(left, right, 0, 1)
    left, right = ([*v, None] if len(v) == 2 else v for v in (left, right))
    parts = [_minor(left, right, i, j) for i, j in ((1, 2), (2, 0), (0, 1))]
    parts = list(_alike(parts))
    place = axis_index(axisc, len(shape_of(parts[0])) + 1, name="axisc")
    grown = [p.reshape(t, shape=(*shape_of(t)[:place], 1, *shape_of(t)[place:])) for t in parts]
    return p.concatenate(grown, axis=place)


def _alike(parts: list[Tensor]) -> list[Tensor]:
    common = shapes.broadcast(*(shape_of(t) for t in parts))
    return [p.broadcast_to(t, shape=common) for t in parts]


def _parts(x: Tensor, axis: int) -> list[Any]:
    sizes = shape_of(x)
    place = axis_index(axis, len(sizes))
    if sizes[place] not in (2, 3):
        raise ShapeError("Vectors of 2 or 3 are needed.", received=f"axis {axis} of {shapes.show(sizes)}")
    x = p.transpose(x, axes=(place, *(a for a in range(len(sizes)) if a != place)))
    rest = shape_of(x)[1:]
    zeros = (0,) * len(rest)
    return [
        p.reshape(p.slice(x, start=(i, *zeros), stop=(i + 1, *rest), step=(1,) * len(sizes)), shape=rest)
        for i in range(sizes[place])
    ]


def _minor(a: list[Any], b: list[Any], i: int, j: int) -> Tensor:
    """a_i b_j − a_j b_i, where None stands for 0."""
    first = None if a[i] is None or b[j] is None else p.multiply(a[i], b[j])
    second = None if a[j] is None or b[i] is None else p.multiply(a[j], b[i])
    if first is None:
        return p.negative(second)
    return first if second is None else p.subtract(first, second)


# -- einsum --------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _parse(subscripts: str, ranks: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The terms and the result in letters only: spaces, ellipses and the implicit result are gone."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ArgumentError(
            "As many terms as tensors are needed.", received=f"{subscripts!r}, {len(ranks)} tensors"
        )
    free = [c for c in string.ascii_letters if c not in text]
    named = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    dots = max((n for n, term in zip(named, terms, strict=True) if "..." in term), default=0)
    spare = "".join(reversed(free[:dots])) if dots > 0 else ""
    for term, n in zip(terms, named, strict=True):
        if (
            n < 0
            or (n and "..." not in term)
            or not set(term.replace("...", "")) <= set(string.ascii_letters)
        ):
            raise ShapeError(
                "A term does not fit its tensor.",
                expected=f"{term!r} in {subscripts!r}",
                received=f"ranks {ranks}",
            )
    terms = [t.replace("...", spare[dots - n :] if n else "") for t, n in zip(terms, named, strict=True)]
    letters = "".join(terms)
    if arrow:
        result = right.replace("...", spare)
    else:
        result = spare + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in spare))
    if len(set(result)) != len(result) or not set(result) <= set(letters):
        raise ArgumentError("The result's letters must appear in a term, once each.", received=subscripts)
    return tuple(terms), result


def _undoubled(x: Tensor, term: str) -> tuple[Tensor, str]:
    """Diagonals in place of letters that appear twice in one term."""
    for letter in term:
        while term.count(letter) > 1:
            one = term.index(letter)
            two = term.index(letter, one + 1)
            if not shapes.compatible(shape_of(x)[one], shape_of(x)[two]):
                raise ShapeError(f"Sizes of {letter!r} differ.", received=shapes.show(shape_of(x)))
            x = diagonal(x, 0, one, two)
            term = term[:one] + term[one + 1 : two] + term[two + 1 :] + letter
    return x, term


@op
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Tensor:
    """The sum of products named by `subscripts`, such as "bij,bjk->bik".

    Letters name axes, those missing in the result are summed over; "..." stands for leading axes that broadcast.
    Without "->" the result has the letters that appear once, sorted.

    Args:
        subscripts: The terms and the result.
        *operands: One tensor a term.
        **kwargs: Accepted for Keras' sake (`optimize`).

    Raises:
        ShapeError: A term does not fit its tensor, or sizes of one letter differ.

    Example:
        >>> einsum("ij,j->i", [[1, 2], [3, 4]], [1, 1]).tolist()
        [3, 7]
    """
    if not isinstance(subscripts, str) or not operands:
        raise ArgumentError("einsum takes a string and at least one tensor.", received=repr(subscripts)[:60])
    xs = promoted(*operands)
    terms, result = _parse(subscripts, tuple(len(shape_of(x)) for x in xs))
    return _through_int(lambda *ys: _einsum(list(ys), list(terms), result), *xs)


def _einsum(xs: list[Tensor], terms: list[str], result: str) -> Tensor:
    for i, term in enumerate(terms):
        if len(set(term)) != len(term):
            xs[i], terms[i] = _undoubled(xs[i], term)
    while len(xs) > 2:  # two at a time, from the left
        later = set("".join(terms[2:])) | set(result)
        kept = "".join(dict.fromkeys(c for c in terms[0] + terms[1] if c in later))
        joined = p.einsum(xs[0], xs[1], subscripts=f"{terms[0]},{terms[1]}->{kept}")
        xs, terms = [joined, *xs[2:]], [kept, *terms[2:]]
    return p.einsum(*xs, subscripts=f"{','.join(terms)}->{result}")


# -- differences, correlations, distances --------------------------------------------------------------------


@op
def diff(a: Any, n: int = 1, axis: int = -1) -> Tensor:
    """The n-th difference a[i+1] − a[i] along `axis`; of bools whether they differ.

    Example:
        >>> diff([1, 4, 9]).tolist()
        [3, 5]
    """
    x = operand(a)
    if not shape_of(x):
        raise ShapeError("A scalar has no differences.", received=())
    place = axis_index(axis, len(shape_of(x)))
    if n < 0:
        raise ArgumentError("`n` must not be negative.", received=n)
    for _ in range(n):
        size = shape_of(x)[place]
        ends = _cut(x, place, 1 if size else 0, size), _cut(x, place, 0, size - 1 if size else 0)
        x = p.logical_xor(*ends) if dtype_of(x) == "bool" else p.subtract(*ends)
    return x


def _cut(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    sizes = shape_of(x)
    starts = tuple(start if a == axis else 0 for a in range(len(sizes)))
    stops = tuple(stop if a == axis else s for a, s in enumerate(sizes))
    return p.slice(x, start=starts, stop=stops, step=(1,) * len(sizes))


@op
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """∫ y dx by the trapezoidal rule along `axis`.

    Args:
        y: Values of the function.
        x: Where: a vector along `axis`, or the shape of y; by default steps of `dx`.
        dx: The distance of neighbours.
        axis: The axis.

    Example:
        >>> trapezoid([1.0, 2.0, 3.0]).tolist()
        4.0
    """
    y = floats(y)
    place = axis_index(axis, len(shape_of(y)))
    size = shape_of(y)[place]
    height = p.multiply(p.add(_cut(y, place, 1, size), _cut(y, place, 0, size - 1)), 0.5)
    if x is None:
        step = floats(promoted(dx, height)[0])
    elif len(shape_of(operand(x))) == 1:
        step = diff(x)
        length = shape_of(step)[0]
        step = p.reshape(step, shape=tuple(length if a == place else 1 for a in range(len(shape_of(y)))))
    else:
        step = diff(x, axis=axis)
    height, step = promoted(height, step)
    return p.sum(p.multiply(height, step), axis=(place,), keepdims=False)


@op
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Tensor:
    """The cross-correlation Σ x1[k + n] · x2[n] of two vectors as a float.

    Args:
        x1: The longer vector, usually.
        x2: The other.
        mode: "valid": where they overlap fully; "same": as long as the longer; "full": wherever they touch.

    Example:
        >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0, 0.5]).tolist()
        [3.5]
    """
    a, b = promoted(x1, x2, at_least="float")
    if len(shape_of(a)) != 1 or len(shape_of(b)) != 1:
        raise ShapeError("Vectors are needed.", received=f"{shape_of(a)} and {shape_of(b)}")
    turned = shape_of(a)[0] < shape_of(b)[0]
    a, b = (b, a) if turned else (a, b)
    n, m = shape_of(a)[0], shape_of(b)[0]
    pads = {"valid": (0, 0), "same": (m // 2, m - m // 2 - 1), "full": (m - 1, m - 1)}.get(mode)
    if pads is None:
        raise ArgumentError("Unknown `mode`.", expected="'valid', 'same' or 'full'", received=mode)
    found = p.conv(
        p.reshape(a, shape=(1, n, 1)),
        p.reshape(b, shape=(m, 1, 1)),
        strides=(1,),
        pads=(pads,),
        dilation=(1,),
        groups=1,
    )
    found = flat(found)
    return p.flip(found, axis=(0,)) if turned else found


@op
def corrcoef(x: Any) -> Tensor:
    """Pearson's correlation coefficients between the rows of x (variables), each a series of observations.

    Example:
        >>> corrcoef([[1.0, 2.0], [2.0, 4.0]]).shape
        (2, 2)
    """
    x = floats(x)
    if len(shape_of(x)) > 2:
        raise ShapeError("A matrix or vector is needed.", received=shapes.show(shape_of(x)))
    rows = p.reshape(x, shape=(1, *shape_of(x))) if len(shape_of(x)) < 2 else x
    centred = p.subtract(rows, mean(rows, axis=1, keepdims=True))
    products = p.matmul(centred, p.transpose(centred, axes=(1, 0)))
    scale = p.sqrt(diagonal(products))
    n = shape_of(scale)[0]
    found = p.divide(p.divide(products, p.reshape(scale, shape=(n, 1))), p.reshape(scale, shape=(1, n)))
    found = p.minimum(p.maximum(found, -1.0), 1.0)
    return found if len(shape_of(x)) == 2 else p.reshape(found, shape=())


@op
def cdist(x: Any, y: Any) -> Tensor:
    """Euclidean distances between the rows of x (..., n, d) and y (..., m, d): (..., n, m).

    Example:
        >>> cdist([[0.0, 0.0]], [[3.0, 4.0]]).tolist()
        [[5.0]]
    """
    a, b = promoted(x, y, at_least="float")
    one, two = shape_of(a), shape_of(b)
    if len(one) < 2 or len(two) < 2 or not shapes.compatible(one[-1], two[-1]):
        raise ShapeError(
            "Rows of one length are needed.", received=f"{shapes.show(one)} and {shapes.show(two)}"
        )
    gap = p.subtract(
        p.reshape(a, shape=(*one[:-1], 1, one[-1])), p.reshape(b, shape=(*two[:-2], 1, *two[-2:]))
    )
    squared = p.sum(p.square(gap), axis=(len(shape_of(gap)) - 1,), keepdims=False)
    zero = p.equal(squared, 0.0)  # √ has no slope at 0
    return p.where(zero, 0.0, p.sqrt(p.where(zero, 1.0, squared)))
