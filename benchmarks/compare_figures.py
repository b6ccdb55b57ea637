"""Are the figures of `kerasish compare` right? Its ms/step beside loops timed by hand, in turns within one process.

    python -m benchmarks.compare_figures --engines torch,jax --model mlp --rounds 9

Three things take turns: a `fit` that the observer of `kerasish compare` watches, the same `fit` with a stopwatch in our
own hands, and the framework's hand-written loop (`raw_*.py`). Ratios are medians over rounds of figures that were taken
one after the other, so a busy machine spoils them little. The exit code is 1 if the observer and the stopwatch differ
by more than 10 %.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from benchmarks.processes import environment, run_json
from benchmarks.worker import pin_cores
from benchmarks.workloads import ENGINES, WORKLOADS, make_data

EPOCHS = 3
ALLOWED = 0.10


def main() -> int:
    """Measure every engine in a process of its own; print a table; 1 if a figure is off."""
    arguments = parse_arguments()
    if arguments.worker:
        print(json.dumps(measure(arguments.worker, arguments.model, arguments.rounds, arguments.threads)))
        return 0
    print("engine       compare  stopwatch   ratio     raw   ratio   (ms/step)")
    off = False
    for engine in arguments.engines.split(","):
        command = [sys.executable, "-m", "benchmarks.compare_figures", "--worker", engine]
        command += ["--model", arguments.model, "--rounds", str(arguments.rounds)]
        command += ["--threads", str(arguments.threads)]
        found = run_json(command, environment(engine, arguments.threads), timeout=900)
        if "error" in found:
            print(f"{engine:<12} n/a: {found['error']}")
            off = True
            continue
        off |= show(engine, found)
    return int(off)


def parse_arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare_figures")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--model", choices=list(WORKLOADS), default="mlp")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def show(engine: str, found: dict[str, Any]) -> bool:
    """Print a row; return whether the observer is off."""
    compare, stopwatch, raw = (found.get(name) for name in ("compare", "stopwatch", "raw"))
    ratio = statistics.median(a / b for a, b in zip(compare, stopwatch, strict=True))
    row = f"{engine:<12} {statistics.median(compare):7.3f} {statistics.median(stopwatch):10.3f} {ratio:7.3f}"
    if raw:
        beside = statistics.median(a / b for a, b in zip(compare, raw, strict=True))
        row += f" {statistics.median(raw):7.3f} {beside:7.3f}"
    is_off = abs(ratio - 1) > ALLOWED
    print(row + ("   OFF" if is_off else ""))
    return is_off


def measure(engine: str, name: str, rounds: int, threads: int) -> dict[str, list[float]]:
    """ms/step of each way of timing, by round."""
    pin_cores(threads)
    work = WORKLOADS[name]
    x, y = make_data(name, work.steps)
    ways = {"compare": _observed(name, x, y), "stopwatch": _by_hand(name, x, y)}
    if engine != "native":
        ways["raw"] = _raw(engine, name, x, y)
    for way in ways.values():  # traces, compiles, allocates
        way()
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        order = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for way in order:
            found[way].append(ways[way]())
    return found


def _observed(name: str, x: Any, y: Any) -> Callable[[], float]:
    import kerasish
    from benchmarks.models import build
    from kerasish.comparison.observer import Observer, assembled
    from kerasish.comparison.records import Run

    model = build(kerasish, name)

    def once() -> float:
        events: list[dict[str, Any]] = []
        Observer(kerasish, events.append).fit(model, x, y, batch_size=WORKLOADS[name].batch, epochs=EPOCHS)
        run = assembled(Run("", "kerasish", "", 0, 0), events)
        assert run.steps is not None
        return run.steps.median_ms

    return once


def _by_hand(name: str, x: Any, y: Any) -> Callable[[], float]:
    from benchmarks.contender import HighLevel

    contender = HighLevel("kerasish", name, WORKLOADS[name].batch)
    contender.start(x[: WORKLOADS[name].batch], y[: WORKLOADS[name].batch])
    return lambda: _stopped(contender, name, x, y)


def _raw(engine: str, name: str, x: Any, y: Any) -> Callable[[], float]:
    from benchmarks.worker import Job, _contender

    job = Job(name, engine, "raw", WORKLOADS[name].steps, 1, time.monotonic())
    contender = _contender(job, WORKLOADS[name].batch)
    contender.start(x[: WORKLOADS[name].batch], y[: WORKLOADS[name].batch])
    return lambda: _stopped(contender, name, x, y)


def _stopped(contender: Any, name: str, x: Any, y: Any) -> float:
    """From the end of the first epoch to that of each later one, by our own watch."""
    stamps: list[float] = []
    contender.fit(x, y, EPOCHS, lambda loss: stamps.append(time.perf_counter()))
    return statistics.median(b - a for a, b in pairwise(stamps)) / WORKLOADS[name].steps * 1e3


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
