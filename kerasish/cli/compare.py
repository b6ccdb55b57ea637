"""`kerasish compare`: one training script on every engine, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from kerasish.comparison.running import Plan, compare_script
from kerasish.core.errors import ArgumentError

_EXAMPLES = """\
examples:
  kerasish compare train.py                          every installed engine, three runs of each
  kerasish compare train.py --backends torch,jax     these engines only
  kerasish compare train.py --epochs 3 --threads 1   shorter, on one core
  kerasish compare train.py --with-keras             and real Keras 3 on the same engines
  kerasish compare train.py --seeds 5                do engines differ more than seeds do?
  kerasish compare train.py -- --lr 0.01             arguments for the script come after --

The script is run as it is; it should `import kerasish` (or `import kerasish as keras`) and call `fit`. Each run is
a process of its own. Times are those of `fit`, without progress bars. A lead counts if it exceeds the noise of runs.

exit code: 0 when all runs came to their end (engines that are not installed are named, no more), 1 when one failed or
nothing could be compared, 2 for a wrong command line or a script that is not there.
"""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare",
        help="run a training script on every engine and compare",
        usage="kerasish compare [options] script.py [-- arguments of the script]",
        description="Run a training script once for every engine and repeat; compare times and numbers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("script", type=Path, help="a Python script that calls fit")
    parser.add_argument("--backends", type=_names, metavar="A,B", help="engines (default: all)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each engine (default: 3)")
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="train for N epochs, whatever the script says"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="cores and threads of a run (default: the engine's choice)"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="K",
        help="go round K seeds, and say whether engines differ more than seeds do",
    )
    parser.add_argument("--with-keras", action="store_true", help="run real Keras 3 on the same engines too")
    parser.add_argument(
        "--portable-randomness",
        choices=("on", "off", "auto"),
        help="on: the same dropout masks on every engine; off: the engines' own (default: auto)",
    )
    parser.add_argument("--timeout", type=float, metavar="S", help="give a run up after S seconds")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("."),
        metavar="DIR",
        help="folder for the reports (default: here)",
    )
    parser.set_defaults(run=run, arguments=())  # what follows -- is for the script


def run(options: argparse.Namespace) -> int:
    """Run the script everywhere; show the tables; write report.json and report.html."""
    if options.out.exists() and not options.out.is_dir():
        raise ArgumentError(f"{str(options.out)!r} is not a folder.", where="--out")
    plan = Plan(
        script=options.script,
        arguments=options.arguments,
        backends=options.backends,
        repeat=options.repeat,
        epochs=options.epochs,
        threads=options.threads,
        seeds=options.seeds,
        with_keras=options.with_keras,
        timeout=options.timeout,
        portable_randomness=options.portable_randomness,
    )
    progress = Console(stderr=True)
    with progress.status(f"running {escape(options.script.name)} …"):
        comparison = compare_script(plan, lambda line: progress.print(escape(line), highlight=False))
    console = Console()
    console.print(comparison.table())
    options.out.mkdir(parents=True, exist_ok=True)
    paths = [comparison.to_json(options.out / "report.json")]
    if comparison.contenders:
        paths.append(comparison.to_html(options.out / "report.html"))
    console.print(f"written: {', '.join(map(str, paths))}", markup=False, highlight=False)
    return 0 if comparison.contenders and not comparison.failed else 1


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name at least one engine")
    return names
