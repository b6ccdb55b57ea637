"""What a step is: traces, precision, own steps and losses, frozen state after errors and Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import trees
from kerasish.core.convert import to_numpy
from kerasish.core.differentiate import value_and_grad_of_variables
from kerasish.core.errors import (
    ArgumentError,
    DataError,
    KerasishError,
    NotBuiltError,
    NumericError,
    OutOfRangeError,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(22, 4)).astype("float32")
Y = rng.normal(size=(22, 2)).astype("float32")
LABELS = rng.integers(0, 3, (22,))


def mlp(outputs=2, **options):
    kerasish.utils.set_random_seed(0)
    dense = layers.Dense(6, activation="tanh", **options)
    return kerasish.Sequential([kerasish.Input((4,)), dense, layers.Dense(outputs)])


def compiled(model, optimizer="adam", loss="mse", **options):
    model.compile(optimizer, loss, **options)
    return model


# -- traces ------------------------------------------------------------------------------------------------------------
def test_a_ragged_last_batch_costs_one_more_trace(engine):
    model = compiled(mlp())
    model.fit(X, Y, batch_size=5, epochs=3, verbose=0)
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    # torch runs the Python code of three steps of each shape, until it knows what they do; the others trace it once
    assert model._steps["train"][1].traces == (6 if engine.name == "torch" else 2)


@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_predictions_are_arrays_of_their_own(engine, method):
    model = kerasish.Sequential([kerasish.Input((X.shape[1],)), kerasish.layers.Dropout(0.5)])
    x = X[:4].copy()
    found = getattr(model, method)(x, **({"verbose": 0} if method == "predict" else {}))
    np.testing.assert_array_equal(found, X[:4])
    found += 1.0
    np.testing.assert_array_equal(x, X[:4])
    x += 1.0
    np.testing.assert_array_equal(found, X[:4] + 1.0)


@pytest.mark.parametrize("size", [1, 3, 22])
def test_predict_gives_every_sample_once_in_order(engine, size):
    model = mlp()
    found = model.predict(X, batch_size=size, verbose=0)
    np.testing.assert_allclose(found, to_numpy(model(X)), rtol=1e-4, atol=1e-5)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(model.predict_on_batch(X[:3]).shape, (3, 2))


def test_run_eagerly_runs_python_for_each_batch(engine):
    calls = []

    class Loud(layers.Layer):
        def call(self, x):
            calls.append(x)
            return x

    model = kerasish.Sequential([kerasish.Input((4,)), Loud(), layers.Dense(2)])
    compiled(model, run_eagerly=True).fit(X, Y, batch_size=5, verbose=0)
    eager = len(calls)
    compiled(model).fit(X, Y, batch_size=5, epochs=5, verbose=0)
    assert eager >= 5
    assert len(calls) - eager < (9 if engine.name == "torch" else 5)


# -- batches -----------------------------------------------------------------------------------------------------------
def test_a_generator_may_use_its_array_again(engine):
    whole = np.zeros(64 * 4 + 16, np.float32)
    offset = -(whole.ctypes.data // 4) % 16
    lent = whole[offset : offset + 64 * 4].reshape(64, 4)  # aligned: engines could share such memory
    x = np.random.default_rng(0).normal(size=(20, 64, 4)).astype("float32")

    def batches():
        for part in x:
            lent[:] = part
            yield lent, part[:, :2]
            lent[:] = np.nan

    losses = []
    for data in (batches(), ((part, part[:, :2]) for part in x)):
        model = compiled(mlp(), "sgd")
        losses.append(model.fit(data, steps_per_epoch=20, verbose=0).history["loss"])
    assert losses[0] == losses[1]


def test_two_variables_may_hold_one_tensor(engine):
    model = compiled(mlp())
    model.build((None, 4))
    twin = model.layers[0].add_weight(shape=(4, 6), trainable=False, name="twin")
    twin.assign(model.layers[0].kernel.value)
    before = twin.numpy().copy()
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    np.testing.assert_array_equal(twin.numpy(), before)
    assert not np.array_equal(model.layers[0].kernel.numpy(), before)


# -- own steps ---------------------------------------------------------------------------------------------------------
class OwnStep(kerasish.Model):
    """A training step written out."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)
        self.seen = kerasish.metrics.Mean(name="seen")

    def call(self, x):
        return self.dense(x)

    @property
    def metrics(self):
        return [self.seen]

    def train_step(self, data):
        x, y = data[:2]
        variables = self.trainable_variables

        def objective():
            return ops.mean(ops.square(self(x, training=True) - y))

        loss, gradients = value_and_grad_of_variables(objective, variables)
        self.optimizer.apply(gradients, variables)
        self.seen.update_state(loss)
        return {"seen": self.seen.result()}


def test_own_train_step_decides_the_logs(engine):
    kerasish.utils.set_random_seed(0)
    model = OwnStep()
    model.compile(optimizer=kerasish.optimizers.SGD(0.1))
    history = model.fit(X, Y, batch_size=5, epochs=4, shuffle=False, verbose=0).history
    assert list(history) == ["seen"]
    assert history["seen"][-1] < history["seen"][0]


class OwnLoss(kerasish.Model):
    """compute_loss in place of a compiled loss."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.abs(y_pred - y)) * 3.0


def test_spectral_normalization_holds_its_kernel_while_training(engine):
    def fitted():
        kerasish.utils.set_random_seed(1)
        dense = layers.Dense(6, activation="tanh")
        normalized = layers.SpectralNormalization(dense, power_iterations=30)
        model = kerasish.Sequential([kerasish.Input((4,)), normalized, layers.Dense(2)])
        dense.kernel.assign(ops.multiply(dense.kernel.value, 5.0))
        model.compile(kerasish.optimizers.SGD(1e-3), "mse")
        model.fit(X, Y, batch_size=11, epochs=3, verbose=0)
        return to_numpy(dense.kernel.value)

    kernel = fitted()
    assert np.linalg.norm(kernel, 2) == pytest.approx(1.0, abs=0.01)
    with kerasish.use_backend("native"):
        np.testing.assert_allclose(kernel, fitted(), rtol=1e-4, atol=1e-6)


def test_own_compute_loss_is_what_is_minimised(engine):
    model = OwnLoss()
    model.compile("sgd")
    expected = 3 * np.abs(model.predict(X, verbose=0) - Y).mean()
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), expected, rtol=1e-5)
    model.fit(X, Y, verbose=0)
    assert 3 * np.abs(model.predict(X, verbose=0) - Y).mean() < expected


class OwnMetrics(OwnLoss):
    """A number more in the logs."""

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        logs = super().compute_metrics(x, y, y_pred, sample_weight)
        return {**logs, "twice": 2 * logs["mae"]}


class OwnResult(OwnLoss):
    """The same, from the metrics' results."""

    def get_metrics_result(self):
        logs = super().get_metrics_result()
        return {**logs, "twice": 2 * logs["mae"]}


@pytest.mark.parametrize("kind", [OwnMetrics, OwnResult])
def test_own_metrics_are_in_the_logs(engine, kind):
    model = kind()
    model.compile("sgd", metrics=["mae"])
    history = model.fit(X, Y, batch_size=5, validation_data=(X, Y), epochs=2, verbose=0).history
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(found) == ["loss", "mae", "twice"]
    assert found["twice"] == pytest.approx(history["val_twice"][-1], rel=1e-5) == 2 * found["mae"]
    np.testing.assert_allclose(history["twice"], 2 * np.array(history["mae"]), rtol=1e-5)
    assert len(model.test_on_batch(X, Y)) == len(model.train_on_batch(X, Y)) == 3


def test_add_loss_counts(engine):
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(0.5 * ops.mean(ops.square(x)))
            return x

    x = kerasish.Input((4,))
    model = compiled(kerasish.Model(x, layers.Dense(2)(Penalty()(x))), "sgd")
    plain = np.square(model.predict(X, verbose=0) - Y).mean()
    np.testing.assert_allclose(
        model.evaluate(X, Y, batch_size=22, verbose=0), plain + 0.5 * np.square(X).mean(), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((X,), "array"),
        ((X, Y), ("array", "array")),
        ((X, Y, np.ones(len(X))), ("array", "array", "array")),
        (([X, X],), (["array", "array"],)),
        (({"a": X}, Y), ({"a": "array"}, "array")),
    ],
    ids=["x", "x, y", "x, y, weights", "inputs", "named inputs and y"],
)
def test_steps_of_ones_own_are_given_what_fit_was(given, expected):
    seen = []

    class Looks(kerasish.Model):
        def train_step(self, data):
            seen.append(trees.map_structure(lambda leaf: "array", data))
            return {"loss": ops.sum(trees.flatten(data)[0])}

        test_step = train_step

        def predict_step(self, data):
            seen.append(trees.map_structure(lambda leaf: "array", data))
            return ops.ones((3, 1))

    model = Looks()
    model.compile("sgd")
    x, y, weights = (*given, None, None)[:3]
    model.fit(x, y, sample_weight=weights, verbose=0)
    model.evaluate(x, y, sample_weight=weights, verbose=0)
    assert len(seen) > 1
    assert all(one == expected for one in seen)
    seen.clear()
    model.predict(x, verbose=0)
    assert all(
        one == (expected[0] if isinstance(expected, tuple) and y is not None else expected) for one in seen
    )


def test_a_step_that_returns_no_dict_is_explained():
    class Wrong(kerasish.Model):
        def call(self, x):
            return x

        def train_step(self, data):
            return ops.sum(data[0])

    model = Wrong()
    model.compile("sgd", "mse")
    with pytest.raises(ArgumentError, match="dict of results"):
        model.fit(X, X, verbose=0)


def test_metrics_of_layers_and_batches_so_far(engine):
    model = compiled(mlp(), metrics=["mae"])
    first = model.train_on_batch(X[:5], Y[:5], return_dict=True)
    assert list(first) == ["loss", "mae"]
    assert model.metrics_names == ["loss", "mae"]
    for _ in range(30):
        last = model.train_on_batch(X[:5], Y[:5])
    assert last[0] < first["loss"]
    np.testing.assert_allclose(model.test_on_batch(X, Y), model.evaluate(X, Y, verbose=0), rtol=1e-5)


# -- precision ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_in_float32_weights(engine, policy):
    kerasish.utils.set_random_seed(0)
    stack = [layers.Dense(8, activation="relu", dtype=policy), layers.Dense(2, dtype=policy)]
    model = _stacked(stack, policy)
    compiled(model, kerasish.optimizers.SGD(0.05))
    scaled = isinstance(model.optimizer, kerasish.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    losses = model.fit(X, Y, batch_size=22, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert {v.dtype for v in model.weights} == {"float32"}
    assert str(model.layers[0].compute_dtype) == policy.removeprefix("mixed_")


def _stacked(stack, policy):
    kerasish.mixed_precision.set_global_policy(policy)
    try:
        return kerasish.Sequential([kerasish.Input((4,)), *stack])
    finally:
        kerasish.mixed_precision.set_global_policy("float32")


def test_auto_scale_loss_can_be_switched_off():
    model = _stacked([layers.Dense(2)], "mixed_float16")
    compiled(model, auto_scale_loss=False)
    assert not isinstance(model.optimizer, kerasish.optimizers.LossScaleOptimizer)


# -- errors ------------------------------------------------------------------------------------------------------------
def _nan():
    x = X.copy()
    x[3, 1] = np.nan
    return x


SPARSE = "sparse_categorical_crossentropy"
WRONG = {
    "empty": (lambda m: m.fit(X[:0], Y[:0], verbose=0), DataError, "empty"),
    "lengths": (lambda m: m.fit(X, Y[:5], verbose=0), DataError, "x: 22, y: 5"),
    "weights' length": (
        lambda m: m.fit(X, Y, sample_weight=np.ones(3), verbose=0),
        DataError,
        "sample_weight: 3",
    ),
    "nan": (lambda m: m.fit(_nan(), Y, verbose=0), NumericError, r"\(3, 1\)"),
    "nan target": (
        lambda m: m.evaluate(X, np.full((22, 2), np.nan), verbose=0),
        NumericError,
        "`y` holds NaN",
    ),
    "nothing": (lambda m: m.fit(verbose=0), DataError, "no data"),
    "text": (lambda m: m.fit(np.array([["a"] * 4] * 3), Y[:3], verbose=0), DataError, "text"),
    "objects": (lambda m: m.fit(object(), verbose=0), DataError, "not understood"),
    "features": (lambda m: m.fit(X[:, :3], Y, verbose=0), KerasishError, r"\(None, 4\)"),
    "batch size": (lambda m: m.fit(X, Y, batch_size=0, verbose=0), ArgumentError, "positive integer"),
    "split": (lambda m: m.fit(X, Y, validation_split=1.5, verbose=0), ArgumentError, "between 0 and 1"),
    "split leaves none": (
        lambda m: m.fit(X[:2], Y[:2], validation_split=0.99, verbose=0),
        ArgumentError,
        "without samples",
    ),
    "empty generator": (lambda m: m.fit(iter([]), verbose=0), DataError, "yielded nothing"),
    "y with generator": (lambda m: m.fit(iter([(X, Y)]), Y, verbose=0), ArgumentError, "`y` cannot be given"),
    "callback class": (
        lambda m: m.fit(X, Y, callbacks=[kerasish.callbacks.EarlyStopping], verbose=0),
        ArgumentError,
        "not EarlyStopping",
    ),
    "predict nothing": (lambda m: m.predict(X[:0], verbose=0), DataError, "empty"),
    "target shape": (lambda m: m.fit(X, np.ones((22, 5)), verbose=0), KerasishError, "(?s)5.*2|2.*5"),
    "both weights": (
        lambda m: m.fit(X, LABELS, class_weight={0: 1.0}, sample_weight=np.ones(22), verbose=0),
        ArgumentError,
        "either",
    ),
    "unknown argument": (lambda m: m.evaluate(X, Y, verbos=0), ArgumentError, "verbos"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_is_one_clear_error_and_the_model_stays_usable(name):
    act, kind, match = WRONG[name]
    model = compiled(mlp())
    before = model.get_weights()
    with pytest.raises(kind, match=match) as caught:
        act(model)
    assert len(str(caught.value)) <= 400
    assert all(map(np.array_equal, before, model.get_weights()))
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize(("labels", "match"), [(LABELS + 1, "0 to 2"), (LABELS - 1, "-1")])
def test_labels_out_of_range(labels, match):
    model = compiled(mlp(3), loss=kerasish.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(OutOfRangeError, match=match):
        model.fit(X, labels, verbose=0)
    with pytest.raises(OutOfRangeError, match=match):
        model.train_on_batch(X, labels)


def test_ignored_class_is_in_range():
    loss = kerasish.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    assert np.isfinite(compiled(mlp(3), loss=loss).fit(X, LABELS - 1, verbose=0).history["loss"]).all()


def test_indices_beyond_the_vocabulary():
    model = kerasish.Sequential(
        [kerasish.Input((3,), dtype="int32"), layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)]
    )
    with pytest.raises(OutOfRangeError, match="raise input_dim"):
        compiled(model).fit(np.full((4, 3), 5), np.ones((4, 1)), verbose=0)


def test_indices_in_a_dict_are_those_of_the_input_of_that_name():
    words = kerasish.Input((3,), name="words", dtype="int32")
    size = kerasish.Input((1,), name="size")
    h = layers.Flatten()(layers.Embedding(5, 2)(words))
    model = compiled(kerasish.Model([words, size], layers.Dense(1)(layers.Concatenate()([h, size]))))
    data = {"size": np.full((4, 1), -7.5), "words": np.full((4, 3), 4)}
    model.fit(data, np.ones((4, 1)), verbose=0)
    with pytest.raises(OutOfRangeError, match="raise input_dim"):
        model.fit({**data, "words": np.full((4, 3), 5)}, np.ones((4, 1)), verbose=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("steps_per_execution", 0),
        ("steps_per_execution", 2.5),
        ("steps_per_execution", "auto"),
        ("jit_compile", "yes"),
    ],
)
def test_compile_looks_at_its_options(option, value):
    with pytest.raises(ArgumentError, match=rf"compile: `{option}` .* Received: {value!r}"):
        OwnLoss().compile("sgd", "mse", **{option: value})


def test_uncompiled_model_is_told_to_compile():
    with pytest.raises(NotBuiltError, match="compile"):
        mlp().fit(X, Y)


@pytest.mark.parametrize("outputs", [1])
def test_one_unit_softmax_is_refused(outputs):
    model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(1, activation="softmax")])
    with pytest.raises(ArgumentError, match="sigmoid"):
        compiled(model, loss="binary_crossentropy").fit(X, np.ones((22, 1)), verbose=0)


class Boom(Exception):
    """Raised by the tests' own code."""


def test_an_error_in_a_generator_leaves_the_last_good_state(engine):
    def batches():
        yield X[:5], Y[:5]
        yield X[5:10], Y[5:10]
        raise Boom("disk on fire")

    model = compiled(mlp())
    with pytest.raises(DataError, match="Boom: disk on fire") as caught:
        model.fit(batches(), verbose=0)
    assert isinstance(caught.value.__cause__, Boom)
    expected = compiled(mlp())
    expected.fit(X[:10], Y[:10], batch_size=5, shuffle=False, verbose=0)
    for found, wanted in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    model.fit(X, Y, verbose=0)


def test_an_error_in_a_callback_comes_out_as_it_is(engine):
    def fail(batch, logs):
        if batch == 2:
            raise Boom

    model = compiled(mlp())
    with pytest.raises(Boom):
        model.fit(
            X,
            Y,
            batch_size=5,
            verbose=0,
            callbacks=[kerasish.callbacks.LambdaCallback(on_train_batch_end=fail)],
        )
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_leaves_a_model_that_trains_on(engine):
    model = compiled(mlp())
    model.fit(X, Y, batch_size=5, verbose=0)
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # a shell starts its background jobs so
        signal.signal(signal.SIGINT, signal.default_int_handler)
        before = signal.default_int_handler
    started = threading.Event()

    def interrupt():
        started.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    begin = kerasish.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: started.set())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=5, epochs=100000, verbose=0, callbacks=[begin])
    sender.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()
