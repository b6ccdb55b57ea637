"""Faster equivalents of composites: torch's fused kernels. Each takes what the composite it stands for takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from kerasish_torch import optimizers, recurrent
from kerasish_torch.primitives import take
from kerasish_torch.tensors import HALVES, Tensor, differentiable_once
from kerasish_torch.windows import conv_bias

Axes = tuple[int, ...]


# -- elementwise and reductions ----------------------------------------------------------------------------------------
def _not_double(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """A kernel whose gradient has constants of float32 precision."""
    return lambda x, /: NotImplemented if x.dtype is torch.float64 else function(x)


def _one_axis(function: Callable[..., Tensor]) -> Callable[..., Any]:
    return lambda x, /, *, axis: function(x, axis[0]) if len(axis) == 1 else NotImplemented


def _some_axes(function: Callable[..., Tensor]) -> Callable[..., Any]:
    return lambda x, /, *, axis, keepdims: function(x, axis, keepdims) if axis else x


def _softplus(x: Tensor, /) -> Tensor:
    return F.softplus(
        x, 1.0, 40.0
    )  # linear where e^-x is below float64's precision; torch's default is float32's


def _gelu(x: Tensor, /, *, approximate: bool) -> Tensor:
    if approximate:
        return F.gelu(x, approximate="tanh")
    y = F.gelu(x)
    return y if x.is_cuda else torch.where(x == math.inf, x, y)  # oneDNN's kernel makes NaN of infinity


def _wrap_indices(indices: Tensor, /, *, size: int) -> Any:
    return torch.remainder(torch.clamp(indices, -size, size - 1), size) if size else NotImplemented


def _take_anywhere(x: Tensor, indices: Tensor, /, *, axis: int) -> Any:
    if x.__class__ is not torch.Tensor or x.device.type != "cpu":
        return NotImplemented
    try:
        return take(x, indices, axis=axis)
    except (
        IndexError,
        RuntimeError,
    ):  # torch looks on the CPU, and finds negative indices or ones out of range
        return NotImplemented


# -- products ----------------------------------------------------------------------------------------------------------
def _dense(x: Tensor, kernel: Tensor, bias: Tensor | None, /) -> Any:
    if x.ndim < 2:
        return NotImplemented
    rows = x if x.ndim == 2 else x.flatten(0, -2)
    y = torch.mm(rows, kernel) if bias is None else torch.addmm(bias, rows, kernel)
    return y if x.ndim == 2 else y.unflatten(0, x.shape[:-1])


def _fft(real: Tensor, imag: Tensor, /, *, inverse: bool) -> Any:
    if real.dtype in HALVES:
        return NotImplemented
    y = (torch.fft.ifft if inverse else torch.fft.fft)(torch.complex(real, imag))
    return y.real.contiguous(), y.imag.contiguous()


# -- losses ------------------------------------------------------------------------------------------------------------
def _softmax_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    return -torch.sum(targets * torch.log_softmax(logits, -1), -1)


def _sparse_softmax_cross_entropy(labels: Tensor, logits: Tensor, /) -> Tensor:
    rows = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1).long(), reduction="none")
    return rows.reshape(labels.shape)


# -- normalisation -----------------------------------------------------------------------------------------------------
def _layer_norm(x: Tensor, scale: Any, offset: Any, /, *, axis: Axes, epsilon: float) -> Any:
    sizes = x.shape[-len(axis) :]
    trailing = axis == tuple(range(x.ndim - len(axis), x.ndim))
    if not axis or not trailing or any(w is not None and w.shape != sizes for w in (scale, offset)):
        return NotImplemented
    return F.layer_norm(x, sizes, scale, offset, epsilon)


def _batch_norm(x: Tensor, mean: Tensor, variance: Tensor, *affine: Any, axis: int, epsilon: float) -> Any:
    constant = not (mean.requires_grad or variance.requires_grad)  # the kernel gives no gradient by them
    if axis != x.ndim - 1 or x.ndim < 2 or not constant or not differentiable_once():
        return NotImplemented
    y = F.batch_norm(x.reshape(-1, x.shape[-1]), mean, variance, affine[0], affine[1], False, 0.0, epsilon)
    return y.reshape(x.shape)


def _batch_norm_train(x: Tensor, scale: Any, offset: Any, /, *, axis: int, epsilon: float) -> Any:
    rows = x.reshape(-1, x.shape[-1]) if x.numel() else x
    if axis != x.ndim - 1 or len(rows) < 2 or not differentiable_once():
        return NotImplemented
    y, mean, inverse = torch.native_batch_norm(rows, scale, offset, None, None, True, 0.0, epsilon)
    # The kernel keeps 1/sqrt(variance + epsilon).
    variance = inverse.detach().pow(-2).sub_(epsilon).clamp_(min=0.0)
    return y.reshape(x.shape), mean.detach(), variance


# -- attention ---------------------------------------------------------------------------------------------------------
def _attention(*args: Any, scale: float, causal: bool, soft_cap: float | None) -> Any:
    if soft_cap is not None or not differentiable_once():  # the fused kernels have a first derivative only
        return NotImplemented
    query, key, value = (x.transpose(1, 2) for x in args[:3])
    bias, mask = args[3:]
    length, keys = query.shape[2], key.shape[2]
    if causal and (mask is not None or bias is not None):
        past = torch.ones(length, keys, dtype=torch.bool, device=query.device).tril()
        mask = past if mask is None else mask & past
    if mask is not None:
        alive = mask.any(
            -1, keepdim=True
        )  # a row without keys attends to all alike: scores of 0, without gradient
        query = torch.where(alive, query, 0.0)
        masked = torch.where(alive, -math.inf, 0.0).to(query.dtype)
        bias = torch.where(mask, 0.0 if bias is None else bias, masked)
    if bias is not None:
        bias = bias.expand(*query.shape[:2], length, keys)
    y = F.scaled_dot_product_attention(query, key, value, bias, 0.0, causal and bias is None, scale=scale)
    return y.transpose(1, 2)


OVERRIDES: dict[str, Callable[..., Any]] = {
    "conv_bias": conv_bias,
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x, /, *, negative_slope: F.leaky_relu(x, negative_slope),
    "elu": lambda x, /, *, alpha: F.elu(x, alpha),
    "selu": F.selu,
    "celu": lambda x, /, *, alpha: F.celu(x, alpha),
    "softplus": _softplus,
    "log_sigmoid": F.logsigmoid,
    "silu": F.silu,
    "hard_sigmoid": _not_double(F.hardsigmoid),
    "hard_silu": _not_double(F.hardswish),
    "gelu": _gelu,
    "softmax": _one_axis(torch.softmax),
    "log_softmax": _one_axis(torch.log_softmax),
    "exp2": torch.exp2,
    "log2": torch.log2,
    "log10": torch.log10,
    "erfc": torch.erfc,
    "erfinv": torch.erfinv,
    "i0": torch.i0,
    "wrap_indices": _wrap_indices,
    "take_anywhere": _take_anywhere,
    "basic_index": lambda x, /, *, items: x[items],
    "isclose": lambda x1, x2, /, *, rtol, atol, equal_nan: torch.isclose(x1, x2, rtol, atol, equal_nan),
    "stack": lambda xs, /, *, axis: torch.stack(xs, axis),
    "split": lambda x, /, *, sections, axis: list(torch.tensor_split(x, sections, axis)),
    "mean": _some_axes(torch.mean),
    "logsumexp": _some_axes(torch.logsumexp),
    "det": torch.linalg.det,
    "slogdet": lambda x, /: tuple(torch.linalg.slogdet(x)),
    "inv": torch.linalg.inv,
    "dense": _dense,
    "fft": _fft,
    "sigmoid_cross_entropy": lambda t, z, /: F.binary_cross_entropy_with_logits(z, t, reduction="none"),
    "softmax_cross_entropy": _softmax_cross_entropy,
    "sparse_softmax_cross_entropy": _sparse_softmax_cross_entropy,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "batch_norm_train": _batch_norm_train,
    "attention": _attention,
    "simple_rnn": recurrent.simple_rnn,
    "lstm": recurrent.lstm,
    "gru": recurrent.gru,
    "sgd_update": optimizers.sgd_update,
    "adam_update": optimizers.adam_update,
}
