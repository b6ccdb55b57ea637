"""Attention without the gradient's operands, in NumPy.

The engine's own primitive: `kerasish.ops.attention` is the definition, this is what its override runs where no gradient
is asked for. Some queries are done at a time, so that no array of the size (B, N, T, S) is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish_native.reference.elementwise import Kernel

Array = npt.NDArray[Any]

_MASKED = {4: -2.4e38, 8: -1.2e308}  # by bytes of a score: those of the composite
_MOST_SCORES = 1 << 20


def tiled_attention(
    query: Array,
    key: Array,
    value: Array,
    *rest: Array,
    bias: bool,
    masked: bool,
    scale: float,
    causal: bool,
    soft_cap: float | None,
) -> Array:
    """softmax(scale·q·kᵀ + bias, masked)·v; 16-bit floats are computed in float32 and rounded at the end."""
    wide = np.dtype(np.float32) if query.dtype.itemsize == 2 else query.dtype
    heads, keys, values = (x.astype(wide, copy=False).transpose(0, 2, 1, 3) for x in (query, key, value))
    shape = (*heads.shape[:3], keys.shape[2])
    offset = np.broadcast_to(rest[0].astype(wide), shape) if bias else None
    mask = np.broadcast_to(rest[-1], shape) if masked else None
    result = np.empty((*query.shape[:3], value.shape[3]), query.dtype)
    step = max(1, _MOST_SCORES // max(1, shape[0] * shape[1] * shape[3]))
    for first in range(0, shape[2], step):
        rows = slice(first, first + step)
        scores = heads[:, :, rows] @ keys.swapaxes(2, 3) * scale
        if soft_cap is not None:
            scores = np.tanh(scores / soft_cap) * soft_cap
        if offset is not None:
            scores = scores + offset[:, :, rows]
        if causal:
            seen = np.arange(first, first + scores.shape[2])[:, None] >= np.arange(shape[3])
            scores = np.where(seen, scores, wide.type(_MASKED[wide.itemsize]))
        if mask is not None:
            scores = np.where(mask[:, :, rows], scores, wide.type(_MASKED[wide.itemsize]))
        weights = np.exp(scores - scores.max(axis=3, keepdims=True))
        weights /= weights.sum(axis=3, keepdims=True)
        result[:, rows] = (weights @ values).transpose(0, 2, 1, 3)
    return result


PRIVATE: dict[str, Kernel] = {"tiled_attention": tiled_attention}
