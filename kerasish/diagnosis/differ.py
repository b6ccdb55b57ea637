"""`diff`: where do engines differ?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import trees
from kerasish.core.config import drawing_portably
from kerasish.core.contract import Engine
from kerasish.core.convert import to_tensor
from kerasish.core.errors import ArgumentError, KerasishError
from kerasish.core.registry import (
    available_backends,
    engine_infos,
    get_engine,
    host_engine,
)
from kerasish.diagnosis.causes import VAGUE, likely_cause
from kerasish.diagnosis.examination import Examination, Verdict, arrays, has_nan
from kerasish.diagnosis.location import Place, locate
from kerasish.diagnosis.ready import prepared
from kerasish.diagnosis.report import Diagnosis, Finding, Location, Row
from kerasish.diagnosis.training import Stepper, StepRow, compare_steps
from kerasish.diagnosis.units import overrides_of
from kerasish.diagnosis.walk import Settings, State, backwards, record
from kerasish.training.data.leaves import to_host_tree

EVERY_ENGINE = "every engine"
Progress = Callable[[int, int], None]


@drawing_portably()
def diff(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    backends: Sequence[str] | None = None,
    ops: bool = False,
    training: bool = True,
    gradients: bool = True,
    compiled: bool = True,
    train_steps: int = 0,
    samples: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Find the first layer in which an engine computes something else than the others.

    Every layer is run alone, on each engine and on a float64 reference, on the same inputs, weights, random keys and
    cotangents: forwards and backwards. What an engine gives must lie where rounding may take it; how far that is, is
    found by running the reference with rounding noise. So a fault shows in the layer that makes it and in no other,
    and a healthy engine is not accused for an ill-conditioned layer.

    The model's weights, random streams and engine are as before afterwards.

    Args:
        model: A built model or layer.
        x: Inputs, a tree of arrays: a few samples are enough. None: made up (standard normal numbers, small integers).
        y: Targets: gradients are then those of the compiled loss; else of made-up cotangents of the outputs.
        backends: Names of engines; default all that are installed.
        ops: Whether to name the first operation within the layer, too.
        training: Whether layers behave as in training.
        gradients: Whether gradients are compared.
        compiled: Whether engines compile each layer, as `fit` does; False runs them step by step.
        train_steps: Steps of training to compare before: the first that deviates is the one that is looked into.
            Needs `y` and a compiled model.
        samples: Noisy runs of the reference for each layer; suspicions are confirmed with more.
        seed: Of what is made up.
        progress: Called with (layers done, layers in all).

    Raises:
        ArgumentError: There is nothing to run the model on.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.Dense(2)])
        >>> diff(model, backends=["native"]).agree
        True
    """
    engines, missing = _engines(backends)
    inputs = prepared(model, x, seed)
    targets = None if y is None else to_host_tree(y, "y")
    steps: list[StepRow] = []
    weights: dict[int, Any] = {}
    if train_steps:
        stepper = Stepper(model, inputs, targets)
        steps, weights = compare_steps(stepper, engines, train_steps, samples=samples, seed=seed)
    state = State(model, weights)
    composites = {name for engine in engines for name in overrides_of(engine)}
    program, cotangents = record(model, inputs, _loss(model, targets), state, composites, training=training)
    settings = Settings(samples=samples, seed=seed, compiled=compiled, gradients=gradients)
    result = Diagnosis(getattr(model, "name", "model"), [e.name for e in engines], [], [], missing, steps)
    for position, examination in backwards(program, cotangents, settings, state.weights, state.keys):
        _examine(result, position, examination, engines, settings if ops else None)
        if progress is not None:
            progress(len(program.units) - position, len(program.units))
    result.rows.reverse()
    result.findings.sort(key=lambda f: f.position)
    result.skipped = len(program.units) - len(result.rows)
    program.spill.close()
    if steps and steps[-1].failed:
        _blame_update(result, model, len(program.units))
    return result


def _blame_update(result: Diagnosis, model: Any, position: int) -> None:
    """Where a step deviated but no layer does: the optimizer's update is what remains."""
    last = result.steps[-1]
    label = type(model.optimizer).__name__
    for engine, deviations in last.wrong.items():
        if deviations and not result.of(engine):
            cause = f"every layer of step {last.number} is right by itself: the optimizer's update is not"
            finding = Finding(engine, "optimizer", label, "optimizer", position, tuple(deviations), cause)
            result.findings.append(finding)


def _engines(names: Sequence[str] | None) -> tuple[list[Engine], dict[str, str]]:
    """The engines that can be had, and why the others cannot."""
    missing: dict[str, str] = {}
    found = []
    for name in dict.fromkeys(available_backends() if names is None else names):
        info = engine_infos().get(name)
        if info is not None and info.missing():
            missing[name] = f"not installed. Try: {info.install}"
            continue
        try:
            found.append(get_engine(name))
        except KerasishError:
            raise
        except Exception as error:  # a framework that cannot be imported raises whatever it likes
            hint = info.install if info is not None else ""
            missing[name] = f"cannot be loaded ({type(error).__name__}: {error}). Try: {hint}"
    if not found:
        raise ArgumentError(
            "None of the engines can be used.",
            where="diff",
            received=list(names or ()),
            hint="; ".join(f"{name}: {why}" for name, why in missing.items()),
        )
    return found, missing


def _loss(model: Any, targets: Any) -> Callable[[Any, Any], Any] | None:
    if targets is None:
        return None
    if not getattr(model, "compiled", False):
        raise ArgumentError(
            "Targets need a compiled model.", where="diff", hint="model.compile(...), or leave y out"
        )

    def loss(x: Any, outputs: Any) -> Any:
        y = trees.map_structure(lambda leaf: None if leaf is None else to_tensor(leaf), targets)
        return model.compute_loss(x=x, y=y, y_pred=outputs)

    return loss


# -- one unit ----------------------------------------------------------------------------------------------------------
def _examine(
    result: Diagnosis, position: int, examination: Examination, engines: list[Engine], ops: Settings | None
) -> None:
    unit = examination.unit
    verdicts = {engine.name: examination.judge(engine) for engine in engines}
    result.rows.append(
        Row(position, unit.where, unit.label, unit.kind, {name: v.worst for name, v in verdicts.items()})
    )
    if has_nan(list(examination.reference.values.values())):
        result.findings.append(
            Finding(
                EVERY_ENGINE, unit.where, unit.label, unit.kind, position, (), "NaN born here, in float64 too"
            )
        )
    odd = _odd_one_out(position, examination, verdicts)
    for engine in engines:
        verdict = verdicts[engine.name]
        if odd is not None and engine.name == odd.engine:
            result.findings.append(odd)
        elif verdict.wrong and odd is None:
            result.findings.append(_finding(position, examination, engine, verdict, ops))


def _finding(
    position: int, examination: Examination, engine: Engine, verdict: Verdict, ops: Settings | None
) -> Finding:
    unit = examination.unit
    place = None if ops is None else locate(examination, engine, verdict, ops)
    cause = "it could not run it" if verdict.outcome is None else _cause(examination, engine, verdict)
    if place is not None and place.unit is not unit:
        inner = _inner_cause(place, engine)
        cause = cause if inner is None else _joined(cause, inner, place.name)
    location = None
    if place is not None:
        location = Location(place.name)
        if place.unit is not None:
            worst = None if place.verdict is None or place.unit is unit else place.verdict.worst
            location = Location(place.name, place.unit.where, place.unit.occurrence, worst)
    return Finding(
        engine.name,
        unit.where,
        unit.label,
        unit.kind,
        position,
        tuple(verdict.deviations),
        cause,
        None if verdict.error is None else f"{type(verdict.error).__name__}: {verdict.error}"[:300],
        location,
    )


def _inner_cause(place: Place, engine: Engine) -> str | None:
    """The cause as the operation itself shows it."""
    verdict, examination = place.verdict, place.examination
    if verdict is None or examination is None or verdict.outcome is None:
        return None
    return _cause(examination, engine, verdict)


def _joined(outer: str, inner: str, operation: str) -> str:
    """The cause as the layer and as the operation within it show it: what says more, or both."""
    if VAGUE in outer or outer == inner:
        return inner
    return outer if VAGUE in inner else f"{outer}; {operation}: {inner}"


def _cause(examination: Examination, engine: Engine, verdict: Verdict) -> str:
    assert verdict.outcome is not None
    values = [d for d in verdict.deviations if not d.quantity.startswith("gradient")]
    worst = (values or verdict.deviations)[0]
    cause = likely_cause(examination, worst, arrays(verdict.outcome))
    if examination.compiled and not examination.judge(engine, compiled=False).wrong:
        cause += "; only in compiled code: step by step it is right"
    return cause


def _odd_one_out(position: int, examination: Examination, verdicts: dict[str, Verdict]) -> Finding | None:
    """The host engine's finding, where all others deviate from the reference and agree with each other.

    The reference is made of the host engine's primitives: a mistake that both share looks like everybody else's.
    """
    host = host_engine().name
    others = [v for name, v in verdicts.items() if name != host]
    mine = verdicts.get(host)
    if mine is None or mine.wrong or mine.outcome is None or len(others) < 2:
        return None
    outcomes = [v.outcome for v in others if v.deviations and v.outcome is not None]
    if len(outcomes) < len(others):
        return None
    shared = set.intersection(*({d.quantity for d in v.deviations} for v in others))
    deviations = []
    for name in sorted(shared & set(arrays(mine.outcome))):
        first, *rest = (arrays(o)[name] for o in outcomes)
        envelope = examination.envelope(name).around(first)
        if any((d := envelope.judge(name, r)) is not None and d.ratio >= 2.0 for r in rest):
            return None
        found = envelope.judge(name, arrays(mine.outcome)[name])
        if found is not None and found.ratio >= 1.0:
            deviations.append(found)
    if not deviations:
        return None
    unit = examination.unit
    cause = "all other engines agree with each other: it and the reference, which is built on it, are wrong"
    return Finding(host, unit.where, unit.label, unit.kind, position, tuple(deviations), cause)
