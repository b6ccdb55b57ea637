"""The one call context: what is true during a model's call, from training mode to the values variables are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kerasish.core.contract import Engine
from kerasish.core.primitive import ABSTRACT
from kerasish.core.registry import _scoped, current_engine


class CallContext:
    """Facts of the running call.

    Attributes:
        training: Whether layers behave as in training; None where nobody said.
        bindings: id(variable) -> value it stands for during the call (None: variables stand for themselves).
        assigned: id(variable) -> variable, for variables assigned within a call that captures them, else None.
        draws: id(seed generator) -> [key tensor, number of draws so far].
        masks: id(tensor) -> (tensor, mask); holds the tensor so that its id stays its own.
        autocast: Float dtype that float variables are read in, or None.
        losses: Penalties collected so far (add_loss, activity regularisers).
        path: Names of the layers being called, outermost first.
        abstract: Whether the call infers shapes only.
        engine: During an abstract call, the engine in force outside of it: variables are made there.
        observer: Stands between layers and their `call`: `observer(layer, args, kwargs) -> outputs`; None: nobody does.
    """

    __slots__ = (
        "abstract",
        "assigned",
        "autocast",
        "bindings",
        "draws",
        "engine",
        "losses",
        "masks",
        "observer",
        "path",
        "training",
    )

    def __init__(self, *, training: bool | None = None, abstract: bool = False) -> None:
        self.training = training
        self.bindings: dict[int, Any] | None = None
        self.assigned: dict[int, Any] | None = None
        self.draws: dict[int, list[Any]] | None = None
        self.masks: dict[int, tuple[Any, Any]] = {}
        self.autocast: str | None = None
        self.losses: list[Any] = []
        self.path: list[str] = []
        self.abstract = abstract
        self.engine: Engine | None = None
        self.observer: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any] | None = None

    def set_mask(self, tensor: Any, mask: Any) -> None:
        """Remember the mask of a tensor (None forgets it)."""
        if mask is None:
            self.masks.pop(id(tensor), None)
        else:
            self.masks[id(tensor)] = (tensor, mask)

    def get_mask(self, tensor: Any) -> Any:
        """The mask of a tensor, or None."""
        entry = self.masks.get(id(tensor))
        return None if entry is None else entry[1]


_CALL: ContextVar[CallContext | None] = ContextVar("kerasish_call", default=None)


def current_call() -> CallContext | None:
    """The running call, or None outside of any."""
    return _CALL.get()


@contextmanager
def entered(context: CallContext) -> Iterator[CallContext]:
    """Make `context` the running call for a while."""
    token = _CALL.set(context)
    try:
        yield context
    finally:
        _CALL.reset(token)


@contextmanager
def bind(
    variables: Iterable[Any],
    values: Iterable[Any],
    *,
    draws: dict[int, list[Any]] | None = None,
    training: bool | None = None,
) -> Iterator[CallContext]:
    """Let variables stand for `values`; what the code assigns to them is found in `context.bindings` afterwards.

    The variables themselves are not touched, whatever happens inside.
    """
    context = CallContext(training=training)
    context.bindings = {id(v): value for v, value in zip(variables, values, strict=True)}
    context.draws = draws
    with entered(context):
        yield context


@contextmanager
def abstract_call() -> Iterator[CallContext]:
    """Run what follows on abstract tensors; nested use keeps the outer call's facts."""
    outer = _CALL.get()
    context = CallContext(training=outer.training if outer else None, abstract=True)
    context.engine = engine_outside()
    if outer is not None:
        context.autocast = outer.autocast
        context.path = list(outer.path)
    engine_token = _scoped.set(ABSTRACT)
    call_token = _CALL.set(context)
    try:
        yield context
    finally:
        _CALL.reset(call_token)
        _scoped.reset(engine_token)


def engine_outside() -> Engine:
    """The engine in force, seen through abstract calls."""
    call = _CALL.get()
    if call is not None and call.abstract and call.engine is not None:
        return call.engine
    return current_engine()
