"""Composites as one call of jax: compiled, the result is the same; eagerly, it is several times as fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from kerasish.core import dtypes
from kerasish_jax.calls import WIDE, first, listed, run
from kerasish_jax.primitives import take
from kerasish_jax.recurrent import lstm

Axes = tuple[int, ...]


def _relu(x: Array) -> Array:
    return jax.nn.relu(x)  # its gradient at 0 is 0; that of maximum(x, 0) would be shared


def _classes(x: Array, *, num_classes: int, axis: int, dtype: str) -> Array:
    return jax.nn.one_hot(x, num_classes, dtype=dtypes.to_numpy(dtype), axis=axis)


_narrow_one_hot = first(_classes, "num_classes", "axis", "dtype")


def _one_hot(x: Array, /, *, num_classes: int, axis: int, dtype: str) -> Array:
    return run(dtype in WIDE, _narrow_one_hot, x, num_classes=num_classes, axis=axis, dtype=dtype)


def _mean(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return jnp.mean(x, axis, keepdims=keepdims)


def _take_anywhere(x: Array, indices: Array, *, axis: int) -> Array:
    size = x.shape[axis]
    inside = jnp.clip(indices, -size, size - 1)
    return take(x, jnp.where(inside < 0, inside + size, inside), axis=axis)


_narrow_take_anywhere = first(_take_anywhere, "axis")


def _softmax_cross_entropy(targets: Array, logits: Array) -> Array:
    return -jnp.sum(targets * jax.nn.log_softmax(logits), -1)


def _sparse_softmax_cross_entropy(labels: Array, logits: Array) -> Array:
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1, mode="promise_in_bounds")
    return -picked[..., 0]


def _batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    scale: Array | None,
    offset: Array | None,
    *,
    axis: int,
    epsilon: float,
) -> Array:
    wide = [1] * x.ndim
    wide[axis] = x.shape[axis]
    factor = jax.lax.rsqrt(variance + epsilon)
    factor = factor if scale is None else factor * scale
    start = -mean * factor if offset is None else offset - mean * factor
    # One multiplication and one addition an element: XLA runs (x - mean) * factor + offset and its gradient slower.
    return x * factor.reshape(wide) + start.reshape(wide)


def _batch_norm_train(
    x: Array, scale: Array | None, offset: Array | None, *, axis: int, epsilon: float
) -> tuple[Array, Array, Array]:
    others = tuple(i for i in range(x.ndim) if i != axis)
    mean = jnp.mean(x, others, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), others)
    mean = mean.reshape(x.shape[axis])
    y = _batch_norm(x, mean, variance, scale, offset, axis=axis, epsilon=epsilon)
    return y, jax.lax.stop_gradient(mean), jax.lax.stop_gradient(variance)


def _attention(
    query: Array, key: Array, value: Array, bias: Any, mask: Any, *, scale: float, causal: bool
) -> Array:
    return jax.nn.dot_product_attention(query, key, value, bias, mask, scale=scale, is_causal=causal)


_usual_attention = listed(_attention, "scale", "causal")


def _attention_or_not(
    query: Array, key: Array, value: Array, *others: Any, soft_cap: Any, **known: Any
) -> Any:
    """XLA makes two parallel loops of jax's own; of the composite one, which keeps fewer cores busy."""
    usual = query.dtype == jnp.float32 and soft_cap is None and value.shape == key.shape
    if not (usual and query.size and key.size):
        return NotImplemented
    return _usual_attention(query, key, value, *others, **known)


OVERRIDES: dict[str, Callable[..., Any]] = {
    "attention": _attention_or_not,
    "batch_norm": listed(_batch_norm, "axis", "epsilon"),
    "batch_norm_train": listed(_batch_norm_train, "axis", "epsilon"),
    "lstm": lstm,
    "relu": first(_relu),
    "silu": first(jax.nn.silu),
    "gelu": first(lambda x, *, approximate: jax.nn.gelu(x, approximate), "approximate"),
    "softmax": first(lambda x, *, axis: jax.nn.softmax(x, axis), "axis"),
    "log_softmax": first(lambda x, *, axis: jax.nn.log_softmax(x, axis), "axis"),
    "mean": first(_mean, "axis", "keepdims"),
    "one_hot": _one_hot,
    "take_anywhere": lambda x, indices, /, *, axis: (
        _narrow_take_anywhere(x, indices, axis=axis) if x.shape[axis] else NotImplemented
    ),
    "stack": listed(lambda xs, *, axis: jnp.stack(xs, axis), "axis"),
    "softmax_cross_entropy": listed(_softmax_cross_entropy),
    "sparse_softmax_cross_entropy": listed(_sparse_softmax_cross_entropy),
}
