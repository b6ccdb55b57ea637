"""Training against installed Keras: the same weights, data and settings give the same history.

Keras runs on jax, kerasish on the engine under test. One row is one way of training.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kerasish
from kerasish.models.summary import print_summary
from tests.oracle import keras

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not

METHODS = ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch", "compile"]
rng = np.random.default_rng(0)
N = 22
X = rng.normal(size=(N, 4)).astype("float32")
X2 = rng.normal(size=(N, 2)).astype("float32")
REAL = rng.normal(size=(N, 2)).astype("float32")
LABELS = rng.integers(0, 3, (N,)).astype("int32")
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
BINARY = (LABELS > 0).astype("float32").reshape(-1, 1)
WEIGHTS = rng.uniform(0.2, 2, (N,)).astype("float32")
TOKENS = np.where(np.arange(7) < rng.integers(1, 8, (N, 1)), rng.integers(1, 9, (N, 7)), 0).astype("int32")
STEPS = rng.normal(size=(N, 7, 2)).astype("float32")
EVEN = 20  # samples that batches of 5 divide


# -- models, for either library ----------------------------------------------------------------------------------------
def mlp(k, outputs=2, activation=None, **options):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((4,)),
            layers.Dense(6, activation="tanh", **options),
            layers.Dense(outputs, activation=activation),
        ]
    )


def softmax(k):
    return mlp(k, 3, "softmax")


def logistic(k):
    return mlp(k, 1, "sigmoid")


def regularized(k):
    return mlp(k, kernel_regularizer=k.regularizers.L2(0.05), activity_regularizer=k.regularizers.L1(0.01))


def normalized(k):
    return k.Sequential(
        [k.Input((4,)), k.layers.Dense(6, use_bias=False), k.layers.BatchNormalization(), k.layers.Dense(2)]
    )


def masked(k):
    x = k.Input((7,), dtype="int32")
    h = k.layers.Embedding(9, 4, mask_zero=True)(x)
    return k.Model(x, k.layers.Dense(2)(h))


def pooled(k):
    x = k.Input((7,), dtype="int32")
    h = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(9, 4, mask_zero=True)(x))
    return k.Model(x, k.layers.Dense(2)(h))


def two_outputs(k):
    a, b = k.Input((4,), name="a"), k.Input((2,), name="b")
    h = k.layers.Concatenate()([k.layers.Dense(5, activation="tanh")(a), b])
    value, kind = k.layers.Dense(2, name="value")(h), k.layers.Dense(3, activation="softmax", name="kind")(h)
    return k.Model([a, b], [value, kind])


def two_named_outputs(k):
    a = k.Input((4,), name="a")
    h = k.layers.Dense(5, activation="tanh")(a)
    return k.Model(a, {"value": k.layers.Dense(2)(h), "kind": k.layers.Dense(3, activation="softmax")(h)})


def nested_outputs(shape):
    """Two values and a kind, put together by `shape`."""

    def model(k):
        a = k.Input((4,), name="a")
        h = k.layers.Dense(5, activation="tanh")(a)
        left, right = k.layers.Dense(2, name="left")(h), k.layers.Dense(2, name="right")(h)
        return k.Model(a, shape(left, right, k.layers.Dense(3, activation="softmax", name="kind")(h)))

    return model


def sparse(k):
    return k.losses.SparseCategoricalCrossentropy()


def own_functions(*names):
    """Makers of metrics that are functions of these names."""

    def maker(name):
        def make(k):
            def difference(y_true, y_pred):
                return k.ops.mean(y_true - y_pred, axis=-1)

            difference.__name__ = name
            return difference

        return make

    return [maker(name) for name in names]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A model, and the arguments of compile and fit (functions are called with the library)."""

    name: str
    model: Callable[[Any], Any]
    compile: dict[str, Any]
    fit: dict[str, Any]
    tolerance: float = 2e-4


def case(name, model, compiled=None, tolerance=2e-4, **fit):
    fit = {"x": X, "y": REAL, "batch_size": 5, "epochs": 3, "shuffle": False, "verbose": 0, **fit}
    return Case(name, model, {"optimizer": "adam", "loss": "mse", **(compiled or {})}, fit, tolerance)


CE = "sparse_categorical_crossentropy"
TWO = {"x": [X, X2], "y": [REAL, LABELS]}
NAMED = {"x": X, "y": {"value": REAL, "kind": LABELS}}
CASES = [
    case("plain", mlp, {"metrics": ["mae", "mse"]}),
    case("own metrics", mlp, {"metrics": own_functions("<lambda>", "MeanGap", "RMSE", "plain_name")}),
    case("sgd momentum", mlp, {"optimizer": lambda k: k.optimizers.SGD(0.05, momentum=0.9)}),
    case("rmsprop default", mlp, {"optimizer": "rmsprop"}),
    case("clipped", mlp, {"optimizer": lambda k: k.optimizers.Adam(0.05, global_clipnorm=0.1)}),
    case(
        "schedule",
        mlp,
        {"optimizer": lambda k: k.optimizers.SGD(k.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5))},
    ),
    case("accuracy sparse", softmax, {"loss": CE, "metrics": ["accuracy", "acc"]}, y=LABELS),
    case("accuracy column", softmax, {"loss": CE, "metrics": ["accuracy"]}, y=LABELS.reshape(-1, 1)),
    case(
        "accuracy one-hot",
        softmax,
        {"loss": "categorical_crossentropy", "metrics": ["accuracy", "categorical_crossentropy"]},
        y=ONE_HOT,
    ),
    case(
        "accuracy binary", logistic, {"loss": "binary_crossentropy", "metrics": ["accuracy", "AUC"]}, y=BINARY
    ),
    case(
        "loss object",
        softmax,
        {"loss": sparse, "metrics": [lambda k: k.metrics.SparseTopKCategoricalAccuracy(2)]},
        y=LABELS,
    ),
    case("weights", mlp, {"metrics": ["mae"], "weighted_metrics": ["mae", "mse"]}, sample_weight=WEIGHTS),
    case(
        "class weights",
        softmax,
        {"loss": CE, "weighted_metrics": ["accuracy"]},
        y=LABELS,
        class_weight={0: 0.5, 1: 2.0, 2: 1.0},
    ),
    case(
        "class weights one-hot",
        softmax,
        {"loss": "categorical_crossentropy"},
        y=ONE_HOT,
        class_weight={0: 0.5, 1: 2.0, 2: 1.0},
    ),
    # Keras on jax loses the mask of predictions on their way out of the gradient: its metrics in fit do not see it.
    case("mask", masked, x=TOKENS, y=STEPS),
    case(
        "temporal weights",
        masked,
        x=TOKENS,
        y=STEPS,
        sample_weight=np.outer(WEIGHTS, np.ones(7)).astype("float32"),
    ),
    case("mask consumed", pooled, x=TOKENS),
    case("two outputs", two_outputs, {"loss": ["mse", CE], "metrics": [["mae"], ["accuracy"]]}, **TWO),
    case("two outputs, weights", two_outputs, {"loss": ["mse", CE], "loss_weights": [0.3, 2.0]}, **TWO),
    case(
        "two outputs, one loss", two_outputs, {"loss": ["mse", None], "metrics": [None, ["accuracy"]]}, **TWO
    ),
    case(
        "two outputs, by name",
        two_outputs,
        {
            "loss": {"value": "mse", "kind": CE},
            "metrics": {"kind": ["accuracy"]},
            "loss_weights": {"value": 0.5, "kind": 1.0},
        },
        x={"a": X, "b": X2},
        y={"value": REAL, "kind": LABELS},
    ),
    case(
        "two outputs, sample weights",
        two_outputs,
        {"loss": ["mse", CE], "weighted_metrics": [["mae"], ["accuracy"]]},
        sample_weight=[WEIGHTS, WEIGHTS[::-1].copy()],
        **TWO,
    ),
    case(
        "named outputs",
        two_named_outputs,
        {"loss": {"value": "mse", "kind": CE}, "metrics": {"kind": "accuracy"}},
        **NAMED,
    ),
    *[
        case(
            f"nested outputs, {name}",
            nested_outputs(shape),
            {"loss": shape("mse", loss, CE), "metrics": shape(["mae"], ["mse"], ["accuracy"]), **more},
            y=shape(REAL, REAL, LABELS),
            **weights,
        )
        for name, shape, loss, more, weights in (
            ("lists in dict", lambda p, q, r: {"v": [p, q], "k": r}, "mae", {}, {}),
            ("dicts in dict", lambda p, q, r: {"v": {"x": q, "y": p}, "k": r}, "mae", {}, {}),
            ("lists in list", lambda p, q, r: [r, [q, p]], None, {"metrics": None}, {}),
            (
                "dicts in list",
                lambda p, q, r: [{"x": q, "y": p}, r],
                "mae",
                {"loss_weights": [{"x": 0.5, "y": 2.0}, 1.0]},
                {},
            ),
            (
                "weighted",
                lambda p, q, r: {"v": [p, q], "k": r},
                "mae",
                {},
                {"sample_weight": {"v": [WEIGHTS, WEIGHTS], "k": WEIGHTS}},
            ),
        )
    ],
    case("shared loss", two_outputs, {"loss": "mse"}, x=[X, X2], y=[REAL, ONE_HOT]),
    case("validation split", mlp, {"metrics": ["mae"]}, validation_split=0.3),
    case("validation data", mlp, {"metrics": ["mae"]}, validation_data=(X[:7], REAL[:7])),
    case(
        "validation weights",
        mlp,
        {"weighted_metrics": ["mae"]},
        validation_data=(X[:7], REAL[:7], WEIGHTS[:7]),
        validation_batch_size=3,
    ),
    case("validation steps", mlp, validation_data=(X, REAL), validation_steps=2),
    case("validation freq", mlp, validation_data=(X, REAL), validation_freq=2, epochs=4),
    case("validation freq list", mlp, validation_data=(X, REAL), validation_freq=[1, 3], epochs=4),
    case("initial epoch", mlp, initial_epoch=2, epochs=4),
    case("steps per epoch", mlp, x=X[:EVEN], y=REAL[:EVEN], steps_per_epoch=2),
    case("several steps a call", mlp, {"steps_per_execution": 3}),
    case("eager", mlp, {"run_eagerly": True, "metrics": ["mae"]}, epochs=2),
    case("regularizers", regularized, {"metrics": ["mae"]}, validation_split=0.2),
    case("batch normalization", normalized, validation_data=(X, REAL)),
    case("ema", mlp, {"optimizer": lambda k: k.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=4)}),
    case("accumulation", mlp, {"optimizer": lambda k: k.optimizers.SGD(0.1, gradient_accumulation_steps=2)}),
    case("whole set", mlp, batch_size=None),
]


def resolved(value, library):
    if inspect.isfunction(value):
        return value(library)
    if isinstance(value, list):
        return [resolved(v, library) for v in value]
    return value


@functools.cache
def starting_weights(row):
    kerasish.utils.set_random_seed(3)
    with kerasish.use_backend("native"):
        return row.model(kerasish).get_weights()


def trained(library, row):
    """Weights after a fit, and its history."""
    model = row.model(library)
    model.set_weights(starting_weights(row))
    model.compile(**{k: resolved(v, library) for k, v in row.compile.items()})
    history = model.fit(**row.fit).history
    return model.get_weights(), history


@functools.cache
def trained_by_keras(row):
    return trained(keras, row)


def assert_histories(ours, theirs, tolerance):
    assert sorted(ours) == list(theirs)  # Keras sorts; we put the loss first
    for name in theirs:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=tolerance, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_history_equals_that_of_keras(engine, row):
    weights, history = trained(kerasish, row)
    expected_weights, expected = trained_by_keras(row)
    assert_histories(history, expected, row.tolerance)
    for left, right in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    "row", [c for c in CASES if c.name in ("two outputs", "plain", "mask")], ids=lambda r: r.name
)
def test_evaluate_and_one_batch_equal_those_of_keras(row):
    results = []
    weights = starting_weights(row)
    for library in (kerasish, keras):
        model = row.model(library)
        model.set_weights(weights)
        model.compile(**{k: resolved(v, library) for k, v in row.compile.items()})
        data = {k: row.fit[k] for k in ("x", "y", "sample_weight") if k in row.fit}
        found = [
            model.evaluate(**data, batch_size=5, verbose=0),
            model.evaluate(**data, batch_size=5, verbose=0, return_dict=True),
            model.evaluate(**data, batch_size=5, steps=2, verbose=0),
            model.test_on_batch(**data, return_dict=True),
        ]
        model.reset_metrics()
        found += [model.train_on_batch(**data), model.train_on_batch(**data, return_dict=True)]
        results.append(found)
    for ours, theirs in zip(*results, strict=True):
        assert type(ours) is type(theirs) or np.ndim(theirs) == 0, (ours, theirs)
        if isinstance(theirs, dict):
            ours, theirs = [ours[name] for name in theirs], list(theirs.values())
        np.testing.assert_allclose(ours, np.asarray(theirs, "float32"), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_signatures_are_those_of_keras(method):
    ours = inspect.signature(getattr(kerasish.Model, method)).parameters
    theirs = inspect.signature(getattr(keras.Model, method)).parameters
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()
    ]


@pytest.mark.parametrize(
    "name",
    ["summary", "get_layer", "save", "load_weights", "count_params", "compute_loss", "compute_metrics"],
)
def test_names_of_other_arguments_are_those_of_keras(name):
    ours = inspect.signature(getattr(kerasish.Model, name)).parameters
    theirs = inspect.signature(getattr(keras.Model, name)).parameters
    if any(p.kind is p.VAR_POSITIONAL for p in ours.values()):
        ours = inspect.signature(print_summary).parameters
        ours = {"self": None, **{k: v for k, v in ours.items() if k != "model"}}
    missing = [n for n, p in theirs.items() if n not in ours and p.kind is not p.VAR_KEYWORD]
    assert not missing


def test_shuffled_epochs_differ_and_repeat(engine):
    def losses():
        kerasish.utils.set_random_seed(0)
        model = mlp(kerasish)
        model.compile("adam", "mse")
        seen = []
        model.fit(X, REAL, batch_size=1, epochs=2, verbose=0, callbacks=[_batches(seen)])
        return seen

    first = losses()
    assert first == losses()
    assert sorted(first[:N]) != sorted(first[N:])


def _batches(seen):
    return kerasish.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
