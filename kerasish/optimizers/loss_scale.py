"""Dynamic loss scaling for float16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core.convert import ndim_of
from kerasish.core.errors import ArgumentError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.registry import use_backend
from kerasish.core.variable import Variable
from kerasish.optimizers.gradients import usable
from kerasish.optimizers.optimizer import Optimizer
from kerasish.optimizers.rules import Tensors, scalar_like
from kerasish.optimizers.state import assign_if, store


class LossScaleOptimizer(Optimizer):
    """Scales the loss so that small float16 gradients do not vanish; finds the scale by itself.

    A step with an infinite or NaN gradient is skipped and halves the scale; after `dynamic_growth_steps` good steps in
    a row it doubles. Multiply the loss by `scale_loss` before differentiating; `fit` does so.

    Args:
        inner_optimizer: The optimizer that makes the steps.
        initial_scale: The scale to begin with.
        dynamic_growth_steps: Good steps in a row before the scale doubles.
        name: A label.
        kwargs: Nothing else; clipping and the like are the inner optimizer's.

    Raises:
        ArgumentError: `inner_optimizer` is not an optimizer, or an argument belongs to it.

    Example:
        >>> from kerasish import Variable
        >>> from kerasish.optimizers import SGD
        >>> w = Variable([1.0])
        >>> LossScaleOptimizer(SGD(0.5), initial_scale=8.0).apply([[8.0]], [w])
        >>> w.numpy().tolist()
        [0.5]
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise ArgumentError(
                "`inner_optimizer` must be an optimizer.",
                where="LossScaleOptimizer",
                received=repr(inner_optimizer),
            )
        if kwargs.pop("dynamic", True) is not True or kwargs:
            raise ArgumentError(
                f"{', '.join(kwargs) or 'dynamic=False'} is not supported here.",
                where="LossScaleOptimizer",
                hint="give it to the inner optimizer (a fixed scale: its loss_scale_factor)",
            )
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        super().__init__(0.0, name=name)
        self.step_counter: Variable | None = None
        self.dynamic_scale: Variable | None = None

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.step_counter = self.add_variable((), dtype="int32", name="step_counter")
        scale = float(self.initial_scale)  # as initializer: `assign` does nothing while shapes are inferred
        self.dynamic_scale = self.add_variable(
            (),
            initializer=lambda shape, dtype: p.full(shape=shape, value=scale, dtype=dtype),
            dtype="float32",
            name="dynamic_scale",
        )
        self.inner_optimizer.build(variables)

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        """Number of the inner optimizer's updates."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None) -> None:
        grads = list(grads)
        variables = self._known(grads, trainable_variables)
        with use_backend(self._iterations.engine):
            grads, variables = usable(grads, variables, self.name)
            if variables:
                self._apply(grads, variables)

    def _apply(self, grads: Tensors, variables: list[Variable]) -> None:
        counter, scale = self.step_counter.value, self.dynamic_scale.value  # type: ignore[union-attr]
        finite = _all_finite(grads)
        unscaled = [p.divide(g, scalar_like(scale, g)) for g in grads]
        assign_if(finite, lambda: self.inner_optimizer.apply(unscaled, variables))
        grow = p.equal(counter, self.dynamic_growth_steps - 1)
        after = p.where(p.logical_or(grow, p.logical_not(finite)), 0, p.add(counter, 1))
        good = p.where(grow, p.multiply(scale, 2.0), scale)
        scale = p.where(finite, good, p.multiply(scale, 0.5))
        store([self.step_counter, self.dynamic_scale], [after, scale])  # type: ignore[list-item]

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the current scale."""
        scale = self.dynamic_scale if self.built else float(self.initial_scale)
        return loss * scale

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> LossScaleOptimizer:
        config = dict(config)
        config["inner_optimizer"] = deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(**config)


def _all_finite(grads: Tensors) -> Any:
    flags = [p.all(p.isfinite(g), axis=tuple(range(ndim_of(g))), keepdims=False) for g in grads]
    result = flags[0]
    for flag in flags[1:]:
        result = p.logical_and(result, flag)
    return result
