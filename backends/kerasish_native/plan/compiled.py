"""A graph compiled for running: NumPy arrays in, NumPy arrays out, one call into C++."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasish_native.plan import (  # noqa: F401  they fill the table of lowerings
    attention,
    lines,
    matrices,
    moving,
    sequences,
    windows,
)
from kerasish_native.plan.builder import Builder
from kerasish_native.trace import Graph


class CompiledProgram:
    """A graph as a C++ program.

    Args:
        graph: An optimized graph.
        kernels: The extension module.
    """

    def __init__(self, graph: Graph, kernels: Any) -> None:
        builder = Builder(graph, kernels)
        self._program = builder.program()
        self._inputs = builder.input_numbers
        self._brain = [i for i, n in enumerate(self._inputs) if graph.inputs[n].dtype == "bfloat16"]
        self._results: list[Any] = list(builder.results)
        self._outputs = builder.output_numbers
        self._is_plain = self._outputs == list(range(len(self._results)))
        self._steps: list[tuple[str, int, int]] = [
            (entry.label, entry.flops, sum(b.nbytes for b in (*entry.reads, *entry.writes)))
            for entry in builder.entries
        ]
        self._arena_bytes = builder.arena_bytes
        self._counts = (len(graph.nodes), len(graph.inputs), len(graph.outputs))
        self._constants = sum(b.nbytes for b, _ in builder.fusion.constants)

    def _given(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        arrays = [inputs[i] for i in self._inputs]
        for i in self._brain:
            arrays[i] = arrays[i].view(np.uint16)
        return arrays

    def profile(self, inputs: Sequence[np.ndarray], repeats: int = 10) -> list[tuple[float, str]]:
        """(seconds, what it is) of each step, in order: the fastest of some runs."""
        arrays = [np.ascontiguousarray(a) for a in self._given(inputs)]
        runs = [self._program.profile(arrays) for _ in range(repeats)]
        return [
            (min(times), label)
            for times, (label, _, _) in zip(zip(*runs, strict=True), self._steps, strict=True)
        ]

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Results for `inputs`."""
        arrays = self._given(inputs)
        try:
            made = self._program.run(arrays)
        except (BufferError, ValueError):  # some array is not in C order
            made = self._program.run([np.ascontiguousarray(a) for a in arrays])
        if self._is_plain:
            return made  # type: ignore[no-any-return]
        results = list(self._results)
        for number, array in zip(self._outputs, made, strict=True):
            results[number] = array
        return [inputs[r[0]].reshape(r[1]) if r.__class__ is tuple else r for r in results]

    def explain(self) -> str:
        """What runs, for people: each step with its operations and bytes, then totals."""
        nodes, inputs, outputs = self._counts
        flops, traffic = (sum(s[1] for s in self._steps), sum(s[2] for s in self._steps))
        rows = [
            f"{nodes} nodes in {len(self._steps)} steps, {inputs} inputs, {outputs} outputs",
            f"arena {self._arena_bytes:,} bytes, constants {self._constants:,} bytes",
            f"a run: {flops:,} operations, {traffic:,} bytes read and written by steps",
        ]
        fallbacks = Counter(label for label, *_ in self._steps if label.startswith("reference "))
        if fallbacks:
            rows.append("without a compiled kernel: " + ", ".join(f"{n} {c}" for n, c in fallbacks.items()))
        rows += [
            f"{i:5d}  {flops:>14,}  {size:>12,}  {label}"
            for i, (label, flops, size) in enumerate(self._steps)
        ]
        return "\n".join(rows)
