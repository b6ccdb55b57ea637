"""Functional and Sequential models as configs and back, in Keras 3's format.

A Functional config lists its layers and operations, each with its calls ("inbound nodes"), whose arguments refer to
earlier outputs as `[name, index of the call, index of the output]`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kerasish import ops
from kerasish.core import naming, trees
from kerasish.core.errors import SavingError
from kerasish.core.objects import deserialize_keras_object, keras_tensor_config, serialize_keras_object
from kerasish.core.symbolic import Node, Operation, SymbolicTensor, has_symbolic
from kerasish.layers.layer import Layer
from kerasish.models.graph import Graph

#: Parameters of operations that hold tensors; in files they are arguments of the call, all others are configuration.
_TENSOR_PARAMETERS = frozenset(
    [
        "x",
        "x1",
        "x2",
        "x3",
        "xs",
        "a",
        "b",
        "v",
        "inputs",
        "indices",
        "updates",
        "values",
        "condition",
        "operands",
        "key",
        "query",
        "value",
        "bias",
        "mask",
        "target",
        "output",
        "array",
        "start",
        "start_indices",
        "sorted_sequence",
        "weights",
        "segment_ids",
        "logits",
        "labels",
        "kernel",
        "mean",
        "variance",
        "gamma",
        "beta",
        "offset",
        "scale",
        "constant_values",
        "predictions",
        "targets",
        "args",
        "images",
        "coordinates",
    ]
)
_NN = ("activations", "nn", "conv", "pooling", "normalization", "attention", "losses", "recurrent")
_MATH = frozenset(
    [
        "segment_sum",
        "segment_max",
        "top_k",
        "in_top_k",
        "logsumexp",
        "rsqrt",
        "erf",
        "erfinv",
        "qr",
        "extract_sequences",
        "fft",
        "fft2",
        "rfft",
        "irfft",
        "stft",
        "istft",
        "logdet",
    ]
)
_CORE = frozenset(
    [
        "cast",
        "saturate_cast",
        "scatter",
        "scatter_update",
        "slice",
        "slice_update",
        "stop_gradient",
        "unstack",
        "cond",
        "while_loop",
        "fori_loop",
        "map",
        "scan",
        "switch",
        "shape",
        "convert_to_tensor",
        "vectorized_map",
        "associative_scan",
    ]
)
_ACRONYMS = {"rgb": "RGB", "hsv": "HSV"}
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


# -- writing -----------------------------------------------------------------------------------------------------------
class _Entries:
    """The layers and single operation calls of a graph, each with a unique name and its nodes."""

    def __init__(self, graph: Graph) -> None:
        self.entries: list[tuple[Any, str, list[Node]]] = []
        self.history: dict[int, list[Any]] = {}
        names: set[str] = {layer.name for layer in graph.layers}
        by_layer: dict[int, tuple[Any, str, list[Node]]] = {}
        sources = [x.node for x in graph.flat_inputs if x.node is not None]
        for node in (*sources, *graph.nodes):
            operation = node.operation
            if isinstance(operation, Layer):
                entry = by_layer.get(id(operation))
                if entry is None:
                    entry = by_layer[id(operation)] = (operation, operation.name, [])
                    self.entries.append(entry)
            else:
                name = naming.unique(operation.name, names)
                names.add(name)
                entry = (operation, name, [])
                self.entries.append(entry)
            entry[2].append(node)
            for index, tensor in enumerate(
                t for t in trees.flatten(node.outputs) if isinstance(t, SymbolicTensor)
            ):
                self.history[id(tensor)] = [entry[1], len(entry[2]) - 1, index]

    def refer(self, value: Any) -> Any:
        """A call's argument as data: references in the place of symbolic tensors."""
        if isinstance(value, SymbolicTensor):
            return keras_tensor_config(value, self.history[id(value)])
        if isinstance(value, (list, tuple)):
            return [self.refer(v) for v in value]
        if isinstance(value, dict):
            return {k: self.refer(v) for k, v in value.items()}
        return serialize_keras_object(value)


def functional_config(model: Any) -> dict[str, Any]:
    """The config of a model made of a graph."""
    graph: Graph = model._graph
    found = _Entries(graph)
    layers = []
    for operation, name, nodes in found.entries:
        if isinstance(operation, Layer):
            data = serialize_keras_object(operation)
            calls = [
                {"args": found.refer(n.args), "kwargs": found.refer(n.kwargs)} for n in nodes if n.inputs
            ]
        else:
            data, calls = _operation_config(operation, name, nodes[0], found)
        layers.append({**data, "name": name, "inbound_nodes": calls})
    where = trees.map_structure(lambda t: _Place(found.history[id(t)]), graph.inputs)
    outputs = trees.map_structure(lambda t: _Place(found.history[id(t)]), graph.outputs)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _places(where),
        "output_layers": _places(outputs),
    }


class _Place:
    """A reference, kept apart from the lists that nest it."""

    def __init__(self, place: list[Any]) -> None:
        self.place = place


def _places(tree: Any) -> Any:
    if isinstance(tree, _Place):
        return tree.place
    if isinstance(tree, dict):
        return {k: _places(v) for k, v in tree.items()}
    return [_places(v) for v in tree]


def _operation_config(
    operation: Operation, name: str, node: Node, found: _Entries
) -> tuple[dict[str, Any], list[Any]]:
    bound = inspect.signature(operation.function).bind(*node.args, **node.kwargs)
    config: dict[str, Any] = {"name": name}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    gap = False  # whether the next positional argument of the file would land in another parameter
    for parameter, declared in bound.signature.parameters.items():
        value = bound.arguments.get(parameter, inspect.Parameter.empty)
        if value is inspect.Parameter.empty:
            gap = True
        elif declared.kind is inspect.Parameter.VAR_POSITIONAL:
            args += [found.refer(v) for v in value]
        elif declared.kind is inspect.Parameter.VAR_KEYWORD:
            config.update(serialize_keras_object(value))
        elif parameter in _TENSOR_PARAMETERS or has_symbolic(value):
            if gap and parameter in node.kwargs:
                kwargs[parameter] = found.refer(value)
            else:
                args.append(found.refer(value))
        else:
            config[parameter] = _plain(value)
            gap = True
    class_name = _class_name(operation.name)
    data = {
        "module": _module(operation),
        "class_name": class_name,
        "config": config,
        "registered_name": class_name,
    }
    return data, [{"args": args, "kwargs": kwargs}]


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return serialize_keras_object(value)


def _class_name(name: str) -> str:
    return "".join(_ACRONYMS.get(part, part.capitalize()) for part in name.split("_"))


def _module(operation: Operation) -> str:
    home = operation.function.__module__.rsplit(".", 1)[-1]
    if operation.name in _MATH:
        return "keras.src.ops.math"
    if operation.name in _CORE:
        return "keras.src.ops.core"
    if home.startswith("image"):
        return "keras.src.ops.image"
    if home == "linalg":
        return "keras.src.ops.linalg"
    return "keras.src.ops.nn" if home in _NN else "keras.src.ops.numpy"


# -- reading -----------------------------------------------------------------------------------------------------------
def functional_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None, make: Callable[..., Any]
) -> Any:
    """Rebuild the graph and hand inputs and outputs to `make(inputs, outputs, name=...)`."""
    operations = {entry["name"]: _operation(entry, custom_objects) for entry in config["layers"]}
    outputs: dict[tuple[str, int], list[Any]] = {}
    waiting: list[tuple[str, int, Mapping[str, Any]]] = []
    for entry in config["layers"]:
        name = entry["name"]
        if not entry.get("inbound_nodes"):
            made = getattr(operations[name], "output", None)
            outputs[(name, 0)] = trees.flatten(made)
        waiting += [(name, i, node) for i, node in enumerate(entry.get("inbound_nodes", []))]
    while waiting:
        later = []
        for name, index, node in waiting:
            needed = _references(node)
            if all((n, i) in outputs for n, i, _ in needed):
                args, kwargs = _arguments(node, outputs)
                result = operations[name](*args, **kwargs)
                outputs[(name, index)] = trees.flatten(result)
            else:
                later.append((name, index, node))
        if len(later) == len(waiting):
            raise SavingError(
                "The model's config refers to a layer that it does not hold.", received=later[0][0]
            )
        waiting = later
    inputs = _resolve(config["input_layers"], outputs)
    results = _resolve(config["output_layers"], outputs)
    return make(inputs, results, name=config.get("name"), trainable=config.get("trainable", True))


def _operation(entry: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    module = str(entry.get("module") or "")
    if ".ops." in f"{module}.":
        name = naming.to_snake_case(entry["class_name"])
        home = ops.image if module.endswith(".ops.image") else ops
        function = getattr(home, name, None) if name in home.__all__ else None
        if function is None:
            raise SavingError(f"The operation {entry['class_name']!r} is not known.", where=module)
        options = {k: deserialize_keras_object(v) for k, v in entry.get("config", {}).items() if k != "name"}
        accepted = inspect.signature(function).parameters
        known = {k: v for k, v in options.items() if k in accepted}
        return functools.partial(_apply, function, known)
    return deserialize_keras_object(dict(entry), custom_objects=custom_objects)


def _apply(function: Callable[..., Any], options: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call an operation: `args` are its tensors in order, which fill what neither options nor kwargs name."""
    accepted = inspect.signature(function).parameters
    named = {**options, **{k: v for k, v in kwargs.items() if k in accepted}}
    waiting = list(args)
    positional: list[Any] = []
    for name, parameter in accepted.items():
        if parameter.kind not in _BY_POSITION or not waiting:
            break
        if name not in named:
            positional.append(waiting.pop(0))
        else:
            positional.append(named.pop(name))
    return function(*positional, *waiting, **named)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _references(node: Any) -> list[Any]:
    if _is_reference(node):
        return [node["config"]["keras_history"]]
    if isinstance(node, Mapping):
        return [r for v in node.values() for r in _references(v)]
    if isinstance(node, (list, tuple)):
        return [r for v in node for r in _references(v)]
    return []


def _arguments(
    node: Mapping[str, Any], outputs: dict[tuple[str, int], list[Any]]
) -> tuple[list[Any], dict[str, Any]]:
    def fill(value: Any) -> Any:
        if _is_reference(value):
            name, index, position = value["config"]["keras_history"]
            return outputs[(name, index)][position]
        if isinstance(value, list):
            return [fill(v) for v in value]
        if isinstance(value, dict) and "class_name" not in value:
            return {k: fill(v) for k, v in value.items()}
        if isinstance(value, dict) and value.get("class_name") == "__tuple__":
            return tuple(fill(v) for v in value["items"])
        return deserialize_keras_object(value)

    return [_slices(fill(a)) for a in node["args"]], {
        k: fill(v) for k, v in node["kwargs"].items() if v is not None
    }


def _slices(value: Any) -> Any:
    """An index with slices was a tuple before it was JSON."""
    if isinstance(value, list) and any(isinstance(v, slice) or v is Ellipsis for v in value):
        return tuple(value)
    return value


def _resolve(tree: Any, outputs: dict[tuple[str, int], list[Any]]) -> Any:
    if isinstance(tree, dict):
        return {k: _resolve(v, outputs) for k, v in tree.items()}
    if len(tree) == 3 and isinstance(tree[0], str):
        name, index, position = tree
        try:
            return outputs[(name, index)][position]
        except (KeyError, IndexError):
            raise SavingError(
                "The model's config names an output that does not exist.", received=tree
            ) from None
    return [_resolve(v, outputs) for v in tree]


def sequential_config(model: Any) -> dict[str, Any]:
    """The config of a Sequential."""
    layers = [serialize_keras_object(layer) for layer in model._stack]
    config = {
        "name": model.name,
        "trainable": model.trainable,
        "dtype": serialize_keras_object(model.dtype_policy),
        "layers": layers,
    }
    if model._graph is not None:
        config["build_input_shape"] = list(model.input_shape)
    return config


def sequential_layers(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> list[Any]:
    """The layers of a Sequential's config."""
    return [deserialize_keras_object(entry, custom_objects=custom_objects) for entry in config["layers"]]
