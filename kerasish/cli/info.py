"""`kerasish info`: which engines are installed, what they see, how kerasish itself is built."""

from __future__ import annotations

import argparse
import json
import os
import platform
import warnings
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerasish import __version__
from kerasish.comparison.machine import cores, cpu_features
from kerasish.core import registry
from kerasish.core.config import portable_randomness
from kerasish.core.contract import Engine, EngineInfo
from kerasish.core.seeds import draws_portably

#: Environment variables that say how many threads numerical libraries start.
_THREADS = ("KERASISH_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


#: Facts of an engine that have a column or a line of their own.
_IN_OTHER_PLACES = ("installed", "version", "devices", "cpu_features")


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="show engines, versions and devices",
        description="Show the engines (versions, devices, kernels, threads, or how to install them) and the processor.",
        epilog="examples: kerasish info; kerasish info --json",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def collect() -> dict[str, Any]:
    """The facts. Builds every installed engine."""
    infos = registry.engine_infos()
    default = os.environ.get(registry.ENVIRONMENT) or registry.FALLBACK
    return {
        "kerasish": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "default_backend": default,
        "default_is_known": default in infos,
        "cores": cores(),
        "cpu_features": cpu_features(),
        "thread_variables": {name: os.environ[name] for name in _THREADS if name in os.environ},
        "portable_randomness": portable_randomness(),
        "engines": {name: _engine(name, info) for name, info in sorted(infos.items())},
    }


def _engine(name: str, info: EngineInfo) -> dict[str, Any]:
    """What is known of an engine; one that is installed but broken says why."""
    missing = info.missing()
    if missing:
        return {"installed": False, "missing": missing, "install": info.install}
    try:
        with warnings.catch_warnings():  # what they would warn of is shown here
            warnings.simplefilter("ignore")
            engine = registry.get_engine(name)
            found = {"version": engine.version, "devices": engine.devices(), **engine.facts()}
            found["random_numbers"] = _random_numbers(engine)
    except Exception as error:  # a framework that cannot be imported raises whatever it likes
        return {"installed": False, "error": f"{type(error).__name__}: {error}", "install": info.install}
    return {"installed": True, **found}


def _random_numbers(engine: Engine) -> str:
    """Whose numbers steps draw for masks and noise."""
    own = [device for device in engine.devices() if not draws_portably(engine, device)]
    return f"its own on {' '.join(own)}" if own else "portable"


def run(options: argparse.Namespace) -> int:
    """Print the facts."""
    facts = collect()
    if options.json:
        print(json.dumps(facts, indent=2))
        return 0
    console = Console(highlight=False)
    console.print(f"kerasish {facts['kerasish']} · Python {facts['python']} · NumPy {facts['numpy']}")
    console.print(escape(facts["platform"]))
    threads = " ".join(f"{name}={value}" for name, value in facts["thread_variables"].items())
    console.print(
        f"{facts['cores']} cores · {' '.join(facts['cpu_features'])}{' · ' if threads else ''}{threads}"
    )
    console.print(_table(facts))
    if not facts["default_is_known"]:
        console.print(
            f"{registry.ENVIRONMENT} names {facts['default_backend']!r}: there is no such engine.",
            markup=False,
        )
    return 0


def _table(facts: dict[str, Any]) -> Table:
    table = Table("engine", "version", "devices", "", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, engine in facts["engines"].items():
        label = f"[bold]{name}[/] (default)" if name == facts["default_backend"] else name
        if not engine["installed"]:
            why = engine.get("error") or "not installed"
            table.add_row(
                label, "–", "–", escape(f"{why}: {engine['install']}" if engine["install"] else why)
            )
            continue
        shown = {k: v for k, v in engine.items() if k not in _IN_OTHER_PLACES}
        details = ", ".join(f"{k.replace('_', ' ')}: {_plain(v)}" for k, v in shown.items())
        table.add_row(label, engine["version"], ", ".join(engine["devices"]), escape(details))
    return table


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
