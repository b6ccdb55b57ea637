"""Optimizer rules over whole lists, in place where the running step owns its state: torch's fused and list kernels.

Measured on one CPU core, Adam over ten tensors of 10,000 elements: fused 29 µs, list kernels 540 µs.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from kerasish_torch.tensors import HALVES, Tensor, at_hand, donated, operation, transformed, watcher

Tensors = list[Tensor]


def _overwritable(*lists: Tensors) -> bool:
    """Whether this step may overwrite its state, and the kernels can: values at hand, memory without holes."""
    first = lists[0][0]
    if not donated.get() or first.__class__ is not torch.Tensor or transformed() or first.dtype in HALVES:
        return False
    return all(x.is_contiguous() for tensors in lists for x in tensors)


def sgd_update(params: Tensors, grads: Tensors, ms: Tensors, lr: Tensor, /, **options: Any) -> Any:
    """The composite `sgd_update`."""
    momentum, nesterov, weight_decay = (options[name] for name in ("momentum", "nesterov", "weight_decay"))
    if not _overwritable(params, ms):
        return NotImplemented
    rate = lr.item() if at_hand(lr) else lr.to(params[0].dtype)
    if weight_decay:
        torch._foreach_mul_(params, 1.0 - rate * weight_decay)
    steps = torch._foreach_mul(grads, rate)
    if momentum:
        torch._foreach_mul_(ms, momentum)
        torch._foreach_sub_(ms, steps)
        torch._foreach_add_(params, ms, alpha=momentum if nesterov else 1.0)
    if nesterov or not momentum:
        torch._foreach_sub_(params, steps)
    return params, ms


def adam_update(
    params: Tensors, grads: Tensors, ms: Tensors, vs: Tensors, *scalars: Tensor, **options: Any
) -> Any:
    """The composite `adam_update`."""
    lr, step = scalars
    if not _overwritable(params, ms, vs):
        return NotImplemented
    if lr.device.type != "cpu":
        return adam_on_device(params, grads, ms, vs, lr, step, **options)
    numbers = [options[name] for name in ("beta_1", "beta_2", "epsilon", "weight_decay")]
    (_adam if watcher.get() is None else _watched_adam)(params, grads, ms, vs, lr, step, *numbers)
    return params, ms, vs


def _adam(
    params: Tensors, grads: Tensors, ms: Tensors, vs: Tensors, lr: Tensor, step: Tensor, *numbers: float
) -> None:
    beta_1, beta_2, epsilon, weight_decay = numbers
    torch._fused_adamw_(
        params,
        [g.contiguous() for g in grads],  # the kernel walks all lists alike and checks nothing
        ms,
        vs,
        [],
        [step.to(torch.float32)] * len(params),
        lr=lr.item(),
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=weight_decay,
        eps=epsilon / (1.0 - beta_2 ** step.item()) ** 0.5,  # torch adds it after the bias correction
        amsgrad=False,
        maximize=False,
    )


_watched_adam = operation(
    "adam_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] ms, Tensor(c!)[] vs, Tensor lr, Tensor step, "
    "float beta_1, float beta_2, float epsilon, float weight_decay) -> ()",
    _adam,
)


def _one_minus_power(beta: float, t: Tensor) -> Tensor:
    """1 − beta^t without cancellation, as the composites compute it."""
    return -torch.expm1(t * (math.log(beta) if beta else -math.inf))


def adam_on_device(
    params: Tensors, grads: Tensors, ms: Tensors, vs: Tensors, *scalars: Tensor, **options: Any
) -> Any:
    """The same without reading a number back from the device, which would wait for all work before."""
    lr, step = scalars
    beta_1, beta_2, dtype = options["beta_1"], options["beta_2"], params[0].dtype
    if options["weight_decay"]:
        torch._foreach_mul_(params, (1.0 - lr * options["weight_decay"]).to(dtype))
    t = step.to(lr.dtype)
    rate = lr * torch.sqrt(_one_minus_power(beta_2, t)) / _one_minus_power(beta_1, t)
    torch._foreach_lerp_(ms, grads, 1.0 - beta_1)
    torch._foreach_mul_(vs, beta_2)
    torch._foreach_addcmul_(vs, grads, grads, 1.0 - beta_2)
    roots = torch._foreach_sqrt(vs)
    torch._foreach_add_(roots, options["epsilon"])
    moves = torch._foreach_div(ms, roots)
    torch._foreach_mul_(moves, rate.to(dtype))
    torch._foreach_sub_(params, moves)
    return params, ms, vs
