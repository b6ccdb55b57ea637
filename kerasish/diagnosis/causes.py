"""The likely cause of a deviation: what the wrong numbers look like when held against the right ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.diagnosis.envelope import Deviation
from kerasish.diagnosis.examination import Examination, arrays
from kerasish.diagnosis.rounding import PRODUCTS
from kerasish.diagnosis.units import Unit, evaluate
from kerasish.diagnosis.wide import running, wide_engine

#: Formats that products are computed in when float32 was asked for -> bits after the leading one.
_SHORT_FORMATS = {"TF32": 10, "bfloat16": 7}
#: Said when nothing better fits.
VAGUE = "a different algorithm or a different constant"
_EPSILONS = tuple(float(10.0**e) for e in np.arange(-12.0, 0.0, 0.25))


@dataclasses.dataclass(frozen=True)
class Suspect:
    """One wrong array: as it should be, and as an engine made it."""

    examination: Examination
    deviation: Deviation
    expected: np.ndarray
    found: np.ndarray

    @property
    def unit(self) -> Unit:
        """The unit it came from."""
        return self.examination.unit

    @property
    def error(self) -> np.ndarray:
        """found − expected."""
        difference: np.ndarray = self.found - self.expected
        return difference

    def explains(self, other: np.ndarray, share: float = 0.1) -> bool:
        """Whether another array comes so close to what was found that only a share of the error remains."""
        with np.errstate(all="ignore"):
            return _size(self.found - other) < share * _size(self.error)


def likely_cause(examination: Examination, deviation: Deviation, found: dict[str, np.ndarray]) -> str:
    """A guess at why a result deviates, in a few words."""
    name = deviation.quantity
    if name not in found or name not in arrays(examination.reference):
        return "the result has another shape or structure"
    suspect = Suspect(
        examination,
        deviation,
        np.asarray(arrays(examination.reference)[name], np.float64),
        np.asarray(found[name], np.float64),
    )
    for guess in _GUESSES:
        text = guess(suspect)
        if text is not None:
            return text
    return VAGUE


def _size(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0


def _not_finite(s: Suspect) -> str | None:
    bad = ~np.isfinite(s.found) & np.isfinite(s.expected)
    if not bad.any():
        lost = np.isfinite(s.found) & ~np.isfinite(s.expected)
        return "a NaN or infinity of the reference is a number here" if lost.any() else None
    what = "NaN" if np.isnan(s.found[bad]).any() else "infinity"
    born = f"{what} born here: the inputs are finite ({int(bad.sum())} of {bad.size} elements)"
    peaks: list[tuple[float, str]] = []
    with running(peaks=peaks):
        evaluate(s.unit, wide_engine(), s.examination.feed)
    over = [(p, d) for p, d in peaks if dtypes.is_float(d) and p > _largest(d)]
    if over:
        peak, dtype = max(over)
        return f"{born}; an intermediate value reaches {peak:.1e}, which overflows {dtype}"
    return born


def _largest(dtype: str) -> float:
    return float(np.finfo(dtypes.to_numpy(dtype)).max) if dtype != "bfloat16" else 3.38e38


def _scaled(s: Suspect) -> str | None:
    power = float(np.sum(np.square(s.expected)))
    if power == 0.0 or s.expected.size < 2:
        return None
    factor = float(np.sum(s.found * s.expected)) / power
    return f"scaled by {factor:.6g}" if s.explains(factor * s.expected, 0.05) else None


def _offset(s: Suspect) -> str | None:
    shift = float(np.mean(s.error))
    if s.expected.size < 2 or not s.explains(s.expected + shift, 0.05):
        return None
    return f"off by the constant {shift:.6g}"


def _short_products(s: Suspect) -> str | None:
    if s.examination.reference.dtypes[s.deviation.quantity] != "float32":
        return None
    if s.unit.kind == "op" and s.unit.label not in PRODUCTS | {
        "dense",
        "attention",
        "lstm",
        "gru",
        "simple_rnn",
    }:
        return None
    for name, bits in _SHORT_FORMATS.items():
        with running(product_bits=bits):
            other = arrays(evaluate(s.unit, wide_engine(), s.examination.feed))[s.deviation.quantity]
        if s.explains(other, 0.6):
            return (
                f"products in {name} ({bits} bits) instead of float32: reduced precision or fast-math is on"
            )
    return None


def _another_epsilon(s: Suspect) -> str | None:
    found = _epsilon_of(s.unit)
    if found is None:
        return None
    present, changed = found

    def misfit(value: float) -> float:
        with changed(value):
            other = arrays(evaluate(s.unit, wide_engine(), s.examination.feed))[s.deviation.quantity]
        with np.errstate(all="ignore"):
            return _size(s.found - other)

    candidates = sorted({*_EPSILONS, *(present * f for f in (0.1, 0.5, 2.0, 10.0))})
    misfits = [misfit(value) for value in candidates]
    best = candidates[int(np.nanargmin(misfits))]
    for spread in (0.2, 0.05, 0.01):  # narrow down
        near = [best * (1.0 + spread * k) for k in range(-3, 4)]
        best = near[int(np.nanargmin([misfit(value) for value in near]))]
    if misfit(best) < 0.1 * _size(s.error):
        return f"epsilon is {best:.3g} instead of {present:.3g}"
    return None


def _epsilon_of(unit: Unit) -> tuple[float, Callable[[float], Any]] | None:
    """The unit's epsilon, and a context that changes it."""
    layer = unit.layer
    if layer is not None:
        value = getattr(layer, "epsilon", None)

        @contextmanager
        def on_layer(new: float) -> Iterator[None]:
            object.__setattr__(layer, "epsilon", new)
            try:
                yield
            finally:
                object.__setattr__(layer, "epsilon", value)

        return (float(value), on_layer) if isinstance(value, float) else None
    args, kwargs = unit.call.arguments
    value = kwargs.get("epsilon")

    @contextmanager
    def on_call(new: float) -> Iterator[None]:
        unit.call.arguments = (args, {**kwargs, "epsilon": new})
        try:
            yield
        finally:
            unit.call.arguments = (args, kwargs)

    return (float(value), on_call) if isinstance(value, float) else None


def _shifted(s: Suspect) -> str | None:
    for axis in range(s.expected.ndim):
        mine, theirs = (np.moveaxis(a, axis, 0) for a in (s.expected, s.found))
        for step in (1, -1, 2, -2):
            if len(mine) < 2 * abs(step) + 2:
                continue
            ahead, behind = (
                slice(max(step, 0), len(mine) + min(step, 0)),
                slice(max(-step, 0), len(mine) - max(step, 0)),
            )
            if _size(theirs[ahead] - mine[behind]) < 0.05 * _size(theirs[ahead] - mine[ahead]):
                return f"shifted by {step} along axis {axis}: padding or alignment of windows"
    return None


def _at_border(s: Suspect) -> str | None:
    limit = np.abs(s.error) > s.deviation.allowed
    share = float(limit.mean())
    if not 0.0 < share < 0.9:
        return None
    for axis in range(s.expected.ndim):
        size = s.expected.shape[axis]
        lines = np.moveaxis(limit, axis, 0).reshape(size, -1).any(axis=1)
        if size >= 4 and not lines[1:-1].any():
            return f"only at the border along axis {axis}: padding"
    if share < 0.01:
        return f"only {int(limit.sum())} of {limit.size} elements: ties, kinks or special values"
    return None


def _rule(s: Suspect) -> str | None:
    if not s.deviation.quantity.startswith("gradient"):
        return None
    relative = _relative(s)
    return f"the gradient's rule differs (by {relative:.1e} of its size); values are judged apart"


def _approximation(s: Suspect) -> str | None:
    relative = _relative(s)
    if 0.0 < relative < 1e-3:
        return f"a less accurate algorithm (relative error {relative:.1e}): approximation or fast-math"
    return None


def _relative(s: Suspect) -> float:
    size = _size(s.expected)
    return _size(s.error) / size if size else float("inf")


_GUESSES: tuple[Callable[[Suspect], str | None], ...] = (
    _not_finite,
    _scaled,
    _offset,
    _another_epsilon,
    _shifted,
    _at_border,
    _short_products,
    _rule,
    _approximation,
)
