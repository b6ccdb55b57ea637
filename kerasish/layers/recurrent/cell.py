"""`RecurrentCell`: what the cells share (options, weights, dropout masks), and `StackedRNNCells`.

A cell is one step of a recurrence: `output, states = cell(inputs, states)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, NamedTuple

from kerasish import activations, ops
from kerasish.core import primitives as p
from kerasish.core import trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.seeds import SeedGenerator
from kerasish.layers.core.dense import dense
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, fraction, positive, set_options
from kerasish.ops import random
from kerasish.ops.fastpath import filled
from kerasish.ops.recurrent import _FUNCTIONS, scaled_product


class Masks(NamedTuple):
    """Dropout masks of one call, the same for all its steps; None where nothing is dropped."""

    inputs: Tensor | None = None
    state: Tensor | None = None


class RecurrentCell(Layer):
    """Base of the cells: kernel, recurrent kernel and bias, `gates` of them side by side."""

    gates: ClassVar[int] = 1
    use_bias: bool
    activation: Any
    recurrent_activation: Any
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    recurrent_constraint: Any
    bias_constraint: Any
    option_names: ClassVar[tuple[str, ...]] = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
    )

    def _set(
        self,
        units: int,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        implementation: int = 2,
        **options: Any,
    ) -> None:
        positive(self, units=units)
        self.units = int(units)
        # As in Keras, 1 draws masks for each gate, 2 (the default) one for all; with recurrent dropout it is always 1.
        self.implementation = 1 if recurrent_dropout else implementation
        self._set_dropout(dropout, recurrent_dropout, seed)
        set_options(self, **options)
        self.bias: Any = None
        self.state_size: Any = self.units
        self.output_size: Any = self.units

    def _set_dropout(self, dropout: float, recurrent_dropout: float, seed: int | None) -> None:
        fraction(self, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if dropout or recurrent_dropout else None
        self._held: Masks | None = None

    def _add_weights(
        self, kernel: Any, recurrent_kernel: Any, bias: Any, bias_initializer: Any = None
    ) -> None:
        """The three weights, of these shapes."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=recurrent_kernel,
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=bias,
                initializer=bias_initializer or self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def build(self, input_shape: Any) -> None:
        width = self.gates * self.units
        self._add_weights((input_shape[-1], width), (self.units, width), (width,))

    # -- dropout ---------------------------------------------------------------------------------------------------
    def _mask_shapes(self, like: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rows = (
            (shape_of(like)[0], self.gates) if self.gates > 1 == self.implementation else shape_of(like)[:1]
        )
        return (*rows, self.kernel.shape[0]), (*rows, self.units)

    def draw_masks(self, like: Tensor) -> Masks:
        """Dropout masks for the inputs and the state, for the batch (and on the engine) of `like`."""

        def mask(shape: tuple[int, ...], rate: float) -> Tensor | None:
            if not rate:
                return None
            return random.dropout(filled(like, shape, 1.0, dtype_of(like)), rate, seed=self.seed_generator)

        inputs, state = self._mask_shapes(like)
        return Masks(mask(inputs, self.dropout), mask(state, self.recurrent_dropout))

    @contextmanager
    def holding_masks(self, like: Tensor, training: bool | None) -> Iterator[Masks]:
        """Within, every step uses the masks drawn here: one draw for a whole sequence, outside of its loop."""
        outer = self._held
        masks = self.draw_masks(like) if training else Masks()
        object.__setattr__(self, "_held", masks)
        try:
            yield masks
        finally:
            object.__setattr__(self, "_held", outer)

    def _masks(self, like: Tensor, training: bool | None) -> Masks:
        if self._held is not None:
            return self._held
        return self.draw_masks(like) if training else Masks()

    # -- calling ---------------------------------------------------------------------------------------------------
    def _step(self, inputs: Tensor, states: Any, training: bool | None) -> tuple[Tensor, Any]:
        nested = isinstance(states, (list, tuple))
        old = list(states) if nested else [states]
        expected = len(self.state_size) if isinstance(self.state_size, list) else 1
        if len(old) != expected:
            raise ShapeError("The number of states is wrong.", expected=expected, received=len(old))
        dtype = dtype_of(inputs)
        old = [s if dtype_of(s) == dtype else p.cast(s, dtype=dtype) for s in old]
        new = self._advance(inputs, old, self._masks(inputs, training))
        return new[0], new if nested else new[0]

    def _advance(self, inputs: Tensor, states: list[Tensor], masks: Masks) -> list[Tensor]:
        """The states after a step; the first one is the output."""
        raise NotImplementedError

    def _entering(self, inputs: Tensor, bias: Any, masks: Masks) -> Tensor:
        """inputs·kernel + bias."""
        if masks.inputs is None:
            return dense(inputs, self.kernel, bias)
        y = scaled_product(inputs, self.kernel.value, masks.inputs)
        return y if bias is None else p.add(y, plain(bias))

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """States at the start: zeros (B, U)."""
        return zero_states(self.state_size, batch_size, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, *self.option_names, "seed")}


def zero_states(sizes: Any, batch_size: Any, dtype: str) -> list[Tensor]:
    """Zeros for each of a cell's states, given one size or a list of sizes (or of shapes without the batch)."""
    every = sizes if isinstance(sizes, (list, tuple)) else [sizes]
    return [
        ops.zeros((batch_size, *(size if isinstance(size, (list, tuple)) else (size,))), dtype=dtype)
        for size in every
    ]


def named_activation(activation: Any) -> Any:
    """The name of an activation that sequence kernels may know; any other function as it is."""
    name = activations.serialize(activation)
    return name if isinstance(name, str) and (name in _FUNCTIONS or name == "linear") else activation


class StackedRNNCells(Layer):
    """Cells on top of each other as one cell: each takes the output of the one before.

    Args:
        cells: The cells, lowest first.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ArgumentError: A cell has no `call` or no `state_size`.

    Example:
        >>> from kerasish import layers
        >>> cells = StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)])
        >>> cells.state_size
        [3, [2, 2]]
    """

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell, "StackedRNNCells")
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The size of the last cell's output."""
        return output_size_of(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            size = output_size_of(cell)
            input_shape = (input_shape[0], *(size if isinstance(size, (list, tuple)) else (size,)))

    def call(self, inputs: Tensor, states: Any, training: bool | None = None, **kwargs: Any) -> Any:
        after = []
        for cell, old in zip(self.cells, states, strict=True):
            nested = isinstance(old, (list, tuple))
            inputs, new = call_cell(cell, inputs, old if nested else [old], training)
            after.append(new if nested or not isinstance(new, (list, tuple)) else new[0])
        return inputs, after

    @contextmanager
    def holding_masks(self, like: Tensor, training: bool | None) -> Iterator[None]:
        """See `RecurrentCell.holding_masks`."""
        with ExitStack() as stack:
            for cell in self.cells:
                if hasattr(cell, "holding_masks"):
                    stack.enter_context(cell.holding_masks(like, training))
            yield

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """States at the start: a tensor for each cell whose `state_size` is one number, a list for the others."""
        states = [initial_state_of(cell, batch_size) for cell in self.cells]
        return [s if trees.is_nested(z) else s[0] for s, z in zip(states, self.state_size, strict=True)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cells": [serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        cells = [deserialize_keras_object(c, custom_objects=custom_objects) for c in config.pop("cells")]
        return cls(cells, **config)


# -- what is asked of any cell, a user's included --------------------------------------------------------------------


def check_cell(cell: Any, where: str) -> None:
    """Raise ArgumentError unless `cell` can be a cell."""
    for attribute in ("call", "state_size"):
        if not hasattr(cell, attribute):
            raise ArgumentError(
                f"A cell needs `{attribute}`.",
                where=where,
                received=repr(cell)[:80],
                hint="pass a cell such as LSTMCell(32)" if not isinstance(cell, Layer) else None,
            )


def call_cell(cell: Any, inputs: Tensor, states: Any, training: bool | None) -> Any:
    """(output, states) of any cell, told about training if it asks."""
    signature = getattr(cell, "_signature", None)
    if signature is not None and signature.training:
        return cell(inputs, states, training=training)
    return cell(inputs, states)


def initial_state_of(cell: Any, batch_size: Any) -> Any:
    """The states a cell starts from: its own word for it, or zeros; always a list."""
    if hasattr(cell, "get_initial_state"):
        state = cell.get_initial_state(batch_size=batch_size)
    else:
        state = zero_states(cell.state_size, batch_size, cell.compute_dtype)
    return list(state) if trees.is_nested(state) else [state]


def output_size_of(cell: Any) -> Any:
    """The size of a cell's output: its `output_size`, or its first state's."""
    size = getattr(cell, "output_size", None)
    if size is not None:
        return size
    size = cell.state_size
    return size[0] if isinstance(size, (list, tuple)) else size
