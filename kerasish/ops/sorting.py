"""Order: sorting, searching in sorted data, the largest k, distinct values."""

from __future__ import annotations

import math as _math
from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.abstract import AbstractTensor
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError, TraceError
from kerasish.core.primitive import ABSTRACT
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.ops.arguments import host_int
from kerasish.ops.fastpath import constant, filled, numbers, operand
from kerasish.ops.indexing import indices_within
from kerasish.ops.shaping import flat

__all__ = ["argpartition", "argsort", "digitize", "in_top_k", "searchsorted", "sort", "top_k", "unique"]


def _sortable(x: Any, axis: Any) -> tuple[Tensor, int]:
    x = operand(x)
    if axis is None:
        return flat(x), 0
    return x, axis_index(axis, len(shape_of(x)))


@op
def sort(x: Any, axis: int | None = -1) -> Tensor:
    """x in ascending order along `axis` (flattened for None); NaN last.

    Example:
        >>> sort([3, 1, 2]).tolist()
        [1, 2, 3]
    """
    x, place = _sortable(x, axis)
    if dtype_of(x) == "bool":
        return p.cast(p.sort(p.cast(x, dtype="uint8"), axis=place), dtype="bool")
    return p.sort(x, axis=place)


@op
def argsort(x: Any, axis: int | None = -1) -> Tensor:
    """The int32 indices that sort x along `axis`; equals keep their order, NaN is last.

    Example:
        >>> argsort([3, 1, 2]).tolist()
        [1, 2, 0]
    """
    x, place = _sortable(x, axis)
    return p.argsort(p.cast(x, dtype="uint8") if dtype_of(x) == "bool" else x, axis=place)


@op
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Tensor:
    """int32 indices that put the kth element in its sorted place, smaller ones before it, larger ones after.

    Example:
        >>> argpartition([3, 1, 2], 1).tolist()
        [1, 2, 0]
    """
    x, place = _sortable(x, axis)
    size = shape_of(x)[place]
    if shapes.is_known(size) and not -size <= host_int(kth, "kth") < size:
        raise ArgumentError("`kth` is outside the axis.", expected=f"{-size} to {size - 1}", received=kth)
    return argsort(x, axis=place)


@op
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest along the last axis, descending, and their int32 indices; of equals the first comes first.

    Args:
        x: Numbers.
        k: How many.
        sorted: Accepted for Keras' sake; the result is always sorted.

    Example:
        >>> [t.tolist() for t in top_k([1, 3, 2], 2)]
        [[3, 2], [1, 2]]
    """
    x, count = numbers(x), host_int(k, "k")
    size = shape_of(x)[-1] if shape_of(x) else 0
    if count < 0 or (shapes.is_known(size) and count > size):
        raise ArgumentError("`k` exceeds the last axis.", expected=f"0 <= k <= {size}", received=k)
    values, indices = p.top_k(x, k=count)
    return values, indices


@op
def in_top_k(targets: Any, predictions: Any, k: int) -> Tensor:
    """Whether the prediction of each target class is among the k largest of its row; ties count as among them.

    Args:
        targets: Class numbers (B,).
        predictions: Scores (B, classes).
        k: How many.

    Example:
        >>> in_top_k([0, 1], [[0.2, 0.8], [0.2, 0.8]], 1).tolist()
        [False, True]
    """
    targets, scores = tensors(targets, predictions)
    if not dtypes.is_integer(dtype_of(targets)):
        raise DTypeError("`targets` must hold integers.", received=dtype_of(targets))
    if len(shape_of(scores)) != 2 or len(shape_of(targets)) != 1:
        raise ShapeError(
            "Targets (B,) and predictions (B, classes) are needed.",
            received=f"{shapes.show(shape_of(targets))} and {shapes.show(shape_of(scores))}",
        )
    rows, classes = shape_of(scores)
    wanted = p.reshape(targets, shape=(rows, 1))
    inside = (
        p.less(wanted, classes)
        if dtype_of(wanted).startswith("u")
        else p.logical_and(p.less(wanted, classes), p.greater_equal(wanted, 0))
    )
    mine = p.take_along_axis(scores, indices_within(scores, wanted, classes), axis=1)
    better = p.sum(p.cast(p.greater(scores, mine), dtype="int32"), axis=(1,), keepdims=True)
    valid = p.isfinite(mine) if dtypes.is_float(dtype_of(mine)) else p.equal(mine, mine)
    found = p.logical_and(p.logical_and(inside, valid), p.less(better, host_int(k, "k")))
    return p.reshape(found, shape=(rows,))


def _before(a: Tensor, b: Tensor) -> Tensor:
    """a < b in the order of `sort`: NaN is the largest."""
    less = p.less(a, b)
    if not dtypes.is_float(dtype_of(a)):
        return less
    return p.logical_or(less, p.logical_and(p.isnan(b), p.logical_not(p.isnan(a))))


def _insertions(line: Tensor, values: Tensor, right: bool) -> Tensor:
    """Binary search: all values at once, log₂ n steps."""
    size = shape_of(line)[0]
    low = filled(values, shape_of(values), 0, "int32")
    high = filled(values, shape_of(values), size, "int32")
    if size == 0 and shapes.is_known(size):
        return low
    for _ in range(_math.ceil(_math.log2(size + 1))):
        middle = p.floor_divide(p.add(low, high), 2)
        there = p.take(line, p.minimum(middle, size - 1), axis=0)
        after = p.logical_not(_before(values, there)) if right else _before(there, values)
        open_ = p.less(low, high)
        grown = p.logical_and(after, open_)
        low = p.where(grown, p.add(middle, 1), low)
        high = p.where(p.logical_and(open_, p.logical_not(after)), middle, high)
    return low


@op
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Tensor:
    """Where `values` would go into an ascending vector, int32: before equals ("left") or after them ("right").

    Example:
        >>> searchsorted([1, 3, 5], [3, 4]).tolist()
        [1, 2]
    """
    if side not in ("left", "right"):
        raise ArgumentError("Unknown `side`.", expected="'left' or 'right'", received=side)
    line, values = promoted(sorted_sequence, values)
    if len(shape_of(line)) != 1:
        raise ShapeError("`sorted_sequence` must be a vector.", received=shapes.show(shape_of(line)))
    if dtype_of(line) == "bool":
        line, values = p.cast(line, dtype="uint8"), p.cast(values, dtype="uint8")
    return _insertions(line, values, side == "right")


@op
def digitize(x: Any, bins: Any) -> Tensor:
    """The int32 number of the bin of each x: bins[i−1] <= x < bins[i], or bins[i−1] > x >= bins[i] if they fall.

    Example:
        >>> digitize([0.5, 2.5], [1.0, 2.0]).tolist()
        [0, 2]
    """
    x, edges = promoted(x, bins)
    if len(shape_of(edges)) != 1:
        raise ShapeError("`bins` must be a vector.", received=shapes.show(shape_of(edges)))
    if dtype_of(x) == "bool":
        x, edges = p.cast(x, dtype="uint8"), p.cast(edges, dtype="uint8")
    count = shape_of(edges)[0]
    rising = _insertions(edges, x, True)
    if count < 2:
        return rising
    falling = p.subtract(count, _insertions(p.flip(edges, axis=(0,)), x, True))
    ends = [p.slice(edges, start=(i,), stop=(i + 1,), step=(1,)) for i in (0, count - 1)]
    ordered = p.reshape(p.less_equal(*ends), shape=())
    return p.where(ordered, rising, falling)


@op
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct values of x (or slices along `axis`) in ascending order.

    Args:
        x: Any tensor with known values.
        sorted: Accepted for Keras' sake; the result is always sorted.
        return_index: Also return the int32 index of each value's first appearance.
        return_inverse: Also return the int32 indices that rebuild x.
        return_counts: Also return how often each appears.
        axis: Compare slices along this axis; single values for None.
        size: Cut or fill the result to this length.
        fill_value: What fills; by default the smallest value.

    Raises:
        TraceError: The values of x are not known.

    Example:
        >>> unique([3, 1, 3]).tolist()
        [1, 3]
    """
    x = operand(x)
    engine = engine_of((x,))
    wanted = [True, return_index, return_inverse, return_counts]
    if engine is ABSTRACT:
        sizes, name = shape_of(x), dtype_of(x)
        values = (size,) if axis is None else (*sizes[:axis], size, *sizes[axis + 1 :])
        back = sizes if axis is None else (sizes[axis],)
        results = [AbstractTensor(s, d) for s, d in ((values, name), *(((n,), "int32") for n in (size,)))]
        results += [AbstractTensor(back, "int32"), AbstractTensor((size,), "int32")]
    elif engine.is_traced(x):
        raise TraceError("How many distinct values there are is not known while tracing.")
    else:
        results = _unique(x, engine.to_numpy(x), axis, size, fill_value)
    kept = [r for r, w in zip(results, wanted, strict=True) if w]
    return kept[0] if len(kept) == 1 else tuple(kept)


def _unique(x: Tensor, host: np.ndarray, axis: int | None, size: int | None, fill_value: Any) -> list[Tensor]:
    found = np.unique(host, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    values, index, inverse, counts = found
    inverse = inverse.reshape(host.shape if axis is None else (-1,))
    if size is not None:
        place = 0 if axis is None else axis_index(axis, host.ndim)
        values = _sized(values, size, place, fill_value)
        index, counts = _sized(index, size, 0, index[:1].sum()), _sized(counts, size, 0, 0)
    return [
        constant(x, values, dtype_of(x)),
        constant(x, index, "int32"),
        constant(x, inverse, "int32"),
        constant(x, counts, "int32"),
    ]


def _sized(values: np.ndarray, size: int, axis: int, fill_value: Any) -> np.ndarray:
    values = values.take(range(min(size, values.shape[axis])), axis=axis)
    missing = size - values.shape[axis]
    if missing <= 0:
        return values
    if fill_value is None:
        filler = values.take([0] * missing, axis=axis)
    else:
        shape = list(values.shape)
        shape[axis] = missing
        filler = np.full(shape, fill_value, values.dtype)
    return np.concatenate([values, filler], axis=axis)
