"""`ListOptimizer`: optimizers given by slots and one pure rule over lists of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import plain
from kerasish.core.variable import Variable
from kerasish.optimizers.optimizer import Optimizer
from kerasish.optimizers.rules import Tensors
from kerasish.optimizers.state import held_back, store


def chosen(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule, possibly an engine's own; its plain composite where the values before the step are needed later.

    Engines may work in place within a donated step, which a step that may be taken back cannot bear.
    """
    return rule.composite if held_back() else rule  # type: ignore[attr-defined]


class ListOptimizer(Optimizer):
    """Optimizers that update all variables at once: subclasses define `slot_groups` and `rule`."""

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Names of the slots. Those of a group are created variable by variable, groups one after the other."""
        return ()

    def slot_initializer(self, name: str) -> Any:
        """What the slots of that name start from."""
        return "zeros"

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._slots: dict[str, list[Variable | None]] = {}
        for group in self.slot_groups():
            lists = self.add_optimizer_variables(variables, group, [self.slot_initializer(n) for n in group])
            self._slots.update(zip(group, lists, strict=True))

    def rule(
        self,
        params: Tensors,
        grads: Tensors,
        slots: dict[str, Tensors],
        learning_rate: Tensor,
        step: Tensor,
        weight_decay: float,
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """New parameters and slots; all tensors of one dtype. See `kerasish.optimizers.rules`."""
        raise NotImplementedError

    def update_all(self, grads: Tensors, variables: list[Variable], learning_rate: Tensor) -> None:
        if type(self).update_step is not ListOptimizer.update_step:
            super().update_all(grads, variables, learning_rate)  # a subclass has its own rule for one variable
            return
        decay = float(self.weight_decay or 0.0)
        groups: dict[tuple[str, bool], list[int]] = {}
        for index, variable in enumerate(variables):
            decays = bool(decay) and self._use_weight_decay(variable)
            groups.setdefault((variable.dtype, decays), []).append(index)
        for (_, decays), members in groups.items():
            self._update_group(
                [grads[i] for i in members], [variables[i] for i in members], learning_rate, decay if decays else 0.0
            )

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        self._update_group([gradient], [variable], learning_rate, 0.0)

    def _update_group(self, grads: Tensors, variables: list[Variable], learning_rate: Tensor, decay: float) -> None:
        slots = {name: self._slots_of(slots, variables) for name, slots in self._slots.items()}
        values = {name: [slot.value for slot in those] for name, those in slots.items()}
        step = p.add(plain(self.iterations), 1)
        params, values = self.rule([v.value for v in variables], grads, values, learning_rate, step, decay)
        store(variables, params)
        for name, tensors in values.items():
            store(slots[name], tensors)
