"""Metrics that are counts of right and wrong decisions, and their simplest ratios: precision and recall."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.metrics.confusion import batch_of, checked_thresholds, counts, is_even
from kerasish.metrics.metric import Metric


class _Thresholded(Metric):
    """Adds up some of the four counts at given thresholds."""

    _kinds: tuple[str, ...]

    def __init__(
        self,
        thresholds: Any,
        name: str | None,
        dtype: Any,
        top_k: int | None = None,
        class_id: int | None = None,
        names: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        # With top_k every score that is left counts as positive.
        self.thresholds = (
            checked_thresholds(thresholds) if top_k is None or thresholds is not None else [-1e9]
        )
        self._even = is_even(self.thresholds)
        self._sums = {
            kind: self.add_variable((len(self.thresholds),), "zeros", name=label)
            for kind, label in zip(self._kinds, names or self._kinds, strict=True)
        }

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        batch = batch_of(
            y_true,
            y_pred,
            sample_weight,
            dtype=self.dtype,
            where=self.name,
            top_k=self.top_k,
            class_id=self.class_id,
        )
        found = counts(batch, self.thresholds, self._even)
        for kind, variable in self._sums.items():
            variable.assign(ops.add(variable, getattr(found, kind)))

    def _shown(self, values: Any) -> Any:
        """A single threshold's value as a scalar."""
        return ops.take(values, 0, axis=0) if len(self.thresholds) == 1 else values


class _Count(_Thresholded):
    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name, dtype, names=("accumulator",))

    def result(self) -> Any:
        (values,) = self._sums.values()
        return self._shown(values.value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Number (weight) of positives that score above the threshold.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(TruePositives()([0, 1, 1], [0.9, 0.9, 0.1]))
        1.0
    """

    _kinds = ("true_positives",)


class FalsePositives(_Count):
    """Number (weight) of negatives that score above the threshold.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(FalsePositives()([0, 1, 1], [0.9, 0.9, 0.1]))
        1.0
    """

    _kinds = ("false_positives",)


class TrueNegatives(_Count):
    """Number (weight) of negatives that do not score above the threshold.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(TrueNegatives()([0, 1, 1], [0.9, 0.9, 0.1]))
        0.0
    """

    _kinds = ("true_negatives",)


class FalseNegatives(_Count):
    """Number (weight) of positives that do not score above the threshold.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(FalseNegatives()([0, 1, 1], [0.9, 0.9, 0.1]))
        1.0
    """

    _kinds = ("false_negatives",)


class _Ratio(_Thresholded):
    """true_positives / (true_positives + the other count)."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, name, dtype, top_k, class_id)

    def result(self) -> Any:
        hits, others = self._sums.values()
        return self._shown(ops.divide_no_nan(hits.value, ops.add(hits, others)))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Ratio):
    """Share of predicted positives that are positive; 0 where nothing is predicted positive.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5. With logits: 0.
        top_k: Only the k largest scores of each sample can be positive.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 0.0]))
        0.5
    """

    _kinds = ("true_positives", "false_positives")


class Recall(_Ratio):
    """Share of positives that are predicted positive; 0 where there are none.

    Args:
        thresholds: A number in [0, 1] or several; default 0.5. With logits: 0.
        top_k: Only the k largest scores of each sample can be positive.
        class_id: Only this column counts.
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> round(float(Recall()([0, 1, 1, 1], [1.0, 0.0, 1.0, 0.0])), 4)
        0.3333
    """

    _kinds = ("true_positives", "false_negatives")
