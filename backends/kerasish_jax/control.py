"""Control flow in jax. Nothing is staged where all values are at hand: jax would compile each new closure again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerasish_jax.calls import any_wide, run

Fn = Callable[..., Any]


def _staging() -> bool:
    """Whether operations are being recorded (in `jit`, `scan` ...) instead of run: what they return has no value."""
    return isinstance(lax.full((), 0), jax.core.Tracer)


def _holds(pred: Array) -> bool | None:
    """The value of a bool scalar, None where it has none yet."""
    try:
        return bool(pred)
    except jax.errors.ConcretizationTypeError:
        return None


def _cond(pred: Array, operands: list[Array], /, *, true_fn: Fn, false_fn: Fn) -> list[Array]:
    known = _holds(pred)
    if known is not None:
        return list((true_fn if known else false_fn)(*operands))
    one, two = (lambda *xs: list(true_fn(*xs))), (lambda *xs: list(false_fn(*xs)))
    return run(any_wide(operands), lax.cond, pred, one, two, *operands)


def _while_loop(state: list[Array], /, *, cond_fn: Fn, body_fn: Fn) -> list[Array]:
    now = list(state)
    known = None if _staging() else _holds(cond_fn(*now))
    while known:
        now = list(body_fn(*now))
        known = _holds(cond_fn(*now))
    if known is not None:
        return now
    return run(any_wide(state), lax.while_loop, lambda s: cond_fn(*s), lambda s: list(body_fn(*s)), now)


def _scan(
    init: list[Array], xs: list[Array], /, *, fn: Fn, length: int, reverse: bool
) -> tuple[list[Array], list[Array]]:
    def step(carry: list[Array], x: list[Array]) -> tuple[list[Array], list[Array]]:
        carry, ys = fn(carry, x)
        return list(carry), list(ys)

    if length and not _staging():
        return _unrolled(step, list(init), xs, length, reverse)
    return run(any_wide([init, xs]), lax.scan, step, list(init), list(xs), length, reverse)


def _unrolled(step: Fn, carry: list[Array], xs: list[Array], length: int, reverse: bool) -> Any:
    wide = any_wide([carry, xs])
    rows = []
    for t in range(length)[:: -1 if reverse else 1]:
        carry, ys = step(carry, run(wide, lambda t=t: [x[t] for x in xs]))
        rows.append(ys)
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return carry, [run(any_wide(column), jnp.stack, column) for column in columns]


CONTROL = {"cond": _cond, "while_loop": _while_loop, "scan": _scan, "stop_gradient": lax.stop_gradient}
