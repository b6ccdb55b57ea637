"""`CallbackList`: hands each event to the callbacks that listen to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from kerasish.core import trees
from kerasish.core.errors import ArgumentError
from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.history import History
from kerasish.training.callbacks.progress import ProgbarLogger

_EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class CallbackList:
    """Callbacks, and the two that are always there.

    Args:
        callbacks: A callback, a list of them, or None.
        add_history: Whether to add a `History` and keep it as `model.history`.
        add_progbar: Whether to add a progress bar.
        model: Handed to each callback.
        params: Handed to each callback: verbose, epochs, steps.

    Example:
        >>> import kerasish
        >>> shown = kerasish.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print("epoch", epoch))
        >>> CallbackList(shown).on_epoch_begin(3)
        epoch 3
    """

    # Made below, one for each event.
    on_train_begin: Callable[..., None]
    on_train_end: Callable[..., None]
    on_epoch_begin: Callable[..., None]
    on_epoch_end: Callable[..., None]
    on_train_batch_begin: Callable[..., None]
    on_train_batch_end: Callable[..., None]
    on_test_begin: Callable[..., None]
    on_test_end: Callable[..., None]
    on_test_batch_begin: Callable[..., None]
    on_test_batch_end: Callable[..., None]
    on_predict_begin: Callable[..., None]
    on_predict_end: Callable[..., None]
    on_predict_batch_begin: Callable[..., None]
    on_predict_batch_end: Callable[..., None]

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = [] if callbacks is None else trees.flatten(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ArgumentError(
                    "Callbacks must be instances of kerasish.callbacks.Callback.",
                    received=repr(callback)[:80],
                    hint="create it: EarlyStopping(), not EarlyStopping"
                    if isinstance(callback, type)
                    else None,
                )
        if add_progbar and not any(isinstance(c, ProgbarLogger) for c in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if add_history:
            history = next((c for c in self.callbacks if isinstance(c, History)), None) or History()
            if history not in self.callbacks:
                self.callbacks.append(history)
            if model is not None:
                model.history = history
        self._listeners = {event: self._who_listens(event) for event in _EVENTS}
        self.set_params(params)
        if model is not None:
            self.set_model(model)

    def _who_listens(self, event: str) -> list[Callable[..., None]]:
        aliases = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}
        names = [event, aliases.get(event, event)]
        callbacks = self.callbacks
        if event in ("on_epoch_end", "on_train_batch_end"):
            callbacks = sorted(callbacks, key=lambda c: c.comes_last)
        return [
            getattr(c, event)
            for c in callbacks
            if any(getattr(type(c), n) is not getattr(Callback, n) or n in vars(c) for n in names)
        ]

    def states(self) -> dict[str, Any]:
        """What callbacks remember, by class and number of the callback."""
        return {name: c.get_state() for name, c in self._by_name().items() if c.remembered}

    def restore(self, states: dict[str, Any]) -> None:
        """Put back what `states` gave, where the same callbacks are there again."""
        for name, callback in self._by_name().items():
            if name in states:
                callback.set_state(states[name])

    def _by_name(self) -> dict[str, Callback]:
        found: dict[str, Callback] = {}
        for callback in self.callbacks:
            kind = type(callback).__name__
            number = sum(name.rpartition(":")[0] == kind for name in found)
            found[f"{kind}:{number}"] = callback
        return found

    def append(self, callback: Callback) -> None:
        """Add a callback."""
        self.callbacks.append(callback)
        self._listeners = {event: self._who_listens(event) for event in _EVENTS}

    def set_params(self, params: dict[str, Any]) -> None:
        """Hand parameters to all."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Hand the model to all."""
        for callback in self.callbacks:
            callback.set_model(model)


def _forward(event: str) -> Callable[..., None]:
    count = len(inspect.signature(getattr(Callback, event)).parameters) - 1

    def notify(self: CallbackList, *args: Any) -> None:
        listeners = self._listeners[event]
        if listeners and len(args) < count:
            args = (*args, {})  # users' methods may name `logs` without a default
        for listener in listeners:
            listener(*args)

    notify.__name__ = event
    notify.__doc__ = f"Hand `{event}` on."
    return notify


for _event in _EVENTS:
    setattr(CallbackList, _event, _forward(_event))
