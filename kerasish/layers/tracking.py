"""Which variables, layers, metrics and seed generators an object owns: noticed when they are set as attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kerasish.core.seeds import SeedGenerator
from kerasish.core.variable import Structure, Variable


class TrackedList(list[Any]):
    """A list that tells its owner what is put in and taken out."""

    def __init__(self, values: Any, owner: Trackable) -> None:
        self._owner = owner
        super().__init__(owner.track(v) for v in values)

    def append(self, value: Any) -> None:
        super().append(self._owner.track(value))

    def insert(self, index: Any, value: Any) -> None:
        super().insert(index, self._owner.track(value))

    def extend(self, values: Any) -> None:
        super().extend([self._owner.track(v) for v in values])

    def __setitem__(self, index: Any, value: Any) -> None:
        old = self[index]
        if isinstance(index, slice):
            super().__setitem__(index, [self._owner.track(v) for v in value])
        else:
            super().__setitem__(index, self._owner.track(value))
        self._owner.forget(old)

    def __delitem__(self, index: Any) -> None:
        old = self[index]
        super().__delitem__(index)
        self._owner.forget(old)

    def __iadd__(self, values: Any) -> TrackedList:  # type: ignore[override,misc]
        self.extend(values)
        return self

    def pop(self, index: Any = -1) -> Any:
        value = super().pop(index)
        self._owner.forget(value)
        return value

    def remove(self, value: Any) -> None:
        super().remove(value)
        self._owner.forget(value)

    def clear(self) -> None:
        del self[:]

    def __reduce__(self) -> Any:
        return list, (list(self),)


class TrackedDict(dict[Any, Any]):
    """A dict that tells its owner what is put in and taken out."""

    def __init__(self, values: Any, owner: Trackable) -> None:
        self._owner = owner
        super().__init__({k: owner.track(v) for k, v in values.items()})

    def __setitem__(self, key: Any, value: Any) -> None:
        old = self.get(key)
        super().__setitem__(key, self._owner.track(value))
        self._owner.forget(old)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *args: Any) -> Any:
        value = super().pop(*args)
        self._owner.forget(value)
        return value

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


_PLAIN = frozenset({int, float, str, bool, type(None), bytes})


class Trackable:
    """Base of layers: attribute assignment finds variables, sublayers, metrics and seed generators.

    Kinds are told apart by marker attributes, so that this module need not know the classes above it:
    `_is_layer`, `_is_metric`.
    """

    _registers = ("_variables", "_sublayers", "_metrics_owned", "_generators")
    #: What was found on walks of the tree of layers, kept until the next change; it owns nothing.
    _kept = ("_partition_kept", "_below_kept", "_witness")
    _untracked = frozenset({*_registers, *_kept, "_init_args"})

    def _start_tracking(self) -> None:
        if "_tracking" not in self.__dict__:
            for register in self._registers:
                object.__setattr__(self, register, [])
            object.__setattr__(self, "_tracking", True)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._untracked:
            object.__setattr__(self, name, value)
            return
        if "_tracking" not in self.__dict__:
            # The subclass forgot (or delays) super().__init__(): start tracking so that nothing set now is lost.
            self._start_tracking()
        old = self.__dict__.get(name)
        if value.__class__ not in _PLAIN:
            value = self.track(value)
        object.__setattr__(self, name, value)
        if old is not value and old.__class__ not in _PLAIN:
            self.forget(old)

    def __delattr__(self, name: str) -> None:
        old = self.__dict__.get(name)
        object.__delattr__(self, name)
        self.forget(old)

    def track(self, value: Any) -> Any:
        """Take note of what `value` is or holds; lists and dicts come back as tracking ones."""
        kind = value.__class__
        if kind in _PLAIN or ((kind is TrackedList or kind is TrackedDict) and value._owner is self):
            return value
        if kind is list or kind is TrackedList:
            return TrackedList(value, self)
        if kind is dict or kind is TrackedDict:
            return TrackedDict(value, self)
        if isinstance(value, (tuple, set)):
            for item in value:
                self.track(item)
            return value
        register = _register_of(value)
        if register is not None:
            items = self.__dict__[register]
            if not any(item is value for item in items):
                items.append(value)
                Structure.changed()
            if register == "_sublayers":
                self._on_sublayer(value)
        return value

    def _on_sublayer(self, layer: Any) -> None:
        """Hook: a sublayer was attached."""

    def forget(self, old: Any) -> None:
        """Give up what `old` is or holds, unless another attribute holds it too."""
        for leaf in _leaves(old):
            register = _register_of(leaf)
            if register is None or any(
                leaf is other
                for n, v in self.__dict__.items()
                if n not in self._untracked
                for other in _leaves(v)
            ):
                continue
            items = self.__dict__[register]
            items[:] = [item for item in items if item is not leaf]
            Structure.changed()


def _register_of(value: Any) -> str | None:
    """Name of the list that keeps things like `value`."""
    if isinstance(value, Variable):
        return "_variables"
    if isinstance(value, type):
        return None
    if isinstance(value, SeedGenerator):
        return "_generators"
    if getattr(value, "_is_layer", False) is True:
        return "_sublayers"
    if getattr(value, "_is_metric", False) is True:
        return "_metrics_owned"
    return None


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _leaves(item)
    elif value.__class__ not in _PLAIN:
        yield value
