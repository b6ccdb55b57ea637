"""Making, moving and selecting elements in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish.core import dtypes
from kerasish_native.reference.elementwise import Kernel, is_half

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_FEW_UPDATES = 32


def full(*, shape: Shape, value: float, dtype: str) -> Array:
    """A constant."""
    return np.full(shape, value, dtypes.to_numpy(dtype))


def arange(*, start: float, stop: float, step: float, dtype: str) -> Array:
    """start + i·step, rounded once."""
    count = max(int(-((stop - start) // -step)), 0)
    return np.asarray(start + np.arange(count) * step).astype(dtypes.to_numpy(dtype))


def concatenate(xs: Sequence[Array], *, axis: int) -> Array:
    """Join."""
    return np.concatenate(xs, axis=axis)


def pad(x: Array, *, pads: tuple[tuple[int, int], ...], value: float) -> Array:
    """A larger constant with x inside."""
    out = np.full([s + lo + hi for s, (lo, hi) in zip(x.shape, pads, strict=True)], value, x.dtype)
    out[tuple([slice(lo, lo + s) for s, (lo, _) in zip(x.shape, pads, strict=True)])] = x
    return out


def slice_(x: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
    """A view."""
    # np.asarray: no index at all (rank 0) gives a scalar
    return np.asarray(x[tuple([slice(*bounds) for bounds in zip(start, stop, step, strict=True)])])


def _block(x: Array, starts: Array, sizes: Shape) -> tuple[slice, ...]:
    first = [min(max(b, 0), s - n) for b, s, n in zip(starts.tolist(), x.shape, sizes, strict=True)]
    return tuple(slice(b, b + n) for b, n in zip(first, sizes, strict=True))


def dynamic_slice(x: Array, starts: Array, *, sizes: Shape) -> Array:
    """A block."""
    return np.asarray(x[_block(x, starts, sizes)])


def dynamic_update_slice(x: Array, update: Array, starts: Array) -> Array:
    """A block replaced."""
    out = np.array(x)
    out[_block(x, starts, update.shape)] = update
    return out


def take(x: Array, indices: Array, *, axis: int) -> Array:
    """Entries along an axis."""
    return np.asarray(np.take(x, indices.astype(np.intp), axis=axis))


def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    """Entries along an axis, an index for each."""
    return np.take_along_axis(x, indices.astype(np.intp), axis=axis)


def _index(indices: Array) -> tuple[Array, ...]:
    return tuple(np.moveaxis(indices.astype(np.intp), -1, 0))


def gather_nd(x: Array, indices: Array) -> Array:
    """Entries at points."""
    if not indices.shape[-1]:
        return np.broadcast_to(x, indices.shape[:-1] + x.shape)
    return np.asarray(x[_index(indices)])


def scatter_add(x: Array, indices: Array, updates: Array) -> Array:
    """Sorted by target, each run of equal targets is summed, then added once."""
    if is_half(x):
        return scatter_add(x.astype(np.float32), indices, updates.astype(np.float32)).astype(x.dtype)
    k = indices.shape[-1]
    out = np.array(x, order="C")
    if indices.size <= _FEW_UPDATES * k or not k:
        if k:
            np.add.at(out, _index(indices), updates)
        else:
            out += updates.reshape(-1, *x.shape).sum(axis=0, dtype=x.dtype)
        return out
    flat = np.ravel_multi_index(_index(indices.reshape(-1, k)), x.shape[:k])
    rows = updates.reshape(flat.size, -1)
    order = np.argsort(flat, kind="stable")
    target = flat[order]
    begins = np.flatnonzero(np.concatenate(([True], target[1:] != target[:-1])))
    sums = np.add.reduceat(rows[order], begins, axis=0, dtype=x.dtype)
    out.reshape(math.prod(x.shape[:k]), -1)[target[begins]] += sums
    return out


def descend_rows(table: Array, indices: Array, updates: Array, rate: Array) -> Array:
    """A step of gradient descent on rows of a table."""
    return np.asarray(table - scatter_add(np.zeros_like(table), indices, updates) * rate)


def scatter_update(x: Array, indices: Array, updates: Array) -> Array:
    """Put; the last of duplicates wins."""
    out = np.array(x)
    if indices.shape[-1]:
        out[_index(indices)] = updates
    elif updates.size:
        out[...] = updates.reshape(-1, *x.shape)[-1]
    return out


def scatter_max(x: Array, indices: Array, updates: Array) -> Array:
    """Maximum at points; NaN wins."""
    if is_half(x):
        return scatter_max(x.astype(np.float32), indices, updates.astype(np.float32)).astype(x.dtype)
    out = np.array(x)
    if indices.shape[-1]:
        np.maximum.at(out, _index(indices), updates)
    elif updates.size:
        np.maximum(out, updates.reshape(-1, *x.shape).max(axis=0), out=out)
    return out


KERNELS: dict[str, Kernel] = {
    "full": full,
    "arange": arange,
    "reshape": lambda x, *, shape: x.reshape(shape),
    "transpose": lambda x, *, axes: x.transpose(axes),
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "concatenate": concatenate,
    "pad": pad,
    "slice": slice_,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "flip": lambda x, *, axis: np.flip(x, axis) if axis else x,
    "take": take,
    "take_along_axis": take_along_axis,
    "gather_nd": gather_nd,
    "scatter_add": scatter_add,
    "scatter_update": scatter_update,
    "scatter_max": scatter_max,
    "stop_gradient": lambda x: x,
}
#: The engine's own primitive.
PRIVATE: dict[str, Kernel] = {"descend_rows": descend_rows}
