"""`set_portable_randomness`: whose numbers a step of training draws, what stays as it is, and when it takes effect."""

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core import config
from kerasish.core.contract import Engine
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError
from kerasish.core.seeds import draws_portably
from kerasish.training.step import StepFunction


@pytest.fixture(autouse=True)
def choice(monkeypatch):
    """A function that chooses; what was chosen before is back after the test."""
    monkeypatch.delenv(config.PORTABLE_RANDOMNESS, raising=False)
    monkeypatch.setitem(config._settings, "portable_randomness", "auto")
    return kerasish.config.set_portable_randomness


# -- the switch --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [True, False, "auto"])
def test_what_is_chosen_is_in_force(choice, value):
    choice(value)
    assert kerasish.config.portable_randomness() is value


@pytest.mark.parametrize("value", ["on", "Auto", None, 1, 0.0])
def test_what_is_no_choice(choice, value):
    with pytest.raises(ArgumentError, match='True, False or "auto"'):
        choice(value)


@pytest.mark.parametrize(
    ("word", "expected"), [("on", True), ("off", False), ("auto", "auto"), ("OFF", False), ("", "auto")]
)
def test_environment(monkeypatch, word, expected):
    monkeypatch.delitem(config._settings, "portable_randomness")
    monkeypatch.setenv(config.PORTABLE_RANDOMNESS, word)
    assert kerasish.config.portable_randomness() is expected


def test_environment_that_holds_something_else(monkeypatch):
    monkeypatch.delitem(config._settings, "portable_randomness")
    monkeypatch.setenv(config.PORTABLE_RANDOMNESS, "autto")
    with pytest.raises(ArgumentError, match=r"KERASISH_PORTABLE_RANDOMNESS.*'autto'.*did you mean 'auto'"):
        kerasish.config.portable_randomness()


class Dear(Engine):
    primitives = {"own_uniform": None}
    own_randomness_on = frozenset({"gpu"})


@pytest.mark.parametrize(
    ("made", "value", "device", "portable"),
    [
        (Dear, "auto", "gpu:1", False),
        (Dear, "auto", "cpu:0", True),
        (Dear, True, "gpu:0", True),
        (Dear, False, "cpu:0", False),
        (Engine, False, "gpu:0", True),  # it has no generator of its own
        (Engine, "auto", "gpu:0", True),
    ],
)
def test_where_it_is_portable(choice, made, value, device, portable):
    choice(value)
    assert draws_portably(made(), device) is portable


# -- what a step draws -------------------------------------------------------------------------------------------------
LAYERS = {
    "dropout": lambda: layers.Dropout(0.5, seed=3),
    "channels": lambda: layers.SpatialDropout1D(0.5, seed=3),
    "noise": lambda: layers.GaussianNoise(1.0, seed=3),
    "factors": lambda: layers.GaussianDropout(0.5, seed=3),
    "selu": lambda: layers.AlphaDropout(0.5, seed=3),
}
X = np.ones((4, 9, 16), "float32")


def disturbed(engine, layer, *, eager=False, steps=1):
    """What a layer makes of ones in some steps of training."""
    step = StepFunction(
        lambda x: layer(x, training=True),
        engine=engine,
        variables=[],
        generators=layer.seed_generators,
        training=True,
        changes=False,
        eager=eager,
    )
    return np.stack([to_numpy(step(X)) for _ in range(steps)])


@pytest.mark.parametrize("name", LAYERS)
def test_layers_draw_from_the_engine_if_asked_to(engine, choice, name):
    found = {}
    for value in (True, False):
        choice(value)
        found[value], again = (disturbed(engine, LAYERS[name]()) for _ in range(2))
        np.testing.assert_array_equal(found[value], again)
    same = np.array_equal(found[True], found[False])
    assert same is ("own_uniform" not in engine.primitives)
    kept = [np.mean(x > np.median(np.unique(x))) for x in found.values()]
    assert abs(kept[0] - kept[1]) < 0.25


@pytest.mark.parametrize("value", [True, False])
def test_compiled_steps_draw_what_eager_ones_do(engine, choice, value):
    """In each of the steps, those that torch repeats without Python included."""
    choice(value)
    eager, compiled = (disturbed(engine, LAYERS["dropout"](), eager=e, steps=7) for e in (True, False))
    np.testing.assert_array_equal(eager, compiled)
    assert len({x.tobytes() for x in compiled}) == 7


def trained(values, choice):
    """Weights at the start and after an epoch under each of these choices."""
    choice(values[0])
    kerasish.utils.set_random_seed(1)
    model = kerasish.Sequential([kerasish.Input((6,)), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    weights = [model.get_weights()[0]]
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    for value in values:
        choice(value)
        model.fit(x, x[:, :1], batch_size=8, verbose=0)
        weights.append(model.get_weights()[0])
    return weights


def test_a_choice_between_two_fits_takes_effect(engine, choice):
    start, first, second = trained([True, True], choice)
    other_start, other_first, other_second = trained([True, False], choice)
    np.testing.assert_array_equal([start, first], [other_start, other_first])
    assert np.array_equal(second, other_second) is ("own_uniform" not in engine.primitives)


def test_initial_weights_and_draws_outside_of_steps_stay(engine, choice):
    def drawn():
        kerasish.utils.set_random_seed(7)
        model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(3)])
        noise = kerasish.random.normal((5,), seed=1)
        return [*model.get_weights(), to_numpy(noise), to_numpy(kerasish.random.dropout(X, 0.5, seed=2))]

    choice(True)
    expected = drawn()
    choice(False)
    for one, two in zip(drawn(), expected, strict=True):
        np.testing.assert_array_equal(one, two)


def test_engines_are_held_against_each_other_on_the_same_numbers(engine, choice):
    choice(False)
    model = kerasish.Sequential([kerasish.Input((6,)), layers.Dropout(0.5, seed=1), layers.Dense(2)])
    assert kerasish.diff(model, backends=[engine.name]).agree
    assert kerasish.config.portable_randomness() is False
