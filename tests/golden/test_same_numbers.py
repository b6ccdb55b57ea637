"""One seed, the same numbers on every engine, bit for bit: draws, weights, order of the data, masks and noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

import kerasish
from kerasish import initializers, layers, ops, random
from kerasish.core import primitives as p
from kerasish.core import threefry
from kerasish.core.convert import to_numpy, to_tensor
from kerasish.core.registry import host_engine, use_backend
from kerasish.core.seeds import Draw

SEEDS = [0, 1337, 2**31 - 1, 2**32 - 1]
# The last: odd sizes, and enough numbers for the tails of the normal quantile.
SHAPES = [(), (0, 3), (3, 1, 5), (73, 811)]


def bits(seed, shape):
    return p.random_bits(key_of(seed), shape=shape, draw=3)


def key_of(seed):
    """A seed as the primitives want it: within compiled code it is a key already."""
    return seed.key if isinstance(seed, Draw) else to_tensor(threefry.key_from_seed(seed))


def beside(seed, x):
    """The tensor, made part of compiled code where the seed is."""
    return x + ops.cast(ops.sum(seed.key) * 0, x.dtype) if isinstance(seed, Draw) else x


def dropped(seed, shape, dtype):
    return random.dropout(beside(seed, ops.full(shape, 1.7, dtype)), 0.3, seed=seed)


def permuted(seed, shape):
    return random.shuffle(beside(seed, ops.arange(shape[0] if shape else 1)), seed=seed)


def classes(seed, shape):
    logits = ops.broadcast_to(np.cos(np.arange(23, dtype="float32")), (shape[0] if shape else 1, 23))
    return random.categorical(beside(seed, logits), 3, seed=seed)


# (draw of a seed and a shape, dtypes)
FLOATS = ("float32", "float64")
DRAWS = {
    "bits": (lambda s, n, d: bits(s, n), ("uint32",)),
    "uniform": (lambda s, n, d: random.uniform(n, dtype=d, seed=s), FLOATS),
    "uniform to b": (lambda s, n, d: random.uniform(n, 0.0, 0.7, dtype=d, seed=s), FLOATS),
    "uniform from -b to b": (lambda s, n, d: random.uniform(n, -0.3, 0.3, dtype=d, seed=s), FLOATS),
    "uniform from a to b": (lambda s, n, d: random.uniform(n, -1.0, 3.1, dtype=d, seed=s), FLOATS),
    "uniform of tensors": (
        lambda s, n, d: random.uniform(n, ops.cast(-1.0, d), ops.cast(3.1, d), dtype=d, seed=s), FLOATS
    ),
    "normal": (lambda s, n, d: random.normal(n, dtype=d, seed=s), FLOATS),
    "normal scaled": (lambda s, n, d: random.normal(n, 0.0, 0.07, dtype=d, seed=s), FLOATS),
    "normal moved": (lambda s, n, d: random.normal(n, 1.0, 0.3, dtype=d, seed=s), FLOATS),
    "truncated normal": (lambda s, n, d: random.truncated_normal(n, dtype=d, seed=s), FLOATS),
    "truncated normal scaled": (lambda s, n, d: random.truncated_normal(n, 0.0, 0.07, dtype=d, seed=s), FLOATS),
    "truncated normal moved": (lambda s, n, d: random.truncated_normal(n, 1.0, 0.3, dtype=d, seed=s), FLOATS),
    "randint": (lambda s, n, d: random.randint(n, -3, 9, dtype=d, seed=s), ("int32", "int64", "int8")),
    "randint wide": (lambda s, n, d: random.randint(n, 5, 10**9, dtype=d, seed=s), ("int32", "int64", "uint32")),
    "dropout": (lambda s, n, d: dropped(s, n, d), FLOATS),
    "binomial": (lambda s, n, d: random.binomial(n, 4.0, 0.3, dtype=d, seed=s), FLOATS),
    "permutation": (lambda s, n, d: permuted(s, n), ("int32",)),
    "categorical": (lambda s, n, d: classes(s, n), ("int32",)),
}  # fmt: skip
CASES = [(name, dtype) for name, (_, dtypes) in DRAWS.items() for dtype in dtypes]


def same_bits(found, expected):
    found, expected = to_numpy(found), to_numpy(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=[" ".join(case) for case in CASES])
def test_draws(engine, name, dtype):
    draw, _ = DRAWS[name]
    for seed, shape in zip(SEEDS, SHAPES, strict=True):
        with use_backend(host_engine()):
            expected = to_numpy(draw(seed, shape, dtype))
        same_bits(draw(seed, shape, dtype), expected)


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=[" ".join(case) for case in CASES])
def test_draws_within_compiled_code(engine, name, dtype):
    draw, _ = DRAWS[name]
    compiled = engine.compile(lambda key: draw(Draw(key, 0), SHAPES[-1], dtype))
    for seed in SEEDS[1:3]:
        with use_backend(host_engine()):
            expected = to_numpy(draw(seed, SHAPES[-1], dtype))
        same_bits(compiled(to_tensor(threefry.key_from_seed(seed), engine)), expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("name", "alpha"), [("gamma", 0.4), ("gamma", 7.0), ("beta", 0.7)])
def test_rejection_decides_alike(engine, name, alpha, dtype):
    """Only the last exponential of gamma numbers is the engine's own: another decision would be another number."""
    draw = {
        "gamma": lambda s: random.gamma((41, 53), alpha, dtype=dtype, seed=s),
        "beta": lambda s: random.beta((41, 53), alpha, 2.0, dtype=dtype, seed=s),
    }[name]
    with use_backend(host_engine()):
        expected = to_numpy(draw(11))
    compiled = engine.compile(lambda key: draw(Draw(key, 0)))
    key = to_tensor(threefry.key_from_seed(11), engine)
    for found in (draw(11), compiled(key)):
        # a unit in the last place of ln x is |ln x| units of x
        np.testing.assert_allclose(to_numpy(found), expected, rtol=200 * np.finfo(dtype).eps)


# -- initial weights ---------------------------------------------------------------------------------------------------
PUBLIC = {value for value in vars(initializers).values() if isinstance(value, type)}
RANDOM = sorted(
    c.__name__ for c in PUBLIC if issubclass(c, initializers.Initializer) and hasattr(c(), "seed")
)
RANDOM.remove("RandomInitializer")  # the base
INITIALIZERS = [*[(name, {}) for name in RANDOM], ("VarianceScaling", {"distribution": "untruncated_normal"})]


@pytest.mark.parametrize(
    ("name", "options"), INITIALIZERS, ids=[f"{n} {o}".rstrip("{} ") for n, o in INITIALIZERS]
)
@pytest.mark.parametrize("seed", [0, 2026])
def test_initial_weights(engine, name, options, seed):
    """As a layer makes them, and (but for QR, which is the engine's) where an initializer is called by hand."""
    found = []
    for backend in (host_engine(), engine):
        with use_backend(backend):
            kerasish.utils.set_random_seed(seed)
            make = getattr(initializers, name)
            layer = layers.Layer()
            weights = [
                layer.add_weight(shape, make(**options)) for shape in [(7, 5), (3, 3, 2, 9), (130, 33)]
            ]
            values = [to_numpy(w) for w in weights]
            by_hand = [] if name == "Orthogonal" else [to_numpy(make(**options)(s)) for s in [(17,), (5, 31)]]
            found.append(values + by_hand)
    for one, two in zip(*found, strict=True):
        same_bits(two, one)


# -- order of the data -------------------------------------------------------------------------------------------------
def order_of_samples(seed):
    """The order in which `fit` shows 37 samples over two epochs, read off their losses."""
    kerasish.utils.set_random_seed(seed)
    model = kerasish.Sequential([kerasish.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(kerasish.optimizers.SGD(0.0), "mse")
    seen = []
    model.fit(
        np.arange(37.0)[:, None],
        np.zeros((37, 1)),
        batch_size=1,
        epochs=2,
        verbose=0,
        callbacks=[
            kerasish.callbacks.LambdaCallback(
                on_train_batch_begin=lambda batch, logs: model.reset_metrics(),
                on_train_batch_end=lambda batch, logs: seen.append(round(math.sqrt(logs["loss"]))),
            )
        ],
    )
    return seen


@pytest.mark.parametrize("seed", [0, 2026])
def test_order_of_the_data(engine, seed):
    found = order_of_samples(seed)
    with use_backend(host_engine()):
        assert found == order_of_samples(seed)
    first, second = found[:37], found[37:]
    assert sorted(first) == sorted(second) == list(range(37))
    assert first != second


# -- masks and noise ---------------------------------------------------------------------------------------------------
NOISE = {
    "Dropout": (lambda: layers.Dropout(0.3), (13, 7)),
    "Dropout of rows": (lambda: layers.Dropout(0.5, noise_shape=(None, 1)), (13, 7)),
    "SpatialDropout1D": (lambda: layers.SpatialDropout1D(0.4), (5, 3, 7)),
    "SpatialDropout2D": (lambda: layers.SpatialDropout2D(0.4), (5, 3, 3, 7)),
    "SpatialDropout3D": (lambda: layers.SpatialDropout3D(0.4), (3, 3, 3, 2, 7)),
    "GaussianNoise": (lambda: layers.GaussianNoise(0.3), (13, 701)),
    "GaussianDropout": (lambda: layers.GaussianDropout(0.3), (13, 701)),
    "AlphaDropout": (lambda: layers.AlphaDropout(0.3), (13, 701)),
    "AlphaDropout of rows": (lambda: layers.AlphaDropout(0.3, noise_shape=(None, 1)), (13, 701)),
}


def three_calls(name, x, compiled, seed):
    """What a fresh layer gives in three calls in training."""
    kerasish.utils.set_random_seed(seed)
    layer = NOISE[name][0]()

    def call(v):
        return layer(v, training=True)

    engine = kerasish.core.registry.current_engine()
    results = []
    for _ in range(3):  # compiled anew: outside of a step a key is fixed when the call is traced
        results.append(to_numpy((engine.compile(call) if compiled else call)(to_tensor(x))))
    return results


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NOISE)
def test_masks_and_noise(engine, name, dtype, compiled):
    x = np.random.default_rng(1).normal(size=NOISE[name][1]).astype(dtype)
    found = three_calls(name, x, compiled, 2026)
    with use_backend(host_engine()):
        expected = three_calls(name, x, False, 2026)
    for one, two in zip(found, expected, strict=True):
        same_bits(one, two)
    assert (found[0] != found[1]).any()
