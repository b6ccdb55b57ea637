"""`@op` makes a function of `kerasish.ops`; `@overridable` marks composites an engine may know a faster way for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from kerasish.core.errors import KerasishError
from kerasish.core.operators import OPERATIONS
from kerasish.core.primitive import explain
from kerasish.core.registry import TABLE, engine_of
from kerasish.core.symbolic import Operation, SymbolicTensor, has_symbolic, record

F = TypeVar("F", bound=Callable[..., Any])

#: name -> composite body of everything an engine may override.
COMPOSITES: dict[str, Callable[..., Any]] = {}
_NESTED = (list, tuple, dict)


def _any_symbolic(values: Any) -> bool:
    for x in values:
        kind = x.__class__
        if kind is SymbolicTensor or (kind in _NESTED and has_symbolic(x)):
            return True
    return False


def op(function: F) -> F:
    """A public operation: records one node on symbolic tensors, names itself in errors, serves operators by name."""
    name = function.__name__
    operation = Operation(name, function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _any_symbolic(args) or (kwargs and _any_symbolic(kwargs.values())):
            return record(operation, args, kwargs)
        try:
            return function(*args, **kwargs)
        except KerasishError as error:
            raise error.at(f"ops.{name}") from None

    OPERATIONS[name] = call
    return cast(F, call)


def overridable(composite: F) -> F:
    """A composite over tensors of one engine, arguments normalised; runs the engine's override of that name if any."""
    name = composite.__name__.lstrip("_")
    COMPOSITES[name] = composite

    @functools.wraps(composite)
    def call(*args: Any, **kwargs: Any) -> Any:
        engine = TABLE.get(args[0].__class__)
        if engine is None or len(args) > 1:
            engine = engine_of(args)
        override = engine.overrides.get(name)
        if override is not None:
            try:
                result = override(*args, **kwargs)
            except Exception as error:
                raise explain(name, engine, args, kwargs, error, composite) from None
            if result is not NotImplemented:
                return result
        return composite(*args, **kwargs)

    call.composite = composite  # type: ignore[attr-defined]
    return cast(F, call)
