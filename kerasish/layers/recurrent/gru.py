"""`GRU` and its cell: gated recurrent units, gates in the order z, r, h."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.layers.recurrent.cell import Masks, RecurrentCell, named_activation
from kerasish.layers.recurrent.rnn import CellLayer
from kerasish.ops.recurrence import entry
from kerasish.ops.recurrent import _gru_cell


class GRUCell(RecurrentCell):
    """One step of `GRU`.

    z, r = σ(x·kernel + h·recurrent_kernel + bias) with σ the recurrent activation; the candidate is
    c = activation(x·kernel_h + r·(h·recurrent_kernel_h + b)) with `reset_after`, else activation(x·kernel_h +
    (r·h)·recurrent_kernel_h); h = z·h + (1 − z)·c.

    Args:
        units: Size of the state U.
        activation: Of the candidate: name or function; None for none.
        recurrent_activation: Of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, 3U).
        recurrent_initializer: Of the recurrent kernel, shape (U, 3U).
        bias_initializer: Of the bias, shape (2, 3U) with `reset_after`, else (3U,).
        kernel_regularizer: Penalty of the kernel.
        recurrent_regularizer: Penalty of the recurrent kernel.
        bias_regularizer: Penalty of the bias.
        kernel_constraint: Projection of the kernel after each update.
        recurrent_constraint: Projection of the recurrent kernel after each update.
        bias_constraint: Projection of the bias after each update.
        dropout: Fraction of the inputs that is dropped in training.
        recurrent_dropout: Fraction of the state that the recurrent products do not see in training. Where there is
            any, each gate has masks of its own, for the inputs too.
        reset_after: Apply the reset gate after the recurrent product (two biases) instead of before.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (B, C), [(B, U)] -> (B, U), [(B, U)].

    Example:
        >>> GRUCell(2).get_initial_state(batch_size=1)[0].tolist()
        [[0.0, 0.0]]
    """

    gates: ClassVar[int] = 3
    reset_after: bool
    option_names: ClassVar[tuple[str, ...]] = (
        *RecurrentCell.option_names,
        "recurrent_activation",
        "reset_after",
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
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
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
            reset_after=reset_after,
            implementation=implementation,
        )

    def build(self, input_shape: Any) -> None:
        width = 3 * self.units
        bias = (2, width) if self.reset_after else (width,)
        self._add_weights((input_shape[-1], width), (self.units, width), bias)

    def call(self, inputs: Tensor, states: Any, training: bool | None = False) -> tuple[Tensor, Any]:
        return self._step(inputs, states, training)

    def _advance(self, inputs: Tensor, states: list[Tensor], masks: Masks) -> list[Tensor]:
        bias, recurrent_bias = None if self.bias is None else self.bias.value, None
        if bias is not None and self.reset_after:
            bias, recurrent_bias = entry(bias, 0), entry(bias, 1)
        step = _gru_cell(
            self.recurrent_kernel.value,
            recurrent_bias,
            self.activation,
            self.recurrent_activation,
            self.reset_after,
            masks.state,
        )
        return step(self._entering(inputs, bias, masks), states)


class GRU(CellLayer):
    """Gated recurrent units (Cho et al. 2014) over axis 1. Formulas as of `GRUCell`.

    Args:
        units: Size of the state U.
        activation: Of the candidate: name or function; None for none.
        recurrent_activation: Of the gates.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, 3U).
        recurrent_initializer: Of the recurrent kernel, shape (U, 3U).
        bias_initializer: Of the bias, shape (2, 3U) with `reset_after`, else (3U,).
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
        return_state: Return the state too, after the output.
        go_backwards: Start at the end; outputs come in the order they are made.
        stateful: Start each batch from the state the batch before ended with.
        unroll: Write the steps out instead of looping.
        reset_after: Apply the reset gate after the recurrent product (two biases) instead of before.
        use_cudnn: Accepted for Keras' sake; each engine takes its fastest kernel.
        **kwargs: `name`, `dtype`, `trainable`, `zero_output_for_mask`.

    Call arguments: `sequences`, `initial_state`, `mask`, `training`, as of `RNN`.

    Shape: (B, T, C) -> (B, U), or (B, T, U) with `return_sequences`.

    Example:
        >>> GRU(4, return_sequences=True).compute_output_shape((None, 10, 8))
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs: Any,
    ) -> None:
        implementation = kwargs.pop("implementation", 2)
        cell = GRUCell(
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
            reset_after=reset_after,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            implementation=implementation,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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
        return ops.gru(
            sequences,
            *states,
            cell.kernel,
            cell.recurrent_kernel,
            cell.bias,
            activation=named_activation(cell.activation),
            recurrent_activation=named_activation(cell.recurrent_activation),
            reset_after=cell.reset_after,
            **options,
        )
