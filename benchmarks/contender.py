"""What a contender is to the worker, and the contender that runs `build(keras | kerasish)`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import build

Array = NDArray[np.generic]


class Contender(Protocol):
    """A trainable workload. Construction imports nothing new and builds nothing: `start` does."""

    def start(self, x: Array, y: Array) -> None:
        """Build, compile and train on one batch; return when the device is done."""

    def fit(self, x: Array, y: Array, epochs: int, on_epoch: Callable[[float], None]) -> None:
        """Train for `epochs` over reshuffled data; call `on_epoch(mean loss)` at the end of each, device idle."""

    def predict(self, x: Array) -> Array:
        """Return the outputs for all of `x`, computed in batches, as one NumPy array."""

    def count_params(self) -> int:
        """Return the number of weights, running statistics included."""


def batches(x: Array, y: Array, batch: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Yield one epoch of shuffled whole batches: the host side of every hand-written loop."""
    order = rng.permutation(len(x))
    for start in range(0, len(x) - batch + 1, batch):
        rows = order[start : start + batch]
        yield x[rows], y[rows]


class HighLevel:
    """Keras or kerasish, by the public API only."""

    def __init__(self, api: str, name: str, batch: int) -> None:
        self._k = importlib.import_module(api)
        self._name = name
        self._batch = batch
        self._model: Any = None

    def start(self, x: Array, y: Array) -> None:
        self._model = build(self._k, self._name)
        self._model.fit(x, y, batch_size=self._batch, epochs=1, verbose=0)
        self._wait()

    def fit(self, x: Array, y: Array, epochs: int, on_epoch: Callable[[float], None]) -> None:
        class Stamp(self._k.callbacks.Callback):  # type: ignore[misc, name-defined]
            def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
                on_epoch(float((logs or {})["loss"]))  # float(): the host waits for the device here

        self._model.fit(x, y, batch_size=self._batch, epochs=epochs, verbose=0, callbacks=[Stamp()])
        self._wait()

    def predict(self, x: Array) -> Array:
        return np.asarray(self._model.predict(x, batch_size=self._batch, verbose=0))

    def count_params(self) -> int:
        return int(self._model.count_params())

    def _wait(self) -> None:
        self._k.ops.convert_to_numpy(self._model.trainable_variables[0])
