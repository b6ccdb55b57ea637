"""Conditions that weights are made to satisfy after each optimizer step."""

from __future__ import annotations

from typing import Any

from kerasish.constraints.constraint import Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from kerasish.core.families import Family, with_snake_case
from kerasish.core.objects import serialize_keras_object

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_CLASSES = (Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm)
_FAMILY = Family("constraint", _CLASSES, with_snake_case(_CLASSES))

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]


def serialize(constraint: Any) -> Any:
    """A constraint as a config.

    Example:
        >>> serialize(NonNeg())["class_name"]
        'NonNeg'
    """
    return serialize_keras_object(constraint)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """A constraint from its config.

    Example:
        >>> type(deserialize(serialize(NonNeg()))).__name__
        'NonNeg'
    """
    return _FAMILY.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """A constraint from None, a name, a config or a callable `(weights) -> weights`.

    Raises:
        UnknownNameError: No constraint has that name.

    Example:
        >>> get("max_norm").get_config()
        {'max_value': 2, 'axis': 0}
    """
    return _FAMILY.get(identifier)
