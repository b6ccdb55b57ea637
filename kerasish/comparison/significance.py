"""What is more than noise: intervals of ratios between paired runs, and a permutation test between engines.

Nothing here knows of engines or files. Both methods are checked by simulation in `tests/comparison`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

#: Degrees of freedom -> the 97.5 % point of Student's t.
_T = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228, 12: 2.179,
    15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000,
}  # fmt: skip

#: Up to so many ways of dealing values to groups all are tried; above, as many are drawn.
MAX_EXACT = 100_000
DRAWS = 20_000


class Ratio(NamedTuple):
    """How much larger `b` is than `a`: estimate and 95 % interval over paired runs.

    Attributes:
        ratio: Geometric mean of b/a.
        low: Lower end; None with fewer than two pairs.
        high: Upper end; None with fewer than two pairs.
        pairs: How many pairs there are.
    """

    ratio: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 1 out: the difference exceeds the noise."""
        return self.low is not None and self.high is not None and not self.low <= 1.0 <= self.high


def paired_ratio(a: Sequence[float | None], b: Sequence[float | None]) -> Ratio | None:
    """Compare runs of the same rounds: Student's interval of the mean of log(b/a). None if no round has both.

    Pairs cancel what changes slowly from round to round, such as a machine that warms up.

    Example:
        >>> paired_ratio([1.0, 1.1, 1.0], [2.0, 2.2, 2.0]).ratio
        2.0
    """
    logs = [math.log(y / x) for x, y in zip(a, b, strict=True) if x and y]
    if not logs:
        return None
    mean = math.fsum(logs) / len(logs)
    if len(logs) < 2:
        return Ratio(math.exp(mean), None, None, 1)
    variance = math.fsum((x - mean) ** 2 for x in logs) / (len(logs) - 1)
    half = _t(len(logs) - 1) * math.sqrt(variance / len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), len(logs))


def _t(freedom: int) -> float:
    return _T[max(df for df in _T if df <= freedom)]


class Difference(NamedTuple):
    """Whether groups differ by more than their members do.

    Attributes:
        effect: Standard deviation of the groups' means over that within groups; infinite if groups do not vary.
        p_value: How often chance alone gives as large an effect.
        exact: Whether all ways of dealing the values to groups were tried.
        permutations: How many were tried.
    """

    effect: float
    p_value: float
    exact: bool
    permutations: int


def permutation_test(groups: Sequence[Sequence[float]], seed: int = 0) -> Difference | None:
    """Test whether the means of groups differ by more than chance: the variance between groups, under relabelling.

    Under the null hypothesis that group labels mean nothing, p-values are uniform (up to the steps of small samples).

    Args:
        groups: Values by group, two groups of two values at least.
        seed: Of the draws, where there are too many relabellings to try all.

    Returns:
        None where there is too little to compare, or a value is not finite.

    Example:
        >>> permutation_test([[1.0, 1.1, 1.2], [2.0, 2.1, 2.2]]).p_value
        0.1
    """
    sizes = [len(group) for group in groups]
    values = np.array([v for group in groups for v in group], float)
    if len(groups) < 2 or min(sizes, default=0) < 2 or not np.isfinite(values).all():
        return None
    centred = values - values.mean()
    observed = _between(centred[None], sizes)[0]
    total = math.factorial(len(values)) // math.prod(math.factorial(size) for size in sizes)
    exact = total <= MAX_EXACT
    orders = _all_deals(sizes) if exact else _drawn_deals(len(values), DRAWS, seed)
    # Equal values in another order may sum to another last bit.
    threshold = observed - 1e-9 * float(centred @ centred)
    tried = as_large = 0
    for block in orders:
        tried += len(block)
        as_large += int((_between(centred[block], sizes) >= threshold).sum())
    p_value = as_large / tried if exact else (as_large + 1) / (tried + 1)
    return Difference(_effect(centred, sizes), p_value, exact, tried)


def _between(values: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Sum of squares between groups, for each row of centred values."""
    edges = np.cumsum([0, *sizes[:-1]])
    return (np.add.reduceat(values, edges, axis=1) ** 2 / np.array(sizes)).sum(axis=1)


def _effect(centred: np.ndarray, sizes: Sequence[int]) -> float:
    parts = np.split(centred, np.cumsum(sizes)[:-1])
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / (len(centred) - len(sizes))
    between = float(np.var([part.mean() for part in parts], ddof=1))
    if within == 0:
        return math.inf if between else 0.0
    return math.sqrt(between / within)


def _all_deals(sizes: Sequence[int], block: int = 4096) -> Iterator[np.ndarray]:
    """Every way of dealing positions to groups of these sizes, a block of rows at a time."""

    def deals(left: tuple[int, ...], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
        if len(sizes) == 1:
            yield left
            return
        for chosen in itertools.combinations(left, sizes[0]):
            taken = set(chosen)
            rest = tuple(i for i in left if i not in taken)
            yield from (chosen + others for others in deals(rest, sizes[1:]))

    rows = deals(tuple(range(sum(sizes))), sizes)
    while chunk := list(itertools.islice(rows, block)):
        yield np.array(chunk)


def _drawn_deals(count: int, draws: int, seed: int, block: int = 2000) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, draws, block):
        yield np.argsort(rng.random((min(block, draws - start), count)), axis=1)
