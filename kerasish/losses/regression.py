"""Losses between numbers: squared, absolute, logarithmic, cosine. Each gives one value a sample, (..., N) -> (...)."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.losses.alignment import pair


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """mean((y_true − y_pred)²) over the last axis.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
        [2.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_error")
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """mean(|y_true − y_pred|) over the last axis.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist()
        [1.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_error")
    return ops.mean(ops.absolute(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 · mean(|y_true − y_pred| / max(|y_true|, ε)) over the last axis.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 3.0]]).tolist()
        [37.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_percentage_error")
    scale = ops.maximum(ops.absolute(y_true), epsilon())
    return ops.multiply(
        ops.mean(ops.absolute(ops.divide(ops.subtract(y_true, y_pred), scale)), axis=-1), 100.0
    )


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """mean((log(y_true + 1) − log(y_pred + 1))²) over the last axis; values below ε count as ε.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in mean_squared_logarithmic_error([[0.0]], [[1.0]]).tolist()]
        [0.4805]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_logarithmic_error")
    logs = [ops.log(ops.add(ops.maximum(y, epsilon()), 1.0)) for y in (y_true, y_pred)]
    return ops.mean(ops.square(ops.subtract(*logs)), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """mean of ½e² where |e| <= delta, delta·|e| − ½delta² beyond, e = y_pred − y_true (Huber 1964).

    Args:
        y_true: Targets.
        y_pred: Predictions.
        delta: Where the square turns into a line, > 0.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [1.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "huber")
    error = ops.subtract(y_pred, y_true)
    size = ops.absolute(error)
    line = ops.subtract(ops.multiply(size, delta), 0.5 * delta * delta)
    return ops.mean(
        ops.where(ops.less_equal(size, delta), ops.multiply(ops.square(error), 0.5), line), axis=-1
    )


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """mean(log cosh e) over the last axis, e = y_pred − y_true, as e + softplus(−2e) − log 2: no overflow.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in log_cosh([[0.0]], [[1.0]]).tolist()]
        [0.4338]
    """
    y_true, y_pred = pair(y_true, y_pred, "log_cosh")
    error = ops.subtract(y_pred, y_true)
    values = ops.add(error, ops.softplus(ops.multiply(error, -2.0)))
    return ops.mean(ops.subtract(values, math.log(2.0)), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """mean(y_pred − y_true · log(y_pred + ε)) over the last axis.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 3) for v in poisson([[1.0]], [[1.0]]).tolist()]
        [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "poisson")
    logs = ops.log(ops.add(y_pred, epsilon()))
    return ops.mean(ops.subtract(y_pred, ops.multiply(y_true, logs)), axis=-1)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """sum(y_true · log(y_true / y_pred)) over the last axis, both clipped to [ε, 1].

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in kl_divergence([[0.5, 0.5]], [[0.25, 0.75]]).tolist()]
        [0.1438]
    """
    y_true, y_pred = pair(y_true, y_pred, "kl_divergence")
    y_true, y_pred = (ops.clip(y, epsilon(), 1.0) for y in (y_true, y_pred))
    return ops.sum(ops.multiply(y_true, ops.log(ops.divide(y_true, y_pred))), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """−cos of the angle between y_true and y_pred: −1 the same direction, 1 opposite; 0 if either is zero.

    Args:
        y_true: Targets.
        y_pred: Predictions.
        axis: Axis of the vectors.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in cosine_similarity([[0.0, 1.0]], [[0.0, 2.0]]).tolist()]
        [-1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "cosine_similarity")
    products = ops.multiply(ops.normalize(y_true, axis=axis), ops.normalize(y_pred, axis=axis))
    return ops.negative(ops.sum(products, axis=axis))
