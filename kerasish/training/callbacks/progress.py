"""`ProgbarLogger`: how far training has come."""

from __future__ import annotations

import sys
import time
from typing import Any

from kerasish.training.callbacks.callback import Callback


class ProgbarLogger(Callback):
    """Prints a line an epoch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self._epochs = self.params.get("epochs", 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self._start
        values = " - ".join(f"{k}: {v:.4f}" for k, v in (logs or {}).items())
        sys.stdout.write(f"Epoch {epoch + 1}/{self._epochs} - {seconds:.1f}s - {values}\n")
