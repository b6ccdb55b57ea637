"""Random words in plans: the engine's words, for a key that is known when the step runs."""

import numpy as np
import pytest

from kerasish_native.reference import randomness

KEYS = [(0, 0), (7, 11), (0xFFFFFFFF, 0x13198A2E)]


@pytest.mark.parametrize(("name", "dtype"), [("random_bits", np.uint32), ("random_uniform", np.float32)])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (17, 16), (40000,), (66000,)], ids=str)
@pytest.mark.parametrize("draw", [0, 3, 2**31 + 5])
def test_words_are_those_of_the_reference(bench, name, dtype, shape, draw):
    key, out = np.array(KEYS[1], np.uint32), np.empty(shape, dtype)
    step = getattr(bench.kernels, f"{name}_step")(bench.put(key), bench.put(out), draw=draw)
    for words in KEYS:
        key[:] = words
        bench.run([step])
        wanted = getattr(randomness, name)(key, shape=shape, draw=draw)
        np.testing.assert_array_equal(out, wanted)


def test_a_key_may_be_a_row_of_keys(bench):
    keys, out = np.arange(12, dtype=np.uint32).reshape(2, 6), np.empty(9, np.uint32)
    bench.run([bench.kernels.random_bits_step(bench.put(keys.T[4]), bench.put(out), draw=0)])
    np.testing.assert_array_equal(out, randomness.random_bits(keys.T[4].copy(), shape=(9,), draw=0))


@pytest.mark.parametrize(
    ("key", "out", "message"),
    [
        (np.zeros(3, np.uint32), np.zeros(4, np.uint32), "key"),
        (np.zeros(2, np.int32), np.zeros(4, np.uint32), "key"),
        (np.zeros(2, np.uint32), np.zeros(4, np.float32), "dtype"),
        (np.zeros(2, np.uint32), np.zeros((4, 4), np.uint32).T, "contiguous"),
    ],
)
def test_what_does_not_fit_is_refused(bench, key, out, message):
    with pytest.raises(ValueError, match=message):
        bench.kernels.random_bits_step(bench.put(key), bench.put(out), draw=0)
