"""`clone_model`: the same architecture with fresh weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kerasish.core import trees
from kerasish.core.errors import ArgumentError
from kerasish.core.symbolic import SymbolicTensor
from kerasish.layers import InputLayer
from kerasish.layers.layer import Layer
from kerasish.models.graph import fill
from kerasish.models.model import Model
from kerasish.models.sequential import Sequential


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A new model of the same architecture; its weights are fresh.

    Args:
        model: A Functional or Sequential model, or a subclassed one with a config.
        input_tensors: Symbolic tensors to build it on; default new inputs.
        clone_function: Makes the new layer of a layer; default from its config.
        call_function: `(layer, *args, **kwargs) -> outputs`; default calls the layer.
        recursive: Whether `clone_function` sees the layers of nested models too.

    Raises:
        ArgumentError: The model is subclassed and a function was given.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> clone_model(model).count_params()
        3
    """
    copy = clone_function or _copy
    if recursive and clone_function is not None:
        inner = copy

        def copy(layer: Layer) -> Layer:
            if isinstance(layer, Model):
                return clone_model(layer, clone_function=clone_function, recursive=True)  # type: ignore[no-any-return]
            return inner(layer)

    if isinstance(model, Sequential):
        layers = [_copy(layer) if isinstance(layer, InputLayer) else copy(layer) for layer in model._stack]
        return Sequential(layers, name=model.name)
    if getattr(model, "_graph", None) is None:
        if clone_function or call_function or input_tensors:
            raise ArgumentError("A subclassed model is cloned from its config alone.", where="clone_model")
        return type(model).from_config(model.get_config())
    return _clone_graph(model, input_tensors, copy, call_function or (lambda layer, *a, **k: layer(*a, **k)))


def _copy(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())  # type: ignore[no-any-return]


def _clone_graph(model: Any, input_tensors: Any, copy: Callable[..., Any], call: Callable[..., Any]) -> Any:
    graph = model._graph
    given = trees.flatten(input_tensors) if input_tensors is not None else None
    values: dict[int, Any] = {}
    for index, x in enumerate(graph.flat_inputs):
        if given is not None:
            values[id(x)] = given[index]
        else:
            source = x.node.operation if x.node is not None else None
            fresh = (
                _copy(source)
                if isinstance(source, InputLayer)
                else InputLayer(batch_shape=x.shape, dtype=x.dtype)
            )
            values[id(x)] = trees.flatten(fresh.output)[0]
    clones: dict[int, Any] = {}
    for node in graph.nodes:
        operation = node.operation
        if isinstance(operation, Layer):
            if id(operation) not in clones:
                clones[id(operation)] = copy(operation)
            result = call(clones[id(operation)], *fill(node.args, values), **fill(node.kwargs, values))
        else:
            result = operation.call(*fill(node.args, values), **fill(node.kwargs, values))
        for old, new in zip(trees.flatten(node.outputs), trees.flatten(result), strict=True):
            if isinstance(old, SymbolicTensor):
                values[id(old)] = new

    def place(x: Any) -> Any:
        return values[id(x)]

    inputs = trees.map_structure(place, graph.inputs)
    return type(model)(inputs, trees.map_structure(place, graph.outputs), name=model.name)
