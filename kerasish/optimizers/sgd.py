"""Gradient descent."""

from __future__ import annotations

from typing import Unpack

from kerasish.core.contract import Tensor
from kerasish.core.errors import ArgumentError
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import CommonArguments, LearningRate
from kerasish.optimizers.rules import Tensors, sgd_update


class SGD(ListOptimizer):
    """Gradient descent, with momentum if wanted: m ← momentum·m − learning_rate·g; p ← p + m.

    With `nesterov`, p ← p + momentum·m − learning_rate·g.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        momentum: Part of the last step that is taken again, in [0, 1].
        nesterov: Whether the gradient counts as taken after the momentum's step.
        common: Clipping, averaging and the like; see `Optimizer`.

    Raises:
        ArgumentError: `momentum` lies outside [0, 1].

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([1.0, 2.0])
        >>> SGD(learning_rate=0.5).apply([[1.0, 1.0]], [w])
        >>> w.numpy().tolist()
        [0.5, 1.5]
    """

    arguments = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[CommonArguments],
    ) -> None:
        if not 0 <= momentum <= 1:
            raise ArgumentError(
                "`momentum` is a fraction.", where="SGD", expected="0 to 1", received=momentum
            )
        self.momentum = momentum
        self.nesterov = nesterov
        super().__init__(learning_rate, **common)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum",),) if self.momentum else ()

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, ms = chosen(sgd_update)(
            params,
            grads,
            slots.get("momentum", []),
            learning_rate,
            momentum=float(self.momentum),
            nesterov=bool(self.nesterov),
            weight_decay=weight_decay,
        )
        return params, {"momentum": ms} if self.momentum else {}
