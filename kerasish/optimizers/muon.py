"""Muon: orthogonal momentum for matrices, AdamW for the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.variable import Variable
from kerasish.optimizers.listwise import ListOptimizer, chosen
from kerasish.optimizers.optimizer import LearningRate
from kerasish.optimizers.rules import Tensors, adam_update, decayed
from kerasish.optimizers.rules_moments import muon_update


class Muon(ListOptimizer):
    """Steps along orthogonalised momentum for matrices, AdamW for all other variables (Jordan, 2024; Liu et al., 2025).

    The formulas are those of `rules_moments.muon_update` and `rules.adam_update`. Exclude the model's output layer.

    Args:
        learning_rate: Size of a step: a number, a schedule, or a function without arguments.
        adam_beta_1: AdamW's `beta_1`.
        adam_beta_2: AdamW's `beta_2`.
        adam_weight_decay: AdamW's weight decay.
        epsilon: Keeps denominators away from 0.
        weight_decay: Weight decay of matrices.
        clipnorm: See `Optimizer`, as for all up to `name`.
        exclude_layers: Patterns; variables in whose path one is found use AdamW.
        exclude_embeddings: Whether variables with "embedding" in their path use AdamW.
        muon_a: First coefficient of the orthogonalisation.
        muon_b: Second coefficient.
        muon_c: Third coefficient.
        adam_lr_ratio: AdamW's learning rate over Muon's.
        momentum: Kept part of the momentum, in [0, 1).
        ns_steps: Iterations of the orthogonalisation.
        nesterov: Whether the gradient counts as taken after the momentum's step.
        rms_rate: Size of a step relative to Adam's; None: no such scaling.
        kwargs: Nothing else is accepted.

    Example:
        >>> from kerasish import Variable
        >>> w = Variable([[1.0, 0.0], [0.0, 1.0]])
        >>> Muon(learning_rate=0.1, weight_decay=0.0).apply([[[2.0, 0.0], [0.0, 2.0]]], [w])
        >>> print(w.numpy().round(3))
        [[0.969 0.   ]
         [0.    0.969]]
    """

    arguments = (
        "adam_beta_1",
        "adam_beta_2",
        "epsilon",
        "exclude_layers",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "exclude_embeddings",
        "adam_weight_decay",
        "rms_rate",
    )

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )

    def kind_of(self, variable: Variable) -> str:
        path = variable.path
        excluded = any(re.search(pattern, path) for pattern in self.exclude_layers)
        embedding = self.exclude_embeddings and "embedding" in path.lower()
        return "adam" if variable.ndim != 2 or excluded or embedding else "muon"

    def decay_of(self, variable: Variable) -> float:
        if self.kind_of(variable) == "muon" or id(variable) in self._excluded[0]:
            return super().decay_of(variable)
        return float(self.adam_weight_decay or 0.0)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def slot_initializer(self, name: str, variable: Variable) -> Any:
        return None if name == "velocity" and self.kind_of(variable) == "muon" else "zeros"

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        if "velocity" in slots:
            return self._adam(decayed(params, learning_rate, weight_decay), grads, slots, learning_rate, step)
        params, ms = chosen(muon_update)(
            params,
            grads,
            slots["momentum"],
            learning_rate,
            momentum=float(self.momentum),
            nesterov=bool(self.nesterov),
            coefficients=(float(self.muon_a), float(self.muon_b), float(self.muon_c)),
            iterations=int(self.ns_steps),
            epsilon=float(self.epsilon),
            rms_rate=self.rms_rate,
            weight_decay=weight_decay,
        )
        return params, {"momentum": ms}

    def _adam(
        self, params: Tensors, grads: Tensors, slots: dict[str, Tensors], learning_rate: Tensor, step: Tensor
    ) -> tuple[Tensors, dict[str, Tensors]]:
        params, ms, vs = chosen(adam_update)(
            params,
            grads,
            slots["momentum"],
            slots["velocity"],
            p.multiply(learning_rate, float(self.adam_lr_ratio)),
            step,
            beta_1=float(self.adam_beta_1),
            beta_2=float(self.adam_beta_2),
            epsilon=float(self.epsilon),
            weight_decay=0.0,
        )
        return params, {"momentum": ms, "velocity": vs}
