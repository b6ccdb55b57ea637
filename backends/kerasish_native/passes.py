"""Rewriting a graph before it runs. Each pass changes the graph in place and keeps its results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native._load import load_kernels
from kerasish_native.dispatch import KERNELS
from kerasish_native.private import name_of
from kerasish_native.trace import Graph, Node, Traced

_SMALL = 256  # constants of up to so many bytes are compared by value
_FOLD_LIMIT = 1 << 20  # a folded constant may not grow beyond so many bytes: it stays in memory


def optimize(graph: Graph) -> None:
    """All passes, on sub-graphs too."""
    for node in graph.nodes:
        for inner in node.keywords.values():
            if inner.__class__ is Graph:
                inner.captured = {}  # which lead back to the outer graph
                optimize(inner)
    for run in (prune, simplify, select, fold, share, prune, thin, repeat):
        run(graph)


class _Rewrite:
    """What values were replaced by."""

    def __init__(self) -> None:
        self.replaced: dict[int, Any] = {}

    def now(self, x: Any) -> Any:
        return self.replaced.get(id(x), x) if x.__class__ is Traced else x

    def over(self, graph: Graph, visit: Callable[[Node], list[Any] | None]) -> None:
        """Visit each node with up-to-date operands; values it returns take the place of the node's outputs."""
        nodes, graph.nodes = graph.nodes, []
        for node in nodes:
            node.args = tuple([self.now(a) for a in node.args])
            values = visit(node)
            if values is None:
                graph.nodes.append(node)
            else:
                self.replaced.update({id(o): v for o, v in zip(node.outputs, values, strict=True)})
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
_REDUCTIONS = frozenset({"sum", "prod", "max", "min"})
_SAME_IF_SAME_TYPE = frozenset({"cast", "reshape", "broadcast_to", "slice", "pad"})


def simplify(graph: Graph) -> None:
    """Drop nodes that give back their operand."""

    def visit(node: Node) -> list[Any] | None:
        if _is_identity(node):
            return [node.args[0]]
        if node.name in _REDUCTIONS and _reduces_nothing(node):
            node.name, node.keywords = "reshape", {"shape": node.outputs[0].shape}
        return None

    _Rewrite().over(graph, visit)


def _reduces_nothing(node: Node) -> bool:
    x = node.args[0]
    return x.__class__ is Traced and all(x.shape[a] == 1 for a in node.keywords["axis"])


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


# -- picking one element a row -----------------------------------------------------------------------------------------
_MOST_PICKED_FROM = 4096


def select(graph: Graph) -> None:
    """One element of each row by its number, as a sum over the row in which all others are 0: that can be fused."""
    if load_kernels() is None:
        return

    def visit(node: Node) -> list[Any] | None:
        if node.name != "take_along_axis" or node.args[0].__class__ is not Traced:
            return None
        (x, indices), axis = node.args, len(node.outputs[0].shape) - 1
        if (
            node.keywords["axis"] != axis
            or indices.shape[axis] != 1
            or not 1 < x.shape[axis] <= _MOST_PICKED_FROM
        ):
            return None
        places = np.arange(x.shape[axis], dtype=name_of(indices))
        hit = graph.emit("equal", (places, indices), {})
        kept = graph.emit("where", (hit, x, 0), {})
        return [graph.emit("sum", (kept,), {"axis": (axis,), "keepdims": True})]

    _Rewrite().over(graph, visit)


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


# -- descent on a few rows ---------------------------------------------------------------------------------------------
def thin(graph: Graph) -> None:
    """Plain gradient descent on a table of which few rows were read: `descend_rows`, without the array of its gradient.

    Rows nobody read move by rate·0, the others by the same sums: the result is the same bit for bit. What else looks at
    the gradient (a momentum, a norm) keeps it as it is.
    """
    if load_kernels() is None:
        return
    uses = Counter(id(a) for node in graph.nodes for a in node.args)
    uses.update(id(y) for y in graph.outputs)
    makers = {id(node.outputs[0]): node for node in graph.nodes if node.single}
    inputs = set(
        map(id, graph.inputs)
    )  # a table computed first (decay, momentum) does better with a dense step

    def made_once(x: Any, name: str) -> Node | None:
        node = makers.get(id(x)) if uses[id(x)] == 1 else None
        return node if node is not None and node.name == name else None

    def visit(node: Node) -> list[Any] | None:
        if node.name != "subtract" or id(node.args[0]) not in inputs:
            return None
        if (scaled := made_once(node.args[1], "multiply")) is None:
            return None
        table, result = node.args[0], node.outputs[0]
        for sums, rate in (scaled.args, scaled.args[::-1]):
            scatter = made_once(sums, "scatter_add")
            if scatter is not None and _descends(table, result, scatter, rate):
                rate = rate if hasattr(rate, "shape") else np.asarray(rate, dtypes.to_numpy(result.dtype))
                return [graph.emit("descend_rows", (table, *scatter.args[1:], rate), {})]
        return None

    _Rewrite().over(graph, visit)
    prune(graph)


def _descends(table: Any, result: Traced, scatter: Node, rate: Any) -> bool:
    zeros, indices, _ = scatter.args
    return (
        table.shape == result.shape == scatter.outputs[0].shape
        and table.dtype == result.dtype == scatter.outputs[0].dtype
        and result.dtype in ("float32", "float64")
        and indices.shape[-1] == 1
        and name_of(indices) == "int32"
        and 2 * math.prod(indices.shape) <= table.shape[0]
        and zeros.__class__ is np.ndarray
        and not zeros.any()
        and not np.signbit(zeros).any()
        and (not hasattr(rate, "shape") or math.prod(rate.shape) == 1)
    )


# -- cheap work done twice ---------------------------------------------------------------------------------------------
_CHEAP = frozenset({"add", "subtract", "multiply"})


def repeat(graph: Graph) -> None:
    """Give each reader of a centred or scaled tensor a copy of that one operation: cheaper than storing its result.

    Only where the tensor is in memory anyway, being an input or what a kernel made; equal copies within one fused
    program are computed once.
    """
    if load_kernels() is None:
        return
    stored = {id(x) for x in graph.inputs}
    stored.update(id(o) for node in graph.nodes if node.name in _KERNELS for o in node.outputs)
    cheap = {id(node.outputs[0]): node for node in graph.nodes if _is_cheap(node, stored)}
    taken: set[int] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        for i, a in enumerate(node.args):
            source = cheap.get(id(a))
            if source is None:
                continue
            if id(a) in taken and _is_fusible(node, a):
                again = Traced(a.shape, a.dtype, graph)
                copy = Node(source.name, source.args, source.keywords, [again], True)
                copy.apart = True
                nodes.append(copy)
                node.args = (*node.args[:i], again, *node.args[i + 1 :])
            taken.add(id(a))
        nodes.append(node)
    graph.nodes = nodes


_KERNELS = frozenset(
    {
        "matmul",
        "einsum",
        "conv",
        "conv_transpose",
        "conv_kernel_grad",
        "take",
        "max_pool",
        "avg_pool",
        "tiled_attention",
    }
)


def _is_fusible(node: Node, a: Traced) -> bool:
    """Whether a node works on `a` element by element."""
    return node.name not in _KERNELS and (node.name in _REDUCTIONS or node.outputs[0].shape == a.shape)


def _is_cheap(node: Node, stored: set[int]) -> bool:
    if node.name not in _CHEAP:
        return False
    size = math.prod(node.outputs[0].shape)
    large = [a for a in node.args if hasattr(a, "shape") and math.prod(a.shape) == size]
    return len(large) == 1 and id(large[0]) in stored
