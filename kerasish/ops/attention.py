"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.activations import _softmax
from kerasish.ops.fastpath import counting

__all__ = ["dot_product_attention"]

# Masked scores: finite, so that a row with every key masked attends to all of them alike instead of being NaN.
_MASKED = {"float16": -6e4, "float32": -2.4e38, "bfloat16": -2.4e38, "float64": -1.2e308}


@overridable
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    /,
    *,
    scale: float,
    causal: bool,
    soft_cap: float | None,
) -> Tensor:
    """softmax(scale·q·kᵀ + bias, masked)·v; override name "attention".

    query (B, T, N, H), key and value (B, S, N, H) -> (B, T, N, H), all of one dtype. bias (float, q's dtype) and mask
    (bool, True = attend) have 4 axes and broadcast to (B, N, T, S); either may be None. `causal`: position t attends to
    s <= t. `soft_cap` c: scores become c·tanh(score / c) before the bias. Rows with every key masked attend to all keys
    alike.
    """
    dtype = dtype_of(query)
    scores = p.multiply(p.einsum(query, key, subscripts="btnh,bsnh->bnts"), scale)
    if dtypes.bits(dtype) == 16:
        scores = p.cast(scores, dtype="float32")
    if soft_cap is not None:
        scores = p.multiply(p.tanh(p.divide(scores, soft_cap)), soft_cap)
    if bias is not None:
        scores = p.add(
            scores, bias if dtype_of(bias) == dtype_of(scores) else p.cast(bias, dtype=dtype_of(scores))
        )
    allowed = mask
    if causal:
        _, _, length, keys = shape_of(scores)
        rows = p.reshape(counting(scores, length), shape=(1, 1, length, 1))
        past = p.greater_equal(rows, p.reshape(counting(scores, keys), shape=(1, 1, 1, keys)))
        allowed = past if mask is None else p.logical_and(mask, past)
    if allowed is not None:
        scores = p.where(allowed, scores, _MASKED[dtype_of(scores)])
    weights = _softmax(scores, axis=(3,))
    if dtype_of(weights) != dtype:
        weights = p.cast(weights, dtype=dtype)
    return p.einsum(weights, value, subscripts="bnts,bsnh->btnh")


@op
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Tensor:
    """softmax(scale·query·keyᵀ + bias)·value, each head by itself (Vaswani et al. 2017).

    Args:
        query: Shape (B, T, N, H).
        key: Shape (B, S, K, H); N must be a multiple of K, and N / K query heads then share a key head.
        value: Shape (B, S, K, H).
        bias: Added to the scores; broadcasts to (B, N, T, S).
        mask: True where a query may attend to a key; broadcasts to (B, N, T, S). A query that may attend to nothing
            attends to all keys alike.
        scale: Factor of the scores; default 1/√H.
        is_causal: Position t attends to positions up to t only.
        flash_attention: Accepted for Keras' sake; each engine takes its fastest kernel.
        attn_logits_soft_cap: c, to bound the scores by c·tanh(score / c).

    Shape: (B, T, N, H), (B, S, K, H), (B, S, K, H) -> (B, T, N, H).

    Raises:
        ShapeError: Ranks, heads or sizes do not fit.

    Example:
        >>> x = [[[[1.0]], [[1.0]]]]
        >>> dot_product_attention(x, x, [[[[2.0]], [[4.0]]]]).tolist()
        [[[[3.0]], [[3.0]]]]
    """
    query, key, value = promoted(query, key, value, at_least="float")
    _check(query, key, value)
    key, value = _repeat_heads(query, key), _repeat_heads(query, value)
    if bias is not None:
        bias = _four_axes(tensors(query, bias)[1], "bias")
        bias = bias if dtype_of(bias) == dtype_of(query) else p.cast(bias, dtype=dtype_of(query))
    if mask is not None:
        mask = _four_axes(tensors(query, mask)[1], "mask")
        mask = mask if dtype_of(mask) == "bool" else p.cast(mask, dtype="bool")
    if attn_logits_soft_cap is not None and attn_logits_soft_cap <= 0:
        raise ArgumentError("`attn_logits_soft_cap` must be positive.", received=attn_logits_soft_cap)
    factor = 1.0 / math.sqrt(shape_of(query)[3]) if scale is None else float(scale)
    cap = None if attn_logits_soft_cap is None else float(attn_logits_soft_cap)
    return _attention(query, key, value, bias, mask, scale=factor, causal=bool(is_causal), soft_cap=cap)


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    found = [shape_of(x) for x in (query, key, value)]
    if any(len(shape) != 4 for shape in found):
        raise ShapeError(
            "query, key and value need four axes.",
            expected="(batch, length, heads, size of a head)",
            received=", ".join(shapes.show(s) for s in found),
            hint="split the heads with ops.reshape",
        )
    q, k, v = found
    fits = (
        shapes.compatible(q[0], k[0])
        and shapes.compatible(k[0], v[0])
        and shapes.compatible(k[1], v[1])
        and shapes.compatible(k[2], v[2])
        and shapes.compatible(q[3], k[3])
        and (not shapes.is_known(q[2]) or not shapes.is_known(k[2]) or (k[2] > 0 and q[2] % k[2] == 0))
    )
    if not fits:
        raise ShapeError(
            "query, key and value do not fit together.",
            expected="(B, T, N, H), (B, S, K, H), (B, S, K, H), N a multiple of K",
            received=", ".join(shapes.show(s) for s in found),
        )


def _repeat_heads(query: Tensor, x: Tensor) -> Tensor:
    """Each key head for as many query heads as share it."""
    batch, length, heads, size = shape_of(x)
    wanted = shape_of(query)[2]
    if heads == wanted:
        return x
    times = wanted // heads
    x = p.reshape(x, shape=(batch, length, heads, 1, size))
    x = p.broadcast_to(x, shape=(batch, length, heads, times, size))
    return p.reshape(x, shape=(batch, length, wanted, size))


def _four_axes(x: Tensor, name: str) -> Tensor:
    shape = shape_of(x)
    if len(shape) > 4:
        raise ShapeError(f"`{name}` has too many axes.", expected="(B, N, T, S)", received=shapes.show(shape))
    return x if len(shape) == 4 else p.reshape(x, shape=(1,) * (4 - len(shape)) + tuple(shape))
