"""Learning rate schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasish.core.families import Family
from kerasish.core.objects import serialize_keras_object
from kerasish.optimizers.schedules.decays import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from kerasish.optimizers.schedules.schedule import LearningRateSchedule

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

_FAMILY = Family(
    "learning rate schedule",
    (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    ),
    {},
)


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """A schedule as a config.

    Example:
        >>> serialize(ExponentialDecay(0.1, 100, 0.5))["config"]["decay_rate"]
        0.5
    """
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A schedule from its config.

    Raises:
        UnknownNameError: The config names no schedule.

    Example:
        >>> deserialize(serialize(CosineDecay(0.1, 100))).decay_steps
        100
    """
    return _FAMILY.deserialize(config, custom_objects)
