"""Steps of training, compared: each from the same state, on every engine and on the reference.

A step takes the reference's state after the step before, rounded, so that the deviation of one step neither hides nor
fakes that of the next. Beside it every engine trains on by itself, which shows how far losses drift apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.core.contract import Engine
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import use_backend
from kerasish.core.seeds import global_generator
from kerasish.core.variable import Variable
from kerasish.diagnosis.envelope import Deviation, Envelope
from kerasish.diagnosis.wide import WideTensor, rounded, running, wide_engine
from kerasish.training.data import single_batch

Values = dict[int, np.ndarray]


@dataclasses.dataclass
class StepRow:
    """One step of training.

    Attributes:
        number: Counted from 1.
        losses: Engine -> loss, of engines that train on by themselves from the start.
        worst: Engine -> its largest deviation in this step alone, over all variables; None: no deviation.
        wrong: Engine -> what left its envelope in this step alone.
    """

    number: int
    losses: dict[str, float]
    worst: dict[str, Deviation | None]
    wrong: dict[str, list[Deviation]]

    def __str__(self) -> str:
        losses = ", ".join(f"{name} {loss:.9g}" for name, loss in self.losses.items())
        away = f"; differs: {', '.join(n for n, found in self.wrong.items() if found)}" if self.failed else ""
        return f"step {self.number}: loss {losses}{away}"

    @property
    def failed(self) -> bool:
        """Whether any engine left an envelope."""
        return any(self.wrong.values())


class Stepper:
    """Runs single steps of a model's training from given states. The model is as before afterwards.

    Args:
        model: A compiled, built model.
        x: Inputs, host arrays.
        y: Targets.
    """

    def __init__(self, model: Any, x: Any, y: Any) -> None:
        if not getattr(model, "compiled", False) or y is None:
            raise ArgumentError(
                "Steps of training need targets and a compiled model.",
                where="diff",
                hint="give y (--target y.npy), and model.compile(...) before saving",
            )
        self.model = model
        self._batch = single_batch(x, y)
        model._prepare("train", self._batch)
        self.variables: list[Variable] = model._state("train")
        self._generators = [*model.seed_generators, global_generator()]
        self._steps: dict[int, dict[Any, Any]] = {}

    def values(self) -> Values:
        """The state now, on the host."""
        return {id(v): np.array(v.numpy()) for v in self.variables}

    def streams(self) -> list[np.ndarray]:
        """Where the random streams stand."""
        return [g.state for g in self._generators]

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Put the model back as it was, whatever is done to it."""
        model, streams = self.model, self.streams()
        before = [(v, v._value, v.engine) for v in self.variables]
        values, cache = self.values(), model._steps
        try:
            yield
        finally:
            for variable, _, engine in before:
                # The old tensor may have been given away to a step: a new one is made.
                variable._value = engine.asarray(values[id(variable)], dtype=variable._dtype, device=None)
                variable.engine = engine
            self._wind(streams)
            model._steps = cache

    def _wind(self, streams: Sequence[np.ndarray]) -> None:
        for generator, state in zip(self._generators, streams, strict=True):
            generator.set_state(state)

    def step(self, engine: Engine, values: Values, streams: Sequence[np.ndarray]) -> tuple[Values, float]:
        """One step on an engine: the state afterwards, and the loss."""
        model = self.model
        for variable in self.variables:
            variable._value = engine.asarray(values[id(variable)], dtype=variable._dtype, device=None)
            variable.engine = engine
        self._wind(streams)
        model._steps = self._steps.setdefault(id(engine), {})
        with use_backend(engine):
            model.reset_metrics()
            model._step("train")(self._batch)
            loss = float(model._read_logs(None)["loss"])
        after = {
            id(v): v._value.value if isinstance(v._value, WideTensor) else v.numpy() for v in self.variables
        }
        return after, loss


def compare_steps(
    stepper: Stepper, engines: Sequence[Engine], count: int, *, samples: int, seed: int
) -> tuple[list[StepRow], Values]:
    """Steps until one deviates, at most `count`; and the state that the last of them began with (or ended with)."""
    with stepper.borrowed():
        shared, streams = stepper.values(), stepper.streams()
        alone = {engine.name: shared for engine in engines}
        rows: list[StepRow] = []
        for number in range(1, count + 1):
            row, after = _one(stepper, engines, shared, streams, number, samples, seed)
            for engine in engines:
                alone[engine.name], row.losses[engine.name] = stepper.step(
                    engine, alone[engine.name], streams
                )
            rows.append(row)
            if row.failed:
                break
            shared, streams = after, stepper.streams()
        return rows, shared


def _one(
    stepper: Stepper,
    engines: Sequence[Engine],
    state: Values,
    streams: Sequence[np.ndarray],
    number: int,
    samples: int,
    seed: int,
) -> tuple[StepRow, Values]:
    reference, _ = stepper.step(wide_engine(), state, streams)
    noisy = []
    for k in range(samples):
        with running(noise=np.random.default_rng((seed, number, k))):
            noisy.append(stepper.step(wide_engine(), state, streams)[0])
    row = StepRow(number, {}, {}, {})
    for engine in engines:
        found, _ = stepper.step(engine, state, streams)
        judged = _judged(stepper.variables, reference, noisy, found)
        row.worst[engine.name] = judged[0] if judged else None
        row.wrong[engine.name] = [d for d in judged if d.ratio >= 1.0]
    after = {id(v): rounded(reference[id(v)], v._dtype) for v in stepper.variables}
    return row, after


def _judged(
    variables: Sequence[Variable], reference: Values, noisy: Sequence[Values], found: Mapping[int, np.ndarray]
) -> list[Deviation]:
    """Deviations of all variables, worst first."""
    deviations = []
    for v in variables:
        key = id(v)
        envelope = Envelope(reference[key], [sample[key] for sample in noisy], v._dtype)
        deviations.append(envelope.judge(f"new value of {v.path}", found[key]))
    return sorted((d for d in deviations if d is not None), key=lambda d: -d.ratio)
