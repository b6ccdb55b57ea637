"""What do portable dropout masks cost? ms/step with them less ms/step with the engine's own generator, over the former.

`python -m benchmarks.dropout_rng` runs each engine in a process of its own. Two models that differ in nothing but
`set_portable_randomness` take turns, an epoch each, so that a machine that slows down does so for both; the cost is
the median over pairs. On an accelerator the same command measures the accelerator.

The native engine has no generator but the portable one. `--share` adds what all of dropout takes: comparison,
product and gradients, from a third model without its dropout layers.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import kerasish
from benchmarks.machine import describe_machine
from benchmarks.models import build
from benchmarks.processes import environment, run_json
from benchmarks.worker import pin_cores
from benchmarks.workloads import BAR_RNG_SHARE, ENGINES, WORKLOADS, make_data
from kerasish.core.registry import current_engine

STEPS = {"mlp": 120, "convnet": 24, "transformer": 7}
"""Steps of an epoch, about 0.2 s each: the models with dropout."""
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
ROUNDS = 9

Found = dict[str, Any]


# -- in a process of its own -------------------------------------------------------------------------------------------
def measure(model: str, steps: int, rounds: int, clock: str, share: bool) -> Found:
    """Return `portable_ms`, `own_ms` and `cost`; with `share` also `without_ms` and `share`. Medians over rounds."""
    epochs: dict[str, Callable[[], float]] = {"portable": _epoch(model, steps, clock, portable=True)}
    if "own_uniform" in current_engine().primitives:
        epochs["own"] = _epoch(model, steps, clock, portable=False)
    if share:
        epochs["without"] = _epoch(model, steps, clock, portable=True, dropout=False)
    for _ in range(4):  # torch watches the first three steps; XLA and its allocator settle
        for epoch in epochs.values():
            epoch()
    samples: dict[str, list[float]] = {name: [] for name in epochs}
    for number in range(rounds):
        for name in [*epochs] if number % 2 == 0 else [*epochs][::-1]:
            samples[name].append(epochs[name]())
    found = {f"{name}_ms": statistics.median(values) for name, values in samples.items()}
    for name, other in (("cost", "own"), ("share", "without")):
        if other in samples:
            pairs = zip(samples["portable"], samples[other], strict=True)
            found[name] = statistics.median((a - b) / a for a, b in pairs)
    if not all(math.isfinite(value) for value in found.values()):
        raise ArithmeticError(f"not finite: {found}")
    return found


def _epoch(name: str, steps: int, clock: str, *, portable: bool, dropout: bool = True) -> Callable[[], float]:
    """A function that trains a model for an epoch and returns ms/step."""
    x, y = make_data(name, steps)
    model, now = build(kerasish, name, dropout=dropout), CLOCKS[clock]
    fit = functools.partial(model.fit, x, y, batch_size=WORKLOADS[name].batch, epochs=1, verbose=0)

    def run() -> float:
        kerasish.config.set_portable_randomness(portable)
        start = now()
        fit()
        return (now() - start) * 1e3 / steps

    return run


def _work(models: Sequence[str], threads: int, quick: bool, clock: str, share: bool) -> None:
    """Measure the models on the engine in force and print one JSON line."""
    pin_cores(threads)
    report: Found = {"device": current_engine().devices()[0]}
    for model in models:
        steps, rounds = (3, 1) if quick else (STEPS[model], ROUNDS)
        try:
            report[model] = measure(model, steps, rounds, clock, share)
        except Exception as error:  # the parent shows it as a row
            report[model] = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    print(json.dumps(report))


# -- of all engines ----------------------------------------------------------------------------------------------------
def measure_engines(
    engines: Sequence[str],
    threads: int,
    models: Sequence[str] = tuple(STEPS),
    *,
    quick: bool = False,
    clock: str = "wall",
    share: bool = False,
) -> dict[str, Found]:
    """Return for each engine its `device` and what `measure` found by model, or `error`."""
    chosen = ["--models", ",".join(models), "--threads", str(threads), "--clock", clock]
    chosen += [*(["--quick"] if quick else []), *(["--share"] if share else [])]
    command = [sys.executable, "-m", "benchmarks.dropout_rng", "--worker", *chosen]
    return {engine: run_json(command, environment(engine, threads), 600) for engine in engines}


def table(found: dict[str, Found]) -> list[str]:
    """Return a line for each engine and model, with its verdict; none where nothing was measured."""
    if not found:
        return []
    lines = [
        f"{'engine':<12}{'device':<8}{'model':<13}{'portable ms':>12}{'own ms':>9}{'cost':>8}{'all dropout':>13}"
    ]
    for engine, report in found.items():
        rows = {model: row for model, row in report.items() if isinstance(row, dict)}
        for model, row in (rows or {"-": report}).items():
            head = f"{engine:<12}{report.get('device', '-'):<8}{model:<13}"
            lines.append(f"{head}  n/a: {row['error']}" if "error" in row else head + _cells(row))
    return lines


def _cells(row: Found) -> str:
    cells = f"{row['portable_ms']:>12.3f}"
    cells += f"{row['own_ms']:>9.3f}{row['cost']:>8.1%}" if "own_ms" in row else f"{'-':>9}{'-':>8}"
    cells += f"{row['share']:>13.1%}" if "share" in row else f"{'-':>13}"
    if "cost" not in row:
        return f"{cells}  no generator of its own"
    verdict = "pass" if row["cost"] <= BAR_RNG_SHARE else "FAIL"
    return f"{cells}  {verdict} (cost <= {BAR_RNG_SHARE:.0%})"


def failed(found: dict[str, Found]) -> list[str]:
    """Return the engines on which something could not be measured."""
    return [
        engine
        for engine, report in found.items()
        if "error" in report or any(isinstance(row, dict) and "error" in row for row in report.values())
    ]


def main() -> int:
    """Measure every engine asked for; `--worker` measures the one in force and prints one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dropout_rng", description=__doc__)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--models", default=",".join(STEPS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: where other processes are at work"
    )
    parser.add_argument("--share", action="store_true", help="also what all of dropout takes")
    parser.add_argument("--quick", action="store_true", help="one round of three steps: does every row run?")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    options = {name: getattr(arguments, name) for name in ("quick", "clock", "share")}
    models = arguments.models.split(",")
    if arguments.worker:
        _work(models, arguments.threads, **options)
        return 0
    print(describe_machine(arguments.threads))
    found = measure_engines(arguments.engines.split(","), arguments.threads, models, **options)
    print("\n".join(table(found)))
    return 1 if failed(found) else 0


if __name__ == "__main__":
    sys.exit(main())
