"""`Rescaling`: scale and offset."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of


class Rescaling(Layer):
    """inputs·scale + offset, for example 1/255 for images of bytes.

    Args:
        scale: Factor, or one for each channel.
        offset: Added, one number or one for each channel.
        **kwargs: `name`, `dtype`.

    Example:
        >>> Rescaling(0.5, offset=1.0)([[2, 4]]).tolist()
        [[2.0, 3.0]]
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        dtype = self.compute_dtype
        scale, offset = (
            value if isinstance(value, (int, float)) else ops.convert_to_tensor(value, dtype)
            for value in (self.scale, self.offset)
        )
        return ops.add(ops.multiply(ops.cast(inputs, dtype), scale), offset)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "scale", "offset")}
