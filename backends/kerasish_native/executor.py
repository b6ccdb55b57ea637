"""Runs a graph on kernels: nodes in order, values dropped after their last use, dying buffers written over in place."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native._load import load_kernels
from kerasish_native.dispatch import KERNELS
from kerasish_native.plan.compiled import CompiledProgram
from kerasish_native.trace import Graph, Node, Traced

Array = Any
Task = tuple[Callable[..., Any], tuple[int, ...], int | tuple[int, ...], tuple[int, ...]]

#: Primitives that one ufunc computes, so that it can write into the buffer of an operand that dies.
_IN_PLACE: dict[str, Callable[..., Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "maximum": np.maximum,
    "minimum": np.minimum, "negative": np.negative, "abs": np.abs, "square": np.square, "exp": np.exp, "log": np.log,
    "expm1": np.expm1, "log1p": np.log1p, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
}  # fmt: skip
#: Primitives whose kernels make a new array, and whose results therefore belong to the plan alone.
_FRESH = frozenset(
    {*_IN_PLACE, "where", "matmul", "conv", "conv_kernel_grad", "rsqrt", "sigmoid", "erf", "power"}
)
#: Primitives that never return a view of an operand.
_NO_VIEW = frozenset({
    *_FRESH, "sum", "max", "min", "equal", "greater", "less", "greater_equal", "less_equal", "not_equal",
    "max_pool", "max_pool_grad", "conv_transpose", "avg_pool", "avg_pool_grad", "argmax", "sign",
})  # fmt: skip


class Program:
    """A graph laid out for running: every value has a slot, every node is one call."""

    def __init__(self, graph: Graph) -> None:
        self.slots: dict[int, int] = {}
        self.template: list[Any] = []
        self.in_place = 0
        self._constants: list[Any] = []
        self.inputs = [self._slot(x) for x in graph.inputs]
        last = _last_uses(graph)
        reusable = _reusable(graph)
        self.tasks: list[Task] = [self._task(i, node, last, reusable) for i, node in enumerate(graph.nodes)]
        self.outputs = [self._slot(y) for y in graph.outputs]
        self._graph = graph

    def explain(self) -> str:
        """Nodes, primitives and bytes."""
        return _described(self._graph, self.in_place)

    def _slot(self, x: Any) -> int:
        found = self.slots.get(id(x))
        if found is None:
            found = self.slots[id(x)] = len(self.template)
            self._constants.append(x)  # keeps the id its own
            self.template.append(None if x.__class__ is Traced else x)
        return found

    def _task(self, i: int, node: Node, last: dict[int, int], reusable: dict[int, Traced]) -> Task:
        ins = tuple([self._slot(a) for a in node.args])
        outs = tuple([self._slot(o) for o in node.outputs])
        dying = {id(a): a for a in node.args if a.__class__ is Traced and last.get(id(a)) == i}
        frees = tuple([self.slots[key] for key in dying]) + tuple(
            [self.slots[id(o)] for o in node.outputs if id(o) not in last]
        )
        result = node.outputs[0]
        if node.name in _IN_PLACE:
            for j, a in enumerate(node.args):
                if (
                    id(a) in dying
                    and id(a) in reusable
                    and (a.shape, a.dtype) == (result.shape, result.dtype)
                ):
                    self.in_place += 1
                    return _writing(_IN_PLACE[node.name], j, len(ins)), ins, outs[0], frees
        kernel = KERNELS[node.name]
        if node.keywords:
            kernel = functools.partial(kernel, **node.keywords)
        return kernel, ins, outs[0] if node.single else outs, frees

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Results for `inputs`."""
        env = self.template.copy()
        for slot, x in zip(self.inputs, inputs, strict=True):
            env[slot] = x
        for kernel, ins, out, frees in self.tasks:
            count = len(ins)
            if count == 2:
                result = kernel(env[ins[0]], env[ins[1]])
            elif count == 1:
                result = kernel(env[ins[0]])
            else:
                result = kernel(*[env[i] for i in ins])
            if out.__class__ is int:
                env[out] = result
            else:
                for slot, value in zip(out, result, strict=True):  # type: ignore[arg-type]
                    env[slot] = value
            for slot in frees:
                env[slot] = None
        return [env[slot] for slot in self.outputs]


def _described(graph: Graph, in_place: int) -> str:
    counts = Counter(node.name for node in graph.nodes)
    constants = {id(a): a.nbytes for node in graph.nodes for a in node.args if a.__class__ is np.ndarray}
    lines = [
        f"{len(graph.nodes)} nodes, {len(graph.inputs)} inputs, {len(graph.outputs)} outputs, {in_place} in place",
        f"peak {_peak(graph):,} bytes of intermediate results, {sum(constants.values()):,} bytes of constants",
    ]
    return "\n".join(lines + [f"{count:6d} {name}" for name, count in counts.most_common()])


def _writing(function: Callable[..., Any], into: int, count: int) -> Callable[..., Any]:
    if count == 1:
        return lambda a: function(a, out=a)
    if into == 0:
        return lambda a, b: function(a, b, out=a)
    return lambda a, b: function(a, b, out=b)


def _last_uses(graph: Graph) -> dict[int, int]:
    """Number of the last node that reads each value; outputs are read after the end."""
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        for a in node.args:
            if a.__class__ is Traced:
                last[id(a)] = i
    for x in graph.outputs:
        if x.__class__ is Traced:
            last[id(x)] = len(graph.nodes)
    return last


def _reusable(graph: Graph) -> dict[int, Traced]:
    """Values in buffers of their own which no view shares (16 bit floats aside: their kernels do not use ufuncs)."""
    found = {
        id(o): o
        for node in graph.nodes
        if node.name in _FRESH
        for o in node.outputs
        if not (dtypes.is_float(o.dtype) and dtypes.bits(o.dtype) == 16)
    }
    for node in graph.nodes:
        if node.name not in _NO_VIEW:
            for a in node.args:
                found.pop(id(a), None)
    return found


def program_of(graph: Graph) -> Any:
    """The program of a graph, laid out once: compiled, or of reference kernels where no compiled ones were built."""
    program: Any = graph.program
    if program is None:
        kernels = load_kernels()
        compile_it = hasattr(kernels, "tile_step")  # an editable install may be older than this file
        program = graph.program = CompiledProgram(graph, kernels) if compile_it else Program(graph)
    return program


# -- graphs within graphs ----------------------------------------------------------------------------------------------
def graph_cond(pred: Array, *args: Array, true: Graph, false: Graph) -> tuple[Array, ...]:
    """One branch."""
    return tuple(program_of(true if bool(pred) else false).run(args))


def graph_while(*args: Array, condition: Graph, body: Graph, carried: int) -> tuple[Array, ...]:
    """The loop."""
    state, rest = list(args[:carried]), args[carried:]
    test, step = program_of(condition), program_of(body)
    while bool(test.run([*state, *rest])[0]):
        state = step.run([*state, *rest])
    return tuple(state)


def graph_scan(
    *args: Array, body: Graph, carried: int, sliced: int, length: int, reverse: bool
) -> tuple[Array, ...]:
    """The loop over rows, with stacks filled as they come."""
    carry = list(args[:carried])
    xs, rest = args[carried : carried + sliced], args[carried + sliced :]
    step = program_of(body)
    stacks: list[Array] = []
    for y in body.outputs[carried:]:
        dtype = dtypes.to_numpy(y.dtype) if y.__class__ is Traced else y.dtype
        stacks.append(np.empty((length, *y.shape), dtype))
    for t in reversed(range(length)) if reverse else range(length):
        results = step.run([*carry, *(np.asarray(x[t]) for x in xs), *rest])
        carry = results[:carried]
        for stack, y in zip(stacks, results[carried:], strict=True):
            stack[t] = y
    return (*carry, *stacks)


KERNELS.update(graph_cond=graph_cond, graph_while=graph_while, graph_scan=graph_scan)


def explain(graph: Graph) -> str:
    """What a plan does, for people."""
    text: str = program_of(graph).explain()
    return text


def _peak(graph: Graph) -> int:
    """Most bytes of results alive at one time, counting every node's result as new."""
    last, alive, most = _last_uses(graph), 0, 0
    for i, node in enumerate(graph.nodes):
        alive += sum(map(_size, node.outputs))
        most = max(most, alive)
        made = {id(a): a for a in node.args if a.__class__ is Traced and last.get(id(a)) == i}
        alive -= sum(_size(a) for a in made.values() if not any(a is x for x in graph.inputs))
    return most


def _size(x: Traced) -> int:
    return int(np.prod(x.shape, dtype=np.int64)) * dtypes.to_numpy(x.dtype).itemsize
