"""How a primitive is declared and called.

`@primitive` turns a shape rule into a callable: the decorated function *is* the declaration (signature, meaning in the
docstring, shape and dtype of the result in the body). Calling it runs the engine that owns the arguments.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from kerasish.core.abstract import AbstractEngine, spec_of
from kerasish.core.contract import Engine
from kerasish.core.errors import EngineError, KerasishError
from kerasish.core.registry import TABLE, current_engine, engine_of

#: name -> shape rule of every primitive.
RULES: dict[str, Callable[..., Any]] = {}
#: names of primitives that not every engine need provide, by group.
GROUPS: dict[str, set[str]] = {}
ABSTRACT = AbstractEngine(RULES)


def explain(
    name: str,
    engine: Engine,
    args: Any,
    keywords: Any,
    error: Exception,
    rule: Callable[..., Any] | None = None,
) -> KerasishError:
    """Turn an engine's exception into kerasish's: the shape rule knows what is wrong, else the engine is quoted."""
    if isinstance(error, KerasishError):
        return error
    rule = rule or RULES.get(name)
    if rule is not None:
        try:
            rule(*spec_of(engine, tuple(args)), **{k: spec_of(engine, v) for k, v in keywords.items()})
        except KerasishError as reason:
            return reason.at(name)
    text = str(error).strip().splitlines() or [""]
    return EngineError(
        f"The {engine.name} engine could not run it: {type(error).__name__}: {text[0][:160]}",
        where=name,
        received=", ".join(repr(a) for a in spec_of(engine, tuple(args)))[:100],
    )


def primitive(
    rule: Callable[..., Any] | None = None, *, group: str | None = None, runs_user_code: bool = False
) -> Callable[..., Any]:
    """Declare a primitive by its shape rule.

    Args:
        rule: The declaration.
        group: A group of primitives that an engine may lack as a whole.
        runs_user_code: Whether it calls functions it is given; their exceptions then pass unchanged.
    """
    if rule is None:
        return functools.partial(primitive, group=group, runs_user_code=runs_user_code)
    name = rule.__name__
    RULES[name] = rule
    if group:
        GROUPS.setdefault(group, set()).add(name)

    @functools.wraps(rule)
    def call(*args: Any, **keywords: Any) -> Any:
        kind = args[0].__class__
        engine = TABLE.get(kind)
        if engine is None or (
            len(args) > 1 and (len(args) > 2 or args[1].__class__ not in (kind, float, int))
        ):
            engine = engine_of(args)
        try:
            return engine.primitives[name](*args, **keywords)
        except Exception as error:
            if runs_user_code:  # what a user's function raises is the user's to see
                raise
            found = explain(name, engine, args, keywords, error)
            if found is error:
                raise
            raise found from None

    call.rule = rule  # type: ignore[attr-defined]
    call.signature = inspect.signature(rule)  # type: ignore[attr-defined]
    return call


def creator(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a primitive without tensor arguments: the engine in force makes the result."""
    name = rule.__name__
    RULES[name] = rule

    @functools.wraps(rule)
    def call(*args: Any, **keywords: Any) -> Any:
        engine = current_engine()
        try:
            return engine.primitives[name](*args, **keywords)
        except Exception as error:
            found = explain(name, engine, args, keywords, error)
            if found is error:
                raise
            raise found from None

    call.rule = rule  # type: ignore[attr-defined]
    call.signature = inspect.signature(rule)  # type: ignore[attr-defined]
    return call
