"""Convolution and pooling in NumPy, channels last, any number of spatial axes.

Convolutions are matrix products over columns (one row for each output position, its window laid out flat), built for
a few samples at a time so that they stay in the cache; depthwise ones are sums over the kernel's offsets.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish.core.shapes import window_output
from kerasish_native.reference.elementwise import Kernel, is_half, masked

Array = npt.NDArray[Any]
Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

_COLUMN_BYTES = 4 << 20


def padded(x: Array, pads: Pads, value: float = 0) -> Array:
    """x with its spatial axes padded."""
    if not any(map(any, pads)):
        return x
    full = ((0, 0), *pads, (0, 0))
    out = np.full([s + lo + hi for s, (lo, hi) in zip(x.shape, full, strict=True)], value, x.dtype)
    out[tuple(slice(lo, lo + s) for s, (lo, _) in zip(x.shape, full, strict=True))] = x
    return out


def positions(spatial: Ints, window: Ints, strides: Ints, pads: Pads, dilation: Ints) -> Ints:
    """Number of window positions along each spatial axis."""
    sizes = zip(spatial, window, strides, pads, dilation, strict=True)
    return tuple(window_output(s, w, st, p, d) for s, w, st, p, d in sizes)


def offsets(
    window: Ints, strides: Ints, dilation: Ints, out: Ints
) -> Iterator[tuple[Ints, tuple[slice, ...]]]:
    """For each element of the window: its index, and the slice of the padded input it meets at all positions."""
    for index in itertools.product(*map(range, window)):
        begins = [k * d for k, d in zip(index, dilation, strict=True)]
        yield (
            index,
            tuple(slice(b, b + (t - 1) * st + 1, st) for b, t, st in zip(begins, out, strides, strict=True)),
        )


def _at(where: tuple[slice, ...]) -> tuple[slice, ...]:
    return (slice(None), *where)


def _windows(x: Array, window: Ints, strides: Ints, dilation: Ints, out: Ints) -> Array:
    """View (N, *T, *K, C) of padded x (N, *S, C)."""
    n, *space, c = x.strides
    moved = [s * st for s, st in zip(space, strides, strict=True)]
    inner = [s * d for s, d in zip(space, dilation, strict=True)]
    shape = (x.shape[0], *out, *window, x.shape[-1])
    return np.lib.stride_tricks.as_strided(x, shape, (n, *moved, *inner, c), writeable=False)


def _chunks(samples: int, row_bytes: int) -> Iterator[slice]:
    step = max(1, _COLUMN_BYTES // max(row_bytes, 1))
    return (slice(i, min(i + step, samples)) for i in range(0, samples, step))


def _columns(x: Array, window: Ints, strides: Ints, dilation: Ints, out: Ints, groups: int) -> Array:
    """(groups, N·T, K·C/groups)."""
    view = _windows(x, window, strides, dilation, out)
    rows, taps, c = x.shape[0] * math.prod(out), math.prod(window), x.shape[-1]
    if groups == 1:
        return view.reshape(1, rows, taps * c)
    split = view.reshape(rows, taps, groups, c // groups)
    return split.transpose(2, 0, 1, 3).reshape(groups, rows, taps * (c // groups))


def _matrix(kernel: Array, groups: int) -> Array:
    """(groups, K·C/groups, F/groups)."""
    rows = math.prod(kernel.shape[:-1])
    return kernel.reshape(rows, groups, -1).transpose(1, 0, 2)


def _half(function: Kernel) -> Kernel:
    def kernel(*xs: Array, **keywords: Any) -> Array:
        if is_half(xs[0]):
            return np.asarray(function(*(x.astype(np.float32) for x in xs), **keywords)).astype(xs[0].dtype)
        return np.asarray(function(*xs, **keywords))

    return kernel


def _is_depthwise(kernel: Array, groups: int) -> bool:
    return kernel.shape[-2] == 1 and groups > 1


def _spread(x: Array, per: int) -> Array:
    """Each channel repeated for the filters that read it."""
    return x if per == 1 else np.repeat(x, per, axis=-1)


def _gather(x: Array, per: int) -> Array:
    """Adjoint of `_spread`."""
    return x if per == 1 else x.reshape(*x.shape[:-1], -1, per).sum(axis=-1)


def conv(x: Array, kernel: Array, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Array:
    """Cross-correlation."""
    window, filters = kernel.shape[:-2], kernel.shape[-1]
    out = positions(x.shape[1:-1], window, strides, pads, dilation)
    y = np.zeros((x.shape[0], *out, filters), x.dtype)
    if not y.size or not x.size:
        return y
    x = padded(x, pads)
    if _is_depthwise(kernel, groups):
        x = _spread(x, filters // groups)
        for index, where in offsets(window, strides, dilation, out):
            y += x[_at(where)] * kernel[(*index, 0)]
        return y
    matrix = _matrix(kernel, groups)
    row = math.prod(out) * matrix.shape[1] * groups * x.itemsize
    for some in _chunks(x.shape[0], row):
        product = np.matmul(_columns(x[some], window, strides, dilation, out, groups), matrix)
        y[some] = product.transpose(1, 0, 2).reshape(y[some].shape)
    return y


def conv_transpose(
    x: Array, kernel: Array, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Array:
    """Adjoint of `conv` in its input: the columns' gradient, added back where each was read."""
    window, out = kernel.shape[:-2], x.shape[1:-1]
    channels = kernel.shape[-2] * groups
    outer = [s + lo + hi for s, (lo, hi) in zip(spatial, pads, strict=True)]
    y = np.zeros((x.shape[0], *outer, channels), x.dtype)
    if x.size and y.size:
        if _is_depthwise(kernel, groups):
            for index, where in offsets(window, strides, dilation, out):
                y[_at(where)] += _gather(x * kernel[(*index, 0)], kernel.shape[-1] // groups)
        else:
            _add_columns(y, x, kernel, strides, dilation, groups)
    return y[(slice(None), *(slice(lo, lo + s) for s, (lo, _) in zip(spatial, pads, strict=True)))]


def _add_columns(y: Array, x: Array, kernel: Array, strides: Ints, dilation: Ints, groups: int) -> None:
    window, out = kernel.shape[:-2], x.shape[1:-1]
    per, filters = kernel.shape[-2], kernel.shape[-1]
    taps = math.prod(window)
    matrix = _matrix(kernel, groups).transpose(0, 2, 1)
    row = math.prod(out) * taps * per * groups * x.itemsize
    for some in _chunks(x.shape[0], row):
        part = x[some]
        rows = part.reshape(-1, groups, filters // groups).transpose(1, 0, 2)
        columns = np.matmul(rows, matrix).reshape(groups, *part.shape[:-1], taps, per)
        target = y[some]
        for t, (_, where) in enumerate(offsets(window, strides, dilation, out)):
            taken = columns[..., t, :]
            merged = (
                taken[0] if groups == 1 else np.moveaxis(taken, 0, -2).reshape(*part.shape[:-1], groups * per)
            )
            target[_at(where)] += merged


def conv_kernel_grad(
    x: Array, g: Array, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, window: Ints
) -> Array:
    """Adjoint of `conv` in its kernel, for result gradient g: (*window, C / groups, F)."""
    out, filters, per = g.shape[1:-1], g.shape[-1], x.shape[-1] // groups
    grad = np.zeros((*window, per, filters), x.dtype)
    if not g.size or not x.size:
        return grad
    x = padded(x, pads)
    if per == 1 and groups > 1:
        x = _spread(x, filters // groups)
        axes = tuple(range(g.ndim - 1))
        for index, where in offsets(window, strides, dilation, out):
            grad[(*index, 0)] = np.sum(x[_at(where)] * g, axis=axes)
        return grad
    total = np.zeros((groups, math.prod(window) * per, filters // groups), x.dtype)
    row = math.prod(out) * total.shape[1] * groups * x.itemsize
    for some in _chunks(x.shape[0], row):
        columns = _columns(x[some], window, strides, dilation, out, groups)
        rows = g[some].reshape(-1, groups, filters // groups).transpose(1, 0, 2)
        total += np.matmul(columns.transpose(0, 2, 1), rows)
    return total.transpose(1, 0, 2).reshape(grad.shape)


def _lowest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def max_pool(x: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    """Running maximum over the window's offsets."""
    ones = (1,) * len(window)
    out = positions(x.shape[1:-1], window, strides, pads, ones)
    x = padded(x, pads, _lowest(x.dtype))
    y: Array | None = None
    for _, where in offsets(window, strides, ones, out):
        y = np.array(x[_at(where)]) if y is None else np.maximum(y, x[_at(where)], out=y)
    return np.asarray(y)


def _winners(
    x: Array, window: Ints, strides: Ints, out: Ints, pads: Pads
) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """For each offset: its slice of padded x, and where it holds the first of a window's largest values.

    NaN counts as largest, as it does in `max_pool`; a pad never wins, not even over the lowest value.
    """
    inside = _inside(tuple(s - lo - hi for s, (lo, hi) in zip(x.shape[1:-1], pads, strict=True)), pads)
    places = [where for _, where in offsets(window, strides, (1,) * len(window), out)]
    best = np.array(x[_at(places[0])])
    for where in places[1:]:
        np.maximum(best, x[_at(where)], out=best)
    lost = np.isnan(best) if best.dtype.kind not in "iu" else np.zeros((), bool)
    has_nan = lost.any()
    taken = np.zeros(best.shape, bool)
    for where in places:
        value = x[_at(where)]
        hit = value == best
        if has_nan:
            hit |= lost & np.isnan(value)
        if inside is not None:
            hit &= inside[_at(where)]
        np.greater(hit, taken, out=hit)
        taken |= hit
        yield where, hit


def _inside(spatial: Ints, pads: Pads) -> Array | None:
    """True at elements, False at pads: (1, *padded, 1); None without pads."""
    return padded(np.ones((1, *spatial, 1), bool), pads) if any(map(any, pads)) else None


def max_pool_grad(x: Array, g: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    """Adjoint of picking the first largest element of each window: shape of x."""
    inner = padded(x, pads, _lowest(x.dtype))
    y = np.zeros(inner.shape, g.dtype)
    for where, hit in _winners(inner, window, strides, g.shape[1:-1], pads):
        y[_at(where)] += masked(g, hit)
    return _unpadded(y, x.shape, pads)


def max_pool_pick(x: Array, values: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    """`values` (shape of x) at the first largest element of each window of x; adjoint of `max_pool_grad`."""
    inner, picked = padded(x, pads, _lowest(x.dtype)), padded(values, pads)
    out = positions(x.shape[1:-1], window, strides, pads, (1,) * len(window))
    y = np.zeros((x.shape[0], *out, x.shape[-1]), values.dtype)
    for where, hit in _winners(inner, window, strides, out, pads):
        np.copyto(y, picked[_at(where)], where=hit)
    return y


def _unpadded(y: Array, shape: Ints, pads: Pads) -> Array:
    inner = tuple(slice(lo, lo + s) for s, (lo, _) in zip(shape[1:-1], pads, strict=True))
    return y[(slice(None), *inner)]


@functools.lru_cache(maxsize=64)
def _counts(spatial: Ints, window: Ints, strides: Ints, pads: Pads) -> Array:
    """How many elements (not pads) each window holds: (*T, 1); at least 1."""
    ones = (1,) * len(window)
    out = positions(spatial, window, strides, pads, ones)
    inside = padded(np.ones((1, *spatial, 1)), pads)
    total = np.zeros((1, *out, 1))
    for _, where in offsets(window, strides, ones, out):
        total += inside[_at(where)]
    return np.asarray(np.maximum(total[0], 1.0))


def avg_pool(x: Array, *, window: Ints, strides: Ints, pads: Pads) -> Array:
    """Sum over the window's offsets over the count of real elements."""
    ones = (1,) * len(window)
    out = positions(x.shape[1:-1], window, strides, pads, ones)
    counts = _counts(x.shape[1:-1], window, strides, pads).astype(x.dtype)
    x = padded(x, pads)
    y = np.zeros((x.shape[0], *out, x.shape[-1]), x.dtype)
    for _, where in offsets(window, strides, ones, out):
        y += x[_at(where)]
    return np.asarray(y / counts)


def avg_pool_grad(g: Array, *, window: Ints, strides: Ints, pads: Pads, spatial: Ints) -> Array:
    """Adjoint of `avg_pool` of an input of spatial size `spatial`."""
    share = g / _counts(spatial, window, strides, pads).astype(g.dtype)
    outer = [s + lo + hi for s, (lo, hi) in zip(spatial, pads, strict=True)]
    y = np.zeros((g.shape[0], *outer, g.shape[-1]), g.dtype)
    for _, where in offsets(window, strides, (1,) * len(window), g.shape[1:-1]):
        y[_at(where)] += share
    return _unpadded(y, (g.shape[0], *spatial, g.shape[-1]), pads)


KERNELS: dict[str, Kernel] = {
    "conv": _half(conv),
    "conv_transpose": _half(conv_transpose),
    "max_pool": max_pool,
    "avg_pool": _half(avg_pool),
}
#: Kernels of this engine's own primitives, which gradients are written in.
PRIVATE: dict[str, Kernel] = {
    "conv_kernel_grad": _half(conv_kernel_grad),
    "max_pool_grad": max_pool_grad,
    "max_pool_pick": max_pool_pick,
    "avg_pool_grad": _half(avg_pool_grad),
}
