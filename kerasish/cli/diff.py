"""`kerasish diff`: in which layer do engines compute something else?"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerasish.core import trees
from kerasish.core.errors import ArgumentError, DataError
from kerasish.diagnosis import Diagnosis, diff
from kerasish.saving.model_files import load_model

_EXAMPLES = """\
examples:
  kerasish diff model.keras                          every installed engine, inputs made up
  kerasish diff model.keras --input x.npy --ops      your own inputs; name the operation within the layer, too
  kerasish diff model.keras --input x.npy --target y.npy --train-steps 20
                                                     the first of 20 steps of training that differs, and why
  kerasish diff model.keras --backends native,torch --layers --json

Every layer is run alone, forwards and backwards, on each engine and on a float64 reference, on the same inputs. What
an engine computes must lie where rounding may take it.

exit code: 0 when engines agree, 1 when one differs, 2 for a wrong command line or a file that cannot be used.
"""


def add_command(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "diff",
        help="find the first layer in which engines differ",
        description="Run the same weights and batch through all engines and name the first layer that differs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a .keras file")
    parser.add_argument("--input", type=Path, metavar="X", help=".npy, or .npz with one array an input")
    parser.add_argument(
        "--target", type=Path, metavar="Y", help="targets, for the gradients of the compiled loss"
    )
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="samples to use (default: 8)")
    parser.add_argument("--backends", type=_names, metavar="A,B", help="engines (default: all)")
    parser.add_argument("--ops", action="store_true", help="name the first operation within the layer, too")
    parser.add_argument(
        "--train-steps", type=int, default=0, metavar="N", help="compare N steps of training first"
    )
    parser.add_argument("--inference", action="store_true", help="layers behave as in inference")
    parser.add_argument("--no-gradients", action="store_true", help="compare values only")
    parser.add_argument("--eager", action="store_true", help="run layers step by step instead of compiled")
    parser.add_argument("--layers", action="store_true", help="show every layer, not only those that differ")
    parser.add_argument("--seed", type=int, default=0, help="of what is made up")
    parser.add_argument("--import", dest="modules", action="append", default=[], metavar="MODULE",
                        help="a module that registers the model's own classes; repeatable")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def run(options: argparse.Namespace) -> int:
    """Compare and print; 1 when an engine differs."""
    result = _compared(options)
    if options.json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        console = Console()
        if options.layers:
            console.print(table(result))
        console.print(escape(str(result)), highlight=False, soft_wrap=True)
    return 0 if result.agree else 1


def _compared(options: argparse.Namespace) -> Diagnosis:
    if options.batch < 1 or options.train_steps < 0:
        raise ArgumentError(
            "--batch must be at least 1, --train-steps not negative.",
            received=f"{options.batch}, {options.train_steps}",
        )
    if options.modules:
        sys.path.insert(0, str(Path.cwd()))  # as for `python -m`: modules of the folder one is in
    for module in options.modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ArgumentError(
                f"The module {module!r} cannot be imported: {error}.", where="--import", received=module
            ) from error
    model = load_model(options.model)
    x, y = (_arrays(path, options.batch) for path in (options.input, options.target))
    return diff(
        model,
        _for_inputs(model, x),
        y,
        backends=options.backends,
        ops=options.ops,
        training=not options.inference,
        gradients=not options.no_gradients,
        compiled=not options.eager,
        train_steps=options.train_steps,
        seed=options.seed,
        progress=_progress if sys.stderr.isatty() else None,
    )


def _arrays(path: Path | None, batch: int) -> Any:
    """The first samples of a .npy file, or of each array of a .npz file."""
    if path is None:
        return None
    try:
        found = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise DataError(
            "This is no file of arrays.", received=str(path), hint="numpy.save(path, array)"
        ) from error
    if isinstance(found, np.ndarray):
        return found[:batch] if found.ndim else found
    with found:
        return {name: found[name][:batch] for name in found.files}


def _for_inputs(model: Any, x: Any) -> Any:
    """Arrays of a .npz file by the names of the model's inputs, else in their order."""
    names = getattr(model, "input_names", [])
    if not isinstance(x, dict) or set(x) == set(names):
        return x
    values = trees.flatten(list(x.values()))
    return values[0] if len(values) == 1 else values


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r{done}/{total} layers and operations{end}")
    sys.stderr.flush()


def table(result: Diagnosis) -> Table:
    """Every layer and operation: the largest deviation on each engine, in parts of what rounding may do."""
    shown = Table(
        "layer", "class", *result.engines, title=f"{result.model}: deviation / what rounding may do"
    )
    for row in result.rows:
        cells = []
        for engine in result.engines:
            worst = row.worst.get(engine)
            wrong = any(f.position == row.position for f in result.of(engine))
            text = "equal" if worst is None else f"{worst.ratio:.1%}"
            cells.append(
                f"[bold red]{'failed' if worst is None else f'× {worst.ratio:.3g}'}[/]" if wrong else text
            )
        shown.add_row(escape(row.where or "the model"), escape(row.label), *cells)
    return shown
