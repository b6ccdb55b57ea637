"""`Family`: what names, configs and callables mean where a loss, initializer, activation ... is expected."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from kerasish.core.errors import ArgumentError, UnknownNameError
from kerasish.core.naming import to_snake_case
from kerasish.core.objects import CustomObjectScope, deserialize_keras_object, get_registered_object


def with_snake_case(classes: Iterable[type]) -> dict[str, type]:
    """Classes by their snake case names, the second name each has in strings."""
    return {to_snake_case(cls.__name__): cls for cls in classes}


def _shown(identifier: Any) -> str:
    """For messages, which are the same on every engine."""
    return "a tensor" if hasattr(identifier, "shape") else repr(identifier)


class Family:
    """The named members of one kind of object ("initializer", "loss" ...): what strings and configs may mean.

    Args:
        kind: For messages.
        members: Classes and functions, under their own names.
        aliases: Further names -> member.
    """

    def __init__(self, kind: str, members: Iterable[Any], aliases: Mapping[str, Any]) -> None:
        self.kind = kind
        self.by_name = {member.__name__: member for member in members} | dict(aliases)

    def named(self, name: str) -> Any:
        """The member or custom object called `name`."""
        found = get_registered_object(name, None, self.by_name)
        if found is None:
            raise UnknownNameError.of(self.kind, name, self.by_name)
        return found

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """An object from its config, or from a name."""
        if isinstance(config, str):
            with CustomObjectScope(custom_objects):
                return self.named(config)
        return deserialize_keras_object(config, custom_objects, module_objects=self.by_name)

    def get(self, identifier: Any) -> Any:
        """None, a config, a name, a class (made without arguments) or a callable as the object meant."""
        if identifier is None:
            return None
        found = identifier
        if isinstance(identifier, (dict, str)):
            found = self.deserialize(identifier)
        if inspect.isclass(found):
            found = found()
        if not callable(found):
            raise ArgumentError(
                f"This is not a valid {self.kind}.",
                received=_shown(identifier),
                hint="pass a name, an object or a function itself, not what it returns",
            )
        return found
