"""LSTM and GRU sequences as one primitive each, where gates and activations are the usual ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish_native import vjps_recurrent  # noqa: F401  it fills the table of rules
from kerasish_native.dispatch import n
from kerasish_native.private import name_of
from kerasish_native.tape import Box

_USUAL = {"activation": "tanh", "recurrent_activation": "sigmoid"}
_HALVES = ("float16", "bfloat16")


def _sequence(primitive: Callable[..., Any], operands: list[Any], bias: Any, mask: Any, reverse: bool) -> Any:
    """(last output, outputs, states). 16-bit floats are computed in float32 and rounded at the end."""
    dtype = name_of(operands[0])
    if bias is not None:
        operands = [*operands, bias]
    if dtype in _HALVES:
        operands = [n.cast(x, dtype="float32") for x in operands]
    keep = any(x.__class__ is Box for x in operands)
    extra = [] if mask is None else [mask]
    options = {"bias": bias is not None, "masked": mask is not None, "reverse": reverse, "keep": keep}
    with np.errstate(all="ignore"):
        results = primitive(*operands, *extra, **options)
    states = 2 if primitive is n.lstm_sequence else 1
    outputs, *last = results[: 1 + states]
    if dtype in _HALVES:
        outputs, *last = (n.cast(x, dtype=dtype) for x in (outputs, *last))
    return last[0] if mask is None else _last(outputs), outputs, last


def _last(outputs: Any) -> Any:
    """The output at the last time: with a mask it need not be the state."""
    batch, length, units = outputs.shape
    end = n.slice(outputs, start=(0, length - 1, 0), stop=(batch, length, units), step=(1, 1, 1))
    return n.reshape(end, shape=(batch, units))


def lstm(
    x: Any,
    h0: Any,
    c0: Any,
    kernel: Any,
    recurrent: Any,
    bias: Any,
    /,
    *,
    go_backwards: bool,
    mask: Any = None,
    **activations: Any,
) -> Any:
    """The composite `lstm`."""
    if activations != _USUAL or not math.prod(x.shape):
        return NotImplemented
    return _sequence(n.lstm_sequence, [x, h0, c0, kernel, recurrent], bias, mask, go_backwards)


def gru(
    x: Any,
    h0: Any,
    kernel: Any,
    recurrent: Any,
    bias: Any,
    /,
    *,
    reset_after: bool,
    go_backwards: bool,
    mask: Any = None,
    **activations: Any,
) -> Any:
    """The composite `gru`, where the reset gate comes after the recurrent product."""
    if activations != _USUAL or not reset_after or not math.prod(x.shape):
        return NotImplemented
    return _sequence(n.gru_sequence, [x, h0, kernel, recurrent], bias, mask, go_backwards)


OVERRIDES: dict[str, Callable[..., Any]] = {"lstm": lstm, "gru": gru}
