"""Layers against installed Keras, which runs in this file only: signatures, configs, weights, outputs, masks."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core.context import CallContext, entered
from kerasish.core.convert import to_numpy
from tests.batches import Batches
from tests.layers.conftest import CASES
from tests.libraries import library
from tests.oracle import ask, blank_weights, keras

keras_backend = library("keras.src.backend")

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not


def jsonable(config):
    """Configs as they look in a file: tuples are lists; a default initializer is new in every Keras."""
    if isinstance(config, dict):
        return {k: jsonable(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [jsonable(v) for v in config]
    return config


def pair(case, **extra):
    """kerasish's layer and Keras', built on the same input, with the same weights."""
    ours, theirs = case.make(layers, name="probe", **extra), built_by_keras(case, **extra)
    with kerasish.use_backend("native"):
        ours(case.inputs())
    ours.set_weights([np.asarray(w.value) for w in theirs.weights])
    return ours, theirs


def built_by_keras(case, **extra):
    """Keras' layer; it is not called, which would compile each of its operations by itself."""
    with blank_weights():
        layer = case.make(keras.layers, name="probe", **extra)
        layer.build(case.shapes[0] if len(case.shapes) == 1 else list(case.shapes))
    rng = np.random.default_rng(7)
    layer.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(str(w.dtype)) for w in layer.weights])
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()  # Keras' Normalization looks at its weights at this moment only
    return layer


@functools.cache
def outputs_of_keras(policy):
    """What the layers of the table make of their inputs under a dtype policy, by row."""

    def answers(cases):
        made = [built_by_keras(case, dtype=policy) for case in cases]
        return ask(
            lambda xs: [layer(x) for layer, x in zip(made, xs, strict=True)],
            [case.inputs(seed=1) for case in cases],
        )

    return Batches(CASES, answers)


def trained_by_keras(layer, x):
    """The layer's output in its second step of training, and its weights after that."""

    def steps(values, x):
        with keras.StatelessScope(list(zip(layer.weights, values, strict=True))) as scope:
            for _ in range(2):
                y = layer(x, training=True)
        now = [scope.get_current_value(v) for v in layer.weights]
        return y, [v if new is None else new for v, new in zip(values, now, strict=True)]

    return ask(steps, [v.value for v in layer.weights], x)


def assert_close(ours, theirs, **kwargs):
    np.testing.assert_allclose(to_numpy(ours), np.asarray(theirs), **{"rtol": 2e-5, "atol": 2e-5, **kwargs})


NAMES = sorted(
    n
    for n in layers.__all__
    if n in dir(keras.layers) and n not in ("InputSpec", "Layer", "deserialize", "serialize")
)


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_that_of_keras(name):
    def described(function):
        return [
            (p.name, _plain_default(p.default), p.kind)
            for p in inspect.signature(function).parameters.values()
        ]

    def _plain_default(value):
        # (1, 1) is what 1 means for two axes; Keras writes now the one and now the other.
        return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value

    ours, theirs = described(getattr(layers, name)), described(getattr(keras.layers, name))
    assert ours == theirs


def test_every_keras_layer_of_the_families_here_exists():
    families = (
        "Conv",
        "Pool",
        "Cropping",
        "Padding",
        "Dropout",
        "Normalization",
        "ReLU",
        "Dense",
        "UpSampling",
    )
    wanted = {
        n for n in dir(keras.layers) if n.endswith(("1D", "2D", "3D", *families)) or n in ("ELU", "Softmax")
    }
    missing = {n for n in wanted if not hasattr(layers, n)}
    assert not {n for n in missing if not n.startswith("ConvLSTM")}


def test_config_is_that_of_keras(layer_case):
    keras.utils.clear_session(free_memory=False)  # Keras numbers names through the process
    ours, theirs = layer_case.make(layers, name="probe"), layer_case.make(keras.layers, name="probe")
    assert jsonable(ours.get_config()) == jsonable(theirs.get_config())


def test_weights_are_those_of_keras(layer_case):
    ours, theirs = pair(layer_case)
    assert [(w.name, w.shape, str(w.dtype), w.trainable) for w in ours.weights] == [
        (w.name, w.shape, str(w.dtype), w.trainable) for w in theirs.weights
    ]
    assert [w.name for w in ours.trainable_weights] == [w.name for w in theirs.trainable_weights]


def test_initial_weights_have_the_spread_of_keras():
    for kwargs in (
        {"equation": "abc,cde->abde", "output_shape": (None, 8, 64)},
        {"equation": "abcd,cde->abe", "output_shape": (None, 64)},
    ):
        spread = []
        for module in (layers, keras.layers):
            layer = module.EinsumDense(**kwargs)
            layer.build((None, 10, 16, 8)[: kwargs["equation"].index(",")])
            spread.append(np.std(np.asarray(layer.kernel)))
        assert spread[0] == pytest.approx(spread[1], rel=0.1)


def test_output_is_that_of_keras(layer_case):
    ours, _ = pair(layer_case)
    x = layer_case.inputs(seed=1)
    with kerasish.use_backend("native"):
        y = ours(x)
    expected = outputs_of_keras("float32")[CASES.index(layer_case)]
    assert_close(y, expected)
    assert str(to_numpy(y).dtype) == str(np.asarray(expected).dtype)


def test_training_mode_is_that_of_keras(layer_case_training):
    layer_case = layer_case_training
    ours, theirs = pair(layer_case)
    x = layer_case.inputs(seed=1)
    with kerasish.use_backend("native"):
        for _ in range(2):
            y = ours(x, training=True)
    expected, weights = trained_by_keras(theirs, x)
    assert_close(y, expected)
    for mine, reference in zip(ours.weights, weights, strict=True):
        assert_close(mine, reference)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_dtype_policy_is_that_of_keras(layer_case, policy):
    if policy == "float64" and layer_case.name in ("Resizing", "CenterCrop"):
        pytest.skip("interpolation weights are float32 in Keras")
    ours, theirs = pair(layer_case, dtype=policy)
    assert [str(w.dtype) for w in ours.weights] == [str(w.dtype) for w in theirs.weights]
    x = layer_case.inputs(seed=1)
    with kerasish.use_backend("native"):
        y = ours(x)
    expected = outputs_of_keras(policy)[CASES.index(layer_case)]
    assert str(to_numpy(y).dtype) in (str(expected.dtype), "float64" if policy == "float64" else "")
    tolerance = {"mixed_float16": 2e-2, "mixed_bfloat16": 1e-1, "float64": 1e-4}[policy]
    assert_close(
        to_numpy(y).astype("float32"), np.asarray(expected).astype("float32"), rtol=tolerance, atol=tolerance
    )


M1 = np.array([[1, 1, 0], [1, 0, 0]], bool)
M2 = np.array([[1, 0, 0], [1, 1, 0]], bool)
M3 = np.array([[0, 0, 0], [1, 0, 1]], bool)

MASKED = [
    *((name, {}, (M1, M2)) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    *((name, {}, (M1, None)) for name in ("Add", "Multiply", "Maximum", "Minimum")),
    *((name, {}, (None, M2)) for name in ("Multiply", "Maximum", "Minimum")),
    *((name, {}, (M1, M2, M3)) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")),
    ("Concatenate", {"axis": 1}, (M1, M2)),
    ("Concatenate", {"axis": 1}, (M1, None)),
    ("Concatenate", {"axis": -1}, (M1, M2)),
    ("Concatenate", {"axis": -1}, (M1, None)),
    ("Dot", {"axes": 2}, (M1, M2)),
    *(
        (name, {}, (M1,))
        for name in ("Identity", "ReLU", "GlobalAveragePooling1D", "UnitNormalization", "Masking")
    ),
    *(
        (name, {}, (M1,))
        for name in ("BatchNormalization", "LayerNormalization", "PReLU", "Flatten", "Softmax")
    ),
    ("Dense", {"units": 4}, (M1,)),
    ("Dropout", {"rate": 0.5}, (M1,)),
    ("GlobalAveragePooling1D", {"data_format": "channels_first"}, (np.ones((2, 4), bool),)),
    ("Lambda", {"function": lambda x: x}, (M1,)),
    ("Lambda", {"function": lambda x: x, "mask": lambda x, m: m}, (M1,)),
    ("Conv1D", {"filters": 4, "kernel_size": 1}, (M1,)),
]


def masked_inputs(row):
    """Arrays, their masks, and what the shapes of the arrays are to `build`."""
    name, _, masks = row
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(2, 3, 4)).astype("float32") for _ in masks]
    if name == "Softmax":
        masks = (np.array([[1, 1, 0], [1, 0, 1]], bool)[..., None].repeat(4, -1),)
    return arrays, masks, [a.shape for a in arrays] if len(arrays) > 1 else arrays[0].shape


def masked_by_keras(rows):
    """(weights, output, mask of the output or None) of Keras' layers."""
    made = [getattr(keras.layers, name)(**kwargs) for name, kwargs, _ in rows]
    given = [masked_inputs(row) for row in rows]
    for layer, (*_, shapes) in zip(made, given, strict=True):
        layer.build(shapes)

    def outputs(inputs):
        for layer, (tensors, masks) in zip(made, inputs, strict=True):
            for tensor, mask in zip(tensors, masks, strict=True):
                if mask is not None:
                    keras_backend.set_keras_mask(tensor, mask)
            y = layer(tensors if len(tensors) > 1 else tensors[0])
            yield y, keras_backend.get_keras_mask(y)

    found = ask(lambda inputs: list(outputs(inputs)), [(arrays, masks) for arrays, masks, _ in given])
    return [([np.asarray(w) for w in layer.weights], *rest) for layer, rest in zip(made, found, strict=True)]


MASKED_BY_KERAS = Batches(MASKED, masked_by_keras)


@pytest.mark.parametrize("row", range(len(MASKED)))
def test_masks_are_those_of_keras(row):
    name, kwargs, _ = MASKED[row]
    arrays, masks, shapes = masked_inputs(MASKED[row])
    weights, expected, wanted = MASKED_BY_KERAS[row]
    ours = getattr(layers, name)(**kwargs)
    context = CallContext()
    for array, mask in zip(arrays, masks, strict=True):
        context.set_mask(array, mask)
    with kerasish.use_backend("native"), entered(context):
        ours.build(shapes)
        ours.set_weights(weights)
        y = ours(arrays if len(arrays) > 1 else arrays[0])
    assert_close(y, expected)
    found = context.get_mask(y)
    assert (found is None) == (wanted is None)
    if found is not None:
        np.testing.assert_array_equal(to_numpy(found), np.asarray(wanted))


def test_masked_batch_normalization_trains_like_keras():
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(2, 3, 4)).astype("float32"), np.array([[1, 1, 0], [1, 0, 0]], bool)
    ours, theirs = layers.BatchNormalization(), keras.layers.BatchNormalization()
    with kerasish.use_backend("native"):
        y = ours(x, training=True, mask=mask)
    assert_close(y, theirs(x, training=True, mask=mask))
    for mine, reference in zip(ours.weights, theirs.weights, strict=True):
        assert_close(mine, reference)


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
def test_adapted_normalization_is_that_of_keras(axis):
    x = np.random.default_rng(1).normal(3.0, 2.0, size=(8, 3, 4)).astype("float32")
    ours, theirs, batched = (
        layers.Normalization(axis),
        keras.layers.Normalization(axis),
        layers.Normalization(axis),
    )
    with kerasish.use_backend("native"):
        ours.adapt(x)
        batched.adapt(iter([x[:3], x[3:4], x[4:]]))
        theirs.adapt(x)
        assert_close(ours(x), theirs(x), atol=1e-4)
        assert_close(batched(x), theirs(x), atol=1e-4)
    assert [(w.name, w.shape) for w in ours.weights] == [(w.name, w.shape) for w in theirs.weights]
    for mine, reference in zip(ours.weights, theirs.weights, strict=True):
        assert_close(mine, reference, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract"]
)
def test_functional_form_is_that_of_keras(name):
    x = [np.random.default_rng(i).normal(size=(2, 3)).astype("float32") for i in range(2)]
    with kerasish.use_backend("native"):
        assert_close(getattr(layers, name)(x), getattr(keras.layers, name)(x))
        assert getattr(layers, name).__name__ == name


def test_config_of_a_function_is_that_of_keras():
    function = lambda x, a=2: x * a  # noqa: E731
    ours, theirs = (m.Lambda(function, name="f", arguments={"a": 3}) for m in (layers, keras.layers))
    assert jsonable(ours.get_config()) == jsonable(theirs.get_config())
