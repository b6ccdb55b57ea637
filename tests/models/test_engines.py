"""A model belongs to the engine it was built on: under other defaults, beside models of others, and moved."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core.convert import to_numpy
from kerasish.core.errors import EngineMismatchError

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 4)).astype("float32")
Y = rng.integers(0, 3, (24,))
OTHER = {"native": "torch", "torch": "native", "jax": "native", "tensorflow": "native"}


def classifier():
    kerasish.utils.set_random_seed(1)
    return kerasish.Sequential(
        [
            kerasish.Input((4,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )


def compiled(model):
    loss = kerasish.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kerasish.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    return model


def train(model, first, last):
    return model.fit(X, Y, batch_size=10, initial_epoch=first, epochs=last, shuffle=False, verbose=0).history


def moved_at(start, others):
    """Four epochs of history, moved to another engine after each."""
    with kerasish.use_backend(start):
        model = compiled(classifier())
        found = train(model, 0, 1)
    for epoch, name in enumerate(others, start=1):
        assert model.to_backend(name) is model
        for key, values in train(model, epoch, epoch + 1).items():
            found[key] += values
        assert model.engine.name == name
    return found


@pytest.mark.parametrize(
    "route", [("torch", "native", "torch"), ("jax", "tensorflow", "native")], ids=lambda r: "-".join(r)
)
def test_moving_between_engines_continues_exactly(engine, route):
    uninterrupted = moved_at(engine.name, [engine.name] * 3)
    moved = moved_at(engine.name, route)
    for key, values in uninterrupted.items():
        np.testing.assert_allclose(moved[key], values, rtol=1e-4, atol=1e-6, err_msg=key)


def test_a_model_keeps_its_engine_under_another_default(engine):
    expected = train(compiled(classifier()), 0, 2)
    model = classifier()
    with kerasish.use_backend(OTHER[engine.name]):
        found = train(compiled(model), 0, 2)  # compiled, too, under the other default
        model.evaluate(X, Y, verbose=0)
        model.predict(X[:2], verbose=0)
        model.train_on_batch(X, Y)
    assert model.engine is engine
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    used = [*model.weights, *model.optimizer.variables, *(v for m in model.metrics for v in m.variables)]
    assert {v.engine.name for v in used} == {engine.name}


def test_optimizer_and_metrics_made_elsewhere_follow_the_model(engine):
    with kerasish.use_backend(OTHER[engine.name]):
        optimizer = kerasish.optimizers.Adam(0.05)
        metric = kerasish.metrics.SparseCategoricalAccuracy(name="accuracy")
    model = classifier()
    loss = kerasish.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=[metric])
    assert np.isfinite(train(model, 0, 2)["loss"]).all()
    assert {v.engine.name for v in (*optimizer.variables, *metric.variables)} == {engine.name}


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("native", "torch", "jax", "tensorflow"), 2)), ids="-".join
)
def test_two_engines_take_turns(order):
    alone = {}
    for name in order:
        with kerasish.use_backend(name):
            alone[name] = train(compiled(classifier()), 0, 3)["loss"]
    models = {}
    for name in order:
        with kerasish.use_backend(name):
            models[name] = compiled(classifier())
    together = {name: [] for name in order}
    for epoch in range(3):
        for name in order:
            together[name] += train(models[name], epoch, epoch + 1)["loss"]
    for name in order:
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-5)
        assert models[name].engine.name == name
    np.testing.assert_allclose(alone[order[0]], alone[order[1]], rtol=1e-4)


def test_weights_are_the_same_numbers_on_every_engine():
    drawn = []
    for name in ("native", "torch", "jax", "tensorflow"):
        with kerasish.use_backend(name):
            drawn.append(classifier().get_weights())
    for other in drawn[1:]:
        assert all(map(np.array_equal, drawn[0], other))


def test_tensors_of_two_engines_do_not_mix():
    with kerasish.use_backend("torch"):
        model = classifier()
    with kerasish.use_backend("jax"):
        x = kerasish.ops.convert_to_tensor(X)
    with pytest.raises(EngineMismatchError, match=r"torch.*jax|jax.*torch"):
        model(x)
    assert to_numpy(model(X)).shape == (24, 3)
