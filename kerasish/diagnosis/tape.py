"""The reference's tape: whole primitives as steps, pulled back one at a time by the host engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.core.registry import host_engine


@dataclasses.dataclass
class Entry:
    """One recorded step.

    Attributes:
        name: Of the primitive.
        run: From the inputs' arrays to the outputs' arrays; None for a step with a gradient of its own.
        pullback: That gradient, from cotangent tensors to gradient tensors.
        inputs: Tensors.
        outputs: Tensors; None where there was none.
    """

    name: str
    run: Callable[..., list[Any]] | None
    pullback: Callable[[list[Any]], list[Any]] | None
    inputs: list[Any]
    outputs: list[Any]


class Tape:
    """Steps that depend on the leaves, in order.

    Args:
        leaves: The tensors that gradients are wanted for.
    """

    def __init__(self, leaves: Sequence[Any]) -> None:
        self.entries: list[Entry] = []
        self._alive = {id(x) for x in leaves if dtypes.is_float(x.dtype)}

    def reaches(self, x: Any) -> bool:
        """Whether a tensor depends on a leaf."""
        return id(x) in self._alive

    def record(self, entry: Entry) -> None:
        """Keep a step if it depends on a leaf."""
        if any(map(self.reaches, entry.inputs)):
            self.entries.append(entry)
            self._alive |= {id(y) for y in entry.outputs if y is not None and dtypes.is_float(y.dtype)}


def gradients(
    engine: Any, tape: Tape, outputs: Sequence[Any], cotangents: Sequence[Any], leaves: Sequence[Any]
) -> list[Any]:
    """Gradients of the leaves; None where no output depends on them."""
    found: dict[int, Any] = {}
    for y, g in zip(outputs, cotangents, strict=True):
        if g is not None and tape.reaches(y):
            _add(engine, found, y, g)
    kept = {id(x) for x in leaves}
    for entry in reversed(tape.entries):
        gs = [
            (found.get if id(y) in kept else found.pop)(id(y), None) if y is not None else None
            for y in entry.outputs
        ]
        if any(g is not None for g in gs):
            for x, g in zip(entry.inputs, _pulled(engine, tape, entry, gs), strict=True):
                if g is not None:
                    _add(engine, found, x, g)
    return [found.get(id(x)) for x in leaves]


def _add(engine: Any, found: dict[int, Any], x: Any, g: Any) -> None:
    before = found.get(id(x))
    found[id(x)] = g if before is None else engine.execute("add", (before, g), {})


def _pulled(engine: Any, tape: Tape, entry: Entry, gs: list[Any]) -> list[Any]:
    """Cotangents of a step's inputs."""
    if entry.pullback is not None:
        filled = [_zeros(engine, y) if g is None else g for y, g in zip(entry.outputs, gs, strict=True)]
        return list(entry.pullback(filled))
    wanted = [i for i, x in enumerate(entry.inputs) if tape.reaches(x)]
    present = [i for i, g in enumerate(gs) if g is not None]
    count = len(entry.inputs)

    def backward(*arrays: Any) -> list[Any]:
        given = list(arrays[:count])

        def forward(*chosen: Any) -> Any:
            for i, x in zip(wanted, chosen, strict=True):
                given[i] = x
            results = entry.run(*given)  # type: ignore[misc]
            return [results[i] for i in present], None

        _, _, pullback = host_engine().vjp(forward, [arrays[i] for i in wanted])
        return list(pullback(list(arrays[count:])))

    arguments = [*entry.inputs, *(gs[i] for i in present)]
    pulled = engine.apply(
        f"gradient of {entry.name}", backward, arguments, [entry.inputs[i].dtype for i in wanted]
    )
    result: list[Any] = [None] * count
    for i, g in zip(wanted, pulled, strict=True):
        result[i] = g
    return result


def _zeros(engine: Any, y: Any) -> Any:
    return engine.asarray(np.zeros(y.shape), dtype=y.dtype, device=None)
