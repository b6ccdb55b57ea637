"""Weights in a few bytes: a hash for equality, and a sketch whose distances estimate those of the weights.

The sketch is a count sketch (Charikar, Chen and Farach-Colton 2002): every weight gets a random sign and is added to
one of 128 buckets. For weights a, b: E |sketch(a) - sketch(b)|² = |a - b|², and the distance has a relative error of
about sqrt(2/128)/2 = 6 %. Signs depend on the position only: sketches of different processes and machines compare.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable

import numpy as np

from kerasish.comparison.records import Fingerprint

BUCKETS = 128
_CHUNK = 1 << 18


def fingerprint(weights: Iterable[np.ndarray]) -> Fingerprint:
    """The fingerprint of arrays, in their order.

    Example:
        >>> fingerprint([np.ones((3, 4), "float32")]).count
        12
    """
    digest = hashlib.sha256()
    total = _Total()
    for weight in weights:
        array = np.ascontiguousarray(weight)
        digest.update(repr((str(array.dtype), array.shape)).encode())
        digest.update(array.tobytes() if array.dtype.kind == "V" else array.view(np.uint8).data)
        flat = array.reshape(-1)
        for start in range(0, flat.size, _CHUNK):
            total.add(flat[start : start + _CHUNK].astype(np.float64))
    encoded = base64.b64encode(total.sketch.astype("<f8").tobytes()).decode()
    return Fingerprint(total.count, digest.hexdigest(), math.sqrt(total.square), total.nonfinite, encoded)


class _Total:
    """Sums over all weights so far. Weights come in chunks: the process's peak memory is being measured."""

    def __init__(self) -> None:
        self.sketch = np.zeros(BUCKETS)
        self.count = self.nonfinite = 0
        self.square = 0.0

    def add(self, chunk: np.ndarray) -> None:
        """Take numbers into account; a number's bucket is its position in the whole, modulo the number of buckets."""
        finite = np.isfinite(chunk)
        self.nonfinite += int(chunk.size - finite.sum())
        chunk[~finite] = 0.0
        self.square += float(chunk @ chunk)
        chunk *= _signs(self.count, chunk.size)
        offset = self.count % BUCKETS
        padded = np.zeros(math.ceil((offset + chunk.size) / BUCKETS) * BUCKETS)
        padded[offset : offset + chunk.size] = chunk
        self.sketch += padded.reshape(-1, BUCKETS).sum(axis=0)
        self.count += chunk.size


def _signs(start: int, count: int) -> np.ndarray:
    """+1 or -1 for positions from `start` on: the top bit of SplitMix64's mixing function (Steele et al. 2014)."""
    z = np.arange(start + 1, start + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return 1.0 - 2.0 * (z >> np.uint64(63)).astype(np.float64)


def distance(a: Fingerprint, b: Fingerprint) -> float | None:
    """The distance of two sets of weights relative to the length of `b`; None if they have different sizes.

    Zero means equal bit by bit. NaN: one of the two holds numbers that are not finite.
    """
    if a.sha256 == b.sha256:
        return 0.0
    if a.count != b.count:
        return None
    if a.nonfinite or b.nonfinite:
        return math.nan
    difference = _unpacked(a) - _unpacked(b)
    return float(np.sqrt(difference @ difference)) / max(b.norm, np.finfo(float).tiny)


def _unpacked(one: Fingerprint) -> np.ndarray:
    return np.frombuffer(base64.b64decode(one.sketch), "<f8")
