"""`SimpleRNN` and its cell: h = activation(x·kernel + h·recurrent_kernel + bias)."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.layers.recurrent.cell import Masks, RecurrentCell, named_activation
from kerasish.layers.recurrent.rnn import CellLayer
from kerasish.ops.recurrent import _simple_cell


class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: h = activation(sequence·kernel + states·recurrent_kernel + bias).

    Args:
        units: Size of the state U.
        activation: Name or function; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, U).
        recurrent_initializer: Of the recurrent kernel, shape (U, U).
        bias_initializer: Of the bias, shape (U,).
        kernel_regularizer: Penalty of the kernel.
        recurrent_regularizer: Penalty of the recurrent kernel.
        bias_regularizer: Penalty of the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Fraction of the inputs that is dropped in training.
        recurrent_dropout: Fraction of the state that the recurrent product does not see in training.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (B, C), [(B, U)] -> (B, U), [(B, U)].

    Example:
        >>> SimpleRNNCell(2).get_initial_state(batch_size=1)[0].tolist()
        [[0.0, 0.0]]
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
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
        super().__init__(**kwargs)
        self._set(
            units,
            dropout,
            recurrent_dropout,
            seed,
            activation=activation,
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
        )

    def call(self, sequence: Tensor, states: Any, training: bool | None = False) -> tuple[Tensor, Any]:
        return self._step(sequence, states, training)

    def _advance(self, inputs: Tensor, states: list[Tensor], masks: Masks) -> list[Tensor]:
        step = _simple_cell(self.recurrent_kernel.value, self.activation, masks.state)
        return step(self._entering(inputs, self.bias, masks), states)


class SimpleRNN(CellLayer):
    """h_t = activation(x_t·kernel + h_{t−1}·recurrent_kernel + bias) over axis 1.

    Args:
        units: Size of the state U.
        activation: Name or function; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, U).
        recurrent_initializer: Of the recurrent kernel, shape (U, U).
        bias_initializer: Of the bias, shape (U,).
        kernel_regularizer: Penalty of the kernel.
        recurrent_regularizer: Penalty of the recurrent kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Fraction of the inputs that is dropped in training, the same in all steps.
        recurrent_dropout: Fraction of the state that the recurrent product does not see in training.
        return_sequences: Return the outputs of all steps instead of the last.
        return_state: Return the state too, after the output.
        go_backwards: Start at the end; outputs come in the order they are made.
        stateful: Start each batch from the state the batch before ended with.
        unroll: Write the steps out instead of looping.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    Call arguments: `sequences`, `initial_state`, `mask`, `training`, as of `RNN`.

    Shape: (B, T, C) -> (B, U), or (B, T, U) with `return_sequences`.

    Example:
        >>> SimpleRNN(4).compute_output_shape((None, 10, 8))
        (None, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation=activation,
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
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
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
        return ops.simple_rnn(
            sequences,
            states[0],
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            activation=named_activation(cell.activation),
            **options,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("seed")  # as in Keras' files
        return config
