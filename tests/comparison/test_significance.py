"""The statistics, checked by simulation: how often they cry wolf, and how often they see one."""

import itertools
import math

import numpy as np
import pytest

from kerasish.comparison.significance import Ratio, paired_ratio, permutation_test


def noisy_times(rng, rounds, factor=1.0, noise=0.03):
    """Times of two contenders over rounds whose speed drifts for both alike."""
    drift = np.exp(rng.normal(0, 0.2, rounds))
    a, b = (drift * np.exp(rng.normal(0, noise, rounds)) for _ in range(2))
    return list(a), list(b * factor)


@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_equal_contenders_are_ranked_in_one_case_of_twenty(rounds):
    rng = np.random.default_rng(rounds)
    wrong = np.mean([paired_ratio(*noisy_times(rng, rounds)).decided for _ in range(4000)])
    assert wrong == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("rounds", "factor", "least"), [(3, 1.3, 0.9), (5, 1.15, 0.95), (10, 1.06, 0.95)])
def test_a_real_lead_is_seen_through_the_drift(rounds, factor, least):
    rng = np.random.default_rng(1)
    seen = np.mean([paired_ratio(*noisy_times(rng, rounds, factor)).decided for _ in range(500)])
    assert seen >= least


def test_ratio_covers_the_truth():
    rng = np.random.default_rng(2)
    found = [paired_ratio(*noisy_times(rng, 4, factor=1.5)) for _ in range(3000)]
    assert np.mean([r.low <= 1.5 <= r.high for r in found]) == pytest.approx(0.95, abs=0.012)


def test_ratio_takes_rounds_that_both_ran():
    assert paired_ratio([1.0, None, 2.0], [2.0, 3.0, 4.0]) == pytest.approx((2.0, 2.0, 2.0, 2))
    assert paired_ratio([1.0, None], [None, 1.0]) is None


def test_one_pair_decides_nothing():
    found = paired_ratio([1.0], [5.0])
    assert found == Ratio(pytest.approx(5.0), None, None, 1)
    assert not found.decided


# -- permutation test --------------------------------------------------------------------------------------------------
def p_values(draw, times, seed):
    rng = np.random.default_rng(seed)
    return np.array([permutation_test(draw(rng), seed=i).p_value for i in range(times)])


@pytest.mark.parametrize("sizes", [(4, 4), (3, 3, 3), (2, 4, 3)])
def test_p_is_uniform_where_all_deals_are_tried(sizes):
    p = p_values(lambda rng: [list(rng.normal(size=n)) for n in sizes], 600, 3)
    for level in (0.1, 0.25, 0.5, 0.75):
        # p takes steps: at a value it can take, it lies at or below it with just that probability.
        reachable = p[p <= level].max()
        assert np.mean(p <= reachable) == pytest.approx(reachable, abs=0.06)


def test_p_is_uniform_where_deals_are_drawn(monkeypatch):
    monkeypatch.setattr("kerasish.comparison.significance.MAX_EXACT", 10)
    monkeypatch.setattr("kerasish.comparison.significance.DRAWS", 400)
    p = p_values(lambda rng: [list(rng.exponential(size=5)) for _ in range(3)], 600, 4)
    for level in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(p <= level) == pytest.approx(level, abs=0.06)


def test_p_is_small_where_groups_differ():
    def draw(rng):
        return [list(rng.normal(shift, 1.0, 6)) for shift in (0.0, 0.0, 2.5)]

    assert np.mean(p_values(draw, 60, 5) < 0.05) > 0.9


def test_engines_that_share_their_seeds_never_differ_more_than_seeds():
    rng = np.random.default_rng(6)
    for _ in range(50):  # one curve for all engines, up to rounding
        seeds = rng.normal(size=5)
        found = permutation_test([list(seeds + rng.normal(0, 1e-7, 5)) for _ in range(4)])
        assert found.p_value > 0.9
        assert found.effect < 1e-6


def test_exact_p_is_what_trying_every_deal_by_hand_gives():
    groups = [[1.0, 4.0, 2.0], [5.0, 3.0, 9.0]]
    values = groups[0] + groups[1]

    def gap(chosen):
        left = [values[i] for i in chosen]
        right = [v for i, v in enumerate(values) if i not in chosen]
        return abs(np.mean(left) - np.mean(right))

    deals = list(itertools.combinations(range(6), 3))
    by_hand = np.mean([gap(deal) >= gap((0, 1, 2)) - 1e-12 for deal in deals])
    found = permutation_test(groups)
    assert (found.p_value, found.exact, found.permutations) == (pytest.approx(by_hand), True, len(deals))


def test_effect_is_the_spread_of_means_over_that_within():
    found = permutation_test([[0.0, 2.0], [10.0, 12.0]])
    assert found.effect == pytest.approx(math.sqrt(np.var([1, 11], ddof=1) / 2.0))


def test_drawn_deals_repeat_with_their_seed():
    rng = np.random.default_rng(7)
    groups = [list(rng.normal(size=8)) for _ in range(4)]
    assert permutation_test(groups, seed=1) == permutation_test(groups, seed=1)
    assert not permutation_test(groups).exact


@pytest.mark.parametrize(
    "groups",
    [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [1.0, 2.0]]],
    ids=["nothing", "one group", "one value a group", "NaN"],
)
def test_too_little_is_no_difference(groups):
    assert permutation_test(groups) is None


def test_groups_without_scatter():
    assert permutation_test([[1.0, 1.0], [1.0, 1.0]]).p_value == 1.0
    assert permutation_test([[1.0, 1.0], [2.0, 2.0]]).effect == math.inf
