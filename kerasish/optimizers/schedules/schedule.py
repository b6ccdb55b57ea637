"""`LearningRateSchedule`: the learning rate as a function of the number of updates so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, tensors
from kerasish.core.errors import ArgumentError


class LearningRateSchedule:
    """Base of schedules: subclasses override `__call__(step)` and `get_config`.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** step
        >>> Halving()(2)
        0.025
    """

    #: Arguments that are stored under their own names and make the config.
    arguments: ClassVar[tuple[str, ...]] = ()

    def __call__(self, step: Any) -> Any:
        """The learning rate after `step` updates, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal schedule."""
        if not self.arguments:
            raise NotImplementedError(f"{type(self).__name__} must define get_config().")
        return {name: getattr(self, name) for name in self.arguments}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """A schedule from what `get_config` returned."""
        return cls(**config)


def as_float(step: Any) -> Tensor:
    """The step as a float scalar of the engine it lives on."""
    step = tensors(step)[0]
    return step if dtype_of(step) == floatx() else p.cast(step, dtype=floatx())


def positive(name: str, value: float, where: str) -> None:
    """Refuse a number of steps that is not positive."""
    if value <= 0:
        raise ArgumentError(f"`{name}` counts steps.", where=where, expected="> 0", received=value)
