"""Control flow. Functions take and give flat lists of tensors; closures may hold tensors and are differentiated too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish.core import shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ShapeError
from kerasish.core.primitive import primitive

Fn = Callable[..., list[Any]]


def _agree(a: list[Any], b: list[Any], what: str) -> None:
    same = len(a) == len(b) and all(
        x.dtype == y.dtype
        and len(x.shape) == len(y.shape)
        and all(shapes.compatible(s, t) for s, t in zip(x.shape, y.shape, strict=True))
        for x, y in zip(a, b, strict=True)
    )
    if not same:
        raise ShapeError(f"{what} must have the same structure, shapes and dtypes.", expected=a, received=b)


@primitive(runs_user_code=True)
def cond(pred: Any, operands: list[Any], /, *, true_fn: Fn, false_fn: Fn) -> Any:
    """true_fn(*operands) if the bool scalar `pred` holds, else false_fn(*operands); only one runs."""
    one, two = true_fn(*operands), false_fn(*operands)
    _agree(one, two, "Both branches of cond")
    return one


@primitive(runs_user_code=True)
def while_loop(state: list[Any], /, *, cond_fn: Callable[..., Any], body_fn: Fn) -> Any:
    """Repeat state = body_fn(*state) while the bool scalar cond_fn(*state) holds. No reverse gradient is promised."""
    after = body_fn(*state)
    _agree(state, after, "The loop's state before and after the body")
    return state


@primitive(runs_user_code=True)
def scan(init: list[Any], xs: list[Any], /, *, fn: Callable[..., Any], length: int, reverse: bool) -> Any:
    """carry, ys: fn(carry, x_t) -> (carry, y_t) over axis 0 of xs (lists of tensors); ys are stacked along axis 0."""
    carry, ys = fn(list(init), [AbstractTensor(x.shape[1:], x.dtype) for x in xs])
    _agree(init, carry, "The carry before and after the body")
    return list(init), [AbstractTensor((length, *y.shape), y.dtype) for y in ys]


@primitive
def stop_gradient(x: Any, /) -> Any:
    """x, taken as a constant by gradients."""
    return AbstractTensor(x.shape, x.dtype)
