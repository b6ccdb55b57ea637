"""A model's run on the reference, written down as units in order: what goes in, what comes out.

Layers without layers inside are units; so are recurrent layers, layers whose code loops over tensors, and every
operation that the code of models and other layers calls by itself. Results are rounded to the dtype they are declared
in, so that each unit can be run again, on any engine, on exactly the same inputs; they wait in a `Spill`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.context import CallContext, current_call
from kerasish.core.dispatch import COMPOSITES
from kerasish.core.seeds import global_generator
from kerasish.diagnosis.spill import Spill
from kerasish.diagnosis.units import Call, Slot, Source, Unit, run_composite, run_primitive
from kerasish.diagnosis.wide import CONTROL, WideTensor, running, wide_engine
from kerasish.layers import RNN

Accepts = Callable[[str, tuple[Any, ...], dict[str, Any]], bool]


class NeedsWhole(Exception):
    """Control flow was met in the code of a layer with layers inside: that layer must be one unit."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer)
        self.layer = layer


@dataclasses.dataclass
class Program:
    """Units in order of computation, and the arrays between them.

    Attributes:
        units: The units.
        spill: Arrays by number.
        loops: Names of the control flow that was gone through.
        ends: Numbers of the tensors that are its results.
    """

    units: list[Unit]
    spill: Spill
    loops: set[str] = dataclasses.field(default_factory=set)
    ends: set[int] = dataclasses.field(default_factory=set)

    def inputs(self, unit: Unit) -> list[np.ndarray]:
        """The arrays that go into a unit, in their declared dtypes."""
        return [s.array if s.array is not None else self.spill.get(s.number) for s in unit.sources]  # type: ignore[arg-type]

    def used(self) -> list[bool]:
        """For each unit whether a result of the program depends on it."""
        wanted = set(self.ends)
        found: list[bool] = []
        for unit in reversed(self.units):
            found.append(any(number in wanted for number, _ in unit.outputs))
            if found[-1]:
                wanted |= {s.number for s in unit.sources if s.number is not None}
        return found[::-1]


class Recorder:
    """Stands between layers and their calls, and between code and primitives, while the reference runs.

    Args:
        spill: Where results go.
        composites: Names of composites that count as one operation.
        whole: ids of layers that are one unit though they have layers inside.
        inside: Whether to go into every layer, loops included: units are operations then.
        accepts: Asked whether a composite is to be one operation this time.
    """

    def __init__(
        self,
        spill: Spill,
        composites: Iterable[str],
        *,
        whole: frozenset[int] = frozenset(),
        inside: bool = False,
        accepts: Accepts | None = None,
    ) -> None:
        self.program = Program([], spill)
        self.composites = frozenset(composites)
        self._whole = whole
        self._inside = inside
        self._accepts = accepts
        self._stack: list[Any] = []
        self._seen: Counter[tuple[str, str]] = Counter()
        self._next = 0

    def run(self, function: Callable[[], Any], context: CallContext) -> Any:
        """Run a function on the reference, writing down its units."""
        context.observer = self.observe
        with running(watch=self.watch, composites=self.composites):
            return function()

    # -- layers ----------------------------------------------------------------------------------------------------
    def observe(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Instead of `layer.call`."""
        alone = not layer._sublayers or isinstance(layer, RNN) or id(layer) in self._whole
        if alone and not self._inside:
            return self._layer_unit(layer, args, kwargs)
        self._stack.append(layer)
        try:
            return layer.call(*args, **kwargs)
        finally:
            self._stack.pop()

    def _layer_unit(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        context = current_call()
        assert context is not None
        arguments, sources = self._slots((args, kwargs))
        draws = context.draws or {}
        generators = [g for g in [*layer.seed_generators, global_generator()] if id(g) in draws]
        call = Call(
            arguments,
            list({id(v): v for v in (*layer.variables, *layer.state_variables)}.values()),
            [(g, draws[id(g)][1]) for g in generators],
            context.training,
            context.autocast,
            list(context.path),
        )
        unit = Unit(
            "layer",
            "/".join(context.path),
            type(layer).__name__,
            lambda args, kwargs: layer.call(*args, **kwargs),
            call,
            sources,
            layer=layer,
        )
        before = len(context.losses)
        context.observer = None
        try:
            with running(watch=None):
                result = layer.call(*args, **kwargs)
        finally:
            context.observer = self.observe
        outputs = self._written(unit, result)
        context.losses[before:] = [self._written(unit, loss) for loss in context.losses[before:]]
        return outputs

    # -- operations ------------------------------------------------------------------------------------------------
    def watch(self, name: str, composite: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Instead of a primitive, or of a composite that some engine overrides."""
        if name in CONTROL:
            if not self._inside:
                raise NeedsWhole(self._stack[-1] if self._stack else None)
            self.program.loops.add(name)
            return wide_engine().execute(name, args, kwargs)
        if composite and self._accepts is not None and not self._accepts(name, args, kwargs):
            return NotImplemented
        context = current_call()
        path = list(context.path) if context is not None else []
        arguments, sources = self._slots((args, kwargs))
        body = run_composite(name) if composite else run_primitive(name)
        call = Call(arguments, path=path, training=context.training if context is not None else None)
        unit = Unit("op", "/".join(path), name, body, call, sources)
        with running(watch=None):
            run = COMPOSITES[name] if composite else partial(_execute, name)
            result = run(*args, **kwargs)
        return self._written(unit, result)

    # -- tensors ---------------------------------------------------------------------------------------------------
    def _slots(self, arguments: Any) -> tuple[Any, list[Source]]:
        sources: list[Source] = []

        def one(x: Any) -> Any:
            if not isinstance(x, WideTensor):
                return x
            held = None if x.number is not None else x.numpy()
            sources.append(Source(x.dtype, x.number, held))
            return Slot(len(sources) - 1)

        return trees.map_structure(one, arguments), sources

    def _written(self, unit: Unit, result: Any) -> Any:
        """Round and keep the results; what the code goes on with fetches them when they are needed."""
        if not self.program.units or self.program.units[-1] is not unit:
            unit.occurrence = self._seen[unit.where, unit.label]
            self._seen[unit.where, unit.label] += 1
            self.program.units.append(unit)
        spill = self.program.spill

        def one(x: Any) -> Any:
            if not isinstance(x, WideTensor):
                return x
            number = self._next
            self._next += 1
            spill.put(number, x.numpy())
            unit.outputs.append((number, x.dtype))
            kept = WideTensor(lambda: spill.get(number), x.dtype, x.shape)
            kept.number = number
            return kept

        return trees.map_structure(one, result)


def _execute(name: str, *args: Any, **kwargs: Any) -> Any:
    return wide_engine().execute(name, args, kwargs)


def float_outputs(unit: Unit) -> list[tuple[int | None, str]]:
    """Those results that gradients are taken of."""
    return [(number, dtype) for number, dtype in unit.outputs if dtypes.is_float(dtype)]
