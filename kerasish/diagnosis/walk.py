"""The walk over a program: forwards once to write it down, backwards to judge every unit with its real cotangents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.context import CallContext, entered
from kerasish.core.registry import use_backend
from kerasish.core.seeds import global_generator
from kerasish.diagnosis.examination import Examination, feed_of, has_nan
from kerasish.diagnosis.program import NeedsWhole, Program, Recorder, float_outputs
from kerasish.diagnosis.spill import Spill
from kerasish.diagnosis.units import Slot, Unit, placed
from kerasish.diagnosis.wide import WideTensor, rounded, wide_engine

Cotangents = dict[int, np.ndarray]


class Settings:
    """What all examinations of a diagnosis share.

    Args:
        samples: Noisy runs of the reference.
        seed: Of noise and of made-up cotangents.
        compiled: Whether engines compile layers.
        gradients: Whether gradients are compared.
    """

    def __init__(self, *, samples: int, seed: int, compiled: bool, gradients: bool) -> None:
        self.samples = samples
        self.seed = seed
        self.compiled = compiled
        self.gradients = gradients


class State:
    """The arrays a model stands for: variables and random keys, by id; taken once, on the host.

    Args:
        model: A layer or model.
        weights: Values to take instead of the present ones, by id of the variable.
    """

    def __init__(self, model: Any, weights: Mapping[int, np.ndarray]) -> None:
        variables = (*model.variables, *model.state_variables)
        self.variables = list({id(v): v for v in variables}.values())
        self.weights = {
            id(v): weights[id(v)] if id(v) in weights else np.asarray(v.engine.to_numpy(v._value))
            for v in self.variables
        }
        self.generators = [*model.seed_generators, global_generator()]
        before = [g.state for g in self.generators]
        self.keys = {id(g): g.step_key() for g in self.generators}
        for generator, state in zip(self.generators, before, strict=True):
            generator.set_state(state)

    @contextmanager
    def on_reference(self) -> Iterator[dict[int, list[Any]]]:
        """Variables live on the reference for a while; gives the draws of a call there."""
        engine = wide_engine()
        values = [WideTensor(self.weights[id(v)], v._dtype) for v in self.variables]
        draws = {key: [WideTensor(words, "uint32"), 0] for key, words in self.keys.items()}
        with use_backend(engine), placed(self.variables, engine, values):
            yield draws


def record(
    model: Any,
    x: Any,
    loss: Callable[[Any, Any], Any] | None,
    state: State,
    composites: Any,
    *,
    training: bool,
) -> tuple[Program, Cotangents]:
    """The program of a model's call on `x` (a tree of arrays), and the cotangents it begins with at its end.

    Args:
        model: A layer or model.
        x: Its input, host arrays.
        loss: `(x, outputs) -> scalar`; None: made-up cotangents for every output.
        state: The model's arrays.
        composites: Names of composites that count as one operation.
        training: The training flag.
    """
    whole: frozenset[int] = frozenset()
    while True:
        recorder = Recorder(Spill(), composites, whole=whole)
        try:
            return recorder.program, _recorded(recorder, model, x, loss, state, training)
        except NeedsWhole as request:
            layer = request.layer if request.layer is not None else model
            whole |= {id(layer)}


def _recorded(
    recorder: Recorder,
    model: Any,
    x: Any,
    loss: Callable[[Any, Any], Any] | None,
    state: State,
    training: bool,
) -> Cotangents:
    with state.on_reference() as draws:
        context = CallContext(training=training)
        context.bindings, context.assigned, context.draws = {}, {}, draws
        inputs = trees.map_structure(_wide, x)

        def run() -> tuple[list[Any], list[Any]]:
            outputs = model(inputs, training=training)
            if loss is None:
                return trees.flatten(outputs), list(context.losses)
            context.path = ["loss"]
            return [], [loss(inputs, outputs)]

        with entered(context):
            outputs, losses = recorder.run(run, context)
    noise = np.random.default_rng(0)
    found: Cotangents = {}
    recorder.program.ends = numbers([*outputs, *losses])
    for y in outputs:
        if isinstance(y, WideTensor) and y.number is not None and dtypes.is_float(y.dtype):
            _add(found, y.number, noise.standard_normal(y.shape))
    for y in losses:
        if isinstance(y, WideTensor) and y.number is not None:
            _add(found, y.number, np.ones(y.shape))
    return found


def numbers(tensors: Sequence[Any]) -> set[int]:
    """The numbers that recorded tensors have."""
    return {x.number for x in tensors if isinstance(x, WideTensor) and x.number is not None}


def _wide(leaf: Any) -> Any:
    return WideTensor(leaf, dtypes.of_numpy(leaf.dtype)) if isinstance(leaf, np.ndarray) else leaf


def _add(found: Cotangents, number: int, g: np.ndarray) -> None:
    found[number] = found[number] + g if number in found else np.asarray(g, np.float64)


def backwards(
    program: Program,
    cotangents: Cotangents,
    settings: Settings,
    weights: Mapping[int, np.ndarray],
    keys: Mapping[int, np.ndarray],
) -> Iterator[tuple[int, Examination]]:
    """Every unit from the last to the first, on its inputs and the cotangents that reach it.

    Units whose inputs hold NaN are left out: they cannot be judged. Where no cotangent reaches a unit, or only zeros
    do, made-up ones show its gradient all the same.
    """
    for position in reversed(range(len(program.units))):
        unit = program.units[position]
        inputs = program.inputs(unit)
        real, given = _cotangents(unit, cotangents, settings, position, program)
        if has_nan([a for a in inputs if dtypes.is_float(dtypes.of_numpy(a.dtype))]):
            continue
        feed = feed_of(unit, inputs, keys, weights, given)
        seed = settings.seed * 1_000_003 + position
        compiled = settings.compiled and unit.kind == "layer"
        examination = Examination(unit, feed, samples=settings.samples, seed=seed, compiled=compiled)
        examination.real = real
        if real:
            _pass_on(unit, examination, cotangents)
        yield position, examination


def _cotangents(
    unit: Unit, found: Cotangents, settings: Settings, position: int, program: Program
) -> tuple[bool, list[np.ndarray] | None]:
    """(whether they are real, the cotangents of the unit's float results in their dtypes)."""
    outputs = float_outputs(unit)
    reached = [found.pop(number, None) for number, _ in outputs]  # type: ignore[arg-type]
    if not settings.gradients or not outputs:
        return False, None
    usable = [g for g in reached if g is not None and np.isfinite(g).all()]
    if usable and any(g.any() for g in usable):
        given = [
            np.zeros(program.spill.get(number).shape) if g is None or not np.isfinite(g).all() else g  # type: ignore[arg-type]
            for (number, _), g in zip(outputs, reached, strict=True)
        ]
        return True, [rounded(g, dtype) for (_, dtype), g in zip(outputs, given, strict=True)]
    noise = np.random.default_rng((settings.seed, position))
    shapes = [program.spill.get(number).shape for number, _ in outputs]  # type: ignore[arg-type]
    made_up = [noise.standard_normal(shape) for shape in shapes]
    return False, [rounded(g, dtype) for (_, dtype), g in zip(outputs, made_up, strict=True)]


def _pass_on(unit: Unit, examination: Examination, cotangents: Cotangents) -> None:
    reference = examination.reference
    for index, name in reference.pulled.items():
        number = unit.sources[index].number
        if number is not None:
            _add(cotangents, number, reference.gradients[name])


def inside(examination: Examination, composites: Any, accepts: Any) -> tuple[Program, Cotangents]:
    """The program of a unit's own operations, and the cotangents at its end."""
    unit, feed = examination.unit, examination.feed
    call, engine = unit.call, wide_engine()
    recorder = Recorder(Spill(), composites, inside=True, accepts=accepts)
    context = CallContext(training=call.training)
    values = [WideTensor(a, v._dtype) for v, a in zip(call.variables, feed.variables, strict=True)]
    context.bindings = {id(v): x for v, x in zip(call.variables, values, strict=True)}
    context.draws = {
        id(g): [WideTensor(key, "uint32"), start]
        for (g, start), key in zip(call.generators, feed.keys, strict=True)
    }
    context.autocast, context.path = call.autocast, list(call.path)
    inputs = [WideTensor(a, dtypes.of_numpy(a.dtype)) for a in feed.inputs]
    args, kwargs = trees.map_structure(
        lambda x: inputs[x.index] if isinstance(x, Slot) else x, call.arguments
    )
    with use_backend(engine), placed(call.variables, engine, values), entered(context):
        result = recorder.run(lambda: unit.body(args, kwargs), context)
    assigned = [context.bindings[id(v)] for v in call.variables]
    ends = [x for x in [*trees.flatten(result), *context.losses] if isinstance(x, WideTensor)]
    recorder.program.ends = numbers([*ends, *assigned])
    floats = [x for x in ends if dtypes.is_float(x.dtype)]
    found: Cotangents = {}
    for y, g in zip(floats, feed.cotangents or (), strict=False):
        if y.number is not None:
            _add(found, y.number, g.astype(np.float64))
    return recorder.program, found
