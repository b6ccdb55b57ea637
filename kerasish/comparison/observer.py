"""Listens to the training of one process: what it takes and what comes of it, as events that can be written down.

The observer wraps `Model.fit` of one API (kerasish, or Keras itself) within this process, and adds a callback to
each fit. Where nothing is compared none of this is loaded: training costs what it costs.

Events are dicts: `built`, `fit` (a fit began and took its first step), `epoch`, `fitted`, `predict`. `assembled` makes
a `Run` of them.
"""

from __future__ import annotations

import functools
import inspect
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.comparison.building import BuildTimer
from kerasish.comparison.fingerprint import fingerprint
from kerasish.comparison.records import Epoch, Fingerprint, Run, Steps, to_json
from kerasish.core import trees
from kerasish.core.seeds import draws_portably
from kerasish.training.data import ArraySource, make_source
from kerasish.training.data.sources import take_rows

#: Seconds between two moments at which the device is waited for.
WINDOW = 0.1

Emit = Callable[[dict[str, Any]], None]


class Clock:
    """Seconds that pass, without those spent on observing."""

    def __init__(self) -> None:
        self._lost = 0.0

    def now(self) -> float:
        """The time."""
        return time.perf_counter() - self._lost

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time within the block does not count."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._lost += time.perf_counter() - start


class Windows:
    """Steps timed in stretches. A stretch ends when the device is waited for, at least `WINDOW` seconds after it began.

    Args:
        clock: The time.
        settle: Waits for the device.
    """

    def __init__(self, clock: Clock, settle: Callable[[Any], None]) -> None:
        self.found: list[tuple[int, int, float]] = []  # (epoch, steps, seconds)
        self.first: float | None = None  # when the first step had ended
        self._clock = clock
        self._settle = settle
        self.steps = 0
        self._epoch = 0
        self._unsettled = 0
        self._since: float | None = None

    def open(self, epoch: int) -> None:
        """An epoch begins."""
        self._epoch = epoch
        self._unsettled = 0
        self._since = self._clock.now()

    def step(self, logs: Any, steps: int = 1) -> None:
        """Steps were taken."""
        if self.first is None:  # the very first step: it is no steady one, whatever it took
            self._settle(logs)
            self.first = self._clock.now()
            self.steps = steps
            self.open(self._epoch)
            return
        self.steps += steps
        self._unsettled += steps
        if self._since is not None and self._clock.now() - self._since >= WINDOW:
            self._settle(logs)
            self._end()

    def close(self) -> None:
        """The epoch's training is over (losses have been read, so the device is idle)."""
        if self._unsettled and self._since is not None:
            self._end()
        self._since = None

    def _end(self) -> None:
        now = self._clock.now()
        assert self._since is not None
        self.found.append((self._epoch, self._unsettled, now - self._since))
        self._unsettled, self._since = 0, now


class FitWatch:
    """One call of `fit`, as its callback sees it.

    Args:
        model: The model.
        number: Which model of the process it is.
        clock: The time.
        settle: Waits for the device; takes a batch's logs.
        emit: Takes events.
    """

    def __init__(
        self, model: Any, number: int, clock: Clock, settle: Callable[[Any], None], emit: Emit
    ) -> None:
        self.number = number
        self._model = model
        self._clock = clock
        self._emit = emit
        self._begun = clock.now()
        self._windows = Windows(clock, settle)
        self._epoch = 0
        self._last_batch = -1
        self._initial: Fingerprint | None = None

    def train_begin(self) -> None:
        """Weights exist (but for models that are built by their first batch)."""
        with self._clock.stopped():
            self._initial = fingerprint_of(self._model)

    def epoch_begin(self, epoch: int) -> None:
        """An epoch begins."""
        self._epoch, self._last_batch = epoch, -1
        self._windows.open(epoch)

    def batch_end(self, batch: int, logs: Any) -> None:
        """A step, or as many as are run at once, has ended."""
        was_first = self._windows.first is None
        self._windows.step(logs, batch - self._last_batch)
        self._last_batch = batch
        if was_first and self._windows.first is not None:
            self._emit({
                "event": "fit",
                "model": self.number,
                "first_step_s": self._windows.first - self._begun,
                "initial": to_json(self._initial),
            })  # fmt: skip

    def training_paused(self) -> None:
        """Validation begins, or the epoch ends."""
        self._windows.close()

    def epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """An epoch has ended, validation included."""
        self._windows.close()
        seconds = self._clock.now() - self._begun
        with self._clock.stopped():
            numbers = {name: float(v) for name, v in logs.items() if np.ndim(v) == 0}
            self._emit(
                {
                    "event": "epoch",
                    "model": self.number,
                    "epoch": epoch + 1,
                    "seconds": seconds,
                    "logs": to_json(numbers),
                }
            )

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self._windows.steps

    def fitted(self) -> None:
        """The fit is over."""
        with self._clock.stopped():
            self._emit({
                "event": "fitted",
                "model": self.number,
                "steps": self.steps,
                "windows": self._windows.found,
                "final": to_json(fingerprint_of(self._model)),
            })  # fmt: skip


def callback_for(api: Any, watch: FitWatch) -> Any:
    """A callback of that API which tells `watch`."""

    class Observer(api.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_begin(self, logs: Any = None) -> None:
            watch.train_begin()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            watch.epoch_begin(epoch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            watch.batch_end(batch, logs)

        def on_test_begin(self, logs: Any = None) -> None:
            watch.training_paused()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            watch.epoch_end(epoch, logs or {})

    return Observer()


class Observer:
    """Observes every `fit` of an API in this process.

    Args:
        api: The module: kerasish or keras.
        emit: Takes events.
        epochs: Train for so many epochs whatever the script says; None: as it says.
        timer: Times the making of models; stopped by the first fit.
    """

    def __init__(
        self, api: Any, emit: Emit, epochs: int | None = None, timer: BuildTimer | None = None
    ) -> None:
        self.clock = Clock()
        self._api = api
        self._emit = emit
        self._epochs = epochs
        self._timer = timer
        self._fit = api.Model.fit
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._steps: dict[int, int] = {}
        self._subject: tuple[int, Any, Sample] | None = None

    def install(self) -> None:
        """Wrap `Model.fit` from here on."""
        observe = self.fit

        @functools.wraps(self._fit)
        def observed(model: Any, *args: Any, **kwargs: Any) -> Any:
            return observe(model, *args, **kwargs)

        self._api.Model.fit = observed

    def fit(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        """`model.fit(...)`, observed, without a progress bar."""
        if self._timer is not None:
            self._timer.stop()
            self._emit({"event": "built", "seconds": self._timer.seconds})
            self._timer = None
        number = self._numbers.setdefault(model, len(self._numbers))
        watch = FitWatch(model, number, self.clock, _settler(model), self._emit)
        bound = inspect.signature(self._fit).bind(model, *args, **kwargs)
        options = bound.arguments
        if self._epochs is not None:
            options["epochs"] = options.get("initial_epoch", 0) + self._epochs
        options["callbacks"] = _with(options.get("callbacks"), callback_for(self._api, watch))
        options["verbose"] = 0
        result = self._fit(*bound.args, **bound.kwargs)
        watch.fitted()
        self._steps[number] = self._steps.get(number, 0) + watch.steps
        # One model is kept for `finish`, that of most steps: a search over many must not pile up in memory.
        if self._subject is None or self._steps[number] >= self._steps[self._subject[0]]:
            self._subject = (number, model, Sample(options))
        return result

    def finish(self, seconds: float = 0.5) -> None:
        """Measure prediction on a batch of what the model was fitted on; called when the script is over."""
        if self._subject is None:
            return
        number, model, sample = self._subject
        batch, size = sample.batch()
        event: dict[str, Any] = {"event": "predict", "model": number, "batch_size": size}
        if batch is not None:
            event |= _predict_times(model, batch, seconds)
        facts = {"device": device_of(model), "engine": engine_name(model), "portable": drew_portably(model)}
        self._emit(event | facts)


class Sample:
    """Enough of the data of a `fit` to know how many samples a step has, and to predict on a batch of it.

    Args:
        options: The arguments of `fit`.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._x = options.get("x")
        self._y = options.get("y")
        self._batch_size = options.get("batch_size")
        self._split = options.get("validation_split") or 0.0

    def batch(self) -> tuple[Any, float | None]:
        """(inputs of a batch, samples a step): (None, None) for generators, which would lose what is taken."""
        if self._x is None or hasattr(self._x, "__next__"):
            return None, None
        source = make_source(self._x, self._y, batch_size=self._batch_size)
        batch = source.peek()[0]
        rows = _rows(batch)
        if isinstance(source, ArraySource):
            count = int(source.size * (1.0 - self._split))
            rows = min(source.batch_size, count)
            return take_rows(batch, slice(0, rows)), count / -(-count // rows)
        return batch, None if rows is None else float(rows)


def _rows(batch: Any) -> int | None:
    return next((int(leaf.shape[0]) for leaf in trees.flatten(batch) if np.ndim(leaf)), None)


def _predict_times(model: Any, batch: Any, seconds: float) -> dict[str, Any]:
    """Median milliseconds of `predict_on_batch`, after a warm-up."""
    for _ in range(3):
        model.predict_on_batch(batch)
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 10 or (time.perf_counter() < until and len(times) < 1000):
        start = time.perf_counter()
        model.predict_on_batch(batch)
        times.append(time.perf_counter() - start)
    return {"predict_ms": float(np.median(times)) * 1e3, "predict_batch": _rows(batch)}


def fingerprint_of(model: Any) -> Fingerprint | None:
    """The fingerprint of a model's weights; None before they exist."""
    return fingerprint(np.asarray(w.numpy()) for w in model.weights) if model.built else None


def device_of(model: Any) -> str | None:
    """Where the model's weights are: "cpu:0", "gpu:0"."""
    weight = next(iter(model.weights), None)
    if weight is None:
        return None
    engine = getattr(model, "engine", None)
    if engine is not None:
        return str(engine.device_of(weight.value))
    place = str(getattr(weight.value, "device", "")).lower()
    kind = "gpu" if "gpu" in place or "cuda" in place else "cpu"
    index = place.rpartition(":")[2]
    return f"{kind}:{index if index.isdigit() else 0}"


def engine_name(model: Any) -> str | None:
    """The engine a model was built on; None for models of real Keras, whose engine is the process's."""
    return getattr(getattr(model, "engine", None), "name", None)


def drew_portably(model: Any) -> bool | None:
    """Whether training drew the numbers that every engine draws; None where it drew none, or nobody knows."""
    _, step = getattr(model, "_steps", {}).get("train", (None, None))
    device = device_of(model)
    if getattr(step, "draws", 0) == 0 or device is None:
        return None
    return draws_portably(model.engine, device)


def _settler(model: Any) -> Callable[[Any], None]:
    """How to wait until the model's last step is computed."""

    def settle(logs: Any) -> None:
        engine = getattr(model, "engine", None)
        variables = model.trainable_variables
        if engine is not None and variables:
            engine.synchronize([variables[0]._value])
        else:  # real Keras: reading a loss waits for it
            float((logs or {}).get("loss", 0.0))

    return settle


def _with(callbacks: Any, callback: Any) -> Any:
    """The callbacks and ours before them: what theirs do at the end of an epoch is no training."""
    if callbacks is None:
        return [callback]
    if hasattr(callbacks, "append") and not isinstance(
        callbacks, list
    ):  # a CallbackList takes it at its end only
        callbacks.append(callback)
        return callbacks
    return [callback, *callbacks] if isinstance(callbacks, (list, tuple)) else [callback, callbacks]


# -- from events to a run ----------------------------------------------------------------------------------------------
def assembled(run: Run, events: list[dict[str, Any]]) -> Run:
    """Fill a run from its events. Of several models, the one trained for the most steps is meant."""
    by_model: dict[int, int] = {}
    for event in events:
        if event["event"] == "fitted":
            by_model[event["model"]] = by_model.get(event["model"], 0) + event["steps"]
    if not by_model:
        return run
    subject = max(by_model, key=lambda number: by_model[number])
    passed = 0.0
    windows: list[tuple[int, int, float]] = []
    for event in (e for e in events if e.get("model") == subject):
        kind = event["event"]
        if kind == "fit" and run.fits == 0:
            run.first_step_s = event["first_step_s"]
            run.initial = _fingerprint(event["initial"])
        elif kind == "epoch":
            run.epochs.append(Epoch(len(run.epochs) + 1, passed + event["seconds"], event["logs"]))
        elif kind == "fitted":
            run.fits += 1
            passed = run.epochs[-1].seconds if run.epochs else 0.0
            offset = 1_000_000 * run.fits  # epochs of a second fit are no first epochs
            windows += [(offset * (run.fits > 1) + epoch, n, s) for epoch, n, s in event["windows"]]
            run.final = _fingerprint(event["final"])
            run.parameters = run.final.count if run.final else None
        elif kind == "predict":
            run.batch_size = event.get("batch_size")
            run.predict_ms, run.predict_batch = event.get("predict_ms"), event.get("predict_batch")
            run.device, run.portable_randomness = event["device"], event["portable"]
    run.steps = steady(windows)
    if run.steps and run.batch_size:
        run.samples_per_s = run.batch_size / run.steps.median_ms * 1e3
    return run


def _fingerprint(data: dict[str, Any] | None) -> Fingerprint | None:
    return None if data is None else Fingerprint(**data)


def steady(windows: list[tuple[int, int, float]]) -> Steps | None:
    """Milliseconds a step over (epoch, steps, seconds): without the first epoch, if there are others."""
    if not windows:
        return None
    first = min(epoch for epoch, _, _ in windows)
    later = [w for w in windows if w[0] != first] or windows
    counts = np.array([n for _, n, _ in later], float)
    times = np.array([s / n * 1e3 for _, n, s in later])
    low, median, high = (weighted_quantile(times, counts, q) for q in (0.25, 0.5, 0.75))
    return Steps(int(counts.sum()), len(later), median, low, high)


def weighted_quantile(values: np.ndarray, weights: np.ndarray, q: float) -> float:
    """The value below which a fraction `q` of the weight lies, interpolated.

    Example:
        >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), np.ones(3), 0.5)
        2.0
    """
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    centres = (np.cumsum(weights) - weights / 2) / weights.sum()
    return float(np.interp(q, centres, values))
