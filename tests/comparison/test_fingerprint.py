"""Fingerprints: equal exactly for equal weights, and distances near the true ones."""

import math

import numpy as np
import pytest

from kerasish.comparison import fingerprint as module
from kerasish.comparison.fingerprint import distance, fingerprint


def weights(seed, sizes=((40, 30), (30,), (30, 7)), dtype="float32"):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=size).astype(dtype) for size in sizes]


def test_equal_weights_have_equal_fingerprints():
    assert fingerprint(weights(1)) == fingerprint(weights(1))
    assert distance(fingerprint(weights(1)), fingerprint(weights(1))) == 0.0


@pytest.mark.parametrize("change", ["value", "shape", "dtype", "order"])
def test_any_change_is_seen(change):
    before, after = weights(1), weights(1)
    if change == "value":
        after[1][3] = np.nextafter(after[1][3], np.float32(9))
    elif change == "shape":
        after[0] = after[0].reshape(30, 40)
    elif change == "dtype":
        after[1] = after[1].astype("float64")
    else:
        after = after[::-1]
    assert fingerprint(before).sha256 != fingerprint(after).sha256


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0])
def test_distance_is_near_the_true_one(size):
    ratios = []
    for seed in range(60):
        before = weights(seed, sizes=((50, 50), (50,)), dtype="float64")
        shift = weights(seed + 1000, sizes=((50, 50), (50,)), dtype="float64")
        after = [b + size * s for b, s in zip(before, shift, strict=True)]
        true = math.sqrt(sum((size**2 * s**2).sum() for s in shift)) / math.sqrt(
            sum((b**2).sum() for b in before)
        )
        ratios.append(distance(fingerprint(after), fingerprint(before)) / true)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)
    assert np.std(ratios) < 0.09
    assert max(ratios) < 1.3


def test_chunks_do_not_matter(monkeypatch):
    whole = fingerprint(weights(3))
    monkeypatch.setattr(module, "_CHUNK", 37)
    pieces = fingerprint(weights(3))
    assert pieces.norm == pytest.approx(whole.norm)
    assert distance(pieces, whole) == 0.0  # the same hash
    assert np.allclose(module._unpacked(pieces), module._unpacked(whole))


def test_norm_and_count():
    found = fingerprint([np.full((3, 4), 2.0, "float32")])
    assert (found.count, found.norm, found.nonfinite) == (12, pytest.approx(math.sqrt(48)), 0)


def test_numbers_that_are_not_finite_are_counted():
    spoilt = weights(1)
    spoilt[0][2, 3], spoilt[1][0] = np.nan, np.inf
    found = fingerprint(spoilt)
    assert found.nonfinite == 2
    assert math.isnan(distance(found, fingerprint(weights(1))))


def test_models_of_different_sizes_have_no_distance():
    assert distance(fingerprint(weights(1)), fingerprint(weights(1)[:2])) is None


def test_low_precision_and_empty_weights():
    import ml_dtypes

    found = fingerprint([np.ones((2, 2), ml_dtypes.bfloat16), np.zeros((0, 3), "float32"), np.float32(2.0)])
    assert (found.count, found.norm) == (5, pytest.approx(math.sqrt(8)))


def test_a_shift_of_all_weights_is_no_longer_than_it_is():
    """Without random signs, changes of one sign would pile up in the buckets."""
    before = [np.ones(100_000)]
    found = distance(fingerprint([before[0] + 1e-3]), fingerprint(before))
    assert found == pytest.approx(1e-3, rel=0.3)
