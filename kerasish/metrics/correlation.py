"""How well predictions follow targets: Pearson's and Lin's correlation, the coefficient of determination."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import show
from kerasish.losses.alignment import beside, pair
from kerasish.metrics.means import MeanMetricWrapper
from kerasish.metrics.metric import Metric


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """cov(y_true, y_pred) / (σ(y_true) · σ(y_pred)) over `axis`, from −1 to 1; NaN where either is constant.

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in pearson_correlation([[1.0, 2.0, 3.0]], [[2.0, 4.0, 6.0]]).tolist()]
        [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred, "pearson_correlation")
    centred = [ops.subtract(y, ops.mean(y, axis=axis, keepdims=True)) for y in (y_true, y_pred)]
    true, pred = (ops.divide(y, ops.sqrt(ops.sum(ops.square(y), axis=axis, keepdims=True))) for y in centred)
    return ops.sum(ops.multiply(true, pred), axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """2·cov / (var(y_true) + var(y_pred) + (difference of means)²) over `axis`, from −1 to 1 (Lin 1989).

    Shape: (..., N), (..., N) -> (...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in concordance_correlation([[1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0]]).tolist()]
        [0.5714]
    """
    y_true, y_pred = pair(y_true, y_pred, "concordance_correlation")
    mean_true, mean_pred = (ops.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    true, pred = ops.subtract(y_true, mean_true), ops.subtract(y_pred, mean_pred)
    covariance = ops.mean(ops.multiply(true, pred), axis=axis)
    spread = ops.add(ops.mean(ops.square(true), axis=axis), ops.mean(ops.square(pred), axis=axis))
    apart = ops.square(ops.squeeze(ops.subtract(mean_true, mean_pred), axis))
    return ops.divide(ops.multiply(covariance, 2.0), ops.add(ops.add(spread, apart), epsilon()))


class PearsonCorrelation(MeanMetricWrapper):
    """Mean of Pearson's correlation over samples.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        axis: The axis the correlation is taken along.

    Example:
        >>> round(float(PearsonCorrelation()([[1.0, 2.0, 3.0]], [[2.0, 4.0, 6.0]])), 4)
        1.0
    """

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """Mean of Lin's concordance correlation over samples.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.
        axis: The axis the correlation is taken along.

    Example:
        >>> round(float(ConcordanceCorrelation()([[1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0]])), 4)
        0.5714
    """

    def __init__(
        self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)


_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


class R2Score(Metric):
    """1 − Σ(y_true − y_pred)² / Σ(y_true − mean)²: 1 perfect, 0 no better than the mean.

    Args:
        class_aggregation: How columns become one number: None (they do not), "uniform_average" or
            "variance_weighted_average".
        num_regressors: Number of inputs, for the adjusted score; 0 for the plain one.
        name: A label.
        dtype: Of variables and result; default floatx.

    Raises:
        ArgumentError: An argument has no meaning.
        ShapeError: Labels and predictions are not matrices of one shape.

    Example:
        >>> round(float(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 4)
        0.5714
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ArgumentError(
                "Unknown `class_aggregation`.",
                where="R2Score",
                expected=f"one of {_AGGREGATIONS}",
                received=class_aggregation,
            )
        if num_regressors < 0:
            raise ArgumentError("`num_regressors` must be >= 0.", where="R2Score", received=num_regressors)
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", name="num_samples")
        self._sums: dict[str, Any] | None = None

    def _build(self, columns: int) -> dict[str, Any]:
        names = ("squared_sum", "sum", "total_mse", "count")
        return {name: self.add_variable((columns,), "zeros", name=name) for name in names}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = pair(y_true, y_pred, "R2Score")
        if len(shape_of(y_pred)) != 2:
            raise ShapeError(
                "R2Score takes matrices.", where=self.name, expected="(B, N)", received=show(shape_of(y_pred))
            )
        y_true, y_pred = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        if self._sums is None:
            self._sums = self._build(shape_of(y_pred)[1])
        weight = ops.convert_to_tensor(1.0 if sample_weight is None else sample_weight)
        weight = ops.broadcast_to(
            beside(y_true, ops.cast(weight, self.dtype), "sample_weight"), shape_of(y_true)
        )
        weighted = ops.multiply(y_true, weight)
        residuals = ops.multiply(ops.square(ops.subtract(y_true, y_pred)), weight)
        terms = {
            "squared_sum": ops.multiply(y_true, weighted),
            "sum": weighted,
            "total_mse": residuals,
            "count": weight,
        }
        for name, term in terms.items():
            self._sums[name].assign(ops.add(self._sums[name], ops.sum(term, axis=0)))
        self.num_samples.assign(ops.add(self.num_samples, float(shape_of(y_true)[0] * shape_of(y_true)[1])))

    def result(self) -> Any:
        if self._sums is None:
            return ops.zeros((), dtype=self.dtype)
        total, count = self._sums["sum"], self._sums["count"]
        mean = ops.divide_no_nan(total, count)
        variance = ops.subtract(self._sums["squared_sum"], ops.multiply(total, mean))
        scores = ops.subtract(1.0, ops.divide(self._sums["total_mse"], variance))
        scores = ops.where(ops.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = ops.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = ops.divide(ops.sum(ops.multiply(scores, variance)), ops.sum(variance))
        return self._adjusted(scores) if self.num_regressors else scores

    def _adjusted(self, scores: Any) -> Any:
        """1 − (1 − R²)(n − 1)/(n − p − 1) where n > p + 1; the plain score elsewhere."""
        n = self.num_samples
        rest = ops.subtract(n, float(self.num_regressors + 1))
        factor = ops.divide_no_nan(ops.subtract(n, 1.0), rest)
        adjusted = ops.subtract(1.0, ops.multiply(ops.subtract(1.0, scores), factor))
        return ops.where(ops.greater(rest, 0.0), adjusted, scores)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
