"""`assert_backends_agree` on models whose layers carry state: moving statistics, random masks, recurrent gates."""

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.testing import assert_backends_agree

MODELS = {
    "convolution": (
        (8, 8, 2),
        [layers.Conv2D, layers.BatchNormalization, layers.Dropout, layers.GlobalAveragePooling2D],
        [(3, 3), (), (0.3,), ()],
    ),
    "recurrence": ((5, 3), [layers.LSTM, layers.LayerNormalization, layers.Dense], [(4,), (), (3,)]),
}


def made(name):
    shape, kinds, arguments = MODELS[name]
    kerasish.utils.set_random_seed(3)
    stack = [kind(*args) for kind, args in zip(kinds, arguments, strict=True)]
    model = kerasish.Sequential([kerasish.Input(shape), *stack])
    model.compile("sgd", "mse")
    return model, np.random.default_rng(1).normal(size=(4, *shape)).astype("float32")


@pytest.mark.parametrize("name", MODELS)
def test_engines_agree_and_the_model_is_put_back(name):
    with kerasish.use_backend("native"):
        model, x = made(name)
    weights = model.get_weights()
    counters = [generator.counter for generator in model.seed_generators]
    assert_backends_agree(model, x, np.ones((4, 3), "float32"))
    assert_backends_agree(model, x)
    for one, two in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, two)
    assert [generator.counter for generator in model.seed_generators] == counters
