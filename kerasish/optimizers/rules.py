"""The update rules: pure functions from (parameters, gradients, slots) to new (parameters, slots), over whole lists.

Each takes lists with one entry a parameter, all of ONE float dtype and one engine, and returns new lists of the same
shapes and dtypes. They are composites, so an engine may replace a whole list's update by a fused kernel. Contract for
such an override, for every rule here:

* `lr` is a float scalar tensor (floatx, float32 by default): the learning rate of this step.
* `step` is an int32 scalar tensor: the number of this update, counted from 1 (the `t` of the bias correction).
* Keyword arguments are Python numbers and bools, all given. `weight_decay` (0.0: none) applies to all parameters of
  the call: p ← p · (1 − lr · weight_decay) BEFORE the update; parameters excluded from decay come in another call.
* Gradients have the parameters' dtype and are clipped and unscaled already.
* Within a compiled training step whose state was donated, parameters and slots may be overwritten in place and handed
  back; elsewhere they may not. Gradients are free to overwrite in either case only where the engine made them.
* Lists are never empty; a slot list that a variant does not use (`ms` without momentum) is `[]`, in and out.
"""

from __future__ import annotations

import math

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.core.dispatch import overridable

Tensors = list[Tensor]


def scalar_like(x: Tensor, leaf: Tensor) -> Tensor:
    """A scalar in the dtype of the parameter it multiplies; it is computed in its own, wider one."""
    dtype = dtype_of(leaf)
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


def toward(old: Tensor, new: Tensor, rate: float) -> Tensor:
    """old + (new − old) · rate: one step of an exponential average."""
    return p.add(old, p.multiply(p.subtract(new, old), rate))


def decayed(params: Tensors, lr: Tensor, weight_decay: float) -> Tensors:
    """Decoupled weight decay: p · (1 − lr · weight_decay)."""
    if not weight_decay:
        return params
    factor = scalar_like(p.subtract(1.0, p.multiply(lr, weight_decay)), params[0])
    return [p.multiply(param, factor) for param in params]


@overridable
def sgd_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    lr: Tensor,
    /,
    *,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> tuple[Tensors, Tensors]:
    """Gradient descent: returns (params, ms).

    Without momentum (`momentum` = 0, `ms` = []): p ← p − lr·g. With it: m ← momentum·m − lr·g, then p ← p + m, or with
    `nesterov` p ← p + momentum·m − lr·g.
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    steps = [p.multiply(grad, lr) for grad in grads]
    if not momentum:
        return [p.subtract(param, s) for param, s in zip(params, steps, strict=True)], []
    ms = [p.subtract(p.multiply(m, momentum), s) for m, s in zip(ms, steps, strict=True)]
    moves = ms
    if nesterov:
        moves = [p.subtract(p.multiply(m, momentum), s) for m, s in zip(ms, steps, strict=True)]
    return [p.add(param, move) for param, move in zip(params, moves, strict=True)], ms


def one_minus_power(beta: float, t: Tensor) -> Tensor:
    """1 − beta^t, as −expm1(t · log beta): float32 has 0.999's distance from 1 to 1.3e-5, its logarithm to 6e-8."""
    logarithm = math.log(beta) if beta else -math.inf
    return p.negative(p.expm1(p.multiply(t, logarithm)))


def corrected_rate(lr: Tensor, step: Tensor, beta_1: float, beta_2: float) -> Tensor:
    """lr · √(1 − beta_2^t) / (1 − beta_1^t), the rate that undoes the averages' start at zero."""
    t = p.cast(step, dtype=dtype_of(lr))
    return p.divide(p.multiply(lr, p.sqrt(one_minus_power(beta_2, t))), one_minus_power(beta_1, t))


@overridable
def adam_update(
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
    """Adam, and AdamW through `weight_decay`: returns (params, ms, vs).

    m ← m + (g − m)·(1 − beta_1); v ← v + (g² − v)·(1 − beta_2);
    p ← p − lr·√(1 − beta_2^t)/(1 − beta_1^t) · m / (√v + epsilon), t = `step`.
    Mind the epsilon: it is added to √v before the bias correction. A kernel that adds it to √v/√(1 − beta_2^t) computes
    the same with epsilon/√(1 − beta_2^t).
    """
    params = decayed(params, lr, weight_decay)
    rate = scalar_like(corrected_rate(lr, step, beta_1, beta_2), params[0])
    ms = [toward(m, g, 1.0 - beta_1) for m, g in zip(ms, grads, strict=True)]
    vs = [toward(v, p.square(g), 1.0 - beta_2) for v, g in zip(vs, grads, strict=True)]
    params = [
        p.subtract(param, p.divide(p.multiply(m, rate), p.add(p.sqrt(v), epsilon)))
        for param, m, v in zip(params, ms, vs, strict=True)
    ]
    return params, ms, vs
