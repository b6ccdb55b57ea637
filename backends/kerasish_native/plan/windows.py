"""Lowerings of convolutions and pooling: kernels for channels-last arrays in C order."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.trace import Node

_CONV = ("strides", "pads", "dilation", "groups")
_MOST_AXES = 5  # batch, three spatial ones, channels
_FLOATS = ("float32", "float64", "float16", "bfloat16")


def _entry(builder: Builder, node: Node, flops: int, make: Callable[..., Any]) -> Entry:
    ins = [builder.contiguous(a) for a in node.args]
    out = builder.view(node.outputs[0])
    view = builder.program_view
    label = f"{node.name} {' '.join(str(list(v.shape)) for v in ins)} → {list(out.shape)}"
    return Entry(
        label, [v.buffer for v in ins], [out.buffer], lambda: make(*map(view, ins), view(out)), flops
    )


@lowers("conv", "conv_transpose", "conv_kernel_grad")
def _conv(builder: Builder, node: Node) -> Entry | None:
    x, other = node.args
    out = node.outputs[0]
    if out.dtype not in _FLOATS or not math.prod(out.shape) or len(out.shape) > _MOST_AXES:
        return None
    keywords = {name: node.keywords[name] for name in _CONV}
    kernel = out if node.name == "conv_kernel_grad" else other
    pixels = other if node.name == "conv_kernel_grad" else x if node.name == "conv_transpose" else out
    flops = 2 * math.prod(kernel.shape) * math.prod(pixels.shape[:-1])
    step = getattr(builder.kernels, f"{node.name}_step")
    return _entry(builder, node, flops, lambda a, b, y: step(a, b, y, **keywords))


@lowers("max_pool", "avg_pool", "max_pool_grad", "max_pool_pick", "avg_pool_grad")
def _pool(builder: Builder, node: Node) -> Entry | None:
    out = node.outputs[0]
    if out.dtype not in _FLOATS or not math.prod(out.shape) or len(out.shape) > _MOST_AXES:
        return None
    keywords = {name: node.keywords[name] for name in ("window", "strides", "pads")}
    flops = math.prod(keywords["window"]) * max(math.prod(v.shape) for v in (*node.args, out))
    step = getattr(builder.kernels, f"{node.name}_step")
    return _entry(builder, node, flops, lambda *views: step(*views, **keywords))
