"""Control flow: Python loops where values are known, sub-graphs where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ShapeError, TraceError
from kerasish_native.dispatch import call, is_float, n
from kerasish_native.gradients import vjp
from kerasish_native.private import name_of
from kerasish_native.rules import joint
from kerasish_native.tape import Box, bottom
from kerasish_native.trace import SCOPE, Graph, Traced, outline, replay

Fn = Callable[..., Any]

UNROLLED = 32
"""Scans of at most so many steps become that many copies of their body in a compiled function."""


def is_unknown(x: Any) -> bool:
    """Whether `x` is traced, looking through boxes."""
    return bottom(x).__class__ is Traced


def row(x: Any, t: int) -> Any:
    """x[t]."""
    if x.__class__ is np.ndarray:
        return np.asarray(x[t])
    tail = x.shape[1:]
    block = n.slice(x, start=(t, *(0 for _ in tail)), stop=(t + 1, *tail), step=(1,) * (len(tail) + 1))
    return n.reshape(block, shape=tail)


def stack(rows: list[Any]) -> Any:
    """Rows along a new axis 0."""
    return n.concatenate(*(n.reshape(r, shape=(1, *r.shape)) for r in rows), axis=0)


def zeros_like(x: Any) -> np.ndarray:
    """Zeros of the shape and dtype of `x`."""
    return np.zeros(x.shape, dtypes.to_numpy(name_of(x)))


def known(value: Any) -> bool:
    """The truth of a bool scalar that is known."""
    return bool(bottom(value))


# -- cond --------------------------------------------------------------------------------------------------------------
def cond(pred: Any, operands: list[Any], /, *, true_fn: Fn, false_fn: Fn) -> list[Any]:
    """The branch itself where `pred` is known, else one node that holds both as sub-graphs."""
    if not is_unknown(pred):
        return list((true_fn if known(pred) else false_fn)(*operands))
    true, false = outline(true_fn, operands), outline(false_fn, operands)
    _agree(true.outputs, false.outputs, "Both branches of cond")
    outer = close(true, false)
    return list(n.graph_cond(pred, *operands, *outer, true=true, false=false))


def close(*graphs: Graph) -> list[Any]:
    """Make the outer values that any of the sub-graphs reads further inputs of all; returns those values."""
    outer = {key: value for graph in graphs for key, (value, _) in graph.captured.items()}
    for graph in graphs:
        graph.inputs += [graph.local(value) for value in outer.values()]
    return list(outer.values())


def _agree(one: list[Any], two: list[Any], what: str) -> None:
    first, second = ([(tuple(x.shape), name_of(x)) for x in xs] for xs in (one, two))
    if first != second:
        raise ShapeError(
            f"{what} must have the same structure, shapes and dtypes.", expected=first, received=second
        )


@joint
def graph_cond(
    gs: list[Any], results: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
) -> list[Any]:
    """The same choice between the branches' gradients; a branch's forward part runs again."""
    pred, *operands = args
    present = [i for i, g in enumerate(gs) if g is not None]
    count = len(operands)

    def gradient(graph: Graph) -> Fn:
        def run(*values: Any) -> list[Any]:
            cotangents: list[Any] = [None] * len(graph.outputs)
            for i, g in zip(present, values[count:], strict=True):
                cotangents[i] = g
            return gradients_of(graph, list(values[:count]), cotangents, [i - 1 for i in wanted])

        return run

    given = [*operands, *(gs[i] for i in present)]
    return cond(pred, given, true_fn=gradient(keywords["true"]), false_fn=gradient(keywords["false"]))


def gradients_of(graph: Graph, inputs: list[Any], cotangents: list[Any], wanted: list[int]) -> list[Any]:
    """Gradients in the inputs numbered `wanted` of a graph run on `inputs`; zeros where there is no dependence."""

    def run(*chosen: Any) -> tuple[list[Any], None]:
        values = list(inputs)
        for i, x in zip(wanted, chosen, strict=True):
            values[i] = x
        return replay(graph, values, call), None

    chosen = [inputs[i] for i in wanted]
    _, _, pullback = vjp(run, chosen)
    found = pullback(cotangents)
    return [zeros_like(x) if g is None else g for x, g in zip(chosen, found, strict=True)]


# -- while -------------------------------------------------------------------------------------------------------------
def while_loop(state: list[Any], /, *, cond_fn: Fn, body_fn: Fn) -> list[Any]:
    """A Python loop where the condition is known, else one node."""
    state = list(state)
    if SCOPE.get() is not None and _is_unknown_loop(state, cond_fn, body_fn):
        condition = outline(lambda *xs: [cond_fn(*xs)], state)
        body = outline(body_fn, state)
        _agree(state, body.outputs, "The loop's state before and after the body")
        outer = close(condition, body)
        return list(n.graph_while(*state, *outer, condition=condition, body=body, carried=len(state)))
    while known(cond_fn(*state)):
        state = list(body_fn(*state))
    return state


def _is_unknown_loop(state: list[Any], cond_fn: Fn, body_fn: Fn) -> bool:
    if any(map(is_unknown, state)):
        return True
    go_on = cond_fn(*state)
    return is_unknown(go_on) or (known(go_on) and any(map(is_unknown, body_fn(*state))))


@joint
def graph_while(
    gs: list[Any], results: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
) -> list[Any]:
    """There is none: how often the loop ran, and its states, are not kept."""
    raise TraceError(
        "A compiled while_loop has no reverse-mode gradient.",
        where="while_loop",
        hint="use ops.scan or ops.fori_loop with a fixed number of steps, or run step by step (run_eagerly=True)",
    )


# -- scan --------------------------------------------------------------------------------------------------------------
def scan(
    init: list[Any], xs: list[Any], /, *, fn: Fn, length: int, reverse: bool
) -> tuple[list[Any], list[Any]]:
    """A Python loop, except that long loops over unknown values are one node."""
    if not length:
        body, stacks = _outlined(init, xs, fn)
        return list(init), [np.zeros((0, *y.shape), dtypes.to_numpy(name_of(y))) for y in stacks]
    if SCOPE.get() is None or length <= UNROLLED:
        return loop_scan(init, xs, fn=fn, length=length, reverse=reverse)
    carried = len(init)
    body, stacks = _outlined(init, xs, fn)
    _agree(init, body.outputs[:carried], "The carry before and after the body")
    args = [*init, *xs, *close(body)]
    if not any(map(is_unknown, args)):
        return loop_scan(init, xs, fn=fn, length=length, reverse=reverse)
    if any(a.__class__ is Box for a in args):  # the gradient wants the carry that entered each step
        body.outputs += body.inputs[:carried]
    results = n.graph_scan(*args, body=body, carried=carried, sliced=len(xs), length=length, reverse=reverse)
    return list(results[:carried]), list(results[carried : carried + len(stacks)])


def _outlined(init: list[Any], xs: list[Any], fn: Fn) -> tuple[Graph, list[Any]]:
    carried = len(init)

    def run(*values: Any) -> list[Any]:
        carry, ys = fn(list(values[:carried]), list(values[carried:]))
        return [*carry, *ys]

    slices = [AbstractTensor(x.shape[1:], name_of(x)) for x in xs]
    body = outline(run, [*init, *slices])
    return body, body.outputs[carried:]


def loop_scan(
    init: list[Any], xs: list[Any], *, fn: Fn, length: int, reverse: bool
) -> tuple[list[Any], list[Any]]:
    """`scan` as a Python loop."""
    carry, rows = list(init), []
    for t in reversed(range(length)) if reverse else range(length):
        carry, ys = fn(list(carry), [row(x, t) for x in xs])
        carry = list(carry)
        rows.append(list(ys))
    if reverse:
        rows.reverse()
    return carry, [stack(list(column)) for column in zip(*rows, strict=True)]


@joint
def graph_scan(
    gs: list[Any], results: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
) -> list[Any]:
    """A scan the other way round: each step runs its forward part again from the carry that entered it."""
    body, carried, sliced = keywords["body"], keywords["carried"], keywords["sliced"]
    init, xs, fixed = args[:carried], args[carried : carried + sliced], args[carried + sliced :]
    entered = results[len(results) - carried :]
    state = [i for i, x in enumerate(init) if is_float(x)]
    rows = [i for i in range(carried, carried + sliced) if is_float(args[i])]
    rest = [i for i in range(carried + sliced, len(args)) if i in wanted]
    given = [i for i in range(carried, len(results)) if gs[i] is not None]

    def step(carry: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
        values = [*now[sliced : sliced + carried], *now[:sliced], *fixed]
        cotangents: list[Any] = [None] * len(body.outputs)
        for i, g in zip(state, carry, strict=False):
            cotangents[i] = g
        for i, g in zip(given, now[sliced + carried :], strict=True):
            cotangents[i] = g
        found = gradients_of(body, values, cotangents, [*state, *rows, *rest])
        before = len(state) + len(rows)
        sums = [n.add(a, b) for a, b in zip(carry[len(state) :], found[before:], strict=True)]
        return [*found[: len(state)], *sums], found[len(state) : before]

    begin = [zeros_like(init[i]) if gs[i] is None else gs[i] for i in state]
    begin += [zeros_like(args[i]) for i in rest]
    last, stacks = scan(
        begin,
        [*xs, *entered, *(gs[i] for i in given)],
        fn=step,
        length=keywords["length"],
        reverse=not keywords["reverse"],
    )
    found = dict(zip([*state, *rest], last, strict=True)) | dict(zip(rows, stacks, strict=True))
    return [found[i] for i in wanted]


KERNELS: dict[str, Fn] = {"cond": cond, "while_loop": while_loop, "scan": scan}
