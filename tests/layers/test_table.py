"""What holds for every layer of the table, on every engine."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import dtype_policy as policies
from kerasish.core.convert import to_numpy
from kerasish.core.seeds import set_random_seed
from tests.batches import whole


def built(case, by_shape=False):
    """A fresh layer with the same weights every time: initializers are seeded."""
    set_random_seed(11)
    layer = case.make(layers, name="probe")
    if by_shape:
        layer.build(case.shapes[0] if len(case.shapes) == 1 else list(case.shapes))
    else:
        layer(case.inputs())
    rng = np.random.default_rng(7)
    layer.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in layer.weights])
    return layer


@functools.cache
def on_native(case, training):
    with kerasish.use_backend("native"):
        layer = built(case)
        y = to_numpy(layer(case.inputs(seed=1), training=training))
        return y, [w.numpy() for w in layer.weights]


def compare(case, training, engine):
    """Outputs and weights of the engine in force against those of the native one; both outputs."""
    layer = built(case, by_shape=not training)
    call = functools.partial(layer, training=True) if training else whole(engine, layer)
    y = to_numpy(call(case.inputs(seed=1)))
    expected, weights = on_native(case, training)
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5)
    for mine, reference in zip(layer.weights, weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), reference, rtol=2e-5, atol=2e-5)
    return y, expected


def test_same_numbers_on_every_engine(layer_case, engine):
    compare(layer_case, False, engine)


def test_same_training_on_every_engine(layer_case_moody, engine):
    case = layer_case_moody
    y, expected = compare(case, True, engine)
    if case.random:
        assert (y != on_native(case, False)[0]).any()
    if "Dropout" in case.name and case.name not in ("GaussianDropout", "AlphaDropout"):
        np.testing.assert_array_equal(y == 0, expected == 0)  # the very same elements


def test_training_changes_nothing_elsewhere(layer_case_quiet):
    with kerasish.use_backend("native"):
        layer = built(layer_case_quiet)
        x = layer_case_quiet.inputs()
        np.testing.assert_array_equal(to_numpy(layer(x, training=True)), to_numpy(layer(x)))


def test_symbolic_shape_is_eager_shape(layer_case):
    with kerasish.use_backend("native"):
        layer = layer_case.make(layers)
        symbols = [
            kerasish.Input(batch_shape=(None, *s[1:]), dtype="int32" if layer_case.integers else "float32")
            for s in layer_case.shapes
        ]
        out = layer(symbols[0] if len(symbols) == 1 else symbols)
        y = to_numpy(layer(layer_case.inputs()))
    assert out.shape == (None, *y.shape[1:])
    assert out.dtype == str(y.dtype)


def test_compute_output_shape(layer_case):
    with kerasish.use_backend("native"):
        layer = layer_case.make(layers)
        shapes = [(None, *s[1:]) for s in layer_case.shapes]
        found = layer.compute_output_shape(shapes[0] if len(shapes) == 1 else shapes)
        y = to_numpy(layer(layer_case.inputs()))
    assert found == (None, *y.shape[1:])


def test_config_makes_the_same_layer(layer_case):
    with kerasish.use_backend("native"):
        layer = built(layer_case)
        config = layer.get_config()
        again = type(layer).from_config(json.loads(json.dumps(config)))
        assert json.dumps(again.get_config()) == json.dumps(config)
        again.build_from_config(json.loads(json.dumps(layer.get_build_config() or {})))
        again(layer_case.inputs())
        assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
        again.set_weights(layer.get_weights())
        x = layer_case.inputs(seed=1)
        np.testing.assert_array_equal(to_numpy(again(x)), to_numpy(layer(x)))


def test_serialized_layer_comes_back(layer_case):
    with kerasish.use_backend("native"):
        layer = built(layer_case)
        again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
        assert type(again) is type(layer)
        assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


def test_building_by_shape_gives_the_same_weights(layer_case):
    with kerasish.use_backend("native"):
        by_call, by_shape = built(layer_case), layer_case.make(layers)
        shapes = [(None, *s[1:]) for s in layer_case.shapes]
        by_shape.build(shapes[0] if len(shapes) == 1 else shapes)
        assert by_shape.built
        assert [(w.name, w.shape) for w in by_shape.weights] == [(w.name, w.shape) for w in by_call.weights]


def test_gradient_on_the_native_engine(layer_case_differentiable):
    with kerasish.use_backend("native") as native:
        check_gradient(layer_case_differentiable, native)


def test_gradient_on_every_engine(layer_case_sampled, engine):
    check_gradient(layer_case_sampled, engine)


def check_gradient(layer_case, engine):
    """Along one random direction the gradient equals the central difference, in float64."""
    policies.set_dtype_policy("float64")  # layers inside of layers too
    try:
        layer = layer_case.make(layers)
    finally:
        policies.set_dtype_policy(None)
    x = [a.astype("float64") if a.dtype == np.float32 else a for a in layer_case.arrays()]
    layer.build(layer_case.shapes[0] if len(x) == 1 else list(layer_case.shapes))
    rng = np.random.default_rng(3)
    start = [ops.convert_to_tensor(rng.uniform(0.5, 1.5, w.shape)) for w in layer.trainable_variables]
    start += [ops.convert_to_tensor(a) for a in x if a.dtype == np.float64]
    if not start:
        assert layer_case.integers
        return
    count = len(layer.trainable_variables)
    buffers = [v.value for v in layer.non_trainable_variables]

    def objective(*values):
        data = list(values[count:]) or x
        y, _ = layer.stateless_call(
            list(values[:count]), buffers, data[0] if len(data) == 1 else data, training=True
        )
        return ops.sum(ops.multiply(y, np.random.default_rng(5).normal(size=tuple(y.shape)))), None

    gradients = whole(engine, lambda *values: engine.value_and_grad(objective, list(values))[2])(*start)
    value = whole(engine, lambda *values: objective(*values)[0])
    step = 1e-6
    directions = [rng.normal(size=tuple(v.shape)) for v in start]
    ends = [
        float(to_numpy(value(*[ops.add(v, sign * step * d) for v, d in zip(start, directions, strict=True)])))
        for sign in (1, -1)
    ]
    slope = sum(float(np.sum(to_numpy(g) * d)) for g, d in zip(gradients, directions, strict=True))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-4)
