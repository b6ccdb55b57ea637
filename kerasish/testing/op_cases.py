"""Rows of the operations table: what models call most, once or twice each, on small inputs.

Axis 0 of the arguments named in `batch` may be of unknown size. A new operation is one function and one row here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kerasish.testing.cases import array, shown
from kerasish.testing.override_cases import fixed


class Call(NamedTuple):
    """`ops.name(*args, **keywords)`, differentiated with respect to its float arrays if `gradient`."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]
    gradient: bool = True
    batch: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return shown(self.name, self.args, self.keywords)


CALLS: list[Call] = []


def call(
    name: str, *args: Any, gradient: bool = True, batch: tuple[int, ...] = (0,), **keywords: Any
) -> None:
    """Add a row."""
    CALLS.append(Call(name, args, keywords, gradient, batch))


ACTIVATIONS = """
    celu elu exp expm1 gelu hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid log_softmax relu relu6 selu sigmoid
    silu softmax softplus softsign square squareplus tanh tanh_shrink erf sin cos sparsemax glu
"""
X, Y, W = fixed(3, 4, seed=20) / 3, fixed(3, 4, seed=21) / 3, fixed(4, 5, seed=22) / 3
Z = fixed(2, 3, 4, seed=23) / 3
IMAGES, KERNEL = fixed(2, 6, 6, 2, seed=24) / 3, fixed(3, 3, 2, 4, seed=25) / 3
SERIES = fixed(2, 7, 3, seed=26) / 3
SCALE = np.abs(fixed(4, seed=27)) + 0.5
LABELS = array([3, 0, 1], "int32")
SHARES = np.abs(X) / np.abs(X).sum(1, keepdims=True)
BINARY = array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
HEADS = fixed(2, 4, 2, 3, seed=28) / 3

for _name in ACTIVATIONS.split():
    call(_name, X)
for _name in ("log", "log1p", "log2", "sqrt", "rsqrt", "reciprocal"):
    call(_name, np.abs(X) + 0.5)
for _name in ("add", "subtract", "multiply", "maximum", "minimum", "arctan2", "hypot", "logaddexp"):
    call(_name, X, Y, batch=(0, 1))
    call(_name, X, Y[:1])
call("divide", X, np.abs(Y) + 1, batch=(0, 1))
call("power", np.abs(X) + 0.5, Y, batch=(0, 1))
for _name in ("sum", "mean", "max", "min", "prod", "var", "std", "logsumexp"):
    call(_name, Z)
    call(_name, Z, axis=-1, keepdims=True)
    call(_name, Z, axis=(1, 2))
for _name in ("argmax", "argmin"):
    call(_name, Z, axis=-1, gradient=False)
call("cumsum", X, axis=1)
call("sort", X, axis=-1)
call("argsort", X, axis=-1, gradient=False)
call("top_k", X, 2)
call("clip", X, -0.4, 0.4)
call("where", X > 0, X, Y, batch=(0, 1, 2))
call("one_hot", LABELS, 4, gradient=False)
call("cast", X, "float16", gradient=False)
call("isnan", X, gradient=False)
call("reshape", Z, (-1, 12))
call("transpose", Z, (0, 2, 1))
call("expand_dims", X, 1)
call("squeeze", Z[:, :1], 1)
call("concatenate", [X, Y], 1, batch=())
call("stack", [X, Y], 1, batch=())
call("split", X, 2, 1)
call("repeat", X, 2, 1)
call("tile", X, (1, 2))
call("flip", Z, 1)
call("roll", X, 1, 1)
call("pad", X, ((0, 0), (1, 2)))
call("swapaxes", Z, 1, 2)
call("moveaxis", Z, 1, -1)
call("broadcast_to", X[:1], (3, 4), batch=())
call("take", W, LABELS, 0, batch=(1,))
call("take_along_axis", X, array([[0], [2], [3]], "int32"), 1, batch=(0, 1))
call("slice", Z, (0, 1, 0), (2, 2, 3), batch=())
call("scatter_update", X, array([[0, 1], [2, 3]], "int32"), SCALE[:2], batch=())
call("segment_sum", X, array([0, 2, 0], "int32"), 3, batch=(0, 1))
call("matmul", X, W)
call("matmul", Z, W)
call("einsum", "bij,jk->bik", Z, W, batch=(1,))
call("tensordot", Z, W, 1)
call("outer", X[0], Y[0], batch=())
call("norm", X, axis=-1)
call("tril", Z)
call("inv", (W[:, :4] @ W[:, :4].T + 2 * np.eye(4)).astype(np.float32)[None])
call("conv", IMAGES, KERNEL, strides=2, padding="same")
call("conv", SERIES, fixed(3, 3, 4, seed=30) / 3, padding="causal", dilation_rate=2)
call("depthwise_conv", IMAGES, KERNEL[..., :2])
call("separable_conv", IMAGES, KERNEL[..., :2], fixed(1, 1, 4, 3, seed=31) / 3)
call("conv_transpose", IMAGES, fixed(3, 3, 4, 2, seed=32) / 3, strides=2, padding="same")
call("max_pool", IMAGES, 2, padding="same")
call("average_pool", IMAGES, 3, 2, padding="same")
call("layer_normalization", X, SCALE, Y[0])
call("rms_normalization", X, SCALE)
call("batch_normalization", X, Y[0], SCALE, 1)
call("normalize", X)
call("moments", X, (0,))
call("dot_product_attention", HEADS, HEADS[:, ::-1].copy(), HEADS * 0.5, batch=(0, 1, 2))
call("dot_product_attention", HEADS, HEADS[:, ::-1].copy(), HEADS * 0.5, is_causal=True, batch=(0, 1, 2))
call("binary_crossentropy", BINARY, X, from_logits=True, batch=(0, 1))
call("categorical_crossentropy", SHARES, X, from_logits=True, batch=(0, 1))
call("categorical_crossentropy", SHARES, SHARES[::-1].copy(), gradient=False, batch=(0, 1))
call("sparse_categorical_crossentropy", LABELS, X, from_logits=True, batch=(0, 1))
