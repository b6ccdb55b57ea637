"""One pass over data: batches go through a step, checks before it, notifications around it, logs after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish.core.errors import DataError
from kerasish.training.callbacks import CallbackList
from kerasish.training.checks import Checks
from kerasish.training.loop import Interrupt, run_batches
from kerasish.training.resuming import Progress, Running


class Pass:
    """Training or evaluation of a model on one source of batches.

    Args:
        model: A compiled model.
        kind: "train" or "test".
        source: Where batches come from.
        limit: Batches a pass; None: all there are.
        interrupt: Asked between batches.
    """

    def __init__(self, model: Any, kind: str, source: Any, limit: int | None, interrupt: Interrupt) -> None:
        self.source = source
        self.interrupt = interrupt
        #: Batches a pass, if known.
        self.length: int | None = limit if limit is not None else source.num_batches
        self._model = model
        self._kind = kind
        self._limit = limit
        first = source.peek()
        model._prepare(kind, first)
        self._checks = Checks(model, source, first)
        self._overridden = model._gives_logs(kind)
        self._latest: Any = None

    def run(
        self,
        notify: CallbackList,
        epoch: int = 0,
        *,
        stepped: Callable[[], None] | None = None,
        earlier: Progress | None = None,
    ) -> dict[str, Any]:
        """Feed all batches; returns the logs as floats.

        Args:
            notify: Callbacks.
            epoch: Number of the epoch.
            stepped: Called after each step.
            earlier: An interrupted run of this epoch: its batches are left out, its metrics go on.
        """
        model, kind = self._model, self._kind
        model.reset_metrics()
        if earlier is not None:
            earlier.resume_metrics(model)
        step = model._step(kind)
        owned = getattr(self.source, "gives_away", False)

        def one(batch: Any) -> None:
            nonlocal step
            if step.engine is not model._engine_in_force():  # a callback has moved the model
                step = model._step(kind)
            self._checks.batch(batch)
            self._latest = step(batch, owned)
            if stepped is not None:
                stepped()

        count = run_batches(
            self.source,
            one,
            epoch=epoch,
            limit=self._limit,
            per_call=model.steps_per_execution,
            begin=getattr(notify, f"on_{kind}_batch_begin"),
            end=getattr(notify, f"on_{kind}_batch_end"),
            logs=self.logs,
            stop=lambda: model.stop_training if kind == "train" else model.stop_evaluating,
            interrupt=self.interrupt,
            skip=0 if earlier is None else earlier.batch,
        )
        expect_batches(count, "fit" if kind == "train" else "evaluate")
        return self.logs()

    def logs(self) -> dict[str, Any]:
        """Results so far. Waits for the device."""
        return self._model._read_logs(self._latest if self._overridden else None)  # type: ignore[no-any-return]


def train(
    run: Pass,
    notify: CallbackList,
    *,
    epochs: int,
    initial_epoch: int,
    validate: Callable[[int], dict[str, Any]],
) -> None:
    """Epochs of training, each followed by `validate(epoch)`, whose logs get the prefix `val_`."""
    model = run._model
    model.stop_training = False
    model._initial_epoch = initial_epoch
    running = Running(model, run.source, notify)
    before, model._progress = model._progress, running
    try:
        notify.on_train_begin()  # a callback may have restored an earlier training, and its place
        earlier = _resumed(running, model, before, initial_epoch)
        logs: dict[str, Any] = {}
        for epoch in range(model._initial_epoch, epochs):
            notify.on_epoch_begin(epoch)
            logs = run.run(notify, epoch, stepped=running.stepped, earlier=earlier)
            earlier = None
            run.source.on_epoch_end()
            logs.update({f"val_{name}": value for name, value in validate(epoch).items()})
            running.epoch, running.batch = epoch + 1, 0
            notify.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        if model.optimizer is not None and epochs > model._initial_epoch:
            model.optimizer.finalize_variable_values(model.trainable_variables)
        notify.on_train_end(logs)
    finally:
        model._progress = running.progress()


def _resumed(running: Running, model: Any, before: Any, initial_epoch: int) -> Progress | None:
    """Take up an earlier training, if this is its continuation; returns it if its epoch was not over.

    That is so where a callback restored a backup, and where `fit` begins with the very epoch that the training before
    it (in this process, or that of the file which the model was loaded from) would have come to next.
    """
    restored = model._restored
    model._restored = None
    if restored is not None:
        model._initial_epoch = restored.epoch
        running.resume(restored)
        return restored if restored.batch else None
    running.epoch = initial_epoch
    follows = isinstance(before, Progress) and before.epoch == initial_epoch and not before.batch
    if initial_epoch and follows and not before.stopped:
        running.resume(before)
    return None


def evaluate(run: Pass, notify: CallbackList) -> dict[str, Any]:
    """One pass of evaluation."""
    run._model.stop_evaluating = False
    notify.on_test_begin()
    logs = run.run(notify)
    notify.on_test_end(logs)
    return logs


def expect_batches(count: int, where: str) -> None:
    """Raise DataError if there was no batch."""
    if count == 0:
        raise DataError("The data held no batch.", where=where, hint="check that the data set is not empty")
