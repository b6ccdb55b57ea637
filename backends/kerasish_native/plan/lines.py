"""Lowerings of random numbers and of what runs along lines of an array: sorting, running sums, places of extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.trace import Node


def _entry(builder: Builder, node: Node, make: Callable[..., Any]) -> Entry | None:
    """An entry whose step is `make(operand, *results)`."""
    if not math.prod(node.outputs[0].shape):
        return None
    x = builder.contiguous(node.args[0])
    outs = [builder.view(o) for o in node.outputs]
    view = builder.program_view
    label = f"{node.name} {list(outs[0].shape)}"
    return Entry(label, [x.buffer], [o.buffer for o in outs], lambda: make(view(x), *map(view, outs)))


@lowers("random_bits", "random_uniform")
def _random(builder: Builder, node: Node) -> Entry | None:
    step, draw = getattr(builder.kernels, f"{node.name}_step"), node.keywords["draw"]
    return _entry(builder, node, lambda key, out: step(key, out, draw))


@lowers("argmax", "argmin")
def _extreme(builder: Builder, node: Node) -> Entry | None:
    step, axis = builder.kernels.extreme_step, node.keywords["axis"]
    return _entry(builder, node, lambda x, out: step(x, out, axis, node.name == "argmax"))


@lowers("cumsum", "cumprod")
def _running(builder: Builder, node: Node) -> Entry | None:
    step, axis = builder.kernels.running_step, node.keywords["axis"]
    return _entry(builder, node, lambda x, out: step(x, out, axis, node.name.removeprefix("cum")))


@lowers("sort", "argsort", "top_k")
def _sorted(builder: Builder, node: Node) -> Entry | None:
    kernels, keywords = builder.kernels, node.keywords
    if node.name == "top_k":
        return _entry(
            builder, node, lambda x, values, places: kernels.top_k_step(x, values, places, keywords["k"])
        )
    if node.name == "sort":
        return _entry(builder, node, lambda x, out: kernels.sort_step(x, out, None, keywords["axis"]))
    return _entry(builder, node, lambda x, out: kernels.sort_step(x, None, out, keywords["axis"]))
