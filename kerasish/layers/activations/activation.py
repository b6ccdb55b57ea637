"""`Activation`: a function by name, as a layer."""

from __future__ import annotations

from typing import Any

from kerasish.core.contract import Tensor
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, set_options


class Activation(Layer):
    """activation(inputs).

    Args:
        activation: Name or function.
        **kwargs: `name`, `dtype`.

    Example:
        >>> Activation("relu")([-1.0, 2.0]).tolist()
        [0.0, 2.0]
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        set_options(self, activation=activation)

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "activation")}
