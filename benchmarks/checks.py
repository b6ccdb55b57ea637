"""What looking at the data costs: NaNs, labels and indices out of range are found on the host before training.

`python -m benchmarks.checks` prints, for each model, the time that one look at an epoch's data takes over the time of
training on it once on the native engine, the fastest. Data in memory is looked at once a `fit`, however many epochs.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ["KERASISH_BACKEND"] = "native"

import kerasish
from benchmarks.machine import describe_machine
from benchmarks.models import build
from benchmarks.workloads import WORKLOADS, make_data
from kerasish.training import data
from kerasish.training.checks import Checks

BAR = 0.01


def _seconds(call: Callable[[], object], times: int = 7) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def share(name: str) -> float:
    """The look's part of one epoch."""
    work = WORKLOADS[name]
    x, y = make_data(name, work.steps)
    model = build(kerasish, name)
    model.fit(x, y, batch_size=work.batch, verbose=0)
    source = data.make_source(x, y, batch_size=work.batch, shuffle=True, where="fit")
    first = source.peek()
    look = _seconds(lambda: Checks(model, source, first))
    return look / _seconds(lambda: model.fit(x, y, batch_size=work.batch, verbose=0), 3)


def main() -> int:
    """Print a line a model; 1 if a bar is missed."""
    print(describe_machine(len(os.sched_getaffinity(0))))
    missed = 0
    for name in WORKLOADS:
        found = share(name)
        missed += found > BAR
        print(
            f"{'pass' if found <= BAR else 'FAIL'}  checks of {name}: {found:.2%} of an epoch (bar {BAR:.0%})"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
