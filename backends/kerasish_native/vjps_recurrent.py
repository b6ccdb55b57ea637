"""Gradient rules of whole LSTM and GRU sequences.

The first derivative is a primitive of its own. That one's derivative is rare (penalties on gradients) and is taken of
what it stands for: the gradient of the composite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kerasish.core.dispatch import COMPOSITES
from kerasish_native.dispatch import n
from kerasish_native.gradients import vjp
from kerasish_native.rules import JOINT

KEPT = {"lstm": 3, "gru": 2}
"""How many results of a sequence are kept for its gradient; the others are outputs and states."""
_WEIGHTS = 2  # kernel and recurrent kernel


def _gradient(cell: str) -> Callable[..., list[Any]]:
    """The rule of a sequence."""

    def rule(
        gs: list[Any], results: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
    ) -> list[Any]:
        count = len(results) - (KEPT[cell] if keywords["keep"] else 0)
        given = tuple([g is not None for g in gs[:count]])
        if not any(given):
            return [None] * len(wanted)
        if not keywords["keep"]:
            results = getattr(n, f"{cell}_sequence")(*args, **{**keywords, "keep": True})
        options = {name: keywords[name] for name in ("bias", "masked", "reverse")}
        wants_x = 0 in wanted
        present = [g for g in gs[:count] if g is not None]
        function = getattr(n, f"{cell}_sequence_grad")
        found = function(*present, *args, *results[count:], given=given, wants_x=wants_x, **options)
        return [found[i if wants_x else i - 1] for i in wanted]

    return rule


def _second(cell: str) -> Callable[..., list[Any]]:
    """The rule of a sequence's gradient."""

    def rule(
        gs: list[Any], results: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
    ) -> list[Any]:
        given, bias = keywords["given"], keywords["bias"]
        first = sum(given)
        floats = first + len(given) + _WEIGHTS + bias  # cotangents and operands but the mask
        mask = args[floats] if keywords["masked"] else None

        def gradients(*values: Any) -> tuple[list[Any], None]:
            def forward(*operands: Any) -> tuple[list[Any], None]:
                return _composite(cell, operands, bias, mask, keywords["reverse"]), None

            _, _, pullback = vjp(forward, values[first:])
            cotangents = iter(values[:first])
            found = pullback([next(cotangents) if there else None for there in given])
            return found[0 if keywords["wants_x"] else 1 :], None

        _, _, pullback = vjp(gradients, args[:floats])
        found = pullback(gs)
        return [found[i] if i < floats else None for i in wanted]

    return rule


def _composite(cell: str, operands: Iterable[Any], bias: bool, mask: Any, reverse: bool) -> list[Any]:
    """[outputs, states] of a sequence by its definition."""
    options: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    if cell == "gru":
        options["reset_after"] = True
    operands = list(operands) if bias else [*operands, None]
    _, outputs, states = COMPOSITES[cell](*operands, **options, go_backwards=reverse, mask=mask)
    return [outputs, *states]


JOINT.update({f"{cell}_sequence": _gradient(cell) for cell in KEPT})
JOINT.update({f"{cell}_sequence_grad": _second(cell) for cell in KEPT})
