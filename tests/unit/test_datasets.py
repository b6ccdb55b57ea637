"""The shipped datasets: contents, split and independence of anything that may change."""

import hashlib

import numpy as np
import pytest

from kerasish import datasets
from kerasish.datasets import digits

# Over x_train, y_train, x_test, y_test as bytes: fails when one pixel, one label or their order changes.
SPLIT_SHA256 = "b78b3d2e009d70efa658795236e053616f1cc687fe05cde29928bb49f2660b9d"


def test_shapes_dtypes_and_ranges():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8)
    assert x_test.shape == (360, 8, 8)
    assert y_train.shape == (1437,)
    assert y_test.shape == (360,)
    for part in (x_train, y_train, x_test, y_test):
        assert part.dtype == np.uint8
    assert x_train.min() == x_test.min() == 0
    assert x_train.max() == x_test.max() == 16


def test_every_class_is_well_represented_in_both_parts():
    (_, y_train), (_, y_test) = digits.load_data()
    counts = np.bincount(np.concatenate([y_train, y_test]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(y_test, minlength=10).min() >= 25


def test_split_is_the_same_for_ever():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    content = b"".join(part.tobytes() for part in (x_train, y_train, x_test, y_test))
    assert hashlib.sha256(content).hexdigest() == SPLIT_SHA256


def test_callers_get_their_own_arrays():
    (first, _), _ = digits.load_data()
    first[:] = 0
    (second, _), _ = digits.load_data()
    assert second.max() == 16


def test_a_wrong_name_lists_the_datasets():
    assert dir(datasets) == ["digits"]
    with pytest.raises(AttributeError, match="no attribute 'mnist'; it has digits"):
        datasets.mnist
