"""`Sequential`: layers one after the other."""

from __future__ import annotations

from typing import Any

from kerasish.core import trees
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.symbolic import SymbolicTensor
from kerasish.layers import InputLayer
from kerasish.layers.layer import Layer
from kerasish.models.configuration import sequential_config, sequential_layers
from kerasish.models.graph import Graph
from kerasish.models.model import Model
from kerasish.models.names import assign_names


class Sequential(Model):
    """A stack of layers, each with one input and one output.

    Args:
        layers: Layers, in order. Begin with `Input` to have the weights made at once; else they are made when the
            model first sees data.
        trainable: Whether its weights are trained.
        name: The model's name.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((4,)), kerasish.layers.Dense(2)])
        >>> model.output_shape
        (None, 2)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(
        self, layers: Any = None, trainable: bool = True, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._stack: list[Layer] = []
        if layers is not None:
            if not isinstance(layers, (list, tuple)):
                raise ArgumentError(
                    "Sequential takes a list of layers.",
                    received=type(layers).__name__,
                    hint="Sequential([layer, ...])",
                )
            for layer in layers:
                self._append(layer)
            self._settle()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Put a layer on top.

        Raises:
            ArgumentError: It is not a layer, or an Input comes after the first place.
        """
        self._append(layer)
        if rebuild:
            self._settle()

    def pop(self, rebuild: bool = True) -> Layer:
        """Take the last layer off and return it."""
        if not self._stack:
            raise ArgumentError("There is no layer to pop.", where=self.where)
        layer = self._stack.pop()
        self._sublayers[:] = [x for x in self._sublayers if x is not layer]
        object.__setattr__(self, "_ready", False)
        if rebuild:
            self._settle()
        return layer

    def _append(self, layer: Any) -> None:
        if isinstance(layer, SymbolicTensor) and layer.node is not None:
            layer = layer.node.operation
        if not isinstance(layer, Layer):
            hint = (
                "create it: write Dense(10), not Dense"
                if isinstance(layer, type)
                else "wrap functions in Lambda"
            )
            raise ArgumentError(
                "Only layers can be added to a Sequential.",
                where=self.name,
                received=repr(layer)[:80],
                hint=hint,
            )
        if any(other is layer for other in self._stack):
            raise ArgumentError(f"The layer {layer.name!r} is in the model already.", where=self.name)
        if not layer._auto_named and any(other.name == layer.name for other in self._stack):
            raise ArgumentError(
                f"Two layers are both named {layer.name!r}.", where=self.name, hint="rename one of them"
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ArgumentError(
                "An Input can only be the first layer of a Sequential.",
                where=self.name,
                hint="move it to the front",
            )
        if not self._stack and layer._given_input_shape is not None and not isinstance(layer, InputLayer):
            self._stack.append(InputLayer(batch_shape=layer._given_input_shape, dtype=_input_dtype(layer)))
        self._stack.append(layer)

    def _settle(self) -> None:
        """Build and draw the graph if the input shape is known."""
        object.__setattr__(self, "_graph", None)
        self.track(list(self._stack))
        first = self._stack[0] if self._stack else None
        if isinstance(first, InputLayer):
            self._draw(first.output)
        elif isinstance(first, Model) and first.inputs and len(first.inputs) == 1:
            inner = first.inputs[0]
            self._draw(InputLayer(batch_shape=inner.shape, dtype=inner.dtype).output)
        assign_names(self)

    def _draw(self, x: Any) -> None:
        outputs = x
        for layer in self._stack:
            if not isinstance(layer, InputLayer):
                outputs = layer(outputs)
                if trees.is_nested(outputs) and layer is not self._stack[-1]:
                    raise ShapeError(
                        "A layer inside a Sequential returned several tensors.",
                        where=layer.where,
                        hint="use the functional API: Model(inputs, outputs)",
                    )
        object.__setattr__(self, "_graph", Graph(x, outputs))
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Make all weights for an input shape, batch axis included (None for any)."""
        if input_shape is None or self._graph is not None:
            return
        if not self._stack:
            raise ArgumentError("A Sequential without layers cannot be built.", where=self.where)
        dtype = _input_dtype(self._stack[0])
        self._draw(InputLayer(batch_shape=tuple(input_shape), dtype=dtype).output)
        assign_names(self)

    def get_config(self) -> dict[str, Any]:
        """The layers' configurations."""
        return sequential_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model from its configuration."""
        model = cls(
            name=config.get("name"), trainable=config.get("trainable", True), dtype=config.get("dtype")
        )
        for layer in sequential_layers(config, custom_objects):
            model._append(layer)
        model._settle()
        if model._graph is None and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model

    @property  # type: ignore[misc]
    def layers(self) -> list[Layer]:
        """The layers, without the input layer."""
        stack = self.__dict__.get("_stack", [])
        return [layer for layer in stack if not isinstance(layer, InputLayer)]

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the layers in order."""
        x = self._fitted(inputs) if self._graph is not None else inputs
        for layer in self._stack:
            if not isinstance(layer, InputLayer):
                x = layer(x)
        return x


def _input_dtype(layer: Layer) -> str | None:
    """Integers for layers that look rows up (they say so by `input_kind`), the compute dtype for all others."""
    return "int32" if getattr(layer, "input_kind", None) == "indices" else layer.input_dtype
