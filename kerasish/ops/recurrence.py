"""Any cell over time: the public `rnn`, and the pieces that whole-sequence cells are made of.

Masks (B, T), True where a step counts: a step that does not count leaves the states as they are and repeats the output
of the step before it (zeros before the first), or gives zeros where `zero_output_for_mask` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes, trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, shape_of, to_tensor
from kerasish.core.dispatch import op
from kerasish.core.errors import ShapeError
from kerasish.core.registry import engine_of
from kerasish.ops.fastpath import filled

__all__ = ["rnn"]

Step = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]


def time_first(x: Tensor) -> Tensor:
    return p.transpose(x, axes=(1, 0, *range(2, len(shape_of(x)))))


def select(keep: Tensor, new: Tensor, old: Any) -> Tensor:
    """new where the row counts, else old; keep has shape (B,)."""
    shape = shape_of(new)
    return p.where(p.reshape(keep, shape=(shape[0], *(1,) * (len(shape) - 1))), new, old)


def run(
    fn: Step, init: list[Tensor], xs: list[Tensor], length: int, reverse: bool, unroll: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """`p.scan`, or the same written out; ys in the order of the steps as they were run."""
    if not unroll:
        carry, ys = p.scan(init, xs, fn=fn, length=length, reverse=reverse)
        return carry, [p.flip(y, axis=(0,)) if reverse else y for y in ys]
    carry, rows = list(init), []
    for t in reversed(range(length)) if reverse else range(length):
        carry, ys = fn(carry, [entry(x, t) for x in xs])
        rows.append(ys)
    stacked = []
    for column in zip(*rows, strict=True):
        parts = [p.reshape(y, shape=(1, *shape_of(y))) for y in column]
        stacked.append(p.concatenate(parts, axis=0))
    return carry, stacked


def entry(x: Tensor, t: int) -> Tensor:
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    part = p.slice(x, start=(t, *rest), stop=(t + 1, *shape[1:]), step=(1,) * len(shape))
    return p.reshape(part, shape=shape[1:])


def row_mask(mask: Tensor) -> Tensor:
    shape = shape_of(mask)
    if len(shape) == 3 and shape[2] == 1:
        mask = p.reshape(mask, shape=shape[:2])
    elif len(shape) != 2:
        raise ShapeError(
            "A mask of sequences has two axes.", expected="(batch, time)", received=shapes.show(shape)
        )
    return mask if dtype_of(mask) == "bool" else p.cast(mask, dtype="bool")


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
        step_function: Takes the inputs of one step (a tree of (B, ...)) and the states; returns (output, new states).
            With `constants` it gets the list states + constants.
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
        xs.append(row_mask(keep if not time_major else time_first(keep)))
    if not time_major:
        xs = [time_first(x) for x in xs]
    elif mask is not None:
        xs[-1] = time_first(xs[-1])
    form: dict[str, Any] = {}

    def call(now: list[Tensor], old: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        given = trees.pack_sequence_as(initial_states, old)
        given = given if constants is None else [*trees.flatten(given), *extra]
        output, new = step_function(trees.pack_sequence_as(inputs, now), given)
        form["output"], form["states"] = output, new
        pairs = zip(trees.flatten(new), old, strict=True)
        # A cell may compute in another dtype (mixed precision); a loop's states keep theirs.
        return trees.flatten(output), [
            n if dtype_of(n) == dtype_of(o) else p.cast(n, dtype=dtype_of(o)) for n, o in pairs
        ]

    last, ys, states = _run_cell(
        call, xs, states, mask is not None, zero_output_for_mask, return_all_outputs, go_backwards, unroll
    )
    ys = ys if time_major else [time_first(y) for y in ys]
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

        states, ys = run(plain_step, states, xs, length, reverse, unroll)
        return [entry(y, length - 1) for y in ys], ys, states

    def step(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        old, previous = carry[:count], carry[count:]
        outputs, new = call(now[:-1] if masked else now, old)
        if masked:
            new = [select(now[-1], n, o) for n, o in zip(new, old, strict=True)]
            before = [0.0] * len(outputs) if zero_output else previous
            outputs = [select(now[-1], y, b) for y, b in zip(outputs, before, strict=True)]
        return [*new, *outputs], outputs if keep_all else []

    first, _ = call([entry(x, 0) for x in (xs[:-1] if masked else xs)], states)  # for the outputs' shapes
    blanks = [filled(y, shape_of(y), 0, dtype_of(y)) for y in first]
    carry, ys = run(step, [*states, *blanks], xs, length, reverse, unroll)
    last = carry[count:]
    return last, ys if keep_all else [p.reshape(y, shape=(1, *shape_of(y))) for y in last], carry[:count]
