"""Diagonals and triangles of matrices, and sums along them."""

from __future__ import annotations

from typing import Any

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.ops.arguments import host_int
from kerasish.ops.fastpath import counting, operand
from kerasish.ops.reductions import sum
from kerasish.ops.shaping import flat

__all__ = ["diag", "diagflat", "diagonal", "trace", "tril", "triu"]


def zero_of(x: Tensor) -> Any:
    """The Python zero for tensors of x's dtype."""
    name = dtype_of(x)
    return False if name == "bool" else 0.0 if name.endswith(("16", "32", "64")) and "float" in name else 0


def _offsets(x: Tensor, rows: int, columns: int) -> Tensor:
    """column − row, for each place of a (rows, columns) matrix."""
    i = p.reshape(counting(x, rows), shape=(rows, 1))
    j = p.reshape(counting(x, columns), shape=(1, columns))
    return p.subtract(j, i)


def _matrix(x: Any) -> Tensor:
    x = operand(x)
    if len(shape_of(x)) < 2:
        raise ShapeError("A matrix is needed: two axes or more.", received=shape_of(x))
    return x


@op
def tril(x: Any, k: int = 0) -> Tensor:
    """x with zeros above the k-th diagonal of its last two axes.

    Example:
        >>> tril([[1, 2], [3, 4]]).tolist()
        [[1, 0], [3, 4]]
    """
    x = _matrix(x)
    return p.where(p.less_equal(_offsets(x, *shape_of(x)[-2:]), host_int(k, "k")), x, zero_of(x))


@op
def triu(x: Any, k: int = 0) -> Tensor:
    """x with zeros below the k-th diagonal of its last two axes.

    Example:
        >>> triu([[1, 2], [3, 4]]).tolist()
        [[1, 2], [0, 4]]
    """
    x = _matrix(x)
    return p.where(p.greater_equal(_offsets(x, *shape_of(x)[-2:]), host_int(k, "k")), x, zero_of(x))


@op
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of the planes spanned by two axes; its axis is the last of the result.

    Example:
        >>> diagonal([[1, 2], [3, 4]]).tolist()
        [1, 4]
    """
    x = _matrix(x)
    rank = len(shape_of(x))
    one, two = axis_index(axis1, rank, name="axis1"), axis_index(axis2, rank, name="axis2")
    if one == two:
        raise ArgumentError("A diagonal needs two different axes.", received=f"{axis1}, {axis2}")
    rest = tuple(a for a in range(rank) if a not in (one, two))
    x = p.transpose(x, axes=(*rest, one, two))
    *batch, rows, columns = shape_of(x)
    first = host_int(offset, "offset")
    length = min(rows, columns - first) if first >= 0 else min(rows + first, columns)
    length = max(length, 0)
    # In row-major order the diagonal is every (columns + 1)-th element.
    line = p.reshape(x, shape=(*batch, rows * columns))
    begin = min(first if first >= 0 else -first * columns, rows * columns)
    end = begin + (length - 1) * (columns + 1) + 1 if length else begin
    zeros, ones = (0,) * len(batch), (1,) * len(batch)
    return p.slice(line, start=(*zeros, begin), stop=(*batch, end), step=(*ones, columns + 1))


def _from_diagonal(x: Tensor, k: int) -> Tensor:
    size = shape_of(x)[0]
    n = size + (k if k >= 0 else -k)
    column = p.reshape(x, shape=(size, 1))
    column = p.pad(column, pads=((0, k) if k >= 0 else (-k, 0), (0, 0)), value=zero_of(x))
    return p.where(p.equal(_offsets(x, n, n), k), column, zero_of(x))


@op
def diag(x: Any, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix, or the matrix with a vector on its k-th diagonal.

    Raises:
        ShapeError: x is neither.

    Example:
        >>> diag([1, 2]).tolist()
        [[1, 0], [0, 2]]
    """
    x = operand(x)
    rank = len(shape_of(x))
    if rank == 1:
        return _from_diagonal(x, host_int(k, "k"))
    if rank == 2:
        return diagonal(x, k)
    raise ShapeError("diag takes a vector or a matrix.", received=shape_of(x))


@op
def diagflat(x: Any, k: int = 0) -> Tensor:
    """The matrix with the elements of x on its k-th diagonal.

    Example:
        >>> diagflat([[1, 2]]).tolist()
        [[1, 0], [0, 2]]
    """
    return _from_diagonal(flat(operand(x)), host_int(k, "k"))


@op
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of a diagonal.

    Example:
        >>> trace([[1, 2], [3, 4]]).tolist()
        5
    """
    return sum(diagonal(x, offset, axis1, axis2), axis=-1)
