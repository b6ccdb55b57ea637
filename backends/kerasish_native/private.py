"""The engine's own primitives, in which gradients and control flow are written: their shape rules.

`RULES` extends kerasish's with them. Inside the engine `concatenate` takes its tensors one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish.core import dtypes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.primitive import RULES as PUBLIC
from kerasish.core.primitives import concatenate as _concatenate  # importing them fills the table of rules

Ints = tuple[int, ...]


def name_of(x: Any) -> str:
    """The dtype's kerasish name of an array, box, traced or abstract value."""
    dtype = x.dtype
    return dtype if dtype.__class__ is str else dtypes.of_numpy(dtype)


def conv_kernel_grad(x: Any, g: Any, /, *, window: Ints, groups: int, **_: Any) -> Any:
    """Gradient of `conv` in its kernel, for input x and the gradient g of its result."""
    return AbstractTensor((*window, x.shape[-1] // groups, g.shape[-1]), x.dtype)


def max_pool_grad(x: Any, g: Any, /, **_: Any) -> Any:
    """Gradient of `max_pool` in x: g goes to the first largest element of each window."""
    return AbstractTensor(x.shape, g.dtype)


def max_pool_pick(x: Any, values: Any, /, **keywords: Any) -> Any:
    """The elements of `values` at the first largest element of each window of x; adjoint of `max_pool_grad` in g."""
    return AbstractTensor(PUBLIC["max_pool"](x, **keywords).shape, values.dtype)


def avg_pool_grad(g: Any, /, *, spatial: Ints, **_: Any) -> Any:
    """Gradient of `avg_pool` in its input of spatial size `spatial`."""
    return AbstractTensor((g.shape[0], *spatial, g.shape[-1]), g.dtype)


def permutation(swaps: Any, /) -> Any:
    """Row order that LAPACK's row swaps (..., n) amount to."""
    return swaps


def graph_cond(pred: Any, /, *args: Any, true: Any, false: Any) -> Any:
    """One of two sub-graphs of the same inputs, by a bool scalar."""
    return _specs(true.outputs)


def graph_while(*args: Any, condition: Any, body: Any, carried: int) -> Any:
    """Repeat a sub-graph on `carried` values (the rest of args stays) while another holds."""
    return _specs(body.outputs)


def graph_scan(*args: Any, body: Any, carried: int, sliced: int, length: int, reverse: bool) -> Any:
    """A sub-graph over axis 0 of `sliced` tensors with `carried` values; other args stay. Carry first, then stacks."""
    outputs = _specs(body.outputs)
    stacks = [AbstractTensor((length, *y.shape), y.dtype) for y in outputs[carried:]]
    return (*outputs[:carried], *stacks)


def _specs(outputs: list[Any]) -> tuple[AbstractTensor, ...]:
    return tuple(AbstractTensor(y.shape, name_of(y)) for y in outputs)


def _like(*tensors: Any) -> list[AbstractTensor]:
    return [AbstractTensor(t.shape, name_of(t)) for t in tensors]


def lstm_sequence(x: Any, h0: Any, c0: Any, /, *_: Any, keep: bool, **__: Any) -> Any:
    """An LSTM over time: (outputs, h, c), with `keep` also gates, cells and states before, for its gradient.

    Operands x (B, T, C), h0 and c0 (B, U), kernel (C, 4U), recurrent kernel (U, 4U), then bias (4U,) and mask bool
    (B, T) as the keywords `bias` and `masked` say; `reverse` starts at the last time. See `reference.recurrent`.
    """
    outputs, gates = (AbstractTensor((*x.shape[:2], n * h0.shape[1]), name_of(x)) for n in (1, 4))
    return (outputs, *_like(h0, c0), *((gates, outputs, outputs) if keep else ()))


def gru_sequence(x: Any, h0: Any, /, *_: Any, keep: bool, **__: Any) -> Any:
    """A GRU over time: (outputs, h), with `keep` also gates and states before, for its gradient.

    Operands x (B, T, C), h0 (B, U), kernel (C, 3U), recurrent kernel (U, 3U), then bias (2, 3U) and mask bool (B, T) as
    the keywords `bias` and `masked` say; `reverse` starts at the last time. See `reference.recurrent`.
    """
    outputs, gates = (AbstractTensor((*x.shape[:2], n * h0.shape[1]), name_of(x)) for n in (1, 4))
    return (outputs, *_like(h0), *((gates, outputs) if keep else ()))


def sequence_grad(*args: Any, given: tuple[bool, ...], bias: bool, wants_x: bool, **_: Any) -> Any:
    """Gradients of `lstm_sequence` or `gru_sequence` in its operands (x only if it is wanted)."""
    states = len(given) - 1
    operands = args[sum(given) :][: 3 + states + bias]
    return tuple(_like(*operands[0 if wants_x else 1 :]))


def tiled_attention(query: Any, key: Any, value: Any, /, *_: Any, **__: Any) -> Any:
    """Attention whose gradient nobody asks for: softmax(scale·q·kᵀ + bias, masked)·v.

    Operands query (B, T, N, H), key (B, S, N, H), value (B, S, N, W), then bias and a bool mask that broadcast to
    (B, N, T, S) as the keywords `bias` and `masked` say; further keywords `scale`, `causal`, `soft_cap`. No size is 0.
    """
    return AbstractTensor((*query.shape[:3], value.shape[3]), name_of(query))


def descend_rows(table: Any, indices: Any, updates: Any, rate: Any, /) -> Any:
    """table − rate·scatter_add(0, indices, updates): a step of gradient descent on rows that indices (..., 1) name."""
    return AbstractTensor(table.shape, name_of(table))


RULES: dict[str, Callable[..., Any]] = {
    **PUBLIC,
    "concatenate": lambda *xs, axis: _concatenate.rule(xs, axis=axis),  # type: ignore[attr-defined]
    "conv_kernel_grad": conv_kernel_grad,
    "max_pool_grad": max_pool_grad,
    "max_pool_pick": max_pool_pick,
    "avg_pool_grad": avg_pool_grad,
    "permutation": permutation,
    "lstm_sequence": lstm_sequence,
    "lstm_sequence_grad": sequence_grad,
    "gru_sequence": gru_sequence,
    "gru_sequence_grad": sequence_grad,
    "tiled_attention": tiled_attention,
    "descend_rows": descend_rows,
    "graph_cond": graph_cond,
    "graph_while": graph_while,
    "graph_scan": graph_scan,
}
