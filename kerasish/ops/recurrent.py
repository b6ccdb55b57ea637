"""Whole sequences of simple RNN, LSTM and GRU cells.

The inputs of the three cells are projected by one matrix product before the scan; only the recurrent product is left
inside. Engines may replace a whole sequence by a fused kernel (overrides "simple_rnn", "lstm", "gru").

Masks (B, T), True where a step counts: a step that does not count leaves the states as they are and repeats the output
of the step before it (zeros before the first), or gives zeros where `zero_output_for_mask` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ShapeError, UnknownNameError
from kerasish.ops import activations
from kerasish.ops.fastpath import filled
from kerasish.ops.recurrence import entry, rnn, row_mask, run, select, time_first

__all__ = ["gru", "lstm", "rnn", "simple_rnn"]

Activation = str | Callable[[Any], Any] | None

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": p.tanh,
    "sigmoid": p.sigmoid,
    "exp": p.exp,
    **{
        name: getattr(activations, name)
        for name in activations.__all__
        if name not in ("glu", "threshold", "sigmoid")
    },
}


def _function(activation: Activation) -> Callable[[Any], Any]:
    """An activation given by name, as a function of a float tensor."""
    if activation is None or activation == "linear":
        return lambda x: x
    if not isinstance(activation, str):
        return activation
    if activation not in _FUNCTIONS:
        raise UnknownNameError.of("activation", activation, (*_FUNCTIONS, "linear"))
    return _FUNCTIONS[activation]


def _sequence(
    cell: Callable[[Tensor, list[Tensor]], list[Tensor]],
    xs: Tensor,
    states: list[Tensor],
    *,
    reverse: bool,
    mask: Tensor | None,
    zero_output: bool = False,
    unroll: bool = False,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run `cell(x_t, states) -> states`, whose output is its first state, over xs (T, B, ...).

    Returns (last output (B, U), outputs (B, T, U), states).
    """
    length = shape_of(xs)[0]
    if mask is None:

        def step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            after = cell(now[0], carry)
            return after, [after[0]]

        states, (outputs,) = run(step, states, [xs], length, reverse, unroll)
        return states[0], time_first(outputs), states

    def masked(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        *old, previous = carry
        x, keep = now
        new = cell(x, old)
        output = select(keep, new[0], 0.0 if zero_output else previous)
        return [*(select(keep, n, o) for n, o in zip(new, old, strict=True)), output], [output]

    nothing = filled(states[0], shape_of(states[0]), 0.0, dtype_of(states[0]))
    carry, (outputs,) = run(masked, [*states, nothing], [xs, time_first(mask)], length, reverse, unroll)
    return carry[-1], time_first(outputs), carry[:-1]


def _projected(x: Tensor, kernel: Tensor, bias: Tensor | None, scale: Tensor | None) -> Tensor:
    """x·kernel + bias for all steps in one product, x times its scale first, time first: (B, T, C) -> (T, B, G)."""
    batch, time, channels = shape_of(x)
    if scale is not None:  # (B, gates, C), the same in all steps
        gates = shape_of(scale)[1]
        scale = p.reshape(scale, shape=(batch, 1, gates, channels))
        scale = p.broadcast_to(scale, shape=(batch, time, gates, channels))
        scale = p.reshape(scale, shape=(batch * time, gates, channels))
    flat = scaled_product(p.reshape(x, shape=(batch * time, channels)), kernel, scale)
    if bias is not None:
        flat = p.add(flat, bias)
    return time_first(p.reshape(flat, shape=(batch, time, shape_of(kernel)[1])))


def _part(x: Tensor, i: int, units: int) -> Tensor:
    """Columns i·units to (i + 1)·units of a matrix."""
    return p.slice(x, start=(0, i * units), stop=(shape_of(x)[0], (i + 1) * units), step=(1, 1))


def scaled_product(x: Tensor, kernel: Tensor, scale: Tensor | None) -> Tensor:
    """x·kernel, x times a scale first: (B, C), (C, G·U), None or (B, C) or (B, G, C): one for each gate -> (B, G·U)."""
    if scale is None:
        return p.matmul(x, kernel)
    if len(shape_of(scale)) == 2:
        return p.matmul(p.multiply(x, scale), kernel)
    batch, gates, channels = shape_of(scale)
    width = shape_of(kernel)[1]
    x = p.multiply(p.reshape(x, shape=(batch, 1, channels)), scale)
    kernel = p.reshape(kernel, shape=(channels, gates, width // gates))
    return p.reshape(p.einsum(x, kernel, subscripts="bgc,cgu->bgu"), shape=(batch, width))


def _gates_of(scale: Tensor | None, first: int, last: int) -> Tensor | None:
    """The scales of gates `first` to `last`, if each has its own."""
    if scale is None or len(shape_of(scale)) == 2:
        return scale
    batch, _, units = shape_of(scale)
    return p.slice(scale, start=(0, first, 0), stop=(batch, last, units), step=(1, 1, 1))


# -- cells -----------------------------------------------------------------------------------------------------------


def _simple_cell(
    recurrent_kernel: Tensor, activation: Activation, scale: Tensor | None
) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    act = _function(activation)

    def cell(x: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [act(p.add(x, scaled_product(states[0], recurrent_kernel, scale)))]

    return cell


def _lstm_cell(
    recurrent_kernel: Tensor, activation: Activation, recurrent_activation: Activation, scale: Tensor | None
) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    act, gate = _function(activation), _function(recurrent_activation)
    units = shape_of(recurrent_kernel)[0]

    def cell(x: Tensor, states: list[Tensor]) -> list[Tensor]:
        h, c = states
        z = p.add(x, scaled_product(h, recurrent_kernel, scale))
        enter, forget = gate(_part(z, 0, units)), gate(_part(z, 1, units))
        c = p.add(p.multiply(forget, c), p.multiply(enter, act(_part(z, 2, units))))
        return [p.multiply(gate(_part(z, 3, units)), act(c)), c]

    return cell


def _gru_cell(
    recurrent_kernel: Tensor,
    recurrent_bias: Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    scale: Tensor | None,
) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    act, gate = _function(activation), _function(recurrent_activation)
    units = shape_of(recurrent_kernel)[0]
    if not reset_after:
        gates = p.slice(recurrent_kernel, start=(0, 0), stop=(units, 2 * units), step=(1, 1))
        candidate_kernel = _part(recurrent_kernel, 2, units)

    def cell(x: Tensor, states: list[Tensor]) -> list[Tensor]:
        (h,) = states
        if reset_after:
            inner = scaled_product(h, recurrent_kernel, scale)
            if recurrent_bias is not None:
                inner = p.add(inner, recurrent_bias)
            update = gate(p.add(_part(x, 0, units), _part(inner, 0, units)))
            reset = gate(p.add(_part(x, 1, units), _part(inner, 1, units)))
            candidate = p.multiply(reset, _part(inner, 2, units))
        else:
            inner = scaled_product(h, gates, _gates_of(scale, 0, 2))
            update = gate(p.add(_part(x, 0, units), _part(inner, 0, units)))
            reset = gate(p.add(_part(x, 1, units), _part(inner, 1, units)))
            candidate = scaled_product(p.multiply(reset, h), candidate_kernel, _gates_of(scale, 2, 3))
        candidate = act(p.add(_part(x, 2, units), candidate))
        return [p.add(candidate, p.multiply(update, p.subtract(h, candidate)))]

    return cell


# -- sequences, overridable ------------------------------------------------------------------------------------------


@overridable
def _simple_rnn(
    x: Tensor,
    h0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Activation,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """h = act(x·kernel + bias + h·recurrent_kernel) over time; override name "simple_rnn".

    x (B, T, C), h0 (B, U), kernel (C, U), recurrent_kernel (U, U), bias (U,) or None, mask bool (B, T) or None;
    activation a name ("tanh") or a function. Returns (last output (B, U), outputs (B, T, U), [h]). `go_backwards`
    starts at the end, and the outputs come in the order they were made.
    """
    cell = _simple_cell(recurrent_kernel, activation, None)
    return _sequence(cell, _projected(x, kernel, bias, None), [h0], reverse=go_backwards, mask=mask)


@overridable
def _lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Activation,
    recurrent_activation: Activation,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """An LSTM over time, gates in the order i, f, c, o; override name "lstm".

    x (B, T, C), h0 and c0 (B, U), kernel (C, 4U), recurrent_kernel (U, 4U), bias (4U,) or None, mask bool (B, T)
    or None. z = x·kernel + h·recurrent_kernel + bias; c = σ(z_f)·c + σ(z_i)·act(z_c);
    h = σ(z_o)·act(c) with σ the recurrent activation. Returns (last output (B, U), outputs (B, T, U), [h, c]).
    """
    cell = _lstm_cell(recurrent_kernel, activation, recurrent_activation, None)
    return _sequence(cell, _projected(x, kernel, bias, None), [h0, c0], reverse=go_backwards, mask=mask)


@overridable
def _gru(
    x: Tensor,
    h0: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    /,
    *,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    go_backwards: bool,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """A GRU over time, gates in the order z, r, h; override name "gru".

    x (B, T, C), h0 (B, U), kernel (C, 3U), recurrent_kernel (U, 3U), bias (2, 3U): of inputs and of the recurrent
    product, for `reset_after`, else (3U,); or None; mask bool (B, T) or None. z, r = σ(...);
    h' = act(x_h + r·(h·R_h + b)) for `reset_after`, else act(x_h + (r·h)·R_h); h = z·h + (1 − z)·h'. Returns (last
    output (B, U), outputs (B, T, U), [h]).
    """
    cell, xs = _gru_parts(
        x, kernel, recurrent_kernel, bias, activation, recurrent_activation, reset_after, None, None
    )
    return _sequence(cell, xs, [h0], reverse=go_backwards, mask=mask)


def _gru_parts(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    input_scale: Tensor | None,
    scale: Tensor | None,
) -> tuple[Callable[[Tensor, list[Tensor]], list[Tensor]], Tensor]:
    recurrent_bias = None
    if bias is not None and reset_after:
        bias, recurrent_bias = entry(bias, 0), entry(bias, 1)
    cell = _gru_cell(recurrent_kernel, recurrent_bias, activation, recurrent_activation, reset_after, scale)
    return cell, _projected(x, kernel, bias, input_scale)


# -- public ----------------------------------------------------------------------------------------------------------


def _inputs(
    gates: int,
    x: Any,
    states: Sequence[Any],
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    mask: Any,
    input_scale: Any,
    state_scale: Any,
) -> tuple[list[Tensor], Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """([x, *states, kernel, recurrent kernel], bias, mask, scales) of one engine and dtype, shapes checked.

    A scale of all gates' inputs is in x already.
    """
    main = promoted(x, *states, kernel, recurrent_kernel, at_least="float")
    dtype = dtype_of(main[0])
    optional = []
    for value in (bias, input_scale, state_scale):
        value = None if value is None else tensors(main[0], value)[1]
        optional.append(value if value is None or dtype_of(value) == dtype else p.cast(value, dtype=dtype))
    if mask is not None:
        mask = row_mask(tensors(main[0], mask)[1])
    x, units = main[0], shape_of(main[-1])[0]
    found = shape_of(x)
    wanted = (shape_of(main[-2])[0], gates * units)
    if len(found) != 3 or not shapes.compatible(found[2], wanted[0]) or shape_of(main[-2]) != wanted:
        raise ShapeError(
            "The sequences do not fit the kernel.",
            expected=f"inputs (batch, time, {wanted[0]}), kernel {wanted}",
            received=f"inputs {shapes.show(found)}, kernel {shapes.show(shape_of(main[-2]))}",
        )
    bias, entering, kept = optional
    if entering is not None and len(shape_of(entering)) == 2:
        entering, main[0] = None, p.multiply(x, p.reshape(entering, shape=(found[0], 1, found[2])))
    return main, bias, mask, entering, kept


@op
def simple_rnn(
    inputs: Any,
    h0: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    activation: Activation = "tanh",
    go_backwards: bool = False,
    mask: Any = None,
    zero_output_for_mask: bool = False,
    unroll: bool = False,
    input_scale: Any = None,
    state_scale: Any = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """h = activation(x·kernel + bias + h·recurrent_kernel), step by step.

    Args:
        inputs: Shape (B, T, C).
        h0: State at the start, shape (B, U).
        kernel: Shape (C, U).
        recurrent_kernel: Shape (U, U).
        bias: Shape (U,), or None.
        activation: A name or a function.
        go_backwards: Start at the end; outputs come in the order they are made.
        mask: bool (B, T), True where a step counts.
        zero_output_for_mask: Masked steps give zeros instead of the output before them.
        unroll: Write the steps out instead of scanning; needs a known T.
        input_scale: Multiplied to inputs before the product, shape (B, C), or (B, G, C): dropout, one for each gate.
        state_scale: Multiplied to h before the recurrent product, shape (B, U) or (B, G, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, outputs, _ = simple_rnn([[[1.0], [2.0]]], [[0.0]], [[1.0]], [[1.0]], activation="linear")
        >>> outputs.tolist()
        [[[1.0], [3.0]]]
    """
    main, bias, mask, entering, scale = _inputs(
        1, inputs, [h0], kernel, recurrent_kernel, bias, mask, input_scale, state_scale
    )
    x, h0, kernel, recurrent_kernel = main
    if not (zero_output_for_mask or unroll) and entering is None and scale is None:
        return _simple_rnn(
            x,
            h0,
            kernel,
            recurrent_kernel,
            bias,
            activation=activation,
            go_backwards=bool(go_backwards),
            mask=mask,
        )
    return _sequence(
        _simple_cell(recurrent_kernel, activation, scale),
        _projected(x, kernel, bias, entering),
        [h0],
        reverse=go_backwards,
        mask=mask,
        zero_output=zero_output_for_mask,
        unroll=unroll,
    )


@op
def lstm(
    inputs: Any,
    h0: Any,
    c0: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
    go_backwards: bool = False,
    mask: Any = None,
    zero_output_for_mask: bool = False,
    unroll: bool = False,
    input_scale: Any = None,
    state_scale: Any = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over sequences; gates in Keras' order i, f, c, o.

    Args:
        inputs: Shape (B, T, C).
        h0: Hidden state at the start, shape (B, U).
        c0: Cell state at the start, shape (B, U).
        kernel: Shape (C, 4U).
        recurrent_kernel: Shape (U, 4U).
        bias: Shape (4U,), or None.
        activation: Of candidate and output: a name or a function.
        recurrent_activation: Of the gates.
        go_backwards: Start at the end; outputs come in the order they are made.
        mask: bool (B, T), True where a step counts.
        zero_output_for_mask: Masked steps give zeros instead of the output before them.
        unroll: Write the steps out instead of scanning; needs a known T.
        input_scale: Multiplied to inputs before the product, shape (B, C), or (B, G, C): dropout, one for each gate.
        state_scale: Multiplied to h before the recurrent product, shape (B, U) or (B, G, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h, c]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, _, states = lstm([[[0.0]]], [[0.0]], [[0.0]], [[1.0] * 4], [[1.0] * 4])
        >>> last.tolist(), len(states)
        ([[0.0]], 2)
    """
    main, bias, mask, entering, scale = _inputs(
        4, inputs, [h0, c0], kernel, recurrent_kernel, bias, mask, input_scale, state_scale
    )
    x, h0, c0, kernel, recurrent_kernel = main
    if not (zero_output_for_mask or unroll) and entering is None and scale is None:
        return _lstm(
            x,
            h0,
            c0,
            kernel,
            recurrent_kernel,
            bias,
            activation=activation,
            recurrent_activation=recurrent_activation,
            go_backwards=bool(go_backwards),
            mask=mask,
        )
    return _sequence(
        _lstm_cell(recurrent_kernel, activation, recurrent_activation, scale),
        _projected(x, kernel, bias, entering),
        [h0, c0],
        reverse=go_backwards,
        mask=mask,
        zero_output=zero_output_for_mask,
        unroll=unroll,
    )


@op
def gru(
    inputs: Any,
    h0: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    activation: Activation = "tanh",
    recurrent_activation: Activation = "sigmoid",
    reset_after: bool = True,
    go_backwards: bool = False,
    mask: Any = None,
    zero_output_for_mask: bool = False,
    unroll: bool = False,
    input_scale: Any = None,
    state_scale: Any = None,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Gated recurrent units (Cho et al. 2014) over sequences; gates in Keras' order z, r, h.

    Args:
        inputs: Shape (B, T, C).
        h0: State at the start, shape (B, U).
        kernel: Shape (C, 3U).
        recurrent_kernel: Shape (U, 3U).
        bias: Shape (2, 3U) with `reset_after`, else (3U,); or None.
        activation: Of the candidate: a name or a function.
        recurrent_activation: Of the gates.
        reset_after: Apply the reset gate after the recurrent product instead of before.
        go_backwards: Start at the end; outputs come in the order they are made.
        mask: bool (B, T), True where a step counts.
        zero_output_for_mask: Masked steps give zeros instead of the output before them.
        unroll: Write the steps out instead of scanning; needs a known T.
        input_scale: Multiplied to inputs before the product, shape (B, C), or (B, G, C): dropout, one for each gate.
        state_scale: Multiplied to h before the recurrent product, shape (B, U) or (B, G, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, _, _ = gru([[[0.0]]], [[2.0]], [[1.0] * 3], [[0.0] * 3])
        >>> last.tolist()
        [[1.0]]
    """
    main, bias, mask, entering, scale = _inputs(
        3, inputs, [h0], kernel, recurrent_kernel, bias, mask, input_scale, state_scale
    )
    x, h0, kernel, recurrent_kernel = main
    if not (zero_output_for_mask or unroll) and entering is None and scale is None:
        return _gru(
            x,
            h0,
            kernel,
            recurrent_kernel,
            bias,
            activation=activation,
            recurrent_activation=recurrent_activation,
            reset_after=bool(reset_after),
            go_backwards=bool(go_backwards),
            mask=mask,
        )
    cell, xs = _gru_parts(
        x, kernel, recurrent_kernel, bias, activation, recurrent_activation, reset_after, entering, scale
    )
    return _sequence(
        cell, xs, [h0], reverse=go_backwards, mask=mask, zero_output=zero_output_for_mask, unroll=unroll
    )
