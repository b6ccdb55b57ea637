"""`kerasish info`: which engines are installed, what they see, how kerasish itself is built."""

from __future__ import annotations

import argparse
import json
import platform
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerasish import __version__
from kerasish.core import registry


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="show engines, versions and devices",
        description="Show the engines: installed or how to install them, versions, devices.",
        epilog="Example: kerasish info --json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def collect() -> dict[str, Any]:
    """The facts. Builds every installed engine."""
    engines: dict[str, Any] = {}
    for name, info in sorted(registry.engine_infos().items()):
        missing = info.missing()
        if missing:
            engines[name] = {"installed": False, "install": info.install}
            continue
        engine = registry.get_engine(name)
        engines[name] = {"installed": True, "version": engine.version, "devices": engine.devices()}
    return {
        "kerasish": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "default_backend": registry.backend(),
        "engines": engines,
    }


def run(options: argparse.Namespace) -> int:
    """Print the facts."""
    facts = collect()
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    console = Console()
    console.print(
        f"kerasish {facts['kerasish']} · Python {facts['python']} · NumPy {facts['numpy']} · {facts['platform']}"
    )
    table = Table("engine", "version", "devices")
    for name, engine in facts["engines"].items():
        label = f"[bold]{name}[/] (default)" if name == facts["default_backend"] else name
        if engine["installed"]:
            table.add_row(label, engine["version"], ", ".join(engine["devices"]))
        else:
            table.add_row(label, "not installed", escape(engine["install"]))
    console.print(table)
    return 0
