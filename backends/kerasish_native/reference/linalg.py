"""Products and decompositions of matrices in NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish_native.reference.elementwise import Kernel, is_half

Array = npt.NDArray[Any]


def matmul(x1: Array, x2: Array) -> Array:
    """Matrix product; 16 bit floats accumulate in float32."""
    if is_half(x1):
        return np.asarray(np.matmul(x1.astype(np.float32), x2.astype(np.float32)).astype(x1.dtype))
    if x2.ndim == 2 and x1.ndim > 2 and x1.flags.c_contiguous:  # one large product beats many small ones
        rows = math.prod(x1.shape[:-1])
        return np.asarray(np.matmul(x1.reshape(rows, x1.shape[-1]), x2).reshape(*x1.shape[:-1], x2.shape[-1]))
    return np.asarray(np.matmul(x1, x2))


@functools.lru_cache(maxsize=512)
def _pair_plan(subscripts: str) -> tuple[str, str, str, str, tuple[int, ...]] | None:
    """Letters (batch, rows, shared, columns) of a product of two and the order of the result; None: no such form."""
    left, out = subscripts.split("->")
    if left.count(",") != 1:
        return None
    a, b = left.split(",")
    single = set(a) ^ set(b)
    if len(set(a)) != len(a) or len(set(b)) != len(b) or any(c not in out for c in single):
        return None
    batch = "".join(c for c in out if c in a and c in b)
    rows = "".join(c for c in out if c in a and c not in b)
    columns = "".join(c for c in out if c in b and c not in a)
    shared = "".join(c for c in a if c in b and c not in out)
    return batch, rows, shared, columns, tuple((batch + rows + columns).index(c) for c in out)


def _pair_product(a: Array, b: Array, subscripts: str) -> Array | None:
    plan = _pair_plan(subscripts)
    if plan is None:
        return None
    batch, rows, shared, columns, order = plan
    one, two = subscripts.split("->")[0].split(",")
    sizes = dict(zip(one, a.shape, strict=True))
    if any(sizes.get(c, n) != n for c, n in zip(two, b.shape, strict=True)):
        return None  # a size of 1 that broadcasts
    sizes.update(zip(two, b.shape, strict=True))

    def size(letters: str) -> int:
        return math.prod(sizes[c] for c in letters)

    left = a.transpose([one.index(c) for c in batch + rows + shared]).reshape(
        size(batch), size(rows), size(shared)
    )
    right = b.transpose([two.index(c) for c in batch + shared + columns])
    product = np.matmul(left, right.reshape(size(batch), size(shared), size(columns)))
    return np.asarray(product.reshape([sizes[c] for c in batch + rows + columns]).transpose(order))


def einsum(*operands: Array, subscripts: str) -> Array:
    """Two operands: one batched matrix product; others: NumPy's own."""
    if is_half(operands[0]):
        wide = [x.astype(np.float32) for x in operands]
        return einsum(*wide, subscripts=subscripts).astype(operands[0].dtype)
    if len(operands) == 2:
        product = _pair_product(operands[0], operands[1], subscripts)
        if product is not None:
            return product
    return np.asarray(np.einsum(subscripts, *operands, optimize=len(operands) > 2))


def _in_float32(function: Callable[..., Any]) -> Kernel:
    """LAPACK knows float32 and float64 only."""

    def kernel(*xs: Array, **keywords: Any) -> Any:
        if not is_half(xs[0]):
            return function(*xs, **keywords)
        found = function(*(x.astype(np.float32) for x in xs), **keywords)
        if not isinstance(found, tuple):
            return found.astype(xs[0].dtype)
        return tuple(y if y.dtype == np.int32 else y.astype(xs[0].dtype) for y in found)

    return kernel


def _solve(a: Array, b: Array) -> Array:
    batch = np.broadcast_shapes(
        a.shape[:-2], b.shape[:-2]
    )  # NumPy 2 takes b of rank 1 as a vector: keep matrices
    return np.linalg.solve(a, np.broadcast_to(b, batch + b.shape[-2:]))


def _triangular_solve(a: Array, b: Array, *, lower: bool) -> Array:
    return _solve(np.tril(a) if lower else np.triu(a), b)


def _qr(x: Array) -> tuple[Array, Array]:
    q, r = np.linalg.qr(x)
    negative = np.diagonal(r, axis1=-2, axis2=-1) < 0
    signs = np.where(negative, -1.0, 1.0).astype(x.dtype)
    return q * signs[..., None, :], r * signs[..., :, None]


def _lu_factor(x: Array) -> tuple[Array, Array]:
    """Right-looking elimination, all matrices of the batch at once."""
    n = x.shape[-1]
    lu = np.array(x).reshape(-1, n, n)
    swaps = np.zeros((lu.shape[0], n), np.int32)
    each = np.arange(lu.shape[0])
    for k in range(n):
        pivot = k + np.argmax(np.abs(lu[:, k:, k]), axis=1)
        swaps[:, k] = pivot
        upper = lu[each, k].copy()
        lu[each, k] = lu[each, pivot]
        lu[each, pivot] = upper
        scale = lu[:, k, k, None]
        lu[:, k + 1 :, k] /= np.where(scale == 0, 1, scale)
        lu[:, k + 1 :, k + 1 :] -= lu[:, k + 1 :, k, None] * lu[:, k, None, k + 1 :]
    return lu.reshape(x.shape), swaps.reshape(x.shape[:-1])


def permutation(swaps: Array) -> Array:
    """Row order after doing LAPACK's swaps in turn."""
    flat = swaps.reshape(-1, swaps.shape[-1])
    order = np.broadcast_to(np.arange(flat.shape[1], dtype=np.int32), flat.shape).copy()
    each = np.arange(len(flat))
    for k in range(flat.shape[1]):
        held = order[each, k].copy()
        order[each, k] = order[each, flat[:, k]]
        order[each, flat[:, k]] = held
    return order.reshape(swaps.shape)


KERNELS: dict[str, Kernel] = {
    "matmul": matmul,
    "einsum": einsum,
    "cholesky": _in_float32(np.linalg.cholesky),
    "solve": _in_float32(_solve),
    "triangular_solve": _in_float32(_triangular_solve),
    "qr": _in_float32(_qr),
    "svd": _in_float32(lambda x: tuple(np.linalg.svd(x, full_matrices=False))),
    "eigh": _in_float32(lambda x: tuple(np.linalg.eigh(x))),
    "lu_factor": _in_float32(_lu_factor),
}
PRIVATE: dict[str, Kernel] = {"permutation": permutation}
