"""What `compile(loss=..., loss_weights=...)` means: one scalar from all outputs, and a tracker for each of several."""

from __future__ import annotations

from typing import Any

from kerasish import losses as losses_module
from kerasish.core import shapes, trees
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.metrics import Mean
from kerasish.training.structure import is_multiple, output_keys, pair_targets, spread


class CompiledLoss:
    """The loss of a model.

    Args:
        loss: A name, function, Loss; or a list or dict of them by output (None: that output has no loss).
        loss_weights: A number, or a list or dict of numbers by output.
        output_names: Names of the model's outputs, for dicts.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: list[str] | None = None) -> None:
        for name in trees.flatten(loss):
            if isinstance(name, str):
                losses_module.get(name)  # a misspelt name is an error of compile, not of the first step
        self.loss = loss
        self.loss_weights = loss_weights
        self.output_names = output_names
        self.built = False
        self.names: list[str] = []
        self.trackers: list[Any] = []
        #: The loss of each output, and the shapes of the outputs seen last.
        self.losses: list[Any] = []
        self.shapes: list[Any] = []
        self.structure: Any = None
        self._weights: list[float | None] = []

    def build(self, y_pred: Any) -> None:
        """Pair losses with outputs, whose structure is known now."""
        if y_pred is None:
            raise ArgumentError(
                "The model's `call` returned nothing, so that there is no loss.",
                expected="a tensor",
                received="None",
                hint="end call with `return outputs`",
            )
        self.names = output_keys(y_pred, self.output_names)
        chosen = spread(self.loss, y_pred, self.names, "loss")
        if len(self.names) == 1 and isinstance(self.loss, (list, tuple)):
            if len(self.loss) != 1:
                raise ArgumentError(
                    "A list of losses needs one entry for each output.",
                    where="compile",
                    expected=f"1 loss for {self.names}",
                    received=f"{len(self.loss)}",
                    hint="several losses of one output are one function that adds them",
                )
            chosen = [self.loss[0]]
        self.losses = [_as_loss(value) for value in chosen]
        weights = spread(self.loss_weights, y_pred, self.names, "loss_weights")
        for weight in weights:
            if weight is not None and not isinstance(weight, (int, float)):
                raise ArgumentError("Loss weights must be numbers.", where="compile", received=repr(weight))
        self._weights = weights
        if is_multiple(y_pred) and sum(loss is not None for loss in self.losses) > 1:
            self.trackers = [
                Mean(name=f"{n}_loss") for n, one in zip(self.names, self.losses, strict=True) if one
            ]
        self.built = True

    def __call__(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighted sum of all outputs' losses; None if no output has one."""
        if not self.built:
            self.build(y_pred)
        targets = pair_targets(y, y_pred, self.names)
        weights = spread(sample_weight, y_pred, self.names, "sample_weight")
        outputs = trees.flatten(y_pred)
        self.shapes = [shapes.opened(shape_of(output)) for output in outputs]
        self.structure = trees.map_structure(lambda _: None, y_pred)
        trackers = iter(self.trackers)
        total: Any = None
        for name, loss, factor, target, output, weight in zip(
            self.names, self.losses, self._weights, targets, outputs, weights, strict=True
        ):
            if loss is None:
                continue
            if target is None:
                raise ArgumentError(
                    f"The output {name!r} has a loss but no target.",
                    hint="pass y for it, or give it no loss in compile",
                )
            _check_pair(name if len(self.names) > 1 else "", target, output)
            value = loss(target, output, weight)
            tracker = next(trackers, None)
            if tracker is not None:  # shows the loss itself, whatever its share in the total
                tracker.update_state(
                    value, sample_weight=float(shape_of(output)[0] if shape_of(output) else 1)
                )
            if factor is not None:
                value = value * factor
            total = value if total is None else total + value
        return total


def _as_loss(value: Any) -> Any:
    if value is None or isinstance(value, losses_module.Loss):
        return value
    if isinstance(value, type) and issubclass(value, losses_module.Loss):
        return value()
    found = losses_module.get(value)
    if isinstance(found, losses_module.Loss):
        return found
    return losses_module.LossFunctionWrapper(found, name=getattr(found, "__name__", "loss"))


def _check_pair(name: str, target: Any, output: Any) -> None:
    if not shape_of(target) or not shape_of(output):
        return
    have, want = shape_of(target)[0], shape_of(output)[0]
    if not shapes.compatible(have, want) and 1 not in (have, want):
        raise ShapeError(
            f"Targets{' of ' + name if name else ''} and predictions have different batch sizes.",
            expected=f"{want} targets",
            received=f"{have}",
        )
