"""The command line: `kerasish demo`, `info`, `compare`, `summary`, `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kerasish import __version__
from kerasish.cli import compare, demo, info, plot, summary
from kerasish.core.errors import KerasishError

_COMMANDS = (demo, info, compare, summary, plot)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code: 0, 1 after an error, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="kerasish",
        description="Keras-style models on pluggable engines.",
        epilog="Examples: kerasish demo --backend native; kerasish compare train.py; kerasish COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"kerasish {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_command(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (KerasishError, OSError) as error:
        print(f"kerasish {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"kerasish {options.command}: interrupted", file=sys.stderr)
        return 130
