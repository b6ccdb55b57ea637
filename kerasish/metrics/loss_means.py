"""Means of losses over all samples, as metrics."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.convert import tensors
from kerasish.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from kerasish.losses.alignment import pair
from kerasish.metrics.means import Mean, MeanMetricWrapper, with_mask


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The loss is its negative."""
    return ops.negative(cosine_similarity(y_true, y_pred, axis=axis))


class MeanSquaredError(MeanMetricWrapper):
    """Mean of (y_true − y_pred)².

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(MeanSquaredError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.1562
    """

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """Mean of |y_true − y_pred|.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(MeanAbsoluteError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.375
    """

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """Mean of 100 · |y_true − y_pred| / |y_true|.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(MeanAbsolutePercentageError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        125000024.0
    """

    def __init__(self, name: str | None = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """Mean of (log(y_true + 1) − log(y_pred + 1))².

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.0663
    """

    def __init__(self, name: str | None = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """Mean of log cosh(y_pred − y_true).

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(LogCoshError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.0755
    """

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(log_cosh, name, dtype)


class Poisson(MeanMetricWrapper):
    """Mean of y_pred − y_true · log(y_pred).

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(Poisson()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.7216
    """

    def __init__(self, name: str | None = "poisson", dtype: Any = None) -> None:
        super().__init__(poisson, name, dtype)


class KLDivergence(MeanMetricWrapper):
    """Σ y_true · log(y_true / y_pred).

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(KLDivergence()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.6931
    """

    def __init__(self, name: str | None = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(kl_divergence, name, dtype)


class Hinge(MeanMetricWrapper):
    """Mean of max(1 − y_true · y_pred, 0).

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(Hinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.875
    """

    def __init__(self, name: str | None = "hinge", dtype: Any = None) -> None:
        super().__init__(hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """Mean of max(1 − y_true · y_pred, 0)².

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(SquaredHinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.9062
    """

    def __init__(self, name: str | None = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """max(neg − pos + 1, 0): scores of the true class and of the best other one.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.75
    """

    def __init__(self, name: str | None = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(categorical_hinge, name, dtype)


class CosineSimilarity(MeanMetricWrapper):
    """Cosine of the angle between y_true and y_pred: 1 the same direction.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        axis: Axis of the vectors.

    Example:
        >>> round(float(CosineSimilarity()([[0.0, 1.0]], [[0.0, 2.0]])), 4)
        1.0
    """

    _unwritten: ClassVar[dict[str, Any]] = {"axis": -1}

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)


class BinaryCrossentropy(MeanMetricWrapper):
    """Cross entropy between 0/1 labels and probabilities.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.

    Example:
        >>> round(float(BinaryCrossentropy()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.4904
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """Cross entropy between one-hot labels and distributions over classes.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        from_logits: Whether predictions are logits rather than probabilities.
        label_smoothing: Fraction in [0, 1] by which labels move towards the uniform distribution.
        axis: The axis of the classes.

    Example:
        >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.4055
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Cross entropy between integer labels and distributions over classes.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        from_logits: Whether predictions are logits rather than probabilities.
        ignore_class: A label whose loss counts as 0.
        axis: The axis of the classes.

    Example:
        >>> round(float(SparseCategoricalCrossentropy()([1], [[0.75, 0.25]])), 4)
        1.3863
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.ignore_class = ignore_class

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        # As in Keras, ignored labels leave the mean's denominator only where samples have weights.
        if self.ignore_class is not None and sample_weight is not None:
            y_true, sample_weight = tensors(y_true, sample_weight)
            sample_weight = with_mask(sample_weight, ops.not_equal(y_true, self.ignore_class), self.dtype)
        super().update_state(y_true, y_pred, sample_weight)


class RootMeanSquaredError(Mean):
    """√ of the mean of (y_true − y_pred)².

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [3.0]]))
        3.0
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = pair(y_true, y_pred, self.name)
        super().update_state(ops.square(ops.subtract(y_pred, y_true)), sample_weight)

    def result(self) -> Any:
        return ops.sqrt(super().result())
