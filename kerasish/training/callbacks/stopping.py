"""Callbacks that end training."""

from __future__ import annotations

import math
import sys
from typing import Any, ClassVar

import numpy as np

from kerasish.core.errors import NumericError
from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.monitor import Monitor


class EarlyStopping(Callback):
    """Stops when a number no longer improves.

    Args:
        monitor: Name in the logs.
        min_delta: Smaller changes do not count as improvements.
        patience: Epochs without improvement before stopping.
        verbose: 1 prints a line.
        mode: "min", "max" or "auto".
        baseline: The number must get better than this.
        restore_best_weights: Whether to go back to the weights of the best epoch.
        start_from_epoch: Epochs before this one are not watched.

    Example:
        >>> stop = EarlyStopping(patience=3, restore_best_weights=True)
    """

    remembered: ClassVar[tuple[str, ...]] = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.mode = mode
        self._watch = Monitor(monitor, mode, min_delta, "EarlyStopping")

    def on_train_begin(self, logs: Any = None) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self._watch.read(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._watch.better(value, self._watch.worst if self.best is None else self.best):
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._watch.better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            sys.stdout.write(f"Epoch {self.stopped_epoch + 1}: early stopping\n")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                sys.stdout.write(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.\n")
            self.model.set_weights(self.best_weights)


class TerminateOnNaN(Callback):
    """Stops when the loss is NaN or infinite.

    Args:
        raise_error: Whether to raise NumericError, rather than to end the training as if it were done.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> far = np.full((4, 1), 1e30)
        >>> history = model.fit(np.ones((4, 2)), far, epochs=5, verbose=0, callbacks=[TerminateOnNaN()])
        Batch 0: the loss is inf, training stops
        >>> len(history.epoch) < 5
        True
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            if self.raise_error:
                raise NumericError(
                    "The loss is no longer finite.",
                    where=f"fit, batch {batch}",
                    received=f"loss {loss}",
                    hint="a lower learning_rate, clipnorm=1.0, or scaled inputs",
                )
            sys.stdout.write(f"Batch {batch}: the loss is {loss}, training stops\n")
            self.model.stop_training = True
