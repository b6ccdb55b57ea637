"""`Metric`: state that batches are added to, and a result computed from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish import initializers, ops
from kerasish.core import context
from kerasish.core.config import floatx
from kerasish.core.dtype_policy import DTypePolicy
from kerasish.core.dtype_policy import get as get_policy
from kerasish.core.errors import ArgumentError, NotBuiltError
from kerasish.core.naming import to_snake_case
from kerasish.core.variable import Variable


class Metric:
    """Base class of metrics: subclasses make variables in `__init__` and give `update_state` and `result`.

    Within a training step the same code is pure: what is assigned becomes a result of the step.

    Args:
        dtype: Of variables and result; default floatx.
        name: A label; default the class's name in snake case.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, name="largest"):
        ...         super().__init__(name=name)
        ...         self.seen = self.add_weight(name="seen", initializer="zeros")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.seen.assign(ops.maximum(self.seen, ops.max(y_pred)))
        ...     def result(self):
        ...         return self.seen.value
        >>> float(Largest()([0.0], [3.0]))
        3.0
    """

    _is_metric = True

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self._variables: list[Variable] = []
        self._metrics: list[Metric] = []
        self.name = name or to_snake_case(type(self).__name__)
        self._dtype_policy = get_policy(floatx() if dtype is None else dtype)
        self._dtype = self._dtype_policy.compute_dtype

    def __setattr__(self, name: str, value: Any) -> None:
        owned = self.__dict__.get("_metrics")
        if owned is not None and not name.startswith("_metrics"):
            for item in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(item, Metric) and not any(item is known for known in owned):
                    owned.append(item)
        object.__setattr__(self, name, value)

    # -- state -----------------------------------------------------------------------------------------------------
    def add_variable(
        self,
        shape: Any,
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Make a variable that belongs to this metric.

        Args:
            shape: Its sizes.
            initializer: A name or an initializer.
            dtype: Default the metric's.
            aggregation: How replicas would combine their values.
            name: A label.
        """
        if "_variables" not in self.__dict__:
            raise NotBuiltError(
                "A variable was added before the metric was set up.",
                where=type(self).__name__,
                hint="call super().__init__(name=name) first",
            )
        variable = Variable(
            initializers.get(initializer),
            shape=shape,
            dtype=dtype or self.dtype,
            trainable=False,
            autocast=False,
            aggregation=aggregation,
            name=name,
        )
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Any = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """Make a variable that belongs to this metric, of zeros unless `initializer` says otherwise."""
        return self.add_variable(
            shape=shape, initializer="zeros" if initializer is None else initializer, dtype=dtype, name=name
        )

    @property
    def variables(self) -> list[Variable]:
        """All variables, those of metrics inside included."""
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    @property
    def dtype(self) -> str:
        """Dtype of the variables."""
        return self._dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        """The policy `dtype` came from."""
        return self._dtype_policy

    def reset_state(self) -> None:
        """Back to the state before the first batch."""
        for variable in self.variables:
            variable.assign(ops.zeros(variable.shape, dtype=variable._dtype))

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Take in a batch, as a rule `(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} must implement update_state.")

    def result(self) -> Any:
        """The metric's value for all batches so far: a scalar, or a dict of scalars."""
        raise NotImplementedError(f"{type(self).__name__} must implement result.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.update_state(*args, **kwargs)
        return self.result()

    # -- the same as pure functions ----------------------------------------------------------------------------------
    def _bound(self, values: Sequence[Any], function: Callable[[], Any]) -> tuple[Any, list[Any]]:
        variables = self.variables
        if len(values) != len(variables):
            raise ArgumentError(
                "One value a variable is needed.",
                where=self.name,
                expected=f"{len(variables)} values",
                received=f"{len(values)}",
            )
        outer = context.current_call()
        with context.bind(variables, values) as call:
            if outer is not None:
                call.masks, call.training, call.abstract = outer.masks, outer.training, outer.abstract
            result = function()
            assert call.bindings is not None
            return result, [call.bindings[id(v)] for v in variables]

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """The variables' values after a batch, given those before; the metric itself does not change."""
        return self._bound(metric_variables, lambda: self.update_state(*args, **kwargs))[1]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result for the given values of the variables."""
        return self._bound(metric_variables, self.result)[0]

    def stateless_reset_state(self) -> list[Any]:
        """The variables' values before the first batch."""
        return self._bound([v.value for v in self.variables], self.reset_state)[1]

    # -- config ----------------------------------------------------------------------------------------------------
    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Make one from its configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
