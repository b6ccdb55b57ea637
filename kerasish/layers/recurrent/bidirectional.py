"""`Bidirectional`: a recurrent layer and its mirror image."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.core.errors import ArgumentError
from kerasish.core.objects import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from kerasish.layers.layer import Layer
from kerasish.layers.options import one_of

_MERGES = {
    "concat": lambda y, z: ops.concatenate([y, z], axis=-1),
    "sum": ops.add,
    "mul": ops.multiply,
    "ave": lambda y, z: ops.multiply(ops.add(y, z), 0.5),
}


class Bidirectional(Layer):
    """One layer reads the sequence forwards, another one backwards; their outputs are merged (Schuster, Paliwal 1997).

    Args:
        layer: A recurrent layer. It is copied: the copies are `forward_layer` and `backward_layer`.
        merge_mode: "concat", "sum", "mul", "ave"; None for both outputs unmerged.
        weights: Values to start from, as of `get_weights`.
        backward_layer: Reads backwards in place of a copy of `layer`; must have `go_backwards=True`.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: `sequences`; `initial_state`, the states of the forward layer followed by those of the other;
    `mask`; `training`.

    Shape: (B, T, C) -> (B, 2U) or (B, T, 2U) for "concat", (B, U) or (B, T, U) for the other modes.

    Raises:
        ArgumentError: `layer` is not recurrent, or both layers read in the same direction.

    Example:
        >>> from kerasish import layers
        >>> Bidirectional(layers.LSTM(3)).compute_output_shape((None, 5, 4))
        (None, 6)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        for given in (layer, *(() if backward_layer is None else (backward_layer,))):
            if not isinstance(given, Layer) or not hasattr(given, "go_backwards"):
                raise ArgumentError(
                    "Bidirectional takes a recurrent layer.",
                    where=type(self).__name__,
                    received=repr(given)[:80],
                    hint="such as Bidirectional(LSTM(32))",
                )
        one_of(self, (*_MERGES, None), merge_mode=merge_mode)
        super().__init__(**kwargs)
        base = layer.name.removeprefix("forward_")
        self.forward_layer = _copy(layer, name=f"forward_{base}")
        if backward_layer is None:
            backward_layer = _copy(layer, name=f"backward_{base}", go_backwards=not layer.go_backwards)
        self.backward_layer = backward_layer
        self._check_layers()
        if layer.return_sequences:
            # The repeated outputs of masked steps would come from opposite ends of the sequence.
            self.forward_layer.zero_output_for_mask = True
            self.backward_layer.zero_output_for_mask = True
        self.merge_mode = merge_mode
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        self._start_weights = weights

    def _check_layers(self) -> None:
        one, two = self.forward_layer, self.backward_layer
        if one.go_backwards == two.go_backwards:
            raise ArgumentError(
                "Both layers read in the same direction.",
                where=type(self).__name__,
                received=f"go_backwards={one.go_backwards} for both",
                hint="give backward_layer go_backwards=True",
            )
        for name in ("stateful", "return_sequences", "return_state"):
            if getattr(one, name) != getattr(two, name):
                raise ArgumentError(
                    f"Both layers need the same `{name}`.",
                    where=type(self).__name__,
                    received=f"{getattr(one, name)} forwards, {getattr(two, name)} backwards",
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
                layer.built = True
        if self._start_weights is not None:
            self.set_weights(self._start_weights)

    def call(
        self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        starts: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        if initial_state is not None:
            half = len(initial_state) // 2
            starts = {"initial_state": initial_state[:half]}, {"initial_state": initial_state[half:]}
        layers = self.forward_layer, self.backward_layer
        results = [
            layer(sequences, mask=mask, training=training, **s)
            for layer, s in zip(layers, starts, strict=True)
        ]
        states: list[Any] = []
        if self.return_state:
            states = [state for result in results for state in result[1:]]
            results = [result[0] for result in results]
        if self.return_sequences:
            results[1] = ops.flip(results[1], axis=1)
        results = [
            y if dtype_of(y) == self.compute_dtype else ops.cast(y, self.compute_dtype) for y in results
        ]
        if self.merge_mode is None:
            return (*results, *states)
        merged = _MERGES[self.merge_mode](*results)
        return (merged, *states) if self.return_state else merged

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        mask = mask if self.return_sequences else None
        outputs = [mask, mask] if self.merge_mode is None else [mask]
        if self.return_state:
            both = len(self.forward_layer.state_size) + len(self.backward_layer.state_size)
            return [*outputs, *(None for _ in range(both))]
        return outputs if self.merge_mode is None else mask

    @property
    def states(self) -> Any:
        """The carried states of both layers; None if there are none."""
        if self.forward_layer.states is None or self.backward_layer.states is None:
            return None
        return (*self.forward_layer.states, *self.backward_layer.states)

    def reset_state(self) -> None:
        """Set the carried states of both layers back to the start."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": serialize_keras_object(self.forward_layer),
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if config.get(name) is not None:
                config[name] = deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)


def _copy(layer: Any, **changes: Any) -> Any:
    """A new layer of the same configuration, but for `changes`; built if `layer` is, with weights of its own."""
    parts = [layer, *layer._sublayers, *(p for child in layer._sublayers for p in child._sublayers)]
    config = layer.get_config()
    cell = config.get("cell")
    if isinstance(cell, dict):
        cell.pop("build_config", None)
    with CustomObjectScope({type(part).__name__: type(part) for part in parts}):
        copy = type(layer).from_config({**config, **changes})
    if layer.built and layer.get_build_config():
        copy.build_from_config(layer.get_build_config())
    return copy
