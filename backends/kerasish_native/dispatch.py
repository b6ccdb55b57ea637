"""Runs a primitive on whatever its operands are: arrays at once, traced values into the graph, boxes onto the tape.

`n` has every primitive, the engine's own included, as an attribute; gradient rules and control flow are written with
it. It does not ask which engine is in force, and does not silence NumPy's floating-point warnings: callers do, once
around many calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish.core.errors import TraceError
from kerasish_native import reference
from kerasish_native.rules import CONSTANT, JOINT
from kerasish_native.tape import Box, Step, Tape
from kerasish_native.trace import SCOPE, Graph, Traced

Kernel = Callable[..., Any]

#: name -> kernel on arrays, tensor lists spread out.
KERNELS: dict[str, Kernel] = {
    **reference.KERNELS,
    **reference.PRIVATE,
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis=axis),
}


def call(name: str, *args: Any, **keywords: Any) -> Any:
    """Run primitive `name`."""
    for a in args:
        kind = a.__class__
        if kind is Box or kind is Traced:
            return apply(name, args, keywords)
    return KERNELS[name](*args, **keywords)


def apply(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run primitive `name` where at least one operand is a box or traced."""
    scope = SCOPE.get()
    tape: Tape | None = None
    for a in args:
        kind = a.__class__
        if kind is Box:
            if a.tape.scope is not scope:
                return call(name, *_localized(args, scope), **keywords)
            if tape is None or a.tape.serial > tape.serial:
                tape = a.tape
        elif kind is Traced and a.graph is not scope:
            return call(name, *_localized(args, scope), **keywords)
    if tape is None:
        return scope.emit(name, args, keywords)  # type: ignore[union-attr]
    return record(tape, name, args, keywords)


def _localized(args: tuple[Any, ...], scope: Graph | None) -> list[Any]:
    if scope is None:
        raise TraceError(
            "A tensor of a trace that has ended was used.",
            hint="a compiled function must return what it computes, not store it",
        )
    return [scope.local(a) if a.__class__ in (Box, Traced) and a.scope is not scope else a for a in args]


def record(tape: Tape, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Run on the values under the boxes of `tape`, and box the result."""
    under = tuple([a.value if a.__class__ is Box and a.tape is tape else a for a in args])
    result = call(name, *under, **keywords)
    if name in CONSTANT:
        return result
    parents = [(i, a.step, a.index) for i, a in enumerate(args) if a.__class__ is Box and a.tape is tape]
    step = Step(name, under, keywords, result, tuple(parents))
    return boxed(result, tape, step)


def boxed(result: Any, tape: Tape, step: Step) -> Any:
    """Boxes around the floats of a result (a tuple for several)."""
    if result.__class__ is tuple or result.__class__ is list:
        return type(result)(Box(r, tape, step, i) if is_float(r) else r for i, r in enumerate(result))
    return Box(result, tape, step, 0) if is_float(result) else result


_FLOAT_NAMES = frozenset({"float16", "bfloat16", "float32", "float64"})


def is_float(x: Any) -> bool:
    """Whether an array, box or traced value holds floats."""
    dtype = x.dtype
    if dtype.__class__ is str:
        return dtype in _FLOAT_NAMES
    return bool(dtype.kind == "f" or dtype.name == "bfloat16")


def _entry(name: str) -> Kernel:
    def run(*args: Any, **keywords: Any) -> Any:
        for a in args:
            kind = a.__class__
            if kind is Box or kind is Traced:
                return apply(name, args, keywords)
        return KERNELS[name](*args, **keywords)

    return run


class Namespace:
    """Every primitive as an attribute; `concatenate(*xs, axis=)` takes its tensors one by one."""

    def __getattr__(self, name: str) -> Kernel:
        if name not in KERNELS:
            raise AttributeError(name)
        entry = _entry(name)
        setattr(self, name, entry)
        return entry


n = Namespace()


def is_joint(name: str) -> bool:
    """Whether a primitive's gradient rule serves all operands at once."""
    return name in JOINT
