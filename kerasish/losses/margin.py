"""Hinge losses: zero once a prediction is on the right side by a margin."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.losses.alignment import pair


def _signed(y_true: Any) -> Any:
    """Labels in {0, 1} as {−1, 1}; labels that hold anything else stay."""
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0)))
    return ops.where(binary, ops.subtract(ops.multiply(y_true, 2.0), 1.0), y_true)


def _margin(y_true: Any, y_pred: Any, where: str) -> Any:
    y_true, y_pred = pair(y_true, y_pred, where)
    return ops.relu(ops.subtract(1.0, ops.multiply(_signed(y_true), y_pred)))


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 − y_true · y_pred, 0)) over the last axis.

    Args:
        y_true: −1 or 1; labels that are all 0 or 1 are converted.
        y_pred: Scores.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.0]
    """
    return ops.mean(_margin(y_true, y_pred, "hinge"), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 − y_true · y_pred, 0)²) over the last axis.

    Args:
        y_true: −1 or 1; labels that are all 0 or 1 are converted.
        y_pred: Scores.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]]).tolist()
        [1.25]
    """
    return ops.mean(ops.square(_margin(y_true, y_pred, "squared_hinge")), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(neg − pos + 1, 0): pos the score of the true class, neg the largest of the others.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[0.25, 0.75]]).tolist()
        [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_hinge")
    positive = ops.sum(ops.multiply(y_true, y_pred), axis=-1)
    negative = ops.max(ops.multiply(ops.subtract(1.0, y_true), y_pred), axis=-1)
    return ops.relu(ops.add(ops.subtract(negative, positive), 1.0))
