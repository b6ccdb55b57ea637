"""`LSTM` and its cell: long short-term memory, gates in the order i, f, c, o."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.layers.recurrent.cell import Masks, RecurrentCell, named_activation
from kerasish.layers.recurrent.rnn import CellLayer
from kerasish.ops.recurrent import _lstm_cell


class LSTMCell(RecurrentCell):
    """One step of `LSTM`.

    z = x·kernel + h·recurrent_kernel + bias, in the four parts i, f, c, o; with σ the recurrent activation,
    c = σ(z_f)·c + σ(z_i)·activation(z_c) and h = σ(z_o)·activation(c).

    Args:
        units: Size of the state U.
        activation: Of candidate and output: name or function; None for none.
        recurrent_activation: Of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, 4U).
        recurrent_initializer: Of the recurrent kernel, shape (U, 4U).
        bias_initializer: Of the bias, shape (4U,).
        unit_forget_bias: Whether the forget gate's bias starts at 1 (Jozefowicz et al. 2015).
        kernel_regularizer: Penalty of the kernel.
        recurrent_regularizer: Penalty of the recurrent kernel.
        bias_regularizer: Penalty of the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Fraction of the inputs that is dropped in training.
        recurrent_dropout: Fraction of the state that the recurrent products do not see in training. Where there is
            any, each gate has masks of its own, for the inputs too.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (B, C), [(B, U), (B, U)] -> (B, U), [(B, U), (B, U)].

    Example:
        >>> LSTMCell(2).state_size
        [2, 2]
    """

    gates: ClassVar[int] = 4
    unit_forget_bias: bool
    option_names: ClassVar[tuple[str, ...]] = (
        *RecurrentCell.option_names,
        "recurrent_activation",
        "unit_forget_bias",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self._set(
            units,
            dropout,
            recurrent_dropout,
            seed,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            unit_forget_bias=unit_forget_bias,
            implementation=implementation,
        )
        self.state_size = [self.units, self.units]

    def build(self, input_shape: Any) -> None:
        units = self.units
        initializer = self._forget_first if self.unit_forget_bias else None
        self._add_weights((input_shape[-1], 4 * units), (units, 4 * units), (4 * units,), initializer)

    def _forget_first(self, shape: Any, dtype: Any = None) -> Tensor:
        """The bias at the start: ones for the forget gate."""
        units = self.units
        start = self.bias_initializer
        ones = ops.ones((units,), dtype=dtype)
        return ops.concatenate([start((units,), dtype=dtype), ones, start((2 * units,), dtype=dtype)], axis=0)

    def call(self, inputs: Tensor, states: Any, training: bool | None = False) -> tuple[Tensor, Any]:
        return self._step(inputs, states, training)

    def _advance(self, inputs: Tensor, states: list[Tensor], masks: Masks) -> list[Tensor]:
        step = _lstm_cell(
            self.recurrent_kernel.value, self.activation, self.recurrent_activation, masks.state
        )
        return step(self._entering(inputs, self.bias, masks), states)


class LSTM(CellLayer):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over axis 1. Formulas as of `LSTMCell`.

    Args:
        units: Size of the state U.
        activation: Of candidate and output: name or function; None for none.
        recurrent_activation: Of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, 4U).
        recurrent_initializer: Of the recurrent kernel, shape (U, 4U).
        bias_initializer: Of the bias, shape (4U,).
        unit_forget_bias: Whether the forget gate's bias starts at 1 (Jozefowicz et al. 2015).
        kernel_regularizer: Penalty of the kernel.
        recurrent_regularizer: Penalty of the recurrent kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Fraction of the inputs that is dropped in training, the same in all steps.
        recurrent_dropout: Fraction of the state that the recurrent products do not see in training. Where there is
            any, each gate has masks of its own, for the inputs too.
        seed: An integer, for repeatable dropout.
        return_sequences: Return the outputs of all steps instead of the last.
        return_state: Return the states too, after the output.
        go_backwards: Start at the end; outputs come in the order they are made.
        stateful: Start each batch from the states the batch before ended with.
        unroll: Write the steps out instead of looping.
        use_cudnn: Accepted for Keras' sake; each engine takes its fastest kernel.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    Call arguments: `sequences`, `initial_state`, `mask`, `training`, as of `RNN`.

    Shape: (B, T, C) -> (B, U), or (B, T, U) with `return_sequences`.

    Example:
        >>> LSTM(4, return_sequences=True).compute_output_shape((None, 10, 8))
        (None, 10, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            unit_forget_bias=unit_forget_bias,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=implementation,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
        )
        self._set(
            cell,
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            **kwargs,
        )

    def _sequence(self, sequences: Tensor, states: list[Tensor], **options: Any) -> Any:
        cell = self.cell
        return ops.lstm(
            sequences,
            *states,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            activation=named_activation(cell.activation),
            recurrent_activation=named_activation(cell.recurrent_activation),
            **options,
        )
