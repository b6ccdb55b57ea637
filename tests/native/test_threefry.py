"""The portable generator: known answers, the NumPy definition and the compiled kernel, bit for bit."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasish.core import threefry
from tests.libraries import library

KNOWN_ANSWERS = [  # of the Random123 distribution: key, counter, result
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
KEYS = [(0, 0), (0, 42), (0xFFFFFFFF, 0xFFFFFFFF), (0x13198A2E, 0x03707344)]
SIZES = [0, 1, 2, 15, 16, 17, 127, 128, 129, 1_000_001]


def as_key(words):
    return np.array(words, dtype=np.uint32)


@pytest.fixture(scope="module")
def kernels():
    """The compiled module: required where it was built, and always in CI, which has a compiler."""
    try:
        from kerasish_native import _kernels
    except ImportError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("the compiled kernels are not built here")
    return _kernels


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN_ANSWERS)
def test_known_answers_hold_for_arrays(key, counter, expected):
    y0, y1 = threefry.threefry2x32(as_key(key), as_key([counter[0]] * 3), counter[1])
    assert y0.dtype == y1.dtype == np.uint32
    assert y0.tolist() == [expected[0]] * 3
    assert y1.tolist() == [expected[1]] * 3


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN_ANSWERS)
def test_known_answers_hold_for_the_kernel(kernels, key, counter, expected):
    assert kernels.threefry2x32(*key, *counter) == expected


@pytest.mark.parametrize("n", SIZES)
def test_bits_are_the_documented_concatenation(n):
    key = as_key((7, 11))
    half = (n + 1) // 2
    y0, y1 = threefry.threefry2x32(key, np.arange(half, dtype=np.uint32), 0)
    np.testing.assert_array_equal(threefry.random_bits(key, n), np.concatenate([y0, y1])[:n])


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("n", SIZES)
def test_kernel_bits_equal_numpy(kernels, key, n):
    bits = kernels.random_bits(*key, n)
    assert bits.dtype == np.uint32
    np.testing.assert_array_equal(bits, threefry.random_bits(as_key(key), n))


@pytest.mark.parametrize("n", SIZES)
def test_kernel_uniform_equals_numpy(kernels, n):
    uniform = kernels.random_uniform(3, 5, n)
    assert uniform.dtype == np.float32
    np.testing.assert_array_equal(uniform, threefry.random_uniform(as_key((3, 5)), (n,)))


def test_uniform_is_the_top_24_bits():
    key = as_key((1, 2))
    uniform = threefry.random_uniform(key, (31, 33))
    bits = threefry.random_bits(key, 31 * 33).reshape(31, 33)
    assert uniform.dtype == np.float32
    np.testing.assert_array_equal(uniform.astype(np.float64) * 2**24, bits >> 8)


def test_uniform_of_an_empty_and_a_scalar_shape():
    assert threefry.random_uniform(as_key((1, 2)), (0, 3)).shape == (0, 3)
    assert threefry.random_uniform(as_key((1, 2)), ()).shape == ()


@pytest.mark.parametrize("data", [0, 1, 2**32 - 1, 2**32 + 5, -1])
def test_fold_in_is_the_cipher_of_data_and_one(data):
    key = as_key((9, 10))
    expected = threefry.threefry2x32(key, np.uint32(data % 2**32), np.uint32(1))
    folded = threefry.fold_in(key, data)
    assert folded.dtype == np.uint32
    assert folded.tolist() == [int(word) for word in expected]


@pytest.mark.parametrize("n", [0, 1, 8, 9, 100])
def test_split_is_fold_in_of_each_index(n):
    key = threefry.key_from_seed(1234)
    keys = threefry.split(key, n)
    assert keys.shape == (n, 2)
    assert keys.dtype == np.uint32
    for i in range(n):
        np.testing.assert_array_equal(keys[i], threefry.fold_in(key, i))


def test_key_from_seed_takes_both_halves():
    assert threefry.key_from_seed(5).tolist() == [0, 5]
    assert threefry.key_from_seed((3 << 32) | 5).tolist() == [3, 5]
    assert threefry.key_from_seed(-1).tolist() == [0xFFFFFFFF, 0xFFFFFFFF]


@pytest.mark.parametrize("bad", [np.zeros(2, np.int64), np.zeros(3, np.uint32), [1, 2]])
def test_a_wrong_key_is_named(bad):
    with pytest.raises(ValueError, match=r"not a random key\. Expected: a uint32 array of shape \(2,\)"):
        threefry.random_bits(bad, 4)


@pytest.mark.parametrize("n", [-1, 2**33 + 1])
def test_a_wrong_count_is_named(kernels, n):
    with pytest.raises(ValueError, match=r"random_bits: Wrong number of words.*0 to 2"):
        threefry.random_bits(as_key((0, 0)), n)
    with pytest.raises(ValueError, match="between 0 and 2"):
        kernels.random_bits(0, 0, n)


def test_bits_equal_those_of_jax():
    random = library("jax.extend.random")
    key = as_key((0x13198A2E, 0x03707344))
    counters = np.concatenate([np.arange(1000, dtype=np.uint32), np.zeros(1000, np.uint32)])
    np.testing.assert_array_equal(threefry.random_bits(key, 2000), random.threefry_2x32(key, counters))


CHILD = """
import hashlib, json
from kerasish_native import _kernels as k
digest = hashlib.sha256(k.random_bits(1, 2, 1_000_001).tobytes() + k.random_uniform(1, 2, 99_999).tobytes())
print(json.dumps([digest.hexdigest(), k.cpu_features()["isa"], k.num_threads()]))
"""


def run_child(code=CHILD, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_every_path_and_thread_count_gives_the_same_bits(isa, threads):
    key = as_key((1, 2))
    expected = hashlib.sha256(
        threefry.random_bits(key, 1_000_001).tobytes() + threefry.random_uniform(key, (99_999,)).tobytes()
    )
    code, out, err = run_child(KERASISH_ISA=isa, KERASISH_NUM_THREADS=threads)
    assert code == 0, err
    digest, chosen, used = json.loads(out)
    assert digest == expected.hexdigest()
    assert ["generic", "avx2", "avx512"].index(chosen) <= ["generic", "avx2", "avx512"].index(isa)
    assert used == int(threads)


@pytest.mark.usefixtures("kernels")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity on this system")
def test_threads_follow_the_affinity_mask():
    code, out, err = run_child(
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from kerasish_native import _kernels; print(_kernels.num_threads())",
        KERASISH_NUM_THREADS="",
    )
    assert code == 0, err
    assert out.strip() == "1"


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("value", ["0", "-1", "two", "3x"])
def test_a_wrong_thread_count_is_named(value):
    code, _, err = run_child(KERASISH_NUM_THREADS=value)
    assert code != 0
    assert f"KERASISH_NUM_THREADS must be a positive integer; received '{value}'" in err


@pytest.mark.usefixtures("kernels")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_pool_survives_a_fork():
    code, out, err = run_child(
        """
import os
from kerasish_native import _kernels
before = _kernels.random_bits(1, 2, 1_000_000).tobytes()
child = os.fork()
if child == 0:
    os._exit(0 if _kernels.random_bits(1, 2, 1_000_000).tobytes() == before else 3)
assert _kernels.random_bits(1, 2, 1_000_000).tobytes() == before
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
        KERASISH_NUM_THREADS="3",
    )
    assert code == 0, err
    assert out.strip() == "0"


@pytest.mark.usefixtures("kernels")
def test_concurrent_python_threads_get_right_bits():
    code, _, err = run_child(
        """
from concurrent.futures import ThreadPoolExecutor
from kerasish_native import _kernels
expected = _kernels.random_bits(1, 2, 300_001).tobytes()
with ThreadPoolExecutor(4) as pool:
    results = list(pool.map(lambda _: _kernels.random_bits(1, 2, 300_001).tobytes(), range(40)))
assert all(result == expected for result in results)
""",
        KERASISH_NUM_THREADS="3",
    )
    assert code == 0, err
