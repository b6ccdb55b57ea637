"""Convolution and pooling in jax."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from kerasish_jax.calls import first

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

_SPATIAL = "XYZUVW"
_SLICED_WINDOW = 32  # windows of at most this many elements are pooled as a maximum of slices


def _layouts(rank: int) -> tuple[str, str, str]:
    spatial = _SPATIAL[: rank - 2]
    return f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"


def _accumulator(x: Array) -> Any:
    return np.float32 if x.dtype.itemsize == 2 else x.dtype


def _conv(x: Array, kernel: Array, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Array:
    dtype, wide = x.dtype, _accumulator(x)
    y = lax.conv_general_dilated(
        x.astype(wide),
        kernel.astype(wide),
        window_strides=strides,
        padding=pads,
        rhs_dilation=dilation,
        dimension_numbers=_layouts(x.ndim),
        feature_group_count=groups,
    )
    return y.astype(dtype)


def _conv_transpose(
    x: Array, kernel: Array, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Array:
    window, per_group, filters = kernel.shape[:-2], kernel.shape[-2], kernel.shape[-1]
    if not x.size:
        return jnp.zeros((x.shape[0], *spatial, per_group * groups), x.dtype)
    split = kernel.reshape(*window, per_group, groups, filters // groups)
    swapped = jnp.moveaxis(split, -1, -3)  # (*K, F/groups, C/groups, groups)
    swapped = jnp.swapaxes(swapped, -1, -2).reshape(*window, filters // groups, groups * per_group)
    padding = []
    for size, target, k, stride, (before, _), rate in zip(
        x.shape[1:-1], spatial, window, strides, pads, dilation, strict=True
    ):
        span = rate * (k - 1)
        padding.append((span - before, target - 1 - (size - 1) * stride + before))
    dtype, wide = x.dtype, _accumulator(x)
    y = lax.conv_general_dilated(
        x.astype(wide),
        lax.rev(swapped, range(len(window))).astype(wide),
        window_strides=(1,) * len(window),
        padding=padding,
        lhs_dilation=strides,
        rhs_dilation=dilation,
        dimension_numbers=_layouts(x.ndim),
        feature_group_count=groups,
    )
    return y.astype(dtype)


def _lowest(dtype: Any) -> Any:
    return np.array(-np.inf if jnp.issubdtype(dtype, jnp.floating) else np.iinfo(dtype).min, dtype)


def _around(window: Ints) -> Ints:
    return (1, *window, 1)


def _max_pool(x: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    side_by_side = window == strides and not any(itertools.chain(*pads)) and x.size
    return _max_of_blocks(window, x) if side_by_side else _max_of_windows(x, window, strides, pads)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _max_of_blocks(window: Ints, x: Array) -> Array:
    """Pooling of windows side by side, in the form that XLA runs together with a convolution where nobody trains."""
    around = _around(window)
    return lax.reduce_window(x, _lowest(x.dtype), lax.max, around, around, "VALID")


@_max_of_blocks.defjvp
def _move_max_of_blocks(window: Ints, primals: Any, tangents: Any) -> Any:
    zeros = ((0, 0),) * len(window)
    return jax.jvp(lambda x: _max_of_windows(x, window, window, zeros), primals, tangents)


def _max_of_windows(x: Array, window: Ints, strides: Ints, pads: Pads) -> Array:
    lowest = _lowest(x.dtype)
    if math.prod(window) > _SLICED_WINDOW:
        padding = ((0, 0), *pads, (0, 0))
        return lax.reduce_window(x, lowest, lax.max, _around(window), _around(strides), padding)
    # On the CPU, XLA's gradient of reduce_window(max) takes 20 times as long as that of these slices.
    x = lax.pad(x, lowest, [(0, 0, 0), *((before, after, 0) for before, after in pads), (0, 0, 0)])
    counts = [
        (size - k) // stride + 1 for size, k, stride in zip(x.shape[1:-1], window, strides, strict=True)
    ]
    if min(counts) <= 0:
        return jnp.zeros((x.shape[0], *(max(n, 0) for n in counts), x.shape[-1]), x.dtype)
    best: Any = None
    for offset in itertools.product(*map(range, window)):
        stops = [o + (n - 1) * s + 1 for o, n, s in zip(offset, counts, strides, strict=True)]
        part = lax.slice(x, (0, *offset, 0), (x.shape[0], *stops, x.shape[-1]), _around(strides))
        best = part if best is None else jnp.where((part > best) | (part != part), part, best)
    return best


def _avg_pool(x: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    dtype, wide = x.dtype, _accumulator(x)
    total = lax.reduce_window(
        x.astype(wide),
        np.zeros((), wide),
        lax.add,
        _around(window),
        _around(strides),
        ((0, 0), *pads, (0, 0)),
    )
    return (total / _counts(x.shape[1:-1], window, strides, pads).astype(wide)).astype(dtype)


def _counts(spatial: Ints, window: Ints, strides: Ints, pads: Pads) -> np.ndarray:
    """How many elements that are not padding each window holds; broadcasts against (N, *T, C)."""
    result = np.ones((1,) * (len(window) + 2))
    for axis, (size, k, stride, (before, after)) in enumerate(
        zip(spatial, window, strides, pads, strict=True)
    ):
        if before or after:
            starts = np.arange(0, size + before + after - k + 1, stride) - before
            count = np.minimum(starts + k, size) - np.maximum(starts, 0)
            result = result * count.reshape((-1,) + (1,) * (len(window) - axis))
        else:
            result = result * k
    return result


_CONV = ("strides", "pads", "dilation", "groups")
_POOL = ("window", "strides", "pads")
WINDOWS = {
    "conv": first(_conv, *_CONV),
    "conv_transpose": first(_conv_transpose, *_CONV, "spatial"),
    "max_pool": first(_max_pool, *_POOL),
    "avg_pool": first(_avg_pool, *_POOL),
}
