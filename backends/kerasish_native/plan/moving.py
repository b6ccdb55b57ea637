"""Lowerings of primitives that move values: gathering, scattering, joining, padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.trace import Node


def _entry(builder: Builder, node: Node, make: Callable[..., Any]) -> Entry:
    """An entry whose step is `make(*operands, result)` of the program's views."""
    ins = [builder.view(a) for a in node.args]
    out = builder.view(node.outputs[0])
    view = builder.program_view
    label = f"{node.name} {out.dtype}{list(out.shape)}"
    return Entry(label, [v.buffer for v in ins], [out.buffer], lambda: make(*map(view, ins), view(out)))


@lowers("take", "take_along_axis")
def _take(builder: Builder, node: Node) -> Entry:
    step, axis = getattr(builder.kernels, f"{node.name}_step"), node.keywords["axis"]
    return _entry(builder, node, lambda x, indices, out: step(x, indices, out, axis))


@lowers("gather_nd", "dynamic_slice")
def _gather(builder: Builder, node: Node) -> Entry:
    return _entry(builder, node, getattr(builder.kernels, f"{node.name}_step"))


@lowers("scatter_add", "scatter_update", "scatter_max", "dynamic_update_slice")
def _scatter(builder: Builder, node: Node) -> Entry:
    builder.may_write_over(node.outputs[0], node.args[0])
    kernels = builder.kernels
    if node.name == "dynamic_update_slice":
        return _entry(builder, node, kernels.dynamic_update_slice_step)
    mode = node.name.removeprefix("scatter_")
    return _entry(builder, node, lambda x, i, updates, out: kernels.scatter_step(x, i, updates, out, mode))


@lowers("descend_rows")
def _descend(builder: Builder, node: Node) -> Entry:
    ins = [builder.contiguous(a) for a in node.args]
    out = builder.view(node.outputs[0])
    view = builder.program_view
    label = f"descend_rows {out.dtype}{list(out.shape)} {list(ins[1].shape)}"
    return Entry(
        label,
        [v.buffer for v in ins],
        [out.buffer],
        lambda: builder.kernels.descend_step(*map(view, ins), view(out)),
        2 * ins[2].size,
    )


@lowers("concatenate")
def _concatenate(builder: Builder, node: Node) -> Entry:
    step, axis = builder.kernels.concatenate_step, node.keywords["axis"]
    return _entry(builder, node, lambda *views: step(list(views[:-1]), views[-1], axis))


@lowers("pad")
def _pad(builder: Builder, node: Node) -> Entry:
    out = node.outputs[0]
    value = np.asarray(node.keywords["value"]).astype(dtypes.to_numpy(out.dtype)).tobytes()
    before = [low for low, _ in node.keywords["pads"]]
    return _entry(builder, node, lambda x, out: builder.kernels.pad_step(x, out, before, value))
