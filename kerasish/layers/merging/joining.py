"""`Concatenate`, inputs side by side; and `Dot`, their products summed over an axis."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.layers.merging.base import Merge, _check_list
from kerasish.layers.options import config_of


class Concatenate(Merge):
    """The inputs joined along one axis.

    Args:
        axis: The axis.
        **kwargs: `name`, `dtype`.

    Example:
        >>> Concatenate()([ops.array([[1.0]]), ops.array([[2.0]])]).tolist()
        [[1.0, 2.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def build(self, input_shape: Any) -> None:
        _check_list(input_shape)
        ranks = {len(shape) for shape in input_shape}
        fits = len(ranks) == 1
        if fits:
            axis = axis_index(self.axis, ranks.pop())
            others = [[n for i, n in enumerate(shape) if i != axis] for shape in input_shape]
            fits = all(len({n for n in column if n is not None}) <= 1 for column in zip(*others, strict=True))
        if not fits:
            raise ShapeError(
                "The inputs must agree in all axes but one.",
                expected=f"equal sizes except in axis {self.axis}",
                received=", ".join(str(tuple(shape)) for shape in input_shape),
            )

    def call(self, inputs: Any) -> Tensor:
        if not isinstance(inputs, (list, tuple)):
            raise ArgumentError(
                "A list of tensors is needed.", received=type(inputs).__name__, hint="layer([a, b])"
            )
        return ops.concatenate(list(inputs), axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None or all(m is None for m in previous_mask):
            return None
        full = []
        for x, mask in zip(inputs, previous_mask, strict=True):
            shape = shape_of(x)
            if mask is None:
                full.append(ops.ones(shape, dtype="bool"))
            else:
                mask = ops.reshape(mask, (*shape_of(mask), *(1,) * (len(shape) - len(shape_of(mask)))))
                full.append(ops.broadcast_to(mask, shape))
        # An element counts if any of its features does: the mask is over all axes but the last.
        joined = ops.concatenate(full, axis=self.axis)
        return ops.any(joined, axis=-1) if len(shape_of(joined)) > 1 else joined

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "axis")}


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`.

    Example:
        >>> concatenate([ops.ones((1, 1)), ops.zeros((1, 2))]).tolist()
        [[1.0, 0.0, 0.0]]
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


class Dot(Merge):
    """Σ over one axis of each of two inputs, of the products of what they hold there; the batch stays.

    Args:
        axes: The axis of both, or one for each.
        normalize: Whether both are scaled to length 1 first: cosine similarity.
        **kwargs: `name`, `dtype`.

    Shape: (N, ..., C), (N, C, ...) -> (N, ..., ...), at least two axes.

    Example:
        >>> Dot(axes=1)([ops.array([[1.0, 2.0]]), ops.array([[3.0, 4.0]])]).tolist()
        [[11.0]]
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(pair) != 2 or not all(isinstance(a, int) for a in pair):
            raise ArgumentError(
                "`axes` must be an integer or two.", where=type(self).__name__, received=f"axes={axes!r}"
            )
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        _check_list(input_shape)
        if len(input_shape) != 2:
            raise ArgumentError("Exactly two inputs are needed.", received=len(input_shape))
        one, two = input_shape
        a, b = self._pair(len(one), len(two))
        if one[a] is not None and two[b] is not None and one[a] != two[b]:
            raise ShapeError(
                "The axes to sum over have different sizes.",
                expected=f"axis {a} of {tuple(one)} equal to axis {b} of {tuple(two)}",
                received=f"{one[a]} and {two[b]}",
                hint="choose other `axes`",
            )

    def _pair(self, rank1: int, rank2: int) -> tuple[int, int]:
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return axis_index(first, rank1), axis_index(second, rank2)

    def call(self, inputs: Any) -> Tensor:
        x, y = inputs
        one, two = shape_of(x), shape_of(y)
        a, b = self._pair(len(one), len(two))
        if self.normalize:
            x = ops.normalize(x, axis=a, epsilon=1e-6)
            y = ops.normalize(y, axis=b, epsilon=1e-6)
        # (N, rest, C) · (N, C, rest): one batched matrix product.
        rest1 = [i for i in range(1, len(one)) if i != a]
        rest2 = [i for i in range(1, len(two)) if i != b]
        left = ops.reshape(
            ops.transpose(x, (0, *rest1, a)), (one[0], shapes.size_of(one[i] for i in rest1), one[a])
        )
        right = ops.reshape(
            ops.transpose(y, (0, b, *rest2)), (two[0], two[b], shapes.size_of(two[i] for i in rest2))
        )
        rest = [*(one[i] for i in rest1), *(two[i] for i in rest2)] or [1]
        return ops.reshape(ops.matmul(left, right), (one[0], *rest))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "axes", "normalize")}


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`.

    Example:
        >>> dot([ops.array([[1.0, 2.0]]), ops.array([[3.0, 4.0]])], axes=1).tolist()
        [[11.0]]
    """
    return Dot(axes=axes, **kwargs)(inputs)
