"""`Wrapper`: base of layers around one other layer."""

from __future__ import annotations

from typing import Any

from kerasish.core.errors import ArgumentError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.layers.layer import Layer


class Wrapper(Layer):
    """A layer that holds another one as `layer`; subclasses say in `call` what happens around it.

    Args:
        layer: The layer inside.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ArgumentError: `layer` is not a layer.

    Example:
        >>> import kerasish
        >>> class Twice(Wrapper):
        ...     def call(self, inputs):
        ...         return self.layer(self.layer(inputs))
        >>> Twice(kerasish.layers.Rescaling(2.0))([[3.0]]).tolist()
        [[12.0]]
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ArgumentError(
                "`layer` must be a layer.",
                where=type(self).__name__,
                received=repr(layer)[:80],
                hint="create it: write Dense(10), not Dense" if isinstance(layer, type) else None,
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        return cls(deserialize_keras_object(config.pop("layer")), **config)
