"""`Layer`: weights, sublayers and a `call`. The base of everything a model is made of, models included."""

from __future__ import annotations

import inspect
from typing import Any

from kerasish import constraints, initializers, ops, regularizers
from kerasish.core import dtype_policy as policies
from kerasish.core import dtypes, naming, shapes, trees
from kerasish.core.abstract import AbstractTensor
from kerasish.core.context import _CALL, CallContext, abstract_call, bind
from kerasish.core.contract import Engine
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, GraphError, KerasishError, NotBuiltError, ShapeError
from kerasish.core.registry import _scoped, current_engine
from kerasish.core.symbolic import Node, SymbolicTensor, has_symbolic, lift, lower
from kerasish.core.variable import Variable
from kerasish.layers import calling
from kerasish.layers.building import shape_from_config, symbolic_of_shape, wrap_build
from kerasish.layers.input_spec import check_inputs
from kerasish.layers.ownership import Owner


class Layer(Owner):
    """A function with weights.

    A subclass needs `call`; `build(input_shape)` if it has weights whose shapes depend on the input; `get_config` only
    if its constructor arguments are not plain values. Output shapes are inferred by running `call` without numbers.

    Args:
        activity_regularizer: A regularizer of the output.
        trainable: Whether its weights are trained.
        dtype: A dtype name or policy; None: the global policy.
        autocast: Whether float inputs are cast to the compute dtype.
        name: Unique within its model; default from the class name.

    Example:
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        ...     def call(self, x):
        ...         return x * self.scale
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Layer:
        instance = super().__new__(cls)
        object.__setattr__(instance, "_init_args", (args, kwargs))
        return instance

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._start_tracking()
        given = kwargs.pop("batch_input_shape", None) or kwargs.pop("batch_shape", None)
        if given is None and "input_shape" in kwargs:
            given = (None, *_as_tuple(kwargs.pop("input_shape")))
        if given is None and "input_dim" in kwargs:
            given = (None, kwargs.pop("input_dim"))
        if kwargs:
            accepted = [
                n for n in inspect.signature(type(self).__init__).parameters if n not in ("self", "kwargs")
            ]
            raise ArgumentError(
                f"Unknown argument {next(iter(kwargs))!r}.",
                where=type(self).__name__,
                hint=_suggest(next(iter(kwargs)), accepted),
            )
        self._given_input_shape = given
        self._auto_named = name is None
        self._name = name or naming.to_snake_case(type(self).__name__)
        if not isinstance(self._name, str):
            raise ArgumentError(
                "A layer's name must be a string.", where=type(self).__name__, received=repr(name)
            )
        self._path: str | None = None
        self._serial = naming.next_serial()
        self._trainable = bool(trainable)
        self.dtype_policy = dtype
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec: Any = None
        self.supports_masking = False
        self.built = False
        self._called = False
        self._own_losses: list[Any] = []
        self._build_shapes: dict[str, Any] | None = None
        self._nodes_io: tuple[Any, Any] | None = None
        self._signature = calling.signature_of(type(self).call)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = wrap_build(cls.__dict__["build"])  # type: ignore[method-assign]

    def _on_sublayer(self, layer: Any) -> None:
        if layer.__dict__.get("_auto_named") and not layer.__dict__.get("_name_settled"):
            siblings = {other._name for other in self._sublayers if other is not layer}
            layer._name = naming.unique(layer._name, siblings)
        if "_name" in self.__dict__:
            _place(layer, f"{self.path}/{layer._name}")

    # -- identity --------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """The layer's name."""
        return self._name

    @property
    def path(self) -> str:
        """Names from the outermost model down to this layer, joined by "/"."""
        return self._path or self._name

    @property
    def where(self) -> str:
        """How errors call this layer."""
        return f"{type(self).__name__} {self.path!r}"

    @property
    def dtype(self) -> str:
        """Alias of `variable_dtype`."""
        return self.variable_dtype

    @property
    def dtype_policy(self) -> policies.DTypePolicy:
        """In which dtypes it computes and keeps its weights."""
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, policy: Any) -> None:
        self._policy = policies.get(policy)
        compute = self._policy.compute_dtype
        self._cast_to = compute if dtypes.is_float(compute) else None
        self._variable_dtype = self._policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """Dtype of the computation."""
        return self._policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """Dtype of the weights."""
        return self._variable_dtype

    @property
    def input_dtype(self) -> str:
        """Dtype that float inputs are cast to."""
        return self._policy.compute_dtype

    # -- weights ---------------------------------------------------------------------------------------------------
    def build(self, *input_shape: Any) -> None:
        """Make the weights. The default makes none."""
        self.built = True

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Make a weight of this layer.

        Args:
            shape: Sizes; () for a scalar.
            initializer: Name, object or function; default glorot_uniform for floats, zeros for integers.
            dtype: Default the layer's variable dtype.
            trainable: Whether it is trained.
            autocast: Whether it is read in the compute dtype.
            regularizer: A penalty added to the loss.
            constraint: A projection applied after each update.
            aggregation: How replicas would combine it.
            overwrite_with_gradient: Whether the "gradient" replaces the value.
            name: Unique within the layer.
        """
        if "_tracking" not in self.__dict__ or "_name" not in self.__dict__:
            raise _no_init(self)
        name_of_type = dtypes.canonical(dtype) if dtype is not None else self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if dtypes.is_float(name_of_type) else "zeros"
        try:
            variable = Variable(
                initializers.get(initializer),
                shape=() if shape is None else shape,
                dtype=name_of_type,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name or naming.unique("variable", {v.name for v in self._variables}),
            )
        except KerasishError as error:
            raise error.at(self.where) from None
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        variable.path = f"{self.path}/{variable.name}"
        return self.track(variable)  # type: ignore[no-any-return]

    add_variable = add_weight

    # -- calling ---------------------------------------------------------------------------------------------------
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Subclasses must provide it."""
        raise ArgumentError(
            f"The class {type(self).__name__} has no `call` method.", hint="define call(self, inputs) in it"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "_name" not in self.__dict__:
            raise _no_init(self)
        for value in (*args, *kwargs.values()) if kwargs else args:
            kind = value.__class__
            if kind is SymbolicTensor or (kind in _NESTED and has_symbolic(value)):
                return self._call_symbolic(args, kwargs)
        context = _CALL.get()
        try:
            if context is not None:
                return self._run(context, current_engine(), args, kwargs)
            return self._run_outermost(args, kwargs)
        except KerasishError as error:
            raise error.at(self.where) from None

    def _run_outermost(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run in a context of its own, on the engine of the weights."""
        context = CallContext()
        calling.find_masks(context, (args, kwargs))
        self._clear_losses()
        engine = self.engine or current_engine()
        call_token, engine_token = _CALL.set(context), _scoped.set(engine)
        try:
            outputs = self._run(context, engine, args, kwargs)
        finally:
            _CALL.reset(call_token)
            _scoped.reset(engine_token)
        if context.masks:
            calling.keep_masks(context, outputs)
        return outputs

    def _run(
        self, context: CallContext, engine: Engine, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        cast_to = self._cast_to if self.autocast else None
        raw = args
        if args:
            args = calling.prepare_all(args, engine, cast_to)
        if kwargs:
            kwargs = calling.prepare_named(kwargs, engine, cast_to)
        if context.masks:
            _carry_masks(context, raw, args)
            self._fill_masks(context, args, kwargs)
        first = args[0] if args else next(iter(kwargs.values()), None)
        self._make_ready(context, first, args, kwargs)
        saved = context.training, context.autocast
        context.training = self._training(context, kwargs)
        context.autocast = cast_to if cast_to != self._variable_dtype else None
        context.path.append(self._name)
        try:
            observer = context.observer
            outputs = self.call(*args, **kwargs) if observer is None else observer(self, args, kwargs)
            if self.activity_regularizer is not None:
                self._regularize_activity(outputs)
        finally:
            context.path.pop()
            context.training, context.autocast = saved
        if context.masks or type(self).compute_mask is not Layer.compute_mask:
            self._pass_masks(context, first, outputs, kwargs.get("mask"))
        if not self.__dict__["_called"]:
            self.__dict__["_called"] = True
            self.__dict__["_seen_shapes"] = _without_batch(outputs)
        return outputs

    def _make_ready(
        self, context: CallContext, first: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Check the first argument; build what is not built."""
        if self.input_spec is not None:
            check_inputs(self.input_spec, first)
        if self.built:
            return
        if self._path is None and context.path:
            object.__setattr__(self, "_path", "/".join((*context.path, self._name)))
        self._build_for(args, kwargs)
        if self.input_spec is not None:
            check_inputs(self.input_spec, first)

    def _training(self, context: CallContext, kwargs: dict[str, Any]) -> bool | None:
        """The training flag: the caller's, else that of the surrounding call. Told to `call` if it asks."""
        training = kwargs.get("training")
        if training is None:
            training = context.training
        if not self._signature.training:
            kwargs.pop("training", None)
        elif training is not None and "training" in self._signature.names:
            kwargs["training"] = training
        return training

    def _fill_masks(self, context: CallContext, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        signature = self._signature
        if signature.mask and kwargs.get("mask") is None and args:
            # As in Keras: only where it is clear whose mask it would be, so not if initial states came along.
            alone = not any(calling.holds_tensor(v) for v in (*args[1:], *kwargs.values()))
            mask = calling.input_mask(context, args[0]) if alone else None
            if mask is not None:
                kwargs["mask"] = mask
        values = dict(zip(signature.positional, args, strict=False)) | kwargs
        for argument, mask_name in signature.mask_of:
            if kwargs.get(mask_name) is None and values.get(argument) is not None:
                mask = calling.input_mask(context, values[argument])
                if mask is not None:
                    kwargs[mask_name] = mask

    def _pass_masks(self, context: CallContext, inputs: Any, outputs: Any, mask: Any) -> None:
        previous = mask if mask is not None else calling.input_mask(context, inputs)
        if not self.supports_masking and type(self).compute_mask is Layer.compute_mask:
            return
        result = self.compute_mask(inputs, previous)
        flat_outputs = trees.flatten(outputs)
        flat_masks = trees.flatten(result) if trees.is_nested(result) else [result] * len(flat_outputs)
        for output, one in zip(flat_outputs, flat_masks, strict=False):
            if one is not None:
                context.set_mask(output, one)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output; by default that of the input."""
        return previous_mask

    def _regularize_activity(self, outputs: Any) -> None:
        for output in trees.flatten(outputs):
            shape = shape_of(output)
            self.add_loss(ops.divide(self.activity_regularizer(output), float(shape[0]) if shape else 1.0))

    # -- symbolic calls --------------------------------------------------------------------------------------------
    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        first = args[0] if args else next(iter(kwargs.values()), None)
        try:
            if self.input_spec is not None:
                check_inputs(self.input_spec, first)
            outputs, masks = self._infer(args, kwargs)
        except KerasishError as error:
            raise error.at(self.where) from None
        node = Node(self, args, kwargs)
        result = lift(node, outputs, self._name)
        for symbolic, mask in zip(trees.flatten(result), masks, strict=True):
            if mask is not None:
                symbolic.mask = mask
        self._nodes_io = (first, result)
        self._called = True
        return result

    def _infer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
        """Abstract outputs for symbolic arguments, and the mask of each; builds what is not built."""
        with abstract_call() as context:
            low_args, low_kwargs = lower(args), lower(kwargs)
            _lower_masks(context, (args, kwargs), (low_args, low_kwargs))
            if type(self).compute_output_spec is Layer.compute_output_spec:
                outputs = Layer.__call__(self, *low_args, **low_kwargs)
            else:
                if not self.built:
                    self._build_for(args, kwargs)
                outputs = lower(self.compute_output_spec(*args, **kwargs))
                if context.masks:
                    self._pass_masks(context, low_args[0] if low_args else None, outputs, None)
            return outputs, [context.get_mask(x) for x in trees.flatten(outputs)]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs for symbolic inputs, without recording a node."""
        outputs, _ = self._infer(args, kwargs)
        return trees.map_structure(
            lambda x: SymbolicTensor(shapes.opened(x.shape), x.dtype) if isinstance(x, AbstractTensor) else x,
            outputs,
        )

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shape (None where unknown) of the output for an input shape (or a tree of shapes)."""
        specs = [symbolic_of_shape(a, self.compute_dtype) for a in args]
        named = {
            k.removesuffix("_shape"): symbolic_of_shape(v, self.compute_dtype) for k, v in kwargs.items()
        }
        if "input" in named and "input" not in self._signature.names:
            specs.append(named.pop("input"))
        return trees.map_structure(lambda x: x.shape, Layer.compute_output_spec(self, *specs, **named))

    @property
    def input(self) -> Any:
        """The symbolic input of the last symbolic call."""
        return self._io()[0]

    @property
    def output(self) -> Any:
        """The symbolic output of the last symbolic call."""
        return self._io()[1]

    def _io(self) -> tuple[Any, Any]:
        if self._nodes_io is None:
            raise GraphError(
                "It has no symbolic input or output: it was never called on an Input.",
                where=self.where,
                hint="call it on kerasish.Input(...) first",
            )
        return self._nodes_io

    # -- building --------------------------------------------------------------------------------------------------
    def _build_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        names = calling.build_parameters(inspect.unwrap(type(self).build))
        values = dict(zip(self._signature.positional, args, strict=False)) | kwargs
        if len(names) > 1 or (names and names[0] != "input_shape" and names[0].endswith("_shape")):
            wanted = {n: calling.tree_shape(values.get(n.removesuffix("_shape"))) for n in names}
            if not any(v is not None for v in wanted.values()) and args:
                wanted = dict(zip(names, (calling.tree_shape(a) for a in args), strict=False))
            try:
                inspect.signature(self.call).bind(*args, **kwargs)
            except TypeError as error:
                raise ArgumentError(
                    f"The call does not fit: {error}.", expected=f"call{inspect.signature(self.call)}"
                ) from None
            self.build(**{k: v for k, v in wanted.items() if v is not None})
        elif type(self).build is Layer.build:
            self.built = True
        else:
            first = args[0] if args else next(iter(values.values()), None)
            self.build(calling.tree_shape(first))
        self.built = True

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes it was built with."""
        return self._build_shapes

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with the shapes of `get_build_config`."""
        if not config:
            return
        if "input_shape" in config:
            self.build(shape_from_config(config["input_shape"]))
        elif "shapes_dict" in config:
            self.build(**{k: shape_from_config(v) for k, v in config["shapes_dict"].items()})
        self.built = True

    # -- losses ----------------------------------------------------------------------------------------------------
    def add_loss(self, loss: Any) -> None:
        """Add a scalar (or a list of them) to what is minimised, from within `call`."""
        call = _CALL.get()
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if call is not None:
                call.losses.append(value)
                if not call.abstract and call.bindings is None:
                    self._own_losses.append(value)
            else:
                self._own_losses.append(value)

    @property
    def losses(self) -> list[Any]:
        """Penalties: those added in the last call, and the regularizers of the weights."""
        call = _CALL.get()
        if call is None:
            added = [loss for layer in self._flatten_layers() for loss in layer._own_losses]
        else:
            added = list(call.losses)
        return [*added, *self._weight_penalties()]

    def _weight_penalties(self) -> list[Any]:
        return [v.regularizer(v.value) for v in self.trainable_weights if v.regularizer is not None]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            if layer._own_losses:
                layer._own_losses = []

    # -- pure call -------------------------------------------------------------------------------------------------
    def stateless_call(
        self,
        trainable_variables: list[Any],
        non_trainable_variables: list[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call it with given values in place of its variables.

        Returns:
            `(outputs, non_trainable_values)`, and the losses if `return_losses`.
        """
        buffers = self.non_trainable_variables
        variables = [*self.trainable_variables, *buffers]
        values = [*trainable_variables, *non_trainable_variables]
        if len(variables) != len(values):
            raise ShapeError(
                "The number of values differs from the number of variables.",
                where=self.where,
                expected=f"{len(variables) - len(buffers)} trainable, {len(buffers)} not",
                received=f"{len(trainable_variables)} and {len(non_trainable_variables)}",
            )
        with bind(variables, values, training=kwargs.get("training")) as context:
            outputs = self(*args, **kwargs)
            updated = [context.bindings[id(v)] for v in buffers]  # type: ignore[index]
            losses = self.losses if return_losses else None
        return (outputs, updated, losses) if return_losses else (outputs, updated)

    # -- configuration ---------------------------------------------------------------------------------------------
    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain data. Captured from the call of the constructor unless overridden."""
        base = {"name": self.name, "trainable": self.trainable, "dtype": _policy_config(self.dtype_policy)}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        owner = next(c for c in type(self).__mro__ if "get_config" in c.__dict__)
        if owner is Layer and type(self).__init__ is not Layer.__init__:
            return {**base, **self._captured_config()}
        return base

    def _captured_config(self) -> dict[str, Any]:
        args, kwargs = self._init_args  # type: ignore[attr-defined]
        bound = inspect.signature(type(self).__init__).bind_partial(self, *args, **kwargs)
        config: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            config.update(value if name == "kwargs" else {name: value})
        return {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make one from its configuration."""
        try:
            return cls(**config)
        except TypeError as error:
            raise ArgumentError(
                f"The constructor of {cls.__name__} does not take its own config: {error}",
                hint="define get_config",
            ) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self._name}, built={self.built}>"


_NESTED = (list, tuple, dict)


def _without_batch(outputs: Any) -> list[shapes.OpenShape]:
    """Shapes of outputs for people: the batch axis is unknown, whatever it was this time."""
    found = [shapes.opened(shape_of(x)) for x in trees.flatten(outputs) if x is not None]
    return [(None, *shape[1:]) if shape else shape for shape in found]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, int) or value is None else tuple(value)


def _suggest(name: str, accepted: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, accepted, n=1)
    return f"did you mean {close[0]!r}?" if close else f"one of {', '.join(accepted)}"


def _no_init(layer: Layer) -> NotBuiltError:
    return NotBuiltError(
        f"The constructor of {type(layer).__name__} did not call its base class.",
        hint="call super().__init__() first in __init__",
    )


def _policy_config(policy: Any) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": policy.get_config(),
        "registered_name": None,
    }


def _place(layer: Any, path: str) -> None:
    """Tell a layer without weights, and those below it, their paths. Models settle the final ones."""
    if not layer._variables:
        object.__setattr__(layer, "_path", path)
        for child in layer._sublayers:
            _place(child, f"{path}/{child._name}")


def _carry_masks(context: CallContext, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    """Casting an input makes a new tensor: it keeps the mask."""
    for old, new in zip(trees.flatten(before), trees.flatten(after), strict=False):
        if old is not new:
            mask = context.get_mask(old)
            if mask is not None:
                context.set_mask(new, mask)


def _lower_masks(context: CallContext, symbolic: Any, abstract: Any) -> None:
    """Masks of symbolic tensors, for layers that use them, while shapes are inferred."""
    for given, low in zip(trees.flatten(symbolic), trees.flatten(abstract), strict=True):
        if isinstance(given, SymbolicTensor) and given.mask is not None:
            context.set_mask(low, given.mask)
