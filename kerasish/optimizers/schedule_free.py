"""AdamW without a learning rate schedule."""

from __future__ import annotations

from typing import Any, Unpack

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.core.variable import Variable
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import CommonArguments, LearningRate
from kerasish.optimizers.rules import Tensors, decayed
from kerasish.optimizers.rules_moments import schedule_free_update


class ScheduleFreeAdamW(ListOptimizer):
    """AdamW that averages its iterates instead of lowering the rate (Defazio et al., 2024).

    While training, variables lie between the sequence that takes the steps and its average. The formula is that of
    `rules_moments.schedule_free_update`.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        beta_1: How far variables lie towards the average, in (0, 1].
        beta_2: Kept part of the average of squares, in [0, 1).
        epsilon: Keeps the denominator away from 0.
        warmup_steps: Steps in which the rate rises from 0.
        common: Clipping, weight decay, averaging and the like; see `Optimizer`.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> ScheduleFreeAdamW(learning_rate=0.1).apply([[3.0, -4.0]], [w])
        >>> print(w.numpy().round(4))
        [0.9 2.1]
    """

    arguments = ("beta_1", "beta_2", "epsilon", "warmup_steps")

    def __init__(
        self,
        learning_rate: LearningRate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **common: Unpack[CommonArguments],
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def slot_initializer(self, name: str, variable: Variable) -> Any:
        return variable if name == "momentum" else "zeros"

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params = decayed(params, learning_rate, weight_decay)  # by the full rate, warm-up or not
        if self.warmup_steps:
            done = p.divide(p.cast(step, dtype=dtype_of(learning_rate)), float(self.warmup_steps))
            learning_rate = p.multiply(learning_rate, p.minimum(done, 1.0))
        params, zs, vs = chosen(schedule_free_update)(
            params,
            grads,
            slots["momentum"],
            slots["velocity"],
            learning_rate,
            step,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
            weight_decay=0.0,
        )
        return params, {"momentum": zs, "velocity": vs}
