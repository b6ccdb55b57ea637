"""Decompositions, inverses, determinants and norms of matrices; leading axes are batches. Keras' `ops.linalg`."""

from __future__ import annotations

import math as _math
from collections.abc import Callable
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.ops.autodiff import jvp
from kerasish.ops.fastpath import counting, floats
from kerasish.ops.matrices import diagonal
from kerasish.ops.products import matmul
from kerasish.ops.shaping import flat

__all__ = [
    "cholesky",
    "cholesky_inverse",
    "det",
    "eigh",
    "inv",
    "jvp",
    "logdet",
    "lstsq",
    "lu_factor",
    "matrix_rank",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
]

_EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


def _wide(x: Tensor) -> Tensor:
    return p.cast(x, dtype="float32") if dtype_of(x) in ("float16", "bfloat16") else x


def _like(result: Tensor, x: Tensor) -> Tensor:
    """Results of half precision inputs, computed in float32, in half precision again."""
    name = dtype_of(x)
    return result if dtype_of(result) == name else p.cast(result, dtype=name)


def _matrix(x: Any, square: bool = False) -> Tensor:
    x = floats(x)
    sizes = shape_of(x)
    if len(sizes) < 2:
        raise ShapeError("A matrix is needed: two axes or more.", received=shapes.show(sizes))
    if square and not shapes.compatible(sizes[-1], sizes[-2]):
        raise ShapeError("Square matrices are needed.", expected="(..., n, n)", received=shapes.show(sizes))
    return x


def _swapped(x: Tensor) -> Tensor:
    rank = len(shape_of(x))
    return p.transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _eye(like: Tensor, n: int) -> Tensor:
    i = p.reshape(counting(like, n), shape=(n, 1))
    return p.cast(p.equal(i, p.reshape(i, shape=(1, n))), dtype=dtype_of(like))


def _identities(like: Tensor, n: int) -> Tensor:
    return p.broadcast_to(_eye(like, n), shape=(*shape_of(like)[:-2], n, n))


@op
def cholesky(x: Any, upper: bool = False) -> Tensor:
    """Lower L with L Lᵀ = x for symmetric positive definite x; Lᵀ if `upper`.

    Example:
        >>> cholesky([[4.0]]).tolist()
        [[2.0]]
    """
    x = _matrix(x, square=True)
    lower = _like(p.cholesky(_wide(x)), x)
    return _swapped(lower) if upper else lower


@op
def cholesky_inverse(x: Any, upper: bool = False) -> Tensor:
    """The inverse of L Lᵀ for the Cholesky factor x = L (x = Lᵀ if `upper`).

    Example:
        >>> cholesky_inverse([[2.0]]).tolist()
        [[0.25]]
    """
    x = _matrix(x, square=True)
    lower = _wide(_swapped(x) if upper else x)
    half = p.triangular_solve(lower, _identities(lower, shape_of(x)[-1]), lower=True)
    return _like(p.matmul(_swapped(half), half), x)


@op
def eigh(x: Any) -> tuple[Tensor, Tensor]:
    """Ascending eigenvalues (..., n) and eigenvectors in columns (..., n, n) of symmetric x.

    Example:
        >>> eigh([[2.0]])[0].tolist()
        [2.0]
    """
    x = _matrix(x, square=True)
    values, vectors = p.eigh(_wide(x))
    return _like(values, x), _like(vectors, x)


@op
def lu_factor(x: Any) -> tuple[Tensor, Tensor]:
    """L and U packed in one matrix, and the int32 row swaps of partial pivoting (0-based).

    Example:
        >>> lu_factor([[2.0]])[0].tolist()
        [[2.0]]
    """
    x = _matrix(x)
    packed, swaps = p.lu_factor(_wide(x))
    return _like(packed, x), swaps


def _factors(x: Tensor) -> tuple[Tensor, Tensor]:
    """The diagonal of U of the LU factors, and the sign of the row swaps."""
    packed, swaps = p.lu_factor(x)
    swapped = p.not_equal(swaps, p.broadcast_to(counting(x, shape_of(x)[-1]), shape=shape_of(swaps)))
    odd = p.remainder(p.sum(p.cast(swapped, dtype="int32"), axis=_last(swaps), keepdims=False), 2)
    return diagonal(packed, 0, -2, -1), p.subtract(1.0, p.multiply(p.cast(odd, dtype=dtype_of(x)), 2.0))


def _last(x: Tensor) -> tuple[int]:
    return (len(shape_of(x)) - 1,)


def _for_matrices(x: Tensor) -> Tensor:
    """One number a matrix as something that multiplies matrices."""
    return p.reshape(x, shape=(*shape_of(x), 1, 1))


# The gradients of determinants are written out (Petersen and Pedersen, The Matrix Cookbook, equations 49 and 57):
# they need the inverse only, and no engine's derivative of the LU factors.
@overridable
def _slogdet(x: Tensor, /) -> tuple[Tensor, Tensor]:
    def run(x: Tensor) -> tuple[list[Tensor], Callable[[list[Tensor]], list[Tensor]]]:
        line, parity = _factors(x)
        sign = p.multiply(parity, p.prod(p.sign(line), axis=_last(line), keepdims=False))
        size = p.sum(p.log(p.abs(line)), axis=_last(line), keepdims=False)
        return [sign, size], lambda upstream: [p.multiply(_swapped(_inv(x)), _for_matrices(upstream[1]))]

    sign, size = engine_of((x,)).custom_gradient(run, [x])
    return sign, size


@op
def slogdet(x: Any) -> tuple[Tensor, Tensor]:
    """The sign and ln |·| of the determinant.

    Example:
        >>> [t.tolist() for t in slogdet([[-1.0]])]
        [-1.0, 0.0]
    """
    x = _matrix(x, square=True)
    sign, size = _slogdet(_wide(x))
    return _like(sign, x), _like(size, x)


@op
def logdet(x: Any) -> Tensor:
    """ln of the determinant of symmetric positive definite x; NaN for a negative determinant.

    Example:
        >>> logdet([[1.0]]).tolist()
        0.0
    """
    sign, size = slogdet(x)
    return p.where(p.less(sign, 0.0), _math.nan, size)


@overridable
def _det(x: Tensor, /) -> Tensor:
    line, parity = _factors(p.stop_gradient(x))
    exact = p.multiply(parity, p.prod(line, axis=_last(line), keepdims=False))
    sign, size = _slogdet(x)
    rounded = p.multiply(sign, p.exp(size))  # has the gradient, but e^ln costs digits
    return p.add(rounded, p.stop_gradient(p.where(p.equal(exact, rounded), 0.0, p.subtract(exact, rounded))))


@op
def det(x: Any) -> Tensor:
    """The determinant.

    Example:
        >>> det([[2.0, 0.0], [0.0, 3.0]]).tolist()
        6.0
    """
    x = _matrix(x, square=True)
    return _like(_det(_wide(x)), x)


@overridable
def _inv(x: Tensor, /) -> Tensor:
    return p.solve(x, _identities(x, shape_of(x)[-1]))


@op
def inv(x: Any) -> Tensor:
    """The inverse matrix.

    Example:
        >>> inv([[2.0]]).tolist()
        [[0.5]]
    """
    x = _matrix(x, square=True)
    return _like(_inv(_wide(x)), x)


def _solved(solver: Callable[[Tensor, Tensor], Tensor], a: Any, b: Any) -> Tensor:
    a, b = promoted(a, b, at_least="float")
    a = _matrix(a, square=True)
    n, given = shape_of(a)[-1], shape_of(b)
    vector = len(given) == 1 or (len(given) == len(shape_of(a)) - 1 and len(given) > 1)
    if not given or not shapes.compatible(given[-1 if vector else -2], n):
        raise ShapeError(
            "The right-hand side does not fit the matrix.",
            expected=f"(..., {n}) or (..., {n}, k)",
            received=shapes.show(given),
        )
    right = p.reshape(b, shape=(*given, 1)) if vector else b
    found = _like(solver(_wide(a), _wide(right)), a)
    return p.reshape(found, shape=shape_of(found)[:-1]) if vector else found


@op
def solve(a: Any, b: Any) -> Tensor:
    """x with a x = b, for square a and vectors or matrices b.

    Example:
        >>> solve([[2.0]], [[4.0]]).tolist()
        [[2.0]]
    """
    return _solved(p.solve, a, b)


@op
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Tensor:
    """x with a x = b, for upper (or `lower`) triangular a.

    Example:
        >>> solve_triangular([[2.0]], [[4.0]]).tolist()
        [[2.0]]
    """
    return _solved(lambda m, right: p.triangular_solve(m, right, lower=bool(lower)), a, b)


def _completed(basis: Tensor) -> Tensor:
    """Orthonormal columns (..., m, k) with m − k more beside them, so that all are orthonormal."""
    *batch, m, k = shape_of(basis)
    if m == k and shapes.is_known(m):
        return basis
    more = p.concatenate([basis, _identities(basis, m)], axis=len(batch) + 1)
    return p.qr(more)[0]  # R's diagonal is >= 0: the first k columns stay as they are


@op
def qr(x: Any, mode: str = "reduced") -> tuple[Tensor, Tensor]:
    """Orthonormal Q and upper triangular R with Q R = x; R's diagonal is >= 0.

    Args:
        x: (..., m, n).
        mode: "reduced": Q (..., m, k), R (..., k, n), k = min(m, n); "complete": Q (..., m, m), R (..., m, n).

    Example:
        >>> qr([[2.0]])[1].tolist()
        [[2.0]]
    """
    if mode not in ("reduced", "complete"):
        raise ArgumentError("Unknown `mode`.", expected="'reduced' or 'complete'", received=mode)
    x = _matrix(x)
    q, r = p.qr(_wide(x))
    if mode == "complete":
        missing = shape_of(x)[-2] - shape_of(r)[-2]
        q = _completed(q)
        r = p.pad(r, pads=(*((0, 0),) * (len(shape_of(r)) - 2), (0, missing), (0, 0)), value=0.0)
    return _like(q, x), _like(r, x)


@op
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, descending S and Vᴴ with U diag(S) Vᴴ = x; only S unless `compute_uv`.

    Args:
        x: (..., m, n).
        full_matrices: U (..., m, m) and Vᴴ (..., n, n), else U (..., m, k) and Vᴴ (..., k, n), k = min(m, n).
        compute_uv: Return all three.

    Example:
        >>> svd([[2.0]], compute_uv=False).tolist()
        [2.0]
    """
    x = _matrix(x)
    u, s, vh = p.svd(_wide(x))
    if not compute_uv:
        return _like(s, x)
    if full_matrices:
        u, vh = _completed(u), _swapped(_completed(_swapped(vh)))
    return _like(u, x), _like(s, x), _like(vh, x)


def _significant(s: Tensor, limit: Any) -> Tensor:
    return p.greater(s, limit)


@op
def pinv(x: Any, rcond: Any = None) -> Tensor:
    """The Moore–Penrose inverse: singular values below rcond · the largest count as 0.

    Args:
        x: (..., m, n).
        rcond: By default 10 · max(m, n) · the dtype's epsilon.

    Example:
        >>> pinv([[2.0]]).tolist()
        [[0.5]]
    """
    x = _matrix(x)
    wide = _wide(x)
    rows, columns = shape_of(x)[-2:]
    u, s, vh = p.svd(wide)
    share = 10.0 * max(rows, columns) * _EPSILON[dtype_of(wide)] if rcond is None else rcond
    last = len(shape_of(s)) - 1
    if not isinstance(share, (int, float)):
        share = p.cast(promoted(share, wide)[0], dtype=dtype_of(wide))
        share = p.reshape(share, shape=(*shape_of(share), 1)) if shape_of(share) else share
    used = _significant(s, p.multiply(p.max(s, axis=(last,), keepdims=True), share))
    inverse = p.where(used, p.divide(1.0, p.where(used, s, 1.0)), 0.0)
    scaled = p.multiply(_swapped(vh), p.reshape(inverse, shape=(*shape_of(s)[:-1], 1, shape_of(s)[-1])))
    return _like(p.matmul(scaled, _swapped(u)), x)


@op
def lstsq(a: Any, b: Any, rcond: Any = None) -> Tensor:
    """The shortest x that minimises ‖a x − b‖, for b of shape (m,) or (m, k).

    Example:
        >>> lstsq([[2.0]], [4.0]).tolist()
        [2.0]
    """
    a, b = promoted(a, b, at_least="float")
    if rcond is None:
        rcond = _EPSILON.get(dtype_of(a), 2.0**-23) * max(shape_of(_matrix(a))[-2:])
    return matmul(pinv(a, rcond), b)


@op
def matrix_rank(x: Any, tol: Any = None) -> Tensor:
    """The number of singular values above `tol`, int32; by default max(m, n) · the dtype's epsilon · the largest.

    Example:
        >>> matrix_rank([[1.0, 1.0], [1.0, 1.0]]).tolist()
        1
    """
    wide = _wide(_matrix(x))
    s = p.svd(wide)[1]
    last = len(shape_of(s)) - 1
    if tol is None:
        share = max(shape_of(wide)[-2:]) * _EPSILON[dtype_of(wide)]
        tol = p.multiply(p.max(s, axis=(last,), keepdims=True), share)
    elif not isinstance(tol, (int, float)):
        tol = p.cast(promoted(tol, wide)[0], dtype=dtype_of(wide))
        tol = p.reshape(tol, shape=(*shape_of(tol), 1)) if shape_of(tol) else tol
    return p.sum(p.cast(_significant(s, tol), dtype="int32"), axis=(last,), keepdims=False)


# -- norms ---------------------------------------------------------------------------------------------------


def _vector_norm(x: Tensor, order: Any, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    size = p.abs(x)
    if order in (None, 2, "euclidean"):
        return p.sqrt(p.sum(p.square(x), axis=axis, keepdims=keepdims))
    if order == _math.inf:
        return p.max(size, axis=axis, keepdims=keepdims)
    if order == -_math.inf:
        return p.min(size, axis=axis, keepdims=keepdims)
    if order == 0:
        return p.sum(p.cast(p.not_equal(x, 0.0), dtype=dtype_of(x)), axis=axis, keepdims=keepdims)
    if order == 1:
        return p.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(order, str):
        raise ArgumentError("Unknown order of a vector's norm.", expected="a number or None", received=order)
    return p.power(p.sum(p.power(size, float(order)), axis=axis, keepdims=keepdims), 1.0 / order)


def _matrix_norm(x: Tensor, order: Any, axis: tuple[int, int], keepdims: bool) -> Tensor:
    row, column = axis
    if order in (None, "fro"):
        return p.sqrt(p.sum(p.square(x), axis=tuple(sorted(axis)), keepdims=keepdims))
    if order in (1, -1, _math.inf, -_math.inf):
        summed, chosen = (row, column) if order in (1, -1) else (column, row)
        sums = p.sum(p.abs(x), axis=(summed,), keepdims=True)
        sums = (p.max if order > 0 else p.min)(sums, axis=(chosen,), keepdims=True)
        return sums if keepdims else p.reshape(sums, shape=shapes.reduced(shape_of(x), tuple(axis), False))
    if order not in (2, -2, "nuc"):
        raise ArgumentError(
            "Unknown order of a matrix norm.", expected="None, 'fro', 'nuc', ±1, ±2 or ±inf", received=order
        )
    rank = len(shape_of(x))
    rest = tuple(a for a in range(rank) if a not in axis)
    s = p.svd(_wide(p.transpose(x, axes=(*rest, row, column))))[1]
    last = (len(shape_of(s)) - 1,)
    found = (p.sum if order == "nuc" else p.max if order == 2 else p.min)(s, axis=last, keepdims=False)
    return p.reshape(found, shape=shapes.reduced(shape_of(x), tuple(axis), True)) if keepdims else found


@op
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors or matrices.

    Args:
        x: Any tensor.
        ord: Of vectors: any number, ±inf, default 2; of matrices: "fro" (default), "nuc", ±1, ±2, ±inf.
        axis: One axis for vectors, two for matrices; None: all of x, as one vector unless `ord` is given.
        keepdims: Keep the axes with size 1.

    Example:
        >>> norm([3.0, 4.0]).tolist()
        5.0
    """
    x = floats(x)
    sizes = shape_of(x)
    if axis is None and (ord is None or (ord == 2 and len(sizes) == 1)):
        found = _vector_norm(flat(x), None, (0,), False)
        return p.reshape(found, shape=(1,) * len(sizes)) if keepdims else found
    axes = tuple(range(len(sizes))) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    places = tuple(axis_index(a, len(sizes)) for a in axes)
    if len(set(places)) != len(places) or len(places) not in (1, 2):
        raise ArgumentError(
            "A norm runs over one axis or two.", received=f"axis={axis} of {shapes.show(sizes)}"
        )
    if len(places) == 1:
        return _like(_vector_norm(x, ord, places, bool(keepdims)), x)
    return _like(_matrix_norm(x, ord, (places[0], places[1]), bool(keepdims)), x)
