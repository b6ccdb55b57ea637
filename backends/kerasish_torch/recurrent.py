"""Whole sequences by torch's recurrent kernels, where gates, activations and masks are the ones those know.

The overrides take what the composites take: x, states, kernel, recurrent kernel and bias, and options by keyword.
"""

from __future__ import annotations

from typing import Any

import torch

from kerasish_torch.tensors import Tensor, differentiable_once

_SIMPLE = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


def _run(function: Any, x: Tensor, states: Any, weights: list[Any], go_backwards: bool, mask: Any) -> Any:
    """(last output, outputs, states); masks and empty sequences are refused, kernels have one derivative only."""
    if mask is not None or 0 in x.shape or not differentiable_once():
        return NotImplemented
    x = x.flip(1) if go_backwards else x
    weights = [
        weights[0].t().contiguous(),
        weights[1].t().contiguous(),
        *(b for b in weights[2:] if b is not None),
    ]
    biased, layers, dropout, bidirectional, batch_first = len(weights) == 4, 1, 0.0, False, True
    training = torch.is_grad_enabled()
    outputs, *last = function(
        x, states, weights, biased, layers, dropout, training, bidirectional, batch_first
    )
    return outputs[:, -1], outputs, [state[0] for state in last]


def _zeros(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else torch.zeros_like(bias)


def simple_rnn(*args: Any, activation: Any, go_backwards: bool, mask: Any = None) -> Any:
    """The composite `simple_rnn`."""
    x, h0, kernel, recurrent, bias = args
    if activation not in ("tanh", "relu"):
        return NotImplemented
    return _run(_SIMPLE[activation], x, h0[None], [kernel, recurrent, bias, _zeros(bias)], go_backwards, mask)


def lstm(*args: Any, activation: Any, recurrent_activation: Any, go_backwards: bool, mask: Any = None) -> Any:
    """The composite `lstm`: torch has its gates in the same order."""
    x, h0, c0, kernel, recurrent, bias = args
    if (activation, recurrent_activation) != ("tanh", "sigmoid"):
        return NotImplemented
    weights = [kernel, recurrent, bias, _zeros(bias)]
    return _run(torch.lstm, x, (h0[None], c0[None]), weights, go_backwards, mask)


def _reset_first(x: Tensor) -> Tensor:
    """Gates z, r, h in torch's order r, z, h."""
    update, reset, candidate = x.chunk(3, -1)
    return torch.cat((reset, update, candidate), -1)


def gru(*args: Any, reset_after: bool, go_backwards: bool, mask: Any = None, **activations: Any) -> Any:
    """The composite `gru`."""
    x, h0, kernel, recurrent, bias = args
    if not reset_after or activations != {"activation": "tanh", "recurrent_activation": "sigmoid"}:
        return NotImplemented
    biases = (None, None) if bias is None else _reset_first(bias).unbind(0)
    weights = [_reset_first(kernel), _reset_first(recurrent), *biases]
    return _run(torch.gru, x, h0[None], weights, go_backwards, mask)
