"""Attention as one primitive, where no gradient is asked for: its gradient needs the probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kerasish.core.dispatch import COMPOSITES
from kerasish_native.dispatch import n
from kerasish_native.gradients import vjp
from kerasish_native.private import name_of
from kerasish_native.rules import joint
from kerasish_native.tape import Box

FEWEST_QUERIES = 32  # below, the products by themselves are faster (measured), and their scores are small


def attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    /,
    *,
    scale: float,
    causal: bool,
    soft_cap: float | None,
) -> Any:
    """The composite `attention`."""
    operands = [x for x in (query, key, value, bias, mask) if x is not None]
    if any(x.__class__ is Box for x in operands) or query.shape[1] < FEWEST_QUERIES:
        return NotImplemented
    if any(not math.prod(x.shape) for x in operands):
        return NotImplemented
    if bias is not None and name_of(bias) != name_of(query):
        return NotImplemented
    options = {"bias": bias is not None, "masked": mask is not None}
    return n.tiled_attention(*operands, **options, scale=scale, causal=causal, soft_cap=soft_cap)


@joint
def tiled_attention(
    gs: list[Any], result: Any, args: tuple[Any, ...], keywords: dict[str, Any], wanted: tuple[int, ...]
) -> list[Any]:
    """The gradient of the composite: what was recorded in a sub-graph is differentiated only now."""
    floats = 3 + keywords["bias"]
    mask = args[floats] if keywords["masked"] else None
    options = {name: keywords[name] for name in ("scale", "causal", "soft_cap")}

    def forward(query: Any, key: Any, value: Any, bias: Any = None) -> tuple[list[Any], None]:
        return [COMPOSITES["attention"](query, key, value, bias, mask, **options)], None

    _, _, pullback = vjp(forward, args[:floats])
    found = pullback(gs)
    return [found[i] if i < floats else None for i in wanted]


OVERRIDES: dict[str, Callable[..., Any]] = {"attention": attention}
