"""How far a training has come, so that it can go on elsewhere: on another engine, in another process.

Weights, optimizer slots and the model's random streams are variables and generators, which move and are saved by
themselves. `Progress` is the rest: the epoch and batch to go on with, the key of the order of samples, the process-wide
random stream, what callbacks remember, and metrics of an epoch that is not over.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kerasish.core import trees
from kerasish.core.errors import SavingError
from kerasish.core.registry import use_backend
from kerasish.core.seeds import global_generator

_ARRAY = "__array__"


@dataclasses.dataclass
class Progress:
    """Where a training stands.

    Attributes:
        epoch: The epoch to go on with.
        batch: Batches of that epoch that are done.
        order: Key of the order of samples, two words; None if they are not shuffled.
        stream: State of the process-wide random generator.
        callbacks: What callbacks remember, by class and number: trees of numbers, strings, None and arrays.
        metrics: Values of the metrics' variables, if the epoch is not over.
        stopped: Whether somebody ended the training before its last epoch.
    """

    epoch: int = 0
    batch: int = 0
    order: list[int] | None = None
    stream: list[int] | None = None
    callbacks: dict[str, Any] = dataclasses.field(default_factory=dict)
    metrics: list[np.ndarray] = dataclasses.field(default_factory=list)
    stopped: bool = False

    def pack(self) -> tuple[dict[str, Any], list[np.ndarray]]:
        """As plain data and a list of arrays, to which `{"__array__": number}` in the data refers."""
        arrays: list[np.ndarray] = []

        def one(value: Any) -> Any:
            if isinstance(value, np.generic):
                return value.item()
            if not isinstance(value, np.ndarray):
                return value
            arrays.append(value)
            return {_ARRAY: len(arrays) - 1}

        return trees.map_structure(one, dataclasses.asdict(self)), arrays

    def resume_metrics(self, model: Any) -> None:
        """Set a model's metrics to those of the epoch that was interrupted."""
        variables = [v for metric in model.metrics for v in metric.variables]
        if len(variables) == len(self.metrics):
            for variable, value in zip(variables, self.metrics, strict=True):
                with use_backend(variable.engine):
                    variable.assign(value)

    @classmethod
    def unpack(cls, data: Any, arrays: list[np.ndarray]) -> Progress:
        """From what `pack` gave.

        Raises:
            SavingError: It is something else.
        """

        def one(value: Any) -> Any:
            if isinstance(value, dict):
                if set(value) == {_ARRAY}:
                    return arrays[value[_ARRAY]]
                return {key: one(item) for key, item in value.items()}
            return [one(item) for item in value] if isinstance(value, list) else value

        try:
            found = cls(**one(data))
            found.epoch, found.batch = int(found.epoch), int(found.batch)
            if not (isinstance(found.callbacks, dict) and isinstance(found.metrics, list)):
                raise TypeError("callbacks or metrics")
        except (TypeError, ValueError, IndexError) as error:
            raise SavingError(f"The record of the training cannot be read: {error}") from None
        return found


class Running:
    """A training in progress: where it stands now is asked for when something is saved.

    Args:
        model: The model being trained.
        source: Where its batches come from.
        notify: Its callbacks.
    """

    def __init__(self, model: Any, source: Any, notify: Any) -> None:
        self.epoch = 0
        self.batch = 0
        self._model = model
        self._source = source
        self._notify = notify

    def progress(self) -> Progress:
        """Where it stands now."""
        metrics = [v for metric in self._model.metrics for v in metric.variables] if self.batch else []
        return Progress(
            self.epoch,
            self.batch,
            self._source.shuffle_key(),
            [int(n) for n in global_generator().state],
            self._notify.states(),
            [np.array(v.numpy()) for v in metrics],
            bool(self._model.stop_training),
        )

    def resume(self, earlier: Progress) -> None:
        """Go on where `earlier` stood, of the same training elsewhere."""
        self.epoch, self.batch = earlier.epoch, earlier.batch
        self._source.resume(earlier.order, earlier.epoch)
        if earlier.stream is not None:
            global_generator().set_state(earlier.stream)
        self._notify.restore(earlier.callbacks)

    def stepped(self) -> None:
        """Note that a batch is done."""
        self.batch += 1
