"""The table of gradient rules. `vjps` and `vjps_linalg` fill it; the tape reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]

#: primitive -> one rule for each operand, `rule(g, result, *operands, **keywords)`: g is the result's cotangent.
VJPS: dict[str, tuple[Rule | None, ...]] = {}
#: primitive -> rule for all operands at once, `rule(gs, results, operands, keywords, wanted)`: gs has one cotangent (or
#: None) for each result, `wanted` the numbers of the operands whose gradients are asked for, and given, in that order.
JOINT: dict[str, Callable[..., list[Any]]] = {}
#: Primitives through which no gradient flows: piecewise constant, or not of floats.
CONSTANT: frozenset[str] = frozenset({
    "arange", "argmax", "argmin", "argsort", "all", "any", "bitcast", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "ceil", "equal", "floor", "floor_divide", "full", "greater", "greater_equal", "isfinite", "isinf",
    "isnan", "left_shift", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor",
    "not_equal", "permutation", "random_bits", "random_uniform", "right_shift", "round", "sign", "stop_gradient",
    "trunc",
})  # fmt: skip
#: Control flow of the contract: rewritten by `control` into loops or the engine's own graph primitives.
CONTROL: frozenset[str] = frozenset({"cond", "scan", "while_loop"})


def joint(function: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Register the rule of the primitive that `function` is named after."""
    JOINT[function.__name__.strip("_")] = function
    return function
