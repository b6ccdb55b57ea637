"""Products and decompositions in tensorflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

raw = tf.raw_ops
_HALVES = frozenset({tf.float16, tf.bfloat16})
_NO_PRODUCT = {
    tf.uint8: tf.int32,
    tf.int8: tf.int32,
    tf.uint16: tf.int32,
    tf.int16: tf.int32,
    tf.uint32: tf.int64,
}


def _matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    dtype = x1.dtype
    wide = tf.float32 if dtype in _HALVES and not _on_accelerator() else _NO_PRODUCT.get(dtype)
    if wide is not None:
        return tf.cast(_matmul(tf.cast(x1, wide), tf.cast(x2, wide)), dtype)
    if x1.shape.rank == 2 == x2.shape.rank:
        return raw.MatMul(a=x1, b=x2)
    if x2.shape.rank == 2:  # one large product beats many small ones
        rows = tf.reshape(x1, (-1 if x1.shape.num_elements() else 0, x1.shape[-1]))
        return tf.reshape(raw.MatMul(a=rows, b=x2), (*x1.shape[:-1], x2.shape[-1]))
    return raw.BatchMatMulV2(x=x1, y=x2)


def _on_accelerator() -> bool:
    """Whether products of 16-bit floats run where they accumulate in float32 (Eigen's on the CPU do not)."""
    return bool(tf.config.list_physical_devices("GPU"))


def _einsum(*operands: Tensor, subscripts: str) -> Tensor:
    dtype = operands[0].dtype
    wide = tf.float32 if dtype in _HALVES and not _on_accelerator() else _NO_PRODUCT.get(dtype, dtype)
    left, _ = subscripts.split("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    for term, x in zip(terms, operands, strict=True):
        for letter, size in zip(term, x.shape, strict=True):
            sizes[letter] = size if sizes.get(letter, 1) == 1 else sizes[letter]
    full = []
    for term, x in zip(terms, operands, strict=True):
        shape = [sizes[letter] for letter in term]
        full.append(tf.cast(x if x.shape == shape else tf.broadcast_to(x, shape), wide))
    return tf.cast(tf.einsum(subscripts, *full, optimize="greedy"), dtype)


def _in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decompositions know no 16-bit floats: they are widened before and narrowed after."""

    def call(*tensors: Tensor, **keywords: Any) -> Any:
        dtype = tensors[0].dtype
        if dtype not in _HALVES:
            return function(*tensors, **keywords)
        result = function(*(tf.cast(x, tf.float32) for x in tensors), **keywords)
        if not isinstance(result, tuple):
            return tf.cast(result, dtype)
        return tuple(tf.cast(y, dtype) if y.dtype.is_floating else y for y in result)

    return call


def _same_batch(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    batch = tf.broadcast_static_shape(a.shape[:-2], b.shape[:-2]).as_list()
    return tf.broadcast_to(a, (*batch, *a.shape[-2:])), tf.broadcast_to(b, (*batch, *b.shape[-2:]))


def _cholesky(x: Tensor, /) -> Tensor:
    return tf.linalg.cholesky(x)


def _solve(a: Tensor, b: Tensor, /) -> Tensor:
    return tf.linalg.solve(*_same_batch(a, b))


def _triangular_solve(a: Tensor, b: Tensor, /, *, lower: bool) -> Tensor:
    return tf.linalg.triangular_solve(*_same_batch(a, b), lower=lower)


def _qr(x: Tensor, /) -> tuple[Tensor, Tensor]:
    q, r = tf.linalg.qr(x)
    signs = tf.where(tf.linalg.diag_part(r) < 0, -tf.ones((), x.dtype), tf.ones((), x.dtype))
    return q * signs[..., None, :], r * signs[..., :, None]


def _svd(x: Tensor, /) -> tuple[Tensor, Tensor, Tensor]:
    s, u, v = tf.linalg.svd(x)
    return u, s, tf.linalg.matrix_transpose(v)


def _eigh(x: Tensor, /) -> tuple[Tensor, Tensor]:
    values, vectors = tf.linalg.eigh(x)
    return values, vectors


def _lu_factor(x: Tensor, /) -> tuple[Tensor, Tensor]:
    packed, permutation = tf.linalg.lu(x)
    return packed, _swaps(permutation, x.shape[-1])


def _swaps(permutation: Tensor, n: int) -> Tensor:
    """LAPACK's row swaps from a permutation: step i swaps row i with where permutation[i] is by then."""
    shape = permutation.shape
    wanted = tf.reshape(permutation, (-1, n))
    now = tf.tile(tf.range(n, dtype=wanted.dtype)[None], (wanted.shape[0], 1))
    columns = []
    order = tf.range(n, dtype=wanted.dtype)
    for i in range(n):
        at = tf.argmax(tf.cast(now == wanted[:, i : i + 1], tf.int32), axis=1, output_type=wanted.dtype)
        columns.append(at)
        hit = order[None] == at[:, None]
        now = tf.where(hit, now[:, i : i + 1], now)
        now = tf.where(order[None] == i, wanted[:, i : i + 1], now)
    return tf.cast(tf.reshape(tf.stack(columns, axis=1), shape), tf.int32)


LINALG: dict[str, Callable[..., Any]] = {
    "matmul": _matmul,
    "einsum": _einsum,
    "cholesky": _in_float32(_cholesky),
    "solve": _in_float32(_solve),
    "triangular_solve": _in_float32(_triangular_solve),
    "qr": _in_float32(_qr),
    "svd": _in_float32(_svd),
    "eigh": _in_float32(_eigh),
    "lu_factor": _in_float32(_lu_factor),
}
