"""Attention of the native engine: by blocks of keys, beside the composite that makes all scores.

`python -m benchmarks.attention` prints the CPU time of a compiled prediction either way, their ratio, and the fastest
one's GFLOP/s. KERASISH_NUM_THREADS and KERASISH_ISA choose threads and instruction set.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

os.environ["KERASISH_BACKEND"] = "native"

import numpy as np

from kerasish import ops
from kerasish.core.registry import get_engine
from kerasish_native import overrides_attention
from kerasish_native.engine import TracingEngine

#: (batch, queries, keys, heads, size of a head), causal.
SHAPES = [
    ((64, 8, 8, 4, 16), False),
    ((32, 16, 16, 4, 32), False),
    ((32, 32, 32, 4, 32), False),
    ((32, 64, 64, 4, 32), False),
    ((32, 64, 64, 4, 32), True),
    ((8, 128, 128, 8, 64), False),
    ((4, 256, 256, 8, 64), False),
    ((1, 1024, 1024, 8, 64), False),
    ((1, 1024, 1024, 8, 64), True),
    ((1, 2048, 2048, 8, 64), False),
    ((32, 1, 512, 8, 64), False),
]


def compiled(causal: bool, arrays: list[np.ndarray], by_blocks: bool) -> Any:
    """A compiled prediction."""
    if not by_blocks:
        TracingEngine.overrides.pop("attention")
    try:
        attend = get_engine("native").compile(
            lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=causal)
        )
        attend(*arrays)
    finally:
        TracingEngine.overrides["attention"] = overrides_attention.attention
    return attend


def main() -> int:
    """Print the table."""
    overrides_attention.FEWEST_QUERIES = 1  # the table is to show where the limit lies
    rng = np.random.default_rng(0)
    print("(batch, queries, keys, heads, size)      composite     blocks   ratio   GFLOP/s")
    for (batch, queries, keys, heads, size), causal in SHAPES:
        lengths = (queries, keys, keys)
        arrays = [rng.standard_normal((batch, n, heads, size), dtype=np.float32) for n in lengths]
        runs = [compiled(causal, arrays, by_blocks) for by_blocks in (False, True)]
        times = [[], []]
        for _ in range(10 if queries > 500 else 60):
            for run, taken in zip(runs, times, strict=True):
                begin = time.process_time()
                run(*arrays)
                taken.append(time.process_time() - begin)
        whole, blocks = map(min, times)
        work = 4 * batch * heads * queries * keys * size
        name = f"{(batch, queries, keys, heads, size)}{' causal' if causal else ''}"
        print(
            f"{name:36} {whole * 1e6:10.0f} us {blocks * 1e6:7.0f} us {blocks / whole:7.2f} "
            f"{work / min(whole, blocks) / 1e9:9.0f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
