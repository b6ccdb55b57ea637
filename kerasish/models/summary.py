"""`model.summary()`: a table of layers, output shapes, parameters and connections."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from kerasish.core import dtypes, trees


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print the table; the arguments are Keras'.

    Args:
        model: A model.
        line_length: Width in characters; default the terminal's, at most 100.
        positions: Relative positions of the columns' ends (accepted; columns fit their content).
        print_fn: Called with the text instead of printing it.
        expand_nested: Whether layers of nested models are listed.
        show_trainable: Whether to add a column on what is trained.
        layer_range: Two name patterns: the first and the last layer to show.
    """
    linear = _is_linear(model)
    table = Table(title=f'Model: "{model.name}"', title_justify="left", show_lines=not linear)
    table.add_column("Layer (type)", overflow="fold")
    table.add_column("Output shape")
    table.add_column("Param #", justify="right")
    if not linear:
        table.add_column("Connected to", overflow="fold")
    if show_trainable:
        table.add_column("Trainable", justify="center")
    sources = _sources(model)
    for layer, depth in _rows(model, expand_nested, layer_range):
        cells = [
            f"{'  ' * depth}[bold]{layer.name}[/] ({type(layer).__name__})",
            _output_shape(layer),
            f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
        ]
        if not linear:
            cells.append(", ".join(sources.get(id(layer), [])) or "-")
        if show_trainable:
            cells.append("Y" if layer.trainable and layer.weights else ("N" if layer.weights else "-"))
        table.add_row(*cells)
    console = Console(
        width=line_length or min(Console().width, 100), record=print_fn is not None, quiet=False
    )
    if print_fn is None:
        console.print(table)
        console.print(_totals(model), highlight=False)
    else:
        with console.capture() as capture:
            console.print(table)
            console.print(_totals(model), highlight=False)
        print_fn(capture.get())


def _is_linear(model: Any) -> bool:
    graph = getattr(model, "_graph", None)
    if graph is None:
        return True
    return (
        len(graph.flat_inputs) == 1
        and all(len(n.inputs) == 1 for n in graph.nodes)
        and len(graph.nodes) < len(model._sublayers) + 1
        and len(trees.flatten(graph.outputs)) == 1
        and _each_used_once(graph)
    )


def _each_used_once(graph: Any) -> bool:
    used = [id(x) for node in graph.nodes for x in node.inputs]
    return len(used) == len(set(used))


def _sources(model: Any) -> dict[int, list[str]]:
    graph = getattr(model, "_graph", None)
    found: dict[int, list[str]] = {}
    for node in graph.nodes if graph is not None else ():
        names = [f"{x.node.operation.name}[{x.index}]" if x.node is not None else x.name for x in node.inputs]
        found.setdefault(id(node.operation), []).extend(names)
    return found


def _rows(model: Any, expand: bool, layer_range: Any, depth: int = 0) -> list[tuple[Any, int]]:
    layers = model.layers if depth == 0 and not hasattr(model, "_stack") else getattr(model, "layers", [])
    if layer_range:
        names = [layer.name for layer in layers]
        layers = layers[names.index(layer_range[0]) : names.index(layer_range[1]) + 1]
    rows: list[tuple[Any, int]] = []
    for layer in layers:
        rows.append((layer, depth))
        if expand and hasattr(layer, "layers"):
            rows += _rows(layer, True, None, depth + 1)
    return rows


def _output_shape(layer: Any) -> str:
    if getattr(layer, "_nodes_io", None) is not None or getattr(layer, "_graph", None) is not None:
        leaves = [leaf.shape for leaf in trees.flatten(layer.output)]
    else:
        leaves = getattr(layer, "_seen_shapes", None) or []
    if not leaves:
        return "?"
    return str(leaves[0]) if len(leaves) == 1 else str(leaves)


def _totals(model: Any) -> str:
    def line(name: str, variables: list[Any]) -> str:
        count = sum(v.size for v in variables)
        size = sum(v.size * dtypes.bits(v._dtype) / 8 for v in variables)
        return f" {name}: {count:,} ({_readable(size)})"

    lines = [
        line("Total params", model.weights + (model.optimizer.variables if _trained(model) else [])),
        line("Trainable params", model.trainable_weights),
        line("Non-trainable params", model.non_trainable_weights),
    ]
    if _trained(model):
        lines.append(line("Optimizer params", model.optimizer.variables))
    if not model.built:
        lines.append(
            " This model has not been built: call build(input_shape), or fit it, to see shapes and counts."
        )
    return "\n".join(lines)


def _trained(model: Any) -> bool:
    return model.optimizer is not None and model.optimizer.built


def _readable(size: float) -> str:
    if size < 1024:
        return f"{size:.2f} B"
    power = min(int(math.log(size, 1024)), 4)
    return f"{size / 1024**power:.2f} {('B', 'KB', 'MB', 'GB', 'TB')[power]}"
