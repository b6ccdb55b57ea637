"""`Optimizer`: what all optimizers share, from the learning rate to clipping, averaging and accumulation."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

import numpy as np

from kerasish import initializers
from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.context import bind
from kerasish.core.contract import Tensor
from kerasish.core.convert import plain, to_tensor
from kerasish.core.errors import ArgumentError, NotBuiltError, UnknownNameError
from kerasish.core.naming import to_snake_case
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.registry import use_backend
from kerasish.core.variable import Variable
from kerasish.optimizers import clipping
from kerasish.optimizers.gradients import usable
from kerasish.optimizers.rules import Tensors, decayed, scalar_like
from kerasish.optimizers.schedules.schedule import LearningRateSchedule
from kerasish.optimizers.state import assign_if, store

LearningRate = float | LearningRateSchedule | Callable[[], Any]


class CommonArguments(TypedDict, total=False):
    """Keyword arguments that every optimizer takes; `Optimizer` says what they mean."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class Optimizer:
    """Base of optimizers: subclasses override `update_step`, and `build` if they keep slots.

    Args:
        learning_rate: Size of a step: a number, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: Each step first scales variables by 1 − learning_rate · weight_decay.
        clipnorm: Largest norm of each gradient.
        clipvalue: Largest absolute value in a gradient.
        global_clipnorm: Largest norm of all gradients together. At most one of the three may be given.
        use_ema: Whether to keep an exponential moving average of the variables.
        ema_momentum: How much of the average is kept at each step, in [0, 1].
        ema_overwrite_frequency: Put the average into the variables every so many steps; None: only when training ends.
        loss_scale_factor: `scale_loss` multiplies by it, `apply` divides gradients by it.
        gradient_accumulation_steps: Update once in so many calls of `apply`, by the mean of their gradients.
        name: A label; default the class's name in snake case.
        kwargs: Nothing else is accepted.

    Raises:
        ArgumentError: An argument has a value that cannot work.

    Example:
        >>> class SignDescent(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         self.assign_sub(variable, learning_rate * ops.sign(gradient))
        >>> from kerasish import Variable, ops
        >>> w = Variable([1.0, -2.0])
        >>> SignDescent(learning_rate=0.5).apply([[3.0, -4.0]], [w])
        >>> w.numpy().tolist()
        [0.5, -1.5]
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__signature__ = _spelled_out(cls.__init__)  # type: ignore[attr-defined]

    #: Arguments of a subclass that are stored under their own names and belong to its config.
    arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        learning_rate: LearningRate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or to_snake_case(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._refuse_unknown(kwargs)
        self._validate()
        self.built = False
        self._variables: list[Variable] = []
        self._before_build: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._positions: dict[int, int] = {}
        self._averages: list[Variable | None] = []
        #: Whether variables and averages hold each other's values for now (`callbacks.SwapEMAWeights`).
        self.averages_swapped = False
        self._accumulators: list[Variable | None] = []
        self._excluded: tuple[set[int], list[str]] = (set(), [])
        self._iterations = self._own(Variable(0, dtype="int32", trainable=False, name="iteration"))
        self._learning_rate: Any = None
        self._set_learning_rate(learning_rate)

    def _refuse_unknown(self, kwargs: dict[str, Any]) -> None:
        if kwargs.pop("decay", None) is not None:
            warnings.warn("`decay` is ignored; use a learning rate schedule.", stacklevel=4)
        if "lr" in kwargs:
            raise UnknownNameError(
                "Unknown argument 'lr'.", where=self.name, hint="did you mean 'learning_rate'?"
            )
        if kwargs:
            known = [*CommonArguments.__annotations__, "learning_rate", *self.arguments]
            raise UnknownNameError.of("argument", min(kwargs), known, where=self.name)

    def _validate(self) -> None:
        limits = {n: getattr(self, n) for n in ("clipnorm", "clipvalue", "global_clipnorm")}
        given = {n: v for n, v in limits.items() if v is not None}
        if len(given) > 1:
            raise ArgumentError("Only one kind of clipping can be chosen.", where=self.name, received=given)
        for name, value in (given | {"weight_decay": self.weight_decay or 0.0}).items():
            if value < 0:
                raise ArgumentError(f"`{name}` cannot be negative.", where=self.name, received=value)
        if self.use_ema and not 0 <= self.ema_momentum <= 1:
            raise ArgumentError(
                "`ema_momentum` is a fraction.",
                where=self.name,
                expected="0 to 1",
                received=self.ema_momentum,
            )
        every = self.ema_overwrite_frequency
        if self.use_ema and every and (not isinstance(every, int) or every < 1):
            raise ArgumentError(
                "`ema_overwrite_frequency` counts steps.",
                where=self.name,
                expected=">= 1 or None",
                received=every,
            )
        steps = self.gradient_accumulation_steps
        if steps is not None and steps < 2:
            raise ArgumentError(
                "`gradient_accumulation_steps` counts calls.",
                where=self.name,
                expected=">= 2 or None",
                received=steps,
            )

    # -- learning rate ---------------------------------------------------------------------------------------------
    def _set_learning_rate(self, value: Any) -> None:
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, Variable)):
            if isinstance(self._learning_rate, Variable):
                self._variables = [v for v in self._variables if v is not self._learning_rate]
            self._learning_rate = value
            return
        if isinstance(value, (str, bytes)):
            raise ArgumentError(
                "`learning_rate` must be a number or a schedule.", where=self.name, received=repr(value)
            )
        if isinstance(value, (int, float, np.generic)) and not float(value) >= 0:
            raise ArgumentError("`learning_rate` cannot be negative.", where=self.name, received=value)
        if isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(value)
        elif self._learning_rate is None:
            rate = Variable(plain(value), (), dtype=floatx(), trainable=False, name="learning_rate")
            self._learning_rate = self._own(rate)
        else:
            raise ArgumentError(
                "The learning rate comes from a schedule or function, so it cannot be set to a number.",
                where=self.name,
                hint="create the optimizer with a number as learning_rate",
            )

    @property
    def learning_rate(self) -> Any:
        """The learning rate now: a variable if it was given as a number, else what the schedule or function says."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            with use_backend(self._iterations.engine):
                return rate(self._iterations)
        return rate() if callable(rate) and not isinstance(rate, Variable) else rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._set_learning_rate(value)

    def _rate(self) -> Tensor:
        rate = plain(self.learning_rate)
        return rate if self._iterations.engine.is_tensor(rate) else to_tensor(rate, None, floatx())

    @property
    def iterations(self) -> Any:
        """Number of updates so far: a variable; with accumulation, the number of calls divided by its steps."""
        if self.gradient_accumulation_steps:
            return p.floor_divide(self._iterations.value, self.gradient_accumulation_steps)
        return self._iterations

    # -- variables -------------------------------------------------------------------------------------------------
    @property
    def variables(self) -> list[Variable]:
        """The optimizer's own variables: iteration, learning rate (if a number), averages, accumulators, slots."""
        return list(self._variables)

    def _own(self, variable: Variable) -> Variable:
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        return variable

    def _track_variable(self, variable: Variable) -> None:
        self._variables.append(variable)

    def build(self, variables: Sequence[Variable]) -> None:
        """Create what the optimizer keeps for each of `variables`, on their engine.

        Raises:
            ArgumentError: Something in `variables` is not a Variable.
        """
        variables = list(variables)
        for variable in variables:
            if not isinstance(variable, Variable):
                raise ArgumentError(
                    "An optimizer changes Variables.", where=self.name, received=type(variable).__name__
                )
        self._before_build = self.variables
        if variables:
            for own in self._variables:
                own.to_engine(variables[0].engine)
        self._trainable_variables = variables
        self._positions = {id(v): i for i, v in enumerate(variables)}
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        excluded, patterns = self._excluded
        for variable in variables:
            if any(re.search(pattern, variable.name) for pattern in patterns):
                excluded.add(id(variable))
        self.built = True

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: str | None = None,
        aggregation: str = "none",
        layout: object = None,
        name: str | None = None,
    ) -> Variable:
        """A variable of the optimizer's own.

        Args:
            shape: Sizes.
            initializer: A name such as "zeros", an initializer, or a function `(shape, dtype) -> tensor`.
            dtype: Default `floatx()`.
            aggregation: How replicas would combine it.
            layout: Accepted for Keras' sake; not used.
            name: A label.
        """
        with use_backend(self._iterations.engine):
            variable = Variable(
                _initializer(initializer), tuple(shape), dtype, False, aggregation=aggregation, name=name
            )
        return self._own(variable)

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A slot with the shape and dtype of `reference_variable`, named "<its path>_<name>"."""
        label = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        with use_backend(reference_variable.engine):
            start = _initializer(initializer)
            slot = Variable(start, reference_variable.shape, reference_variable.dtype, False, name=label)
        return self._own(slot)

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """Slots for all of `trainable_variables`: a list, or one list for each of several names.

        Variables that are overwritten by their gradient get None.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        lists: list[list[Variable | None]] = [[] for _ in names]
        for variable in trainable_variables:
            for slots, label, start in zip(lists, names, starts, strict=True):
                plain_ = variable.overwrite_with_gradient
                slots.append(None if plain_ else self.add_variable_from_reference(variable, label, start))
        return lists[0] if isinstance(name, str) else tuple(lists)

    def _get_variable_index(self, variable: Variable) -> int:
        try:
            return self._positions[id(variable)]
        except KeyError:
            raise ArgumentError(
                f"The optimizer was not built for the variable {variable.path!r}.",
                where=self.name,
                hint="use a new optimizer for a new set of variables",
            ) from None

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Spare variables from weight decay.

        Args:
            var_list: These variables.
            var_names: Variables in whose name one of these patterns is found, such as "bias".

        Raises:
            ArgumentError: The optimizer is built already.
        """
        if self.built:
            raise ArgumentError(
                "Exclusions from weight decay must be made before the optimizer is built.",
                where=self.name,
                hint="call exclude_from_weight_decay before fit or build",
            )
        self._excluded = ({id(v) for v in var_list or ()}, list(var_names or ()))

    def decay_of(self, variable: Variable) -> float:
        """The weight decay of one variable, 0 if it is excluded."""
        return 0.0 if id(variable) in self._excluded[0] else float(self.weight_decay or 0.0)

    # -- a step ----------------------------------------------------------------------------------------------------
    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """`apply` for an iterable of pairs (gradient, variable); returns `iterations`."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Variable] | None = None) -> None:
        """Change the variables by their gradients.

        Args:
            grads: One gradient a variable; None leaves a variable alone.
            trainable_variables: Default: those the optimizer was built with.

        Raises:
            ArgumentError: Their numbers differ, all gradients are None, or a variable is unknown.
            ShapeError: A gradient has another shape than its variable.
        """
        grads = list(grads)
        variables = self._known(grads, trainable_variables)
        with use_backend(self._iterations.engine):
            grads, variables = usable(grads, variables, self.name)
            grads, variables = self._overwrite(grads, variables)
            if variables:
                if self.loss_scale_factor is not None:
                    grads = [p.divide(g, float(self.loss_scale_factor)) for g in grads]
                self._apply(grads, variables)
                for variable in variables:
                    if variable.constraint is not None:
                        variable.assign(variable.constraint(variable))
            store([self._iterations], [p.add(self._iterations.value, 1)])

    def _known(self, grads: list[Any], trainable_variables: Iterable[Variable] | None) -> list[Variable]:
        if trainable_variables is None:
            if not self.built:
                raise NotBuiltError(
                    "The optimizer does not know its variables yet.",
                    where=self.name,
                    hint="apply(grads, variables), or call build(variables) first",
                )
            variables = self._trainable_variables
        else:
            variables = list(trainable_variables)
            if not self.built and variables:  # none: a step whose layers have not been built yet
                self.build(variables)
            for variable in variables:
                self._get_variable_index(variable)
        if len(grads) != len(variables):
            raise ArgumentError(
                "One gradient for each variable is needed.",
                where=self.name,
                expected=f"{len(variables)} gradients",
                received=len(grads),
            )
        return variables

    def _overwrite(self, grads: Tensors, variables: list[Variable]) -> tuple[Tensors, list[Variable]]:
        """Variables whose "gradient" is their next value (scales of quantised layers) take it and are done."""
        if not any(v.overwrite_with_gradient for v in variables):
            return grads, variables
        rest = []
        for grad, variable in zip(grads, variables, strict=True):
            if variable.overwrite_with_gradient:
                variable.assign(grad)
            else:
                rest.append((grad, variable))
        return [g for g, _ in rest], [v for _, v in rest]

    def _apply(self, grads: Tensors, variables: list[Variable]) -> None:
        steps = self.gradient_accumulation_steps
        if steps:
            slots = self._slots_of(self._accumulators, variables)
            due = p.equal(p.remainder(p.add(self._iterations.value, 1), steps), 0)
            sums = [p.add(slot.value, grad) for slot, grad in zip(slots, grads, strict=True)]
            means = [p.divide(total, float(steps)) for total in sums]
            assign_if(due, lambda: self._update(means, variables))
            store(slots, [p.where(due, 0.0, total) for total in sums])
        else:
            self._update(grads, variables)
        if self.use_ema:
            self._update_averages()

    def _slots_of(self, slots: Sequence[Variable | None], variables: Iterable[Variable]) -> list[Variable]:
        return [slots[self._positions[id(v)]] for v in variables]  # type: ignore[misc]

    def _update(self, grads: Tensors, variables: list[Variable]) -> None:
        self.update_all(self._clipped(grads), variables, self._rate())

    def _clipped(self, grads: Tensors) -> Tensors:
        if self.clipnorm:
            return clipping.clip_by_norm(grads, float(self.clipnorm))
        if self.global_clipnorm:
            return clipping.clip_by_global_norm(grads, float(self.global_clipnorm))
        if self.clipvalue:
            return clipping.clip_by_value(grads, float(self.clipvalue))
        return grads

    def update_all(self, grads: Tensors, variables: list[Variable], learning_rate: Tensor) -> None:
        """Change all variables of a step: weight decay, then `update_step` for each."""
        for variable in variables:
            decay = self.decay_of(variable)
            if decay:
                variable.assign(decayed([variable.value], learning_rate, decay)[0])
        for grad, variable in zip(grads, variables, strict=True):
            self.update_step(grad, variable, learning_rate)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Change one variable; what a new optimizer has to define.

        Args:
            gradient: Clipped and unscaled, in the variable's dtype.
            variable: To be changed with `self.assign`, `assign_add` or `assign_sub`.
            learning_rate: A scalar.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define update_step(gradient, variable, learning_rate)."
        )

    def _update_averages(self) -> None:
        done = plain(self.iterations)
        keep = p.where(p.equal(done, 0), 0.0, to_tensor(float(self.ema_momentum), None, "float32"))
        variables = [v for v in self._trainable_variables if not v.overwrite_with_gradient]
        slots = self._slots_of(self._averages, variables)
        values = [v.value for v in variables]
        averages = []
        for slot, value in zip(slots, values, strict=True):
            part = scalar_like(keep, value)
            averages.append(p.add(p.multiply(slot.value, part), p.multiply(value, p.subtract(1.0, part))))
        store(slots, averages)
        if self.ema_overwrite_frequency:
            due = p.equal(p.remainder(p.add(done, 1), self.ema_overwrite_frequency), 0)
            store(variables, [p.where(due, a, v) for a, v in zip(averages, values, strict=True)])

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """At the end of training: with `use_ema`, put the averages into the variables."""
        if self.use_ema:
            for variable in var_list:
                average = self._averages[self._get_variable_index(variable)]
                if average is not None and self.averages_swapped:
                    average.assign(variable)
                elif average is not None:
                    variable.assign(average)
            self.averages_swapped = False

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Tensor],
        grads: Sequence[Tensor],
        trainable_variables: Sequence[Tensor],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """`apply` as a pure function: returns the new (trainable_variables, optimizer_variables).

        Raises:
            NotBuiltError: The optimizer is not built.
            ArgumentError: The numbers of tensors do not fit the variables.
        """
        if not self.built:
            raise NotBuiltError(
                "The optimizer is not built.", where=self.name, hint="call build(variables) first"
            )
        own, theirs = self.variables, self._trainable_variables
        if len(optimizer_variables) != len(own) or len(trainable_variables) != len(theirs):
            raise ArgumentError(
                "The values do not fit the variables.",
                where=f"{self.name}.stateless_apply",
                expected=f"{len(own)} optimizer and {len(theirs)} trainable variables",
                received=f"{len(optimizer_variables)} and {len(trainable_variables)}",
            )
        with bind([*own, *theirs], [*optimizer_variables, *trainable_variables]) as context:
            self.apply(grads)
            after = context.bindings or {}
        return [after[id(v)] for v in theirs], [after[id(v)] for v in own]

    def scale_loss(self, loss: Any) -> Any:
        """The loss to differentiate: multiplied by `loss_scale_factor`, if there is one."""
        return loss if self.loss_scale_factor is None else loss * float(self.loss_scale_factor)

    # -- what subclasses write with --------------------------------------------------------------------------------
    def assign(self, variable: Variable, value: Any) -> None:
        """variable ← value."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """variable ← variable + value."""
        variable.assign(p.add(variable.value, to_tensor(value, variable.engine, variable.dtype)))

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """variable ← variable − value."""
        variable.assign(p.subtract(variable.value, to_tensor(value, variable.engine, variable.dtype)))

    # -- saving ----------------------------------------------------------------------------------------------------
    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer, as plain data."""
        rate = self._learning_rate
        names = [n for n in CommonArguments.__annotations__ if n != "name"]
        return {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, Variable) else serialize_keras_object(rate),
            **{name: getattr(self, name) for name in names},
            **{name: getattr(self, name) for name in self.arguments},
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Optimizer:
        """An optimizer from what `get_config` returned."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = deserialize_keras_object(config["learning_rate"], custom_objects)
        return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        """Write the optimizer's variables into a mapping, under "0", "1" ..."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote; another number of variables is skipped with a warning."""
        own = self.variables
        stepped = any(int(v.numpy()) for v in self._before_build if v.name == "iteration")
        if len(store) == len(self._before_build) and not stepped:
            own = (
                self._before_build
            )  # written before its first step, too: its slots would be as fresh as ours
        if len(store) != len(own):
            counts = f"holds {len(store)} optimizer variables, the optimizer has {len(own)}"
            rest = "they are skipped, so training restarts with fresh slots"
            warnings.warn(f"{self.name}: the file {counts}; {rest}.", stacklevel=2)
            return
        for index, variable in enumerate(own):
            variable.assign(np.asarray(store[str(index)]))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables, in the order of `variables`.

        Raises:
            ArgumentError: Their number differs.
        """
        own = self.variables
        if len(weights) != len(own):
            raise ArgumentError(
                "One value for each variable is needed.",
                where=self.name,
                expected=len(own),
                received=len(weights),
            )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _initializer(initializer: Any) -> Any:
    return initializer if isinstance(initializer, (Variable, np.ndarray)) else initializers.get(initializer)


def _spelled_out(init: Callable[..., Any]) -> inspect.Signature:
    """The signature of a class whose `__init__` takes the common arguments as `**common`, with each of them shown."""
    own = dict(list(inspect.signature(init).parameters.items())[1:])
    if own.pop("common", None) is not None:
        shared = inspect.signature(Optimizer.__init__).parameters
        names = [name for name in CommonArguments.__annotations__ if name not in own]
        own |= {name: shared[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in names}
    return inspect.Signature(list(own.values()))
