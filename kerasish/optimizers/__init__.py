"""Optimizers: how gradients change variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerasish.core.absent import explaining
from kerasish.core.errors import ArgumentError
from kerasish.core.families import Family
from kerasish.core.objects import serialize_keras_object
from kerasish.optimizers import schedules
from kerasish.optimizers.adafactor import Adafactor
from kerasish.optimizers.loss_scale import LossScaleOptimizer
from kerasish.optimizers.moments import Adam, Adamax, AdamW, Lamb, Lion, Nadam
from kerasish.optimizers.muon import Muon
from kerasish.optimizers.optimizer import Optimizer
from kerasish.optimizers.schedule_free import ScheduleFreeAdamW
from kerasish.optimizers.sgd import SGD
from kerasish.optimizers.squares import Adadelta, Adagrad, Ftrl, RMSprop

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)

_CLASSES = (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Adamax,
    Ftrl,
    Lamb,
    Lion,
    LossScaleOptimizer,
    Muon,
    Nadam,
    RMSprop,
    ScheduleFreeAdamW,
)
# Keras' second names of optimizers are all lower case, without underscores.
_FAMILY = Family("optimizer", _CLASSES, {cls.__name__.lower(): cls for cls in _CLASSES})


def serialize(optimizer: Optimizer) -> Any:
    """An optimizer as a config.

    Example:
        >>> serialize(SGD(0.25))["config"]["learning_rate"]
        0.25
    """
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """An optimizer from its config, or from a name.

    Raises:
        UnknownNameError: No optimizer has that name.

    Example:
        >>> deserialize({"class_name": "sgd", "config": {"momentum": 0.9}}).momentum
        0.9
    """
    return _FAMILY.deserialize(config, custom_objects)


def get(identifier: Any) -> Any:
    """An optimizer from None, a name in any case, a config, a class, or an optimizer.

    Raises:
        UnknownNameError: No optimizer has that name.
        ArgumentError: It is nothing of the kind.

    Example:
        >>> float(get("adam").learning_rate) == float(get(Adam).learning_rate)
        True
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        lower = identifier.lower()
        identifier = _FAMILY.named(lower if lower in _FAMILY.by_name else identifier)
    elif isinstance(identifier, Mapping):
        identifier = _FAMILY.deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        kind: Any = identifier
        return kind()
    if not isinstance(identifier, Optimizer):
        raise ArgumentError(
            "This is not an optimizer.",
            received=repr(identifier),
            hint="a name such as 'adam', or an optimizer",
        )
    return identifier
