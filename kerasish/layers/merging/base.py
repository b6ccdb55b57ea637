"""What layers with several inputs share: checks, alignment of ranks, masks."""

from __future__ import annotations

from functools import reduce
from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.layers.layer import Layer


class Merge(Layer):
    """Base of layers that combine a list of tensors into one.

    Inputs of fewer axes than the others are broadcast: axes of size 1 are put in behind the batch.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        _check_list(input_shape)

    def call(self, inputs: Any) -> Tensor:
        return self._merge(aligned(inputs))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """True where any of the inputs counts; None unless all have masks."""
        if previous_mask is None or any(m is None for m in previous_mask):
            return None
        return reduce(ops.logical_or, previous_mask)


def _check_list(shapes: Any) -> None:
    if (
        not isinstance(shapes, (list, tuple))
        or not shapes
        or not all(isinstance(s, (list, tuple)) for s in shapes)
    ):
        raise ArgumentError(
            "A list of tensors is needed.", received=f"one tensor of shape {shapes}", hint="layer([a, b])"
        )


def aligned(inputs: Any) -> list[Tensor]:
    """The inputs with equal numbers of axes.

    Raises:
        ArgumentError: It is not a list.
        ShapeError: The shapes do not broadcast.
    """
    if not isinstance(inputs, (list, tuple)):
        raise ArgumentError(
            "A list of tensors is needed.", received=type(inputs).__name__, hint="layer([a, b])"
        )
    rank = max(len(shape_of(x)) for x in inputs)
    result = []
    for x in inputs:
        shape = shape_of(x)
        if len(shape) < rank:
            x = ops.reshape(x, (*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]))
        result.append(x)
    return result


def masks_like(inputs: list[Tensor], masks: Any) -> list[Any]:
    """For each input its mask, with axes of size 1 put in so that it broadcasts; None where there is none."""
    result = []
    for x, mask in zip(inputs, masks, strict=True):
        if mask is not None:
            missing = len(shape_of(x)) - len(shape_of(mask))
            if missing < 0:
                raise ShapeError(
                    "A mask has more axes than its tensor.", expected=shape_of(x), received=shape_of(mask)
                )
            mask = ops.reshape(mask, (*shape_of(mask), *(1,) * missing))
        result.append(mask)
    return result
