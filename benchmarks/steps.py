"""Where the time of a compiled step goes: every step of the native engine's plans for one model, slowest first.

`python -m benchmarks.steps mlp` prints microseconds, share and what runs, for a training step and for a prediction.
KERASISH_NUM_THREADS and KERASISH_ISA choose threads and instruction set.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

os.environ["KERASISH_BACKEND"] = "native"

import numpy as np

import kerasish
from benchmarks.models import build
from benchmarks.workloads import WORKLOADS, make_data
from kerasish_native.compile import Plan


def largest_plans(name: str) -> list[tuple[str, Plan, list[np.ndarray]]]:
    """The plan of a training step and that of a prediction, each with the arrays of its last run."""
    work = WORKLOADS[name]
    x, y = make_data(name, 1)
    model = build(kerasish, name)
    return [
        ("training step", *recorded(lambda: model.fit(x, y, batch_size=work.batch, verbose=0))),
        ("prediction", *recorded(lambda: model.predict(x, batch_size=work.batch, verbose=0))),
    ]


def recorded(call: Any) -> tuple[Plan, list[np.ndarray]]:
    """The plan with the most nodes that runs during `call`, and the arrays of its last run."""
    runs: list[tuple[Plan, list[np.ndarray]]] = []
    original = Plan.__call__

    def recording(self: Plan, arrays: list[np.ndarray]) -> Any:
        runs.append((self, [a.copy() for a in arrays]))
        return original(self, arrays)

    Plan.__call__ = recording  # type: ignore[method-assign]
    try:
        call()
    finally:
        Plan.__call__ = original  # type: ignore[method-assign]
    return max(runs, key=lambda run: len(run[0].graph.nodes))


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("model", choices=list(WORKLOADS))
    parser.add_argument("--top", type=int, default=30, help="how many steps to print (default 30)")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    for title, plan, arrays in largest_plans(arguments.model):
        found = plan.program.profile(arrays, arguments.repeats)
        total = sum(seconds for seconds, _ in found)
        print(f"{arguments.model}, {title}: {len(found)} steps, {total * 1e6:,.0f} us")
        for seconds, label in sorted(found, reverse=True)[: arguments.top]:
            print(f"{seconds * 1e6:10.1f} {seconds / total:6.1%}  {label}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
