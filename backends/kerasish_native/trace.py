"""Values that are not known yet, and the graph of primitives that computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from kerasish.core import dtypes
from kerasish.core.abstract import NO_VALUE_HINT, AbstractTensor
from kerasish.core.errors import TraceError
from kerasish.core.operators import TensorOperators
from kerasish_native.private import RULES, name_of

Shape = tuple[int, ...]


class Traced(TensorOperators):
    """A value of a graph: shape and dtype are known, the numbers are not."""

    __slots__ = ("dtype", "graph", "shape")

    def __init__(self, shape: Shape, dtype: str, graph: Graph) -> None:
        self.shape = shape
        self.dtype = dtype
        self.graph = graph

    @property
    def scope(self) -> Graph:
        """The graph it belongs to."""
        return self.graph

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        return f"<traced {self.dtype}{self.shape}>"

    def _no_value(self, *_: object, **__: object) -> NoReturn:
        raise TraceError(
            "A value that is not known while the function is traced was used as a number.",
            received=repr(self),
            hint=NO_VALUE_HINT,
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = numpy = _no_value


class Node:
    """One primitive applied: `outputs = name(*args, **keywords)`.

    Attributes:
        apart: A copy made for one reader, to be computed where that reader is.
    """

    __slots__ = ("apart", "args", "keywords", "name", "outputs", "single")

    def __init__(
        self, name: str, args: tuple[Any, ...], keywords: dict[str, Any], outputs: list[Traced], single: bool
    ) -> None:
        self.name = name
        self.args = args
        self.keywords = keywords
        self.outputs = outputs
        self.single = single
        self.apart = False


class Graph:
    """Nodes in the order they were recorded, with inputs, outputs, and the outer values that a sub-graph reads.

    Args:
        is_inner: Whether outer values may be read (they become further inputs).
    """

    def __init__(self, is_inner: bool = False) -> None:
        self.inputs: list[Traced] = []
        self.nodes: list[Node] = []
        self.outputs: list[Any] = []
        self.is_inner = is_inner
        self.captured: dict[int, tuple[Any, Traced]] = {}
        self.program: Any = None  # the executor's layout, once made

    def input(self, shape: Shape, dtype: str) -> Traced:
        """A new input."""
        value = Traced(tuple(shape), dtype, self)
        self.inputs.append(value)
        return value

    def local(self, outer: Any) -> Traced:
        """What stands in this graph for a value of another scope."""
        if not self.is_inner:
            raise TraceError(
                "A compiled function uses a tensor of another trace or of a running gradient.",
                received=repr(outer)[:80],
                hint="hand it in as an argument",
            )
        found = self.captured.get(id(outer))
        if found is None:
            found = (outer, Traced(outer.shape, outer.dtype, self))
            self.captured[id(outer)] = found
        return found[1]

    def emit(self, name: str, args: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """Record a primitive; shapes come from its rule."""
        specs = [_spec(a) for a in args]
        result = RULES[name](*specs, **keywords)
        single = isinstance(result, AbstractTensor)
        outputs = [Traced(tuple(map(int, r.shape)), r.dtype, self) for r in ([result] if single else result)]
        self.nodes.append(Node(name, tuple(args), keywords, outputs, single))
        return outputs[0] if single else tuple(outputs)


def _spec(x: Any) -> Any:
    if x.__class__ is Traced:
        return AbstractTensor(x.shape, x.dtype)
    if x.__class__ is np.ndarray:
        return AbstractTensor(x.shape, dtypes.of_numpy(x.dtype))
    return x


SCOPE: ContextVar[Graph | None] = ContextVar("kerasish_native_scope", default=None)


@contextmanager
def recording(graph: Graph) -> Iterator[Graph]:
    """Record primitives on traced values into `graph`."""
    token = SCOPE.set(graph)
    try:
        yield graph
    finally:
        SCOPE.reset(token)


def outline(function: Callable[..., list[Any]], specs: Sequence[Any]) -> Graph:
    """The inner graph of a function of tensors like `specs` (anything with shape and dtype)."""
    graph = Graph(is_inner=True)
    with recording(graph):
        inputs = [graph.input(tuple(s.shape), name_of(s)) for s in specs]
        graph.outputs = [settled(graph, y) for y in function(*inputs)]
    return graph


def settled(graph: Graph, value: Any) -> Any:
    """An output of `graph`: outer values become captures, scalars arrays."""
    if hasattr(value, "scope"):
        return value if value.scope is graph and value.__class__ is Traced else graph.local(value)
    return np.asarray(value)


def replay(graph: Graph, values: Sequence[Any], run: Callable[..., Any]) -> list[Any]:
    """The outputs of `graph` for input `values`, by running its primitives again on whatever the values are."""
    known: dict[int, Any] = {id(i): v for i, v in zip(graph.inputs, values, strict=True)}
    for node in graph.nodes:
        args = [known[id(a)] if a.__class__ is Traced else a for a in node.args]
        result = run(node.name, *args, **node.keywords)
        for output, value in zip(node.outputs, [result] if node.single else result, strict=True):
            known[id(output)] = value
    return [known[id(y)] if y.__class__ is Traced else y for y in graph.outputs]
