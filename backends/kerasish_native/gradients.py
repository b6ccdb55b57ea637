"""Reverse mode over tapes; forward mode as reverse mode applied twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.errors import EngineError, ShapeError
from kerasish_native.dispatch import boxed, n
from kerasish_native.private import name_of
from kerasish_native.rules import JOINT, VJPS
from kerasish_native.tape import Box, Step, Tape, unboxed

Pullback = Callable[[list[Any]], list[Any]]


def vjp(fn: Callable[..., Any], inputs: Sequence[Any]) -> tuple[list[Any], Any, Pullback]:
    """Outputs and aux of `fn(*inputs) -> (outputs, aux)`, and the pullback of cotangents (None: no dependence)."""
    tape = Tape()
    watched = [tape.watch(x) for x in inputs]
    outputs, aux = fn(*watched)
    ends = list(outputs)

    def pullback(cotangents: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return backward(tape, ends, cotangents, watched, release=False)

    return [unboxed(y, tape) for y in ends], _bare(aux, tape), pullback


def value_and_grad(fn: Callable[..., Any], inputs: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    """Value, aux and gradients of `fn(*inputs) -> (scalar, aux)`."""
    tape = Tape()
    watched = [tape.watch(x) for x in inputs]
    value, aux = fn(*watched)
    if tuple(value.shape):
        raise ShapeError("A gradient needs a scalar.", expected="shape ()", received=tuple(value.shape))
    one = np.ones((), dtypes.to_numpy(name_of(value)))
    with np.errstate(all="ignore"):
        found = backward(tape, [value], [one], watched, release=True)
    filled = [_zeros(x) if g is None else g for x, g in zip(inputs, found, strict=True)]
    return unboxed(value, tape), _bare(aux, tape), filled


def jvp(
    fn: Callable[..., list[Any]], inputs: Sequence[Any], tangents: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Outputs and directional derivatives: the pullback is linear, and its own pullback is the derivative wanted."""
    outputs, _, pullback = vjp(lambda *xs: (fn(*xs), None), inputs)
    dependent: list[int] = []

    def transposed(*cotangents: Any) -> tuple[list[Any], None]:
        found = pullback(list(cotangents))
        dependent[:] = [i for i, g in enumerate(found) if g is not None]
        return [found[i] for i in dependent], None

    _, _, forward = vjp(transposed, [_zeros(y) for y in outputs])
    slopes = forward([tangents[i] for i in dependent])
    return outputs, [_zeros(y) if s is None else s for y, s in zip(outputs, slopes, strict=True)]


def custom_gradient(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    """Outputs of `fn(*inputs) -> (outputs, pullback)`, recorded as one step that `pullback` differentiates."""
    tapes = [x.tape for x in inputs if x.__class__ is Box]
    if not tapes:
        return list(fn(*inputs)[0])
    tape = max(tapes, key=lambda t: t.serial)
    outputs, pullback = fn(*(unboxed(x, tape) for x in inputs))
    bare = [unboxed(y, tape) for y in outputs]

    def rule(cotangents: list[Any]) -> list[Any]:
        filled = [_zeros(y) if g is None else g for y, g in zip(bare, cotangents, strict=True)]
        return list(pullback(filled))

    parents = [(i, x.step, x.index) for i, x in enumerate(inputs) if x.__class__ is Box and x.tape is tape]
    return list(boxed(bare, tape, Step(rule, (), {}, bare, tuple(parents))))


def _zeros(x: Any) -> Any:
    return np.zeros(tuple(x.shape), dtypes.to_numpy(name_of(x)))


def _bare(tree: Any, tape: Tape) -> Any:
    if tree is None or tree.__class__ is Box:
        return unboxed(tree, tape)
    return trees.map_structure(lambda x: unboxed(x, tape), tree)


def backward(
    tape: Tape, outputs: Sequence[Any], cotangents: Sequence[Any], inputs: Sequence[Any], *, release: bool
) -> list[Any]:
    """Cotangents of `inputs`; with `release`, steps let go of what they hold once they are done."""
    pending: dict[Step, list[Any]] = {}
    for y, g in zip(outputs, cotangents, strict=True):
        if y.__class__ is Box and y.tape is tape and g is not None:
            _accumulate(pending, y.step, y.index, g)
    for step in _reversed_order(list(pending)):
        if step.rule is None:
            continue
        gs = pending.pop(step, None)
        if gs is None:
            continue
        for (_, parent, index), g in zip(step.parents, _pulled(step, gs), strict=True):
            if g is not None:
                _accumulate(pending, parent, index, g)
        if release:
            step.args, step.keywords, step.result, step.parents = (), {}, None, ()
    return [pending[x.step][0] if x.__class__ is Box and x.step in pending else None for x in inputs]


def _accumulate(pending: dict[Step, list[Any]], step: Step, index: int, g: Any) -> None:
    slots = pending.setdefault(step, [])
    if len(slots) <= index:
        slots.extend([None] * (index + 1 - len(slots)))
    slots[index] = g if slots[index] is None else n.add(slots[index], g)


def _reversed_order(ends: list[Step]) -> list[Step]:
    """Every step that `ends` depend on, latest first: operands are always older than results."""
    seen = set(ends)
    stack = list(ends)
    while stack:
        for _, parent, _ in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda step: step.serial, reverse=True)


def _pulled(step: Step, gs: list[Any]) -> list[Any]:
    """Cotangents of a step's boxed operands."""
    rule = step.rule
    wanted = tuple(i for i, _, _ in step.parents)
    if not isinstance(rule, str):
        found = rule(_padded(gs, len(step.result))) if rule is not None else []
        return [found[i] for i in wanted]
    if rule in JOINT:
        count = len(step.result) if step.result.__class__ is tuple else 1
        return JOINT[rule](_padded(gs, count), step.result, step.args, step.keywords, wanted)
    rules = VJPS.get(rule)
    if rules is None:
        raise EngineError("No gradient rule is known.", where=rule)
    several = [rules[i] for i in wanted]
    return [r and r(gs[0], step.result, *step.args, **step.keywords) for r in several]


def _padded(gs: list[Any], count: int) -> list[Any]:
    return [*gs, *[None] * (count - len(gs))]
