"""A training step of the native engine on an embedding with plain SGD: with the dense gradient, and on the rows read.

`python -m benchmarks.tables` prints the CPU time of a step either way, their ratio, and the plan's intermediate memory.
KERASISH_NUM_THREADS and KERASISH_ISA choose threads and instruction set.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["KERASISH_BACKEND"] = "native"

import numpy as np

import kerasish
from benchmarks.steps import recorded
from kerasish_native import passes
from kerasish_native.compile import Plan

BATCH, LENGTH, WIDTH = 32, 20, 128
ROWS = [5_000, 50_000, 200_000]


def planned(rows: int, dense: bool) -> tuple[Plan, list[np.ndarray]]:
    """The plan of a training step, with the arrays of a run."""
    layers = kerasish.layers
    model = kerasish.Sequential(
        [
            layers.Input((LENGTH,), dtype="int32"),
            layers.Embedding(rows, WIDTH),
            layers.GlobalAveragePooling1D(),
            layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=kerasish.optimizers.SGD(0.1),
        loss=kerasish.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x = np.random.default_rng(0).integers(0, rows, (BATCH, LENGTH)).astype("int32")
    usual = passes.thin
    if dense:
        passes.thin = lambda graph: None
    try:
        return recorded(lambda: model.fit(x, np.zeros(BATCH, "int32"), batch_size=BATCH, verbose=0))
    finally:
        passes.thin = usual


def main() -> int:
    """Print the table."""
    print("rows of the table      dense        rows read   ratio")
    for rows in ROWS:
        plans = [planned(rows, dense) for dense in (True, False)]
        best = [np.inf, np.inf]
        for _ in range(40):
            for i, (plan, arrays) in enumerate(plans):
                begin = time.process_time()
                plan(arrays)
                best[i] = min(best[i], time.process_time() - begin)
        dense, sparse = best
        print(f"{rows:17,} {dense * 1e6:10.0f} us {sparse * 1e6:10.0f} us {sparse / dense:7.2f}")
        for name, (plan, _) in zip(("dense", "rows read"), plans, strict=True):
            (arena,) = [line for line in plan.program.explain().splitlines() if line.startswith("arena")]
            print(f"{'':17} {name}: {arena}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
