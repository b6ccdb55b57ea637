"""The catalogue of beginners' mistakes.

A row: what goes wrong, the class and code of the error, words it must contain, and the same thing done right.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import kerasish
from kerasish import layers, ops, optimizers
from kerasish.core import errors

X = np.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
Y = np.linspace(0, 1, 8, dtype="float32").reshape(8, 1)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
BINARY = np.array([0, 1, 0, 1, 0, 1, 0, 1])
IMAGES = np.ones((4, 8, 8), "float32")
TOKENS = np.array([[1, 2, 3], [4, 5, 6]])


def mlp(units=1, activation=None, features=4):
    return kerasish.Sequential([kerasish.Input((features,)), layers.Dense(units, activation=activation)])


def compiled(model=None, optimizer="sgd", loss="mse", **kwargs):
    model = model or mlp()
    model.compile(optimizer, loss, **kwargs)
    return model


def built(model):
    model.build((None, 4))
    return model


def fit(model, x=X, y=Y, **kwargs):
    return model.fit(x, y, verbose=0, **kwargs)


def with_nan():
    x = X.copy()
    x[2, 1] = np.nan
    return x


def empty_generator():
    return
    yield


def raising_generator():
    yield X, Y
    raise OSError("disk gone")


class NoSuper(layers.Layer):
    def __init__(self):
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class WithSuper(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class NoCall(layers.Layer):
    pass


class TakesWeights(kerasish.Model):
    """Its step is written for one engine, which passes the weights."""

    def train_step(self, state, data):
        return {}, state


class TakesData(kerasish.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        weights = self.trainable_variables
        loss, gradients = ops.value_and_grad(lambda: ops.mean((self(x) - y) ** 2), variables=weights)()
        self.optimizer.apply(gradients, weights)
        return {"loss": loss}


class ReturnsNothing(TakesData):
    train_step = kerasish.Model.train_step

    def call(self, x):
        self.dense(x)


class Branching(layers.Layer):
    def call(self, x):
        return x if ops.sum(x) > 0 else -x


class Selecting(layers.Layer):
    def call(self, x):
        return ops.where(ops.sum(x) > 0, x, -x)


@dataclass
class Mistake:
    """One row of the catalogue."""

    name: str
    wrong: Callable[[], Any]
    error: type[Exception]
    words: tuple[str, ...]
    right: Callable[[], Any]


def _input_layer():
    return kerasish.Input((4,))


CATALOGUE = [
    # -- shapes --------------------------------------------------------------------------------------------------
    Mistake(
        "features do not fit",
        lambda: mlp()(np.ones((2, 5), "float32")),
        errors.ShapeError,
        ("(None, 4)", "(2, 5)"),
        lambda: mlp()(np.ones((2, 4), "float32")),
    ),
    Mistake(
        "a sample without the batch axis",
        lambda: mlp(features=6)(np.ones(6, "float32")),
        errors.ShapeError,
        ("x[None]",),
        lambda: mlp(features=6)(np.ones(6, "float32")[None]),
    ),
    Mistake(
        "dense on another width than built",
        lambda: _built_dense()(np.ones((2, 3), "float32")),
        errors.ShapeError,
        ("dense", "4"),
        lambda: _built_dense()(np.ones((2, 4), "float32")),
    ),
    Mistake(
        "images without channels",
        lambda: layers.Conv2D(2, 3)(IMAGES),
        errors.ShapeError,
        ("4 axes", "x[..., None]"),
        lambda: layers.Conv2D(2, 3)(IMAGES[..., None]),
    ),
    Mistake(
        "rnn on flat features",
        lambda: layers.LSTM(2)(X),
        errors.ShapeError,
        ("3 axes", "lstm"),
        lambda: layers.LSTM(2)(X[:, None]),
    ),
    Mistake(
        "window larger than the image",
        lambda: layers.MaxPooling2D(9)(IMAGES[..., None]),
        errors.KerasishError,
        ("9",),
        lambda: layers.MaxPooling2D(8)(IMAGES[..., None]),
    ),
    Mistake(
        "concatenate different shapes",
        lambda: layers.Concatenate(axis=0)([np.ones((2, 3)), np.ones((2, 4))]),
        errors.ShapeError,
        ("(2, 3)", "(2, 4)"),
        lambda: layers.Concatenate(axis=1)([np.ones((2, 3)), np.ones((2, 4))]),
    ),
    Mistake(
        "add tensors that do not broadcast",
        lambda: ops.add(np.ones((2, 3)), np.ones((4,))),
        errors.ShapeError,
        ("broadcast",),
        lambda: ops.add(np.ones((2, 3)), np.ones((3,))),
    ),
    Mistake(
        "matmul of the wrong way round",
        lambda: ops.matmul(np.ones((2, 3)), np.ones((2, 3))),
        errors.ShapeError,
        ("(2, 3)",),
        lambda: ops.matmul(np.ones((2, 3)), ops.transpose(np.ones((2, 3)))),
    ),
    Mistake(
        "reshape to another size",
        lambda: ops.reshape(np.ones((2, 3)), (4, 2)),
        errors.ShapeError,
        ("6 elements", "-1"),
        lambda: ops.reshape(np.ones((2, 3)), (3, -1)),
    ),
    Mistake(
        "axis that does not exist",
        lambda: ops.sum(np.ones((2, 3)), axis=2),
        errors.ArgumentError,
        ("axis", "-2 to 1"),
        lambda: ops.sum(np.ones((2, 3)), axis=1),
    ),
    Mistake(
        "ragged list",
        lambda: ops.convert_to_tensor([[1, 2], [3]]),
        errors.ShapeError,
        ("lengths",),
        lambda: ops.convert_to_tensor([[1, 2], [3, 0]]),
    ),
    Mistake(
        "unknown size for a weight",
        lambda: layers.Dense(2)(kerasish.Input((None,))),
        errors.KerasishError,
        ("Input",),
        lambda: layers.Dense(2)(kerasish.Input((3,))),
    ),
    # -- names and arguments -------------------------------------------------------------------------------------
    Mistake(
        "misspelt activation",
        lambda: layers.Dense(2, activation="rleu"),
        errors.UnknownNameError,
        ("did you mean 'relu'",),
        lambda: layers.Dense(2, activation="relu"),
    ),
    Mistake(
        "the old name of the learning rate",
        lambda: optimizers.Adam(lr=0.1),
        errors.UnknownNameError,
        ("did you mean 'learning_rate'",),
        lambda: optimizers.Adam(learning_rate=0.1),
    ),
    Mistake(
        "a loss of NumPy's functions",
        lambda: fit(compiled(loss=lambda y, p: np.mean((y - p) ** 2))),
        errors.TraceError,
        ("kerasish.ops instead of NumPy",),
        lambda: fit(compiled(loss=lambda y, p: ops.mean((y - p) ** 2))),
    ),
    Mistake(
        "misspelt loss",
        lambda: compiled(loss="mean_square_error"),
        errors.UnknownNameError,
        ("did you mean 'mean_squared_error'",),
        lambda: compiled(loss="mean_squared_error"),
    ),
    Mistake(
        "misspelt optimizer",
        lambda: compiled(optimizer="adm"),
        errors.UnknownNameError,
        ("did you mean",),
        lambda: compiled(optimizer="adam"),
    ),
    Mistake(
        "misspelt metric",
        lambda: fit(compiled(metrics=["acuracy"])),
        errors.UnknownNameError,
        ("did you mean 'accuracy'",),
        lambda: fit(compiled(metrics=["accuracy"])),
    ),
    Mistake(
        "a step that asks for the weights",
        lambda: fit(compiled(TakesWeights())),
        errors.ArgumentError,
        ("train_step(self, data)", "value_and_grad"),
        lambda: fit(compiled(built(TakesData()))),
    ),
    Mistake(
        "misspelt initializer",
        lambda: layers.Dense(2, kernel_initializer="glorot"),
        errors.UnknownNameError,
        ("did you mean", "Glorot"),
        lambda: layers.Dense(2, kernel_initializer="glorot_uniform"),
    ),
    Mistake(
        "misspelt argument",
        lambda: layers.Dense(2, activaton="relu"),
        (errors.ArgumentError, TypeError),
        ("activaton",),
        lambda: layers.Dense(2, activation="relu"),
    ),
    Mistake(
        "negative units",
        lambda: layers.Dense(-1),
        errors.ArgumentError,
        ("units", "-1"),
        lambda: layers.Dense(1),
    ),
    Mistake(
        "units as text",
        lambda: layers.Dense("ten"),
        errors.KerasishError,
        ("units",),
        lambda: layers.Dense(10),
    ),
    Mistake(
        "dropout rate above one",
        lambda: layers.Dropout(20),
        errors.ArgumentError,
        ("rate", "20"),
        lambda: layers.Dropout(0.2),
    ),
    Mistake(
        "unknown padding",
        lambda: layers.Conv2D(2, 3, padding="full"),
        errors.KerasishError,
        ("padding", "full"),
        lambda: layers.Conv2D(2, 3, padding="same"),
    ),
    Mistake(
        "unknown dtype",
        lambda: ops.cast(X, "float31"),
        errors.UnknownNameError,
        ("did you mean", "float32"),
        lambda: ops.cast(X, "float32"),
    ),
    Mistake(
        "unknown layer name",
        lambda: mlp().get_layer("dens"),
        errors.UnknownNameError,
        ("did you mean 'dense'",),
        lambda: mlp().get_layer("dense"),
    ),
    Mistake(
        "unknown backend",
        lambda: kerasish.set_backend("troch"),
        errors.UnknownBackendError,
        ("did you mean 'torch'",),
        lambda: kerasish.use_backend("torch"),
    ),
    Mistake(
        "negative learning rate",
        lambda: optimizers.SGD(-0.1),
        errors.ArgumentError,
        ("learning_rate",),
        lambda: optimizers.SGD(0.1),
    ),
    Mistake(
        "batch size of zero",
        lambda: fit(compiled(), batch_size=0),
        errors.ArgumentError,
        ("batch_size",),
        lambda: fit(compiled(), batch_size=2),
    ),
    # -- order of things -----------------------------------------------------------------------------------------
    Mistake(
        "fit before compile", lambda: fit(mlp()), errors.NotBuiltError, ("compile",), lambda: fit(compiled())
    ),
    Mistake(
        "weights before building",
        lambda: kerasish.Sequential([layers.Dense(2)]).count_params(),
        errors.NotBuiltError,
        ("build",),
        lambda: mlp().count_params(),
    ),
    Mistake(
        "nothing to minimise",
        lambda: fit(compiled(loss=None)),
        errors.ArgumentError,
        ("loss",),
        lambda: fit(compiled(loss="mse")),
    ),
    Mistake(
        "forgotten super().__init__()",
        lambda: NoSuper()(X),
        errors.NotBuiltError,
        ("super().__init__()",),
        lambda: WithSuper()(X),
    ),
    Mistake(
        "layer without call", lambda: NoCall()(X), errors.ArgumentError, ("call",), lambda: WithSuper()(X)
    ),
    Mistake(
        "class instead of layer",
        lambda: kerasish.Sequential([layers.Flatten]),
        errors.ArgumentError,
        ("layer",),
        lambda: kerasish.Sequential([layers.Flatten()]),
    ),
    Mistake(
        "class instead of callback",
        lambda: fit(compiled(), callbacks=[kerasish.callbacks.EarlyStopping]),
        errors.ArgumentError,
        ("EarlyStopping()",),
        lambda: fit(compiled(), callbacks=[kerasish.callbacks.EarlyStopping(monitor="loss")]),
    ),
    Mistake(
        "model from arrays",
        lambda: kerasish.Model(X, Y),
        errors.ArgumentError,
        ("Input",),
        lambda: kerasish.Model(*_pair()),
    ),
    Mistake(
        "disconnected graph",
        lambda: kerasish.Model(kerasish.Input((4,)), layers.Dense(1)(kerasish.Input((4,)))),
        errors.GraphError,
        ("inputs",),
        lambda: kerasish.Model(*_pair()),
    ),
    Mistake(
        "two layers of one name",
        lambda: kerasish.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="a")]),
        errors.ArgumentError,
        ("'a'", "rename"),
        lambda: kerasish.Sequential([layers.Dense(1, name="a"), layers.Dense(1, name="b")]),
    ),
    Mistake(
        "NumPy on a symbolic tensor",
        lambda: np.asarray(_input_layer()),
        errors.TraceError,
        ("ops",),
        lambda: ops.exp(_input_layer()),
    ),
    Mistake(
        "branching on a symbolic tensor",
        lambda: Branching()(_input_layer()),
        errors.TraceError,
        ("ops.where",),
        lambda: Selecting()(_input_layer()),
    ),
    # -- data ----------------------------------------------------------------------------------------------------
    Mistake(
        "x and y of different lengths",
        lambda: fit(compiled(), X, Y[:5]),
        errors.DataError,
        ("x: 8", "y: 5"),
        lambda: fit(compiled(), X[:5], Y[:5]),
    ),
    Mistake(
        "no data", lambda: compiled().fit(verbose=0), errors.DataError, ("x and y",), lambda: fit(compiled())
    ),
    Mistake(
        "empty arrays",
        lambda: fit(compiled(), X[:0], Y[:0]),
        errors.DataError,
        ("empty",),
        lambda: fit(compiled()),
    ),
    Mistake(
        "empty generator",
        lambda: fit(compiled(), empty_generator(), None),
        errors.DataError,
        ("nothing",),
        lambda: fit(compiled(), iter([(X, Y)]), None),
    ),
    Mistake(
        "generator that raises",
        lambda: fit(compiled(), raising_generator(), None),
        errors.DataError,
        ("OSError", "disk gone"),
        lambda: fit(compiled(), iter([(X, Y)]), None),
    ),
    Mistake(
        "text as data",
        lambda: fit(compiled(), np.array([["a"] * 4] * 8), Y),
        errors.DataError,
        ("encode",),
        lambda: fit(compiled()),
    ),
    Mistake(
        "NaN in the inputs",
        lambda: fit(compiled(), with_nan(), Y),
        errors.NumericError,
        ("x", "(2, 1)"),
        lambda: fit(compiled(), np.nan_to_num(with_nan()), Y),
    ),
    Mistake(
        "labels beyond the units",
        lambda: fit(compiled(mlp(2, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS),
        errors.OutOfRangeError,
        ("0 to 1", "0 to 2"),
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS),
    ),
    Mistake(
        "labels from one",
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS + 1),
        errors.OutOfRangeError,
        ("start at 0",),
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS),
    ),
    Mistake(
        "binary loss with labels 1 and 2",
        lambda: fit(compiled(mlp(1, "sigmoid"), loss="binary_crossentropy"), X, BINARY + 1),
        errors.OutOfRangeError,
        ("0 to 1",),
        lambda: fit(compiled(mlp(1, "sigmoid"), loss="binary_crossentropy"), X, BINARY),
    ),
    Mistake(
        "softmax over one unit",
        lambda: fit(compiled(mlp(1, "softmax"), loss="binary_crossentropy"), X, BINARY),
        errors.ArgumentError,
        ("sigmoid",),
        lambda: fit(compiled(mlp(1, "sigmoid"), loss="binary_crossentropy"), X, BINARY),
    ),
    Mistake(
        "integer labels for a one-hot loss",
        lambda: fit(compiled(mlp(3, "softmax"), loss="categorical_crossentropy"), X, LABELS),
        errors.ShapeError,
        ("sparse",),
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS),
    ),
    Mistake(
        "token beyond the vocabulary",
        lambda: fit(_text_model(5), TOKENS, BINARY[:2]),
        errors.OutOfRangeError,
        ("embedding", "0 to 4", "input_dim"),
        lambda: fit(_text_model(7), TOKENS, BINARY[:2]),
    ),
    Mistake(
        "validation split of everything",
        lambda: fit(compiled(), validation_split=1.0),
        errors.ArgumentError,
        ("validation_split",),
        lambda: fit(compiled(), validation_split=0.25),
    ),
    Mistake(
        "y beside a generator",
        lambda: compiled().fit(iter([(X, Y)]), Y, verbose=0),
        errors.ArgumentError,
        ("yield",),
        lambda: compiled().fit(iter([(X, Y)]), verbose=0),
    ),
    Mistake(
        "too few targets",
        lambda: fit(_two_outputs(), X, Y),
        errors.DataError,
        ("2", "list"),
        lambda: fit(_two_outputs(), X, [Y, Y]),
    ),
    Mistake(
        "class weights for two outputs",
        lambda: fit(_two_outputs(), X, [Y, Y], class_weight={0: 1.0}),
        errors.ArgumentError,
        ("sample_weight",),
        lambda: fit(_two_outputs(), X, [Y, Y], sample_weight=[np.ones(8), np.ones(8)]),
    ),
    Mistake(
        "metrics as a string",
        lambda: fit(compiled(metrics="mae")),
        errors.ArgumentError,
        ("list",),
        lambda: fit(compiled(metrics=["mae"])),
    ),
    # -- objects in the wrong place ------------------------------------------------------------------------------
    Mistake(
        "a dict for a layer of one input",
        lambda: layers.Dense(2)({"a": X}),
        errors.ShapeError,
        ("dense", "one tensor", "'a'"),
        lambda: layers.Dense(2)({"a": X}["a"]),
    ),
    Mistake(
        "a layer called on a layer",
        lambda: layers.Dense(2)(layers.Dense(3)),
        errors.DTypeError,
        ("dense", "Sequential"),
        lambda: kerasish.Sequential([layers.Dense(3), layers.Dense(2)])(X),
    ),
    Mistake(
        "attention without keys",
        lambda: layers.MultiHeadAttention(2, 4)(np.ones((2, 3, 4), "float32")),
        errors.ArgumentError,
        ("multi_head_attention", "'value'"),
        lambda: layers.MultiHeadAttention(2, 4)(*[np.ones((2, 3, 4), "float32")] * 2),
    ),
    Mistake(
        "the value of a loss for the loss",
        lambda: fit(compiled(loss=kerasish.losses.mean_squared_error(X, X))),
        errors.ArgumentError,
        ("loss", "not what it returns"),
        lambda: fit(compiled(loss=kerasish.losses.mean_squared_error)),
    ),
    Mistake(
        "three losses for one output",
        lambda: fit(compiled(loss=["mse", "mae", "mse"])),
        errors.ArgumentError,
        ("1 loss", "3"),
        lambda: fit(compiled(loss=["mse"])),
    ),
    Mistake(
        "a model that returns nothing",
        lambda: fit(compiled(ReturnsNothing())),
        errors.ArgumentError,
        ("return",),
        lambda: fit(compiled(built(TakesData()))),
    ),
    Mistake(
        "no optimizer",
        lambda: fit(compiled(optimizer=None)),
        errors.ArgumentError,
        ("optimizer='adam'",),
        lambda: fit(compiled(optimizer="adam")),
    ),
    Mistake(
        "learning rate as text",
        lambda: optimizers.Adam("0.1"),
        errors.ArgumentError,
        ("learning_rate", "'0.1'"),
        lambda: optimizers.Adam(0.1),
    ),
    Mistake(
        "a misspelt argument of fit",
        lambda: fit(compiled(), epoch=2),
        errors.UnknownKeywordError,
        ("'epoch'", "did you mean 'epochs'"),
        lambda: fit(compiled(), epochs=2),
    ),
    Mistake(
        "a misspelt argument of compile",
        lambda: mlp().compile(optimiser="adam", loss="mse"),
        errors.UnknownKeywordError,
        ("'optimiser'", "did you mean 'optimizer'"),
        lambda: mlp().compile(optimizer="adam", loss="mse"),
    ),
    Mistake(
        "epochs as text",
        lambda: fit(compiled(), epochs="2"),
        errors.ArgumentError,
        ("epochs", "'2'"),
        lambda: fit(compiled(), epochs=2),
    ),
    Mistake(
        "class weights as a list",
        lambda: fit(compiled(), class_weight=[1.0, 2.0]),
        errors.ArgumentError,
        ("class_weight", "dict(enumerate(weights))"),
        lambda: fit(compiled(), class_weight=dict(enumerate([1.0, 2.0]))),
    ),
    Mistake(
        "a schedule that is a number",
        lambda: kerasish.callbacks.LearningRateScheduler(0.1),
        errors.ArgumentError,
        ("LearningRateScheduler", "lambda epoch"),
        lambda: kerasish.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ),
    Mistake(
        "quantities as class labels",
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS + 0.5),
        errors.OutOfRangeError,
        ("whole numbers", "0.5", "mse"),
        lambda: fit(compiled(mlp(3, "softmax"), loss="sparse_categorical_crossentropy"), X, LABELS + 0.0),
    ),
    Mistake(
        "complex numbers as data",
        lambda: fit(compiled(), X.astype("complex64"), Y),
        errors.DataError,
        ("x", "complex64", "x.real"),
        lambda: fit(compiled(), X.astype("complex64").real, Y),
    ),
    Mistake(
        "dates as data",
        lambda: fit(compiled(), X.astype("datetime64[s]"), Y),
        errors.DataError,
        ("x", "datetime64", "times as seconds"),
        lambda: fit(compiled(), X.astype("datetime64[s]").astype("int64"), Y),
    ),
    Mistake(
        "a misspelt input in a dict",
        lambda: fit(_two_inputs(), {"left": X, "rihgt": X}, Y),
        errors.ArgumentError,
        ("'right'", "'rihgt'", "Input(name=...)"),
        lambda: fit(_two_inputs(), {"left": X, "right": X}, Y),
    ),
    Mistake(
        "text as classes",
        lambda: kerasish.utils.to_categorical(["cat", "dog"]),
        errors.DTypeError,
        ("to_categorical", "np.unique"),
        lambda: kerasish.utils.to_categorical(np.unique(["cat", "dog"], return_inverse=True)[1]),
    ),
    Mistake(
        "a file object for a path",
        lambda: mlp().save(io.BytesIO()),
        errors.ArgumentError,
        ("path", "BytesIO"),
        lambda: mlp().get_config(),
    ),
    # -- files and engines ---------------------------------------------------------------------------------------
    Mistake(
        "saving under another ending",
        lambda: mlp().save("model.txt"),
        errors.ArgumentError,
        (".keras",),
        lambda: mlp().get_config(),
    ),
    Mistake(
        "loading what is not there",
        lambda: kerasish.saving.load_model("nowhere.keras"),
        errors.SavingError,
        ("no such file",),
        lambda: kerasish.saving.model_from_json(mlp().to_json()),
    ),
    Mistake(
        "weights of another model",
        lambda: mlp(2).set_weights(mlp(3).get_weights()),
        errors.ShapeError,
        ("shape",),
        lambda: mlp(2).set_weights(mlp(2).get_weights()),
    ),
    Mistake(
        "class index out of range",
        lambda: kerasish.utils.to_categorical([0, 3], 3),
        errors.OutOfRangeError,
        ("0 to 2",),
        lambda: kerasish.utils.to_categorical([0, 2], 3),
    ),
    Mistake(
        "gradient of a vector",
        lambda: ops.grad(lambda x: x * 2)(ops.convert_to_tensor(X)),
        errors.ShapeError,
        ("scalar",),
        lambda: ops.grad(lambda x: ops.sum(x * 2))(ops.convert_to_tensor(X)),
    ),
]


def _pair():
    x = kerasish.Input((4,))
    return x, layers.Dense(1)(x)


def _built_dense():
    dense = layers.Dense(2)
    dense(np.ones((1, 4), "float32"))
    return dense


def _text_model(vocabulary):
    return compiled(
        kerasish.Sequential(
            [
                kerasish.Input((3,), dtype="int32"),
                layers.Embedding(vocabulary, 2),
                layers.Flatten(),
                layers.Dense(1),
            ]
        )
    )


def _two_inputs():
    inputs = [kerasish.Input((4,), name=name) for name in ("left", "right")]
    return compiled(kerasish.Model(inputs, layers.Dense(1)(layers.Add()(inputs))))


def _two_outputs():
    x = kerasish.Input((4,))
    return compiled(kerasish.Model(x, [layers.Dense(1)(x), layers.Dense(1)(x)]))
