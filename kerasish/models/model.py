"""`Model`: a layer that can be compiled, fitted, evaluated, saved. And `Functional`, a Model made of a graph."""

from __future__ import annotations

import inspect
from typing import Any

from kerasish import ops
from kerasish.core import dtypes, shapes, trees
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError, NotBuiltError, ShapeError, UnknownNameError
from kerasish.core.registry import get_engine
from kerasish.core.symbolic import SymbolicTensor, infer
from kerasish.layers.layer import Layer
from kerasish.models.configuration import functional_config, functional_from_config
from kerasish.models.graph import Graph
from kerasish.models.names import assign_names
from kerasish.training.trainer import Trainer


class Model(Trainer, Layer):
    """Layers put together, with training and inference.

    Made in three ways: `Model(inputs, outputs)` from symbolic tensors; a subclass with `call`; or `Sequential`.

    Args:
        inputs: Symbolic tensors made by `Input`, in any nest of dict, list, tuple.
        outputs: Symbolic tensors computed from them.
        name: The model's name.

    Example:
        >>> import kerasish
        >>> x = kerasish.Input((4,))
        >>> model = kerasish.Model(x, kerasish.layers.Dense(2)(x))
        >>> model.count_params()
        10
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and (len(args) >= 2 or "inputs" in kwargs or "outputs" in kwargs):
            return Layer.__new__(Functional, *args, **kwargs)
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        inputs, outputs, args, kwargs = _split_graph(args, kwargs)
        if args:
            raise ArgumentError("Too many positional arguments.", where=type(self).__name__, received=args)
        Layer.__init__(self, **kwargs)
        Trainer.__init__(self)
        self._graph: Graph | None = None
        if inputs is not None:
            self._set_graph(inputs, outputs)

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        object.__setattr__(self, "_graph", Graph(inputs, outputs).rooted())
        for layer in self._graph.layers:  # type: ignore[union-attr]
            self.track(layer)
        assign_names(self)
        self.built = True

    # -- structure -------------------------------------------------------------------------------------------------
    @property
    def layers(self) -> list[Layer]:
        """The layers directly below the model."""
        return list(self._sublayers)

    @layers.setter
    def layers(self, _: Any) -> None:
        raise ArgumentError(
            "`layers` is filled by kerasish.", where=self.where, hint="use another attribute name"
        )

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or index.

        Raises:
            ArgumentError: There is no such layer, or not exactly one of `name` and `index` is given.
        """
        if (name is None) == (index is None):
            raise ArgumentError("Give either `name` or `index`.", where="get_layer", received=(name, index))
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(
                    "There is no layer of that index.", expected=f"below {len(self.layers)}", received=index
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise UnknownNameError.of("layer", name, [layer.name for layer in self.layers], where=self.name)

    @property
    def inputs(self) -> list[SymbolicTensor] | None:
        """The symbolic inputs, flat; None for a model without a graph."""
        return None if self._graph is None else list(self._graph.flat_inputs)

    @property
    def outputs(self) -> list[SymbolicTensor] | None:
        """The symbolic outputs, flat; None for a model without a graph."""
        return None if self._graph is None else trees.flatten(self._graph.outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs in their structure."""
        return self._graph.inputs if self._graph is not None else Layer.input.fget(self)  # type: ignore[attr-defined]

    @property
    def output(self) -> Any:
        """The symbolic outputs in their structure."""
        return self._graph.outputs if self._graph is not None else Layer.output.fget(self)  # type: ignore[attr-defined]

    @property
    def input_shape(self) -> Any:
        """Shapes of the inputs (None where unknown)."""
        return trees.map_structure(lambda x: x.shape, self.input)

    @property
    def output_shape(self) -> Any:
        """Shapes of the outputs (None where unknown)."""
        return trees.map_structure(lambda x: x.shape, self.output)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in order."""
        return [] if self._graph is None else self._graph.input_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs' layers, in order."""
        return [x.node.operation.name if x.node else x.name for x in self.outputs or []]

    # -- call ------------------------------------------------------------------------------------------------------
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Run the graph; subclasses define their own."""
        if self._graph is None:
            return Layer.call(self, inputs)
        return self._graph.run(self._fitted(inputs))

    def _fitted(self, inputs: Any) -> Any:
        """Inputs whose rank is off by a last axis of 1 are adjusted; anything else that does not fit is an error."""
        flat = self._graph.arrange(inputs)  # type: ignore[union-attr]
        fitted = [_fit(x, s) for x, s in zip(flat, self._graph.flat_inputs, strict=True)]  # type: ignore[union-attr]
        return trees.pack_sequence_as(self._graph.inputs, fitted)  # type: ignore[union-attr]

    def build(self, input_shape: Any = None) -> None:
        """Make all weights for an input shape, by a call without numbers."""
        if self._graph is not None or input_shape is None:
            return
        shape = input_shape
        specs = _symbols(shape, self.compute_dtype)
        infer(lambda x: Layer.__call__(self, x) if self.built else self._first_call(x), specs)
        assign_names(self)

    def to_backend(self, name: Any) -> Any:
        """Move everything to another engine: weights, optimizer slots, metrics; random streams go on where they were.

        Returns:
            The model itself.
        """
        engine = get_engine(name)
        Layer.to_backend(self, engine)
        for optimizer in self._optimizers():
            for variable in optimizer.variables:
                variable.to_engine(engine)
        self._steps = {}
        return self

    def _after_build(self) -> None:
        assign_names(self)

    def _first_call(self, x: Any) -> Any:
        self.built = True
        return Layer.__call__(self, x)

    def require_built(self, what: str) -> None:
        """Raise NotBuiltError unless the weights exist."""
        if not self.built or (self._graph is None and not self._called and not self.weights):
            raise NotBuiltError(
                f"{what} needs weights, which are made when the model first sees an input shape.",
                where=self.where,
                hint="call model.build(input_shape), add an Input, or call the model on data",
            )

    def count_params(self) -> int:
        """Number of scalars in all weights."""
        self.require_built("count_params")
        return sum(v.size for v in self.weights)

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Print a table of the layers; see `kerasish.models.summary.print_summary` for the arguments."""
        from kerasish.models.summary import print_summary  # draws with a library that takes a while to load

        print_summary(self, *args, **kwargs)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Save everything as a `.keras` file: architecture, weights, compile settings, optimizer state."""
        _files().save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Save the weights as a `.weights.h5` file."""
        _files().save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Load weights from a `.weights.h5` or `.keras` file."""
        _files().load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as a JSON string."""
        return _files().model_to_json(self, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Of a model made of a graph: its layers and their calls; of others: the constructor's arguments."""
        if self._graph is not None and _is_plain_graph(type(self)):
            return functional_config(self)
        return Layer.get_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a model from its configuration."""
        if "input_layers" in config and "layers" in config:
            target = Functional if cls is Model else cls
            return functional_from_config(config, custom_objects, target)
        return Layer.from_config.__func__(cls, config)  # type: ignore[attr-defined]

    def reset_states(self) -> None:
        """Reset the states of stateful layers."""
        for layer in self._flatten_layers(include_self=False):
            for name in ("reset_states", "reset_state"):
                if hasattr(layer, name):
                    getattr(layer, name)()
                    break


class Functional(Model):
    """A Model made of a graph of layers and operations.

    Example:
        >>> import kerasish
        >>> x = kerasish.Input((3,))
        >>> isinstance(kerasish.Model(x, kerasish.layers.Dense(2)(x)), Functional)
        True
    """

    _keras_module = "keras.src.models.functional"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return Layer.__new__(cls, *args, **kwargs)


def _files() -> Any:
    from kerasish.saving import model_files  # HDF5 takes a while to load, and most programs do not save

    return model_files


def _is_plain_graph(cls: type) -> bool:
    """Whether a class is made from (inputs, outputs), as Functional is."""
    names = list(inspect.signature(cls.__init__).parameters)[1:]  # type: ignore[misc]
    return cls in (Functional, Model) or names[:2] == ["inputs", "outputs"] or cls.__init__ is Model.__init__  # type: ignore[misc]


def _split_graph(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any, tuple[Any, ...], dict[str, Any]]:
    kwargs = dict(kwargs)
    inputs, outputs = kwargs.pop("inputs", None), kwargs.pop("outputs", None)
    if len(args) >= 2 and inputs is None and outputs is None:
        inputs, outputs, *rest = args
        args = ()
        if rest:
            kwargs.setdefault("name", rest[0])
    if (inputs is None) != (outputs is None):
        missing = "outputs" if outputs is None else "inputs"
        raise ArgumentError(f"`{missing}` is missing.", where="Model", hint="Model(inputs=..., outputs=...)")
    return inputs, outputs, args, kwargs


def _fit(x: Any, symbol: SymbolicTensor) -> Any:
    if x is None or not hasattr(x, "shape"):
        return x
    if dtype_of(x) != symbol.dtype and not (dtypes.is_float(dtype_of(x)) and dtypes.is_float(symbol.dtype)):
        x = ops.cast(
            x, symbol.dtype
        )  # an Input promises a dtype: integers become floats where it says float32
    given, wanted = shape_of(x), symbol.shape
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        return ops.squeeze(x, axis=-1)
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:
        return ops.expand_dims(x, axis=-1)
    # The batch axis may differ: a Sequential that met its shape in a batch of 6 takes batches of 4 too.
    fits = len(given) == len(wanted) and all(
        w is None or shapes.compatible(g, w) for g, w in zip(given[1:], wanted[1:], strict=True)
    )
    if not fits:
        raise ShapeError(
            f"The input {symbol.name!r} has the wrong shape.",
            expected=f"{wanted}",
            received=shapes.show(given),
            hint="check the data against Input(shape=...); the first axis is the batch: x[None] is one of one",
        )
    return x


def _symbols(shape: Any, dtype: str) -> Any:
    if isinstance(shape, dict):
        return {k: _symbols(v, dtype) for k, v in shape.items()}
    if isinstance(shape, (list, tuple)) and any(isinstance(s, (list, tuple, dict)) for s in shape):
        return type(shape)(_symbols(s, dtype) for s in shape)
    return SymbolicTensor(tuple(shape), dtype)


__all__ = ["Functional", "Model"]
