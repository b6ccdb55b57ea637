"""`RNN`: any cell run over time, and the base of the layers that have a cell of their own."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from kerasish import ops
from kerasish.core import shapes, trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.variable import Variable
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of
from kerasish.layers.recurrent.cell import (
    RecurrentCell,
    StackedRNNCells,
    call_cell,
    check_cell,
    initial_state_of,
)

_OPTIONS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")


class RNN(Layer):
    """A cell, step by step over axis 1: output_t, states = cell(inputs[:, t], states).

    Args:
        cell: A layer with `call(inputs, states) -> (output, states)` and `state_size`, or a list of them, which are
            stacked. It may have `output_size` and `get_initial_state(batch_size)`.
        return_sequences: Return the outputs of all steps instead of the last.
        return_state: Return the states too, after the output.
        go_backwards: Start at the end; outputs come in the order they are made.
        stateful: Start each batch from the states the batch before ended with. The batch size must be known.
        unroll: Write the steps out instead of looping: faster for a few steps; needs a known number of them.
        zero_output_for_mask: Masked steps give zeros instead of the output before them.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer`.

    Call arguments: `sequences`; `initial_state`, a list of tensors; `mask`, bool (B, T), True where a step counts;
    `training`.

    Shape: (B, T, ...) -> (B, U), or (B, T, U) with `return_sequences`.

    Raises:
        ArgumentError: `cell` is no cell, or the layer is stateful and the batch size is unknown.

    Example:
        >>> from kerasish import layers
        >>> RNN([layers.GRUCell(3), layers.LSTMCell(2)], return_sequences=True).compute_output_shape((None, 5, 4))
        (None, 5, 2)
    """

    states: Any
    _carried: list[Variable]

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        check_cell(cell, type(self).__name__)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        size = cell.state_size
        self.state_size = list(size) if isinstance(size, (list, tuple)) else [size]
        self._keep_states(None)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
            self.cell.built = True
        if self.stateful and sequences_shape[0] is not None:
            self._make_states(sequences_shape[0])

    # -- states ----------------------------------------------------------------------------------------------------
    def _keep_states(self, states: Any) -> None:
        # Not tracked as weights: states are neither trained nor saved (see `Owner.state_variables`).
        object.__setattr__(self, "states", states)
        object.__setattr__(self, "_carried", [] if states is None else trees.flatten(states))

    def _make_states(self, batch_size: int) -> None:
        def variable(value: Tensor) -> Variable:
            made = Variable(value, dtype=self.variable_dtype, trainable=False, name="rnn_state")
            made.path = f"{self.path}/rnn_state"
            return made

        self._keep_states(trees.map_structure(variable, self.get_initial_state(batch_size)))

    def get_initial_state(self, batch_size: int) -> Any:
        """The states a batch of this size starts from."""
        return initial_state_of(self.cell, batch_size)

    def reset_state(self) -> None:
        """Set the carried states back to the start."""
        if self.states is not None:
            start = trees.flatten(self.get_initial_state(self._carried[0].shape[0]))
            for variable, value in zip(self._carried, start, strict=True):
                variable.assign(value)

    reset_states = reset_state

    def _start(self, sequences: Tensor, given: Any) -> Any:
        """The states to start from, in the compute dtype."""
        batch = shape_of(sequences)[0]
        if given is None and not self.stateful:
            return self.get_initial_state(batch)
        if given is None:
            if self.states is None:
                raise ArgumentError(
                    "A stateful layer needs to know the batch size.",
                    received=f"inputs {shapes.show(shape_of(sequences))}",
                    hint="give it to the model's input: Input(batch_shape=(32, 10, 8))",
                )
            given = trees.map_structure(lambda v: v.value, self.states)
        states = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(states) != len(self.state_size):
            raise ShapeError(
                "The number of initial states is wrong.", expected=len(self.state_size), received=len(states)
            )
        for state in trees.flatten(states):
            if not shapes.compatible(shape_of(state)[0], batch):
                raise ShapeError(
                    "The states are for another batch size than the inputs.",
                    expected=f"{shape_of(state)[0]} rows",
                    received=f"inputs {shapes.show(shape_of(sequences))}",
                    hint="a stateful layer keeps the batch size it was built with" if self.stateful else None,
                )
        dtype = self.compute_dtype
        return trees.map_structure(lambda s: s if dtype_of(s) == dtype else ops.cast(s, dtype), states)

    # -- calling ---------------------------------------------------------------------------------------------------
    def call(
        self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool | None = False
    ) -> Any:
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if self.unroll and not shapes.is_known(shape_of(sequences)[1]):
            raise ArgumentError(
                "Steps can be written out only if their number is known.",
                received=f"inputs {shapes.show(shape_of(sequences))}",
                hint="give it in Input(shape=(steps, features)), or take unroll=False",
            )
        start = self._start(sequences, initial_state)
        last, outputs, states = self.inner_loop(sequences, start, mask, training=training)
        if self.stateful:
            for variable, value in zip(self._carried, trees.flatten(states), strict=True):
                variable.assign(value)
        y = outputs if self.return_sequences else last
        if dtype_of(y) != self.compute_dtype:  # a cell of another dtype policy
            y = ops.cast(y, self.compute_dtype)
        return (y, *states) if self.return_state else y

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool | None = False
    ) -> Any:
        """(last output, outputs, states) of all steps."""
        cell = self.cell

        def step(inputs: Tensor, states: Any) -> Any:
            output, new = call_cell(cell, inputs, states, training)
            return output, list(new) if isinstance(new, (list, tuple)) else [new]

        hold = getattr(cell, "holding_masks", None)
        with nullcontext() if hold is None else hold(sequences, training):
            return ops.rnn(
                step,
                sequences,
                initial_state,
                go_backwards=self.go_backwards,
                mask=mask,
                unroll=self.unroll,
                zero_output_for_mask=self.zero_output_for_mask,
            )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        output = mask if self.return_sequences else None
        return [output, *(None for _ in self.state_size)] if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(self, *_OPTIONS),
            "cell": serialize_keras_object(self.cell),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        return cls(deserialize_keras_object(config.pop("cell"), custom_objects=custom_objects), **config)


class CellLayer(RNN):
    """Base of SimpleRNN, LSTM and GRU: the cell's options are the layer's, and whole sequences go to one kernel."""

    cell: Any  # a RecurrentCell

    def _set(self, cell: RecurrentCell, **kwargs: Any) -> None:
        RNN.__init__(self, cell, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name in (*cell.option_names, "seed"):
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def inner_loop(
        self, sequences: Tensor, initial_state: Any, mask: Any, training: bool | None = False
    ) -> Any:
        with self.cell.holding_masks(sequences, training) as masks:
            return self._sequence(
                sequences,
                initial_state,
                go_backwards=self.go_backwards,
                mask=mask,
                zero_output_for_mask=self.zero_output_for_mask and mask is not None,
                unroll=self.unroll,
                input_scale=masks.inputs,
                state_scale=masks.state,
            )

    def _sequence(self, sequences: Tensor, states: list[Tensor], **options: Any) -> Any:
        """(last output, outputs, states) by the sequence kernel of the cell."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        config = {**Layer.get_config(self), **config_of(self, *_OPTIONS, "activity_regularizer")}
        return {**config, **config_of(self.cell, *self.cell.option_names, "seed")}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**config)
