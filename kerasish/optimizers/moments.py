"""Optimizers in which a momentum leads: Adam and its relatives, Lamb, Lion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.contract import Tensor
from kerasish.core.convert import plain
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import use_backend
from kerasish.core.variable import Variable
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import CommonArguments, LearningRate
from kerasish.optimizers.rules import Tensors, adam_update
from kerasish.optimizers.rules_moments import (
    adamax_update,
    amsgrad_update,
    lamb_update,
    lion_update,
    nadam_momentum,
    nadam_update,
)
from kerasish.optimizers.state import store


class Adam(ListOptimizer):
    """Adaptive moments: the average gradient over the root of the average squared gradient.

    m ← beta_1·m + (1 − beta_1)·g; v ← beta_2·v + (1 − beta_2)·g²;
    p ← p − learning_rate·√(1 − beta_2^t)/(1 − beta_1^t) · m/(√v + epsilon). Kingma and Ba, 2015.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: Kept part of the average of gradients, in [0, 1).
        beta_2: Kept part of the average of squares, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        amsgrad: Whether the denominator uses the largest v so far (Reddi et al., 2018).
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Adam(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9 2.1]
    """

    arguments = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"), *((("velocity_hat",),) if self.amsgrad else ()))

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        moments = slots["momentum"], slots["velocity"]
        keywords = {
            "beta_1": float(self.beta_1),
            "beta_2": float(self.beta_2),
            "epsilon": float(self.epsilon),
            "weight_decay": weight_decay,
        }
        if not self.amsgrad:
            params, ms, vs = chosen(adam_update)(params, grads, *moments, learning_rate, step, **keywords)
            return params, {"momentum": ms, "velocity": vs}
        tops = slots["velocity_hat"]
        params, ms, vs, tops = chosen(amsgrad_update)(
            params, grads, *moments, tops, learning_rate, step, **keywords
        )
        return params, {"momentum": ms, "velocity": vs, "velocity_hat": tops}


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p·(1 − learning_rate·weight_decay) before each step.

    Loshchilov and Hutter, 2019. `exclude_from_weight_decay` spares variables.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        weight_decay: Strength of the decay.
        beta_1: Kept part of the average of gradients, in [0, 1).
        beta_2: Kept part of the average of squares, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        amsgrad: Whether the denominator uses the largest v so far.
        common: Clipping, averaging and the like; see `Optimizer`.

    Raises:
        ArgumentError: `weight_decay` is None: then it is `Adam`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> AdamW(learning_rate=0.1, weight_decay=0.5).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.85 2.  ]
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        if weight_decay is None:
            raise ArgumentError(
                "AdamW needs a weight decay.", where="AdamW", hint="use Adam to train without"
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common)


class Adamax(ListOptimizer):
    """Adam with the largest recent gradient in the denominator.

    m ← beta_1·m + (1 − beta_1)·g; u ← max(beta_2·u, |g|); p ← p − learning_rate/(1 − beta_1^t) · m/(u + epsilon).

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: Kept part of the average of gradients, in [0, 1).
        beta_2: Kept part of the largest gradient, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Adamax(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9 2.1]
    """

    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "norm"),)

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, first, second = chosen(adamax_update)(
            params,
            grads,
            slots["momentum"],
            slots["norm"],
            learning_rate,
            step,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
            weight_decay=weight_decay,
        )
        return params, {"momentum": first, "norm": second}


class Nadam(ListOptimizer):
    """Adam with Nesterov momentum (Dozat, 2015).

    Its momentum warms up: u_t = beta_1·(1 − 0.96^t/2). The exact formula is that of `rules_moments.nadam_update`.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: Kept part of the average of gradients, in [0, 1).
        beta_2: Kept part of the average of squares, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Nadam(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.8937 2.1063]
    """

    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        with use_backend(self._iterations.engine):
            self._product = Variable(1.0, dtype=floatx(), trainable=False, name="variable")
        self._track_variable(self._product)

    def update_all(self, grads: Tensors, variables: list[Variable], learning_rate: Tensor) -> None:
        super().update_all(grads, variables, learning_rate)
        momentum = nadam_momentum(p.add(plain(self.iterations), 1), float(self.beta_1), self._product.dtype)
        store([self._product], [p.multiply(self._product.value, momentum)])

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, ms, vs = chosen(nadam_update)(
            params,
            grads,
            slots["momentum"],
            slots["velocity"],
            learning_rate,
            step,
            self._product.value,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
            weight_decay=weight_decay,
        )
        return params, {"momentum": ms, "velocity": vs}


class Lamb(ListOptimizer):
    """Adam with steps as long as each variable itself, for large batches (You et al., 2020).

    d = Adam's direction, bias corrected; p ← p − learning_rate · ‖p‖/‖d‖ · d.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: Kept part of the average of gradients, in [0, 1).
        beta_2: Kept part of the average of squares, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Lamb(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.8419 2.1581]
    """

    arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, first, second = chosen(lamb_update)(
            params,
            grads,
            slots["momentum"],
            slots["velocity"],
            learning_rate,
            step,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
            weight_decay=weight_decay,
        )
        return params, {"momentum": first, "velocity": second}


class Lion(ListOptimizer):
    """Steps of one size in every coordinate, in the direction of the momentum's sign (Chen et al., 2023).

    p ← p − learning_rate·sign(beta_1·m + (1 − beta_1)·g); m ← beta_2·m + (1 − beta_2)·g.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: Part of the momentum in a step, in (0, 1].
        beta_2: Kept part of the momentum, in [0, 1).
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> Lion(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9 2.1]
    """

    arguments = ("beta_1", "beta_2")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),)

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, ms = chosen(lion_update)(
            params,
            grads,
            slots["momentum"],
            learning_rate,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            weight_decay=weight_decay,
        )
        return params, {"momentum": ms}
