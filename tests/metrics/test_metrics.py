"""Metrics against installed Keras: results after several batches, weights, masks, configs, pure use."""

import functools
import inspect
import os
import re

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest
from keras.src import backend as keras_backend

from kerasish import losses, metrics, ops
from kerasish.core import context
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object

# The oracle asks jax for 64-bit integers, which jax without x64 declines with a warning: not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64:UserWarning"),
    # the oracle's IoU metrics warn of float weights, which is what users hand in
    pytest.mark.filterwarnings("ignore:You are passing weight as `float`:UserWarning"),
]

B, C = 12, 4


@functools.cache
def batches(kind):
    """Two batches of labels and predictions."""
    return [batch(kind, seed) for seed in (1, 2)]


def batch(kind, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(B, C)).astype("float32")
    prob = (np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)).astype("float32")
    classes = rng.integers(0, C, B).astype("int32")
    one_hot = np.eye(C, dtype="float32")[classes]
    binary = (rng.uniform(size=(B, C)) < 0.5).astype("float32")
    uniform = rng.uniform(size=(B, C)).astype("float32")
    return {
        "real": (rng.normal(size=(B, C)).astype("float32"), scores),
        "positive": (rng.uniform(0, 3, size=(B, C)).astype("float32"), np.exp(scores)),
        "distribution": (prob[::-1].copy(), prob),
        "sides": (np.sign(scores[::-1]).copy(), scores),
        "classes": (one_hot, prob),
        "class logits": (one_hot, scores),
        "sparse": (classes, prob),
        "sparse column": (classes[:, None], prob),
        "sorted ids": (classes, np.argsort(-scores, -1).astype("int32")),
        "labels": (classes, rng.integers(0, C, B).astype("int32")),
        "labels with void": (
            np.where(rng.uniform(size=B) < 0.3, -1, classes).astype("int32"),
            classes[::-1].copy(),
        ),
        "few labels": (np.minimum(classes, 1), np.minimum(classes[::-1], 1)),
        "equal": (classes[:, None], np.where(rng.uniform(size=B) < 0.5, classes, 0)[:, None].astype("int32")),
        "binary": (binary, uniform),
        "binary vector": (binary[:, 0], uniform[:, 0]),
        "binary logits": (binary, scores),
        "binary edges": (binary, np.round(uniform)),
        "no positives": (np.zeros_like(binary), uniform),
        "all positives": (np.ones_like(binary), uniform),
        "constant": (np.ones((B, C), "float32"), np.ones((B, C), "float32")),
        "zeros": (np.zeros((B, C), "float32"), np.zeros((B, C), "float32")),
    }[kind]


# class, options, data
CASES = [
    ("Accuracy", {}, "equal"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary"),
    ("CategoricalAccuracy", {}, "classes"),
    ("SparseCategoricalAccuracy", {}, "sparse"),
    ("SparseCategoricalAccuracy", {}, "sparse column"),
    ("TopKCategoricalAccuracy", {"k": 2}, "classes"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "sparse"),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "sorted ids"),
    ("MeanSquaredError", {}, "real"),
    ("RootMeanSquaredError", {}, "real"),
    ("MeanAbsoluteError", {}, "real"),
    ("MeanAbsolutePercentageError", {}, "real"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("LogCoshError", {}, "real"),
    ("CosineSimilarity", {}, "real"),
    ("Poisson", {}, "positive"),
    ("KLDivergence", {}, "distribution"),
    ("Hinge", {}, "sides"),
    ("SquaredHinge", {}, "binary logits"),
    ("CategoricalHinge", {}, "class logits"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary logits"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "classes"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "sparse"),
    ("PearsonCorrelation", {}, "real"),
    ("PearsonCorrelation", {"axis": 0}, "real"),
    ("PearsonCorrelation", {}, "constant"),
    ("ConcordanceCorrelation", {}, "real"),
    ("ConcordanceCorrelation", {}, "constant"),
    ("R2Score", {}, "real"),
    ("R2Score", {"class_aggregation": None}, "real"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "real"),
    ("R2Score", {"num_regressors": 3}, "real"),
    ("TruePositives", {}, "binary"),
    ("TrueNegatives", {"thresholds": [0.2, 0.7]}, "binary"),
    ("FalsePositives", {"thresholds": 0.4}, "binary"),
    ("FalseNegatives", {}, "binary vector"),
    ("Precision", {}, "binary"),
    ("Precision", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "binary"),
    ("Precision", {"thresholds": 0}, "binary logits"),
    ("Precision", {"top_k": 2}, "binary"),
    ("Precision", {"class_id": 1}, "binary"),
    ("Precision", {"top_k": 2, "class_id": 3}, "binary"),
    ("Precision", {}, "no positives"),
    ("Recall", {}, "binary"),
    ("Recall", {"thresholds": [0.3, 0.9]}, "binary"),
    ("Recall", {"top_k": 1}, "classes"),
    ("Recall", {}, "no positives"),
    ("AUC", {}, "binary"),
    ("AUC", {}, "binary vector"),
    ("AUC", {}, "binary edges"),
    ("AUC", {"num_thresholds": 5}, "binary"),
    ("AUC", {"curve": "PR"}, "binary"),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 7}, "binary"),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "num_thresholds": 7}, "binary"),
    ("AUC", {"summation_method": "minoring", "num_thresholds": 6}, "binary"),
    ("AUC", {"summation_method": "majoring", "num_thresholds": 6}, "binary"),
    ("AUC", {"thresholds": [0.1, 0.6, 0.25]}, "binary"),
    ("AUC", {"multi_label": True, "num_labels": C}, "binary"),
    ("AUC", {"multi_label": True}, "binary"),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 0.0, 2.0, 0.5]}, "binary"),
    ("AUC", {"multi_label": True, "curve": "PR", "thresholds": [0.3, 0.5]}, "binary"),
    ("AUC", {"from_logits": True}, "binary logits"),
    ("AUC", {}, "no positives"),
    ("AUC", {"curve": "PR"}, "all positives"),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, "binary"),
    ("SensitivityAtSpecificity", {"specificity": 0.6, "num_thresholds": 1}, "binary"),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 30}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.5}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.5, "class_id": 2}, "binary"),
    ("RecallAtPrecision", {"precision": 0.6}, "binary"),
    ("RecallAtPrecision", {"precision": 1.0}, "no positives"),
    ("FBetaScore", {"beta": 2.0}, "classes"),
    ("FBetaScore", {"beta": 0.5, "average": "macro", "threshold": 0.4}, "binary"),
    ("FBetaScore", {"average": "weighted"}, "classes"),
    ("F1Score", {}, "binary"),
    ("F1Score", {"average": "micro", "threshold": 0.5}, "binary"),
    ("F1Score", {"average": "macro"}, "zeros"),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, "labels"),
    (
        "IoU",
        {"num_classes": C, "target_class_ids": [1], "sparse_y_true": False, "sparse_y_pred": False},
        "classes",
    ),
    ("MeanIoU", {"num_classes": C}, "labels"),
    ("MeanIoU", {"num_classes": C}, "few labels"),
    ("MeanIoU", {"num_classes": C, "ignore_class": -1}, "labels with void"),
    ("MeanIoU", {"num_classes": C, "ignore_class": 0}, "labels"),
    ("BinaryIoU", {}, "binary"),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.2}, "binary"),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [0, 3]}, "classes"),
    ("OneHotMeanIoU", {"num_classes": C}, "classes"),
]
IDS = [f"{name}-{kind}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options, kind in CASES]
UNWEIGHTED = {"ConcordanceCorrelation", "PearsonCorrelation"}
WHOLE_WEIGHTS = {
    "IoU",
    "MeanIoU",
    "OneHotIoU",
    "OneHotMeanIoU",
    "BinaryIoU",
}  # their matrix counts in integers


def weights(name, y_true):
    rng = np.random.default_rng(5)
    if name in WHOLE_WEIGHTS:
        shape = y_true.shape if name == "BinaryIoU" else y_true.shape[:1]
        return [rng.integers(0, 4, shape).astype("float32") for _ in range(2)]
    return [rng.uniform(size=B).astype("float32") for _ in range(2)]


def close(ours, theirs, rtol=2e-5, atol=2e-6):
    np.testing.assert_allclose(ops.convert_to_numpy(ours), np.asarray(theirs), rtol=rtol, atol=atol)


@functools.cache
def expected(index, weighted):
    name, options, kind = CASES[index]
    metric = getattr(keras.metrics, name)(**options)
    for (y_true, y_pred), w in zip(batches(kind), weights(name, batches(kind)[0][0]), strict=True):
        metric.update_state(y_true, y_pred, sample_weight=w if weighted else None)
    return np.asarray(metric.result())


def updated(index, weighted):
    name, options, kind = CASES[index]
    metric = getattr(metrics, name)(**options)
    for (y_true, y_pred), w in zip(batches(kind), weights(name, batches(kind)[0][0]), strict=True):
        metric.update_state(y_true, y_pred, sample_weight=w if weighted else None)
    return metric


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_result(engine, index):
    close(updated(index, False).result(), expected(index, False))


@pytest.mark.parametrize("index", [i for i, case in enumerate(CASES) if case[0] not in UNWEIGHTED])
def test_weighted_result(engine, index):
    close(updated(index, True).result(), expected(index, True))


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_reset(index):
    metric = updated(index, False)
    before = ops.convert_to_numpy(metric.result())
    metric.reset_state()
    assert all(not v.numpy().any() for v in metric.variables)
    _, _, kind = CASES[index]
    for y_true, y_pred in batches(kind):
        metric.update_state(y_true, y_pred)
    np.testing.assert_array_equal(ops.convert_to_numpy(metric.result()), before)


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_stateless_use_compiles_and_leaves_the_metric_alone(engine, index):
    _, _, kind = CASES[index]
    metric = updated(index, False)
    state = [v.numpy().copy() for v in metric.variables]
    y_true, y_pred = (ops.convert_to_tensor(y) for y in batches(kind)[0])

    def step(values, y_true, y_pred):
        return metric.stateless_update_state(values, y_true, y_pred)

    values = engine.compile(step)([v.value for v in metric.variables], y_true, y_pred)
    for variable, before in zip(metric.variables, state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)
    result = metric.stateless_result(values)
    metric.update_state(y_true, y_pred)
    close(result, ops.convert_to_numpy(metric.result()))


@pytest.mark.parametrize("index", range(len(CASES)), ids=IDS)
def test_config_round_trip(index):
    name, options, kind = CASES[index]
    metric = getattr(metrics, name)(name="mine", **options)
    config = serialize_keras_object(metric)
    again = deserialize_keras_object(config)
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    theirs = keras.saving.deserialize_keras_object(config)
    y_true, y_pred = batches(kind)[0]
    close(again(y_true, y_pred), theirs(y_true, y_pred))


NEEDED = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "MeanMetricWrapper": {"fn": None},
}
CLASSES = [name for name, c in vars(keras.metrics).items() if inspect.isclass(c)]
FUNCTIONS = [name for name, f in vars(keras.metrics).items() if inspect.isfunction(f)]


@pytest.mark.parametrize("name", CLASSES + FUNCTIONS)
def test_signature(name):
    ours = [(p.name, p.default) for p in inspect.signature(getattr(metrics, name)).parameters.values()]
    assert ours == [
        (p.name, p.default) for p in inspect.signature(getattr(keras.metrics, name)).parameters.values()
    ]


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "Metric"])
def test_config_and_variables(name):
    options = dict(NEEDED.get(name, {}))
    theirs_options = dict(options)
    if "fn" in options:
        options["fn"], theirs_options["fn"] = losses.hinge, keras.losses.hinge
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**theirs_options)
    config = theirs.get_config()
    config["name"] = re.sub(r"_\d+$", "", config["name"])  # Keras numbers names process-wide
    assert ours.get_config() == config
    facts = [[(v.name, tuple(v.shape), str(v.dtype)) for v in m.variables] for m in (ours, theirs)]
    assert facts[0] == facts[1]


VALUES = np.arange(24, dtype="float32").reshape(4, 3, 2)
MEANS = [
    (VALUES, None),
    (VALUES, np.arange(4.0)),
    (VALUES, np.arange(12.0).reshape(4, 3)),
    (VALUES, np.arange(24.0).reshape(4, 3, 2)),
    (VALUES, 2.0),
    (VALUES[:, 0, 0], np.arange(4.0)[:, None]),
    (np.float32(3), None),
    (np.float32(3), 2.0),
    (np.zeros((0,), "float32"), None),
    (VALUES[:, 0], np.arange(4.0)[:, None]),
]


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(("values", "weight"), MEANS)
def test_mean_and_sum(engine, name, values, weight):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for metric in (ours, theirs):
        metric.update_state(values, sample_weight=weight)
        metric.update_state(values, sample_weight=weight)
    close(ours.result(), theirs.result())


@pytest.mark.parametrize("weight", [None, "sample", "step"])
@pytest.mark.parametrize("name", ["SparseCategoricalAccuracy", "SparseCategoricalCrossentropy"])
def test_masked_steps_do_not_count(engine, name, weight):
    rng = np.random.default_rng(3)
    y_true, y_pred = rng.integers(0, C, (5, 3)), rng.dirichlet(np.ones(C), (5, 3)).astype("float32")
    mask = rng.uniform(size=(5, 3)) < 0.5
    w = {None: None, "sample": rng.uniform(size=(5, 1)), "step": rng.uniform(size=(5, 3))}[weight]
    theirs_pred = keras.ops.convert_to_tensor(y_pred)
    keras_backend.set_keras_mask(theirs_pred, keras.ops.convert_to_tensor(mask))
    theirs = getattr(keras.metrics, name)()
    theirs.update_state(y_true, theirs_pred, sample_weight=w)
    ours = getattr(metrics, name)()
    pred = ops.convert_to_tensor(y_pred)
    with context.entered(context.CallContext()) as call:
        call.set_mask(pred, ops.convert_to_tensor(mask))
        ours.update_state(y_true, pred, sample_weight=w)
    close(ours.result(), theirs.result())


@pytest.mark.parametrize(
    "alias", ["mse", "MAE", "auc", "bce", "accuracy", "f1_score", "mean_io_u", "TruePositives"]
)
def test_get(alias):
    if alias != "mean_io_u":
        assert type(metrics.get(alias)).__name__ == type(keras.metrics.get(alias)).__name__
    else:
        with pytest.raises(TypeError, match="num_classes"):
            metrics.get(alias)


def test_get_unknown():
    assert metrics.get(None) is None
    with pytest.raises(UnknownNameError, match="did you mean 'Accuracy'"):
        metrics.get("acuracy")


MISTAKES = [
    (lambda: metrics.Precision(thresholds=1.5), ArgumentError, r"\[0, 1\]"),
    (lambda: metrics.AUC(curve="XY"), ArgumentError, "curve"),
    (lambda: metrics.AUC(num_labels=3), ArgumentError, "multi_label"),
    (lambda: metrics.AUC(num_thresholds=1), ArgumentError, "two thresholds"),
    (lambda: metrics.FBetaScore(beta=-1.0), ArgumentError, "beta"),
    (lambda: metrics.F1Score(average="all"), ArgumentError, "average"),
    (lambda: metrics.R2Score(num_regressors=-1), ArgumentError, "num_regressors"),
    (lambda: metrics.IoU(2, [2]), ArgumentError, "target class"),
    (lambda: metrics.SensitivityAtSpecificity(2.0), ArgumentError, "specificity"),
    (
        lambda: metrics.CategoricalAccuracy()(np.ones(4), np.ones((4, 3))),
        ShapeError,
        "sparse_categorical_accuracy",
    ),
    (lambda: metrics.SparseCategoricalAccuracy()(np.ones((4, 3)), np.ones((4, 3))), ShapeError, "one-hot"),
    (lambda: metrics.F1Score()(np.ones(4), np.ones(4)), ShapeError, "matrices"),
    (lambda: metrics.MeanSquaredError()(np.ones((4, 2)), np.ones((4, 3))), ShapeError, "y_pred"),
    (lambda: metrics.Precision()(np.ones((4, 2)), np.ones((4, 3))), ShapeError, "y_pred"),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_are_explained(number):
    call, kind, words = MISTAKES[number]
    with pytest.raises(kind, match=words):
        call()


def test_custom_metric_with_a_metric_inside(engine):
    class Twice(metrics.Metric):
        def __init__(self, name="twice"):
            super().__init__(name=name)
            self.inner = metrics.Mean()
            self.seen = self.add_weight(name="seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.inner.update_state(y_pred)
            self.seen.assign_add(1.0)

        def result(self):
            return {"mean": self.inner.result(), "seen": self.seen.value}

    metric = Twice()
    assert [v.path for v in metric.variables] == ["twice/seen", "mean/total", "mean/count"]
    metric([0.0], [2.0])
    result = metric([0.0], [4.0])
    assert {key: float(value) for key, value in result.items()} == {"mean": 3.0, "seen": 2.0}
    metric.reset_state()
    assert float(metric.result()["seen"]) == 0.0


def test_variables_before_super_init():
    class Hasty(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight()

    with pytest.raises(ValueError, match="super"):
        Hasty()


@pytest.mark.parametrize("name", ["AUC", "F1Score", "R2Score"])
def test_shapes_are_inferred_without_values(name):
    metric = metrics.AUC(multi_label=True) if name == "AUC" else getattr(metrics, name)()
    with context.abstract_call():
        metric.update_state(AbstractTensor((None, 3), "float32"), AbstractTensor((None, 3), "float32"))
    assert metric.variables
    assert all(not v.numpy().any() for v in metric.variables)
