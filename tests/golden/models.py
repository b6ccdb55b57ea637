"""The four small models whose curves are kept, with dropout on; every number in them follows from the seeds."""

from __future__ import annotations

import numpy as np

import kerasish
from kerasish import layers, losses, ops, optimizers

STEPS = 10


class Attention(layers.Layer):
    """Causal self-attention with several heads, written with ops alone."""

    def __init__(self, heads: int, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, input_shape):
        width = input_shape[-1]
        self.inward = layers.Dense(3 * width)
        self.outward = layers.Dense(width)
        self.inward.build(input_shape)
        self.outward.build(input_shape)

    def call(self, x):
        length, width = x.shape[1], x.shape[2]
        parts = ops.reshape(self.inward(x), (-1, length, 3, self.heads, width // self.heads))
        q, k, v = (ops.transpose(parts[:, :, i], (0, 2, 1, 3)) for i in range(3))
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / (width // self.heads) ** 0.5
        scores = ops.where(ops.tril(ops.ones((length, length), dtype="bool")), scores, -1e9)
        mixed = ops.matmul(ops.softmax(scores, axis=-1), v)
        return self.outward(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, length, width)))


def mlp(rng):
    model = kerasish.Sequential(
        [
            kerasish.Input((12,)),
            layers.Dense(16, activation="gelu"),
            layers.Dropout(0.3),
            layers.Dense(16, activation="tanh", kernel_regularizer="l2"),
            layers.Dense(4),
        ]
    )
    model.compile(
        optimizers.Adam(0.01), losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model, rng.normal(size=(80, 12)), rng.integers(0, 4, (80,))


def convnet(rng):
    model = kerasish.Sequential(
        [
            kerasish.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3),
        ]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.SGD(0.02, momentum=0.9, nesterov=True), loss, metrics=["accuracy"])
    return model, rng.normal(size=(80, 8, 8, 2)), rng.integers(0, 3, (80,))


def lstm(rng):
    x = kerasish.Input((7,), dtype="int32")
    h = layers.Embedding(20, 6, mask_zero=True)(x)
    h = layers.LSTM(8, return_sequences=True)(h)
    h = layers.LSTM(5)(layers.Dropout(0.2)(h))
    model = kerasish.Model(x, layers.Dense(1)(h))
    model.compile(optimizers.RMSprop(0.005), losses.BinaryCrossentropy(from_logits=True))
    tokens = np.where(np.arange(7) < rng.integers(1, 8, (80, 1)), rng.integers(1, 20, (80, 7)), 0)
    return model, tokens, (tokens.sum(axis=1, keepdims=True) % 2)


def transformer(rng):
    x = kerasish.Input((6,), dtype="int32")
    h = layers.Embedding(11, 8)(x)
    for _ in range(2):
        h = h + layers.Dropout(0.1)(Attention(2)(layers.LayerNormalization()(h)))
        wide = layers.Dense(16, activation="gelu")(layers.LayerNormalization()(h))
        h = h + layers.Dropout(0.1)(layers.Dense(8)(wide))
    model = kerasish.Model(x, layers.Dense(11)(layers.LayerNormalization()(h)))
    optimizer = optimizers.AdamW(0.005, weight_decay=0.01, global_clipnorm=1.0)
    model.compile(optimizer, losses.SparseCategoricalCrossentropy(from_logits=True))
    tokens = rng.integers(0, 11, (80, 7))
    return model, tokens[:, :-1], tokens[:, 1:]


MODELS = {make.__name__: make for make in (mlp, convnet, lstm, transformer)}


def curve(name: str) -> list[float]:
    """The loss of each of the first steps, on the engine in force."""
    kerasish.utils.set_random_seed(2026)
    model, x, y = MODELS[name](np.random.default_rng(7))
    found: list[float] = []
    losses_of_batches = kerasish.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: model.reset_metrics(),
        on_train_batch_end=lambda batch, logs: found.append(logs["loss"]),
    )
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[losses_of_batches])
    assert len(found) == STEPS
    return found
