"""The command line: `kerasish demo`, `info`, `compare`, `diff`, `summary`, `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kerasish import __version__
from kerasish.cli import compare, demo, diff, info, plot, summary
from kerasish.core.errors import KerasishError

_COMMANDS = (demo, info, compare, diff, summary, plot)


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
    given, rest = _split(list(sys.argv[1:] if arguments is None else arguments))
    options = parser.parse_args(given)
    if rest and not hasattr(options, "arguments"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.arguments = rest
    try:
        return int(options.run(options))
    except (KerasishError, OSError) as error:
        print(f"kerasish {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"kerasish {options.command}: interrupted", file=sys.stderr)
        return 130


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after the first `--`: the latter is for a script."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]
