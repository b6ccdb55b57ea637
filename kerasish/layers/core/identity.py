"""`Identity`."""

from __future__ import annotations

from typing import Any

from kerasish.layers.layer import Layer


class Identity(Layer):
    """The inputs, unchanged.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Identity().compute_output_shape((None, 2))
        (None, 2)
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return super().get_config()
