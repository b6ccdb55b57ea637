"""`plot_model`: a picture of a model's layers. Graphviz draws it where it is installed; else kerasish draws an SVG."""

from __future__ import annotations

import html
import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from kerasish.core import trees
from kerasish.core.errors import ArgumentError, NotBuiltError


class _Box(NamedTuple):
    key: str
    lines: list[str]


def _diagram(model: Any, options: dict[str, bool]) -> tuple[list[_Box], list[tuple[str, str]]]:
    """Boxes in order of computation, and the arrows between them."""
    graph = getattr(model, "_graph", None)
    if graph is None:
        layers = list(model.layers)
        if not layers:
            raise NotBuiltError(
                "There is nothing to draw yet.", where=model.name, hint="build the model first"
            )
        boxes = [_Box(str(id(layer)), _label(layer, options)) for layer in layers]
        chain = hasattr(model, "_stack")
        arrows = [(a.key, b.key) for a, b in itertools.pairwise(boxes)] if chain else []
        return boxes, arrows
    boxes, arrows, home, known = [], [], {}, set()
    for node in (*(x.node for x in graph.flat_inputs if x.node is not None), *graph.nodes):
        operation = node.operation
        key = str(id(operation)) if hasattr(operation, "_is_layer") else str(id(node))
        if key not in known:
            known.add(key)
            boxes.append(_Box(key, _label(operation, options, node)))
        for tensor in trees.flatten(node.outputs):
            home[id(tensor)] = key
        arrows += [(home[id(x)], key) for x in node.inputs if id(x) in home]
    return boxes, list(dict.fromkeys(arrows))


def _label(operation: Any, options: dict[str, bool], node: Any = None) -> list[str]:
    name = f"{operation.name} ({type(operation).__name__})" if options["names"] else type(operation).__name__
    lines = [name]
    activation = getattr(getattr(operation, "activation", None), "__name__", None)
    if options["activations"] and activation:
        lines.append(f"activation: {activation}")
    outputs = trees.flatten(node.outputs) if node is not None else []
    if options["shapes"] and outputs:
        if node.inputs:
            lines.append("in: " + ", ".join(str(x.shape) for x in node.inputs))
        lines.append("out: " + ", ".join(str(x.shape) for x in outputs))
    if options["dtypes"] and outputs:
        lines.append("dtype: " + ", ".join(x.dtype for x in outputs))
    if options["trainable"] and getattr(operation, "weights", None):
        lines.append("trainable" if operation.trainable else "frozen")
    return lines


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> str:
    """The model as a graph in the DOT language.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model_to_dot(model).startswith("digraph")
        True
    """
    boxes, arrows = _diagram(
        model, _options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    )
    lines = [
        f'digraph "{model.name}" {{',
        f"  rankdir={rankdir}; dpi={dpi}; splines={splines};",
        '  node [shape=box, fontname="sans-serif"];',
    ]
    for box in boxes:
        label = "\\n".join(line.replace('"', "'") for line in box.lines)
        lines.append(f'  "{box.key}" [label="{label}"];')
    lines += [f'  "{a}" -> "{b}";' for a, b in arrows]
    return "\n".join([*lines, "}"])


def _options(shapes: bool, dtypes: bool, names: bool, activations: bool, trainable: bool) -> dict[str, bool]:
    return {
        "shapes": shapes,
        "dtypes": dtypes,
        "names": names,
        "activations": activations,
        "trainable": trainable,
    }


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> str:
    """Draw the model into a file.

    Args:
        model: A model.
        to_file: A path; its ending says the format. Without Graphviz only `.svg` can be drawn: any other ending is
            replaced by it.
        show_shapes: Whether to show input and output shapes.
        show_dtype: Whether to show dtypes.
        show_layer_names: Whether to show names.
        rankdir: "TB" (downwards) or "LR" (to the right), where Graphviz draws.
        expand_nested: Accepted; nested models are one box.
        dpi: Dots an inch of bitmaps.
        show_layer_activations: Whether to show activations.
        show_trainable: Whether to show what is trained.
        splines: Graphviz' style of arrows: "ortho", "curved", "polyline", "spline".

    Returns:
        The path of the file that was written.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> plot_model(model, "model.svg", show_shapes=True)
        'model.svg'
    """
    path = Path(to_file)
    options = _options(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    if shutil.which("dot"):
        kind = path.suffix.lstrip(".") or "png"
        source = model_to_dot(
            model,
            show_shapes,
            show_dtype,
            show_layer_names,
            rankdir,
            expand_nested,
            dpi,
            show_layer_activations,
            show_trainable,
            splines,
        )
        done = subprocess.run(
            ["dot", f"-T{kind}", "-o", str(path)], input=source.encode(), capture_output=True, check=False
        )
        if done.returncode:
            raise ArgumentError(
                "Graphviz could not draw it.",
                received=done.stderr.decode()[:100],
                hint="use a path ending in .svg or .png",
            )
        return str(path)
    path = path.with_suffix(".svg")
    path.write_text(svg(model, options), encoding="utf-8")
    return str(path)


def svg(model: Any, options: dict[str, bool]) -> str:
    """The model as an SVG drawing: rows by distance from the inputs, straight arrows."""
    boxes, arrows = _diagram(model, options)
    level = {box.key: 0 for box in boxes}
    for box in boxes:  # boxes come in order of computation: one pass settles the levels
        for a, b in arrows:
            if b == box.key:
                level[b] = max(level[b], level[a] + 1)
    rows: dict[int, list[_Box]] = {}
    for box in boxes:
        rows.setdefault(level[box.key], []).append(box)
    width_of = {box.key: 24 + 7.2 * max(len(line) for line in box.lines) for box in boxes}
    total = max(sum(width_of[b.key] + 30 for b in row) for row in rows.values()) + 30
    place: dict[str, tuple[float, float, float, float]] = {}
    y = 20.0
    for number in sorted(rows):
        row = rows[number]
        x = (total - sum(width_of[b.key] + 30 for b in row) + 30) / 2
        height = max(14 + 18 * len(b.lines) for b in row)
        for box in row:
            place[box.key] = (x, y, width_of[box.key], 14 + 18 * len(box.lines))
            x += width_of[box.key] + 30
        y += height + 36
    return _draw(boxes, arrows, place, total, y, model.name)


def _draw(boxes: Any, arrows: Any, place: Any, width: float, height: float, title: str) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="13">',
        f"<title>{html.escape(title)}</title>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
    ]
    for a, b in arrows:
        (ax, ay, aw, ah), (bx, by, bw, _) = place[a], place[b]
        parts.append(
            f'<line x1="{ax + aw / 2:.1f}" y1="{ay + ah:.1f}" x2="{bx + bw / 2:.1f}" y2="{by:.1f}" '
            'stroke="#555" marker-end="url(#a)"/>'
        )
    for box in boxes:
        x, y, w, h = place[box.key]
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="5" fill="#eef3fb" stroke="#4a6fa5"/>'
        )
        for number, line in enumerate(box.lines):
            weight = ' font-weight="bold"' if number == 0 else ""
            parts.append(
                f'<text x="{x + w / 2:.1f}" y="{y + 20 + 18 * number:.1f}" text-anchor="middle"{weight} '
                f'fill="#1b2a41">{html.escape(line)}</text>'
            )
    return "\n".join([*parts, "</svg>"])
