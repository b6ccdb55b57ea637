"""Misspelt keyword arguments of `compile`, `fit`, `evaluate` and `predict` are told from their nearest name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from kerasish.core.errors import UnknownKeywordError

F = TypeVar("F", bound=Callable[..., Any])
#: What models of Keras' older versions hand on.
_ACCEPTED = frozenset({"_use_cached_eval_dataset"})


def suggesting(method: F) -> F:
    """The method of a model; a keyword that it does not have is an error that names the nearest one it has.

    Raises:
        UnknownKeywordError: An argument has no such name.
    """
    _, *parameters = inspect.signature(method).parameters.values()
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    known = frozenset(names) | _ACCEPTED

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= known:
            wrong = next(name for name in kwargs if name not in known)
            raise UnknownKeywordError.of("argument", wrong, names, where=f"model.{method.__name__}")
        return method(self, *args, **kwargs)

    return cast(F, call)
