"""How primitives reach jax: compiled once when called eagerly, as plain traced code otherwise, 64-bit types kept.

Without `jax_enable_x64` (which belongs to the user) jax turns 64-bit values into 32-bit ones. Every call that touches
a 64-bit dtype therefore runs inside `jax.enable_x64(True)`, which costs half a microsecond; others do not enter it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

Function = Callable[..., Any]
SCALARS = frozenset({bool, int, float})
WIDE = frozenset({"int64", "uint64", "float64"})


def is_wide(x: Any) -> bool:
    """Whether `x` is a tensor of a 64-bit dtype (None is not)."""
    return x is not None and x.dtype.itemsize == 8


def any_wide(tree: Any) -> bool:
    """Whether any tensor of a tree has a 64-bit dtype."""
    return any(
        getattr(getattr(x, "dtype", None), "itemsize", 0) == 8 for x in jax.tree_util.tree_leaves(tree)
    )


def run(wide: bool, function: Function, *args: Any, **keywords: Any) -> Any:
    """Call `function` where 64-bit dtypes stay what they are."""
    if wide:
        with jax.enable_x64(True):
            return function(*args, **keywords)
    return function(*args, **keywords)


class _TracedClasses(dict[type, bool]):
    """Class -> whether its objects are traced: `isinstance` takes five times as long with jax's classes."""

    def __missing__(self, kind: type) -> bool:
        found = self[kind] = issubclass(kind, Tracer)
        return found


_TRACED = _TracedClasses()


def first(function: Function, *static: str) -> Function:
    """A primitive whose first argument decides: names of keywords that are compile-time constants follow."""
    compiled = jax.jit(function, static_argnames=static, inline=True)

    def call(x: Any, /, *others: Any, **keywords: Any) -> Any:
        chosen = function if _TRACED[x.__class__] else compiled
        if x.dtype.itemsize == 8:
            with jax.enable_x64(True):
                return chosen(x, *others, **keywords)
        return chosen(x, *others, **keywords)

    return call


def operand(value: Any, x: Any) -> Any:
    """A Python scalar that stays weak beside the tensor `x`, made an array where jax would not take it."""
    if value.__class__ is int and not -(2**31) <= value < 2**31:
        return np.asarray(value, x.dtype)
    return value


def binary(function: Function) -> Function:
    """A primitive of two operands, one of which may be a Python scalar."""
    compiled = jax.jit(function, inline=True)

    def call(x1: Any, x2: Any, /) -> Any:
        x = x1
        if x2.__class__ in SCALARS:
            x2 = operand(x2, x1)
        elif x1.__class__ in SCALARS:
            x, x1 = x2, operand(x1, x2)
        chosen = function if _TRACED[x.__class__] else compiled
        if x.dtype.itemsize == 8:
            with jax.enable_x64(True):
                return chosen(x1, x2)
        return chosen(x1, x2)

    return call


def listed(function: Function, *static: str) -> Function:
    """A primitive whose tensors come in lists or as several arguments."""
    compiled = jax.jit(function, static_argnames=static, inline=True)

    def call(*args: Any, **keywords: Any) -> Any:
        tensors = [x for arg in args for x in (arg if isinstance(arg, (list, tuple)) else (arg,))]
        chosen = function if _traced(tensors) else compiled
        return run(any(map(is_wide, tensors)), chosen, *args, **keywords)

    return call


def _traced(tensors: Iterable[Any]) -> bool:
    return any(_TRACED[x.__class__] for x in tensors)
