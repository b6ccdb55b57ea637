"""What the native engine is like to work with: one row, the first step, a whole process, its memory, how it grows.

`python -m benchmarks.laptop` prints each figure with its bar. Every measurement is a process of its own; Keras on the
installed engines runs the same script as the yardstick of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.processes import ROOT, environment, run_json
from benchmarks.worker import pin_cores

SCRIPT = Path(__file__).with_name("mlp_script.py")
KERAS_ENGINES = ("torch", "jax", "tensorflow")

BAR_ROW_US = 60.0
BAR_FIRST_S = {"mlp": 0.15, "resnet20": 0.6}
BAR_PROCESS_S = 1.2
BAR_PROCESS_KERAS = 0.25
BAR_RSS_MIB = 150.0

BATCHES = (32, 64, 128, 256, 512, 1024)
DEPTHS = (25, 50, 100, 200)
BAR_GROWTH = 1.15
"""How much dearer an example, or a layer, may become when there are more of them, in the worst case of a row."""


@dataclass(frozen=True)
class Figure:
    """One measured number and its bar."""

    what: str
    value: float
    bar: float
    unit: str

    def line(self) -> str:
        verdict = "pass" if self.value <= self.bar else "FAIL"
        return f"{verdict}  {self.what}: {self.value:.3g} {self.unit} (bar {self.bar:g})"


# -- in a process of its own -------------------------------------------------------------------------------------------
def one_row() -> dict[str, float]:
    """Medians of `model(x)` and `predict_on_batch(x)` of the MLP on one row, in us."""
    import kerasish
    from benchmarks.models import build

    x = np.random.default_rng(0).random((1, 784), dtype=np.float32)
    model = build(kerasish, "mlp")
    calls: dict[str, Callable[[], Any]] = {
        "model(x)": lambda: model(x),
        "predict_on_batch": lambda: model.predict_on_batch(x),
    }
    return {name: _median_us(call) for name, call in calls.items()}


def _median_us(call: Callable[[], Any], times: int = 3000) -> float:
    for _ in range(300):
        call()
    found = []
    for _ in range(times):
        start = time.perf_counter_ns()
        call()
        found.append(time.perf_counter_ns() - start)
    return statistics.median(found) / 1e3


def first_step(name: str) -> dict[str, float]:
    """Seconds of the first `fit` on one batch: trace, compile, run; and of import and building before it."""
    start = time.perf_counter()
    import kerasish
    from benchmarks.models import build
    from benchmarks.workloads import WORKLOADS, make_data

    x, y = make_data(name, 1)
    began = time.perf_counter()
    model = build(kerasish, name)
    built = time.perf_counter()
    model.fit(x, y, batch_size=WORKLOADS[name].batch, verbose=0)
    return {
        "import_s": began - start,
        "build_s": built - began,
        "fit_s": time.perf_counter() - built,
    }


def growth() -> dict[str, Any]:
    """ms a step of the MLP by batch size, and seconds of the first step of a chain by its number of layers."""
    return {"batch_ms": [_step_ms(n) for n in BATCHES], "depth_s": [_compile_s(n) for n in DEPTHS]}


def _step_ms(batch: int) -> float:
    import kerasish
    from benchmarks.models import build

    steps = 4096 // batch * 4
    rng = np.random.default_rng(0)
    x = rng.random((batch * steps, 784), dtype=np.float32)
    y = rng.integers(0, 10, batch * steps).astype(np.int32)
    model = build(kerasish, "mlp")

    def epoch() -> float:
        start = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
        return time.perf_counter() - start

    epoch()
    return statistics.median(epoch() for _ in range(5)) / steps * 1e3


def _compile_s(depth: int) -> float:
    import kerasish

    x, y = np.zeros((8, 16), np.float32), np.zeros((8, 16), np.float32)
    found = []
    for _ in range(3):
        layers = [kerasish.layers.Dense(16, activation="relu") for _ in range(depth)]
        model = kerasish.Sequential([kerasish.Input((16,)), *layers])
        model.compile("adam", "mse")
        start = time.perf_counter()
        model.fit(x, y, batch_size=8, verbose=0)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


# -- the parent --------------------------------------------------------------------------------------------------------
def whole_process(api: str, engine: str, threads: int) -> tuple[float, float] | None:
    """Wall seconds and largest memory (MiB) of the script; None where it fails."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), api],
            cwd=ROOT,
            env=environment(engine, threads),
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            print(f"{api} on {engine}: {errors.read().decode(errors='replace')[-300:]}", file=sys.stderr)
            return None
    return seconds, usage.ru_maxrss / 1024


def worker(job: str, threads: int) -> dict[str, Any]:
    """What `job` measures in a fresh process.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, "-m", "benchmarks.laptop", "--worker", job, "--threads", str(threads)]
    found = run_json(command, environment("native", threads), 600)
    if "error" in found:
        raise RuntimeError(f"{job}: {found['error']}")
    return found


def measure(threads: int, repeats: int, keras: bool) -> Iterator[Figure]:
    """All figures; medians over processes."""
    rows = [worker("row", threads) for _ in range(repeats)]
    for name in rows[0]:
        yield Figure(f"{name}, one row", statistics.median(r[name] for r in rows), BAR_ROW_US, "us")
    for name, bar in BAR_FIRST_S.items():
        found = [worker(f"first {name}", threads) for _ in range(repeats)]
        before = statistics.median(f["import_s"] + f["build_s"] for f in found)
        what = f"first fit step, {name} (after {before:.2f} s of import and building)"
        yield Figure(what, statistics.median(f["fit_s"] for f in found), bar, "s")
    yield from _processes(threads, repeats, keras)
    grown = worker("growth", threads)
    print(f"      ms a step, batch {BATCHES}: {[round(v, 2) for v in grown['batch_ms']]}")
    print(f"      s of the first step, layers {DEPTHS}: {[round(v, 3) for v in grown['depth_s']]}")
    yield Figure("an example of 1,024 / of 32", _dearer(BATCHES, grown["batch_ms"]), BAR_GROWTH, "x")
    yield Figure("compiling a layer of 200 / of fewer", _dearer(DEPTHS, grown["depth_s"]), BAR_GROWTH, "x")


def _dearer(sizes: tuple[int, ...], costs: list[float]) -> float:
    """The cost of one of the most, over that of one of fewer, where that is least."""
    each = [cost / size for size, cost in zip(sizes, costs, strict=True)]
    return each[-1] / min(each[:-1])


def _processes(threads: int, repeats: int, keras: bool) -> Iterator[Figure]:
    contenders = [("kerasish", "native"), *(("keras", e) for e in KERAS_ENGINES if keras)]
    seconds: dict[tuple[str, str], list[float]] = {c: [] for c in contenders}
    memory: list[float] = []
    whole_process("kerasish", "native", threads)  # leaves compiled bytecode behind, as an installation would
    for _ in range(repeats):
        for api, engine in contenders:
            found = whole_process(api, engine, threads)
            if found is not None:
                seconds[api, engine].append(found[0])
                memory += [found[1]] if api == "kerasish" else []
    medians = {c: statistics.median(s) for c, s in seconds.items() if s}
    ours = medians["kerasish", "native"]
    yield Figure("whole process, native", ours, BAR_PROCESS_S, "s")
    yield Figure("its largest memory", statistics.median(memory), BAR_RSS_MIB, "MiB")
    others = {engine: s for (api, engine), s in medians.items() if api == "keras"}
    if others:
        print("      whole process, Keras: " + ", ".join(f"{e} {s:.2f} s" for e, s in others.items()))
        yield Figure("whole process / Keras' best", ours / min(others.values()), BAR_PROCESS_KERAS, "x")


_JOBS: dict[str, Callable[..., dict[str, Any]]] = {"row": one_row, "first": first_step, "growth": growth}


def main() -> int:
    """Print the figures; as `--worker`, one JSON line. 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laptop", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-keras", action="store_true", help="leave out the yardstick")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        pin_cores(arguments.threads)
        job, *names = arguments.worker.split()
        print(json.dumps(_JOBS[job](*names)))
        return 0
    print(describe_machine(arguments.threads))
    missed = 0
    for figure in measure(arguments.threads, arguments.repeats, not arguments.no_keras):
        print(figure.line(), flush=True)
        missed += figure.value > figure.bar
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
