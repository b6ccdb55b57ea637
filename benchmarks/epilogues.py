"""What follows a convolution: finished behind it block by block, beside a step of its own.

`python -m benchmarks.epilogues` prints the time of the convolution with bias and activation either way and their ratio.
KERASISH_NUM_THREADS and KERASISH_ISA choose threads and instruction set.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["KERASISH_BACKEND"] = "native"

import numpy as np

from kerasish import ops
from kerasish.core.registry import get_engine
from kerasish_native.plan import windows

#: (images, rows and columns, channels), kernel size, filters.
SHAPES = [
    ((64, 28, 28, 1), 3, 32),
    ((128, 28, 28, 1), 3, 32),
    ((192, 28, 28, 1), 3, 32),
    ((64, 13, 13, 32), 3, 64),
    ((32, 32, 32, 16), 3, 16),
    ((64, 32, 32, 32), 3, 32),
    ((8, 112, 112, 3), 3, 32),
    ((8, 112, 112, 32), 3, 32),
    ((32, 56, 56, 64), 3, 64),
    ((16, 56, 56, 64), 1, 64),
    ((32, 56, 56, 64), 1, 128),
]


def planned(arrays: list[np.ndarray], behind: bool) -> Any:
    """The program of a compiled prediction."""
    usual = windows.BEYOND_CACHES
    windows.BEYOND_CACHES = 0 if behind else 1 << 60
    try:
        predict = get_engine("native").compile(
            lambda x, kernel, bias: ops.max_pool(
                ops.relu(ops.add(ops.conv(x, kernel, padding="same"), bias)), 2
            )
        )
        predict(*arrays)
    finally:
        windows.BEYOND_CACHES = usual
    (plan,) = predict.plans.values()
    return plan.program


def _taken(program: Any, arrays: list[np.ndarray]) -> float:
    """Seconds of all steps but the pooling, for whose sake the result is no array of the caller's."""
    return sum(seconds for seconds, label in program.profile(arrays, 1) if "pool" not in label)


def main() -> int:
    """Print the table."""
    rng = np.random.default_rng(0)
    print("input, kernel                              apart     behind   ratio   result")
    for shape, window, filters in SHAPES:
        shapes = [shape, (window, window, shape[-1], filters), (filters,)]
        arrays = [rng.standard_normal(s, dtype=np.float32) for s in shapes]
        programs = [planned(arrays, behind) for behind in (False, True)]
        best = [np.inf, np.inf]
        for _ in range(30):
            for i, program in enumerate(programs):
                best[i] = min(best[i], _taken(program, arrays))
        apart, behind = best
        size = 4 * np.prod(shape[:-1]) * filters / 2**20
        name = f"{shape} {window}×{window}, {filters} filters"
        print(f"{name:36} {apart * 1e6:9.0f} us {behind * 1e6:7.0f} us {behind / apart:7.2f} {size:5.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
