"""Faults to plant in an engine, for trying out what finds them: `kerasish.diff`, or a test of your own.

A fault replaces one operation of one engine, in one layer or everywhere, while a `with` block lasts. It leaves float64
alone: that is what references are made of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core import primitives as p
from kerasish.core.context import current_call
from kerasish.core.contract import Engine
from kerasish.core.convert import dtype_of, shape_of, to_tensor
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import TABLE, engine_of, get_engine

Operation = Callable[..., Any]
#: (original operation, args, keywords) -> result.
Fault = Callable[[Operation, tuple[Any, ...], dict[str, Any]], Any]


def gradient_scaled(factor: float = 1.5) -> Fault:
    """Values are right, gradients are multiplied by `factor`."""

    def one(y: Any) -> Any:
        if not dtypes.is_float(dtype_of(y)):
            return y
        return engine_of((y,)).custom_gradient(lambda x: ([x], lambda gs: [p.multiply(gs[0], factor)]), [y])[
            0
        ]

    return lambda original, args, keywords: _each(one, original(*args, **keywords))


def value_scaled(factor: float = 1.001) -> Fault:
    """Float results are multiplied by `factor`."""
    return lambda original, args, keywords: _each(
        lambda y: p.multiply(y, factor) if dtypes.is_float(dtype_of(y)) else y, original(*args, **keywords)
    )


def nan_injected(place: int = 0) -> Fault:
    """One element of each float result is NaN: that of number `place`, modulo the size."""

    def one(y: Any) -> Any:
        shape = shape_of(y)
        if not dtypes.is_float(dtype_of(y)) or 0 in shape:
            return y
        here = np.zeros(int(np.prod(shape)), bool)
        here[place % here.size] = True
        return p.where(to_tensor(here.reshape(shape), engine_of((y,))), float("nan"), y)

    return lambda original, args, keywords: _each(one, original(*args, **keywords))


def operands_shortened(bits: int = 10) -> Fault:
    """Float operands are rounded to `bits` bits after the leading one: 10 as in TF32, 7 as in bfloat16."""
    drop = 23 - bits

    def short(x: Any) -> Any:
        if not hasattr(x, "shape") or dtype_of(x) != "float32":
            return x
        words = p.bitcast(x, dtype="int32")
        words = p.left_shift(p.right_shift(p.add(words, 1 << (drop - 1)), drop), drop)
        # The gradient passes as if nothing had happened.
        return p.add(x, p.stop_gradient(p.subtract(p.bitcast(words, dtype="float32"), x)))

    return lambda original, args, keywords: original(*(short(x) for x in args), **keywords)


def padding_moved() -> Fault:
    """Windows begin one element too early along the first axis after the batch."""

    def fault(original: Operation, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        x, *rest = args
        shape = shape_of(x)
        pads = tuple((int(axis == 1), 0) for axis in range(len(shape)))
        moved = p.slice(
            p.pad(x, pads=pads, value=0.0), start=(0,) * len(shape), stop=tuple(shape), step=(1,) * len(shape)
        )
        return original(moved, *rest, **keywords)

    return fault


def epsilon_changed(factor: float = 10.0) -> Fault:
    """The keyword `epsilon` is multiplied by `factor`; or the small Python number that is the second operand."""

    def fault(original: Operation, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if "epsilon" in keywords:
            return original(*args, **{**keywords, "epsilon": keywords["epsilon"] * factor})
        if len(args) == 2 and isinstance(args[1], float) and 0.0 < args[1] < 0.1:
            return original(args[0], args[1] * factor, **keywords)
        return original(*args, **keywords)

    return fault


@dataclasses.dataclass
class Strikes:
    """What a planted fault hit.

    Attributes:
        count: How often the operation was replaced.
        overrides: Names of the composites within whose own implementation, forwards, that happened: seen from outside
            it is those that the engine gets wrong. Of nested ones, the outermost.
    """

    count: int = 0
    overrides: set[str] = dataclasses.field(default_factory=set)


@contextmanager
def planted(
    engine: str | Engine, operation: str, fault: Fault, *, where: str | None = None, inside: bool = True
) -> Iterator[Strikes]:
    """Plant a fault for a while.

    Args:
        engine: The engine, or its name.
        operation: Name of a primitive, or of a composite that the engine overrides.
        fault: What goes wrong.
        where: Path of a layer: only there. None: everywhere.
        inside: Whether layers inside of that layer are meant, too.

    Yields:
        What the fault has hit so far.

    Raises:
        ArgumentError: The engine has no such operation of its own.

    Example:
        >>> import kerasish
        >>> with planted("native", "exp", value_scaled(2.0)):
        ...     float(kerasish.ops.exp(np.zeros((), "float32")))
        2.0
    """
    chosen = get_engine(engine)
    tables = [t for t in _tables(chosen) if operation in t]
    if not tables:
        raise ArgumentError(
            f"The {chosen.name} engine has no operation of that name.", where="planted", received=operation
        )
    struck = Strikes()
    active = False
    entered = _Entered(struck)

    def faulty(original: Operation) -> Operation:
        def call(*args: Any, **keywords: Any) -> Any:
            nonlocal active
            if active or not _concerns(args, keywords, where, inside):
                return original(*args, **keywords)
            active = True  # the fault itself is made of operations, perhaps of this very one
            try:
                result = fault(original, args, keywords)
            finally:
                active = False
            struck.count += result is not NotImplemented
            return result

        return call

    with ExitStack() as stack:
        for table in tables:
            stack.callback(table.__setitem__, operation, table[operation])
            table[operation] = faulty(table[operation])
        for overrides in _overrides(chosen):
            for name in set(overrides) - {operation}:
                stack.callback(overrides.__setitem__, name, overrides[name])
                overrides[name] = entered.noting(name, overrides[name])
        yield struck


class _Entered:
    """Notes the overrides that a fault strikes within."""

    def __init__(self, struck: Strikes) -> None:
        self.struck = struck
        self.depth = 0

    def noting(self, name: str, override: Operation) -> Operation:
        """The override, which leaves its name if the fault strikes while it runs."""

        def call(*args: Any, **keywords: Any) -> Any:
            before, outermost = self.struck.count, self.depth == 0
            self.depth += 1
            try:
                result = override(*args, **keywords)
            finally:
                self.depth -= 1
            if outermost and self.struck.count > before and result is not NotImplemented:
                self.struck.overrides.add(name)
            return result

        return call


def _engines(engine: Engine) -> list[Engine]:
    """An engine, and its helpers that trace and differentiate."""
    helpers = {id(e): e for e in TABLE.values() if e is not None and e.supports("traced_host")}
    return [engine, *(helpers.values() if engine.supports("host") else ())]


def _tables(engine: Engine) -> list[dict[str, Operation]]:
    """An engine's operations, those of its helpers included."""
    return [*(e.primitives for e in _engines(engine)), *_overrides(engine)]


def _overrides(engine: Engine) -> list[dict[str, Operation]]:
    """An engine's overrides, those of its helpers included; a table that several share comes once."""
    return list({id(e.overrides): e.overrides for e in _engines(engine)}.values())


def _concerns(args: tuple[Any, ...], keywords: dict[str, Any], where: str | None, inside: bool) -> bool:
    """Whether a call computes with floats other than float64, in the layer meant."""
    leaves = [
        x
        for x in trees.flatten(list(args))
        if TABLE.get(x.__class__) is not None or isinstance(x, np.ndarray)
    ]
    floats = {d for x in leaves if dtypes.is_float(d := dtype_of(x))}
    if not floats or "float64" in floats or keywords.get("dtype") == "float64":
        return False
    if where is None:
        return True
    call = current_call()
    path = "/".join(call.path) if call is not None else ""
    return path == where or (inside and path.startswith(f"{where}/"))


def _each(one: Callable[[Any], Any], result: Any) -> Any:
    if result is NotImplemented:
        return result
    return trees.map_structure(lambda y: y if y is None else one(y), result)
