"""Recurrence over time: a general `rnn`, and whole sequences of simple RNN, LSTM and GRU cells.

The inputs of the three cells are projected by one matrix product before the scan; only the recurrent product is left
inside. Engines may replace a whole sequence by a fused kernel (overrides "simple_rnn", "lstm", "gru").

Masks (B, T), True where a step counts: a step that does not count leaves the states as they are and repeats the output
of the step before it (zeros before the first), or gives zeros where `zero_output_for_mask` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes, trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, promoted, shape_of, tensors, to_tensor
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ShapeError, UnknownNameError
from kerasish.core.registry import engine_of
from kerasish.ops import activations
from kerasish.ops.fastpath import filled

__all__ = ["gru", "lstm", "rnn", "simple_rnn"]

Activation = str | Callable[[Any], Any] | None
Step = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]

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


# -- running over time -----------------------------------------------------------------------------------------------


def _time_first(x: Tensor) -> Tensor:
    return p.transpose(x, axes=(1, 0, *range(2, len(shape_of(x)))))


def _select(keep: Tensor, new: Tensor, old: Any) -> Tensor:
    """new where the row counts, else old; keep has shape (B,)."""
    shape = shape_of(new)
    return p.where(p.reshape(keep, shape=(shape[0], *(1,) * (len(shape) - 1))), new, old)


def _run(fn: Step, init: list[Tensor], xs: list[Tensor], length: int, reverse: bool, unroll: bool) -> tuple[list[Tensor], list[Tensor]]:
    """`p.scan`, or the same written out; ys in the order of the steps as they were run."""
    if not unroll:
        carry, ys = p.scan(init, xs, fn=fn, length=length, reverse=reverse)
        return carry, [p.flip(y, axis=(0,)) if reverse else y for y in ys]
    carry, rows = list(init), []
    for t in reversed(range(length)) if reverse else range(length):
        carry, ys = fn(carry, [_at(x, t) for x in xs])
        rows.append(ys)
    stacked = []
    for column in zip(*rows, strict=True):
        parts = [p.reshape(y, shape=(1, *shape_of(y))) for y in column]
        stacked.append(p.concatenate(parts, axis=0))
    return carry, stacked


def _at(x: Tensor, t: int) -> Tensor:
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    part = p.slice(x, start=(t, *rest), stop=(t + 1, *shape[1:]), step=(1,) * len(shape))
    return p.reshape(part, shape=shape[1:])


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

        states, (outputs,) = _run(step, states, [xs], length, reverse, unroll)
        return states[0], _time_first(outputs), states

    def masked(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        *old, previous = carry
        x, keep = now
        new = cell(x, old)
        output = _select(keep, new[0], 0.0 if zero_output else previous)
        return [*(_select(keep, n, o) for n, o in zip(new, old, strict=True)), output], [output]

    nothing = filled(states[0], shape_of(states[0]), 0.0, dtype_of(states[0]))
    carry, (outputs,) = _run(masked, [*states, nothing], [xs, _time_first(mask)], length, reverse, unroll)
    return carry[-1], _time_first(outputs), carry[:-1]


def _projected(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """x·kernel + bias for all steps in one product, time first: (B, T, C) -> (T, B, G)."""
    batch, time, channels = shape_of(x)
    flat = p.matmul(p.reshape(x, shape=(batch * time, channels)), kernel)
    if bias is not None:
        flat = p.add(flat, bias)
    return _time_first(p.reshape(flat, shape=(batch, time, shape_of(kernel)[1])))


def _part(x: Tensor, i: int, units: int) -> Tensor:
    """Columns i·units to (i + 1)·units of a matrix."""
    return p.slice(x, start=(0, i * units), stop=(shape_of(x)[0], (i + 1) * units), step=(1, 1))


def _mm(h: Tensor, kernel: Tensor, scale: Tensor | None) -> Tensor:
    return p.matmul(h if scale is None else p.multiply(h, scale), kernel)


# -- cells -----------------------------------------------------------------------------------------------------------


def _simple_cell(
    recurrent_kernel: Tensor, activation: Activation, scale: Tensor | None
) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    act = _function(activation)

    def cell(x: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [act(p.add(x, _mm(states[0], recurrent_kernel, scale)))]

    return cell


def _lstm_cell(
    recurrent_kernel: Tensor, activation: Activation, recurrent_activation: Activation, scale: Tensor | None
) -> Callable[[Tensor, list[Tensor]], list[Tensor]]:
    act, gate = _function(activation), _function(recurrent_activation)
    units = shape_of(recurrent_kernel)[0]

    def cell(x: Tensor, states: list[Tensor]) -> list[Tensor]:
        h, c = states
        z = p.add(x, _mm(h, recurrent_kernel, scale))
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
            inner = _mm(h, recurrent_kernel, scale)
            if recurrent_bias is not None:
                inner = p.add(inner, recurrent_bias)
            update = gate(p.add(_part(x, 0, units), _part(inner, 0, units)))
            reset = gate(p.add(_part(x, 1, units), _part(inner, 1, units)))
            candidate = p.multiply(reset, _part(inner, 2, units))
        else:
            kept = h if scale is None else p.multiply(h, scale)
            inner = p.matmul(kept, gates)
            update = gate(p.add(_part(x, 0, units), _part(inner, 0, units)))
            reset = gate(p.add(_part(x, 1, units), _part(inner, 1, units)))
            candidate = p.matmul(p.multiply(reset, kept), candidate_kernel)
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

    x (B, T, C), h0 (B, U), kernel (C, U), recurrent_kernel (U, U), bias (U,) or None, mask bool (B, T) or None; activation
    a name ("tanh") or a function. Returns (last output (B, U), outputs (B, T, U), [h]). `go_backwards` starts at the end,
    and the outputs come in the order they were made.
    """
    cell = _simple_cell(recurrent_kernel, activation, None)
    return _sequence(cell, _projected(x, kernel, bias), [h0], reverse=go_backwards, mask=mask)


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

    x (B, T, C), h0 and c0 (B, U), kernel (C, 4U), recurrent_kernel (U, 4U), bias (4U,) or None, mask bool (B, T) or None.
    z = x·kernel + h·recurrent_kernel + bias; c = σ(z_f)·c + σ(z_i)·act(z_c); h = σ(z_o)·act(c) with σ the recurrent
    activation. Returns (last output (B, U), outputs (B, T, U), [h, c]).
    """
    cell = _lstm_cell(recurrent_kernel, activation, recurrent_activation, None)
    return _sequence(cell, _projected(x, kernel, bias), [h0, c0], reverse=go_backwards, mask=mask)


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

    x (B, T, C), h0 (B, U), kernel (C, 3U), recurrent_kernel (U, 3U), bias (2, 3U): of inputs and of the recurrent product,
    for `reset_after`, else (3U,); or None; mask bool (B, T) or None. z, r = σ(...); h' = act(x_h + r·(h·R_h + b)) for
    `reset_after`, else act(x_h + (r·h)·R_h); h = z·h + (1 − z)·h'. Returns (last output (B, U), outputs (B, T, U), [h]).
    """
    cell, xs = _gru_parts(x, kernel, recurrent_kernel, bias, activation, recurrent_activation, reset_after, None)
    return _sequence(cell, xs, [h0], reverse=go_backwards, mask=mask)


def _gru_parts(
    x: Tensor,
    kernel: Tensor,
    recurrent_kernel: Tensor,
    bias: Tensor | None,
    activation: Activation,
    recurrent_activation: Activation,
    reset_after: bool,
    scale: Tensor | None,
) -> tuple[Callable[[Tensor, list[Tensor]], list[Tensor]], Tensor]:
    recurrent_bias = None
    if bias is not None and reset_after:
        bias, recurrent_bias = _at(bias, 0), _at(bias, 1)
    cell = _gru_cell(recurrent_kernel, recurrent_bias, activation, recurrent_activation, reset_after, scale)
    return cell, _projected(x, kernel, bias)


# -- public ----------------------------------------------------------------------------------------------------------


def _inputs(
    gates: int, x: Any, states: Sequence[Any], kernel: Any, recurrent_kernel: Any, bias: Any, mask: Any, scale: Any
) -> tuple[list[Tensor], Tensor | None, Tensor | None, Tensor | None]:
    """([x, *states, kernel, recurrent kernel], bias, mask, scale) of one engine and dtype, shapes checked."""
    main = promoted(x, *states, kernel, recurrent_kernel, at_least="float")
    dtype = dtype_of(main[0])
    optional = []
    for value in (bias, scale):
        value = None if value is None else tensors(main[0], value)[1]
        optional.append(value if value is None or dtype_of(value) == dtype else p.cast(value, dtype=dtype))
    if mask is not None:
        mask = _row_mask(tensors(main[0], mask)[1])
    x, units = main[0], shape_of(main[-1])[0]
    found = shape_of(x)
    wanted = (shape_of(main[-2])[0], gates * units)
    if len(found) != 3 or not shapes.compatible(found[2], wanted[0]) or shape_of(main[-2]) != wanted:
        raise ShapeError(
            "The sequences do not fit the kernel.",
            expected=f"inputs (batch, time, {wanted[0]}), kernel {wanted}",
            received=f"inputs {shapes.show(found)}, kernel {shapes.show(shape_of(main[-2]))}",
        )
    return main, optional[0], mask, optional[1]


def _row_mask(mask: Tensor) -> Tensor:
    shape = shape_of(mask)
    if len(shape) == 3 and shape[2] == 1:
        mask = p.reshape(mask, shape=shape[:2])
    elif len(shape) != 2:
        raise ShapeError("A mask of sequences has two axes.", expected="(batch, time)", received=shapes.show(shape))
    return mask if dtype_of(mask) == "bool" else p.cast(mask, dtype="bool")


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
        state_scale: Multiplied to h before the recurrent product, shape (B, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, outputs, _ = simple_rnn([[[1.0], [2.0]]], [[0.0]], [[1.0]], [[1.0]], activation="linear")
        >>> outputs.tolist()
        [[[1.0], [3.0]]]
    """
    main, bias, mask, scale = _inputs(1, inputs, [h0], kernel, recurrent_kernel, bias, mask, state_scale)
    if not (zero_output_for_mask or unroll or scale is not None):
        return _simple_rnn(*main, bias, activation=activation, go_backwards=bool(go_backwards), mask=mask)
    x, h0, kernel, recurrent_kernel = main
    return _sequence(
        _simple_cell(recurrent_kernel, activation, scale),
        _projected(x, kernel, bias),
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
        state_scale: Multiplied to h before the recurrent product, shape (B, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h, c]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, _, states = lstm([[[0.0]]], [[0.0]], [[0.0]], [[1.0] * 4], [[1.0] * 4])
        >>> last.tolist(), len(states)
        ([[0.0]], 2)
    """
    main, bias, mask, scale = _inputs(4, inputs, [h0, c0], kernel, recurrent_kernel, bias, mask, state_scale)
    if not (zero_output_for_mask or unroll or scale is not None):
        return _lstm(
            *main,
            bias,
            activation=activation,
            recurrent_activation=recurrent_activation,
            go_backwards=bool(go_backwards),
            mask=mask,
        )
    x, h0, c0, kernel, recurrent_kernel = main
    return _sequence(
        _lstm_cell(recurrent_kernel, activation, recurrent_activation, scale),
        _projected(x, kernel, bias),
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
        state_scale: Multiplied to h before the recurrent product, shape (B, U): recurrent dropout.

    Shape: (B, T, C) -> (last output (B, U), outputs (B, T, U), [h]).

    Raises:
        ShapeError: Inputs and kernel do not fit.

    Example:
        >>> last, _, _ = gru([[[0.0]]], [[2.0]], [[1.0] * 3], [[0.0] * 3])
        >>> last.tolist()
        [[1.0]]
    """
    main, bias, mask, scale = _inputs(3, inputs, [h0], kernel, recurrent_kernel, bias, mask, state_scale)
    if not (zero_output_for_mask or unroll or scale is not None):
        return _gru(
            *main,
            bias,
            activation=activation,
            recurrent_activation=recurrent_activation,
            reset_after=bool(reset_after),
            go_backwards=bool(go_backwards),
            mask=mask,
        )
    x, h0, kernel, recurrent_kernel = main
    cell, xs = _gru_parts(x, kernel, recurrent_kernel, bias, activation, recurrent_activation, reset_after, scale)
    return _sequence(
        cell, xs, [h0], reverse=go_backwards, mask=mask, zero_output=zero_output_for_mask, unroll=unroll
    )


@op
def rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """Run any cell over time: output, states = step_function(x_t, states).

    Args:
        step_function: Takes the inputs of one step (a tree of (B, ...)) and the states; returns (output, new states). With
            `constants` it gets the list states + constants.
        inputs: A tree of tensors (B, T, ...).
        initial_states: A tree (usually a list) of states.
        go_backwards: Start at the end; outputs come in the order they are made.
        mask: bool (B, T), True where a step counts.
        constants: Further tensors for every step.
        unroll: Write the steps out instead of scanning; needs a known T.
        input_length: Accepted for Keras' sake; T is taken from the inputs.
        time_major: Inputs, mask and outputs are (T, B, ...).
        zero_output_for_mask: Masked steps give zeros instead of the output before them.
        return_all_outputs: Give the outputs of all steps, not only of the last (with a time axis of 1).

    Returns:
        (last output, outputs (B, T, ...), states), trees as the step function makes them.

    Example:
        >>> x, zero = to_tensor([[[1.0], [2.0]]]), to_tensor([[0.0]])
        >>> last, outputs, states = rnn(lambda x, s: (p.add(x, s[0]), [p.add(x, s[0])]), x, [zero])
        >>> outputs.tolist()
        [[[1.0], [3.0]]]
    """
    leaves = [plain(x) for x in trees.flatten(inputs)]
    starts = [plain(x) for x in trees.flatten(initial_states)]
    engine = engine_of([*leaves, *starts])
    extra = [] if constants is None else [to_tensor(plain(c), engine) for c in constants]
    states = [to_tensor(s, engine) for s in starts]
    xs = [to_tensor(x, engine) for x in leaves]
    if mask is not None:
        keep = to_tensor(plain(mask), engine)
        xs.append(_row_mask(keep if not time_major else _time_first(keep)))
    if not time_major:
        xs = [_time_first(x) for x in xs]
    elif mask is not None:
        xs[-1] = _time_first(xs[-1])
    form: dict[str, Any] = {}

    def call(now: list[Tensor], old: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        given = trees.pack_sequence_as(initial_states, old)
        given = given if constants is None else [*trees.flatten(given), *extra]
        output, new = step_function(trees.pack_sequence_as(inputs, now), given)
        form["output"], form["states"] = output, new
        pairs = zip(trees.flatten(new), old, strict=True)
        # A cell may compute in another dtype (mixed precision); a loop's states keep theirs.
        return trees.flatten(output), [n if dtype_of(n) == dtype_of(o) else p.cast(n, dtype=dtype_of(o)) for n, o in pairs]

    last, ys, states = _run_cell(call, xs, states, mask is not None, zero_output_for_mask, return_all_outputs, go_backwards, unroll)
    ys = ys if time_major else [_time_first(y) for y in ys]
    output_form = form["output"]
    return (
        trees.pack_sequence_as(output_form, last),
        trees.pack_sequence_as(output_form, ys),
        trees.pack_sequence_as(form["states"], states),
    )


def _run_cell(
    call: Step,
    xs: list[Tensor],
    states: list[Tensor],
    masked: bool,
    zero_output: bool,
    keep_all: bool,
    reverse: bool,
    unroll: bool,
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """(last outputs, outputs time first, states) of `call(x_t, states) -> (outputs, states)`; the mask is xs[-1]."""
    count, length = len(states), shape_of(xs[0])[0]
    if not masked and keep_all:

        def plain_step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            outputs, new = call(now, carry)
            return new, outputs

        states, ys = _run(plain_step, states, xs, length, reverse, unroll)
        return [_at(y, length - 1) for y in ys], ys, states

    def step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        old, previous = carry[:count], carry[count:]
        outputs, new = call(now[:-1] if masked else now, old)
        if masked:
            new = [_select(now[-1], n, o) for n, o in zip(new, old, strict=True)]
            before = [0.0] * len(outputs) if zero_output else previous
            outputs = [_select(now[-1], y, b) for y, b in zip(outputs, before, strict=True)]
        return [*new, *outputs], outputs if keep_all else []

    first, _ = call([_at(x, 0) for x in (xs[:-1] if masked else xs)], states)  # for the outputs' shapes
    blanks = [filled(y, shape_of(y), 0, dtype_of(y)) for y in first]
    carry, ys = _run(step, [*states, *blanks], xs, length, reverse, unroll)
    last = carry[count:]
    return last, ys if keep_all else [p.reshape(y, shape=(1, *shape_of(y))) for y in last], carry[:count]
