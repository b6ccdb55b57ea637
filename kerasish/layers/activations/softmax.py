"""`Softmax` with a mask."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of

#: Added to what is masked: its exponential is 0, and it fits the dtype.
_VERY_NEGATIVE = {"float16": -3e4}


class Softmax(Layer):
    """exp(x) normalised to sum 1 along `axis`.

    Args:
        axis: Axis or axes of one distribution.
        **kwargs: `name`, `dtype`.

    Call arguments: `inputs`; `mask`, of the inputs' shape: False gets probability 0.

    Example:
        >>> Softmax()([[0.0, 0.0]]).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        axis = self.axis
        if isinstance(axis, (list, tuple)):
            axis = axis[0] if len(axis) == 1 else tuple(axis)
        if mask is None:
            return ops.softmax(inputs, axis=axis)
        dtype = dtype_of(inputs)
        visible = ops.cast(mask, dtype)
        hidden = ops.multiply(ops.subtract(1.0, visible), _VERY_NEGATIVE.get(dtype, -1e9))
        # The product matters where everything is masked: 0, not 1/n.
        return ops.multiply(ops.softmax(ops.add(inputs, hidden), axis=axis), visible)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "axis")}
