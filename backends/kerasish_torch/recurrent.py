"""Whole sequences by torch's recurrent kernels, where gates, activations and masks are the ones those know."""

from __future__ import annotations

from typing import Any

import torch

from kerasish_torch.tensors import Tensor, differentiable_once

Result = tuple[Tensor, Tensor, list[Tensor]]


def _known(x: Tensor, mask: Tensor | None) -> bool:
    """Masked steps have no kernel, empty sequences are refused, and kernels have a first derivative only."""
    return mask is None and 0 not in x.shape and differentiable_once()


def _weights(kernel: Tensor, recurrent: Tensor, bias: Tensor | None, inner_bias: Tensor | None = None) -> list[Tensor]:
    weights = [kernel.t().contiguous(), recurrent.t().contiguous()]
    if bias is None:
        return weights
    return [*weights, bias, torch.zeros_like(bias) if inner_bias is None else inner_bias]


def _run(kernel: Any, x: Tensor, states: Any, weights: list[Tensor], backwards: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    x = x.flip(1) if backwards else x
    has_biases, layers, dropout, bidirectional, batch_first = len(weights) == 4, 1, 0.0, False, True
    outputs, *last = kernel(
        x, states, weights, has_biases, layers, dropout, torch.is_grad_enabled(), bidirectional, batch_first
    )
    return outputs[:, -1], outputs, [state[0] for state in last]


def simple_rnn(
    x: Tensor,
    h0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Any,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> Result:
    """The composite `simple_rnn`."""
    function = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}.get(activation) if isinstance(activation, str) else None
    if function is None or not _known(x, mask):
        return NotImplemented
    return _run(function, x, h0[None], _weights(kernel, recurrent_kernel, bias), go_backwards)


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Any,
    recurrent_activation: Any,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> Result:
    """The composite `lstm`: torch has its gates in the same order."""
    if (activation, recurrent_activation) != ("tanh", "sigmoid") or not _known(x, mask):
        return NotImplemented
    return _run(torch.lstm, x, (h0[None], c0[None]), _weights(kernel, recurrent_kernel, bias), go_backwards)


def _reset_first(x: Tensor) -> Tensor:
    """Gates z, r, h in torch's order r, z, h."""
    update, reset, candidate = x.chunk(3, -1)
    return torch.cat((reset, update, candidate), -1)


def gru(
    x: Tensor,
    h0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Any,
    recurrent_activation: Any,
    reset_after: bool,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> Result:
    """The composite `gru`."""
    if (activation, recurrent_activation) != ("tanh", "sigmoid") or not reset_after or not _known(x, mask):
        return NotImplemented
    biases = (None, None) if bias is None else _reset_first(bias).unbind(0)
    weights = _weights(_reset_first(kernel), _reset_first(recurrent_kernel), *biases)
    return _run(torch.gru, x, h0[None], weights, go_backwards)
