"""Keys of steps: computed ahead for many steps, and still the keys that each generator would give one by one."""

import numpy as np
import pytest

from kerasish.core import threefry
from kerasish.core.seeds import SeedGenerator, StepKeys


def one_by_one(seed, start, count):
    generator = SeedGenerator(seed)
    generator.counter = start
    return [generator.step_key() for _ in range(count)]


@pytest.mark.parametrize("start", [0, 7, 2**32 - 5], ids=["new", "used", "wrapping"])
def test_keys_are_those_of_the_generators(start):
    generators = [SeedGenerator(3), SeedGenerator(2**31 - 1)]
    for generator in generators:
        generator.counter = start
    keys = StepKeys(generators)
    found = np.stack([keys.next() for _ in range(150)], 1)
    for row, generator in zip(found, generators, strict=True):
        np.testing.assert_array_equal(row, one_by_one(generator.seed, start, 150))
        assert generator.counter == (start + 150) % 2**32


def test_keys_follow_a_generator_that_others_use_too():
    generator = SeedGenerator(5)
    keys = StepKeys([generator])
    found = [keys.next()[0] for _ in range(4)]
    found.append(generator.step_key())
    found += [keys.next()[0] for _ in range(4)]
    np.testing.assert_array_equal(found, one_by_one(5, 0, 9))
    generator.set_state([6, 2])
    np.testing.assert_array_equal(keys.next()[0], one_by_one(6, 2, 1)[0])


def test_no_generators_have_no_keys():
    keys = StepKeys([])
    assert [keys.next().shape for _ in range(3)] == [(0, 2)] * 3


@pytest.mark.parametrize("data", [[0, 1, 2], [2**32 - 1, 2**32, -1], []])
def test_folding_in_many_numbers_is_folding_in_each(data):
    key = threefry.key_from_seed(12345678901)
    expected = [threefry.fold_in(key, d) for d in data]
    np.testing.assert_array_equal(threefry.fold_in_each(key, data), np.reshape(expected, (len(data), 2)))
