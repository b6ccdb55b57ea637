"""Losses against installed Keras: values, gradients, weights, masks, reductions, configs."""

import functools
import inspect

import numpy as np
import pytest

from kerasish import losses, ops
from kerasish.core import context
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.core.objects import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from tests.batches import Batches
from tests.libraries import library
from tests.oracle import ask, jax, keras

keras_backend = library("keras.src.backend")

B, T, C = 4, 3, 5


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@functools.cache
def data(kind):
    """Labels and predictions of shape (B, T, C), or sparse labels (B, T)."""
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(B, T, C)).astype("float32") * 2
    classes = rng.integers(0, C, size=(B, T))
    one_hot = np.eye(C, dtype="float32")[classes]
    prob = softmax(scores).astype("float32")
    return {
        "real": (rng.normal(size=(B, T, C)).astype("float32"), scores),
        "positive": (rng.uniform(0, 3, size=(B, T, C)).astype("float32"), np.exp(scores / 2)),
        "distribution": (softmax(rng.normal(size=(B, T, C))).astype("float32"), prob),
        "binary": (
            (rng.uniform(size=(B, T, C)) < 0.5).astype("float32"),
            rng.uniform(size=(B, T, C)).astype("float32"),
        ),
        "binary logits": ((rng.uniform(size=(B, T, C)) < 0.5).astype("float32"), scores),
        "sides": (np.sign(rng.normal(size=(B, T, C))).astype("float32"), scores),
        "classes": (one_hot, prob),
        "class logits": (one_hot, scores),
        "sparse": (classes.astype("int32"), prob),
        "sparse logits": (classes.astype("int32"), scores),
    }[kind]


# class, options, data
CASES = [
    ("MeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("Huber", {}, "real"),
    ("Huber", {"delta": 0.4}, "real"),
    ("LogCosh", {}, "real"),
    ("Poisson", {}, "positive"),
    ("KLDivergence", {}, "distribution"),
    ("CosineSimilarity", {}, "real"),
    ("CosineSimilarity", {"axis": 1}, "real"),
    ("Hinge", {}, "sides"),
    ("Hinge", {}, "binary logits"),
    ("SquaredHinge", {}, "sides"),
    ("CategoricalHinge", {}, "classes"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary logits"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3, "gamma": 3.0}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary logits"),
    ("CategoricalCrossentropy", {}, "classes"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.3}, "classes"),
    ("CategoricalCrossentropy", {"from_logits": True}, "class logits"),
    ("CategoricalCrossentropy", {"axis": 1}, "distribution"),
    ("CategoricalFocalCrossentropy", {}, "classes"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.5, "gamma": 1.0}, "class logits"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, "sparse"),
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "sparse"),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 0}, "sparse logits"),
    ("Dice", {}, "binary"),
    ("Dice", {"axis": (1, 2)}, "binary"),
    ("Tversky", {"alpha": 0.3, "beta": 0.7}, "binary"),
]
IDS = [f"{name}-{kind}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options, kind in CASES]
rng = np.random.default_rng(0)
WEIGHTS = {
    "none": None,
    "one": np.float32(2.5),
    "sample": rng.uniform(size=(B, 1)).astype("float32"),
    "step": rng.uniform(size=(B, T)).astype("float32"),
    "zero": np.zeros((B, 1), "float32"),
}
MASKS = {
    "some": np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 0, 0]], bool),
    "all out": np.zeros((B, T), bool),
}
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "none", "mean_with_sample_weight"]


def close(ours, theirs, rtol=2e-5, atol=2e-6):
    np.testing.assert_allclose(ops.convert_to_numpy(ours), np.asarray(theirs), rtol=rtol, atol=atol)


def masked(loss, y_true, y_pred, weight, mask):
    y_pred = ops.convert_to_tensor(y_pred)
    with context.entered(context.CallContext()) as call:
        if mask is not None:
            call.set_mask(y_pred, ops.convert_to_tensor(mask))
        return loss(y_true, y_pred, weight)


def keras_masked(loss, y_true, y_pred, weight, mask):
    y_pred = keras.ops.convert_to_tensor(y_pred)
    if mask is not None:
        keras_backend.set_keras_mask(y_pred, keras.ops.convert_to_tensor(mask))
    return loss(y_true, y_pred, weight)


@functools.cache
def expected(index, reduction="sum_over_batch_size", weight="none", mask=None):
    name, options, kind = CASES[index]
    loss = getattr(keras.losses, name)(reduction=reduction, **options)
    return np.asarray(keras_masked(loss, *data(kind), WEIGHTS[weight], MASKS.get(mask)))


def slopes_of_keras(rows):
    """Values of Keras' losses, and their gradients with respect to predictions."""
    made = [getattr(keras.losses, name)(**options) for name, options, _ in rows]

    def slopes(given):
        return [
            jax.value_and_grad(lambda y, loss=loss, labels=y_true: loss(labels, y))(y_pred)
            for loss, (y_true, y_pred) in zip(made, given, strict=True)
        ]

    return ask(slopes, [data(kind) for *_, kind in rows])


SLOPES_OF_KERAS = Batches(CASES, slopes_of_keras)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_value(engine, index):
    name, options, kind = CASES[index]
    close(getattr(losses, name)(**options)(*data(kind)), SLOPES_OF_KERAS[index][0])


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_gradient(engine, index):
    name, options, kind = CASES[index]
    y_true, y_pred = data(kind)
    ours = getattr(losses, name)(**options)
    y_true = ops.convert_to_tensor(y_true)
    _, _, (gradient,) = engine.value_and_grad(
        lambda y: (ours(y_true, y), None), [ops.convert_to_tensor(y_pred)]
    )
    close(gradient, SLOPES_OF_KERAS[index][1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mask", [None, *MASKS])
@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["MeanSquaredError", "SparseCategoricalCrossentropy", "Dice"])
def test_reduction_weight_and_mask(engine, name, reduction, weight, mask):
    index = next(i for i, case in enumerate(CASES) if case[0] == name)
    kind = CASES[index][2]
    loss = getattr(losses, name)(reduction=reduction)
    ours = masked(loss, *data(kind), WEIGHTS[weight], MASKS.get(mask))
    close(ours, expected(index, reduction, weight, mask))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ignored_classes_do_not_count_in_means(engine, reduction):
    labels = np.array([0, 1, 2, 255])
    prob = data("classes")[1][:, 0]
    ours = losses.SparseCategoricalCrossentropy(ignore_class=255, reduction=reduction)(labels, prob)
    theirs = keras.losses.SparseCategoricalCrossentropy(ignore_class=255, reduction=reduction)(labels, prob)
    close(ours, theirs)


FUNCTIONS = [
    name for name, f in vars(keras.losses).items() if inspect.isfunction(f) and name not in ("ctc", "circle")
]
CLASSES = [
    name for name, f in vars(keras.losses).items() if inspect.isclass(f) and name not in ("CTC", "Circle")
]


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_signature(name):
    ours = [(p.name, p.default) for p in inspect.signature(getattr(losses, name)).parameters.values()]
    assert ours == [
        (p.name, p.default) for p in inspect.signature(getattr(keras.losses, name)).parameters.values()
    ]


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_function_gives_one_value_a_sample(engine, index):
    name, options, kind = CASES[index]
    function = getattr(losses, name)().fn
    ours = function(*data(kind), **options)
    close(ours, getattr(keras.losses, function.__name__)(*data(kind), **options), rtol=5e-5)


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "Loss"])
def test_config(name):
    ours = getattr(losses, name)()
    assert ours.get_config() == getattr(keras.losses, name)().get_config()
    assert serialize_keras_object(ours) == keras.losses.serialize(getattr(keras.losses, name)())


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_config_round_trip(index):
    name, options, kind = CASES[index]
    loss = getattr(losses, name)(reduction="sum", name="mine", **options)
    config = serialize_keras_object(loss)
    again = deserialize_keras_object(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    close(again(*data(kind)), ops.convert_to_numpy(loss(*data(kind))))
    theirs = keras.saving.deserialize_keras_object(config)
    close(again(*data(kind)), theirs(*data(kind)), rtol=5e-5)


ALIGNED = [
    ((4,), (4, 1)),
    ((4, 1), (4,)),
    ((4, 3), (4, 3, 1)),
    ((4, 3, 1), (4, 3)),
    ((4, 2), (4, 2)),
    ((), (4, 2)),
]


@pytest.mark.parametrize(("true", "pred"), ALIGNED)
def test_shapes_are_aligned_as_in_keras(engine, true, pred):
    y_true, y_pred = np.ones(true, "float32"), np.full(pred, 3, "float32")
    theirs = np.asarray(keras.losses.mean_squared_error(y_true, y_pred))
    ours = ops.convert_to_numpy(losses.mean_squared_error(y_true, y_pred))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs)


MISMATCHES = [
    ("mean_squared_error", (4, 2), (4, 3), "units"),
    ("mean_squared_error", (4, 1), (4, 3), "SparseCategoricalCrossentropy"),
    ("mean_squared_error", (4, 2), (3, 2), "units"),
    ("categorical_crossentropy", (4,), (4, 3), "SparseCategoricalCrossentropy"),
    ("categorical_crossentropy", (4, 2), (4, 3), "units"),
    ("sparse_categorical_crossentropy", (4, 3), (4, 3), "one-hot labels go with CategoricalCrossentropy"),
    ("sparse_categorical_crossentropy", (5,), (4, 3), "check the shapes"),
    ("binary_crossentropy", (4,), (4, 3), "SparseCategoricalCrossentropy"),
]


@pytest.mark.parametrize(("name", "true", "pred", "hint"), MISMATCHES)
def test_wrong_shapes_are_named(engine, name, true, pred, hint):
    with pytest.raises(ShapeError, match=hint) as caught:
        getattr(losses, name)(np.ones(true, "float32"), np.ones(pred, "float32"))
    text = str(caught.value)
    assert f"y_true {true}" in text
    assert f"y_pred {pred}" in text


@pytest.mark.parametrize(
    ("weight", "fits"), [((4,), True), ((4, 3), True), ((4, 3, 1), True), ((2,), False), ((4, 3, 5), False)]
)
def test_weights_follow_samples(engine, weight, fits):
    y_true, y_pred = data("real")
    values = np.mean((y_true - y_pred) ** 2, -1)
    w = np.random.default_rng(1).uniform(size=weight).astype("float32")
    if not fits:
        with pytest.raises(ShapeError, match="sample_weight"):
            losses.MeanSquaredError()(y_true, y_pred, w)
        return
    beside = w.reshape(w.shape[:2]) if w.ndim > 1 else w[:, None]
    close(losses.MeanSquaredError(reduction="sum")(y_true, y_pred, w), (values * beside).sum(), rtol=1e-5)


DEGENERATE = [
    ("cosine_similarity", np.zeros((2, 3)), np.ones((2, 3)), {}),
    ("kl_divergence", np.zeros((2, 3)), np.zeros((2, 3)), {}),
    ("poisson", np.zeros((2, 3)), np.zeros((2, 3)), {}),
    ("mean_absolute_percentage_error", np.zeros((2, 3)), np.ones((2, 3)), {}),
    ("mean_squared_logarithmic_error", -np.ones((2, 3)), -np.ones((2, 3)), {}),
    ("binary_crossentropy", np.eye(2), 1 - np.eye(2), {}),
    ("binary_crossentropy", np.eye(2), np.array([[-200.0, 200], [100, -100]]), {"from_logits": True}),
    ("categorical_crossentropy", np.eye(2), 1 - np.eye(2), {}),
    ("categorical_crossentropy", np.eye(2), np.array([[-200.0, 200], [1e4, -1e4]]), {"from_logits": True}),
    ("sparse_categorical_crossentropy", np.array([0, 1]), 1 - np.eye(2), {}),
    ("log_cosh", np.zeros((2, 2)), np.array([[100.0, -100], [0, 0]]), {}),
    ("dice", np.zeros((2, 2)), np.zeros((2, 2)), {}),
    ("tversky", np.zeros((2, 2)), np.zeros((2, 2)), {}),
]


def inputs_of(row):
    return [y if y.dtype.kind == "i" else y.astype("float32") for y in row[1:3]]


def degenerate_of_keras(rows):
    def values(given):
        return [
            getattr(keras.losses, name)(*ys, **options)
            for (name, *_, options), ys in zip(rows, given, strict=True)
        ]

    return ask(values, [inputs_of(row) for row in rows])


DEGENERATE_BY_KERAS = Batches(DEGENERATE, degenerate_of_keras)


@pytest.mark.parametrize("index", range(len(DEGENERATE)), ids=[row[0] for row in DEGENERATE])
def test_degenerate_inputs_stay_finite(engine, index):
    name, *_, options = DEGENERATE[index]
    ours = ops.convert_to_numpy(getattr(losses, name)(*inputs_of(DEGENERATE[index]), **options))
    assert np.isfinite(ours).all()
    close(ours, DEGENERATE_BY_KERAS[index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "alias", ["mse", "MSE", "mae", "MAPE", "msle", "bce", "kld", "KLD", "huber", "log_cosh"]
)
def test_get_by_function_name(alias):
    assert losses.get(alias).__name__ == keras.losses.get(alias).__name__


def test_get_by_other_means():
    assert losses.get(None) is None
    assert isinstance(losses.get("MeanSquaredError"), losses.MeanSquaredError)
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).get_config()["delta"] == 2.0
    with CustomObjectScope({"mine": losses.hinge}):
        assert losses.get("mine") is losses.hinge
    with pytest.raises(UnknownNameError, match="did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(ArgumentError, match="not a valid loss"):
        losses.get(3)


def test_unknown_reduction():
    with pytest.raises(UnknownNameError, match="did you mean 'sum'"):
        losses.MeanSquaredError(reduction="summ")


def test_custom_loss(engine):
    class Biased(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.maximum(y_pred - y_true, 0.0), axis=-1)

    loss = Biased(reduction="sum")
    assert loss.name == "biased"
    assert float(loss(np.array([[0, 2]]), np.array([[1.0, 1.0]], "float32"))) == 0.5


def test_loss_dtype(engine):
    loss = losses.MeanSquaredError(dtype="float64")
    value = loss([[1.0]], [[2.0]])
    assert ops.dtype(value) == "float64"
    assert loss.get_config()["dtype"] == "float64"


def test_nested_predictions(engine):
    class Both(losses.Loss):
        def call(self, y_true, y_pred):
            return ops.add(
                losses.mean_squared_error(y_true["a"], y_pred["a"]),
                losses.mean_squared_error(y_true["b"], y_pred["b"]),
            )

    ones, zeros = np.ones((2, 2), "float32"), np.zeros((2, 2), "float32")
    assert float(Both()({"a": ones, "b": ones}, {"a": zeros, "b": zeros})) == 2.0
