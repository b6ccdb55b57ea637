"""Gradient rules of products and decompositions of matrices.

Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008); Murray,
"Differentiation of the Cholesky decomposition" (2016); Seeger, Hetzel, Dai, Lawrence, "Auto-differentiating linear
algebra" (2017); Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in
optimum experimental design" (2010) for QR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native.dispatch import n
from kerasish_native.private import name_of
from kerasish_native.rules import VJPS, joint
from kerasish_native.vjps import fitted, zeros

mm = n.matmul


def t(x: Any) -> Any:
    """The transposed matrices."""
    rank = len(x.shape)
    return n.transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _scaled(x: Any, factor: np.ndarray) -> Any:
    return n.multiply(x, factor.astype(dtypes.to_numpy(name_of(x))))


def _lower(x: Any, below: int = 0) -> Any:
    return _scaled(x, np.tril(np.ones(x.shape[-2:]), below))


def _upper(x: Any, above: int = 0) -> Any:
    return _scaled(x, np.triu(np.ones(x.shape[-2:]), above))


def _columns(x: Any, factors: Any) -> Any:
    """x times diag(factors)."""
    return n.multiply(x, n.reshape(factors, shape=(*factors.shape[:-1], 1, factors.shape[-1])))


def _rows(x: Any, factors: Any) -> Any:
    """diag(factors) times x."""
    return n.multiply(x, n.reshape(factors, shape=(*factors.shape, 1)))


# -- products ----------------------------------------------------------------------------------------------------------
def _matmul_left(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    return fitted(mm(g, t(x2)), x1)


def _matmul_right(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if (
        len(x2.shape) == 2 and len(x1.shape) > 2
    ):  # one product over all rows, instead of a sum of many products
        rows = math.prod(x1.shape[:-1])
        x1, g = n.reshape(x1, shape=(rows, x1.shape[-1])), n.reshape(g, shape=(rows, g.shape[-1]))
    return fitted(mm(t(x1), g), x2)


@joint
def einsum(gs: list[Any], y: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]) -> list[Any]:
    """The result's letters and the other operands give the operand's; a letter nobody else has is broadcast."""
    left, out = keywords["subscripts"].split("->")
    return [_einsum_operand(gs[0], left.split(","), out, args, i) for i in wanted]


def _einsum_operand(g: Any, terms: list[str], out: str, args: Any, i: int) -> Any:
    x, term = args[i], terms[i]
    used = set("".join(terms)) | set(out)
    fresh = iter(c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in used)
    inputs, letters, wanted = [g, *(a for j, a in enumerate(args) if j != i)], [out], []
    letters += [s for j, s in enumerate(terms) if j != i]
    for c, size in zip(term, x.shape, strict=True):
        if c in wanted:  # a diagonal: the second letter is tied to the first by an identity matrix
            twin = next(fresh)
            letters.append(c + twin)
            inputs.append(np.eye(size, dtype=dtypes.to_numpy(name_of(x))))
            wanted.append(twin)
        else:
            wanted.append(c)
    known = set("".join(letters))
    kept = "".join(c for c in wanted if c in known)
    found = n.einsum(*inputs, subscripts=",".join(letters) + "->" + kept)
    sizes = iter(found.shape)
    open_shape = tuple(next(sizes) if c in known else 1 for c in wanted)
    full = tuple(map(max, open_shape, x.shape))
    found = n.reshape(found, shape=open_shape)
    return fitted(found if full == open_shape else n.broadcast_to(found, shape=full), x)


# -- solving -----------------------------------------------------------------------------------------------------------
def _solve_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    return fitted(n.solve(t(a), g), b)


def _solve_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    return fitted(n.negative(mm(n.solve(t(a), g), t(y))), a)


def _triangular_right(g: Any, y: Any, a: Any, b: Any, lower: bool) -> Any:
    return fitted(n.triangular_solve(t(a), g, lower=not lower), b)


def _triangular_left(g: Any, y: Any, a: Any, b: Any, lower: bool) -> Any:
    full = n.negative(mm(n.triangular_solve(t(a), g, lower=not lower), t(y)))
    return fitted(_lower(full) if lower else _upper(full), a)


def _right_solve(x: Any, a: Any, *, lower: bool) -> Any:
    """x a⁻¹ for triangular a."""
    return t(n.triangular_solve(t(a), t(x), lower=not lower))


# -- decompositions ----------------------------------------------------------------------------------------------------
def _cholesky(g: Any, y: Any, x: Any) -> Any:
    """S = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹, symmetrised; Φ takes the lower triangle and halves the diagonal."""
    inner = mm(t(y), g)
    half = _scaled(inner, np.tril(np.ones(inner.shape[-2:])) - 0.5 * np.eye(inner.shape[-1]))
    s = _right_solve(n.triangular_solve(t(y), half, lower=False), y, lower=True)
    return n.multiply(n.add(s, t(s)), 0.5)


def _filled(gs: list[Any], results: Any) -> list[Any]:
    return [zeros(y) if g is None else g for g, y in zip(gs, results, strict=True)]


@joint
def qr(gs: list[Any], results: Any, args: Any, keywords: Any, wanted: Any) -> list[Any]:
    """Ā = (Q̄ + Q copyltu(R R̄ᵀ − Q̄ᵀ Q)) R⁻ᵀ; a wide matrix [X Y] with R = [U V] goes through the QR of X."""
    q, r = results
    gq, gr = _filled(gs, results)
    m, width = args[0].shape[-2:]
    if m >= width:
        return [_qr_tall(q, r, gq, gr)]
    rank = len(r.shape)

    def part(x: Any, begin: int, end: int) -> Any:
        stop = (*x.shape[:-1], end)
        return n.slice(x, start=(*(0,) * (rank - 1), begin), stop=stop, step=(1,) * rank)

    gv = part(gr, m, width)
    gx = _qr_tall(q, part(r, 0, m), n.add(gq, mm(part(args[0], m, width), t(gv))), part(gr, 0, m))
    return [n.concatenate(gx, mm(q, gv), axis=rank - 1)]


def _qr_tall(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    inner = n.subtract(mm(r, t(gr)), mm(t(gq), q))
    below = _lower(inner, -1)
    diagonal = _scaled(inner, np.eye(inner.shape[-1]))
    symmetric = n.add(n.add(below, t(below)), diagonal)
    return _right_solve(n.add(gq, mm(q, symmetric)), t(r), lower=True)


def _gaps(values: Any) -> Any:
    """1 / (vⱼ − vᵢ) off the diagonal, 0 on it."""
    size = values.shape[-1]
    row = n.reshape(values, shape=(*values.shape[:-1], 1, size))
    column = n.reshape(values, shape=(*values.shape[:-1], size, 1))
    one = np.eye(size, dtype=bool)
    return n.where(one, 0.0, n.divide(1.0, n.where(one, 1.0, n.subtract(row, column))))


@joint
def eigh(gs: list[Any], results: Any, args: Any, keywords: Any, wanted: Any) -> list[Any]:
    """Ā = V (diag(w̄) + F ∘ (Vᵀ V̄)) Vᵀ, symmetrised, with Fᵢⱼ = 1 / (wⱼ − wᵢ)."""
    w, v = results
    gw, gv = _filled(gs, results)
    inner = n.multiply(_gaps(w), mm(t(v), gv))
    found = n.add(mm(_columns(v, gw), t(v)), mm(mm(v, inner), t(v)))
    return [n.multiply(n.add(found, t(found)), 0.5)]


@joint
def svd(gs: list[Any], results: Any, args: Any, keywords: Any, wanted: Any) -> list[Any]:
    """Ā = U [(J + Jᵀ) S + S (K + Kᵀ) + diag(s̄)] Vᵀ + (I − UUᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (I − VVᵀ).

    Here J = F ∘ (UᵀŪ), K = F ∘ (VᵀV̄), Fᵢⱼ = 1 / (sⱼ² − sᵢ²).
    """
    u, s, vh = results
    gu, gs_, gvh = _filled(gs, results)
    f = _gaps(n.square(s))
    j = n.multiply(f, mm(t(u), gu))
    k = n.multiply(f, mm(vh, t(gvh)))
    inner = n.add(_columns(n.add(j, t(j)), s), _rows(n.add(k, t(k)), s))
    found = n.add(mm(mm(u, inner), vh), mm(_columns(u, gs_), vh))
    if args[0].shape[-2] > s.shape[-1]:
        rest = n.subtract(gu, mm(u, mm(t(u), gu)))
        found = n.add(found, mm(_columns(rest, n.divide(1.0, s)), vh))
    if args[0].shape[-1] > s.shape[-1]:
        rest = n.subtract(gvh, mm(mm(gvh, t(vh)), vh))
        found = n.add(found, mm(u, _rows(rest, n.divide(1.0, s))))
    return [found]


@joint
def lu_factor(gs: list[Any], results: Any, args: Any, keywords: Any, wanted: Any) -> list[Any]:
    """Ā = Pᵀ L⁻ᵀ (tril(Lᵀ L̄, −1) + triu(Ū Uᵀ)) U⁻ᵀ."""
    packed, swaps = results
    if gs[0] is None:
        return [None]
    eye = np.eye(packed.shape[-1], dtype=dtypes.to_numpy(name_of(packed)))
    low, up = n.add(_lower(packed, -1), eye), _upper(packed)
    inner = n.add(_lower(mm(t(low), _lower(gs[0], -1)), -1), _upper(mm(_upper(gs[0]), t(up))))
    ordered = _right_solve(n.triangular_solve(t(low), inner, lower=False), t(up), lower=True)
    back = n.argsort(n.permutation(swaps), axis=len(swaps.shape) - 1)
    rows = n.broadcast_to(n.reshape(back, shape=(*back.shape, 1)), shape=tuple(ordered.shape))
    return [n.take_along_axis(ordered, rows, axis=len(ordered.shape) - 2)]


VJPS.update(
    matmul=(_matmul_left, _matmul_right),
    solve=(_solve_left, _solve_right),
    triangular_solve=(_triangular_left, _triangular_right),
    cholesky=(_cholesky,),
)
