"""Lowerings of whole LSTM and GRU sequences and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.plan.views import View
from kerasish_native.trace import Node

_OPERANDS = {"lstm": ("x", "h0", "c0", "kernel", "recurrent"), "gru": ("x", "h0", "kernel", "recurrent")}
_RESULTS = {"lstm": ("outputs", "h", "c"), "gru": ("outputs", "h")}
_KEPT = {"lstm": ("gates", "cells", "before"), "gru": ("gates", "before")}


def _products(x: Any, recurrent: Any) -> int:
    """Operations of the two products of all steps."""
    batch, length, channels = x.shape
    units, width = recurrent.shape
    return int(2 * batch * length * (channels + units) * width)


def _entry(
    builder: Builder, node: Node, flops: int, ins: dict[str, View | None], outs: dict[str, View | None]
) -> Entry:
    """An entry whose step takes all views by name; None for what is absent."""
    step = getattr(builder.kernels, node.name.replace("_sequence", "") + "_step")
    reverse = node.keywords["reverse"]

    def make() -> Any:
        views = {k: None if v is None else builder.program_view(v) for k, v in {**ins, **outs}.items()}
        return step(**views, reverse=reverse)

    reads = [v.buffer for v in ins.values() if v is not None]
    writes = [v.buffer for v in outs.values() if v is not None]
    x = ins["x"]
    label = f"{node.name} {'' if x is None else list(x.shape)}"
    return Entry(label, reads, writes, make, flops)


def _optional_operands(names: Sequence[str], node: Node) -> list[str]:
    """The names of a sequence's operands, with bias and mask where they are there."""
    extra = [name for name, there in (("bias", "bias"), ("mask", "masked")) if node.keywords[there]]
    return [*names, *extra]


def _is_supported(node: Node) -> bool:
    return all(a.dtype in ("float32", "float64") for a in node.outputs)


@lowers("lstm_sequence", "gru_sequence")
def _sequence(builder: Builder, node: Node) -> Entry | None:
    if not _is_supported(node):
        return None
    cell = node.name.split("_")[0]
    names = _optional_operands(_OPERANDS[cell], node)
    operands = dict(zip(names, node.args, strict=True))
    ins: dict[str, View | None] = {"bias": None, "mask": None}
    ins |= {name: builder.contiguous(a) for name, a in operands.items()}
    outs: dict[str, View | None] = dict.fromkeys(_KEPT[cell])
    made = zip((*_RESULTS[cell], *_KEPT[cell]), node.outputs, strict=False)
    outs |= {
        name: builder.view(y)
        for name, y in made
        if name != "outputs" or builder.is_needed(builder.view(y).buffer)
    }
    outs.setdefault("outputs", None)
    return _entry(builder, node, _products(operands["x"], operands["recurrent"]), ins, outs)


@lowers("lstm_sequence_grad", "gru_sequence_grad")
def _sequence_grad(builder: Builder, node: Node) -> Entry | None:
    if not _is_supported(node):
        return None
    cell = node.name.split("_")[0]
    given = [
        f"{name}_grad" for name, there in zip(_RESULTS[cell], node.keywords["given"], strict=True) if there
    ]
    names = [*given, *_optional_operands(_OPERANDS[cell], node), *_KEPT[cell]]
    operands = dict(zip(names, node.args, strict=True))
    ins: dict[str, View | None] = dict.fromkeys([*(f"{name}_grad" for name in _RESULTS[cell]), "mask"])
    ins |= {name: builder.contiguous(a) for name, a in operands.items() if name not in ("bias", "h0")}
    wanted = [f"{name}_grad" for name in _OPERANDS[cell] if name != "x" or node.keywords["wants_x"]]
    outs: dict[str, View | None] = {"x_grad": None, "bias_grad": None}
    if node.keywords["bias"]:
        wanted.append("bias_grad")
    outs |= {name: builder.view(y) for name, y in zip(wanted, node.outputs, strict=True)}
    flops = 2 * _products(operands["x"], operands["recurrent"])
    return _entry(builder, node, flops, ins, outs)
