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

    def slot_initializer(self, name: str, variable: Variable) -> Any:
        """What a slot starts from; None: the variable has no such slot."""
        return "zeros"

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._slots: dict[str, list[Variable | None]] = {n: [] for group in self.slot_groups() for n in group}
        for group in self.slot_groups():
            for variable in variables:
                for name in group:
                    self._slots[name].append(self._slot(name, variable))

    def _slot(self, name: str, variable: Variable) -> Variable | None:
        start = None if variable.overwrite_with_gradient else self.slot_initializer(name, variable)
        return None if start is None else self.add_variable_from_reference(variable, name, start)

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
            super().update_all(
                grads, variables, learning_rate
            )  # a subclass has its own rule for one variable
            return
        groups: dict[Any, list[int]] = {}
        for index, variable in enumerate(variables):
            key = (variable.dtype, self.decay_of(variable), self.kind_of(variable))
            groups.setdefault(key, []).append(index)
        for (_, decay, _), members in groups.items():
            self._update_group(
                [grads[i] for i in members], [variables[i] for i in members], learning_rate, decay
            )

    def kind_of(self, variable: Variable) -> Any:
        """Variables of different kinds are never handed to the rule together."""
        return None

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        self._update_group([gradient], [variable], learning_rate, 0.0)

    def _update_group(
        self, grads: Tensors, variables: list[Variable], learning_rate: Tensor, decay: float
    ) -> None:
        first = self._get_variable_index(variables[0])
        held = {name: slots for name, slots in self._slots.items() if slots[first] is not None}
        slots = {name: self._slots_of(those, variables) for name, those in held.items()}
        values = {name: [slot.value for slot in those] for name, those in slots.items()}
        step = p.add(plain(self.iterations), 1)
        params, values = self.rule([v.value for v in variables], grads, values, learning_rate, step, decay)
        store(variables, params)
        for name, tensors in values.items():
            store(slots[name], tensors)
