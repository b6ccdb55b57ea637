"""F scores: harmonic means of precision and recall."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import show
from kerasish.losses.alignment import beside, pair
from kerasish.metrics.metric import Metric

_AVERAGES = (None, "micro", "macro", "weighted")
_NAMES = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")


class FBetaScore(Metric):
    """(1 + β²)·precision·recall / (β²·precision + recall), from 0 to 1.

    Args:
        average: How columns become one number: None (they do not), "micro" (counts are added up first), "macro" (their
            mean) or "weighted" (their mean, weighted by the number of positives).
        beta: Weight of recall.
        threshold: Scores above it are positive; None: the largest score of each sample is.
        name: A label.
        dtype: Of variables and result; default floatx.

    Raises:
        ArgumentError: An argument has no meaning.
        ShapeError: Labels and predictions are not matrices of one shape.

    Example:
        >>> metric = FBetaScore(average="micro", threshold=0.5)
        >>> round(float(metric([[1, 0], [1, 1]], [[0.9, 0.2], [0.1, 0.8]])), 4)
        0.8
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        where = type(self).__name__
        if average not in _AVERAGES:
            raise ArgumentError(
                "Unknown `average`.", where=where, expected=f"one of {_AVERAGES}", received=average
            )
        if not isinstance(beta, float) or beta <= 0.0:
            raise ArgumentError("`beta` must be a float > 0.", where=where, received=repr(beta))
        if threshold is not None and (not isinstance(threshold, float) or not 0.0 < threshold <= 1.0):
            raise ArgumentError(
                "`threshold` must be a float in (0, 1].", where=where, received=repr(threshold)
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self.axis = None if average == "micro" else 0
        self._sums: dict[str, Any] | None = None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = pair(y_true, y_pred, self.name)
        shape = shape_of(y_pred)
        if len(shape) != 2:
            raise ShapeError(
                "F scores take matrices.",
                where=self.name,
                expected="(B, C)",
                received=show(shape),
                hint="one-hot encode integer labels (ops.one_hot)",
            )
        if self._sums is None:
            columns = () if self.average == "micro" else (shape[1],)
            self._sums = {name: self.add_variable(columns, "zeros", name=name) for name in _NAMES}
        y_true, chosen = ops.cast(y_true, self.dtype), self._chosen(y_pred)
        weight = None
        if sample_weight is not None:
            weight = beside(
                y_true, ops.cast(ops.convert_to_tensor(sample_weight), self.dtype), "sample_weight"
            )
        missed = ops.subtract(1.0, y_true)
        terms = (
            ops.multiply(chosen, y_true),
            ops.multiply(chosen, missed),
            ops.multiply(ops.subtract(1.0, chosen), y_true),
            y_true,
        )
        for variable, term in zip(self._sums.values(), terms, strict=True):
            weighted = term if weight is None else ops.multiply(term, weight)
            variable.assign(ops.add(variable, ops.sum(weighted, axis=self.axis)))

    def _chosen(self, scores: Any) -> Any:
        """1 where a score counts as positive."""
        if self.threshold is not None:
            return ops.cast(ops.greater(scores, self.threshold), self.dtype)
        best = ops.max(scores, axis=-1, keepdims=True)
        positive = ops.logical_and(ops.greater_equal(scores, best), ops.greater(ops.absolute(scores), 1e-9))
        return ops.cast(positive, self.dtype)

    def result(self) -> Any:
        if self._sums is None:
            return ops.zeros((), dtype=self.dtype)
        hits, false_positives, false_negatives, support = (v.value for v in self._sums.values())
        precision = ops.divide(hits, ops.add(ops.add(hits, false_positives), epsilon()))
        recall = ops.divide(hits, ops.add(ops.add(hits, false_negatives), epsilon()))
        square = self.beta * self.beta
        below = ops.add(ops.add(ops.multiply(precision, square), recall), epsilon())
        scores = ops.divide(ops.multiply(ops.multiply(precision, recall), 1.0 + square), below)
        if self.average == "weighted":
            shares = ops.divide(support, ops.add(ops.sum(support), epsilon()))
            return ops.sum(ops.multiply(scores, shares))
        return ops.mean(scores) if self.average is not None else scores

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


class F1Score(FBetaScore):
    """2·precision·recall / (precision + recall), from 0 to 1.

    Args:
        average: See `FBetaScore`.
        threshold: Scores above it are positive; None: the largest score of each sample is.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(F1Score(average="micro", threshold=0.5)([[1, 0], [1, 1]], [[0.9, 0.2], [0.1, 0.8]])), 4)
        0.8
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
