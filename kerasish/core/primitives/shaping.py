"""Primitives that make, move and select elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.primitive import creator, primitive


@creator
def full(*, shape: shapes.Shape, value: float, dtype: str) -> Any:
    """A tensor filled with the Python number `value`."""
    return AbstractTensor(shape, dtype)


@creator
def arange(*, start: float, stop: float, step: float, dtype: str) -> Any:
    """start, start + step, ... below stop (Python numbers)."""
    if step == 0:
        raise ArgumentError("`step` must not be 0.", where="arange")
    count = -((stop - start) // -step)
    return AbstractTensor((shapes.Dim() if isinstance(count, shapes.Dim) else max(int(count), 0),), dtype)


@primitive
def reshape(x: Any, /, *, shape: shapes.Shape) -> Any:
    """The same elements in row-major order under a new shape."""
    return AbstractTensor(shapes.resolve_reshape(x.shape, shape), x.dtype)


@primitive
def transpose(x: Any, /, *, axes: tuple[int, ...]) -> Any:
    """Axis i of the result is axis axes[i] of x."""
    if sorted(axes) != list(range(len(x.shape))):
        raise ArgumentError(
            "`axes` must be a permutation of the axes.",
            expected=f"of {list(range(len(x.shape)))}",
            received=axes,
        )
    return AbstractTensor([x.shape[a] for a in axes], x.dtype)


@primitive
def broadcast_to(x: Any, /, *, shape: shapes.Shape) -> Any:
    """Repeat sizes of 1 (and missing leading axes) up to `shape`."""
    if len(shape) < len(x.shape) or not all(
        shapes.compatible(a, b) for a, b in zip(shapes.broadcast(x.shape, shape), shape, strict=True)
    ):
        raise ShapeError("Cannot broadcast.", expected=shapes.show(shape), received=shapes.show(x.shape))
    return AbstractTensor(shape, x.dtype)


@primitive
def concatenate(xs: Sequence[Any], /, *, axis: int) -> Any:
    """Join tensors of equal dtype along `axis`."""
    first = xs[0]
    total: int = 0
    sizes = list(first.shape)
    for x in xs:
        fits = len(x.shape) == len(sizes) and all(
            i == axis or shapes.compatible(a, b) for i, (a, b) in enumerate(zip(x.shape, sizes, strict=False))
        )
        if not fits:
            raise ShapeError(
                "Tensors to concatenate must agree in all axes but one.",
                expected=f"{shapes.show(first.shape)} except axis {axis}",
                received=", ".join(shapes.show(y.shape) for y in xs),
            )
        total = total + x.shape[axis]
        sizes = [shapes.merge(a, b) for a, b in zip(sizes, x.shape, strict=True)]
    sizes[axis] = total
    return AbstractTensor(sizes, first.dtype)


@primitive
def pad(x: Any, /, *, pads: tuple[tuple[int, int], ...], value: float) -> Any:
    """Add `pads[i] = (before, after)` >= 0 elements of `value` along each axis."""
    if len(pads) != len(x.shape) or any(p < 0 for pair in pads for p in pair):
        raise ShapeError(
            "One pair of sizes >= 0 is needed for each axis.", received=pads, expected=len(x.shape)
        )
    return AbstractTensor([s + lo + hi for s, (lo, hi) in zip(x.shape, pads, strict=True)], x.dtype)


@primitive
def slice(x: Any, /, *, start: tuple[int, ...], stop: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """x[start:stop:step] in every axis, 0 <= start <= stop <= size, step >= 1."""
    sizes = []
    for size, lo, hi, by in zip(x.shape, start, stop, step, strict=True):
        if not 0 <= lo <= hi or by < 1 or (shapes.is_known(size) and shapes.is_known(hi) and hi > size):
            raise ShapeError(
                "The slice leaves the tensor.", expected=shapes.show(x.shape), received=(start, stop)
            )
        sizes.append(-((hi - lo) // -by))
    return AbstractTensor(sizes, x.dtype)


@primitive
def dynamic_slice(x: Any, starts: Any, /, *, sizes: shapes.Shape) -> Any:
    """A block of `sizes` that begins at the int32 vector `starts`, moved inside where it would leave x."""
    if len(sizes) != len(x.shape) or any(
        shapes.is_known(s) and n > s for n, s in zip(sizes, x.shape, strict=True)
    ):
        raise ShapeError(
            "The block is larger than the tensor.", expected=shapes.show(x.shape), received=sizes
        )
    return AbstractTensor(sizes, x.dtype)


@primitive
def dynamic_update_slice(x: Any, update: Any, starts: Any, /) -> Any:
    """x with the block at the int32 vector `starts` (moved inside where it would leave x) replaced by `update`."""
    if len(update.shape) != len(x.shape) or any(
        shapes.is_known(s) and shapes.is_known(n) and n > s
        for n, s in zip(update.shape, x.shape, strict=True)
    ):
        raise ShapeError("The update is larger than the tensor.", expected=x.shape, received=update.shape)
    return AbstractTensor(x.shape, x.dtype)


@primitive
def flip(x: Any, /, *, axis: tuple[int, ...]) -> Any:
    """Reverse the order along `axis`."""
    return AbstractTensor(x.shape, x.dtype)


def _integers(indices: Any) -> None:
    if not dtypes.is_integer(indices.dtype):
        raise DTypeError(
            "Indices must be integers.", received=indices.dtype, hint="ops.cast(indices, 'int32')"
        )


@primitive
def take(x: Any, indices: Any, /, *, axis: int) -> Any:
    """x's entries along `axis` at int32 `indices`, all within 0..size-1; indices' axes take the place of `axis`."""
    _integers(indices)
    return AbstractTensor((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


@primitive
def take_along_axis(x: Any, indices: Any, /, *, axis: int) -> Any:
    """result[..., i, ...] = x[..., indices[..., i, ...], ...]; other axes equal; indices within 0..size-1."""
    _integers(indices)
    if len(indices.shape) != len(x.shape):
        raise ShapeError(
            "Indices need the tensor's rank.", expected=len(x.shape), received=shapes.show(indices.shape)
        )
    other = [s for i, s in enumerate(indices.shape) if i != axis]
    mine = [s for i, s in enumerate(x.shape) if i != axis]
    if not all(shapes.compatible(a, b) for a, b in zip(other, mine, strict=True)):
        raise ShapeError("Indices must match all other axes.", expected=x.shape, received=indices.shape)
    return AbstractTensor(indices.shape, x.dtype)


@primitive
def gather_nd(x: Any, indices: Any, /) -> Any:
    """x[indices[..., 0], ..., indices[..., k-1]] for int32 indices of shape (..., k), all within range."""
    _integers(indices)
    k = indices.shape[-1]
    return AbstractTensor((*indices.shape[:-1], *x.shape[k:]), x.dtype)


def _scatter(x: Any, indices: Any, updates: Any) -> AbstractTensor:
    _integers(indices)
    k = indices.shape[-1]
    wanted = (*indices.shape[:-1], *x.shape[k:])
    if len(wanted) != len(updates.shape) or not all(
        shapes.compatible(a, b) for a, b in zip(wanted, updates.shape, strict=True)
    ):
        raise ShapeError(
            "Updates do not fit the indices.", expected=wanted, received=shapes.show(updates.shape)
        )
    if x.dtype != updates.dtype:
        raise DTypeError("Updates need the tensor's dtype.", expected=x.dtype, received=updates.dtype)
    return AbstractTensor(x.shape, x.dtype)


@primitive
def scatter_add(x: Any, indices: Any, updates: Any, /) -> Any:
    """x with updates added at int32 indices (n, k) of its first k axes; duplicates add up; indices within range."""
    return _scatter(x, indices, updates)


@primitive
def scatter_update(x: Any, indices: Any, updates: Any, /) -> Any:
    """x with updates put at int32 indices (n, k) of its first k axes; of duplicates the last wins."""
    return _scatter(x, indices, updates)


@primitive
def scatter_max(x: Any, indices: Any, updates: Any, /) -> Any:
    """x with the maximum of itself and the updates at int32 indices (n, k) of its first k axes."""
    return _scatter(x, indices, updates)
