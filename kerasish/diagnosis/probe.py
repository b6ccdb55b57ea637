"""What a model is made of on an engine, and what it gives there: operations by layer, results bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes
from kerasish.core.config import drawing_portably
from kerasish.core.contract import Engine
from kerasish.core.registry import get_engine
from kerasish.diagnosis.examination import Examination, arrays
from kerasish.diagnosis.location import acceptance
from kerasish.diagnosis.ready import prepared
from kerasish.diagnosis.units import Outcome, Unit, evaluate, overrides_of
from kerasish.diagnosis.walk import Settings, State, backwards, inside, record

_QUICK = Settings(samples=0, seed=0, compiled=False, gradients=True)


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a model.

    Attributes:
        name: The primitive, or the composite that the engine overrides.
        layer: Path of the layer that `diff` would name for it.
        where: Path of the layer whose code calls it.
        floating: Whether it makes floats from floats.
        differentiated: Whether a gradient goes through it.
        has_epsilon: Whether it takes a small number that keeps it finite.
        used: Whether a result of the layer depends on it.
    """

    name: str
    layer: str
    where: str
    floating: bool
    differentiated: bool
    has_epsilon: bool
    used: bool


def operations(model: Any, x: Any = None, *, engine: str | Engine) -> list[Operation]:
    """All operations of a model's call in training, as `engine` would run them.

    Args:
        model: A built model or layer.
        x: Inputs; None: made up.
        engine: Its overrides decide which composites are one operation.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.ReLU()], name="m")
        >>> {op.layer for op in operations(model, engine="native")}
        {'m/re_lu'}
    """
    chosen = get_engine(engine)
    composites = overrides_of(chosen)
    inputs = prepared(model, x, seed=0)
    state = State(model, {})
    program, cotangents = record(model, inputs, None, state, composites, training=True)
    found: list[list[Operation]] = []
    for _, examination in backwards(program, cotangents, _QUICK, state.weights, state.keys):
        unit = examination.unit
        if unit.kind == "op":
            found.append([_described(unit, unit.where, examination, used=True)])
            continue
        part, ends = inside(examination, composites, acceptance(chosen, differentiated=True))
        used = part.used()
        within = [
            _described(e.unit, unit.where, e, used=used[i]) for i, e in backwards(part, ends, _QUICK, {}, {})
        ]
        found.append(within[::-1])
    return [operation for group in reversed(found) for operation in group]


@drawing_portably()
def outcomes(model: Any, x: Any = None, *, engine: str | Engine, where: str, seed: int = 0) -> list[Outcome]:
    """Results, new values of variables and gradients of a layer alone on an engine, as `diff` runs it step by step.

    Args:
        model: A built model or layer.
        x: Inputs; None: made up.
        engine: Where it is run.
        where: Path of the layer; of a layer with code of its own, every operation of that code is an outcome.
        seed: Of what is made up.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.ReLU()], name="m")
        >>> [sorted(o.gradients) for o in outcomes(model, engine="native", where="m/re_lu")]
        [['gradient of the input']]
    """
    chosen = get_engine(engine)
    state = State(model, {})
    program, cotangents = record(
        model, prepared(model, x, seed), None, state, overrides_of(chosen), training=True
    )
    settings = Settings(samples=0, seed=seed, compiled=False, gradients=True)
    return [
        evaluate(examination.unit, chosen, examination.feed)
        for _, examination in backwards(program, cotangents, settings, state.weights, state.keys)
        if examination.unit.where == where
    ]


def same_bits(one: Sequence[Outcome], two: Sequence[Outcome]) -> bool:
    """Whether two lists of outcomes hold the same arrays, bit for bit.

    Example:
        >>> same_bits([], [])
        True
    """

    def held(found: Sequence[Outcome]) -> list[Any]:
        return [
            {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays(outcome).items()}
            for outcome in found
        ]

    return held(one) == held(two)


def _described(unit: Unit, layer: str, examination: Examination, *, used: bool) -> Operation:
    args, kwargs = unit.call.arguments
    small = unit.label == "add" and isinstance(args[-1], float) and 0.0 < args[-1] < 0.1
    return Operation(
        unit.label,
        layer,
        unit.where,
        any(dtypes.is_float(s.dtype) for s in unit.sources)
        and any(dtypes.is_float(d) for _, d in unit.outputs),
        examination.real and any(bool(g.any()) for g in examination.reference.gradients.values()),
        "epsilon" in kwargs or small,
        used,
    )
