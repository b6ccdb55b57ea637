"""Rows of the override table: arguments of composites that engines may override, the corners included.

An override must equal its composite in value, and in the gradient with respect to every float tensor. The composites
get what the operations give them: normalised arguments.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

import kerasish.layers
import kerasish.ops
import kerasish.optimizers  # noqa: F401  importing the three declares every composite
from kerasish.core import dtypes
from kerasish.testing.cases import SPD, array, shown


class Override(NamedTuple):
    """Arguments of one composite. `gradient` is off where a central tie or an infinity leaves no derivative."""

    name: str
    args: tuple[Any, ...]
    keywords: Mapping[str, Any] = types.MappingProxyType({})
    gradient: bool = True

    def __str__(self) -> str:
        return shown(self.name, self.args, self.keywords)


def fixed(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Normal deviates times 3 that depend on shape and seed only."""
    return array(np.random.default_rng(seed).normal(size=shape) * 3, dtype)


SIGNED = array([[-30.0, -1.5, -0.25, 0.0], [0.5, 2.0, 5.0, 30.0]])
SPECIAL = array([np.nan, np.inf, -np.inf, 0.0])
KINKS = array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0])
X, WIDE = fixed(3, 4), array(np.linspace(-30, 30, 24).reshape(4, 6), "float64")
SCALE, OFFSET = fixed(4, seed=2), fixed(4, seed=3)
IMAGE = fixed(2, 3, 3, 4, seed=4)
LOGITS = fixed(2, 3, 4, seed=12) / 3
CLASSES = array([[0, 3, 1], [2, 2, 0]], "int32")
PROBABILITIES = array(np.full((2, 3, 4), 0.25) * np.arange(1, 4)[:, None])
LABELS = array([3, 0, 1], "int32")
Q, K, V = (fixed(2, 5, 3, 4, dtype="float64", seed=i) for i in range(5, 8))
MASK = np.random.default_rng(0).random((2, 1, 5, 5)) > 0.4
MASK[0, 0, 2] = False
SEQUENCE, STATE = fixed(2, 4, 3, dtype="float64"), fixed(2, 5, dtype="float64", seed=1) / 4
STEPS = array([[1, 1, 0, 1], [0, 1, 1, 0]], "bool")
GATES = {"activation": "tanh", "recurrent_activation": "sigmoid"}
ATTENTION = {"scale": 0.5, "causal": False, "soft_cap": None}
EPSILON = {"epsilon": 1e-3}

_PLAIN = "relu relu6 selu softplus log_sigmoid silu hard_sigmoid hard_silu exp2 erfc"
#: Activations: at a kink, the gradient is that of the left side.
ACTIVATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in _PLAIN.split()),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("elu", {"alpha": 1.0}),
    ("elu", {"alpha": 0.5}),
    ("celu", {"alpha": 1.5}),
    ("gelu", {"approximate": True}),
    ("gelu", {"approximate": False}),
)


def weights(gates: int, bias: bool, twice: bool = False) -> tuple[Any, ...]:
    """Kernel, recurrent kernel and bias of a recurrent layer from 3 features to 5 units."""
    kernel, recurrent = (fixed(n, 5 * gates, dtype="float64", seed=n) / 4 for n in (3, 5))
    return kernel, recurrent, fixed(*(2,) * twice, 5 * gates, dtype="float64", seed=9) / 4 if bias else None


def _elementwise() -> Iterator[Override]:
    for name, keywords in ACTIVATIONS:
        for dtype in dtypes.FLOATS:
            yield Override(name, (array(SIGNED, dtype),), keywords)
            yield Override(name, (array(SPECIAL, dtype),), keywords, gradient=False)
        yield Override(name, (WIDE,), keywords)
        yield Override(name, (KINKS,), keywords)
    yield Override("relu", (array([-2, 0, 3], "int32"),))
    for name in ("log2", "log10", "i0"):
        yield Override(name, (np.abs(X) + 0.1,))
    yield Override("erfinv", (array([-0.9, -0.3, 0.0, 0.5, 0.99], "float64"),))
    yield Override("erfinv", (array([-1.0, 1.0, 2.0, np.nan], "float64"),), gradient=False)
    yield Override("clip", (KINKS, -1.0, 1.0))
    for bounds in ((-1.0, 2.0), (2.0, -1.0), (X[:1], 2.0)):
        yield Override("clip", (X, bounds[0] if isinstance(bounds[0], float) else bounds[0] * 0.5, bounds[1]))
    yield Override("isclose", (X, X + 1e-6), {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False})
    yield Override("isclose", (SPECIAL, SPECIAL), {"rtol": 1e-5, "atol": 1e-8, "equal_nan": True})
    for key in ((1, slice(None, None, 2)), (..., -1), (None, slice(-2, 9), 3), (slice(2, 2), ..., None)):
        yield Override("basic_index", (X,), {"items": key})
    for indices, axis in (([[0, 2], [1, 1]], 1), ([-9, -3, -1, 0, 2, 9], 0)):
        yield Override("take_anywhere", (X, array(indices, "int32")), {"axis": axis})
    yield Override("wrap_indices", (array([-9, -3, -1, 0, 2, 9], "int32"),), {"size": 3})


def _reductions() -> Iterator[Override]:
    for name in ("softmax", "log_softmax"):
        for dtype in ("float32", "float64", "bfloat16"):
            for axis in ((2,), (1,), (0, 2)):
                yield Override(name, (array(LOGITS, dtype),), {"axis": axis})
            yield Override(name, (array(LOGITS * 1e4, dtype),), {"axis": (2,)}, gradient=False)
            yield Override(name, (array(SPECIAL, dtype),), {"axis": (0,)}, gradient=False)
    for dtype in dtypes.FLOATS:
        yield Override("mean", (array(np.ones(4096) * 3, dtype),), {"axis": (0,), "keepdims": False})
        yield Override("mean", (array(LOGITS, dtype),), {"axis": (0, 2), "keepdims": True})
    for name in ("mean", "logsumexp"):
        for x in (X * 20, array(X, "float64")):
            for axis, keepdims in (((0, 1), False), ((1,), True), ((), False)):
                yield Override(name, (x,), {"axis": axis, "keepdims": keepdims})
    for dtype in ("int32", "int64"):
        for axis in (0, 2):
            for target in ("float32", "bool", "bfloat16", "int64"):
                options = {"num_classes": 3, "axis": axis, "dtype": target}
                yield Override("one_hot", (array([[0, 2], [5, -1]], dtype),), options)


def _products() -> Iterator[Override]:
    for name in ("det", "slogdet", "inv"):
        yield Override(name, (np.stack([SPD[0], -SPD[1]]),))
    for x in (X, IMAGE):
        for bias in (None, OFFSET):
            yield Override("dense", (x, SCALE[:, None] * OFFSET, bias))
        yield Override("add_bias", (x, OFFSET))
    for flag in (True, False):
        yield Override("fft", (X, X[::-1].copy()), {"inverse": flag})
    yield Override("stack", ([X, X * 2],), {"axis": 1})
    yield Override("stack", ([array([1, 2], "int64"), array([3, 4], "int64")],), {"axis": 0})
    yield Override("split", (X,), {"sections": 2, "axis": 1})


def _windows() -> Iterator[Override]:
    one = {"strides": (1,), "pads": ((0, 0),), "dilation": (1,), "groups": 1}
    two = {"strides": (1, 1), "pads": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    kernel, bias = fixed(2, 2, 4, 6, seed=20), fixed(6, seed=21)
    for dtype in dtypes.FLOATS:
        x, k, b = (array(value / 3, dtype) for value in (IMAGE, kernel, bias))
        yield Override("conv_bias", (x, k, b), two)
    uneven = {**two, "strides": (2, 1), "pads": ((1, 0), (0, 2))}
    yield Override("conv_bias", (IMAGE, kernel, bias), uneven)
    yield Override("conv_bias", (IMAGE, kernel, bias), {**two, "pads": ((1, 1), (2, 2)), "dilation": (2, 1)})
    yield Override("conv_bias", (IMAGE, kernel[:, :, :2], bias), {**two, "groups": 2})
    yield Override("conv_bias", (IMAGE[:0], kernel, bias), two)
    yield Override("conv_bias", (IMAGE[:, 0], kernel[0], bias), one)
    volume = {"strides": (1,) * 3, "pads": ((0, 1),) * 3, "dilation": (1,) * 3, "groups": 1}
    yield Override("conv_bias", (IMAGE[:, None], kernel[None], bias), volume)


def _losses() -> Iterator[Override]:
    yield Override("sigmoid_cross_entropy", (np.abs(X), X * 9))
    yield Override("sigmoid_cross_entropy", (array([0.0, 1.0, 0.0, 1.0]), array([0.0, 0.0, 90.0, -90.0])))
    yield Override("sparse_softmax_cross_entropy", (array(1, "int32"), X[0]))
    for dtype in ("float32", "float64"):
        for size in (1, 50):
            x = array(LOGITS * size, dtype)
            yield Override("sparse_softmax_cross_entropy", (CLASSES, x))
            yield Override("softmax_cross_entropy", (array(PROBABILITIES, dtype), x))
    yield Override("softmax_cross_entropy", (np.abs(X), X * 9))
    yield Override("sparse_softmax_cross_entropy", (LABELS, X * 9))


def _normalization() -> Iterator[Override]:
    for scale, offset, axis in (
        (SCALE, OFFSET, (3,)), (None, OFFSET, (3,)), (SCALE, None, (3,)), (None, None, (2, 3)), (None, None, (1,)),
    ):  # fmt: skip
        yield Override("layer_norm", (IMAGE, scale, offset), {"axis": axis, **EPSILON})
    for x, scale, offset, axis in (
        (IMAGE, SCALE, OFFSET, 3), (X, None, OFFSET, 1), (X, SCALE, None, 1), (X, None, None, 1),
        (X[:1], SCALE, OFFSET, 1), (IMAGE[..., :3], None, None, 1),
    ):  # fmt: skip
        yield Override("batch_norm_train", (x, scale, offset), {"axis": axis, **EPSILON})
    yield Override("batch_norm", (IMAGE, OFFSET, SCALE**2, SCALE, OFFSET), {"axis": 3, **EPSILON})
    yield Override("batch_norm", (X, OFFSET, SCALE**2, None, None), {"axis": 1, **EPSILON})


def _attention() -> Iterator[Override]:
    for bias, mask, keywords in (
        (None, None, {}),
        (None, None, {"causal": True}),
        (None, MASK, {}),
        (None, MASK, {"causal": True}),
        (fixed(1, 3, 5, 5, dtype="float64"), None, {"causal": True}),
        (fixed(1, 1, 5, 5, dtype="float64"), MASK, {}),
        (None, None, {"soft_cap": 3.0}),
    ):
        yield Override("attention", (Q, K, V, bias, mask), {**ATTENTION, **keywords})
    yield Override("attention", (Q[:, :3], K, V, None, None), {**ATTENTION, "causal": True})
    narrow = tuple(x.astype("float32") for x in (Q, K, V))  # some engines have a kernel for it alone
    for bias, mask, causal in ((None, None, False), (None, MASK, True), (fixed(1, 3, 5, 5), MASK, False)):
        yield Override("attention", (*narrow, bias, mask), {**ATTENTION, "causal": causal})


def _recurrence() -> Iterator[Override]:
    for name, bias in (("tanh", True), ("relu", False), ("sigmoid", False)):
        yield Override(
            "simple_rnn", (SEQUENCE, STATE, *weights(1, bias)), {"activation": name, "go_backwards": bias}
        )
    for bias in (True, False):
        options = {**GATES, "go_backwards": bias, "mask": None}
        yield Override("lstm", (SEQUENCE, STATE, STATE * 2, *weights(4, bias)), options)
    for bias, after in ((True, True), (False, True), (True, False)):
        options = {**GATES, "reset_after": after, "go_backwards": bias}
        yield Override("gru", (SEQUENCE, STATE, *weights(3, bias, after)), options)


OVERRIDES = [
    *_elementwise(),
    *_reductions(),
    *_products(),
    *_windows(),
    *_losses(),
    *_normalization(),
    *_attention(),
    *_recurrence(),
]


def updates(dtype: str) -> Iterator[Override]:
    """Optimizer steps over two parameters: lists of parameters, gradients and slots, the rate, the step's number."""

    def pair(*seeds: int) -> list[np.ndarray]:
        return [np.abs(fixed(3, 4, dtype=dtype, seed=i)) for i in seeds]

    params = [fixed(3, 4, dtype=dtype, seed=i) for i in range(2)]
    grads = [fixed(3, 4, dtype=dtype, seed=9), fixed(4, 3, dtype=dtype, seed=8).T]
    rate, step = array(0.1), array(3, "int32")
    for decay in (0.0, 0.01):
        for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
            keywords = {"momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
            yield Override("sgd_update", (params, grads, pair(5, 6) if momentum else [], rate), keywords)
        keywords = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-2, "weight_decay": decay}
        yield Override("adam_update", (params, grads, pair(5, 6), pair(7, 8), rate, step), keywords)


UPDATES = [case for dtype in ("float32", "float64") for case in updates(dtype)]
