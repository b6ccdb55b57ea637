"""Within a unit that an engine gets wrong: the first operation that is wrong on its own."""

from __future__ import annotations

import dataclasses
from typing import Any

from kerasish.core import trees
from kerasish.core.contract import Engine
from kerasish.core.registry import use_backend
from kerasish.diagnosis.examination import Examination, Verdict, feed_of, is_gradient
from kerasish.diagnosis.program import Program
from kerasish.diagnosis.units import Unit, overrides_of
from kerasish.diagnosis.walk import Settings, backwards, inside
from kerasish.diagnosis.wide import WideTensor, running


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
    program, cotangents = inside(examination, overrides_of(engine), acceptance(engine))
    values = any(not is_gradient(d) for d in verdict.deviations) or verdict.error is not None
    found = (_first_value(program, engine, settings) if values else None) or _first_gradient(
        program, cotangents, engine, settings
    )
    if found is None and not values:
        found = _first_value(program, engine, settings)
    return found or Place("control flow" if program.loops else "no operation by itself, the layer as a whole")


def _first_value(program: Program, engine: Engine, settings: Settings) -> Place | None:
    for position, unit in enumerate(program.units):
        feed = feed_of(unit, program.inputs(unit), {}, {}, None)
        examination = Examination(
            unit, feed, samples=settings.samples, seed=settings.seed + position, compiled=False
        )
        verdict = examination.judge(engine)
        if verdict.wrong:
            return Place(unit.label, unit, verdict, examination)
    return None


def _first_gradient(program: Program, cotangents: Any, engine: Engine, settings: Settings) -> Place | None:
    eager = Settings(samples=settings.samples, seed=settings.seed, compiled=False, gradients=True)
    for _, examination in backwards(program, cotangents, eager, {}, {}):
        verdict = examination.judge(engine)
        if verdict.wrong:
            return Place(examination.unit.label, examination.unit, verdict, examination)
    return None


def acceptance(engine: Engine) -> Any:
    """Whether the engine's override takes a composite's arguments, found out by calling it on them."""
    overrides = overrides_of(engine)

    def accepts(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        def there(x: Any) -> Any:
            if not isinstance(x, WideTensor):
                return x
            return engine.asarray(x.numpy(), dtype=x.dtype, device=None)

        with running(watch=None), use_backend(engine):
            given, named = trees.map_structure(there, (args, kwargs))
            try:
                return overrides[name](*given, **named) is not NotImplemented
            except Exception:  # it takes them, and fails: that is for the examination to find
                return True

    return accepts
