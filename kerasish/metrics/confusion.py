"""Counting true and false positives and negatives, for one threshold or for hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.config import epsilon
from kerasish.core.convert import dtype_of, shape_of, to_tensor
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.losses.alignment import beside, pair
from kerasish.losses.loss import mask_of
from kerasish.metrics.means import with_mask


class Counts(NamedTuple):
    """Weighted counts, one a threshold (and label): shape (T,) or (T, L)."""

    true_positives: Any
    false_positives: Any
    true_negatives: Any
    false_negatives: Any


class Batch(NamedTuple):
    """Labels, scores and weights of a batch, float tensors of one shape: (N,), or (N, L) where labels are separate."""

    y_true: Any
    y_pred: Any
    weight: Any


def checked_thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    """Thresholds as a list; `default` for None.

    Raises:
        ArgumentError: One is not in [0, 1].
    """
    if thresholds is None:
        return [default]
    values = [
        float(t) for t in (thresholds if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds])
    ]
    if any(not 0.0 <= t <= 1.0 for t in values):
        raise ArgumentError("Thresholds must lie in [0, 1].", received=values)
    return values


def even_thresholds(number: int, low: float = 0.0, high: float = 1.0) -> list[float]:
    """`number` thresholds: i / (number − 1), the first and last replaced by `low` and `high`.

    Raises:
        ArgumentError: Fewer than two are asked for.
    """
    if number < 2:
        raise ArgumentError("At least two thresholds are needed.", where="num_thresholds", received=number)
    return [low, *((i + 1) / (number - 1) for i in range(number - 2)), high]


def is_even(thresholds: Sequence[float]) -> bool:
    """Whether thresholds are those of `even_thresholds`, up to ε."""
    number = len(thresholds)
    return number >= 3 and bool(
        np.allclose(thresholds, even_thresholds(number), rtol=0.0, atol=2 * epsilon())
    )


def batch_of(
    y_true: Any,
    y_pred: Any,
    sample_weight: Any,
    *,
    dtype: str,
    where: str,
    top_k: int | None = None,
    class_id: int | None = None,
    by_label: bool = False,
    mask: Any = None,
) -> Batch:
    """A batch as flat vectors, or as a matrix with one column a label.

    Args:
        y_true: Labels.
        y_pred: Scores.
        sample_weight: Factors, or None.
        dtype: The dtype of the counts.
        where: The metric, for errors.
        top_k: Only the k largest scores of each sample can count as positive.
        class_id: Only this column counts.
        by_label: Keep the last axis apart.
        mask: Which predictions count; None: what the running call knows of `y_pred`.

    Raises:
        ShapeError: The shapes do not fit.
    """
    mask = mask_of(y_pred) if mask is None else mask
    y_true, y_pred = pair(y_true, y_pred, where)
    y_true = ops.broadcast_to(ops.cast(y_true, dtype), shape_of(y_pred))
    y_pred = ops.cast(y_pred, dtype)
    weight = with_mask(sample_weight, mask, dtype)
    if weight is None:
        weight = ops.ones_like(y_pred)
    else:
        weight = ops.cast(to_tensor(weight, engine_of((y_pred,))), dtype)
        weight = ops.broadcast_to(beside(y_pred, weight, "sample_weight"), shape_of(y_pred))
    if top_k is not None:
        y_pred = _only_top_k(y_pred, top_k)
    if class_id is not None:
        axis_index(class_id, shape_of(y_pred)[-1], name="class_id")
        y_true, y_pred, weight = (ops.take(x, class_id, axis=-1) for x in (y_true, y_pred, weight))
    shape = (-1, shape_of(y_pred)[-1]) if by_label else (-1,)
    return Batch(*(ops.reshape(x, shape) for x in (y_true, y_pred, weight)))


def _only_top_k(scores: Any, k: int) -> Any:
    """Scores outside the k largest of the last axis become −∞ (a large negative number)."""
    _, places = ops.top_k(scores, k)
    chosen = ops.sum(ops.one_hot(places, shape_of(scores)[-1], dtype=dtype_of(scores)), axis=-2)
    return ops.where(ops.greater(chosen, 0.0), scores, -1e10)


def counts(batch: Batch, thresholds: Sequence[float], even: bool = False) -> Counts:
    """Weighted counts of a batch at each threshold; a score is positive where it is above.

    Args:
        batch: Flat, or with one column a label.
        thresholds: Ascending.
        even: They are those of `even_thresholds`: scores are sorted into buckets, one pass for all thresholds.
    """
    return _by_bucket(batch, len(thresholds)) if even else _by_threshold(batch, thresholds)


def _by_threshold(batch: Batch, thresholds: Sequence[float]) -> Counts:
    dtype = dtype_of(batch.y_pred)
    positive = ops.cast(ops.cast(batch.y_true, "bool"), dtype)
    sides = (ops.multiply(batch.weight, positive), ops.multiply(batch.weight, ops.subtract(1.0, positive)))
    limits = to_tensor(np.asarray(thresholds), engine_of((batch.y_pred,)), dtype)
    limits = ops.reshape(limits, (-1, *[1] * len(shape_of(batch.y_pred))))
    above = ops.cast(ops.greater(ops.expand_dims(batch.y_pred, 0), limits), dtype)  # (T, N[, L])
    below = ops.subtract(1.0, above)
    true_positives, false_positives = (ops.sum(ops.multiply(above, side), axis=1) for side in sides)
    false_negatives, true_negatives = (ops.sum(ops.multiply(below, side), axis=1) for side in sides)
    return Counts(true_positives, false_positives, true_negatives, false_negatives)


def _by_bucket(batch: Batch, number: int) -> Counts:
    """Bucket i holds the scores in (i, i + 1] / (number − 1): those above threshold i but not above i + 1."""
    position = ops.subtract(ops.ceil(ops.multiply(batch.y_pred, float(number - 1))), 1.0)
    bucket = ops.cast(ops.clip(position, 0.0, float(number - 1)), "int32")
    positives = ops.multiply(batch.y_true, batch.weight)
    negatives = ops.multiply(ops.subtract(1.0, batch.y_true), batch.weight)
    true_in, false_in = (_bucket_sums(bucket, side, number) for side in (positives, negatives))
    (true_above, true_below), (false_above, false_below) = (_above_and_below(x) for x in (true_in, false_in))
    return Counts(true_above, false_above, false_below, true_below)


def _bucket_sums(bucket: Any, values: Any, number: int) -> Any:
    """Sums of values by bucket: (N,) -> (number,), (N, L) -> (number, L)."""
    shape = shape_of(values)
    columns = shape[1] if len(shape) == 2 else 1
    if len(shape) == 2:
        column = ops.expand_dims(ops.arange(columns, dtype="int32"), 0)
        bucket = ops.add(ops.multiply(bucket, columns), to_tensor(column, engine_of((bucket,))))
    zeros = ops.multiply(ops.reshape(values, (-1,))[:1], 0.0)
    zeros = ops.broadcast_to(zeros, (number * columns,))
    sums = p.scatter_add(zeros, ops.reshape(bucket, (-1, 1)), ops.reshape(values, (-1,)))
    return ops.reshape(sums, (number, columns)) if len(shape) == 2 else sums


def _above_and_below(sums: Any) -> tuple[Any, Any]:
    """At each threshold i: the sum of buckets from i on, and of those before."""
    above = ops.flip(ops.cumsum(ops.flip(sums, axis=0), axis=0), axis=0)
    return above, ops.subtract(ops.cumsum(sums, axis=0), sums)
