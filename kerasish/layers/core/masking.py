"""`Masking`: marks time steps to skip."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.layers.layer import Layer


class Masking(Layer):
    """Masks the time steps whose features all equal `mask_value`, and sets them to zero.

    Args:
        mask_value: The value that marks padding.
        **kwargs: `name`, `dtype`.

    Shape: (N, T, ...) -> same; mask (N, T).

    Example:
        >>> Masking()([[[0.0, 0.0], [1.0, 0.0]]]).tolist()
        [[[0.0, 0.0], [1.0, 0.0]]]
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Tensor) -> Tensor:
        keep = ops.any(ops.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return ops.multiply(inputs, ops.cast(keep, dtype_of(inputs)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}
