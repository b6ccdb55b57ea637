"""Cross entropies: how surprised a predicted distribution is by the labels. Logits are the accurate form."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError
from kerasish.losses.alignment import labels, pair


def _smoothed(y_true: Any, smoothing: float, classes: int, where: str) -> Any:
    if not 0.0 <= smoothing <= 1.0:
        raise ArgumentError("`label_smoothing` must lie in [0, 1].", where=where, received=smoothing)
    if not smoothing:
        return y_true
    return ops.add(ops.multiply(y_true, 1.0 - smoothing), smoothing / classes)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """mean(−t·log p − (1 − t)·log(1 − p)) over `axis`.

    Args:
        y_true: 0 or 1, or probabilities.
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits z, p = sigmoid(z).
        label_smoothing: Fraction in [0, 1] by which labels move towards ½.
        axis: The axis of the mean.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()]
        [0.6931]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, 2, "binary_crossentropy")
    if not shape_of(y_true):
        y_true = ops.broadcast_to(y_true, shape_of(y_pred))
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary cross entropy times (1 − p_t)^gamma, p_t the probability given to the label (Lin et al. 2017).

    Args:
        y_true: 0 or 1, or probabilities.
        y_pred: Probabilities, or logits.
        apply_class_balancing: Weight class 1 by alpha, class 0 by 1 − alpha.
        alpha: Weight of class 1, in [0, 1].
        gamma: How strongly easy examples are played down, >= 0.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: Fraction in [0, 1] by which labels move towards ½.
        axis: The axis of the mean.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()]
        [0.1733]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_focal_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, 2, "binary_focal_crossentropy")
    entropy = ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    prob = ops.sigmoid(y_pred) if from_logits else y_pred
    missed = ops.subtract(1.0, y_true)
    given = ops.add(ops.multiply(y_true, prob), ops.multiply(missed, ops.subtract(1.0, prob)))
    values = ops.multiply(ops.power(ops.subtract(1.0, given), gamma), entropy)
    if apply_class_balancing:
        weight = ops.add(ops.multiply(y_true, alpha), ops.multiply(missed, 1.0 - alpha))
        values = ops.multiply(weight, values)
    return ops.mean(values, axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """−Σ t·log p over the classes.

    Args:
        y_true: One-hot rows, or distributions.
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits z, p = softmax(z).
        label_smoothing: Fraction in [0, 1] of each label that is spread over all classes.
        axis: The axis of the classes.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ (integer labels, for instance).

    Example:
        >>> [round(v, 4) for v in categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()]
        [0.6931]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, shape_of(y_pred)[axis], "categorical_crossentropy")
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """−alpha · Σ (1 − p)^gamma · t·log p over the classes (Lin et al. 2017).

    Args:
        y_true: One-hot rows.
        y_pred: Probabilities, or logits.
        alpha: A factor (or one a class).
        gamma: How strongly easy examples are played down, >= 0.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: Fraction in [0, 1] of each label that is spread over all classes.
        axis: The axis of the classes.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()]
        [0.0433]
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_focal_crossentropy")
    y_true = _smoothed(y_true, label_smoothing, shape_of(y_pred)[axis], "categorical_focal_crossentropy")
    prob = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    prob = ops.divide(prob, ops.sum(prob, axis=axis, keepdims=True))
    prob = ops.clip(prob, epsilon(), 1.0 - epsilon())
    entropy = ops.multiply(ops.negative(y_true), ops.log(prob))
    weight = ops.multiply(ops.power(ops.subtract(1.0, prob), gamma), alpha)
    return ops.sum(ops.multiply(weight, entropy), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """(1 − p_t^q) / q, p_t the probability given to the label: robust to wrong labels (Zhang and Sabuncu 2018).

    Args:
        y_true: Integer labels.
        y_pred: Probabilities.
        q: In (0, 1): near 0 cross entropy, at 1 the mean absolute error.

    Shape: (...), (..., C) -> (...).

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> [round(v, 4) for v in categorical_generalized_cross_entropy([1], [[0.75, 0.25]], 0.5).tolist()]
        [1.0]
    """
    y_true, y_pred = labels(y_true, y_pred, "categorical_generalized_cross_entropy")
    chosen = ops.one_hot(ops.cast(y_true, "int32"), shape_of(y_pred)[-1], dtype=dtype_of(y_pred))
    given = ops.sum(ops.multiply(chosen, y_pred), axis=-1)
    return ops.divide(ops.subtract(1.0, ops.power(given, q)), q)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """−log of the probability given to the label.

    Args:
        y_true: Integer labels.
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits z, p = softmax(z).
        ignore_class: A label whose loss is 0 (-1 or 255 for void pixels, for instance).
        axis: The axis of the classes.

    Shape: (...) or (..., 1), (..., C) -> (...).

    Raises:
        ShapeError: The shapes do not fit (one-hot labels, for instance).

    Example:
        >>> [round(v, 4) for v in sparse_categorical_crossentropy([1], [[0.75, 0.25]]).tolist()]
        [1.3863]
    """
    y_true, y_pred = labels(y_true, y_pred, "sparse_categorical_crossentropy", axis)
    y_true = ops.cast(y_true, "int32")
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(valid, y_true, 0)
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    return ops.where(valid, values, 0.0)
