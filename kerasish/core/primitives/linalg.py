"""Products and decompositions of matrices. Leading axes are batches."""

from __future__ import annotations

from typing import Any

from kerasish.core import shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.primitive import primitive


@primitive
def matmul(x1: Any, x2: Any, /) -> Any:
    """Matrix product over the last two axes (rank >= 2); leading axes broadcast.

    Equal dtypes; floats accumulate in at least float32, integers wrap.
    """
    if x1.dtype != x2.dtype:
        raise DTypeError("Operands need one dtype.", received=f"{x1.dtype} and {x2.dtype}")
    if min(len(x1.shape), len(x2.shape)) < 2 or not shapes.compatible(x1.shape[-1], x2.shape[-2]):
        raise ShapeError(
            "Matrix sizes do not fit: the last axis of the first must equal the second-to-last axis of the second.",
            received=f"{shapes.show(x1.shape)} and {shapes.show(x2.shape)}",
        )
    batch = shapes.broadcast(x1.shape[:-2], x2.shape[:-2])
    return AbstractTensor((*batch, x1.shape[-2], x2.shape[-1]), x1.dtype)


@primitive
def einsum(*operands: Any, subscripts: str) -> Any:
    """Sum of products named by explicit `subscripts` such as "bij,bjk->bik": letters only, no ellipsis."""
    left, right = subscripts.split("->")
    sizes: dict[str, int] = {}
    terms = left.split(",")
    for term, x in zip(terms, operands, strict=True):
        if len(term) != len(x.shape):
            raise ShapeError(
                "An einsum term has another rank than its tensor.", expected=term, received=x.shape
            )
        for letter, size in zip(term, x.shape, strict=True):
            known = sizes.get(letter, size)
            if not (shapes.compatible(known, size) or known == 1 or size == 1):
                raise ShapeError(
                    f"Sizes of {letter!r} differ in einsum {subscripts!r}.", received=f"{known}, {size}"
                )
            sizes[letter] = shapes.merge(size, known) if known != 1 else size
    return AbstractTensor([sizes[letter] for letter in right], operands[0].dtype)


def _square(x: Any) -> None:
    if len(x.shape) < 2 or not shapes.compatible(x.shape[-1], x.shape[-2]):
        raise ShapeError("Square matrices are needed.", expected="(..., n, n)", received=shapes.show(x.shape))


@primitive(group="linalg")
def cholesky(x: Any, /) -> Any:
    """Lower L with L Lᵀ = x, for symmetric positive definite x."""
    _square(x)
    return AbstractTensor(x.shape, x.dtype)


@primitive(group="linalg")
def solve(a: Any, b: Any, /) -> Any:
    """x with a x = b; a (..., n, n), b (..., n, k)."""
    _square(a)
    if len(b.shape) < 2 or not shapes.compatible(a.shape[-1], b.shape[-2]):
        raise ShapeError(
            "Sizes do not fit.", expected=f"(..., {a.shape[-1]}, k)", received=shapes.show(b.shape)
        )
    batch = shapes.broadcast(a.shape[:-2], b.shape[:-2])
    return AbstractTensor((*batch, *b.shape[-2:]), a.dtype)


@primitive(group="linalg")
def triangular_solve(a: Any, b: Any, /, *, lower: bool) -> Any:
    """x with a x = b for triangular a; the other triangle is not read."""
    return solve.rule(a, b)


@primitive(group="linalg")
def qr(x: Any, /) -> Any:
    """Reduced Q (..., m, k), R (..., k, n), k = min(m, n); the diagonal of R is >= 0."""
    m, n = x.shape[-2:]
    k = min(m, n)
    return AbstractTensor((*x.shape[:-2], m, k), x.dtype), AbstractTensor((*x.shape[:-2], k, n), x.dtype)


@primitive(group="linalg")
def svd(x: Any, /) -> Any:
    """Reduced U (..., m, k), descending S (..., k), Vᴴ (..., k, n), k = min(m, n)."""
    m, n = x.shape[-2:]
    k = min(m, n)
    batch = x.shape[:-2]
    return (
        AbstractTensor((*batch, m, k), x.dtype),
        AbstractTensor((*batch, k), x.dtype),
        AbstractTensor((*batch, k, n), x.dtype),
    )


@primitive(group="linalg")
def eigh(x: Any, /) -> Any:
    """Ascending eigenvalues (..., n) and eigenvectors in columns (..., n, n) of symmetric x."""
    _square(x)
    return AbstractTensor(x.shape[:-1], x.dtype), AbstractTensor(x.shape, x.dtype)


@primitive(group="linalg")
def lu_factor(x: Any, /) -> Any:
    """Packed L and U (..., n, n) and int32 row swaps (..., n) of x, with partial pivoting (LAPACK getrf, 0-based)."""
    _square(x)
    return AbstractTensor(x.shape, x.dtype), AbstractTensor(x.shape[:-1], "int32")
