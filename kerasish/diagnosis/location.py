"""Within a unit that an engine gets wrong: the first operation that is wrong on its own."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.contract import Engine
from kerasish.core.registry import engine_of, use_backend
from kerasish.diagnosis.examination import Examination, Verdict, feed_of, is_gradient
from kerasish.diagnosis.program import Program, float_outputs
from kerasish.diagnosis.units import Unit, overrides_of
from kerasish.diagnosis.walk import Settings, backwards, inside
from kerasish.diagnosis.wide import WideTensor, rounded, running


@dataclasses.dataclass
class Place:
    """An operation that an engine gets wrong.

    Attributes:
        name: The primitive or overridden composite; or what remains when no operation is wrong on its own.
        unit: Its unit, or None.
        verdict: What is wrong with it, or None.
        examination: Of the unit, or None.
    """

    name: str
    unit: Unit | None = None
    verdict: Verdict | None = None
    examination: Examination | None = None


def locate(examination: Examination, engine: Engine, verdict: Verdict, settings: Settings) -> Place:
    """The first operation of a unit that leaves its envelope on `engine`.

    Values are compared in the order of computation; if all are right, gradients, from the last operation to the first.
    """
    unit = examination.unit
    if unit.kind == "op":
        return Place(unit.label, unit, verdict, examination)
    if examination.compiled and not examination.judge(engine, compiled=False).wrong:
        return Place("compiled code: each operation by itself is right")
    differentiated = examination.feed.cotangents is not None
    accepts = acceptance(engine, differentiated=differentiated)
    program, cotangents = inside(examination, overrides_of(engine), accepts)
    values = any(not is_gradient(d) for d in verdict.deviations) or verdict.error is not None
    first = partial(_first_value, program, engine, settings, differentiated=differentiated)
    found = (first() if values else None) or _first_gradient(program, cotangents, engine, settings)
    if found is None and not values:
        found = first()
    return found or Place("control flow" if program.loops else "no operation by itself, the layer as a whole")


def _first_value(
    program: Program, engine: Engine, settings: Settings, *, differentiated: bool
) -> Place | None:
    for position, unit in enumerate(program.units):
        # Zeros for cotangents: an engine may have other ways to a value where a gradient is taken, as it was here.
        zeros = [rounded(np.zeros(program.spill.get(n).shape), d) for n, d in float_outputs(unit)]  # type: ignore[arg-type]
        feed = feed_of(unit, program.inputs(unit), {}, {}, zeros if differentiated else None)
        examination = Examination(
            unit, feed, samples=settings.samples, seed=settings.seed + position, compiled=False
        )
        verdict = examination.judge(engine)
        verdict.deviations = [d for d in verdict.deviations if not is_gradient(d)]
        if verdict.wrong:
            verdict.worst = max(verdict.deviations, key=lambda d: d.ratio, default=verdict.worst)
            return Place(unit.label, unit, verdict, examination)
    return None


def _first_gradient(program: Program, cotangents: Any, engine: Engine, settings: Settings) -> Place | None:
    eager = Settings(samples=settings.samples, seed=settings.seed, compiled=False, gradients=True)
    for _, examination in backwards(program, cotangents, eager, {}, {}):
        verdict = examination.judge(engine)
        if verdict.wrong:
            return Place(examination.unit.label, examination.unit, verdict, examination)
    return None


def acceptance(engine: Engine, *, differentiated: bool) -> Any:
    """Whether the engine's override takes a composite's arguments, found out by calling it on them.

    Args:
        engine: Whose override.
        differentiated: Whether it is called where a gradient is taken, as the unit itself was: an engine may have
            other ways there.
    """

    def accepts(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        def there(x: Any) -> Any:
            if not isinstance(x, WideTensor):
                return x
            return engine.asarray(x.numpy(), dtype=x.dtype, device=None)

        def is_moving(x: Any) -> bool:
            return engine.is_tensor(x) and dtypes.is_float(engine.dtype_of(x))

        with running(watch=None), use_backend(engine):
            given = trees.map_structure(there, (args, kwargs))
            taken = []

            def attempt(*moving: Any) -> Any:
                rest = iter(moving)
                filled, named = trees.map_structure(lambda x: next(rest) if is_moving(x) else x, given)
                override = engine_of(filled).overrides.get(name)
                try:
                    result = NotImplemented if override is None else override(*filled, **named)
                except Exception:  # it takes them, and fails: that is for the examination to find
                    result = None
                taken.append(result is not NotImplemented)
                return [], None

            moving = [x for x in trees.flatten(given) if is_moving(x)]
            if differentiated and moving:
                engine.vjp(attempt, moving)
            else:
                attempt(*moving)
        return taken[0]

    return accepts
