"""Callbacks that change the learning rate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from kerasish.core.errors import ArgumentError
from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.monitor import Monitor


def _rate(model: Any) -> float:
    return float(np.asarray(model.optimizer.learning_rate))


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    Args:
        schedule: `(epoch, rate) -> rate`, or `(epoch) -> rate`.
        verbose: 1 prints a line an epoch.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> halved = LearningRateScheduler(lambda epoch, rate: rate / 2)
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[halved])
        >>> round(float(model.optimizer.learning_rate), 6)
        0.0025
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise ArgumentError(
                "`schedule` must be a function.",
                where="LearningRateScheduler",
                received=repr(schedule),
                hint="lambda epoch, rate: rate * 0.9; a fixed rate belongs into the optimizer",
            )
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        try:
            rate = self.schedule(epoch, _rate(self.model))
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, int, np.floating, np.integer)):
            raise ArgumentError(
                "The schedule must return a number.", where="LearningRateScheduler", received=repr(rate)
            )
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            sys.stdout.write(f"\nEpoch {epoch + 1}: learning rate {float(rate):g}\n")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _rate(self.model)


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when a number no longer improves.

    Args:
        monitor: Name in the logs.
        factor: Between 0 and 1.
        patience: Epochs without improvement before reducing.
        verbose: 1 prints a line.
        mode: "min", "max" or "auto".
        min_delta: Smaller changes do not count.
        cooldown: Epochs to wait after a reduction.
        min_lr: Lower bound of the rate.

    Example:
        >>> slower = ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=5, min_lr=1e-5)
    """

    remembered: ClassVar[tuple[str, ...]] = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ArgumentError("`factor` must be below 1.", where="ReduceLROnPlateau", received=factor)
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.mode = mode
        self.min_lr = min_lr
        self.cooldown = cooldown
        self._watch = Monitor(monitor, mode, min_delta, "ReduceLROnPlateau")
        self._reset()

    def _reset(self) -> None:
        self.best = self._watch.worst
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _rate(self.model)
        value = self._watch.read(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._watch.better(value, self.best):
            self.best = value
            self.wait = 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        old = _rate(self.model)
        if old > np.float32(self.min_lr):
            new = max(old * self.factor, self.min_lr)
            self.model.optimizer.learning_rate = new
            if self.verbose:
                sys.stdout.write(f"\nEpoch {epoch + 1}: learning rate reduced to {new:g}\n")
            self.cooldown_counter = self.cooldown
            self.wait = 0
