"""Penalties on weights or activations, added to the loss."""

from __future__ import annotations

from typing import Any

from kerasish.core.families import Family, with_snake_case
from kerasish.core.objects import serialize_keras_object
from kerasish.regularizers.penalties import L1, L1L2, L2, OrthogonalRegularizer, Regularizer

l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_CLASSES = (L1, L1L2, L2, OrthogonalRegularizer, Regularizer)
_FAMILY = Family("regularizer", _CLASSES, {**with_snake_case(_CLASSES), "l1_l2": L1L2})

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


def serialize(regularizer: Any) -> Any:
    """A regularizer as a config.

    Example:
        >>> serialize(L2(0.5))["config"]
        {'l2': 0.5}
    """
    return serialize_keras_object(regularizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """A regularizer from its config.

    Example:
        >>> deserialize(serialize(L2(0.5))).l2
        0.5
    """
    return _FAMILY.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """A regularizer from None, a name, a config or a callable `(tensor) -> scalar`.

    Raises:
        UnknownNameError: No regularizer has that name.

    Example:
        >>> get("l2").get_config()
        {'l2': 0.01}
    """
    return _FAMILY.get(identifier)
