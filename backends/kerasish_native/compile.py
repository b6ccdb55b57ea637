"""`compile`: the first call with new shapes traces the function into a plan, later calls run the plan."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.errors import TraceError
from kerasish_native.executor import explain, program_of
from kerasish_native.passes import optimize
from kerasish_native.tape import Box
from kerasish_native.trace import SCOPE, Graph, Traced, recording, settled

_MOST_PLANS = 64


class NotCompiledWarning(UserWarning):
    """A function that was to be compiled runs step by step, because it decides on values in Python."""


class Plan:
    """A traced function: a graph of primitives, and where its results go.

    Args:
        graph: The optimized graph.
        structure: The result's nesting, with a number for each output of the graph; other leaves are constant.
    """

    def __init__(self, graph: Graph, structure: Any) -> None:
        self.graph = graph
        self.structure = structure
        self.program = program_of(graph)

    def __call__(self, arrays: list[np.ndarray]) -> Any:
        """Results for the tensors among the arguments."""
        with np.errstate(all="ignore"):
            results = self.program.run(arrays)
        return _build(self.structure, results)

    def explain(self) -> str:
        """Nodes, primitives and bytes, as text."""
        return explain(self.graph)


class _Output(int):
    """The number of a graph's output, in place of the tensor."""

    __slots__ = ()


def _build(structure: Any, results: list[Any]) -> Any:
    kind = structure.__class__
    if kind is _Output:
        return results[structure]
    if kind is list:
        return [_build(item, results) for item in structure]
    if kind is tuple:
        return tuple([_build(item, results) for item in structure])
    if kind is dict:
        return {key: _build(item, results) for key, item in structure.items()}
    if trees.is_nested(structure):
        return trees.map_structure(lambda x: _build(x, results), structure)
    return structure


@contextmanager
def _collector_resting() -> Iterator[None]:
    """A block without garbage collection.

    A trace makes very many objects that stay; to look through them again and again takes a third of the time of a deep
    model, and more the deeper it is.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Compiled:
    """A function with a plan for each combination of structure, shapes, dtypes and other arguments it was called with.

    Attributes:
        plans: The plans so far.
        traces: How often the function was traced.
        fallback: Why it runs step by step, or None.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.plans: dict[Any, Plan] = {}
        self.traces = 0
        self.fallback: str | None = None
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the plan for these arguments."""
        if self.fallback is not None or SCOPE.get() is not None:
            return self.fn(*args, **kwargs)
        leaves: list[Any] = []
        key = _signature((args, kwargs), leaves)
        if key is None:  # a gradient is being taken of it, or it is called from another trace
            return self.fn(*args, **kwargs)
        plan = self.plans.get(key)
        if plan is None:
            plan = self._plan(key, args, kwargs)
            if plan is None:
                return self.fn(*args, **kwargs)
        return plan(leaves)

    def _plan(self, key: Any, args: Any, kwargs: Any) -> Plan | None:
        with self._lock:
            if key in self.plans:
                return self.plans[key]
            try:
                with _collector_resting():
                    plan = self._traced(args, kwargs)
            except TraceError as error:
                self._give_up(error)
                return None
            if len(self.plans) >= _MOST_PLANS:
                del self.plans[next(iter(self.plans))]
            self.plans[key] = plan
            return plan

    def _traced(self, args: Any, kwargs: Any) -> Plan:
        graph = Graph()
        self.traces += 1

        def stand_in(x: Any) -> Any:
            return (
                graph.input(x.shape, dtypes.of_numpy(x.dtype))
                if isinstance(x, (np.ndarray, np.generic))
                else x
            )

        with recording(graph):
            traced_args, traced_kwargs = trees.map_structure(stand_in, (args, kwargs))
            result = self.fn(*traced_args, **traced_kwargs)

            def output(x: Any) -> Any:
                if x.__class__ not in (Traced, Box) and not isinstance(x, (np.ndarray, np.generic)):
                    return x
                graph.outputs.append(settled(graph, x))
                return _Output(len(graph.outputs) - 1)

            structure = trees.map_structure(output, result)
        optimize(graph)
        return Plan(graph, structure)

    def _give_up(self, error: TraceError) -> None:
        self.fallback = str(error)
        name = getattr(self.fn, "__name__", type(self.fn).__name__)
        warnings.warn(f"{name} runs step by step, not compiled. {error}", NotCompiledWarning, stacklevel=5)

    def explain(self) -> str:
        """What the plans do, as text."""
        if self.fallback is not None:
            return f"not compiled: {self.fallback}"
        return "\n\n".join(plan.explain() for plan in self.plans.values()) or "not called yet"


def _signature(x: Any, leaves: list[Any]) -> Any:
    """A key of structure, shapes, dtypes and plain values; tensors go to `leaves`. None: a box or traced value."""
    kind = x.__class__
    if kind is np.ndarray:
        leaves.append(x)
        return x.shape, x.dtype
    if kind is tuple or kind is list:
        items = [_signature(item, leaves) for item in x]
        return None if None in items else (kind, *items)
    if kind is dict:
        items = [_signature(x[key], leaves) for key in _keys(x)]
        return None if None in items else (kind, tuple(x), *items)
    if kind is Box or kind is Traced:
        return None
    if isinstance(x, (np.ndarray, np.generic)):
        leaves.append(np.asarray(x))
        return leaves[-1].shape, leaves[-1].dtype
    if trees.is_nested(x):
        items = [_signature(item, leaves) for item in trees.flatten(x)]
        return None if None in items else (kind, trees.map_structure(lambda _: 0, x).__repr__(), *items)
    try:
        hash(x)
    except TypeError:
        return kind, id(x)
    return kind, x


def _keys(x: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(x)  # the order in which kerasish's trees visit a dict
    except TypeError:
        return list(x)


def compiled(fn: Callable[..., Any], *, donate: tuple[int, ...], options: dict[str, Any]) -> Compiled:
    """`fn` with plans. Donated arguments are not written over: only the plan's own buffers are."""
    return Compiled(fn)
