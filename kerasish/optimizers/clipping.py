"""Gradient clipping: by value, by each gradient's own norm, by the norm of all of them together."""

from __future__ import annotations

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, ndim_of
from kerasish.optimizers.rules import Tensors, scalar_like


def squared_norm(x: Tensor) -> Tensor:
    """Σ x², in at least float32: the squares of a half precision gradient overflow early."""
    if dtypes.bits(dtype_of(x)) < 32:
        x = p.cast(x, dtype="float32")
    return p.sum(p.square(x), axis=tuple(range(ndim_of(x))), keepdims=False)


def _limited(x: Tensor, norm: Tensor, limit: float) -> Tensor:
    factor = p.divide(limit, p.maximum(norm, limit))
    return p.multiply(x, scalar_like(factor, x))


def clip_by_value(grads: Tensors, limit: float) -> Tensors:
    """Every element kept within [−limit, limit]."""
    return [p.minimum(p.maximum(g, -limit), limit) for g in grads]


def clip_by_norm(grads: Tensors, limit: float) -> Tensors:
    """g · limit / max(‖g‖, limit), each gradient by itself."""
    return [_limited(g, p.sqrt(squared_norm(g)), limit) for g in grads]


def clip_by_global_norm(grads: Tensors, limit: float) -> Tensors:
    """g · limit / max(N, limit), N the norm of all gradients taken as one vector."""
    squares = [squared_norm(g) for g in grads]
    wide = "float64" if any(dtype_of(s) == "float64" for s in squares) else "float32"
    total = p.cast(squares[0], dtype=wide)
    for s in squares[1:]:
        total = p.add(total, p.cast(s, dtype=wide))
    norm = p.sqrt(total)
    return [_limited(g, norm, limit) for g in grads]
