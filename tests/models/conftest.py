"""Models that the tests of this folder build, each by a function so that equal code can be run twice."""

from __future__ import annotations

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops


def eager_sequential():
    return kerasish.Sequential([kerasish.Input((4,)), layers.Dense(5, activation="relu"), layers.Dense(3)])


def lazy_sequential():
    return kerasish.Sequential([layers.Dense(5, activation="relu"), layers.Dense(3)])


def functional():
    x = kerasish.Input((4,))
    return kerasish.Model(x, layers.Dense(3)(layers.Dense(5, activation="relu")(x)))


def two_in_two_out():
    a, b = kerasish.Input((4,), name="a"), kerasish.Input((2,), name="b")
    hidden = layers.Concatenate()([layers.Dense(3, activation="tanh")(a), b])
    return kerasish.Model(
        [a, b], [layers.Dense(1, name="value")(hidden), layers.Dense(3, name="kind")(hidden)]
    )


def by_name():
    a, b = kerasish.Input((4,), name="a"), kerasish.Input((2,), name="b")
    hidden = layers.Concatenate()([a, b])
    outputs = {"value": layers.Dense(1)(hidden), "kind": layers.Dense(3)(hidden)}
    return kerasish.Model({"a": a, "b": b}, outputs)


def shared_layer():
    a, b = kerasish.Input((4,), name="a"), kerasish.Input((4,), name="b")
    tower = layers.Dense(3, activation="tanh", name="tower")
    return kerasish.Model([a, b], layers.Subtract()([tower(a), tower(b)]))


def nested():
    inner = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(3, activation="relu")], name="inner")
    x = kerasish.Input((4,))
    return kerasish.Model(x, layers.Dense(2)(inner(x)) + layers.Dense(2)(inner(x * 2.0)))


def with_operations():
    x = kerasish.Input((4,))
    y = layers.Dense(3)(x)
    y = ops.concatenate([ops.relu(y), ops.exp(-y), y[:, 1:]], axis=-1)
    y = ops.reshape(y, (-1, 2, 4)) * 0.5 + 1.0
    return kerasish.Model(x, ops.mean(y, axis=1))


class Subclassed(kerasish.Model):
    """Two layers and an option."""

    def __init__(self, units=5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units, activation="relu")
        self.second = layers.Dense(3)

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


MAKERS = {
    make.__name__: make
    for make in (
        eager_sequential,
        lazy_sequential,
        functional,
        two_in_two_out,
        by_name,
        shared_layer,
        nested,
        with_operations,
        Subclassed,
    )
}
GRAPHS = [n for n in MAKERS if n not in ("lazy_sequential", "Subclassed")]


def inputs_of(name: str, count: int = 6):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(count, 4)).astype("float32"), rng.normal(size=(count, 2)).astype("float32")
    if name == "two_in_two_out":
        return [a, b]
    if name == "by_name":
        return {"a": a, "b": b}
    return [a, a[::-1].copy()] if name == "shared_layer" else a


@pytest.fixture
def make():
    """Model by name, with repeatable weights."""

    def build(name: str):
        kerasish.utils.set_random_seed(0)
        return MAKERS[name]()

    return build


@pytest.fixture
def inputs():
    """Inputs of the model of that name."""
    return inputs_of


@pytest.fixture
def subclassed():
    """The subclassed model's class."""
    return Subclassed
