"""Epochs and batches. The loop knows nothing of models: it is handed a step, a source of batches and callbacks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any, Protocol

from kerasish.training.logs import LazyLogs


class Source(Protocol):
    """Batches of host arrays."""

    num_batches: int | None

    def iter_epoch(self, epoch: int) -> Iterator[Any]:
        """The batches of an epoch, `(x, y, sample_weight)` each."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class Interrupt:
    """Defers Ctrl-C to the end of the running step: no variable is caught half way. A second one acts at once."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def watching(self) -> Iterator[Interrupt]:
        """Watch SIGINT; does nothing outside of the main thread or where somebody else handles it."""
        default = signal.default_int_handler
        mine = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is default
        )
        if not mine:
            yield self
            return

        def note(_: int, __: FrameType | None) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True

        signal.signal(signal.SIGINT, note)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, default)

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.requested:
            raise KeyboardInterrupt


def run_batches(
    source: Source,
    step: Callable[[Any], None],
    *,
    epoch: int,
    limit: int | None,
    per_call: int,
    begin: Callable[[int], None],
    end: Callable[[int, LazyLogs], None],
    logs: Callable[[], dict[str, Any]],
    stop: Callable[[], bool],
    interrupt: Interrupt,
    skip: int = 0,
) -> int:
    """Feed an epoch's batches to `step`, `per_call` of them between notifications; returns how many there were.

    The first `skip` batches are left out: they were done before an interruption.
    """
    done = skip
    batches = islice(source.iter_epoch(epoch), skip, limit)
    while True:
        group = list(islice(batches, per_call)) if per_call > 1 else list(islice(batches, 1))
        if not group:
            return done
        begin(done)
        for batch in group:
            step(batch)
            done += 1
        end(done - 1, LazyLogs(logs))
        interrupt.check()
        if stop():
            return done
