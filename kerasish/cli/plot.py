"""`kerasish plot`: a picture of a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kerasish.models.plot import plot_model
from kerasish.saving import load_model


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "plot",
        help="draw a saved model",
        description="Draw the layers of a .keras file. SVG needs nothing else; other formats need Graphviz.",
        epilog="examples: kerasish plot model.keras -o model.svg; kerasish plot model.keras --shapes --names",
    )
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("-o", "--out", type=Path, help="the picture (default: the model's name, .svg)")
    parser.add_argument("--shapes", action="store_true", help="show input and output shapes")
    parser.add_argument("--dtypes", action="store_true", help="show dtypes")
    parser.add_argument("--names", action="store_true", help="show the names of layers")
    parser.add_argument("--activations", action="store_true", help="show activations")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw the model; print where."""
    model = load_model(options.model)
    path = plot_model(
        model,
        options.out or options.model.with_suffix(".svg"),
        show_shapes=options.shapes,
        show_dtype=options.dtypes,
        show_layer_names=options.names,
        show_layer_activations=options.activations,
    )
    print(path)
    return 0
