"""Intersection over union of classes, for segmentation: TP / (TP + FP + FN), from a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.convert import shape_of, tensors
from kerasish.core.errors import ArgumentError
from kerasish.losses.alignment import beside, mismatch
from kerasish.metrics.metric import Metric


class IoU(Metric):
    """Mean over chosen classes of TP / (TP + FP + FN); classes that never occur do not count.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes whose mean is taken.
        name: A label.
        dtype: Of the confusion matrix; default int32.
        ignore_class: A label that does not count.
        sparse_y_true: Whether labels are class numbers (else their argmax is taken).
        sparse_y_pred: Whether predictions are class numbers (else their argmax is taken).
        axis: The axis of the argmax.

    Raises:
        ArgumentError: A target class is not below `num_classes`.

    Example:
        >>> round(float(IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name=name, dtype=dtype or "int32")
        if max(target_class_ids) >= num_classes:
            raise ArgumentError(
                "A target class is not below `num_classes`.",
                where=type(self).__name__,
                expected=f"numbers below {num_classes}",
                received=list(target_class_ids),
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_confusion_matrix = self.add_variable(
            (num_classes, num_classes), "zeros", name="total_confusion_matrix"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = tensors(y_true, y_pred)
        if not self.sparse_y_true:
            y_true = ops.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = ops.argmax(y_pred, axis=self.axis)
        self._count(y_true, y_pred, sample_weight)

    def _count(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        true = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        pred = ops.reshape(ops.cast(y_pred, "int32"), (-1,))
        if shape_of(true) != shape_of(pred):
            raise mismatch(y_true, y_pred, self.name, "as many labels as predictions")
        weight = self._weights(y_true, sample_weight)
        valid = _within(true, self.num_classes)
        valid = ops.logical_and(valid, _within(pred, self.num_classes))
        if self.ignore_class is not None:
            valid = ops.logical_and(valid, ops.not_equal(true, self.ignore_class))
        weight = ops.where(valid, weight, ops.zeros_like(weight))
        # Labels that do not count stay within range, with weight 0.
        places = ops.stack([ops.where(valid, true, 0), ops.where(valid, pred, 0)], axis=1)
        total = self.total_confusion_matrix.value
        self.total_confusion_matrix.assign(p.scatter_add(total, places, weight))

    def _weights(self, y_true: Any, sample_weight: Any) -> Any:
        """One weight a label, flat, in the dtype of the matrix."""
        dtype = self.total_confusion_matrix._dtype
        if sample_weight is None:
            return ops.cast(ops.ones_like(ops.reshape(y_true, (-1,))), dtype)
        weight = beside(y_true, ops.cast(ops.convert_to_tensor(sample_weight), dtype), "sample_weight")
        return ops.reshape(ops.broadcast_to(weight, shape_of(y_true)), (-1,))

    def result(self) -> Any:
        matrix = ops.cast(self.total_confusion_matrix, floatx())
        hits = ops.diagonal(matrix)
        either = ops.subtract(ops.add(ops.sum(matrix, axis=0), ops.sum(matrix, axis=1)), hits)
        hits, either = (ops.take(x, self.target_class_ids, axis=0) for x in (hits, either))
        seen = ops.sum(ops.cast(ops.greater(either, 0.0), floatx()))
        return ops.divide_no_nan(ops.sum(ops.divide_no_nan(hits, either)), seen)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


def _within(labels: Any, number: int) -> Any:
    return ops.logical_and(ops.greater_equal(labels, 0), ops.less(labels, number))


class BinaryIoU(IoU):
    """IoU of classes 0 and 1, predictions decided by a threshold.

    Args:
        target_class_ids: [0], [1] or both.
        threshold: Predictions at least as large are class 1.
        name: A label.
        dtype: Of the confusion matrix; default int32.

    Example:
        >>> round(float(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
        0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes=2, target_class_ids=target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = tensors(y_true, y_pred)
        self._count(y_true, ops.greater_equal(y_pred, self.threshold), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self.dtype,
        }


class MeanIoU(IoU):
    """Mean IoU of all classes that occur.

    Args:
        num_classes: Number of classes.
        name: A label.
        dtype: Of the confusion matrix; default int32.
        ignore_class: A label that does not count.
        sparse_y_true: Whether labels are class numbers (else their argmax is taken).
        sparse_y_pred: Whether predictions are class numbers (else their argmax is taken).
        axis: The axis of the argmax.

    Example:
        >>> round(float(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, range(num_classes), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


class OneHotIoU(IoU):
    """IoU for one-hot labels.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes whose mean is taken.
        name: A label.
        dtype: Of the confusion matrix; default int32.
        ignore_class: A label that does not count.
        sparse_y_pred: Whether predictions are class numbers (else their argmax is taken).
        axis: The axis of the argmax.

    Example:
        >>> round(float(OneHotIoU(2, [0])([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])), 4)
        0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class OneHotMeanIoU(MeanIoU):
    """Mean IoU of all classes that occur, for one-hot labels.

    Args:
        num_classes: Number of classes.
        name: A label.
        dtype: Of the confusion matrix; default int32.
        ignore_class: A label that does not count.
        sparse_y_pred: Whether predictions are class numbers (else their argmax is taken).
        axis: The axis of the argmax.

    Example:
        >>> round(float(OneHotMeanIoU(2)([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])), 4)
        0.25
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config
