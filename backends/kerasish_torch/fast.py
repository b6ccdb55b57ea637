"""Faster equivalents of composites: torch's fused kernels. Each has the signature of the composite it stands for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows

from kerasish_torch import recurrent
from kerasish_torch.tensors import FLOATS, HALVES, Tensor, differentiable_once, donated, traced

Axes = tuple[int, ...]
Tensors = list[Tensor]


# -- activations -------------------------------------------------------------------------------------------------------
def _leaky_relu(x: Tensor, /, *, negative_slope: float) -> Tensor:
    return F.leaky_relu(x, negative_slope)


def _elu(x: Tensor, /, *, alpha: float) -> Tensor:
    return F.elu(x, alpha)


def _celu(x: Tensor, /, *, alpha: float) -> Tensor:
    return F.celu(x, alpha)


def _softplus(x: Tensor, /) -> Tensor:
    return F.softplus(x, 1.0, 40.0)  # linear where e^-x is below float64's precision; torch's default is float32's


def _gelu(x: Tensor, /, *, approximate: bool) -> Tensor:
    return F.gelu(x, approximate="tanh" if approximate else "none")


def _softmax(x: Tensor, /, *, axis: Axes) -> Tensor:
    return torch.softmax(x, axis[0]) if len(axis) == 1 else NotImplemented


def _log_softmax(x: Tensor, /, *, axis: Axes) -> Tensor:
    return torch.log_softmax(x, axis[0]) if len(axis) == 1 else NotImplemented


# -- elementwise -------------------------------------------------------------------------------------------------------
def _hard_sigmoid(x: Tensor, /) -> Tensor:
    return NotImplemented if x.dtype is torch.float64 else F.hardsigmoid(x)  # its gradient has float32's 1/6


def _hard_silu(x: Tensor, /) -> Tensor:
    return NotImplemented if x.dtype is torch.float64 else F.hardswish(x)


def _clip(x: Tensor, low: Any, high: Any, /) -> Tensor:
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor) or x.dtype not in FLOATS:
        return NotImplemented
    return torch.clamp(x, low, high)


def _wrap_indices(indices: Tensor, /, *, size: int) -> Tensor:
    return torch.remainder(torch.clamp(indices, -size, size - 1), size) if size else NotImplemented


def _isclose(x1: Tensor, x2: Tensor, /, *, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    return torch.isclose(x1, x2, rtol, atol, equal_nan)


def _stack(xs: Tensors, /, *, axis: int) -> Tensor:
    return torch.stack(xs, axis)


def _split(x: Tensor, /, *, sections: int, axis: int) -> Tensors:
    return list(torch.tensor_split(x, sections, axis))


# -- reductions and matrices -------------------------------------------------------------------------------------------
def _mean(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
    return torch.mean(x, axis, keepdims) if axis else x


def _logsumexp(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
    return torch.logsumexp(x, axis, keepdims) if axis else x


def _slogdet(x: Tensor, /) -> tuple[Tensor, Tensor]:
    return tuple(torch.linalg.slogdet(x))


def _dense(x: Tensor, kernel: Tensor, bias: Tensor | None, /) -> Tensor:
    if x.ndim < 2:
        return NotImplemented
    rows = x if x.ndim == 2 else x.flatten(0, -2)
    y = torch.mm(rows, kernel) if bias is None else torch.addmm(bias, rows, kernel)
    return y if x.ndim == 2 else y.unflatten(0, x.shape[:-1])


def _fft(real: Tensor, imag: Tensor, /, *, inverse: bool) -> tuple[Tensor, Tensor]:
    if real.dtype in HALVES:
        return NotImplemented
    y = (torch.fft.ifft if inverse else torch.fft.fft)(torch.complex(real, imag))
    return y.real.contiguous(), y.imag.contiguous()


# -- losses ------------------------------------------------------------------------------------------------------------
def _sigmoid_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _softmax_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    return -torch.sum(targets * torch.log_softmax(logits, -1), -1)


def _sparse_softmax_cross_entropy(labels: Tensor, logits: Tensor, /) -> Tensor:
    rows = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1).long(), reduction="none")
    return rows.reshape(labels.shape)


# -- normalisation -----------------------------------------------------------------------------------------------------
def _layer_norm(x: Tensor, scale: Tensor | None, offset: Tensor | None, /, *, axis: Axes, epsilon: float) -> Tensor:
    sizes = x.shape[-len(axis) :]
    trailing = axis == tuple(range(x.ndim - len(axis), x.ndim))
    if not axis or not trailing or any(w is not None and w.shape != sizes for w in (scale, offset)):
        return NotImplemented
    return F.layer_norm(x, sizes, scale, offset, epsilon)


def _batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    scale: Tensor | None,
    offset: Tensor | None,
    /,
    *,
    axis: int,
    epsilon: float,
) -> Tensor:
    # torch's kernel treats mean and variance as constants
    if axis != x.ndim - 1 or x.ndim < 2 or mean.requires_grad or variance.requires_grad or not differentiable_once():
        return NotImplemented
    return F.batch_norm(x.reshape(-1, x.shape[-1]), mean, variance, scale, offset, False, 0.0, epsilon).reshape(x.shape)


class _BatchNormTrain(torch.autograd.Function):
    """Batch normalisation of rows by torch's kernel, which gives no gradient through its statistics."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | None, offset: Tensor | None, epsilon: float) -> Any:
        mean, variance = torch.zeros_like(x[0]), torch.zeros_like(x[0])  # moving statistics that forget at once
        y, _, inverse = torch.native_batch_norm(x, scale, offset, mean, variance, True, 1.0, epsilon)
        ctx.save_for_backward(x, scale, mean, inverse)
        ctx.epsilon = epsilon
        ctx.set_materialize_grads(False)
        return y, mean, variance * ((x.shape[0] - 1) / x.shape[0])

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dmean: Tensor | None, dvariance: Tensor | None) -> Any:
        x, scale, mean, inverse = ctx.saved_tensors
        dx = dscale = doffset = None
        if dy is not None:
            dx, dscale, doffset = torch.ops.aten.native_batch_norm_backward(
                dy, x, scale, None, None, mean, inverse, True, ctx.epsilon, [True, scale is not None, True]
            )
        if dmean is not None:
            dx = dmean / x.shape[0] + (0 if dx is None else dx)
        if dvariance is not None:
            dx = (x - mean) * (dvariance * (2 / x.shape[0])) + (0 if dx is None else dx)
        return dx, dscale, doffset if ctx.needs_input_grad[2] else None, None


def _batch_norm_train(
    x: Tensor, scale: Tensor | None, offset: Tensor | None, /, *, axis: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    if axis != x.ndim - 1 or x.numel() < 2 * x.shape[-1] or x.numel() == 0 or not differentiable_once():
        return NotImplemented
    y, mean, variance = _BatchNormTrain.apply(x.reshape(-1, x.shape[-1]), scale, offset, epsilon)
    return y.reshape(x.shape), mean, variance


# -- attention ---------------------------------------------------------------------------------------------------------
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    mask: Tensor | None,
    /,
    *,
    scale: float,
    causal: bool,
    soft_cap: float | None,
) -> Tensor:
    if soft_cap is not None or not differentiable_once():  # the fused kernels have a first derivative only
        return NotImplemented
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    length, keys = query.shape[2], key.shape[2]
    if causal and (mask is not None or bias is not None):
        past = torch.ones(length, keys, dtype=torch.bool, device=query.device).tril()
        mask = past if mask is None else mask & past
    if mask is not None:
        alive = mask.any(-1, keepdim=True)  # a row without keys attends to all alike: scores of 0, without gradient
        query = torch.where(alive, query, 0.0)
        masked = torch.where(alive, -math.inf, 0.0).to(query.dtype)
        bias = torch.where(mask, 0.0 if bias is None else bias, masked)
    if bias is not None:
        bias = bias.expand(*query.shape[:2], length, keys)
    y = F.scaled_dot_product_attention(query, key, value, bias, 0.0, causal and bias is None, scale=scale)
    return y.transpose(1, 2)


# -- optimizers: in place where the step owns its state ----------------------------------------------------------------
def _overwritable(*lists: Tensors) -> bool:
    """Whether this step may overwrite its state, and the kernels can: values at hand, memory without holes."""
    first = lists[0][0]
    if not donated.get() or traced(first) or first.dtype in HALVES:
        return False
    return all(x.is_contiguous() for tensors in lists for x in tensors)


def _matching(grads: Tensors) -> Tensors:
    """Gradients in the memory order of their parameters: fused kernels walk both alike and check nothing."""
    return [g.contiguous() for g in grads]


def _sgd_update(
    params: Tensors, grads: Tensors, ms: Tensors, lr: Tensor, /, *, momentum: float, nesterov: bool, weight_decay: float
) -> tuple[Tensors, Tensors]:
    if not _overwritable(params, ms):
        return NotImplemented
    rate: Any = lr.item() if lr.device.type == "cpu" else lr.to(params[0].dtype)
    if weight_decay:
        torch._foreach_mul_(params, 1.0 - rate * weight_decay)
    steps = torch._foreach_mul(grads, rate)
    if not momentum:
        torch._foreach_sub_(params, steps)
        return params, []
    torch._foreach_mul_(ms, momentum)
    torch._foreach_sub_(ms, steps)
    torch._foreach_add_(params, ms, alpha=momentum if nesterov else 1.0)
    if nesterov:
        torch._foreach_sub_(params, steps)
    return params, ms


def _adam_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    vs: Tensors,
    lr: Tensor,
    step: Tensor,
    /,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    if not _overwritable(params, ms, vs):
        return NotImplemented
    if lr.device.type != "cpu":
        return _adam_on_device(params, grads, ms, vs, lr, step, beta_1, beta_2, epsilon, weight_decay)
    count = step.item()
    torch._fused_adamw_(
        params,
        _matching(grads),
        ms,
        vs,
        [],
        [step.to(torch.float32)] * len(params),
        lr=lr.item(),
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=weight_decay,
        eps=epsilon / (1.0 - beta_2**count) ** 0.5,  # torch adds it after the bias correction
        amsgrad=False,
        maximize=False,
    )
    return params, ms, vs


def _adam_on_device(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    vs: Tensors,
    lr: Tensor,
    step: Tensor,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    """The same without reading a number back from the device, which would wait for it."""
    dtype = params[0].dtype
    if weight_decay:
        torch._foreach_mul_(params, (1.0 - lr * weight_decay).to(dtype))
    t = step.to(lr.dtype)
    rate = lr * torch.sqrt(1.0 - beta_2**t) / (1.0 - beta_1**t)
    torch._foreach_lerp_(ms, grads, 1.0 - beta_1)
    torch._foreach_mul_(vs, beta_2)
    torch._foreach_addcmul_(vs, grads, grads, 1.0 - beta_2)
    roots = torch._foreach_sqrt(vs)
    torch._foreach_add_(roots, epsilon)
    moves = torch._foreach_div(ms, roots)
    torch._foreach_mul_(moves, rate.to(dtype))
    torch._foreach_sub_(params, moves)
    return params, ms, vs


OVERRIDES: dict[str, Callable[..., Any]] = {
    "relu": torch.relu,
    "relu6": F.relu6,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": F.selu,
    "celu": _celu,
    "softplus": _softplus,
    "log_sigmoid": F.logsigmoid,
    "silu": F.silu,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "gelu": _gelu,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "exp2": torch.exp2,
    "log2": torch.log2,
    "log10": torch.log10,
    "erfc": torch.erfc,
    "erfinv": torch.erfinv,
    "i0": torch.i0,
    "clip": _clip,
    "wrap_indices": _wrap_indices,
    "isclose": _isclose,
    "stack": _stack,
    "split": _split,
    "mean": _mean,
    "logsumexp": _logsumexp,
    "det": torch.linalg.det,
    "slogdet": _slogdet,
    "inv": torch.linalg.inv,
    "dense": _dense,
    "fft": _fft,
    "sigmoid_cross_entropy": _sigmoid_cross_entropy,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "sparse_softmax_cross_entropy": _sparse_softmax_cross_entropy,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "batch_norm_train": _batch_norm_train,
    "attention": _attention,
    "simple_rnn": recurrent.simple_rnn,
    "lstm": recurrent.lstm,
    "gru": recurrent.gru,
    "sgd_update": _sgd_update,
    "adam_update": _adam_update,
}
