"""Random numbers: the same bits on every engine, the right distributions, seeds, dtypes."""

import math

import numpy as np
import pytest

import kerasish
from kerasish import ops
from kerasish.core import threefry
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.registry import host_engine, use_backend
from kerasish.core.symbolic import SymbolicTensor
from kerasish.ops import random

# name, call, whether it is exact on every engine (the others pass through an engine's own logarithm)
DRAWS = {
    "uniform": (lambda s: random.uniform((5, 7), seed=s), True),
    "uniform symmetric": (lambda s: random.uniform((5, 7), -0.3, 0.3, seed=s), True),
    "uniform interval": (lambda s: random.uniform((5, 7), 1.5, 4.25, seed=s), True),
    "uniform float64": (lambda s: random.uniform((5, 7), dtype="float64", seed=s), True),
    "uniform float16": (lambda s: random.uniform((5, 7), dtype="float16", seed=s), True),
    "uniform bfloat16": (lambda s: random.uniform((5, 7), dtype="bfloat16", seed=s), True),
    "randint small": (lambda s: random.randint((5, 7), -3, 9, seed=s), True),
    "randint 2**16": (lambda s: random.randint((5, 7), 0, 2**16, seed=s), True),
    "randint wide": (lambda s: random.randint((5, 7), -(10**9), 10**9, seed=s), True),
    "randint full": (lambda s: random.randint((5, 7), -(2**31), 2**31, seed=s), True),
    "randint int64": (lambda s: random.randint((5, 7), -5, 2**32 - 5, dtype="int64", seed=s), True),
    "randint uint8": (lambda s: random.randint((5, 7), 0, 256, dtype="uint8", seed=s), True),
    "randint uint32": (lambda s: random.randint((5, 7), 7, 2**32, dtype="uint32", seed=s), True),
    "dropout": (lambda s: random.dropout(ops.ones((5, 7)), 0.25, seed=s), True),
    "dropout rows": (lambda s: random.dropout(ops.ones((5, 7)), 0.5, noise_shape=(None, 1), seed=s), True),
    "shuffle": (lambda s: random.shuffle(ops.reshape(ops.arange(24), (12, 2)), seed=s), True),
    "shuffle axis 1": (lambda s: random.shuffle(ops.reshape(ops.arange(24), (2, 12)), axis=1, seed=s), True),
    "categorical": (
        lambda s: random.categorical(ops.convert_to_tensor([[0.1, 0.5, -1.0], [2.0, 0.0, 0.0]]), 9, seed=s),
        True,
    ),
    "binomial": (lambda s: random.binomial((5, 7), 6.0, 0.3, seed=s), True),
    "normal": (lambda s: random.normal((5, 7), 1.0, 2.0, seed=s), False),
    "normal float64": (lambda s: random.normal((5, 7), dtype="float64", seed=s), False),
    "truncated_normal": (lambda s: random.truncated_normal((5, 7), 1.0, 2.0, seed=s), False),
    "gamma": (lambda s: random.gamma((5, 7), 0.7, seed=s), False),
    "beta": (lambda s: random.beta((5, 7), 0.7, 2.0, seed=s), False),
}


@pytest.mark.parametrize("name", DRAWS)
def test_every_engine_draws_the_same(engine, name):
    call, exact = DRAWS[name]
    with use_backend(host_engine()):
        expected = to_numpy(call(1337))
    found = to_numpy(call(1337))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if exact:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found.astype("float64"), expected.astype("float64"), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_seeds(engine, name):
    call, _ = DRAWS[name]
    one, again, other = (to_numpy(call(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    generator = random.SeedGenerator(3)
    first, second = (to_numpy(call(generator)) for _ in range(2))
    assert (first != second).any()
    generator = random.SeedGenerator(3)
    np.testing.assert_array_equal(first, to_numpy(call(generator)))
    kerasish.core.seeds.set_random_seed(5)
    one = to_numpy(call(None))
    kerasish.core.seeds.set_random_seed(5)
    np.testing.assert_array_equal(one, to_numpy(call(None)))
    assert (one != to_numpy(call(None))).any()


def test_known_answers():
    with use_backend("native"):
        words = threefry.random_bits(threefry.key_from_seed(7), 4)
        assert random.uniform((4,), seed=7).tolist() == [(int(w) >> 8) * 2.0**-24 for w in words]
        assert random.randint((4,), 10, 20, seed=7).tolist() == [10 + (int(w) * 10 >> 32) for w in words]
        two = threefry.random_bits(threefry.key_from_seed(7), 8).astype(object)
        wide = [(((int(a) << 32) + int(b)) * 1_000_003) >> 64 for a, b in zip(two[:4], two[4:], strict=True)]
        assert random.randint((4,), 0, 1_000_003, seed=7).tolist() == wide
        keep = [(int(w) >> 8) * 2.0**-24 >= 0.5 for w in words]
        assert random.dropout([1.0] * 4, 0.5, seed=7).tolist() == [2.0 * k for k in keep]
        middle = [math.sqrt(2) * inverse_erf(((int(w) >> 8) + 0.5) * 2.0**-23 - 1) for w in words]
        np.testing.assert_allclose(random.normal((4,), seed=7), middle, rtol=1e-6)


def inverse_erf(y):
    low, high = -6.0, 6.0
    for _ in range(80):
        low, high = ((low + high) / 2, high) if math.erf((low + high) / 2) < y else (low, (low + high) / 2)
    return low


def kolmogorov(sample, distribution):
    """The largest distance of the empirical distribution function from `distribution`, times √n."""
    x = np.sort(np.asarray(sample, "float64").ravel())
    n = x.size
    expected = np.array([distribution(v) for v in x])
    steps = np.arange(n + 1) / n
    return max((steps[1:] - expected).max(), (expected - steps[:-1]).max()) * math.sqrt(n)


def phi(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def gamma_3(x):
    return 1 - math.exp(-x) * (1 + x + x * x / 2)


# distribution functions of continuous samples; 1.95 is passed by chance once in a thousand seeds
FITS = {
    "uniform": (lambda n: random.uniform((n,), -2, 3, seed=1), lambda x: (x + 2) / 5),
    "uniform float64": (lambda n: random.uniform((n,), dtype="float64", seed=1), lambda x: x),
    "normal": (lambda n: random.normal((n,), 1.0, 2.0, seed=1), lambda x: phi((x - 1) / 2)),
    "normal float64": (lambda n: random.normal((n,), dtype="float64", seed=1), phi),
    "truncated": (
        lambda n: random.truncated_normal((n,), seed=1),
        lambda x: (phi(x) - phi(-2)) / (1 - 2 * phi(-2)),
    ),
    "gamma 3": (lambda n: random.gamma((n,), 3.0, seed=1), gamma_3),
    "gamma 1/2": (lambda n: random.gamma((n,), 0.5, seed=1), lambda x: math.erf(math.sqrt(x))),
    "gamma 1": (lambda n: random.gamma((n,), 1.0, seed=1), lambda x: 1 - math.exp(-x)),
    "beta 2 1": (lambda n: random.beta((n,), 2.0, 1.0, seed=1), lambda x: x * x),
    "beta 1/2 1/2": (
        lambda n: random.beta((n,), 0.5, 0.5, seed=1),
        lambda x: 2 / math.pi * math.asin(math.sqrt(x)),
    ),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_distribution(engine, name):
    draw, distribution = FITS[name]
    assert kolmogorov(to_numpy(draw(20_000)), distribution) < 1.95


# discrete samples: expected frequencies
FREQUENCIES = {
    "randint": (lambda n: random.randint((n,), 0, 6, seed=1), [1 / 6] * 6),
    "categorical": (lambda n: random.categorical(np.log([[0.1, 0.2, 0.7]]), n, seed=1), [0.1, 0.2, 0.7]),
    "binomial": (lambda n: random.binomial((n,), 3.0, 0.25, seed=1), [27 / 64, 27 / 64, 9 / 64, 1 / 64]),
    "dropout": (lambda n: random.dropout(np.ones(n, "float32"), 0.25, seed=1) * 0.75, [0.25, 0.75]),
    "shuffle": (
        lambda n: np.stack([random.shuffle(np.arange(3), seed=i) for i in range(n // 20)])[:, 0],
        [1 / 3] * 3,
    ),
}


@pytest.mark.parametrize("name", FREQUENCIES)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_frequencies(engine, name):
    draw, chances = FREQUENCIES[name]
    sample = np.rint(to_numpy(draw(20_000))).astype(int).ravel()
    counts = np.bincount(sample, minlength=len(chances))
    expected = np.array(chances) * sample.size
    square = ((counts - expected) ** 2 / expected).sum()
    assert counts.size == len(chances)
    assert square < 16.3


@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_normal_has_its_tails_and_no_infinity(engine):
    x = to_numpy(random.normal((400_000,), seed=2)).astype("float64")
    assert np.isfinite(x).all()
    assert 4.2 < np.abs(x).max() < 5.5
    assert abs(x.mean()) < 0.006
    assert abs(x.std() - 1) < 0.005
    assert abs((x**3).mean()) < 0.02
    assert abs((x**4).mean() - 3) < 0.08
    assert np.abs(to_numpy(random.truncated_normal((400_000,), seed=2))).max() <= 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal"])
def test_float_dtypes(engine, name, dtype):
    x = getattr(random, name)((2000,), dtype=dtype, seed=4)
    assert ops.dtype(x) == dtype if hasattr(ops, "dtype") else True
    values = to_numpy(x).astype("float64")
    assert np.isfinite(values).all()
    assert abs(values.mean() - (name == "uniform") / 2) < 0.1
    if name == "uniform":
        assert values.min() >= 0
        assert values.max() < 1


@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_parameters_may_be_tensors(engine):
    mean = np.float32([[0], [100]])
    assert to_numpy(random.normal((2, 50), mean, seed=1)).mean(1).round(-1).tolist() == [0, 100]
    assert to_numpy(random.gamma((2, 50), np.float32([[1], [100]]), seed=1)).mean(1).round(-2).tolist() == [
        0,
        100,
    ]
    assert to_numpy(random.uniform((2, 50), np.float32([[0], [5]]), 6.0, seed=1)).min(1).round().tolist() == [
        0,
        5,
    ]
    counts = to_numpy(random.binomial((2, 50), np.float32([[0], [9]]), 1.0, seed=1))
    assert counts.tolist() == [[0.0] * 50, [9.0] * 50]


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropout_ends(engine, rate, expected):
    assert to_numpy(random.dropout(ops.ones((4,)), rate, seed=1)).tolist() == [expected] * 4


def test_dropout_gradient_is_its_mask(engine):
    x = ops.ones((50,))

    def total(x):
        return ops.sum(random.dropout(x, 0.5, seed=3)), None

    _, _, (gradient,) = engine.value_and_grad(total, [x])
    np.testing.assert_array_equal(to_numpy(gradient), to_numpy(random.dropout(x, 0.5, seed=3)))


@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_symbolic(engine):
    x = SymbolicTensor((None, 3))
    assert random.dropout(x, 0.5, seed=1).shape == (None, 3)
    assert random.shuffle(x, seed=1).shape == (None, 3)
    assert random.categorical(x, 4, seed=1).shape == (None, 4)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: random.uniform((2,), dtype="int32"), DTypeError),
        (lambda: random.normal((2,), dtype="int32"), DTypeError),
        (lambda: random.randint((2,), 0, 5, dtype="float32"), DTypeError),
        (lambda: random.randint((2,), 5, 5), ArgumentError),
        (lambda: random.randint((2,), 0, 300, dtype="uint8"), ArgumentError),
        (lambda: random.uniform((-1,)), ShapeError),
        (lambda: random.dropout(np.ones(3), 1.5), ArgumentError),
        (lambda: random.dropout(np.ones((3, 4)), 0.5, noise_shape=(3, 2)), ShapeError),
        (lambda: random.categorical(np.ones(3), 2), ShapeError),
    ],
)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_errors(engine, call, error):
    with pytest.raises(error, match=r"Expected|Received"):
        call()
