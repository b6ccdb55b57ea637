"""Schedules that lower the learning rate: exponentially, in pieces, by a polynomial, or along a cosine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, tensors
from kerasish.core.dtypes import is_float
from kerasish.core.errors import ArgumentError
from kerasish.optimizers.schedules.schedule import LearningRateSchedule, as_float, positive


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate · decay_rate^(step / decay_steps).

    Args:
        initial_learning_rate: At step 0.
        decay_steps: Steps in which the rate falls by the factor `decay_rate`.
        decay_rate: That factor, usually in (0, 1).
        staircase: Whether the exponent is rounded down, so that the rate falls in jumps.
        name: A label.

    Example:
        >>> round(float(ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)), 6)
        0.025
    """

    arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        positive("decay_steps", decay_steps, name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        exponent = p.divide(as_float(step), float(self.decay_steps))
        if self.staircase:
            exponent = p.floor(exponent)
        return p.multiply(p.power(float(self.decay_rate), exponent), float(self.initial_learning_rate))


class InverseTimeDecay(LearningRateSchedule):
    """initial_learning_rate / (1 + decay_rate · step / decay_steps).

    Args:
        initial_learning_rate: At step 0.
        decay_steps: The unit in which steps are counted.
        decay_rate: How fast the rate falls.
        staircase: Whether step / decay_steps is rounded down.
        name: A label.

    Example:
        >>> round(float(InverseTimeDecay(0.1, decay_steps=1, decay_rate=0.5)(2)), 6)
        0.05
    """

    arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        positive("decay_steps", decay_steps, name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        time = p.divide(as_float(step), float(self.decay_steps))
        if self.staircase:
            time = p.floor(time)
        return p.divide(
            float(self.initial_learning_rate), p.add(p.multiply(time, float(self.decay_rate)), 1.0)
        )


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] while boundaries[i − 1] < step ≤ boundaries[i].

    Args:
        boundaries: Increasing steps at which the rate changes.
        values: The rates: one more than boundaries.
        name: A label.

    Raises:
        ArgumentError: The two lengths do not fit.

    Example:
        >>> [round(float(PiecewiseConstantDecay([2], [1.0, 0.5])(step)), 6) for step in (2, 3)]
        [1.0, 0.5]
    """

    arguments = ("boundaries", "values", "name")

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ArgumentError(
                "One value more than boundaries is needed.",
                where=name,
                received=f"{len(boundaries)} boundaries and {len(values)} values",
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        step = tensors(step)[0]  # compared as it is: float32 cannot tell large integers apart
        number = float if is_float(dtype_of(step)) else math.floor
        rate = p.full(shape=(), value=float(self.values[-1]), dtype=floatx())
        for boundary, value in zip(reversed(self.boundaries), reversed(self.values[:-1]), strict=True):
            rate = p.where(p.less_equal(step, number(boundary)), float(value), rate)
        return rate


class PolynomialDecay(LearningRateSchedule):
    """(initial − end) · (1 − step / decay_steps)^power + end, constant from decay_steps on.

    Args:
        initial_learning_rate: At step 0.
        decay_steps: When the end is reached.
        end_learning_rate: The rate from then on.
        power: 1 is a straight line.
        cycle: Whether to start again with twice, three times ... as many steps each time the end is reached.
        name: A label.

    Example:
        >>> round(float(PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5)), 6)
        0.05
    """

    arguments = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        positive("decay_steps", decay_steps, name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        step = as_float(step)
        total = float(self.decay_steps)
        if self.cycle:
            rounds = p.maximum(p.ceil(p.divide(step, total)), 1.0)
            part = p.divide(step, p.multiply(rounds, total))
        else:
            part = p.divide(p.minimum(step, total), total)
        span = float(self.initial_learning_rate) - float(self.end_learning_rate)
        curve = p.power(p.subtract(1.0, part), float(self.power))
        return p.add(p.multiply(curve, span), float(self.end_learning_rate))


def _cosine(part: Tensor) -> Tensor:
    """From 1 at part = 0 down to 0 at part = 1."""
    return p.multiply(p.add(p.cos(p.multiply(part, math.pi)), 1.0), 0.5)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to alpha times it, after an optional linear warm-up.

    Without warm-up: initial · ((1 − alpha) · (1 + cos(π · step / decay_steps)) / 2 + alpha). With `warmup_target` the
    rate rises from the initial one to the target in `warmup_steps` steps, and falls from there.

    Args:
        initial_learning_rate: At step 0.
        decay_steps: Steps of the decay, warm-up not counted.
        alpha: The last rate, as a fraction of the first (of the target, with warm-up).
        name: A label.
        warmup_target: The rate to warm up to; None: no warm-up.
        warmup_steps: Steps of the warm-up.

    Example:
        >>> round(float(CosineDecay(0.1, decay_steps=10)(5)), 6)
        0.05
    """

    arguments = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        positive("decay_steps", decay_steps, name)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Tensor:
        step = as_float(step)
        first = float(self.initial_learning_rate)
        if self.warmup_target is None:
            return self._decayed(step, first)
        target, warmup = float(self.warmup_target), float(self.warmup_steps)
        after = p.subtract(step, warmup)
        falling = self._decayed(after, target)
        if not warmup:
            return falling
        rising = p.add(p.multiply(p.divide(step, warmup), target - first), first)
        return p.where(p.less(after, 0.0), rising, falling)

    def _decayed(self, step: Tensor, start: float) -> Tensor:
        total, alpha = float(self.decay_steps), float(self.alpha)
        curve = _cosine(p.divide(p.minimum(step, total), total))
        return p.multiply(p.add(p.multiply(curve, 1.0 - alpha), alpha), start)


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that starts again, each time over `t_mul` times as many steps from `m_mul` times the rate.

    Args:
        initial_learning_rate: At step 0.
        first_decay_steps: Steps of the first round.
        t_mul: Growth of the rounds' lengths.
        m_mul: Growth of the rates they start from.
        alpha: The last rate of the first round, as a fraction of the first.
        name: A label.

    Example:
        >>> [round(float(CosineDecayRestarts(0.1, first_decay_steps=10)(step)), 6) for step in (0, 5, 10, 20)]
        [0.1, 0.05, 0.1, 0.05]
    """

    arguments = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        positive("first_decay_steps", first_decay_steps, name)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        done = p.divide(as_float(step), float(self.first_decay_steps))  # in lengths of the first round
        growth = float(self.t_mul)
        if growth == 1.0:
            rounds = p.floor(done)
            part = p.subtract(done, rounds)
        else:  # the first r rounds take 1 + t + ... + t^(r-1) = (1 - t^r) / (1 - t)
            inner = p.subtract(1.0, p.multiply(done, 1.0 - growth))
            rounds = p.floor(p.multiply(p.log(inner), 1.0 / math.log(growth)))
            part = self._part(done, rounds)
            # At a restart the logarithm may round to just below an integer; then the round is complete.
            rounds = p.where(p.greater_equal(part, 1.0), p.add(rounds, 1.0), rounds)
            part = self._part(done, rounds)
        height = p.power(float(self.m_mul), rounds)
        curve = p.multiply(_cosine(part), height)
        alpha = float(self.alpha)
        return p.multiply(p.add(p.multiply(curve, 1.0 - alpha), alpha), float(self.initial_learning_rate))

    def _part(self, done: Tensor, rounds: Tensor) -> Tensor:
        growth = float(self.t_mul)
        length = p.power(growth, rounds)
        before = p.divide(p.subtract(1.0, length), 1.0 - growth)
        return p.divide(p.subtract(done, before), length)
