"""Units: the pieces a model is judged by, one layer or one operation each, run alone on any engine.

A unit knows how it was called; given arrays for its tensors it runs on an engine as training would run it, and gives
its results, the new values of the variables it assigns, and the gradients for given cotangents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core import primitives as declared
from kerasish.core.context import CallContext, entered
from kerasish.core.contract import Engine
from kerasish.core.dispatch import COMPOSITES
from kerasish.core.registry import TABLE, engine_of, use_backend
from kerasish.core.seeds import SeedGenerator
from kerasish.core.variable import Variable
from kerasish.diagnosis.wide import WideTensor


@dataclasses.dataclass(frozen=True)
class Slot:
    """The place of a unit's tensor within its arguments."""

    index: int


@dataclasses.dataclass
class Call:
    """How a unit was called, with `Slot`s in the place of tensors.

    Attributes:
        arguments: (args, kwargs).
        variables: What it may read or assign.
        generators: Seed generators it may draw from, and the number of the next draw of each.
        training, autocast, path: The facts of the call.
    """

    arguments: Any
    variables: list[Variable] = dataclasses.field(default_factory=list)
    generators: list[tuple[SeedGenerator, int]] = dataclasses.field(default_factory=list)
    training: bool | None = None
    autocast: str | None = None
    path: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Source:
    """Where a tensor that goes into a unit comes from: the number it was recorded under, or an array held here."""

    dtype: str
    number: int | None = None
    array: np.ndarray | None = None


@dataclasses.dataclass
class Unit:
    """One layer's call, or one operation.

    Attributes:
        kind: "layer" or "op".
        where: Path of the layer, or of the layer whose code called the operation.
        label: The layer's class, or the operation's name.
        body: Runs it, given the call with tensors filled in.
        call: How it was called.
        sources: Its tensors.
        outputs: (number, dtype) of each result; number None where the result is no tensor.
        layer: The layer, of a layer.
        occurrence: How often the same layer or operation came before.
    """

    kind: str
    where: str
    label: str
    body: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    call: Call
    sources: list[Source]
    outputs: list[tuple[int | None, str]] = dataclasses.field(default_factory=list)
    layer: Any = None
    occurrence: int = 0


@dataclasses.dataclass
class Outcome:
    """What a unit computed: name -> array. The reference's are float64.

    Attributes:
        values: Results and new values of variables.
        gradients: Of trained variables and float arguments; zeros where there is no dependence.
        dtypes: name -> declared dtype, of both.
        pulled: Index of a source -> name of its gradient.
    """

    values: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    dtypes: dict[str, str]
    pulled: dict[int, str]


@dataclasses.dataclass
class Feed:
    """Arrays to run a unit on: of its sources, variables and keys, and cotangents of its float results (or none)."""

    inputs: list[np.ndarray]
    variables: list[np.ndarray]
    keys: list[np.ndarray]
    cotangents: list[np.ndarray] | None = None


def run_primitive(name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """The body of a primitive's unit."""
    primitive = getattr(declared, name)
    return lambda args, kwargs: primitive(*args, **kwargs)


def overrides_of(engine: Engine) -> dict[str, Callable[..., Any]]:
    """The composites an engine has a way of its own for, those of its helpers that differentiate and trace included."""
    helpers = [e for e in TABLE.values() if e is not None and e.supports("traced_host")]
    found: dict[str, Callable[..., Any]] = {}
    for helper in helpers if engine.supports("host") else ():
        found |= helper.overrides
    return {**found, **engine.overrides}


def run_composite(name: str) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """The body of a composite's unit: the engine's override, if it has one and it accepts."""

    def body(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        override = engine_of(args).overrides.get(name)
        result = NotImplemented if override is None else override(*args, **kwargs)
        return COMPOSITES[name](*args, **kwargs) if result is NotImplemented else result

    return body


@contextmanager
def placed(variables: Sequence[Variable], engine: Engine, values: Sequence[Any]) -> Iterator[None]:
    """Let variables live on an engine, with these values, for a while. What is assigned meanwhile is forgotten."""
    before = [(v, v._value, v.engine) for v in variables]
    try:
        for variable, value in zip(variables, values, strict=True):
            variable._value, variable.engine = value, engine
        yield
    finally:
        for variable, value, home in before:
            variable._value, variable.engine = value, home


def evaluate(unit: Unit, engine: Engine, feed: Feed, *, compiled: bool = False) -> Outcome:
    """Run a unit on an engine."""
    names = _Names(unit)

    def tensors(arrays: Sequence[np.ndarray]) -> list[Any]:
        return [engine.asarray(a, dtype=dtypes.of_numpy(a.dtype), device=None) for a in arrays]

    def run(state: list[Any], inputs: list[Any], keys: list[Any], cotangents: Any) -> Any:
        return _differentiated(unit, engine, names, state, inputs, keys, cotangents)

    with use_backend(engine):
        state = tensors(feed.variables)
        cotangents = None if feed.cotangents is None else tensors(feed.cotangents)
        function = engine.compile(run) if compiled else run
        with placed(unit.call.variables, engine, state):
            values, slopes = function(state, tensors(feed.inputs), tensors(feed.keys), cotangents)
    return names.outcome(engine, values, slopes, feed)


def _differentiated(
    unit: Unit,
    engine: Engine,
    names: _Names,
    state: list[Any],
    inputs: list[Any],
    keys: list[Any],
    cotangents: Any,
) -> Any:
    """(values, gradients) as lists of tensors."""
    names.prepare(engine, inputs)
    if cotangents is None or not names.moving:
        floats, others = _forward(unit, engine, names, state, inputs, keys)
        return [*floats, *others], []
    chosen = [state[i] if of_state else inputs[i] for of_state, i in names.moving]

    def function(*given: Any) -> Any:
        state_now, inputs_now = list(state), list(inputs)
        for (of_state, i), x in zip(names.moving, given, strict=True):
            (state_now if of_state else inputs_now)[i] = x
        return _forward(unit, engine, names, state_now, inputs_now, keys)

    floats, others, pullback = engine.vjp(function, chosen)
    return [*floats, *others], list(pullback(list(cotangents))) if floats else []


def _forward(
    unit: Unit, engine: Engine, names: _Names, state: list[Any], inputs: list[Any], keys: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Results that gradients are taken of, and all others: integers, new values of variables."""
    call = unit.call
    context = CallContext(training=call.training)
    context.bindings = {id(v): x for v, x in zip(call.variables, state, strict=True)}
    context.draws = {id(g): [key, start] for (g, start), key in zip(call.generators, keys, strict=True)}
    context.autocast = call.autocast
    context.path = list(call.path)
    args, kwargs = trees.map_structure(
        lambda x: inputs[x.index] if isinstance(x, Slot) else x, call.arguments
    )
    with entered(context):
        result = unit.body(args, kwargs)
    updates = [
        (v, context.bindings[id(v)])
        for v, x in zip(call.variables, state, strict=True)
        if context.bindings[id(v)] is not x
    ]
    floats, others = names.sorted(engine, result, context.losses, updates)
    return floats, others


class _Names:
    """Which results, variables and arguments there are, and how reports call them."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.moving: list[tuple[bool, int]] = []
        self.floats: list[str] = []
        self.others: list[str] = []

    def prepare(self, engine: Engine, inputs: Sequence[Any]) -> None:
        """Find what gradients are taken by: (is a variable, index)."""
        variables = self.unit.call.variables
        self.moving = [
            (True, i) for i, v in enumerate(variables) if v.trainable and dtypes.is_float(v._dtype)
        ]
        self.moving += [(False, i) for i, x in enumerate(inputs) if dtypes.is_float(engine.dtype_of(x))]

    def sorted(self, engine: Engine, result: Any, losses: list[Any], updates: list[Any]) -> Any:
        """The tensors of a result in two lists; remembers their names."""
        leaves = trees.flatten(result)
        tensors = [x for x in leaves if engine.is_tensor(x) or TABLE.get(x.__class__) is not None]
        named = [("output" if len(leaves) == 1 else f"output {i}", x) for i, x in enumerate(tensors)]
        named += [("loss" if len(losses) == 1 else f"loss {i}", x) for i, x in enumerate(losses)]
        parts: tuple[list[Any], list[Any]] = [], []
        names: tuple[list[str], list[str]] = [], []
        for name, x in named:
            place = 0 if dtypes.is_float(engine_of((x,)).dtype_of(x)) else 1
            names[place].append(name)
            parts[place].append(x)
        for variable, value in updates:
            names[1].append(f"new value of {variable.path}")
            parts[1].append(value)
        self.floats, self.others = names
        return parts

    def outcome(self, engine: Engine, values: list[Any], gradients: list[Any], feed: Feed) -> Outcome:
        """Arrays under their names."""
        found: dict[str, np.ndarray] = {}
        slopes: dict[str, np.ndarray] = {}
        kinds: dict[str, str] = {}
        pulled: dict[int, str] = {}
        for name, x in zip([*self.floats, *self.others], values, strict=True):
            found[name], kinds[name] = _array(engine, x), engine.dtype_of(x)
        arrays = {True: feed.variables, False: feed.inputs}
        for (of_state, i), g in zip(self.moving, gradients, strict=False):
            name = self.gradient_name(of_state, i)
            kinds[name] = self.unit.call.variables[i]._dtype if of_state else self.unit.sources[i].dtype
            slopes[name] = np.zeros(arrays[of_state][i].shape) if g is None else _array(engine, g)
            if not of_state:
                pulled[i] = name
        return Outcome(found, slopes, kinds, pulled)

    def gradient_name(self, of_state: bool, index: int) -> str:
        """How reports call a gradient."""
        if of_state:
            return f"gradient of {self.unit.call.variables[index].path}"
        alone = sum(not of for of, _ in self.moving) == 1
        return "gradient of the input" if alone else f"gradient of input {index}"


def _array(engine: Engine, x: Any) -> np.ndarray:
    return x.value if isinstance(x, WideTensor) else engine.to_numpy(x)
