"""The constraints: functions that map weights to the nearest ones allowed."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon


class Constraint:
    """Base class: subclasses give `__call__(w)` and `get_config`.

    Example:
        >>> class Halved(Constraint):
        ...     def __call__(self, w):
        ...         return ops.multiply(w, 0.5)
        >>> Halved()(ops.ones((2,))).tolist()
        [0.5, 0.5]
    """

    def __call__(self, w: Any) -> Any:
        """The weights to be used in place of `w`."""
        raise NotImplementedError("Constraint subclasses must implement __call__(w).")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Make one from its configuration."""
        return cls(**config)


def _norms(w: Any, axis: Any) -> Any:
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return ops.sqrt(ops.sum(ops.square(w), axis=axes, keepdims=True))


class MaxNorm(Constraint):
    """Vectors longer than `max_value` are shortened to it.

    Args:
        max_value: Largest norm allowed.
        axis: Axis or axes along which norms are taken: 0 for a Dense kernel, [0, 1, 2] for a Conv2D kernel.

    Example:
        >>> MaxNorm(1.0)(ops.convert_to_tensor([[3.0], [4.0]])).round(2).astype("str").tolist()
        [['0.6'], ['0.8']]
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        desired = ops.clip(norms, 0, self.max_value)
        return ops.multiply(w, ops.divide(desired, ops.add(norms, epsilon())))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """Negative weights become 0.

    Example:
        >>> NonNeg()(ops.convert_to_tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __call__(self, w: Any) -> Any:
        return ops.maximum(w, 0.0)


class UnitNorm(Constraint):
    """Vectors are scaled to length 1.

    Args:
        axis: Axis or axes along which norms are taken.

    Example:
        >>> UnitNorm()(ops.convert_to_tensor([[3.0], [4.0]])).round(2).astype("str").tolist()
        [['0.6'], ['0.8']]
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return ops.divide(w, ops.add(_norms(w, self.axis), epsilon()))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """Norms are moved towards [min_value, max_value].

    new norm = rate · clip(norm, min_value, max_value) + (1 − rate) · norm

    Args:
        min_value: Smallest norm allowed.
        max_value: Largest norm allowed.
        rate: How far to go at each step, 1 all the way.
        axis: Axis or axes along which norms are taken.

    Example:
        >>> MinMaxNorm(0.0, 1.0)(ops.convert_to_tensor([[3.0], [4.0]])).round(2).astype("str").tolist()
        [['0.6'], ['0.8']]
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        clipped = ops.clip(norms, self.min_value, self.max_value)
        desired = ops.add(ops.multiply(clipped, self.rate), ops.multiply(norms, 1 - self.rate))
        return ops.multiply(w, ops.divide(desired, ops.add(norms, epsilon())))

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }
