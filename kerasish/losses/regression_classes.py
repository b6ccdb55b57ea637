"""The losses between numbers as classes: a function, its options and a reduction."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish.losses.loss import LossFunctionWrapper
from kerasish.losses.regression import (
    cosine_similarity,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)


class MeanSquaredError(LossFunctionWrapper):
    """Mean of (y_true − y_pred)².

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(MeanSquaredError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.1562
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """Mean of |y_true − y_pred|.

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(MeanAbsoluteError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.375
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """Mean of 100 · |y_true − y_pred| / |y_true|.

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(MeanAbsolutePercentageError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        125000024.0
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """Mean of (log(y_true + 1) − log(y_pred + 1))².

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.0663
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class LogCosh(LossFunctionWrapper):
    """Mean of log cosh(y_pred − y_true).

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(LogCosh()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.0755
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "log_cosh", dtype: Any = None
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """Mean of y_pred − y_true · log(y_pred).

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(Poisson()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.7216
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "poisson", dtype: Any = None
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)


class KLDivergence(LossFunctionWrapper):
    """Σ y_true · log(y_true / y_pred).

    Args:
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(KLDivergence()([[0.0, 1.0]], [[0.25, 0.5]])), 4)
        0.6931
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """Squares of small errors, absolute values of large ones.

    Args:
        delta: Where the square turns into a line.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> float(Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
        1.5
    """

    _unwritten: ClassVar[dict[str, Any]] = {"delta": 1.0}

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            huber,
            reduction,
            name,
            dtype,
            delta=delta,
        )


class CosineSimilarity(LossFunctionWrapper):
    """Negative cosine of the angle between y_true and y_pred.

    Args:
        axis: Axis of the vectors.
        reduction: How the values become a number, see `Loss`.
        name: A label.
        dtype: What labels and predictions are converted to; default floatx.

    Example:
        >>> round(float(CosineSimilarity()([[0.0, 1.0]], [[0.0, 2.0]])), 4)
        -1.0
    """

    _unwritten: ClassVar[dict[str, Any]] = {"axis": -1}

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            cosine_similarity,
            reduction,
            name,
            dtype,
            axis=axis,
        )
