"""Lowerings of whole LSTM and GRU sequences and of their gradients."""

from __future__ import annotations

from typing import Any

from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.plan.views import View
from kerasish_native.trace import Node

_FLOATS = ("float32", "float64")
_STATES = {"lstm": 2, "gru": 1}
_GATES = {"lstm": 4, "gru": 3}


def _entry(builder: Builder, node: Node, ins: list[View], outs: list[View], flops: int, make: Any) -> Entry:
    label = f"{node.name} {list(builder.view(node.args[0]).shape)}"
    return Entry(label, [v.buffer for v in ins], [v.buffer for v in outs], make, flops)


def _flops(cell: str, x: View, units: int) -> int:
    return 2 * x.shape[0] * x.shape[1] * (x.shape[2] + units) * _GATES[cell] * units


@lowers("lstm_sequence", "gru_sequence")
def _sequence(builder: Builder, node: Node) -> Entry | None:
    cell = node.name.removesuffix("_sequence")
    if node.outputs[0].dtype not in _FLOATS:
        return None
    keywords = node.keywords
    ins = [builder.contiguous(a) for a in node.args]
    outs = [builder.view(o) for o in node.outputs]
    step, states = getattr(builder.kernels, f"{cell}_step"), _STATES[cell]
    rest = ins[3 + states :]
    bias = rest.pop(0) if keywords["bias"] else None
    mask = rest.pop(0) if keywords["masked"] else None
    made: list[View | None] = list(outs)
    if not builder.is_needed(outs[0].buffer):
        made[0] = None  # only the state is asked for
    if not keywords["keep"]:
        made += [None] * (3 if cell == "lstm" else 2)

    def make() -> Any:
        views = [
            None if v is None else builder.program_view(v) for v in (*ins[: 3 + states], bias, mask, *made)
        ]
        return step(*views, keywords["reverse"])

    written = [v for v in made if v is not None]
    return _entry(builder, node, ins, written, _flops(cell, ins[0], ins[1].shape[1]), make)


@lowers("lstm_sequence_grad", "gru_sequence_grad")
def _gradient(builder: Builder, node: Node) -> Entry | None:
    cell = node.name.removesuffix("_sequence_grad")
    if node.outputs[0].dtype not in _FLOATS:
        return None
    keywords, states = node.keywords, _STATES[cell]
    ins = [builder.contiguous(a) for a in node.args]
    outs = [builder.view(o) for o in node.outputs]
    left = iter(ins)
    given = [next(left) if there else None for there in keywords["given"]]
    x, *state = (next(left) for _ in range(1 + states))
    weights = [next(left), next(left)]
    if keywords["bias"]:
        next(left)
    mask = next(left) if keywords["masked"] else None
    kept = list(left)
    made: list[View | None] = list(outs) if keywords["wants_x"] else [None, *outs]
    if not keywords["bias"]:
        made.append(None)
    operands = [*given, x, *state[1:], *weights, mask, *kept, *made]
    step = getattr(builder.kernels, f"{cell}_grad_step")

    def make() -> Any:
        return step(*[None if v is None else builder.program_view(v) for v in operands], keywords["reverse"])

    return _entry(builder, node, ins, outs, 2 * _flops(cell, x, state[0].shape[1]), make)
