"""How often predictions equal labels."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.config import floatx
from kerasish.core.convert import dtype_of, shape_of, tensors
from kerasish.core.shapes import axis_index
from kerasish.losses.alignment import labels, mismatch, pair, same_rank, same_shape
from kerasish.metrics.means import MeanMetricWrapper


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Share of equal entries in the last axis.

    Shape: (..., N), (..., N) -> (...).

    Example:
        >>> accuracy([[1, 2]], [[1, 3]]).tolist()
        [0.5]
    """
    y_true, y_pred = _alike(y_true, y_pred, "accuracy")
    return ops.mean(ops.cast(ops.equal(y_true, y_pred), floatx()), axis=-1)


def _alike(y_true: Any, y_pred: Any, where: str) -> tuple[Any, Any]:
    y_true, y_pred = tensors(y_true, y_pred)
    if dtype_of(y_true) != dtype_of(y_pred):
        y_true = ops.cast(y_true, dtype_of(y_pred))
    if shape_of(y_true) != shape_of(y_pred):
        y_true, y_pred = same_rank(y_true, y_pred)
        if not same_shape(shape_of(y_true), shape_of(y_pred)):
            raise mismatch(y_true, y_pred, where)
    return y_true, y_pred


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Share of entries of the last axis that are 1 exactly where y_pred > threshold.

    Args:
        y_true: 0 or 1.
        y_pred: Scores.
        threshold: Where predictions become 1.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> binary_accuracy([[1.0, 0.0]], [[0.7, 0.6]]).tolist()
        [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_accuracy")
    hits = ops.cast(ops.greater(y_pred, threshold), dtype_of(y_pred))
    return ops.mean(ops.cast(ops.equal(y_true, hits), floatx()), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest score is at the label's place, else 0.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ (integer labels, for instance).

    Example:
        >>> categorical_accuracy([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.3, 0.7]]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_accuracy")
    equal = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
    return ops.cast(equal, floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest score is at the label's place, else 0.

    Shape: (...) or (..., 1), (..., C) -> (...).

    Raises:
        ShapeError: The shapes do not fit (one-hot labels, for instance).

    Example:
        >>> sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.3, 0.7]]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = labels(y_true, y_pred, "sparse_categorical_accuracy")
    best = ops.argmax(y_pred, axis=-1)
    return ops.cast(ops.equal(ops.cast(y_true, "int32"), ops.cast(best, "int32")), floatx())


def _in_top_k(classes: Any, scores: Any, k: int) -> Any:
    """Whether fewer than k scores are larger than the class's own (ties count as hits)."""
    axis = axis_index(-1, len(shape_of(scores)))
    own = ops.take_along_axis(scores, ops.expand_dims(ops.cast(classes, "int32"), -1), axis=axis)
    larger = ops.sum(ops.cast(ops.greater(scores, own), "int32"), axis=-1)
    return ops.cast(ops.less(larger, k), floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the label is among the k largest scores, else 0.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> top_k_categorical_accuracy([[0.0, 0.0, 1.0]], [[0.5, 0.2, 0.3]], k=2).tolist()
        [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "top_k_categorical_accuracy")
    return _in_top_k(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Any:
    """1 where the label is among the k largest scores, else 0.

    Args:
        y_true: Integer labels.
        y_pred: Scores; or class numbers, best first.
        k: How many count.
        from_sorted_ids: Whether `y_pred` holds class numbers.

    Shape: (...) or (..., 1), (..., C) -> (...).

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> sparse_top_k_categorical_accuracy([2], [[0.5, 0.2, 0.3]], k=2).tolist()
        [1.0]
    """
    y_true, y_pred = labels(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if not from_sorted_ids:
        return _in_top_k(y_true, y_pred, k)
    first = ops.cast(ops.take(y_pred, range(k), axis=-1), "int32")
    return ops.cast(
        ops.any(ops.equal(ops.expand_dims(ops.cast(y_true, "int32"), -1), first), axis=-1), floatx()
    )


class Accuracy(MeanMetricWrapper):
    """Share of predictions equal to their labels.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(Accuracy()([[1], [2]], [[1], [3]]))
        0.5
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """Share of 0/1 labels that thresholded scores get right.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        threshold: Where scores become 1.

    Example:
        >>> float(BinaryAccuracy()([[1.0], [0.0]], [[0.7], [0.6]]))
        0.5
    """

    def __init__(
        self,
        name: str | None = "binary_accuracy",
        dtype: Any = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """Share of one-hot labels at the place of the largest score.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(CategoricalAccuracy()([[0.0, 1.0], [1.0, 0.0]], [[0.2, 0.8], [0.3, 0.7]]))
        0.5
    """

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Share of integer labels at the place of the largest score.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(SparseCategoricalAccuracy()([1, 0], [[0.2, 0.8], [0.3, 0.7]]))
        0.5
    """

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Share of one-hot labels among the k largest scores.

    Args:
        k: How many of the largest scores count.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(TopKCategoricalAccuracy(k=1)([[0.0, 1.0]], [[0.2, 0.8]]))
        1.0
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "top_k_categorical_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Share of integer labels among the k largest scores.

    Args:
        k: How many of the largest scores count.
        name: A label.
        dtype: Of variables and result; default floatx.
        from_sorted_ids: Whether predictions are class numbers, best first.

    Example:
        >>> float(SparseTopKCategoricalAccuracy(k=1)([1], [[0.2, 0.8]]))
        1.0
    """

    _unwritten: ClassVar[dict[str, Any]] = {"from_sorted_ids": False}

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
