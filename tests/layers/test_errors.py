"""What a beginner sees: the layer's name, what was expected and received, and what to try."""

from __future__ import annotations

import re

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core.errors import KerasishError


def ones(*shape):
    return np.ones(shape, "float32")


def rebuilt(layer, shape, x):
    layer(np.ones(shape, "float32"))
    return layer(x)


ROWS = [
    (lambda: layers.Dense(-1), ("Dense", "units", "-1")),
    (lambda: layers.Dense(2.5), ("Dense", "units", "2.5")),
    (lambda: layers.Dense(2, activation="rel"), ("Dense", "rel", "did you mean 'relu'")),
    (lambda: layers.Dense(2, kernel_initializer="glorot"), ("Dense", "initializer", "did you mean")),
    (lambda: layers.Dense(2, lora_rank=4), ("Dense", "lora_rank")),
    (lambda: layers.Dense(2)(ones(3)), ("Dense 'dense'", "at least 2 axes", "(3,)", "Try")),
    (lambda: rebuilt(layers.Dense(2), (1, 4), ones(1, 5)), ("Dense 'dense'", "4", "(1, 5)", "Try")),
    (lambda: layers.Dense(2)(kerasish.Input((None,))), ("Dense", "fully known shape", "Input(shape=...)")),
    (lambda: layers.Conv2D(2, 3)(ones(5, 8, 8)), ("Conv2D 'conv2d'", "4 axes", "(5, 8, 8)", "x[..., None]")),
    (lambda: layers.Conv2D(2, 3)(ones(1, 2, 2, 1)), ("Conv2D", "window is larger")),
    (lambda: layers.Conv2D(2, 3, padding="sam"), ("Conv2D", "padding", "same")),
    (lambda: layers.Conv2D(2, 3, padding="causal"), ("Conv2D", "padding")),
    (lambda: layers.Conv2D(2, (3, 3, 3)), ("Conv2D", "kernel_size")),
    (lambda: layers.Conv2D(3, 3, groups=2), ("Conv2D", "multiple of `groups`")),
    (lambda: layers.Conv2D(4, 3, groups=2)(ones(1, 5, 5, 3)), ("Conv2D", "multiple of 2", "3 channels")),
    (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), ("Conv2D", "strides", "dilation_rate")),
    (lambda: layers.Conv2D(4, 3, data_format="last"), ("data_format", "channels_last")),
    (lambda: rebuilt(layers.Conv1D(2, 2), (1, 5, 3), ones(1, 5, 4)), ("Conv1D", "3", "(1, 5, 4)")),
    (
        lambda: layers.Conv2DTranspose(2, 3, strides=2, output_padding=2),
        ("Conv2DTranspose", "output_padding"),
    ),
    (lambda: layers.MaxPooling2D(0), ("MaxPooling2D", "pool_size")),
    (lambda: layers.MaxPooling2D()(ones(4, 8, 8)), ("MaxPooling2D", "4 axes", "x[..., None]")),
    (lambda: layers.Embedding(0, 3), ("Embedding", "input_dim")),
    (
        lambda: layers.Embedding(5, 3)(np.array([[1, 5]])),
        ("Embedding 'embedding'", "from 0 to 4", "5", "largest"),
    ),
    (lambda: layers.Embedding(5, 3)(np.array([[-1]])), ("Embedding", "from 0 to 4", "-1")),
    (lambda: layers.Dense(2)([[1.0, 2.0], [3.0]]), ("Dense", "different lengths")),
    (lambda: layers.Dropout(1.5), ("Dropout", "rate", "1.5")),
    (lambda: layers.Dropout(20), ("Dropout", "20 %")),
    (lambda: layers.Dropout(0.5, noise_shape=(1,))(ones(2, 3), training=True), ("Dropout", "noise_shape")),
    (lambda: layers.BatchNormalization(axis=3)(ones(2, 3)), ("BatchNormalization", "axis", "2 axes")),
    (lambda: layers.BatchNormalization(renorm=True), ("BatchNormalization", "renorm")),
    (lambda: rebuilt(layers.BatchNormalization(), (2, 3), ones(2, 4)), ("BatchNormalization", "3", "(2, 4)")),
    (lambda: layers.GroupNormalization(4)(ones(2, 6)), ("GroupNormalization", "multiple of 4", "6 channels")),
    (lambda: layers.EinsumDense("ab->b", 3)(ones(2, 3)), ("EinsumDense", "ab->b", "ab,bc->ac")),
    (lambda: layers.EinsumDense("ab,bc->ac", 3)(ones(2, 3, 4)), ("EinsumDense", "2 axes", "(2, 3, 4)")),
    (lambda: layers.EinsumDense("ab,bc->ac", (3, 4))(ones(2, 3)), ("EinsumDense", "output_shape")),
    (lambda: layers.Flatten()(np.float32(3)), ("Flatten", "at least 1 axes")),
    (lambda: layers.Reshape((2, 4))(ones(2, 6)), ("Reshape", "6", "(2, 4)")),
    (lambda: layers.Reshape((-1, -1)), ("Reshape", "-1")),
    (lambda: layers.Permute((0, 1)), ("Permute", "(1, 2)")),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), ("ZeroPadding2D", "padding")),
    (lambda: layers.Cropping1D(3)(ones(1, 5, 2)), ("Cropping1D", "Nothing is left")),
    (lambda: layers.Add()(ones(2, 3)), ("Add", "list of tensors", "layer([a, b])")),
    (lambda: layers.Add()([ones(2, 3), ones(2, 4)]), ("Add", "broadcast", "(2, 3)", "(2, 4)")),
    (lambda: layers.Subtract()([ones(2, 3)] * 3), ("Subtract", "two inputs")),
    (lambda: layers.Concatenate()([ones(2, 3, 1), ones(2, 4, 1)]), ("Concatenate", "(2, 3, 1)", "(2, 4, 1)")),
    (lambda: layers.Dot(axes=1)([ones(2, 3), ones(2, 4)]), ("Dot", "3 and 4")),
    (
        lambda: layers.Normalization()(ones(2, 3)).shape and layers.Normalization(mean=1.0),
        ("Normalization", "variance"),
    ),
    (lambda: layers.Resizing(2, 2)(ones(4, 4)), ("Resizing", "Images", "x[..., None]")),
    (lambda: layers.Wrapper(layers.Dense), ("Wrapper", "Dense(10), not Dense")),
    (lambda: layers.Lambda(3), ("Lambda", "callable")),
    (lambda: layers.InputLayer(), ("shape", "Input(shape=(784,))")),
    (lambda: layers.Input(shape=(3,), sparse=True), ("sparse",)),
    (lambda: layers.SpectralNormalization(layers.Flatten())(ones(2, 3)), ("SpectralNormalization", "kernel")),
    (lambda: layers.Dense(2).count_params(), ("Dense 'dense'", "no weights yet", "build(input_shape)")),
    (lambda: layers.Layer()(ones(1)), ("Layer", "call")),
]


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_message_names_the_layer_and_the_way_out(row):
    provoke, parts = ROWS[row]
    with kerasish.use_backend("native"), pytest.raises(KerasishError) as caught:
        provoke()
    message = str(caught.value)
    assert len(message) <= 400
    for part in parts:
        assert re.search(re.escape(part), message), f"{part!r} is not in: {message}"
