"""How far rounding may take a result, and whether a result stays within that.

The envelope of an element comes from samples: the reference run again with rounding noise (`rounding`). A few samples
are a poor estimate of one element's spread, so it is mixed with the spread of its channel; no element is asked to be
more accurate than the roundings of the array's typical size.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kerasish.core import dtypes
from kerasish.core.convert import host_cast
from kerasish.diagnosis.rounding import unit

#: Largest deviation of an element, and of many elements in the root mean square, in units of their spread. In the
#: models of `benchmarks.diff_faults` healthy layers come to 11.8 and 1.9 over 60 seeds, where three samples make the
#: spread look small (suspicions are confirmed with more), else to 7.4 and 1.6.
WORST = 16.0
TYPICAL = 3.0
#: Roundings of the typical size that every element may be off by, as a spread.
_FLOOR = 1.0


@dataclasses.dataclass(frozen=True)
class Deviation:
    """A result that left its envelope, or the largest deviation within it.

    Attributes:
        quantity: "output", "gradient of dense/kernel" ...
        index: Of the worst element.
        expected, found: Its values, by the reference and by the engine.
        allowed: Largest deviation that the envelope allows there.
        ratio: Deviation in units of what is allowed; 1 and more is outside.
        max_error, mean_error: Over all elements.
        ulps: The worst element's error in units in the last place of the expected value.
        outside: Number of elements that are outside.
        size: Number of elements.
    """

    quantity: str
    index: tuple[int, ...]
    expected: float
    found: float
    allowed: float
    ratio: float
    max_error: float
    mean_error: float
    ulps: float
    outside: int
    size: int


class Envelope:
    """What rounding may do to one array.

    Args:
        expected: The reference's values, float64 (or integers).
        samples: The same with rounding noise.
        dtype: The declared dtype.
    """

    def __init__(self, expected: np.ndarray, samples: Sequence[np.ndarray], dtype: str) -> None:
        self.expected = expected
        self.dtype = dtype
        self.exact = not dtypes.is_float(dtype)
        self._samples = list(samples)
        self.spread = np.zeros(expected.shape) if self.exact else self._spread()

    def _spread(self) -> np.ndarray:
        inside = np.isfinite(host_cast(self.expected, self.dtype).astype(np.float64))
        expected = np.where(inside, self.expected, 0.0)
        squares = np.zeros(expected.shape)
        for sample in self._samples:
            moved = np.where(inside & np.isfinite(sample), sample, expected) - expected
            squares += moved * moved
        squares /= max(1, len(self._samples))
        pooled = squares.mean(axis=tuple(range(squares.ndim - 1)), keepdims=True) if squares.ndim else squares
        typical = float(np.sqrt(np.mean(expected * expected))) if expected.size else 0.0
        floor = _FLOOR * unit(self.dtype) * typical + smallest(self.dtype)
        return np.sqrt(0.5 * squares + 0.5 * pooled) + floor

    def around(self, expected: np.ndarray) -> Envelope:
        """The same width around other values."""
        other = Envelope.__new__(Envelope)
        other.expected = np.asarray(expected, np.float64) if not self.exact else expected
        other.dtype, other.exact, other._samples, other.spread = self.dtype, self.exact, [], self.spread
        return other

    def judge(self, quantity: str, found: np.ndarray) -> Deviation | None:
        """The deviation of an engine's result; None if it is nil."""
        if found.shape != self.expected.shape:
            return _misshapen(quantity, self.expected, found)
        if not found.size:
            return None
        return self._judge_exact(quantity, found) if self.exact else self._judge(quantity, found)

    def _judge_exact(self, quantity: str, found: np.ndarray) -> Deviation | None:
        """Integers and bools are equal, unless rounding decides about them."""
        unstable = np.zeros(found.shape, bool)
        for sample in self._samples:
            unstable |= sample != self.expected
        wrong = (found != self.expected) & ~unstable
        if not wrong.any():
            return None
        error = np.abs(found.astype(np.float64) - self.expected.astype(np.float64))
        return _deviation(
            quantity, error, np.where(wrong, np.inf, 0.0), self.expected, found, np.zeros(found.shape), ""
        )

    def _judge(self, quantity: str, found: np.ndarray) -> Deviation | None:
        wide = found.astype(np.float64)
        target = host_cast(self.expected, self.dtype).astype(np.float64)  # beyond the dtype's range: infinite
        same = (wide == target) | (np.isnan(wide) & np.isnan(target))
        with np.errstate(all="ignore"):
            error = np.where(same, 0.0, np.abs(wide - np.where(np.isfinite(target), self.expected, target)))
        error = np.where(np.isnan(error), np.inf, error)
        if not error.any():
            return None
        ratio = error / (WORST * self.spread)
        limit = TYPICAL + (WORST - TYPICAL) / np.sqrt(error.size)  # the fewer elements, the more chance
        typical = np.sqrt(np.mean(np.square(error))) / (limit * np.sqrt(np.mean(np.square(self.spread))))
        if typical > ratio.max():
            ratio = ratio * (typical / ratio.max())
        return _deviation(quantity, error, ratio, self.expected, found, WORST * self.spread, self.dtype)


def smallest(dtype: str) -> float:
    """What may be flushed to zero: the smallest normal number (float16 is computed in float32: a smaller one)."""
    info = np.finfo(dtypes.to_numpy(dtype)) if dtype != "bfloat16" else np.finfo(np.float32)
    return float(info.smallest_subnormal if dtype == "float16" else info.tiny)


def spacing(value: float, dtype: str) -> float:
    """The distance between neighbouring numbers of a dtype at a value."""
    magnitude = max(
        abs(value),
        float(np.finfo(np.float32).tiny)
        if dtype == "bfloat16"
        else float(np.finfo(dtypes.to_numpy(dtype)).tiny),
    )
    return float(2.0 ** np.floor(np.log2(magnitude))) * 2.0 * unit(dtype)


def _deviation(
    quantity: str,
    error: np.ndarray,
    ratio: np.ndarray,
    expected: np.ndarray,
    found: np.ndarray,
    allowed: np.ndarray,
    dtype: str,
) -> Deviation:
    at = np.unravel_index(int(np.argmax(ratio)), ratio.shape) if ratio.ndim else ()
    worst = float(error[at])
    value = float(expected[at])
    ulps = worst / spacing(value, dtype) if dtype and np.isfinite(worst) and np.isfinite(value) else worst
    finite = error[np.isfinite(error)]
    return Deviation(
        quantity,
        tuple(int(i) for i in at),
        value,
        float(found[at]),
        float(allowed[at]),
        float(ratio[at]),
        float(error.max()),
        float(finite.mean()) if finite.size else float("inf"),
        ulps,
        int(np.count_nonzero(ratio >= 1.0)),
        int(error.size),
    )


def _misshapen(quantity: str, expected: np.ndarray, found: np.ndarray) -> Deviation:
    infinite = float("inf")
    return Deviation(
        f"shape of {quantity}: {found.shape} instead of {expected.shape}",
        (),
        float("nan"),
        float("nan"),
        0.0,
        infinite,
        infinite,
        infinite,
        infinite,
        int(found.size),
        int(found.size),
    )
