"""Metrics of how decisions change with the threshold: area under a curve, and one rate at a given other."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.core.convert import plain, shape_of, tensors
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import show
from kerasish.losses.loss import mask_of
from kerasish.metrics.confusion import Counts, batch_of, checked_thresholds, counts, even_thresholds, is_even
from kerasish.metrics.metric import Metric

_METHODS = ("interpolation", "majoring", "minoring")


def _one_of(name: str, value: Any, accepted: tuple[str, ...], where: str) -> Any:
    for candidate in accepted:
        if str(value).lower() == candidate.lower():
            return candidate
    raise ArgumentError(
        f"Unknown `{name}`.", where=where, expected=f"one of {accepted}", received=repr(value)
    )


class AUC(Metric):
    """Area under the ROC or precision-recall curve, by a sum over thresholds.

    Args:
        num_thresholds: How many thresholds, spread evenly.
        curve: "ROC" or "PR".
        summation_method: Height of a step: "interpolation" (the middle; for PR after Davis and Goadrich 2006),
            "minoring" (the lower end) or "majoring" (the upper).
        name: A label.
        dtype: Of variables and result; default floatx.
        thresholds: The thresholds themselves, within [0, 1]; 0 and 1 are added.
        multi_label: An area for each column, then their mean; else all columns in one.
        num_labels: Number of columns, if known already.
        label_weights: Weights of columns in the mean.
        from_logits: Whether predictions are logits.

    Raises:
        ArgumentError: An argument has no meaning.

    Example:
        >>> float(AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
        0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.curve = _one_of("curve", curve, ("ROC", "PR"), "AUC")
        self.summation_method = _one_of("summation_method", summation_method, _METHODS, "AUC")
        self._given_thresholds = None if thresholds is None else sorted(checked_thresholds(thresholds))
        inner = self._given_thresholds or even_thresholds(num_thresholds)[1:-1]
        # Just outside of [0, 1], so that a score of 0 is positive at the first threshold and 1 negative at the last.
        self.thresholds = [-epsilon(), *inner, 1.0 + epsilon()]
        self.num_thresholds = len(self.thresholds)
        self._even = is_even(self.thresholds)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else [float(w) for w in label_weights]
        self._from_logits = from_logits
        if num_labels and not multi_label:
            raise ArgumentError("`num_labels` needs multi_label=True.", where="AUC", received=num_labels)
        self._sums: Counts | None = None
        if not multi_label or num_labels:
            self._build(num_labels)

    def _build(self, labels: int | None) -> None:
        if self.label_weights is not None and labels is not None and len(self.label_weights) != labels:
            raise ShapeError(
                "One label weight a column is needed.",
                where=self.name,
                expected=labels,
                received=self.label_weights,
            )
        shape = (self.num_thresholds, labels) if self.multi_label else (self.num_thresholds,)
        self._sums = Counts(*(self.add_variable(shape, "zeros", name=name) for name in Counts._fields))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        mask = mask_of(y_pred)
        if self._from_logits:
            y_pred = ops.sigmoid(y_pred)
        if self.multi_label:
            y_pred = tensors(y_pred)[0]
            if len(shape_of(y_pred)) != 2:
                raise ShapeError(
                    "multi_label takes matrices.",
                    where=self.name,
                    expected="(B, L)",
                    received=show(shape_of(y_pred)),
                )
            if self._sums is None:
                self._build(shape_of(y_pred)[1])
        weighted = self.multi_label is False and self.label_weights is not None
        batch = batch_of(
            y_true,
            y_pred,
            self._column_weights(y_pred, sample_weight) if weighted else sample_weight,
            dtype=self.dtype,
            where=self.name,
            by_label=self.multi_label,
            mask=mask,
        )
        found = counts(batch, self.thresholds, self._even)
        assert self._sums is not None
        for variable, count in zip(self._sums, found, strict=True):
            variable.assign(ops.add(variable, count))

    def _column_weights(self, y_pred: Any, sample_weight: Any) -> Any:
        """Weights of columns where all columns count in one area."""
        y_pred = tensors(plain(y_pred))[0]
        columns = ops.broadcast_to(
            ops.convert_to_tensor(self.label_weights, dtype=self.dtype), shape_of(y_pred)
        )
        if sample_weight is None:
            return columns
        weight = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
        missing = len(shape_of(y_pred)) - len(shape_of(weight))
        return ops.multiply(columns, ops.reshape(weight, (*shape_of(weight), *[1] * missing)))

    def result(self) -> Any:
        if self._sums is None:
            return ops.zeros((), dtype=self.dtype)
        found = Counts(*(v.value for v in self._sums))
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = _interpolated_pr(found)
        else:
            areas = self._riemann(found)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        weights = ops.convert_to_tensor(self.label_weights, dtype=self.dtype)
        return ops.divide_no_nan(ops.sum(ops.multiply(areas, weights)), ops.sum(weights))

    def _riemann(self, found: Counts) -> Any:
        recall = _rate(found.true_positives, found.false_negatives)
        if self.curve == "ROC":
            x, y = _rate(found.false_positives, found.true_negatives), recall
        else:
            x, y = recall, _rate(found.true_positives, found.false_positives)
        before, after = _neighbours(y)
        if self.summation_method == "interpolation":
            heights = ops.multiply(ops.add(before, after), 0.5)
        else:
            heights = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(before, after)
        return ops.sum(ops.multiply(ops.subtract(*_neighbours(x)), heights), axis=0)

    def get_config(self) -> dict[str, Any]:
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self._from_logits,
        }
        if self._given_thresholds is not None:
            config["thresholds"] = self.thresholds[1:-1]
        return config


def _rate(part: Any, rest: Any) -> Any:
    return ops.divide_no_nan(part, ops.add(part, rest))


def _neighbours(x: Any) -> tuple[Any, Any]:
    """x without its last entry, and without its first."""
    number = shape_of(x)[0]
    return ops.take(x, range(number - 1), axis=0), ops.take(x, range(1, number), axis=0)


def _interpolated_pr(found: Counts) -> Any:
    """Area under the precision-recall curve with true positives linear in positives between thresholds.

    Davis and Goadrich 2006: precision is not linear there, so the middle of a step would be too optimistic.
    """
    hits, later_hits = _neighbours(found.true_positives)
    above, later_above = _neighbours(ops.add(found.true_positives, found.false_positives))
    _, later_missed = _neighbours(found.false_negatives)
    gained = ops.subtract(hits, later_hits)
    slope = ops.divide_no_nan(gained, ops.maximum(ops.subtract(above, later_above), 0.0))
    intercept = ops.subtract(later_hits, ops.multiply(slope, later_above))
    both = ops.logical_and(ops.greater(above, 0.0), ops.greater(later_above, 0.0))
    ratio = ops.where(both, ops.divide_no_nan(above, ops.maximum(later_above, 0.0)), 1.0)
    area = ops.multiply(slope, ops.add(gained, ops.multiply(intercept, ops.log(ratio))))
    positives = ops.maximum(ops.add(later_hits, later_missed), 0.0)
    return ops.sum(ops.divide_no_nan(area, positives), axis=0)


class _RateAtRate(Metric):
    """The best of one rate over the thresholds at which another reaches a value."""

    _argument: str

    def __init__(
        self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if not 0 <= value <= 1:
            raise ArgumentError(
                f"`{self._argument}` must lie in [0, 1].", where=type(self).__name__, received=value
            )
        if num_thresholds <= 0:
            raise ArgumentError(
                "`num_thresholds` must be > 0.", where=type(self).__name__, received=num_thresholds
            )
        self.value = value
        self.class_id = class_id
        self.num_thresholds = num_thresholds
        self.thresholds = [0.5] if num_thresholds == 1 else even_thresholds(num_thresholds)
        self._even = num_thresholds > 2
        self._sums = Counts(
            *(self.add_variable((len(self.thresholds),), "zeros", name=label) for label in Counts._fields)
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        batch = batch_of(
            y_true, y_pred, sample_weight, dtype=self.dtype, where=self.name, class_id=self.class_id
        )
        for variable, count in zip(self._sums, counts(batch, self.thresholds, self._even), strict=True):
            variable.assign(ops.add(variable, count))

    def _rates(self, found: Counts) -> tuple[Any, Any]:
        """The rate that must reach the value, and the rate wanted."""
        raise NotImplementedError

    def result(self) -> Any:
        reached, wanted = self._rates(Counts(*(v.value for v in self._sums)))
        return ops.max(ops.where(ops.greater_equal(reached, self.value), wanted, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
            self._argument: self.value,
        }


def _recall(found: Counts) -> Any:
    return _rate(found.true_positives, found.false_negatives)


def _specificity(found: Counts) -> Any:
    return _rate(found.true_negatives, found.false_positives)


def _precision(found: Counts) -> Any:
    return _rate(found.true_positives, found.false_positives)


class SensitivityAtSpecificity(_RateAtRate):
    """Best sensitivity (recall) at thresholds where specificity is at least `specificity`.

    Args:
        specificity: The value to be reached, in [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _argument = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def _rates(self, found: Counts) -> tuple[Any, Any]:
        return _specificity(found), _recall(found)


class SpecificityAtSensitivity(_RateAtRate):
    """Best specificity at thresholds where sensitivity (recall) is at least `sensitivity`.

    Args:
        sensitivity: The value to be reached, in [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.6666666865348816
    """

    _argument = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def _rates(self, found: Counts) -> tuple[Any, Any]:
        return _recall(found), _specificity(found)


class PrecisionAtRecall(_RateAtRate):
    """Best precision at thresholds where recall is at least `recall`.

    Args:
        recall: The value to be reached, in [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        0.5
    """

    _argument = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def _rates(self, found: Counts) -> tuple[Any, Any]:
        return _recall(found), _precision(found)


class RecallAtPrecision(_RateAtRate):
    """Best recall at thresholds where precision is at least `precision`.

    Args:
        precision: The value to be reached, in [0, 1].
        num_thresholds: How many thresholds are tried.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(RecallAtPrecision(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]))
        1.0
    """

    _argument = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def _rates(self, found: Counts) -> tuple[Any, Any]:
        return _precision(found), _recall(found)
