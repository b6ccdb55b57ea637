"""Constructor arguments that many layers share: turning names into objects, objects into configs, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish import activations, constraints, initializers, regularizers
from kerasish.core.errors import ArgumentError, KerasishError

_FAMILIES = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


def _family(name: str) -> Any:
    return _FAMILIES.get(name.rpartition("_")[2])


def set_options(layer: Any, **options: Any) -> None:
    """Set each option as an attribute; what its name ends in ("..._initializer") says what a string or config means."""
    for name, value in options.items():
        family = _family(name)
        try:
            setattr(layer, name, value if family is None else family.get(value))
        except KerasishError as error:
            raise error.at(f"{type(layer).__name__}({name}=...)") from None


def config_of(layer: Any, *names: str) -> dict[str, Any]:
    """The options of these names as plain data."""
    config = {}
    for name in names:
        value, family = getattr(layer, name), _family(name)
        config[name] = value if family is None or value is None else family.serialize(value)
    return config


def refuse(layer: Any, **arguments: Any) -> None:
    """Raise for arguments of Keras that are known but not offered, unless they are off."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise ArgumentError(
                f"`{name}` is not offered.",
                where=type(layer).__name__,
                expected=f"{name}=None",
                received=repr(value),
                hint="leave the argument out",
            )


def positive(layer: Any, **arguments: Any) -> None:
    """Raise unless the arguments are integers above 0."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ArgumentError(
                f"`{name}` must be a positive integer.",
                where=type(layer).__name__,
                received=f"{name}={value!r}",
            )


def fraction(layer: Any, **arguments: Any) -> None:
    """Raise unless the arguments lie in [0, 1]."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ArgumentError(
                f"`{name}` must be a fraction from 0 to 1.",
                where=type(layer).__name__,
                received=f"{name}={value!r}",
                hint="0.2 means 20 %",
            )


def one_of(layer: Any, accepted: Sequence[str], **arguments: Any) -> None:
    """Raise unless the arguments are among `accepted`."""
    for name, value in arguments.items():
        if value not in accepted:
            raise ArgumentError(
                f"Unknown `{name}`.",
                where=type(layer).__name__,
                expected=f"one of {tuple(accepted)}",
                received=value,
            )


def sizes(layer: Any, rank: int, *, minimum: int = 1, **arguments: Any) -> tuple[int, ...]:
    """One argument, an integer or `rank` of them, as a tuple.

    Raises:
        ArgumentError: It is something else.
    """
    ((name, value),) = arguments.items()
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(values) != rank or any(
        isinstance(v, bool) or not hasattr(v, "__index__") or v < minimum for v in values
    ):
        raise ArgumentError(
            f"`{name}` must be an integer of at least {minimum}, or {rank} of them.",
            where=type(layer).__name__,
            received=f"{name}={value!r}",
        )
    return tuple(int(v) for v in values)
