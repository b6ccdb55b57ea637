"""One measurement in one process: `python -m benchmarks.worker '<job as JSON>'` prints one JSON line.

The thread environment is set by the parent; the worker pins itself to as many cores before anything is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time nothing may be imported before the cores are pinned
    from benchmarks.contender import Contender

MODULES = {"torch": "torch", "jax": "jax", "tensorflow": "tensorflow", "native": "numpy"}


@dataclass(frozen=True)
class Job:
    """What one worker measures. spawned: the parent's `time.monotonic()` just before the process began."""

    model: str
    engine: str
    contender: str
    steps: int
    threads: int
    spawned: float


@dataclass(frozen=True)
class Measurement:
    """What one worker found.

    fit_ms: per step, the median of the timed epochs, reshuffling and epoch-end waiting included.
    predict_ms: per batch, the median of whole `predict` calls.
    first_step_s: build, compile and train on one batch, the framework being imported already.
    cold_s: from process start to the end of the first step, imports included, making the data excluded.
    loss, params: for the sanity checks of the table.
    """

    fit_ms: float
    predict_ms: float
    first_step_s: float
    cold_s: float
    loss: float
    params: int


def pin_cores(count: int) -> None:
    """Keep this process on its first `count` cores: the one thread limit that every engine respects."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def measure(job: Job) -> Measurement:
    """Run one contender and return its numbers."""
    from benchmarks.workloads import TIMED_EPOCHS, WORKLOADS, make_data

    began = time.monotonic()
    batch = WORKLOADS[job.model].batch
    x, y = make_data(job.model, job.steps)
    data_s = time.monotonic() - began

    importlib.import_module(MODULES[job.engine])
    contender = _contender(job, batch)
    began = time.monotonic()
    contender.start(x[:batch], y[:batch])
    now = time.monotonic()
    first_step_s, cold_s = now - began, now - job.spawned - data_s

    stamps: list[tuple[float, float]] = []
    contender.fit(x, y, 1 + TIMED_EPOCHS, lambda loss: stamps.append((time.perf_counter(), loss)))
    epochs = [after[0] - before[0] for before, after in pairwise(stamps)]

    contender.predict(x)
    calls: list[float] = []
    for _ in range(TIMED_EPOCHS):
        start = time.perf_counter()
        outputs = contender.predict(x)
        calls.append(time.perf_counter() - start)
    if len(outputs) != len(x):
        raise AssertionError(f"predict returned {len(outputs)} rows for {len(x)} examples")
    return Measurement(
        fit_ms=statistics.median(epochs) / job.steps * 1e3,
        predict_ms=statistics.median(calls) / job.steps * 1e3,
        first_step_s=first_step_s,
        cold_s=cold_s,
        loss=stamps[-1][1],
        params=contender.count_params(),
    )


def _contender(job: Job, batch: int) -> Contender:
    if job.contender in ("keras", "kerasish"):
        from benchmarks.contender import HighLevel

        return HighLevel(job.contender, job.model, batch)
    if job.engine == "torch":
        from benchmarks.raw_torch import RawTorch

        return RawTorch(job.model, batch, compiled=job.contender == "raw-compile")
    if job.engine == "jax":
        from benchmarks.raw_jax import RawJax

        return RawJax(job.model, batch)
    from benchmarks.raw_tensorflow import RawTensorFlow

    return RawTensorFlow(job.model, batch, xla=job.contender == "raw-xla")


def main() -> None:
    """Measure the job in argv[1]; a failure is reported as JSON too, its traceback on stderr."""
    job = Job(**json.loads(sys.argv[1]))
    pin_cores(job.threads)
    try:
        report = asdict(measure(job))
    except Exception as error:  # the parent shows it as a row of the table
        traceback.print_exc()
        report = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
