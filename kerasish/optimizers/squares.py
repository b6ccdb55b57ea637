"""Optimizers that divide by accumulated squares of gradients: RMSprop, Adagrad, Adadelta, Ftrl."""

from __future__ import annotations

from typing import Any, Unpack

from kerasish import initializers
from kerasish.core.contract import Tensor
from kerasish.core.variable import Variable
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import CommonArguments, LearningRate
from kerasish.optimizers.rules import Tensors
from kerasish.optimizers.rules_squares import (
    adadelta_update,
    adagrad_update,
    ftrl_update,
    rmsprop_update,
)


class RMSprop(ListOptimizer):
    """Gradients over their recent root mean square (Hinton, 2012).

    v ← rho·v + (1 − rho)·g²; d = learning_rate·g/√(v + epsilon); m ← momentum·m + d; p ← p − m.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        rho: Kept part of the average of squares, in [0, 1).
        momentum: Part of the last step that is taken again, in [0, 1].
        epsilon: Keeps the denominator away from 0.
        centered: Whether the variance of the gradient stands for its mean square.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> RMSprop(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.6838 2.3162]
    """

    arguments = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        momentum = (("momentum",),) if self.momentum > 0 else ()
        return (("velocity",), *momentum, *((("average_gradient",),) if self.centered else ()))

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, vs, ms, means = chosen(rmsprop_update)(
            params,
            grads,
            slots["velocity"],
            slots.get("momentum", []),
            slots.get("average_gradient", []),
            learning_rate,
            rho=float(self.rho),
            momentum=float(self.momentum),
            epsilon=float(self.epsilon),
            centered=bool(self.centered),
            weight_decay=weight_decay,
        )
        after = {"velocity": vs, "momentum": ms, "average_gradient": means}
        return params, {name: after[name] for name in slots}


class Adagrad(ListOptimizer):
    """Gradients over the root of all their squares so far (Duchi et al., 2011).

    s ← s + g²; p ← p − learning_rate·g/√(s + epsilon).

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        initial_accumulator_value: What s starts from, at least 0.
        epsilon: Keeps the denominator away from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Adagrad(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9006 2.0997]
    """

    arguments = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulator",),)

    def slot_initializer(self, name: str, variable: Variable) -> Any:
        return initializers.Constant(self.initial_accumulator_value) if name == "accumulator" else "zeros"

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, sums = chosen(adagrad_update)(
            params,
            grads,
            slots["accumulator"],
            learning_rate,
            epsilon=float(self.epsilon),
            weight_decay=weight_decay,
        )
        return params, {"accumulator": sums}


class Adadelta(ListOptimizer):
    """Steps in the units of the variables themselves (Zeiler, 2012).

    s ← rho·s + (1 − rho)·g²; d = √(u + epsilon)/√(s + epsilon) · g; u ← rho·u + (1 − rho)·d²; p ← p − learning_rate·d.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        rho: Kept part of both averages, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Adadelta(learning_rate=1.0).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9986 2.0014]
    """

    arguments = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.rho = rho
        self.epsilon = epsilon
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulated_grad", "accumulated_delta_var"),)

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, first, second = chosen(adadelta_update)(
            params,
            grads,
            slots["accumulated_grad"],
            slots["accumulated_delta_var"],
            learning_rate,
            rho=float(self.rho),
            epsilon=float(self.epsilon),
            weight_decay=weight_decay,
        )
        return params, {"accumulated_grad": first, "accumulated_delta_var": second}


class Ftrl(ListOptimizer):
    """Follow the regularised leader: sparse linear models (McMahan et al., 2013).

    The formula is that of `rules_squares.ftrl_update`.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        learning_rate_power: How the rate falls with the sum of squares, at most 0.
        initial_accumulator_value: What the sum starts from, at least 0.
        l1_regularization_strength: Pull of small weights to exactly 0.
        l2_regularization_strength: Pull of all weights towards 0.
        l2_shrinkage_regularization_strength: The same, applied to the gradient.
        beta: Stabilises early steps.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Ftrl(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.7957 1.9421]
    """

    arguments = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("accumulator", "linear"),)

    def slot_initializer(self, name: str, variable: Variable) -> Any:
        return initializers.Constant(self.initial_accumulator_value) if name == "accumulator" else "zeros"

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, first, second = chosen(ftrl_update)(
            params,
            grads,
            slots["accumulator"],
            slots["linear"],
            learning_rate,
            power=float(self.learning_rate_power),
            l1=float(self.l1_regularization_strength),
            l2=float(self.l2_regularization_strength),
            shrinkage=float(self.l2_shrinkage_regularization_strength),
            beta=float(self.beta),
            weight_decay=weight_decay,
        )
        return params, {"accumulator": first, "linear": second}
