"""Update rules that divide by accumulated squares of gradients: RMSprop, Adagrad, Adadelta, Ftrl, Adafactor."""

from __future__ import annotations

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, ndim_of, shape_of
from kerasish.core.dispatch import overridable
from kerasish.optimizers.clipping import squared_norm
from kerasish.optimizers.rules import Tensors, decayed, scalar_like, toward


@overridable
def rmsprop_update(
    params: Tensors,
    grads: Tensors,
    vs: Tensors,
    ms: Tensors,
    means: Tensors,
    lr: Tensor,
    /,
    *,
    rho: float,
    momentum: float,
    epsilon: float,
    centered: bool,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors, Tensors]:
    """Gradients over their recent root mean square: returns (params, vs, ms, means).

    v ← rho·v + (1 − rho)·g²; with `centered` also mean ← rho·mean + (1 − rho)·g, and the variance v − mean² stands for
    v below. d = lr·g/√(v + epsilon). With momentum m ← momentum·m + d and p ← p − m, else p ← p − d.
    `ms` is [] without momentum, `means` is [] unless centered.
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    vs = [toward(v, p.square(g), 1.0 - rho) for v, g in zip(vs, grads, strict=True)]
    spread = vs
    if centered:
        means = [toward(mean, g, 1.0 - rho) for mean, g in zip(means, grads, strict=True)]
        spread = [p.subtract(v, p.square(mean)) for v, mean in zip(vs, means, strict=True)]
    steps = [
        p.divide(p.multiply(g, lr), p.sqrt(p.add(s, epsilon))) for g, s in zip(grads, spread, strict=True)
    ]
    if momentum:
        ms = steps = [p.add(p.multiply(m, momentum), s) for m, s in zip(ms, steps, strict=True)]
    return [p.subtract(param, s) for param, s in zip(params, steps, strict=True)], vs, ms, means


@overridable
def adagrad_update(
    params: Tensors, grads: Tensors, sums: Tensors, lr: Tensor, /, *, epsilon: float, weight_decay: float
) -> tuple[Tensors, Tensors]:
    """Gradients over the root of all their squares so far: returns (params, sums).

    s ← s + g²; p ← p − lr·g/√(s + epsilon).
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    sums = [p.add(s, p.square(g)) for s, g in zip(sums, grads, strict=True)]
    params = [
        p.subtract(param, p.divide(p.multiply(g, lr), p.sqrt(p.add(s, epsilon))))
        for param, g, s in zip(params, grads, sums, strict=True)
    ]
    return params, sums


@overridable
def adadelta_update(
    params: Tensors,
    grads: Tensors,
    squares: Tensors,
    moves: Tensors,
    lr: Tensor,
    /,
    *,
    rho: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    """Steps in the parameters' own units: returns (params, squares, moves).

    s ← rho·s + (1 − rho)·g²; d = √(move + epsilon)/√(s + epsilon) · g; move ← rho·move + (1 − rho)·d²; p ← p − lr·d.
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    squares = [toward(s, p.square(g), 1.0 - rho) for s, g in zip(squares, grads, strict=True)]
    steps = [
        p.divide(p.multiply(p.sqrt(p.add(move, epsilon)), g), p.sqrt(p.add(s, epsilon)))
        for move, g, s in zip(moves, grads, squares, strict=True)
    ]
    moves = [toward(move, p.square(d), 1.0 - rho) for move, d in zip(moves, steps, strict=True)]
    return (
        [p.subtract(param, p.multiply(d, lr)) for param, d in zip(params, steps, strict=True)],
        squares,
        moves,
    )


@overridable
def ftrl_update(
    params: Tensors,
    grads: Tensors,
    sums: Tensors,
    linears: Tensors,
    lr: Tensor,
    /,
    *,
    power: float,
    l1: float,
    l2: float,
    shrinkage: float,
    beta: float,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors]:
    """Follow the regularised leader: returns (params, sums, linears).

    With S = s + g² and G = g + 2·shrinkage·p: linear ← linear + G − (S^−power − s^−power)/lr · p; s ← S;
    p ← (clip(linear, −l1, l1) − linear) / (S^−power/lr + 2·l2 + beta/lr).
    """
    params = decayed(params, lr, weight_decay)
    lr = scalar_like(lr, params[0])
    flat = p.add(p.divide(beta, lr), 2.0 * l2)
    moved, totals, lines = [], [], []
    for param, grad, s, line in zip(params, grads, sums, linears, strict=True):
        total = p.add(s, p.square(grad))
        weight = _root(total, -power)
        sigma = p.divide(p.subtract(weight, _root(s, -power)), lr)
        pull = p.add(grad, p.multiply(param, 2.0 * shrinkage)) if shrinkage else grad
        line = p.subtract(p.add(line, pull), p.multiply(sigma, param))
        kept = p.minimum(p.maximum(line, -l1), l1)
        moved.append(p.divide(p.subtract(kept, line), p.add(p.divide(weight, lr), flat)))
        totals.append(total)
        lines.append(line)
    return moved, totals, lines


def _root(x: Tensor, power: float) -> Tensor:
    return p.sqrt(x) if power == 0.5 else p.power(x, power)


@overridable
def adafactor_update(
    params: Tensors,
    grads: Tensors,
    rows: Tensors,
    columns: Tensors,
    vs: Tensors,
    lr: Tensor,
    step: Tensor,
    /,
    *,
    beta_2_decay: float,
    epsilon_1: float,
    epsilon_2: float,
    clip_threshold: float,
    relative_step: bool,
    weight_decay: float,
) -> tuple[Tensors, Tensors, Tensors, Tensors]:
    """Adam's second moment, factored into row and column means: returns (params, rows, columns, vs).

    With q = g² + epsilon_1, β = 1 − t^beta_2_decay, ρ = min(lr, 1/√t) (lr unless `relative_step`), rms(x) = √mean(x²):
    row ← β·row + (1 − β)·mean(q, last axis), column likewise over the axis before, v = row·column/mean(row);
    d = g/√v; p ← p − ρ · max(epsilon_2, rms(p)) · d / max(1, rms(d)/clip_threshold).
    Parameters with fewer than two axes keep v itself; their entries in `rows` and `columns` pass through.
    """
    params = decayed(params, lr, weight_decay)
    like = params[0]
    t = p.cast(step, dtype=dtype_of(lr))
    keep = scalar_like(p.subtract(1.0, p.power(t, beta_2_decay)), like)
    rate = scalar_like(p.minimum(lr, p.rsqrt(t)) if relative_step else lr, like)
    moved, rows, columns, vs = [], list(rows), list(columns), list(vs)
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        size = p.multiply(p.maximum(_rms(param), epsilon_2), rate)
        q = p.add(p.square(grad), epsilon_1)
        ndim = ndim_of(param)
        if ndim < 2:
            spread = vs[i] = _mixed(vs[i], q, keep)
        else:
            rows[i] = _mixed(rows[i], _mean(q, ndim - 1), keep)
            columns[i] = _mixed(columns[i], _mean(q, ndim - 2), keep)
            row = p.divide(rows[i], _mean(rows[i], ndim - 2, keepdims=True))
            spread = vs[i] = p.multiply(_with_axis(row, ndim - 1), _with_axis(columns[i], ndim - 2))
        direction = p.multiply(grad, p.rsqrt(spread))
        limit = p.maximum(p.divide(_rms(direction), clip_threshold), 1.0)
        moved.append(p.subtract(param, p.multiply(direction, p.divide(size, limit))))
    return moved, rows, columns, vs


def _mixed(old: Tensor, new: Tensor, keep: Tensor) -> Tensor:
    return p.add(p.multiply(old, keep), p.multiply(new, p.subtract(1.0, keep)))


def _mean(x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
    return p.divide(p.sum(x, axis=(axis,), keepdims=keepdims), float(shape_of(x)[axis]))


def _with_axis(x: Tensor, axis: int) -> Tensor:
    shape = list(shape_of(x))
    return p.reshape(x, shape=(*shape[:axis], 1, *shape[axis:]))


def _rms(x: Tensor) -> Tensor:
    size = 1
    for extent in shape_of(x):
        size *= extent
    return scalar_like(p.sqrt(p.divide(squared_norm(x), float(size))), x)
