"""What callbacks that watch one number share: which number, and which way is better."""

from __future__ import annotations

import math
import warnings
from typing import Any

from kerasish.core.errors import ArgumentError


class MissingMonitorWarning(UserWarning):
    """A callback watches a name that the logs do not hold."""


class Monitor:
    """A name in the logs, and what counts as an improvement.

    Args:
        name: As in the logs: "val_loss".
        mode: "min", "max" or "auto": max for accuracies, AUC, F-scores, precision and recall; else min.
        min_delta: Smaller changes do not count.
        owner: Name of the callback, for messages.
    """

    def __init__(
        self, name: str, mode: str = "auto", min_delta: float = 0.0, owner: str = "callback"
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(
                "Unknown `mode`.", where=owner, expected="'auto', 'min' or 'max'", received=mode
            )
        self.name = name
        self.owner = owner
        if mode == "auto":
            bare = name.removeprefix("val_").lower()
            rising = bare.startswith(
                ("acc", "auc", "f1", "fbeta", "precision", "recall", "r2", "top_k")
            ) or any(
                part in bare
                for part in ("accuracy", "auc", "f1_score", "precision", "recall", "iou", "specificity")
            )
            mode = "max" if rising else "min"
        self.mode = mode
        self.min_delta = abs(min_delta)
        self._warned = False

    @property
    def worst(self) -> float:
        """What anything is better than."""
        return -math.inf if self.mode == "max" else math.inf

    def better(self, value: float, best: float) -> bool:
        """Whether `value` improves on `best` by more than `min_delta`."""
        if self.mode == "max":
            return value - self.min_delta > best
        return value + self.min_delta < best

    def read(self, logs: Any) -> float | None:
        """The number, or None with one warning if it is not there."""
        value = (logs or {}).get(self.name)
        if value is None and not self._warned:
            self._warned = True
            names = ", ".join(sorted(logs or {}))
            warnings.warn(
                f"{self.owner} watches {self.name!r}, which is not in the logs ({names}). "
                "Try: pass validation_data for names that begin with val_.",
                MissingMonitorWarning,
                stacklevel=3,
            )
        return value
