"""Elements grouped by number: sums and extremes of segments, counts, histograms."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of, tensors, to_numpy
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError, TraceError
from kerasish.core.registry import engine_of
from kerasish.ops.arguments import host_int
from kerasish.ops.creation import linspace
from kerasish.ops.fastpath import filled, floats, integers, operand
from kerasish.ops.indexing import scattered
from kerasish.ops.shaping import flat
from kerasish.ops.sorting import searchsorted

__all__ = ["bincount", "histogram", "segment_max", "segment_min", "segment_prod", "segment_sum"]


def _groups(ids: Tensor, count: int | None, name: str) -> int:
    if count is not None:
        return host_int(count, name)
    engine = engine_of((ids,))
    if engine.is_traced(ids):
        raise TraceError(f"`{name}` must be given while a function is traced.")
    host = to_numpy(ids)
    return int(host.max()) + 1 if host.size else 0


def _segments(data: Any, segment_ids: Any, count: int | None, start: float, reduction: str) -> Tensor:
    data, ids = tensors(data, segment_ids)
    ids = p.cast(integers(ids, name="segment_ids"), dtype="int32")
    sizes = shape_of(data)
    if len(shape_of(ids)) != 1 or not sizes or not shapes.compatible(sizes[0], shape_of(ids)[0]):
        raise ShapeError(
            "One segment number for each row of the data is needed.",
            expected=f"({sizes[0] if sizes else '?'},)",
            received=shapes.show(shape_of(ids)),
        )
    groups = _groups(ids, count, "num_segments")
    # Numbers outside 0..groups-1 are dropped: they go to one extra row, which is cut off.
    outside = p.logical_or(p.less(ids, 0), p.greater_equal(ids, groups))
    ids = p.reshape(p.where(outside, groups, ids), shape=(sizes[0], 1))
    result = scattered(filled(data, (groups + 1, *sizes[1:]), start, dtype_of(data)), ids, data, reduction)
    stop = (groups, *sizes[1:])
    return p.slice(result, start=(0,) * len(sizes), stop=stop, step=(1,) * len(sizes))


@op
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The sums of the rows of `data` with one segment number; 0 of none.

    Args:
        data: (N, ...).
        segment_ids: Integers (N,); rows with numbers outside 0..num_segments−1 are left out.
        num_segments: Rows of the result; by default one more than the largest number.
        sorted: Accepted for Keras' sake.

    Example:
        >>> segment_sum([1, 2, 3], [0, 0, 2]).tolist()
        [3, 0, 3]
    """
    return _segments(data, segment_ids, num_segments, 0, "add")


def _ends(data: Any, largest: bool) -> float:
    name = dtype_of(operand(data))
    if dtypes.is_float(name):
        return -_math.inf if largest else _math.inf
    return dtypes.int_range(name)[0 if largest else 1]


@op
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The maxima of the rows of `data` with one segment number; −inf (an integer's smallest) of none.

    Example:
        >>> segment_max([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
        [2.0, 3.0]
    """
    return _segments(data, segment_ids, num_segments, _ends(data, True), "max")


@op
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
    """The minima of the rows of `data` with one segment number; +inf (an integer's largest) of none.

    Example:
        >>> segment_min([1.0, 2.0, 3.0], [0, 0, 1]).tolist()
        [1.0, 3.0]
    """
    return _segments(data, segment_ids, num_segments, _ends(data, False), "min")


@op
def segment_prod(
    data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False
) -> Tensor:
    """The products of the rows of `data` with one segment number; 1 of none.

    Example:
        >>> segment_prod([2, 3, 4], [0, 0, 1]).tolist()
        [6, 4]
    """
    return _segments(data, segment_ids, num_segments, 1, "mul")


@op
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often each integer 0, 1, ... appears along the last axis, or the sum of its `weights`.

    Args:
        x: Integers (N,) or (B, N), not negative.
        weights: The shape of x.
        minlength: The least length of the result. While tracing, its length: larger numbers are left out.
        sparse: Accepted for Keras' sake; the result is dense.

    Example:
        >>> bincount([0, 2, 2]).tolist()
        [1, 0, 2]
    """
    x = integers(x)
    sizes = shape_of(x)
    if len(sizes) not in (1, 2):
        raise ShapeError("bincount takes a vector or a batch of vectors.", received=shapes.show(sizes))
    least = host_int(minlength, "minlength")
    traced = engine_of((x,)).is_traced(x)
    bins = (
        shapes.Dim()
        if traced and not least
        else least
        if traced
        else max(least, _groups(x, None, "minlength"))
    )
    w = filled(x, sizes, 1, "int32") if weights is None else tensors(x, weights)[1]
    if len(sizes) == 1:
        return _segments(w, x, bins, 0, "add")
    rows = sizes[0]
    row = p.reshape(
        engine_of((x,)).primitives["arange"](start=0, stop=rows, step=1, dtype="int32"), shape=(rows, 1)
    )
    x = p.cast(x, dtype="int32") if dtype_of(x) != "int32" else x
    inside = p.logical_and(p.greater_equal(x, 0), p.less(x, bins))
    numbers = p.where(inside, p.add(x, p.multiply(row, bins)), -1)
    return p.reshape(_segments(flat(w), flat(numbers), rows * bins, 0, "add"), shape=(rows, bins))


@op
def histogram(x: Any, bins: Any = 10, range: tuple[float, float] | None = None) -> tuple[Tensor, Tensor]:
    """How many x fall into each bin, and the edges of the bins. The last bin holds its right edge too.

    Args:
        x: Any tensor.
        bins: The number of equal bins, or their edges.
        range: (lowest, highest) for equal bins; by default those of x.

    Example:
        >>> [t.tolist() for t in histogram([1.0, 2.0, 2.5], bins=2, range=(1.0, 3.0))]
        [[1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    x = flat(floats(x))
    edges = _equal_edges(x, bins, range) if isinstance(bins, int) else tensors(x, bins)[1]
    edges = edges if dtype_of(edges) == dtype_of(x) else p.cast(edges, dtype=dtype_of(x))
    count = shape_of(edges)[0] - 1
    first, last = (p.slice(edges, start=(i,), stop=(i + 1,), step=(1,)) for i in (0, count))
    number = p.minimum(p.subtract(searchsorted(edges, x, side="right"), 1), count - 1)
    inside = p.logical_and(p.greater_equal(x, first), p.less_equal(x, last))
    ones = filled(x, shape_of(x), 1, dtype_of(x))
    return _segments(ones, p.where(inside, number, -1), count, 0, "add"), edges


def _equal_edges(x: Tensor, bins: int, range: tuple[float, float] | None) -> Tensor:
    if bins < 1:
        raise ArgumentError("At least one bin is needed.", received=bins)
    if range is not None:
        low, high = (float(end) for end in range)
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        return (
            p.cast(operand(linspace(low, high, bins + 1)), dtype=dtype_of(x)) if low < high else _bad(range)
        )
    if shapes.size_of(shape_of(x)) == 0:
        return linspace(0.0, 1.0, bins + 1)
    low, high = p.min(x, axis=(0,), keepdims=False), p.max(x, axis=(0,), keepdims=False)
    same = p.equal(low, high)
    return linspace(p.where(same, p.subtract(low, 0.5), low), p.where(same, p.add(high, 0.5), high), bins + 1)


def _bad(range: tuple[float, float]) -> Any:
    raise ArgumentError("The range must rise.", received=range)
