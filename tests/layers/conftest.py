"""The table of layers: what every test in this folder walks. One row is one layer as somebody would use it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A layer, its constructor arguments, and shapes of its inputs (batch included)."""

    name: str
    kwargs: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    integers: int = 0  # inputs are whole numbers below this
    random: bool = False  # its training mode draws random numbers
    oracle: bool = True  # whether installed Keras can run it on the CPU
    training: bool = False  # whether training mode differs

    @property
    def id(self) -> str:
        # A function makes an inner layer; its address would differ between the processes that collect the tests.
        shown = ",".join(f"{k}={'made' if callable(v) else v}" for k, v in self.kwargs.items())
        return f"{self.name}({shown})-{'x'.join(map(str, self.shapes[0]))}"

    def make(self, module: Any, **extra: Any) -> Any:
        """The layer, from kerasish's or Keras' module of layers."""
        kwargs = {k: v(module) if callable(v) else v for k, v in self.kwargs.items()}
        return getattr(module, self.name)(**kwargs, **extra)

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        if self.integers:
            return [rng.integers(0, self.integers, shape).astype("int32") for shape in self.shapes]
        return [rng.normal(size=shape).astype("float32") for shape in self.shapes]

    def inputs(self, seed: int = 0) -> Any:
        """One array, or a list of them for layers that merge."""
        arrays = self.arrays(seed)
        return arrays[0] if len(arrays) == 1 else arrays


def case(name: str, kwargs: dict[str, Any], *shapes: tuple[int, ...], **facts: Any) -> Case:
    return Case(name, kwargs, shapes, **facts)


FIRST = {"data_format": "channels_first"}

CASES = [
    case("Dense", {"units": 3}, (4, 5)),
    case("Dense", {"units": 3, "activation": "relu", "use_bias": False}, (2, 3, 4, 5)),
    case("Dense", {"units": 2, "kernel_regularizer": "l2", "bias_initializer": "ones"}, (4, 5)),
    case("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "c"}, (4, 5)),
    case(
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"},
        (4, 5, 6),
    ),
    case(
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "d"},
        (4, 5, 6),
    ),
    case("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 3, "bias_axes": "y"}, (4, 5, 6)),
    case("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"}, (4, 5, 6)),
    case(
        "EinsumDense",
        {"equation": "abcd,cde->abe", "output_shape": (None, 3), "bias_axes": "e"},
        (4, 5, 2, 3),
    ),
    case("Embedding", {"input_dim": 7, "output_dim": 3}, (4, 5), integers=7),
    case("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}, (4, 5), integers=7),
    case("Activation", {"activation": "gelu"}, (4, 5)),
    case("ReLU", {}, (4, 5)),
    case("ReLU", {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.3}, (4, 5)),
    case("LeakyReLU", {"negative_slope": 0.2}, (4, 5)),
    case("PReLU", {"alpha_initializer": "ones"}, (4, 5)),
    case("PReLU", {"alpha_initializer": "glorot_uniform", "shared_axes": [1]}, (4, 5, 6)),
    case("ELU", {"alpha": 0.7}, (4, 5)),
    case("Softmax", {}, (4, 5)),
    case("Softmax", {"axis": (1, 2)}, (4, 5, 6)),
    case("Masking", {"mask_value": 1.0}, (4, 5, 2), integers=2),
    case("Identity", {}, (4, 5)),
    case("Conv1D", {"filters": 4, "kernel_size": 3}, (2, 9, 3)),
    case("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (2, 9, 3)),
    case("Conv1D", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same", "groups": 2}, (2, 9, 4)),
    case("Conv2D", {"filters": 4, "kernel_size": 3, "activation": "relu"}, (2, 7, 8, 3)),
    case("Conv2D", {"filters": 4, "kernel_size": (2, 3), "strides": 2, "padding": "same"}, (2, 7, 8, 3)),
    case(
        "Conv2D",
        {"filters": 6, "kernel_size": 2, "dilation_rate": 2, "groups": 3, "use_bias": False},
        (2, 7, 8, 6),
    ),
    case("Conv2D", {"filters": 4, "kernel_size": 3, **FIRST}, (2, 3, 7, 8)),
    case(
        "Conv3D", {"filters": 2, "kernel_size": 2, "padding": "same", "strides": (1, 2, 1)}, (2, 4, 5, 6, 3)
    ),
    case("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, (2, 5, 3)),
    case("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}, (2, 4, 5, 3)),
    case(
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1},
        (2, 4, 5, 3),
    ),
    case("Conv2DTranspose", {"filters": 4, "kernel_size": 2, "dilation_rate": 2, **FIRST}, (2, 3, 4, 5)),
    case("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, (2, 3, 3, 3, 2)),
    case("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, (2, 9, 3)),
    case("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "activation": "relu"}, (2, 7, 8, 3)),
    case("DepthwiseConv2D", {"kernel_size": 2, "strides": 2, **FIRST}, (2, 3, 7, 8)),
    case("SeparableConv1D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (2, 9, 3)),
    case("SeparableConv2D", {"filters": 4, "kernel_size": 3, "padding": "same"}, (2, 7, 8, 3)),
    case("SeparableConv2D", {"filters": 4, "kernel_size": 3, **FIRST}, (2, 3, 7, 8)),
    case("MaxPooling1D", {"pool_size": 2}, (2, 9, 3)),
    case("MaxPooling2D", {}, (2, 7, 8, 3)),
    case("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 7, 8, 3)),
    case("MaxPooling2D", {"pool_size": (2, 3), **FIRST}, (2, 3, 7, 8)),
    case("MaxPooling3D", {}, (2, 4, 5, 6, 3)),
    case("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (2, 9, 3)),
    case("AveragePooling2D", {"pool_size": 2}, (2, 7, 8, 3)),
    case("AveragePooling2D", {"pool_size": 3, "padding": "same", **FIRST}, (2, 3, 7, 8)),
    case("AveragePooling3D", {"pool_size": 2}, (2, 4, 5, 6, 3)),
    case("AdaptiveAveragePooling1D", {"output_size": 3}, (2, 7, 3)),
    case("AdaptiveAveragePooling2D", {"output_size": (2, 3), **FIRST}, (2, 3, 5, 8)),
    case("AdaptiveAveragePooling3D", {"output_size": 2}, (2, 3, 4, 5, 2)),
    case("AdaptiveMaxPooling1D", {"output_size": 3, **FIRST}, (2, 3, 7)),
    case("AdaptiveMaxPooling2D", {"output_size": 3}, (2, 5, 8, 3)),
    case("AdaptiveMaxPooling3D", {"output_size": (1, 2, 3)}, (2, 3, 4, 5, 2)),
    case("GlobalMaxPooling1D", {}, (2, 5, 3)),
    case("GlobalMaxPooling2D", {"keepdims": True, **FIRST}, (2, 3, 7, 8)),
    case("GlobalMaxPooling3D", {}, (2, 4, 5, 6, 3)),
    case("GlobalAveragePooling1D", {"keepdims": True}, (2, 5, 3)),
    case("GlobalAveragePooling1D", {**FIRST}, (2, 5, 3)),
    case("GlobalAveragePooling2D", {}, (2, 7, 8, 3)),
    case("GlobalAveragePooling3D", {"keepdims": True}, (2, 4, 5, 6, 3)),
    case("BatchNormalization", {"momentum": 0.8}, (6, 5), training=True),
    case("BatchNormalization", {"axis": 1, "scale": False}, (2, 3, 7, 8), training=True),
    case(
        "BatchNormalization", {"center": False, "moving_mean_initializer": "ones"}, (4, 6, 5), training=True
    ),
    case("LayerNormalization", {}, (4, 5)),
    case("LayerNormalization", {"axis": [1, 2], "center": False}, (4, 5, 6)),
    case("LayerNormalization", {"axis": 1, "scale": False, "epsilon": 1e-5}, (4, 5, 6)),
    case("GroupNormalization", {"groups": 2}, (2, 3, 4, 6)),
    case("GroupNormalization", {"groups": 3, "axis": 1}, (2, 6, 4, 3)),
    case("GroupNormalization", {"groups": -1, "center": False}, (2, 5, 4)),
    case("RMSNormalization", {}, (4, 5)),
    case("RMSNormalization", {"axis": [1, 2]}, (4, 5, 6)),
    case("UnitNormalization", {}, (4, 5)),
    case("UnitNormalization", {"axis": [1, 2]}, (4, 5, 6)),
    case("SpectralNormalization", {"layer": lambda m: m.Dense(3, name="inner")}, (4, 5), training=True),
    case("Dropout", {"rate": 0.4, "seed": 3}, (4, 5), random=True),
    case("Dropout", {"rate": 0.4, "seed": 3, "noise_shape": (None, 1, 6)}, (4, 5, 6), random=True),
    case("Dropout", {"rate": 0.0}, (4, 5)),
    case("SpatialDropout1D", {"rate": 0.4, "seed": 3}, (4, 5, 6), random=True),
    case("SpatialDropout2D", {"rate": 0.4, "seed": 3, **FIRST}, (4, 5, 3, 2), random=True),
    case("SpatialDropout3D", {"rate": 0.4, "seed": 3}, (4, 2, 2, 2, 5), random=True),
    case("GaussianNoise", {"stddev": 0.4, "seed": 3}, (4, 5), random=True),
    case("GaussianDropout", {"rate": 0.4, "seed": 3}, (4, 5), random=True),
    case("AlphaDropout", {"rate": 0.4, "seed": 3}, (4, 5), random=True),
    case("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (4, 5)),
    case("Flatten", {}, (4, 5, 6)),
    case("Flatten", {}, (4,)),
    case("Flatten", {**FIRST}, (2, 3, 4, 5)),
    case("Reshape", {"target_shape": (2, -1)}, (4, 6)),
    case("Reshape", {"target_shape": (6,)}, (4, 2, 3)),
    case("Permute", {"dims": (3, 1, 2)}, (2, 3, 4, 5)),
    case("RepeatVector", {"n": 3}, (4, 5)),
    case("ZeroPadding1D", {"padding": (1, 2)}, (2, 5, 3)),
    case("ZeroPadding1D", {"padding": 1, **FIRST}, (2, 5, 3)),
    case("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (2, 4, 5, 3)),
    case("ZeroPadding2D", {"padding": 1, **FIRST}, (2, 3, 4, 5)),
    case("ZeroPadding3D", {"padding": (1, 0, 2)}, (2, 3, 4, 5, 2)),
    case("Cropping1D", {"cropping": (1, 2)}, (2, 7, 3)),
    case("Cropping2D", {"cropping": ((1, 0), (2, 1))}, (2, 5, 6, 3)),
    case("Cropping2D", {"cropping": 1, **FIRST}, (2, 3, 5, 6)),
    case("Cropping3D", {"cropping": (1, 0, 2)}, (2, 4, 5, 6, 2)),
    case("UpSampling1D", {"size": 3}, (2, 4, 3)),
    case("UpSampling2D", {"size": (2, 3)}, (2, 4, 5, 3)),
    case("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, (2, 4, 5, 3)),
    case("UpSampling2D", {**FIRST}, (2, 3, 4, 5)),
    case("UpSampling3D", {"size": (1, 2, 3)}, (2, 3, 4, 2, 2)),
    case("Add", {}, (4, 5), (4, 5), (4, 5)),
    case("Add", {}, (4, 5), (4, 3, 5)),
    case("Subtract", {}, (4, 5), (4, 5)),
    case("Multiply", {}, (4, 1, 5), (4, 3, 5)),
    case("Average", {}, (4, 5), (4, 5), (4, 5)),
    case("Maximum", {}, (4, 5), (4, 5)),
    case("Minimum", {}, (4, 5), (4, 5)),
    case("Concatenate", {}, (4, 5), (4, 3)),
    case("Concatenate", {"axis": 1}, (4, 5, 2), (4, 3, 2), (4, 1, 2)),
    case("Dot", {"axes": 1}, (4, 5), (4, 5)),
    case("Dot", {"axes": (2, 1), "normalize": True}, (4, 3, 5), (4, 5, 2)),
    case("Dot", {"axes": (1, 2)}, (2, 4, 3, 2), (2, 5, 4)),
    case("Rescaling", {"scale": 0.5, "offset": 1.0}, (4, 5), integers=9),
    case("Rescaling", {"scale": [1.0, 2.0, 3.0], "offset": [0.0, 1.0, 2.0]}, (4, 5, 3)),
    case("Normalization", {"mean": 3.0, "variance": 2.0}, (4, 5)),
    case("Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0], "invert": True}, (4, 5, 3)),
    case("Normalization", {"axis": (1, 2)}, (4, 5, 3)),
    case("Resizing", {"height": 3, "width": 9}, (2, 6, 5, 3)),
    case("Resizing", {"height": 4, "width": 4, "interpolation": "nearest", **FIRST}, (2, 3, 6, 5)),
    case("Resizing", {"height": 4, "width": 4, "crop_to_aspect_ratio": True}, (2, 6, 8, 3)),
    case("CenterCrop", {"height": 3, "width": 4}, (2, 6, 7, 3)),
    case("CenterCrop", {"height": 3, "width": 4, **FIRST}, (2, 3, 6, 7)),
    case("CenterCrop", {"height": 8, "width": 4}, (2, 6, 7, 3)),
    case("SimpleRNN", {"units": 3, "activation": "relu", "use_bias": False}, (2, 4, 5)),
    case("SimpleRNN", {"units": 3, "return_sequences": True, "unroll": True}, (2, 4, 5)),
    case("LSTM", {"units": 3}, (2, 4, 5)),
    case("LSTM", {"units": 3, "return_sequences": True, "go_backwards": True, "use_bias": False}, (2, 4, 5)),
    case("LSTM", {"units": 3, "recurrent_activation": "hard_sigmoid", "unit_forget_bias": False}, (2, 4, 5)),
    case("LSTM", {"units": 3, "dropout": 0.4, "recurrent_dropout": 0.4, "seed": 3}, (4, 5, 6), random=True),
    case("GRU", {"units": 3, "return_sequences": True}, (2, 4, 5)),
    case("GRU", {"units": 3, "reset_after": False, "go_backwards": True}, (2, 4, 5)),
    case("GRU", {"units": 3, "dropout": 0.4, "recurrent_dropout": 0.4, "seed": 3}, (4, 5, 6), random=True),
    case("RNN", {"cell": lambda m: m.GRUCell(3, name="inner"), "return_sequences": True}, (2, 4, 5)),
    case("RNN", {"cell": lambda m: [m.LSTMCell(3, name="one"), m.SimpleRNNCell(2, name="two")]}, (2, 4, 5)),
    case("Bidirectional", {"layer": lambda m: m.LSTM(3, name="inner")}, (2, 4, 5)),
    case(
        "Bidirectional",
        {"layer": lambda m: m.GRU(3, return_sequences=True, name="inner"), "merge_mode": "ave"},
        (2, 4, 5),
    ),
    case("TimeDistributed", {"layer": lambda m: m.Dense(3, name="inner")}, (2, 4, 5)),
    case("TimeDistributed", {"layer": lambda m: m.Conv2D(3, 2, name="inner")}, (2, 3, 4, 5, 2)),
    case("Attention", {}, (2, 4, 3), (2, 5, 3)),
    case("Attention", {"use_scale": True, "score_mode": "concat"}, (2, 4, 3), (2, 5, 3), (2, 5, 3)),
    case("Attention", {"dropout": 0.4, "seed": 3}, (2, 4, 3), (2, 5, 3), random=True),
    case("AdditiveAttention", {}, (2, 4, 3), (2, 5, 3)),
    case("AdditiveAttention", {"use_scale": False}, (2, 4, 3), (2, 5, 3)),
]


#: Layers whose gradients are checked on every engine: each brings operations of its own. On the native one all are.
SAMPLED = {
    *(
        "Dense",
        "EinsumDense",
        "Embedding",
        "Conv1D",
        "Conv2D",
        "Conv2DTranspose",
        "DepthwiseConv2D",
        "MaxPooling2D",
    ),
    *(
        "AveragePooling2D",
        "BatchNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "Multiply",
        "Dot",
    ),
}
FIRST_OF_THEIR_NAME = list({c.name: c for c in reversed(CASES)}.values())

#: Fixtures that walk rows of the table, and which rows.
WALKS = {
    "layer_case": CASES,
    "layer_case_training": [c for c in CASES if c.training],
    "layer_case_moody": [c for c in CASES if c.training or c.random],
    "layer_case_quiet": [c for c in CASES if not c.training and not c.random],
    "layer_case_differentiable": [
        c
        for c in CASES
        if not c.random
        and c.name not in ("SpectralNormalization", "Masking")
        and not any(callable(v) for v in c.kwargs.values())  # layers inside compute in a dtype of their own
    ],
    "layer_case_sampled": [c for c in FIRST_OF_THEIR_NAME if c.name in SAMPLED],
}


def pytest_generate_tests(metafunc):
    """Rows of the table for a test that asks for them."""
    for name, rows in WALKS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [pytest.param(c, id=c.id) for c in rows])
