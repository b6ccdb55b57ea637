"""The graph behind a Functional model: found by walking back from outputs to inputs, replayed in order."""

from __future__ import annotations

from typing import Any

from kerasish.core import trees
from kerasish.core.errors import ArgumentError, GraphError, ShapeError
from kerasish.core.symbolic import Node, SymbolicTensor
from kerasish.layers.core.input_layer import Input
from kerasish.layers.layer import Layer


class Graph:
    """Nodes between symbolic inputs and outputs, in an order in which they can be computed.

    Args:
        inputs: A symbolic tensor, or a tree of them.
        outputs: Likewise.

    Raises:
        GraphError: An output does not depend on `inputs` alone.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        for kind, tree in (("inputs", inputs), ("outputs", outputs)):
            for leaf in trees.flatten(tree):
                if not isinstance(leaf, SymbolicTensor):
                    raise ArgumentError(
                        f"`{kind}` of a Model must be symbolic tensors.",
                        received=f"{type(leaf).__name__} {leaf!r}"[:90],
                        hint="start from kerasish.Input(shape=...) and apply layers to it",
                    )
        self.inputs = inputs
        self.outputs = outputs
        self.flat_inputs: list[SymbolicTensor] = trees.flatten(inputs)
        if len({id(x) for x in self.flat_inputs}) != len(self.flat_inputs):
            raise GraphError("An input is listed twice.", received=[x.name for x in self.flat_inputs])
        self.nodes = self._sorted_nodes()

    def _sorted_nodes(self) -> list[Node]:
        """Depth-first post-order, iteratively: deep models must not overflow the stack."""
        known = {id(x) for x in self.flat_inputs}
        done: set[int] = set()
        order: list[Node] = []
        for output in trees.flatten(self.outputs):
            stack: list[tuple[SymbolicTensor, bool]] = [(output, False)]
            while stack:
                tensor, expanded = stack.pop()
                node = tensor.node
                if id(tensor) in known or (node is not None and id(node) in done):
                    continue
                if node is None or not node.inputs:
                    raise GraphError(
                        f"The output {output.name!r} depends on {tensor.name!r}, which is not among the inputs.",
                        received=f"inputs {[x.name for x in self.flat_inputs]}",
                        hint="add that tensor to `inputs` of the Model",
                    )
                if expanded:
                    done.add(id(node))
                    order.append(node)
                else:
                    stack.append((tensor, True))
                    stack.extend((x, False) for x in reversed(node.inputs))
        return order

    def rooted(self) -> Graph:
        """The graph itself; where it begins at a tensor that a layer made, its calls again, from an input instead."""
        if all(x.node is None or not x.node.inputs for x in self.flat_inputs):
            return self
        taken = {node.operation.name for node in self.nodes}

        def root(x: SymbolicTensor) -> SymbolicTensor:
            if x.node is None or not x.node.inputs:
                return x
            return Input(batch_shape=x.shape, dtype=x.dtype, name=x.name + "_input" * (x.name in taken))

        inputs = trees.map_structure(root, self.inputs)
        return Graph(inputs, self.run(inputs))

    @property
    def layers(self) -> list[Layer]:
        """Distinct layers, those farthest from the outputs first.

        `model.layers`, `get_weights()` and the numbering in weights files follow this order, so it is Keras': by
        falling distance, and of equals the one first met on the way back from the outputs. A layer that is called
        several times stands where its farthest call does.
        """
        distances = self._distances()
        found = {
            id(node.operation): node.operation for node in distances if isinstance(node.operation, Layer)
        }
        farthest = {id(node.operation): distance for node, distance in distances.items()}
        return sorted(found.values(), key=lambda layer: -farthest[id(layer)])

    def _distances(self) -> dict[Node, int]:
        """How many calls lie between each node and the outputs, in the order met on the way back from them."""
        sources = [x.node for x in self.flat_inputs if x.node is not None]
        own = {*sources, *self.nodes}
        met: dict[Node, None] = {}
        stack = [x.node for x in reversed(trees.flatten(self.outputs))]
        while stack:
            node = stack.pop()
            if node in own and node not in met:
                met[node] = None
                stack.extend(x.node for x in reversed(node.inputs))
        unused = [node for node in sources if node not in met]
        nodes: dict[Node, int] = dict.fromkeys((*unused, *met), 0)
        layers: dict[int, int] = {}
        for node in (*reversed(self.nodes), *sources):
            nodes[node] = max(nodes[node], layers.get(id(node.operation), 0))
            if isinstance(node.operation, Layer):
                layers[id(node.operation)] = nodes[node]
            for x in node.inputs:
                if x.node in nodes:
                    nodes[x.node] = max(nodes[x.node], nodes[node] + 1)
        return {node: layers.get(id(node.operation), distance) for node, distance in nodes.items()}

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: those of their input layers."""
        return [
            x.node.operation.name if x.node is not None and not x.node.inputs else x.name
            for x in self.flat_inputs
        ]

    def run(self, inputs: Any) -> Any:
        """Compute the outputs for tensors in the structure of `self.inputs`."""
        values = {id(s): v for s, v in zip(self.flat_inputs, self.arrange(inputs), strict=True)}
        for node in self.nodes:
            result = node.operation(*fill(node.args, values), **fill(node.kwargs, values))
            for symbolic, value in zip(trees.flatten(node.outputs), trees.flatten(result), strict=True):
                values[id(symbolic)] = value
        return trees.map_structure(lambda s: values[id(s)], self.outputs)

    def arrange(self, inputs: Any) -> list[Any]:
        """The given inputs in the order of `flat_inputs`: by name from a dict, else by position."""
        if isinstance(inputs, dict) and not isinstance(self.inputs, dict):
            names = self.input_names
            missing = [n for n in names if n not in inputs]
            if not missing:
                return [inputs[n] for n in names]
            if len(inputs) != len(names) or len(missing) < len(names):
                raise ArgumentError(
                    "The inputs' names do not fit the model.",
                    expected=names,
                    received=sorted(map(str, inputs)),
                    hint="use the names given to Input(name=...) as keys, or pass a list",
                )
        if isinstance(self.inputs, dict) and isinstance(inputs, dict):
            missing = [k for k in self.inputs if k not in inputs]
            if missing:
                raise ArgumentError(
                    f"The input {missing[0]!r} is missing.",
                    expected=sorted(self.inputs),
                    received=sorted(inputs),
                )
            inputs = {k: inputs[k] for k in self.inputs}
        flat = trees.flatten(inputs)
        if len(flat) != len(self.flat_inputs):
            raise ShapeError(
                "The number of inputs is wrong.",
                expected=f"{len(self.flat_inputs)}: {self.input_names}",
                received=f"{len(flat)}",
                hint="pass a list with one array for each input",
            )
        return flat


def fill(tree: Any, values: dict[int, Any]) -> Any:
    """Put values in the place of symbolic tensors."""
    kind = tree.__class__
    if kind is SymbolicTensor:
        return values[id(tree)]
    if kind is tuple or kind is list:
        return kind(fill(x, values) for x in tree)
    if kind is dict:
        return {k: fill(v, values) for k, v in tree.items()}
    if trees.is_nested(tree):
        return trees.map_structure(lambda x: values[id(x)] if isinstance(x, SymbolicTensor) else x, tree)
    return tree
