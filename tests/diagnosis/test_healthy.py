"""Healthy engines are not accused, and nothing is left of a diagnosis in the model."""

import tracemalloc

import numpy as np
import pytest

import kerasish
from benchmarks.diff_faults import MODELS, made
from kerasish import layers, ops
from kerasish.diagnosis import diff, spill


def largest(result, engine):
    return max((d.ratio for row in result.rows if (d := row.worst[engine]) is not None), default=0.0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_healthy_models_are_well_inside(name, training, engine):
    result = diff(*made(name, 3), backends=[engine.name], training=training, compiled=False)
    assert result.agree, str(result)
    assert largest(result, engine.name) < 0.8, str(result)
    assert result.skipped == 0


@pytest.mark.parametrize("name", ["mlp", "lstm"])
def test_compiled_layers_too(name, engine):
    assert diff(*made(name, 4), backends=[engine.name]).agree


ILL_CONDITIONED = {
    "batch normalisation of almost constant channels": (layers.BatchNormalization, (1000.0, 1e-2)),
    "layer normalisation of almost constant rows": (layers.LayerNormalization, (300.0, 1e-3)),
    "softmax of large numbers": (layers.Softmax, (0.0, 200.0)),
    "tanh far out": (lambda: layers.Activation("tanh"), (8.0, 3.0)),
    "gelu far out": (lambda: layers.Activation("gelu"), (-5.0, 1.0)),
    "unit vectors of tiny numbers": (layers.UnitNormalization, (0.0, 1e-18)),
    "denormal numbers": (lambda: layers.Rescaling(1e-20), (0.0, 1e-20)),
}


@pytest.mark.parametrize("case", ILL_CONDITIONED.values(), ids=list(ILL_CONDITIONED))
def test_ill_conditioned_layers_are_not_accused(case, engine):
    make, (mean, deviation) = case
    x = (mean + deviation * np.random.default_rng(0).normal(size=(32, 6))).astype("float32")
    result = diff(make(), x, backends=[engine.name], compiled=False)
    assert result.agree, str(result)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_dtypes(policy, engine):
    kerasish.utils.set_random_seed(0)
    model = kerasish.Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu", dtype=policy),
            layers.BatchNormalization(dtype=policy),
            layers.Flatten(dtype=policy),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    result = diff(model, backends=[engine.name], compiled=False)
    assert result.agree, str(result)


def test_the_model_is_as_before(engine):
    model, x = made("convnet", 0)
    model.compile("adam", "mse")
    model.to_backend(engine)
    before, streams = model.get_weights(), [g.state.tolist() for g in model.seed_generators]
    diff(model, x, backends=["native"], compiled=False)
    assert model.engine is engine
    assert [g.state.tolist() for g in model.seed_generators] == streams
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    inputs = np.zeros((4, 9, 8, 2), "float32")
    model.fit(inputs, np.zeros((4, 3), "float32"), verbose=0)


def test_units_of_a_custom_model():
    model, x = made("nested", 0)
    rows = [
        (row.where, row.label, row.kind) for row in diff(model, x, backends=["native"], compiled=False).rows
    ]
    assert rows[0] == ("nested/dense", "Dense", "layer")
    assert ("nested/block_0/dense", "Dense", "layer") in rows
    assert ("nested/block_0", "multiply", "op") in rows
    assert rows[-1] == ("nested/dense_1", "Dense", "layer")
    assert ("nested", "max", "op") in rows or ("nested", "logsumexp", "op") in rows


class Looping(layers.Layer):
    """A layer inside a loop over tensors: it cannot be taken apart."""

    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)

    def build(self, shape):
        self.inner.build((None, 3))

    def call(self, x):
        _, ys = ops.scan(lambda c, row: (c + self.inner(row), c), ops.zeros((4, 3)), x)
        return ys


def test_layers_that_loop_are_one_unit(engine):
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    model = kerasish.Sequential([Looping(), layers.Dense(2)])
    result = diff(model, x, backends=[engine.name], compiled=False)
    assert [row.label for row in result.rows if row.kind == "layer"] == ["Looping", "Dense"]
    assert result.agree, str(result)


def test_shared_layers_masks_and_losses(engine):
    tokens = layers.Input((5,), dtype="int32")
    embed = layers.Embedding(7, 4, mask_zero=True)
    dense = layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1")
    h = dense(dense(embed(tokens)))
    model = kerasish.Model(tokens, layers.LSTM(3)(h))
    model.compile("sgd", "mse")
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 1, 2]], "int32")
    result = diff(model, x, np.zeros((2, 3), "float32"), backends=[engine.name], compiled=False)
    assert result.agree, str(result)
    assert [row.where for row in result.rows].count(f"{model.name}/dense") >= 2
    assert any(row.where == "loss" for row in result.rows)


def deep(depth):
    kerasish.utils.set_random_seed(0)
    stack = [layers.Dense(64, activation="relu", name=f"d{i}") for i in range(depth)]
    return kerasish.Sequential([layers.Input((64,)), *stack])


def peak(depth):
    model, x = deep(depth), np.random.default_rng(0).normal(size=(1024, 64)).astype("float32")
    tracemalloc.start()
    try:
        diff(model, x, backends=["native"], compiled=False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_deep_models_are_not_held_in_memory(monkeypatch):
    monkeypatch.setattr(spill, "IN_MEMORY", 1 << 16)
    peak(2)  # imports and caches
    shallow, far = peak(3), peak(15)
    activation = 1024 * 64 * 4
    assert far - shallow < 4 * activation  # twelve more layers


def test_inputs_are_made_up_for_models_that_say_what_they_take():
    model, _ = made("transformer", 0)
    assert diff(model, backends=["native"], compiled=False).rows[0].label == "Embedding"
    with pytest.raises(kerasish.KerasishError, match="does not say what it takes"):
        diff(made("nested", 0)[0], backends=["native"])


def test_missing_engines_are_named(monkeypatch):
    from kerasish.core import registry
    from kerasish.core.contract import EngineInfo

    ghost = EngineInfo("ghost", "ghost:build", ("no_such_module",), "pip install ghost")
    monkeypatch.setitem(registry._extra, "ghost", ghost)
    model, _ = made("mlp", 0)
    result = diff(model, backends=["native", "ghost"], compiled=False)
    assert result.missing == {"ghost": "not installed. Try: pip install ghost"}
    assert "ghost: not installed" in str(result)
    with pytest.raises(kerasish.KerasishError, match="None of the engines"):
        diff(model, backends=["ghost"])
