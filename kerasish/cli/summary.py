"""`kerasish summary`: the layers of a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kerasish.saving import load_model


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "summary",
        help="show the layers of a saved model",
        description="Show layers, output shapes and parameters of a .keras file, ours or Keras 3's.",
        epilog="examples: kerasish summary model.keras; kerasish summary model.keras --nested --trainable",
    )
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("--nested", action="store_true", help="list the layers of nested models too")
    parser.add_argument("--trainable", action="store_true", help="say what is trained")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the summary."""
    load_model(options.model).summary(expand_nested=options.nested, show_trainable=options.trainable)
    return 0
