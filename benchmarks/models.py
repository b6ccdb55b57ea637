"""The five models, written once: `build(keras)` and `build(kerasish)` run the very same lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.workloads import CLASSES, LEARNING_RATE, WORKLOADS

Api = Any
"""`keras` or `kerasish`: two modules with one surface, and no shared static type."""


def build(k: Api, name: str, *, dropout: bool = True) -> Any:
    """Return workload `name` as a compiled model of the API `k`.

    dropout: False builds the model without its dropout layers (used by `dropout_rng.py`).
    """
    model = _BUILDERS[name](k, dropout)
    loss = (
        k.losses.BinaryCrossentropy(from_logits=True)
        if WORKLOADS[name].binary
        else k.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.compile(optimizer=k.optimizers.Adam(LEARNING_RATE), loss=loss, metrics=["accuracy"])
    return model


def _mlp(k: Api, dropout: bool) -> Any:
    layers: list[Any] = [k.layers.Input((784,))]
    for _ in range(2):
        layers.append(k.layers.Dense(256, activation="relu"))
        layers += [k.layers.Dropout(0.2)] if dropout else []
    return k.models.Sequential([*layers, k.layers.Dense(CLASSES)])


def _convnet(k: Api, dropout: bool) -> Any:
    layers: list[Any] = [k.layers.Input((28, 28, 1))]
    for filters in (32, 64):
        layers += [k.layers.Conv2D(filters, 3, activation="relu"), k.layers.MaxPooling2D(2)]
    layers.append(k.layers.Flatten())
    layers += [k.layers.Dropout(0.5)] if dropout else []
    return k.models.Sequential([*layers, k.layers.Dense(CLASSES)])


def _lstm(k: Api, dropout: bool) -> Any:
    work = WORKLOADS["lstm"]
    return k.models.Sequential(
        [
            k.layers.Input(work.features, dtype="int32"),
            k.layers.Embedding(work.vocabulary, 128),
            k.layers.LSTM(128),
            k.layers.Dense(1),
        ]
    )


def _transformer(k: Api, dropout: bool) -> Any:
    work = WORKLOADS["transformer"]
    inputs = k.layers.Input(work.features, dtype="int32")
    h = _positions(k)(k.layers.Embedding(work.vocabulary, 128)(inputs))
    for _ in range(2):
        attended = k.layers.MultiHeadAttention(num_heads=4, key_dim=32)(h, h)
        h = k.layers.LayerNormalization(epsilon=1e-6)(h + _maybe_drop(k, attended, dropout))
        f = k.layers.Dense(128)(k.layers.Dense(512, activation="relu")(h))
        h = k.layers.LayerNormalization(epsilon=1e-6)(h + _maybe_drop(k, f, dropout))
    pooled = k.layers.GlobalAveragePooling1D()(h)
    return k.models.Model(inputs, k.layers.Dense(CLASSES)(pooled))


def _maybe_drop(k: Api, x: Any, dropout: bool) -> Any:
    return k.layers.Dropout(0.1)(x) if dropout else x


def _positions(k: Api) -> Any:
    """Return a layer that adds a learned table of positions: the custom layer that most users write first."""

    class Positions(k.layers.Layer):  # type: ignore[misc]
        def build(self, input_shape: tuple[int | None, ...]) -> None:
            self.table = self.add_weight(shape=input_shape[1:], initializer="uniform", name="table")

        def call(self, x: Any) -> Any:
            return x + self.table

    return Positions()


def _resnet20(k: Api, dropout: bool) -> Any:
    """Every block begins as its shortcut: the last scale starts at zero (Goyal et al. 2017, section 5.1).

    From ones, the loss begins at 6.3 instead of near ln 10, and rounding alone moves it by 1 % within fifty steps.
    """
    inputs = k.layers.Input((32, 32, 3))
    h = k.layers.Activation("relu")(_conv_bn(k, inputs, 16, 3, 1))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            stride = 2 if stage and not block else 1
            r = k.layers.Activation("relu")(_conv_bn(k, h, filters, 3, stride))
            r = _conv_bn(k, r, filters, 3, 1, scale="zeros")
            short = h if stride == 1 else _conv(k, h, filters, 1, stride)
            h = k.layers.Activation("relu")(r + short)
    pooled = k.layers.GlobalAveragePooling2D()(h)
    return k.models.Model(inputs, k.layers.Dense(CLASSES)(pooled))


def _conv(k: Api, x: Any, filters: int, size: int, stride: int) -> Any:
    conv = k.layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal"
    )
    return conv(x)


def _conv_bn(k: Api, x: Any, filters: int, size: int, stride: int, *, scale: str = "ones") -> Any:
    return k.layers.BatchNormalization(gamma_initializer=scale)(_conv(k, x, filters, size, stride))


_BUILDERS: dict[str, Callable[[Api, bool], Any]] = {
    "mlp": _mlp,
    "convnet": _convnet,
    "lstm": _lstm,
    "transformer": _transformer,
    "resnet20": _resnet20,
}
