"""`ProgbarLogger`: how far training has come, where one can see it.

In a terminal and in notebooks: a bar that is redrawn a few times a second, with the rate, the time left and the numbers
so far. In a log file: one line an epoch. Numbers are read from the device only when the bar is redrawn.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from typing import Any, TextIO

from kerasish.training.callbacks.callback import Callback

_WIDTH = 20
_PERIOD = 0.2


class ProgbarLogger(Callback):
    """Shows progress; added by `fit`, `evaluate` and `predict` unless `verbose=0`.

    `verbose`: 1 a bar where the output can be redrawn, else a line an epoch; 2 a line an epoch; "auto" is 1.

    Example:
        >>> quiet = ProgbarLogger()  # model.fit(..., callbacks=[quiet]): in place of the one that is added
    """

    def __init__(self) -> None:
        super().__init__()
        self._phase = ""
        self._epoch: int | None = None
        self._training_values: dict[str, Any] = {}

    # -- epochs ----------------------------------------------------------------------------------------------------
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._start("fit")
        if self._draws:
            self._write(f"Epoch {epoch + 1}/{self.params.get('epochs', 1)}\n")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._finish(logs or {}, f"Epoch {epoch + 1}/{self.params.get('epochs', 1)} - ")
        self._epoch = None

    # -- evaluation ------------------------------------------------------------------------------------------------
    def on_test_begin(self, logs: Any = None) -> None:
        if self._epoch is None:
            self._start("evaluate")
        else:
            self._training_seconds = time.perf_counter() - self._began
            self._phase = "validating"

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._epoch is None:
            self._advance(batch, logs)
        elif self._draws and self._due():
            self._redraw(self._line(self._done, self._training_seconds, f"validating, batch {batch + 1}"))

    def on_test_end(self, logs: Any = None) -> None:
        if self._epoch is None:
            self._finish(logs or {}, "")

    # -- prediction ------------------------------------------------------------------------------------------------
    def on_predict_begin(self, logs: Any = None) -> None:
        self._start("predict")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch, None)

    def on_predict_end(self, logs: Any = None) -> None:
        self._finish({}, "")

    # -- drawing ---------------------------------------------------------------------------------------------------
    def _start(self, phase: str) -> None:
        self._phase = phase
        self._stream: TextIO = sys.stdout
        self._draws = self.params.get("verbose") != 2 and can_redraw(self._stream)
        self._began = self._last = time.perf_counter()
        self._training_seconds = 0.0
        self._done = 0
        self._drawn = 0
        self._first_step = 0.0
        self._phase = phase

    def _due(self) -> bool:
        now = time.perf_counter()
        if now - self._last < _PERIOD:
            return False
        self._last = now
        return True

    def _advance(self, batch: int, logs: Any) -> None:
        self._done = batch + 1
        if not self._first_step:
            self._first_step = time.perf_counter() - self._began
        if self._draws and self._due():
            self._redraw(self._line(self._done, time.perf_counter() - self._began, _values(logs)))

    def _line(self, done: int, seconds: float, tail: str) -> str:
        total = self._total()
        if total is None:
            head = f"{done} steps"
        else:
            digits = len(str(total))
            filled = min(_WIDTH, _WIDTH * done // max(total, 1))
            head = f"{done:>{digits}}/{total} {'━' * filled}{'─' * (_WIDTH - filled)}"
        # The first step holds the compilation: it counts in the elapsed time, not in the rate that the rest will go at.
        steady = (seconds - self._first_step) / (done - 1) if done > 1 else seconds
        left = "" if total is None or done >= total else f" {duration(steady * (total - done))} left"
        return f"{head}{left} {rate(steady)}" + (f" - {tail}" if tail else "")

    def _total(self) -> int | None:
        steps = self.params.get("steps")
        return None if self._phase == "evaluating" else steps

    def _redraw(self, line: str) -> None:
        columns = _columns()
        line = line if len(line) < columns else line[: columns - 2] + "…"
        self._write("\r" + line + " " * max(0, self._drawn - len(line)))
        self._drawn = len(line)

    def _finish(self, logs: Any, label: str) -> None:
        seconds = time.perf_counter() - self._began
        spent = self._training_seconds or seconds
        per_step = spent / max(self._done, 1)
        values = _values(logs)
        steps = f"{self._done} step" + "s" * (self._done != 1)
        facts = f"{steps} - {duration(seconds)} - {rate(per_step)}" + (f" - {values}" if values else "")
        if self._draws:
            total = self._total() or self._done
            head = f"{self._done}/{total} "
            rest = f"{duration(seconds)} {rate(per_step)}" + (f" - {values}" if values else "")
            # The last line stays on the screen, so it is given whole; before it wraps, the full bar gives way.
            room = _columns() - 2 - len(head) - len(rest)
            line = head + ("━" * min(room, _WIDTH) + " " if room > 0 else "") + rest
            self._write("\r" + line + " " * max(0, self._drawn - len(line)) + "\n")
        else:
            self._write(f"{label}{facts}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _columns() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def can_redraw(stream: Any) -> bool:
    """Whether a line written to `stream` can be overwritten: a terminal or a notebook."""
    if type(stream).__module__.startswith(("ipykernel", "google.colab")):
        return True
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty())


def duration(seconds: float) -> str:
    """A time span for people: 3s, 2:05, 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"


def rate(per_step: float) -> str:
    """Time a step in a unit that reads well."""
    if per_step <= 0 or not math.isfinite(per_step):
        return "0us/step"
    if per_step >= 1:
        return f"{per_step:.1f}s/step"
    if per_step >= 1e-3:
        return f"{per_step * 1e3:.0f}ms/step" if per_step >= 1e-2 else f"{per_step * 1e3:.1f}ms/step"
    return f"{per_step * 1e6:.0f}us/step"


def _values(logs: Any) -> str:
    parts = []
    for name, value in (logs or {}).items():
        if isinstance(value, (int, float)):
            small = value != 0 and abs(value) < 1e-3
            parts.append(f"{name}: {value:.4e}" if small else f"{name}: {value:.4f}")
    return " - ".join(parts)
