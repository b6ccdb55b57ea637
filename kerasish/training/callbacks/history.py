"""`History`: what `fit` returns."""

from __future__ import annotations

from typing import Any

from kerasish.training.callbacks.callback import Callback


class History(Callback):
    """The losses and metrics of each epoch.

    Attributes:
        history: Name -> list of values, one an epoch.
        epoch: The epochs recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
