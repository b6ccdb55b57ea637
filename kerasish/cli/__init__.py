"""The command line: `kerasish demo`, `info`, `compare`, `diff`, `summary`, `plot`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kerasish import __version__
from kerasish.cli import compare, demo, diff, info, plot, summary
from kerasish.core.errors import KerasishError, UnknownNameError

_COMMANDS = (demo, info, compare, diff, summary, plot)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0: done. 1: engines differ, or a run of a script failed. 2: what was asked for cannot be done (a wrong command line,
    a file that is missing or of no use, an engine that is not there); one line on stderr says why. 130: interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="kerasish",
        description="Keras-style models on pluggable engines.",
        epilog="Examples: kerasish demo --backend native; kerasish compare train.py; kerasish COMMAND --help. "
        "Exit codes: 0 done; 1 engines differ or a run failed; 2 a wrong command line, file or engine.",
    )
    parser.add_argument("--version", action="version", version=f"kerasish {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_command(commands)
    given, rest = _split(list(sys.argv[1:] if arguments is None else arguments))
    wanted = next((word for word in given if not word.startswith("-")), None)
    if wanted is not None and wanted not in commands.choices:
        parser.error(str(UnknownNameError.of("command", wanted, commands.choices)))
    options = parser.parse_args(given)
    if rest and not hasattr(options, "arguments"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.arguments = rest
    try:
        return int(options.run(options))
    except (KerasishError, OSError) as error:
        # Functions begin their messages with their own name, which is the command's.
        print(
            f"kerasish {options.command}: {str(error).removeprefix(f'{options.command}: ')}", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print(f"kerasish {options.command}: interrupted", file=sys.stderr)
        return 130


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before and after the first `--`: the latter is for a script."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]
