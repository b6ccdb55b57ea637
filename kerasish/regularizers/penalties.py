"""The regularizers: functions of a tensor that give a scalar penalty."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops
from kerasish.core.convert import dtype_of, ndim_of, shape_of
from kerasish.core.errors import ArgumentError, ShapeError


class Regularizer:
    """Base class: subclasses give `__call__(x)` and `get_config`.

    Example:
        >>> class Large(Regularizer):
        ...     def __call__(self, x):
        ...         return ops.max(x)
        >>> float(Large()(ops.ones((2,))))
        1.0
    """

    def __call__(self, x: Any) -> Any:
        """The penalty of `x`, a scalar."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        raise NotImplementedError(f"{type(self).__name__} must implement get_config to be written to a file.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Make one from its configuration."""
        return cls(**config)


def _factor(name: str, value: Any, default: float) -> float:
    if value is None:
        return default
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ArgumentError(
            f"`{name}` must be a finite number >= 0.", where="regularizer", received=repr(value)
        )
    return float(value)


class L1L2(Regularizer):
    """l1·Σ|x| + l2·Σx².

    Args:
        l1: Factor of the absolute values, >= 0.
        l2: Factor of the squares, >= 0.

    Example:
        >>> float(L1L2(1.0, 2.0)(ops.ones((3,))))
        9.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("l1", l1, 0.0)
        self.l2 = _factor("l2", l2, 0.0)

    def __call__(self, x: Any) -> Any:
        absolute = ops.multiply(ops.sum(ops.absolute(x)), self.l1) if self.l1 else None
        squared = ops.multiply(ops.sum(ops.square(x)), self.l2) if self.l2 else None
        if absolute is not None and squared is not None:
            return ops.add(absolute, squared)
        return next((term for term in (absolute, squared) if term is not None), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """l1·Σ|x|.

    Args:
        l1: The factor, >= 0.

    Example:
        >>> float(L1(0.5)(ops.ones((4,))))
        2.0
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor("l1", l1, 0.01)

    def __call__(self, x: Any) -> Any:
        return ops.multiply(ops.sum(ops.absolute(x)), self.l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2·Σx².

    Args:
        l2: The factor, >= 0.

    Example:
        >>> float(L2(0.5)(2 * ops.ones((4,))))
        8.0
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor("l2", l2, 0.01)

    def __call__(self, x: Any) -> Any:
        return ops.multiply(ops.sum(ops.square(x)), self.l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """factor × mean |cosine| of all pairs of rows (or columns) of a matrix.

    Args:
        factor: The factor, >= 0.
        mode: "rows" or "columns": which vectors are to become orthogonal.

    Raises:
        ShapeError: The input is not a matrix.

    Example:
        >>> float(OrthogonalRegularizer(1.0)(ops.eye(3)))
        0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ArgumentError(
                "Unknown `mode`.",
                where="OrthogonalRegularizer",
                expected="'rows' or 'columns'",
                received=mode,
            )
        self.factor = _factor("factor", factor, 0.01)
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        x = ops.convert_to_tensor(x)
        if ndim_of(x) != 2:
            raise ShapeError(
                "Only matrices can be regularized.", where="OrthogonalRegularizer", received=shape_of(x)
            )
        vectors = ops.normalize(x, axis=1) if self.mode == "rows" else ops.transpose(ops.normalize(x, axis=0))
        count = shape_of(vectors)[0]
        cosines = ops.matmul(vectors, ops.transpose(vectors))
        others = ops.subtract(1.0, ops.eye(count, dtype=dtype_of(cosines)))
        total = ops.sum(ops.absolute(ops.multiply(cosines, others)))
        return ops.multiply(ops.divide(total, float(max(count * (count - 1), 1))), self.factor)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}
