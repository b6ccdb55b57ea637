"""Adafactor: Adam for little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from kerasish.core.contract import Tensor
from kerasish.core.registry import use_backend
from kerasish.core.variable import Variable
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import CommonArguments, LearningRate
from kerasish.optimizers.rules import Tensors
from kerasish.optimizers.rules_squares import adafactor_update


class Adafactor(ListOptimizer):
    """Adaptive steps from row and column means of squared gradients (Shazeer and Stern, 2018).

    The formula is that of `rules_squares.adafactor_update`.

    Args:
        learning_rate: Size of a step, an upper bound with `relative_step`.
        beta_2_decay: Exponent of the averages' decay, negative: they keep 1 − t^beta_2_decay.
        epsilon_1: Added to squared gradients.
        epsilon_2: Least size of a variable that a step is relative to.
        clip_threshold: Largest root mean square of a step's direction.
        relative_step: Whether the rate is bounded by 1/√t.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([[1.0, 2.0], [3.0, 4.0]])
        >>> Adafactor(learning_rate=0.1).apply([[[1.0, 1.0], [1.0, 1.0]]], [w])
        >>> print(w.numpy().round(3))
        [[0.726 1.726]
         [2.726 3.726]]
    """

    arguments = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step
        super().__init__(learning_rate, **common)

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._slots = {"row": [], "column": [], "velocity": []}
        for variable in variables:
            made = self._factors(variable)
            for slots, slot in zip(self._slots.values(), made, strict=True):
                slots.append(slot)

    def _factors(self, variable: Variable) -> tuple[Variable | None, ...]:
        if variable.overwrite_with_gradient:
            return None, None, None
        shape = variable.shape
        if len(shape) < 2:  # not factored; files hold an integer in the place of each factor
            with use_backend(variable.engine):
                row, column = (
                    Variable(0, dtype="int32", trainable=False, name=variable.name) for _ in range(2)
                )
            self._track_variable(row)
            self._track_variable(column)
        else:
            row = self.add_variable(shape[:-1], dtype=variable.dtype, name=variable.name)
            column = self.add_variable((*shape[:-2], shape[-1]), dtype=variable.dtype, name=variable.name)
        return row, column, self.add_variable_from_reference(variable, "velocity")

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, rows, columns, vs = chosen(adafactor_update)(
            params,
            grads,
            slots["row"],
            slots["column"],
            slots["velocity"],
            learning_rate,
            step,
            beta_2_decay=float(self.beta_2_decay),
            epsilon_1=float(self.epsilon_1),
            epsilon_2=float(self.epsilon_2),
            clip_threshold=float(self.clip_threshold),
            relative_step=bool(self.relative_step),
            weight_decay=weight_decay,
        )
        return params, {"row": rows, "column": columns, "velocity": vs}
