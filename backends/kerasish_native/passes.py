"""Rewriting a graph before it runs. Each pass changes the graph in place and keeps its results bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish_native.dispatch import KERNELS
from kerasish_native.trace import Graph, Node, Traced

_SMALL = 256  # constants of up to so many bytes are compared by value
_FOLD_LIMIT = 1 << 20  # a folded constant may not grow beyond so many bytes: it stays in memory


def optimize(graph: Graph) -> None:
    """All passes, on sub-graphs too."""
    for node in graph.nodes:
        for inner in node.keywords.values():
            if inner.__class__ is Graph:
                optimize(inner)
    for run in (prune, simplify, fold, share, prune):
        run(graph)


class _Rewrite:
    """What values were replaced by."""

    def __init__(self) -> None:
        self.replaced: dict[int, Any] = {}

    def now(self, x: Any) -> Any:
        return self.replaced.get(id(x), x) if x.__class__ is Traced else x

    def over(self, graph: Graph, visit: Callable[[Node], list[Any] | None]) -> None:
        """Visit each node with up-to-date operands; values it returns take the place of the node's outputs."""
        kept = []
        for node in graph.nodes:
            node.args = tuple([self.now(a) for a in node.args])
            values = visit(node)
            if values is None:
                kept.append(node)
            else:
                self.replaced.update({id(o): v for o, v in zip(node.outputs, values, strict=True)})
        graph.nodes = kept
        graph.outputs = [self.now(y) for y in graph.outputs]


# -- dead code ---------------------------------------------------------------------------------------------------------
def prune(graph: Graph) -> None:
    """Drop nodes that no output depends on."""
    live = {id(y) for y in graph.outputs}
    kept = []
    for node in reversed(graph.nodes):
        if any(id(o) in live for o in node.outputs):
            live.update(id(a) for a in node.args)
            kept.append(node)
    graph.nodes = kept[::-1]


# -- nodes that do nothing ---------------------------------------------------------------------------------------------
_SAME_IF_SAME_TYPE = frozenset({"cast", "reshape", "broadcast_to", "slice", "pad"})


def simplify(graph: Graph) -> None:
    """Drop nodes that give back their operand."""

    def visit(node: Node) -> list[Any] | None:
        return [node.args[0]] if _is_identity(node) else None

    _Rewrite().over(graph, visit)


def _is_identity(node: Node) -> bool:
    x, name, y = node.args[0] if node.args else None, node.name, node.outputs[0]
    if x.__class__ is not Traced:
        return False
    if name in _SAME_IF_SAME_TYPE:
        return x.shape == y.shape and x.dtype == y.dtype
    if name == "transpose":
        return bool(node.keywords["axes"] == tuple(range(len(x.shape))))
    if name in ("sum", "max", "min", "prod", "flip"):
        return not node.keywords["axis"]
    if name in ("multiply", "divide"):
        other = node.args[1]
        return other.__class__ in (int, float) and other == 1
    return name == "stop_gradient"


# -- constants ---------------------------------------------------------------------------------------------------------
def fold(graph: Graph) -> None:
    """Run nodes whose operands are all known."""

    def visit(node: Node) -> list[Any] | None:
        if any(a.__class__ is Traced for a in node.args) or node.name.startswith("graph_"):
            return None
        if sum(_bytes(o) for o in node.outputs) > _FOLD_LIMIT:
            return None
        with np.errstate(all="ignore"):
            result = KERNELS[node.name](*node.args, **node.keywords)
        return [result] if node.single else list(result)

    _Rewrite().over(graph, visit)


def _bytes(x: Traced) -> int:
    return 8 * int(np.prod(x.shape, dtype=np.int64))


# -- common subexpressions ---------------------------------------------------------------------------------------------
def share(graph: Graph) -> None:
    """Compute equal nodes once: primitives are functions, random ones of their key."""
    seen: dict[Any, Node] = {}

    def visit(node: Node) -> list[Any] | None:
        key = (node.name, tuple(map(_token, node.args)), _frozen(node.keywords))
        first = seen.setdefault(key, node)
        return None if first is node else list(first.outputs)

    _Rewrite().over(graph, visit)


def _token(x: Any) -> Any:
    if x.__class__ is np.ndarray and x.nbytes <= _SMALL and x.dtype != object:
        return x.dtype.str, x.dtype.name, x.shape, x.tobytes()
    if x.__class__ in (int, float, bool):
        return type(x), repr(x)  # −0.0 is not 0.0, and NaN is itself
    return id(x)


def _frozen(keywords: dict[str, Any]) -> Any:
    return tuple(
        (name, id(value) if value.__class__ is Graph else (type(value), repr(value)))
        for name, value in sorted(keywords.items())
    )
