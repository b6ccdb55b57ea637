"""What `compile(metrics=..., weighted_metrics=...)` means: metrics for each output, "accuracy" resolved by shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish import losses as losses_module
from kerasish import metrics as metrics_module
from kerasish.core import trees
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError
from kerasish.core.naming import to_snake_case
from kerasish.training.structure import along, is_deep, metric_labels, output_keys, pair_targets, spread


class CompiledMetrics:
    """The metrics of a model.

    Args:
        metrics: Names, functions or Metric objects; a list for all outputs, or lists by output.
        weighted_metrics: The same, fed with the sample weights.
        output_names: Names of the model's outputs, for dicts.
        loss: What was given to `compile(loss=...)`: decides what "accuracy" means where shapes do not.
    """

    def __init__(
        self, metrics: Any, weighted_metrics: Any, output_names: list[str] | None = None, loss: Any = None
    ) -> None:
        self.given = metrics
        self.given_weighted = weighted_metrics
        self.output_names = output_names
        self.loss = loss
        self.built = False
        self.names: list[str] = []
        self._labels: list[str] = []
        #: For each output: (metric, name in the logs, whether it is weighted).
        self.entries: list[list[tuple[Any, str, bool]]] = []

    @property
    def metrics(self) -> list[Any]:
        """All metric objects, each once."""
        found: list[Any] = []
        for entries in self.entries:
            for metric, _, _ in entries:
                if not any(metric is m for m in found):
                    found.append(metric)
        return found

    def build(self, y: Any, y_pred: Any) -> None:
        """Make the metrics now that shapes are known."""
        self.names = output_keys(y_pred, self.output_names)
        self._labels = metric_labels(y_pred, self.names, self.output_names)
        targets = pair_targets(y, y_pred, self.names) if y is not None else [None] * len(self.names)
        outputs = trees.flatten(y_pred)
        losses = spread(self.loss, y_pred, self.names, "loss")
        self.entries = [[] for _ in self.names]
        for given, weighted, label in (
            (self.given, False, "metrics"),
            (self.given_weighted, True, "weighted_metrics"),
        ):
            per_output = _lists_by_output(given, y_pred, self.names, label)
            for index, chosen in enumerate(per_output):
                for identifier in chosen:
                    metric, name = resolve(identifier, targets[index], outputs[index], losses[index])
                    self.entries[index].append((metric, self._label(name, index, weighted), weighted))
        self.built = True

    def _label(self, name: str, index: int, weighted: bool) -> str:
        label = name if len(self.names) == 1 else f"{self._labels[index]}_{name}"
        taken = {existing for entries in self.entries for _, existing, _ in entries}
        if weighted and label in taken:
            label = f"weighted_{label}"
        base, number = label, 1
        while label in taken:
            label, number = f"{base}_{number}", number + 1
        return label

    def update(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        if not self.built:
            self.build(y, y_pred)
        if not any(self.entries):
            return
        targets = pair_targets(y, y_pred, self.names)
        weights = spread(sample_weight, y_pred, self.names, "sample_weight")
        for entries, target, output, weight in zip(
            self.entries, targets, trees.flatten(y_pred), weights, strict=True
        ):
            if target is None:
                continue
            for metric, _, weighted in entries:
                if weighted and weight is not None:
                    metric.update_state(target, output, sample_weight=weight)
                else:
                    metric.update_state(target, output)

    def results(self) -> dict[str, Any]:
        """Name in the logs -> result so far."""
        found: dict[str, Any] = {}
        for entries in self.entries:
            for metric, label, _ in entries:
                value = metric.result()
                found.update(value if isinstance(value, dict) else {label: value})
        return found


def _lists_by_output(given: Any, y_pred: Any, names: list[str], what: str) -> list[list[Any]]:
    if given is None:
        return [[] for _ in names]
    if is_deep(y_pred) and (parts := along(given, y_pred, share=True)) is not None:
        return [_as_list(v) for v in parts]
    if isinstance(given, dict):
        return [_as_list(v) for v in spread(given, y_pred, names, what)]
    if not isinstance(given, (list, tuple)):
        raise ArgumentError(
            f"`{what}` must be a list or a dict.", where="compile", received=repr(given), hint=f"[{given!r}]"
        )
    if (
        len(names) > 1
        and len(given) == len(names)
        and any(isinstance(g, (list, tuple)) or g is None for g in given)
    ):
        return [_as_list(v) for v in given]
    if len(names) > 1 and len(given) == len(names) and trees.is_nested(y_pred):
        return [_as_list(v) for v in given]
    if len(names) > 1:
        raise ArgumentError(
            f"`{what}` needs one entry (a list) for each output.",
            expected=f"{len(names)}: {names}",
            received=given,
        )
    flat = [item for group in given for item in _as_list(group)]
    return [flat]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


_BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"),
    "crossentropy": ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
}
_ALIASES = {"acc": "accuracy", "ce": "crossentropy"}


def resolve(identifier: Any, y: Any, y_pred: Any, loss: Any = None) -> tuple[Any, str]:
    """A metric object, and the name it has in the logs.

    "accuracy" and "crossentropy" become their binary, sparse or categorical form: binary for one unit, sparse where the
    targets have one axis less (or a last axis of 1), else categorical.
    """
    if isinstance(identifier, metrics_module.Metric):
        return identifier, identifier.name
    if isinstance(identifier, str):
        lowered = identifier.lower()
        kinds = _BY_SHAPE.get(_ALIASES.get(lowered, lowered))
        if kinds is not None:
            metric = getattr(metrics_module, kinds[_kind(y, y_pred, loss)])(name=identifier)
            return metric, identifier
    found = metrics_module.get(identifier)
    if isinstance(found, type):
        found = found()
    if isinstance(found, metrics_module.Metric):
        return found, identifier if isinstance(identifier, str) else found.name
    name = (
        identifier
        if isinstance(identifier, str)
        else to_snake_case(getattr(found, "__name__", type(found).__name__))
    )
    return metrics_module.MeanMetricWrapper(_as_function(found), name=name), name


def _as_function(found: Any) -> Callable[..., Any]:
    if isinstance(found, losses_module.Loss):
        return found.call
    return found  # type: ignore[no-any-return]


def _kind(y: Any, y_pred: Any, loss: Any) -> int:
    predicted = shape_of(y_pred)
    if predicted and predicted[-1] == 1:
        return 0
    target = shape_of(y) if y is not None else predicted
    if len(target) < len(predicted) or (target and target[-1] == 1 and predicted[-1] > 1):
        return 1
    if loss in ("binary_crossentropy", "bce") or type(loss).__name__ == "BinaryCrossentropy":
        return 0
    return 2
