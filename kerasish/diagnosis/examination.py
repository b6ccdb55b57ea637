"""One unit on all engines: run, compared with the reference, judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasish.core.contract import Engine
from kerasish.diagnosis.envelope import Deviation, Envelope
from kerasish.diagnosis.units import Feed, Outcome, Unit, evaluate
from kerasish.diagnosis.wide import running, wide_engine

#: Samples are added, once, when a deviation is more than this part of what is allowed: a few are a rough measure.
_MORE = 12
_CLOSE = 0.5


@dataclasses.dataclass
class Verdict:
    """What one engine made of a unit.

    Attributes:
        outcome: Its arrays; None if it failed.
        deviations: Those outside of their envelopes: results first, then gradients, the worst of each first.
        worst: The largest deviation of all, or None where there was none at all.
        error: What it raised, if it failed.
    """

    outcome: Outcome | None
    deviations: list[Deviation] = dataclasses.field(default_factory=list)
    worst: Deviation | None = None
    error: Exception | None = None

    @property
    def wrong(self) -> bool:
        """Whether the engine failed or left an envelope."""
        return self.error is not None or bool(self.deviations)


class Examination:
    """A unit on given arrays: the reference's results, their envelopes, and what engines make of it.

    Args:
        unit: The unit.
        feed: What it is run on.
        samples: Noisy runs of the reference to begin with; a suspicion is confirmed with more.
        seed: Of the noise.
        compiled: Whether engines compile the unit, as they do in training.
    """

    def __init__(self, unit: Unit, feed: Feed, *, samples: int, seed: int, compiled: bool) -> None:
        self.unit = unit
        self.feed = feed
        self.compiled = compiled
        #: Whether the cotangents are those that reach the unit, and not made up.
        self.real = False
        self._seed = seed
        self.reference = evaluate(unit, wide_engine(), feed)
        self._samples: list[Outcome] = []
        self._envelopes: dict[str, Envelope] = {}
        self._sample(samples)

    def _sample(self, count: int) -> None:
        for _ in range(count):
            noise = np.random.default_rng((self._seed, len(self._samples)))
            with running(noise=noise):
                self._samples.append(evaluate(self.unit, wide_engine(), self.feed))
        self._envelopes = {}

    def envelope(self, name: str) -> Envelope:
        """The envelope of a result or gradient."""
        if name not in self._envelopes:
            expected = arrays(self.reference)[name]
            samples = [a[name] for a in map(arrays, self._samples)]
            self._envelopes[name] = Envelope(expected, samples, self.reference.dtypes[name])
        return self._envelopes[name]

    def judge(self, engine: Engine, *, compiled: bool | None = None) -> Verdict:
        """Run the unit on an engine and compare."""
        try:
            found = evaluate(
                self.unit, engine, self.feed, compiled=self.compiled if compiled is None else compiled
            )
        except Exception as error:  # whatever an engine raises is a finding, not the end of the diagnosis
            return Verdict(None, error=error)
        verdict = self._compared(found)
        if verdict.worst is not None and verdict.worst.ratio > _CLOSE and 0 < len(self._samples) < _MORE:
            self._sample(_MORE)
            verdict = self._compared(found)
        return verdict

    def _compared(self, found: Outcome) -> Verdict:
        mine, theirs = arrays(self.reference), arrays(found)
        judged = [self.envelope(name).judge(name, theirs[name]) for name in mine if name in theirs]
        judged += [_missing(name, name in mine) for name in sorted(set(mine) ^ set(theirs))]
        deviations = sorted((d for d in judged if d is not None), key=lambda d: -d.ratio)
        outside = sorted((d for d in deviations if d.ratio >= 1.0), key=is_gradient)
        return Verdict(found, outside, deviations[0] if deviations else None)


def arrays(outcome: Outcome) -> dict[str, np.ndarray]:
    """Results and gradients of an outcome together."""
    return {**outcome.values, **outcome.gradients}


def _missing(name: str, expected: bool) -> Deviation:
    infinite, nothing = float("inf"), float("nan")
    what = f"{name}: {'missing' if expected else 'not expected'}"
    return Deviation(what, (), nothing, nothing, 0.0, infinite, infinite, infinite, infinite, 0, 0)


def is_gradient(deviation: Deviation) -> bool:
    """Whether a deviation is one of a gradient."""
    return deviation.quantity.startswith("gradient")


def feed_of(
    unit: Unit,
    inputs: Sequence[np.ndarray],
    keys: Mapping[int, np.ndarray],
    weights: Mapping[int, np.ndarray],
    cotangents: Sequence[np.ndarray] | None,
) -> Feed:
    """The arrays for a unit: its inputs, and those of its variables and generators, by id."""
    call = unit.call
    return Feed(
        list(inputs),
        [weights[id(v)] for v in call.variables],
        [keys[id(g)] for g, _ in call.generators],
        None if cotangents is None else list(cotangents),
    )


def has_nan(values: Sequence[Any]) -> bool:
    """Whether any float array holds a NaN."""
    return any(bool(np.isnan(np.asarray(v, np.float64)).any()) for v in values)
