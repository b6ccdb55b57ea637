"""Losses of overlap between a region and its prediction, for segmentation."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.losses.alignment import pair


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """1 − 2·Σ(t·p) / (Σt + Σp + ε) (Dice 1945).

    Args:
        y_true: Region, 0 to 1.
        y_pred: Predicted region, 0 to 1.
        axis: Axes summed over; None: all, which gives one number.

    Shape: equal shapes -> the axes left.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> round(float(dice([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """
    y_true, y_pred = pair(y_true, y_pred, "dice")
    inside = ops.sum(ops.multiply(y_true, y_pred), axis=axis)
    sizes = ops.add(ops.sum(y_true, axis=axis), ops.sum(y_pred, axis=axis))
    return ops.subtract(1.0, ops.divide(ops.multiply(inside, 2.0), ops.add(sizes, epsilon())))


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """1 − TP / (TP + alpha·FN + beta·FP + ε), sums of products of region and prediction (Salehi et al. 2017).

    Keras documents alpha and beta the other way round; this is what it computes.

    Args:
        y_true: Region, 0 to 1.
        y_pred: Predicted region, 0 to 1.
        alpha: Weight of false negatives.
        beta: Weight of false positives.
        axis: Axes summed over; None: all, which gives one number.

    Shape: equal shapes -> the axes left.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> round(float(tversky([[1.0, 0.0]], [[1.0, 1.0]])), 4)
        0.3333
    """
    y_true, y_pred = pair(y_true, y_pred, "tversky")
    hit = ops.sum(ops.multiply(y_true, y_pred), axis=axis)
    false_positive = ops.sum(ops.multiply(ops.subtract(1.0, y_true), y_pred), axis=axis)
    false_negative = ops.sum(ops.multiply(y_true, ops.subtract(1.0, y_pred)), axis=axis)
    missed = ops.add(ops.multiply(false_negative, alpha), ops.multiply(false_positive, beta))
    return ops.subtract(1.0, ops.divide(hit, ops.add(ops.add(hit, missed), epsilon())))
