"""Lowerings of convolutions and pooling: kernels for channels-last arrays in C order."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from kerasish_native.plan.builder import EPILOGUES, Builder, Entry, lowers
from kerasish_native.plan.fusion import Group
from kerasish_native.trace import Node, Traced

_CONV = ("strides", "pads", "dilation", "groups")
_MOST_AXES = 5  # batch, three spatial ones, channels
BEYOND_CACHES = 8 << 20  # bytes
_FLOATS = ("float32", "float64", "float16", "bfloat16")


def _entry(builder: Builder, node: Node, flops: int, make: Callable[..., Any]) -> Entry:
    ins = [builder.contiguous(a) for a in node.args]
    out = builder.view(node.outputs[0])
    label = f"{node.name} {' '.join(str(list(v.shape)) for v in ins)} → {list(out.shape)}"
    entry = Entry(label, [v.buffer for v in ins], [out.buffer], lambda: None, flops)

    def step(epilogue: Any) -> Any:
        extra = {} if epilogue is None else {"epilogue": epilogue}  # only some makers know it
        return make(*map(builder.program_view, (*ins, out)), **extra)

    return builder.with_epilogue(entry, step)


def _has_kernel(out: Traced) -> bool:
    return out.dtype in _FLOATS and math.prod(out.shape) > 0 and len(out.shape) <= _MOST_AXES


@lowers("conv", "conv_transpose", "conv_kernel_grad")
def _conv(builder: Builder, node: Node) -> Entry | None:
    x, other = node.args
    out = node.outputs[0]
    if not _has_kernel(out):
        return None
    keywords = {name: node.keywords[name] for name in _CONV}
    kernel = out if node.name == "conv_kernel_grad" else other
    pixels = other if node.name == "conv_kernel_grad" else x if node.name == "conv_transpose" else out
    flops = 2 * math.prod(kernel.shape) * math.prod(pixels.shape[:-1])
    step = getattr(builder.kernels, f"{node.name}_step")
    return _entry(builder, node, flops, functools.partial(step, **keywords))


def _positions_and_filters(builder: Builder, node: Node, group: Group) -> tuple[int, int] | None:
    """The result of a convolution as a matrix, where an epilogue pays (`python -m benchmarks.epilogues`).

    It does for a result beyond the caches that is finished in place. One that stays in the caches gains nothing; a
    second array of that size (a shortcut, the result kept beside what is made of it) is read or written in too short
    runs, which costs more than the epilogue saves. (The adjoint's result is written in parts, whose rows are not in
    one piece.)
    """
    out = node.outputs[0]
    raw = builder.view(out).buffer
    if not _has_kernel(out) or raw.nbytes < BEYOND_CACHES:
        return None
    large = [b for b in group.loads if b.size >= raw.size]
    made = [b for b in group.made if b.size >= raw.size and builder.is_needed(b)]
    in_place = len(made) == 1 and made[0].role == "arena" and made[0].dtype == raw.dtype
    if large != [raw] or not in_place or not builder.is_read_only_by(group, raw):
        return None
    return math.prod(out.shape[:-1]), out.shape[-1]


EPILOGUES["conv"] = _positions_and_filters


@lowers("max_pool", "avg_pool", "max_pool_grad", "max_pool_pick", "avg_pool_grad")
def _pool(builder: Builder, node: Node) -> Entry | None:
    out = node.outputs[0]
    if not _has_kernel(out):
        return None
    keywords = {name: node.keywords[name] for name in ("window", "strides", "pads")}
    flops = math.prod(keywords["window"]) * max(math.prod(v.shape) for v in (*node.args, out))
    step = getattr(builder.kernels, f"{node.name}_step")
    return _entry(builder, node, flops, functools.partial(step, **keywords))
