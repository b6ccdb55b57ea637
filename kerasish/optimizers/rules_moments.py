"""Update rules in which a momentum leads: Adam's relatives, Lamb, Lion, Muon. The contract is that of `rules`."""

from __future__ import annotations

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import overridable
from kerasish.optimizers.clipping import squared_norm
from kerasish.optimizers.rules import Tensors, corrected_rate, decayed, one_minus_power, scalar_like, toward


@overridable
def amsgrad_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    vs: Tensors,
    tops: Tensors,
    lr: Tensor,
    step: Tensor,
    /,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors, Tensors]:
    """Adam whose denominator never shrinks: returns (params, ms, vs, tops).

    As `adam_update`, with top ← max(top, v) in the place of v in the step.
    """
    params = decayed(params, lr, weight_decay)
    rate = scalar_like(corrected_rate(lr, step, beta_1, beta_2), params[0])
    ms = [toward(m, g, 1.0 - beta_1) for m, g in zip(ms, grads, strict=True)]
    vs = [toward(v, p.square(g), 1.0 - beta_2) for v, g in zip(vs, grads, strict=True)]
    tops = [p.maximum(top, v) for top, v in zip(tops, vs, strict=True)]
    params = [
        p.subtract(param, p.divide(p.multiply(m, rate), p.add(p.sqrt(top), epsilon)))
        for param, m, top in zip(params, ms, tops, strict=True)
    ]
    return params, ms, vs, tops


@overridable
def adamax_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    us: Tensors,
    lr: Tensor,
    step: Tensor,
    /,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    """Adam with the largest recent |g| in place of its root mean square: returns (params, ms, us).

    m ← m + (g − m)·(1 − beta_1); u ← max(beta_2·u, |g|); p ← p − lr/(1 − beta_1^t) · m/(u + epsilon).
    """
    params = decayed(params, lr, weight_decay)
    t = p.cast(step, dtype=dtype_of(lr))
    rate = scalar_like(p.divide(lr, one_minus_power(beta_1, t)), params[0])
    ms = [toward(m, g, 1.0 - beta_1) for m, g in zip(ms, grads, strict=True)]
    us = [p.maximum(p.multiply(u, beta_2), p.abs(g)) for u, g in zip(us, grads, strict=True)]
    params = [
        p.subtract(param, p.divide(p.multiply(m, rate), p.add(u, epsilon)))
        for param, m, u in zip(params, ms, us, strict=True)
    ]
    return params, ms, us


def nadam_momentum(step: Tensor, beta_1: float, dtype: str) -> Tensor:
    """beta_1 · (1 − 0.96^t / 2): Nadam's momentum warms up."""
    t = p.cast(step, dtype=dtype)
    return p.multiply(p.subtract(1.0, p.multiply(p.power(0.96, t), 0.5)), beta_1)


@overridable
def nadam_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    vs: Tensors,
    lr: Tensor,
    step: Tensor,
    product: Tensor,
    /,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    """Adam with Nesterov momentum: returns (params, ms, vs).

    With u_t = `nadam_momentum(t)` and `product` = u_1 · … · u_(t−1):
    M = u_(t+1)·m / (1 − product·u_t·u_(t+1)) + (1 − u_t)·g / (1 − product·u_t);
    p ← p − lr · M / (√(v/(1 − beta_2^t)) + epsilon).
    """
    params = decayed(params, lr, weight_decay)
    like = params[0]
    dtype = dtype_of(lr)
    now = nadam_momentum(step, beta_1, dtype)
    following = nadam_momentum(p.add(step, 1), beta_1, dtype)
    product = p.multiply(product, now)
    of_m = p.divide(following, p.subtract(1.0, p.multiply(product, following)))
    of_g = p.divide(p.subtract(1.0, now), p.subtract(1.0, product))
    of_m = scalar_like(p.multiply(of_m, lr), like)
    of_g = scalar_like(p.multiply(of_g, lr), like)
    of_v = scalar_like(p.divide(1.0, one_minus_power(beta_2, p.cast(step, dtype=dtype))), like)
    ms = [toward(m, g, 1.0 - beta_1) for m, g in zip(ms, grads, strict=True)]
    vs = [toward(v, p.square(g), 1.0 - beta_2) for v, g in zip(vs, grads, strict=True)]
    params = [
        p.subtract(
            param,
            p.divide(
                p.add(p.multiply(m, of_m), p.multiply(g, of_g)), p.add(p.sqrt(p.multiply(v, of_v)), epsilon)
            ),
        )
        for param, g, m, v in zip(params, grads, ms, vs, strict=True)
    ]
    return params, ms, vs


@overridable
def lamb_update(
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
    """Adam with a step as long as the parameter itself, times lr: returns (params, ms, vs).

    d = m/(1 − beta_1^t) / (√(v/(1 − beta_2^t)) + epsilon); p ← p − lr · ‖p‖/‖d‖ · d, the ratio 1 where a norm is 0.
    """
    params = decayed(params, lr, weight_decay)
    like = params[0]
    t = p.cast(step, dtype=dtype_of(lr))
    first = scalar_like(one_minus_power(beta_1, t), like)
    second = scalar_like(one_minus_power(beta_2, t), like)
    ms = [toward(m, g, 1.0 - beta_1) for m, g in zip(ms, grads, strict=True)]
    vs = [toward(v, p.square(g), 1.0 - beta_2) for v, g in zip(vs, grads, strict=True)]
    moved = []
    for param, m, v in zip(params, ms, vs, strict=True):
        direction = p.divide(p.divide(m, first), p.add(p.sqrt(p.divide(v, second)), epsilon))
        long, short = p.sqrt(squared_norm(param)), p.sqrt(squared_norm(direction))
        both = p.logical_and(p.greater(long, 0.0), p.greater(short, 0.0))
        ratio = p.where(both, p.divide(long, p.where(both, short, 1.0)), 1.0)
        scale = p.multiply(scalar_like(ratio, like), scalar_like(lr, like))
        moved.append(p.subtract(param, p.multiply(direction, scale)))
    return moved, ms, vs


@overridable
def lion_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    lr: Tensor,
    /,
    *,
    beta_1: float,
    beta_2: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors]:
    """Steps of one size in every coordinate: returns (params, ms).

    p ← p − lr · sign(beta_1·m + (1 − beta_1)·g); m ← beta_2·m + (1 − beta_2)·g.
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    params = [
        p.subtract(param, p.multiply(p.sign(toward(m, g, 1.0 - beta_1)), lr))
        for param, m, g in zip(params, ms, grads, strict=True)
    ]
    return params, [toward(m, g, 1.0 - beta_2) for m, g in zip(ms, grads, strict=True)]


@overridable
def schedule_free_update(
    params: Tensors,
    grads: Tensors,
    zs: Tensors,
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
    """AdamW that averages instead of lowering the rate: returns (params, zs, vs).

    z takes the steps, x is the mean of all z, and the parameters are y = beta_1·x + (1 − beta_1)·z. Without keeping x:
    d = g / (√(v/(1 − beta_2^t)) + epsilon); y ← y + (z − y)/t − lr·(1 − beta_1·(1 − 1/t))·d; z ← z − lr·d.
    """
    params = decayed(params, lr, weight_decay)
    like = params[0]
    t = p.cast(step, dtype=dtype_of(lr))
    share = p.divide(1.0, t)
    own = p.multiply(lr, p.subtract(1.0, p.multiply(p.subtract(1.0, share), beta_1)))
    share, own, rate = (scalar_like(x, like) for x in (share, own, lr))
    second = scalar_like(one_minus_power(beta_2, t), like)
    vs = [toward(v, p.square(g), 1.0 - beta_2) for v, g in zip(vs, grads, strict=True)]
    moved, after = [], []
    for param, grad, z, v in zip(params, grads, zs, vs, strict=True):
        direction = p.divide(grad, p.add(p.sqrt(p.divide(v, second)), epsilon))
        nearer = p.add(param, p.multiply(p.subtract(z, param), share))
        moved.append(p.subtract(nearer, p.multiply(direction, own)))
        after.append(p.subtract(z, p.multiply(direction, rate)))
    return moved, after, vs


@overridable
def muon_update(
    params: Tensors,
    grads: Tensors,
    ms: Tensors,
    lr: Tensor,
    /,
    *,
    momentum: float,
    nesterov: bool,
    coefficients: tuple[float, float, float],
    iterations: int,
    epsilon: float,
    rms_rate: float | None,
    weight_decay: float,
) -> tuple[Tensors, Tensors]:
    """Momentum made orthogonal, for matrices: returns (params, ms).

    m ← momentum·m + g; u = g + momentum·m with `nesterov`, else m; X = u/(‖u‖ + epsilon), then `iterations` times, with
    (a, b, c) = `coefficients` and A = X·Xᵀ: X ← a·X + (b·A + c·A²)·X; p ← p − lr · rms_rate·√(larger side) · X.
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    ms = [p.add(p.multiply(m, momentum), g) for m, g in zip(ms, grads, strict=True)]
    moved = []
    for param, grad, m in zip(params, grads, ms, strict=True):
        x = orthogonal(
            p.add(grad, p.multiply(m, momentum)) if nesterov else m, coefficients, iterations, epsilon
        )
        size = 1.0 if rms_rate is None else rms_rate * max(shape_of(param)) ** 0.5
        moved.append(p.subtract(param, p.multiply(x, p.multiply(lr, size))))
    return moved, ms


def orthogonal(
    x: Tensor, coefficients: tuple[float, float, float], iterations: int, epsilon: float
) -> Tensor:
    """Roughly U·Vᵀ of the matrix's singular value decomposition, by Newton-Schulz iteration."""
    rows, columns = shape_of(x)
    tall = rows > columns  # the products below are of the smaller side
    x = p.transpose(x, axes=(1, 0)) if tall else x
    x = p.divide(x, scalar_like(p.add(p.sqrt(squared_norm(x)), epsilon), x))
    a, b, c = coefficients
    for _ in range(iterations):
        square = p.matmul(x, p.transpose(x, axes=(1, 0)))
        factor = p.add(p.multiply(square, b), p.multiply(p.matmul(square, square), c))
        x = p.add(p.multiply(x, a), p.matmul(factor, x))
    return p.transpose(x, axes=(1, 0)) if tall else x
