"""Matrix products: GFLOP/s of our kernels beside NumPy's OpenBLAS, on squares and on the shapes of the five models.

`python -m benchmarks.gemm` measures each instruction set in a process of its own, with equal threads on both sides.
`--clock cpu` counts CPU time on one thread, for machines that others use too. A cell is the second decile of many short
samples, ours and NumPy's in turn.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.processes import environment, run_json
from benchmarks.worker import pin_cores

Array = np.ndarray[Any, Any]

_LOOK_EVERY = 0.02
"""Seconds between looks at whether this process still uses its CPUs."""

BARS = {"avx512": 1.3, "avx2": 0.9, "generic": 0.0}
"""GFLOP/s over OpenBLAS's, on squares of 256 to 2048 in float32."""


@dataclass(frozen=True)
class Case:
    """One product.

    layout: A and B as stored: N by rows, T transposed; H: views of heads, (batch, time, heads, size) transposed.
    batch: how many products; for H, batch and heads.
    """

    name: str
    m: int
    k: int
    n: int
    layout: str = "NN"
    batch: tuple[int, ...] = ()
    dtype: str = "float32"

    @property
    def flops(self) -> float:
        """Multiplications and additions."""
        return 2.0 * math.prod(self.batch) * self.m * self.k * self.n


SQUARES = [Case(f"square {n}", n, n, n) for n in (256, 384, 512, 768, 1024, 1536, 2048)]
OTHERS = [
    *[Case(f"square {n} {layout}", n, n, n, layout) for n in (512, 1024) for layout in ("NT", "TN", "TT")],
    *[Case(f"square {n}", n, n, n, dtype="float64") for n in (256, 512, 1024)],
    Case("mlp 1", 128, 784, 256),
    Case("mlp 2", 128, 256, 256),
    Case("mlp 3", 128, 256, 10),
    Case("mlp 1 weights", 784, 128, 256, "TN"),
    Case("mlp 2 weights", 256, 128, 256, "TN"),
    Case("mlp 3 weights", 256, 128, 10, "TN"),
    Case("mlp 2 input", 128, 256, 256, "NT"),
    Case("mlp 3 input", 128, 10, 256, "NT"),
    Case("mlp one row", 1, 784, 256),
    Case("convnet dense", 64, 1600, 10),
    Case("convnet dense weights", 1600, 64, 10, "TN"),
    Case("lstm inputs", 2560, 128, 512),
    Case("lstm step", 32, 128, 512),
    Case("lstm step back", 32, 512, 128, "NT"),
    Case("lstm weights", 128, 2560, 512, "TN"),
    Case("lstm dense", 32, 128, 1),
    Case("projection", 2048, 128, 128),
    Case("projection weights", 128, 2048, 128, "TN"),
    Case("projection input", 2048, 128, 128, "NT"),
    Case("feed-forward 1", 2048, 128, 512),
    Case("feed-forward 1 weights", 128, 2048, 512, "TN"),
    Case("feed-forward 1 input", 2048, 512, 128, "NT"),
    Case("feed-forward 2", 2048, 512, 128),
    Case("feed-forward 2 weights", 512, 2048, 128, "TN"),
    Case("feed-forward 2 input", 2048, 128, 512, "NT"),
    Case("attention scores", 64, 32, 64, "HT", (32, 4)),
    Case("attention values", 64, 64, 32, "NH", (32, 4)),
]


def _stored(rows: int, columns: int, case: Case, letter: str, rng: np.random.Generator) -> Array:
    """Return a matrix, or a batch of them, of the given shape and in the given layout."""
    if letter == "H" or (letter == "T" and "H" in case.layout):
        time_axis, size = (rows, columns) if letter == "H" else (columns, rows)
        batch, heads = case.batch
        x = rng.standard_normal((batch, time_axis, heads, size)).astype(case.dtype)
        return x.transpose(0, 2, 1, 3) if letter == "H" else x.transpose(0, 2, 3, 1)
    if letter == "T":
        return rng.standard_normal((*case.batch, columns, rows)).astype(case.dtype).swapaxes(-1, -2)
    return rng.standard_normal((*case.batch, rows, columns)).astype(case.dtype)


def operands(case: Case) -> tuple[Array, Array, Array]:
    """Return A, B and an empty C."""
    rng = np.random.default_rng(0)
    a = _stored(case.m, case.k, case, case.layout[0], rng)
    b = _stored(case.k, case.n, case, case.layout[1], rng)
    return a, b, np.zeros((*case.batch, case.m, case.n), case.dtype)


def _base(array: Array) -> Array:
    return _base(array.base) if isinstance(array.base, np.ndarray) else array


def our_call(kernels: Any, case: Case, repeats: int) -> tuple[Callable[[], object], Array]:
    """Return a call that runs the product `repeats` times, and the result's memory."""
    arrays = operands(case)
    views = []
    for slot, x in enumerate(arrays):
        offset = x.__array_interface__["data"][0] - _base(x).__array_interface__["data"][0]
        strides = [s // x.itemsize for s in x.strides]
        views.append(
            kernels.View(slot, kernels.DTYPES[case.dtype], offset // x.itemsize, list(x.shape), strides)
        )
    constants = [(slot, _base(x)) for slot, x in enumerate(arrays)]
    program = kernels.Program([], constants, [], 0, [], [kernels.matmul_step(*views)] * repeats, len(arrays))
    return lambda: program.run([]), arrays[2]


def numpy_call(case: Case, repeats: int) -> tuple[Callable[[], object], Array]:
    """Return the same for NumPy."""
    a, b, c = operands(case)

    def call() -> None:
        for _ in range(repeats):
            np.matmul(a, b, out=c)

    return call, c


def wait_until_idle() -> None:
    """Return when no thread of this process runs: OpenBLAS's spin for 0.1 s on the cores that ours need next."""
    used = -math.inf
    while time.process_time() - used > 0.1 * _LOOK_EVERY:
        used = time.process_time()
        time.sleep(_LOOK_EVERY)


def measure(kernels: Any, case: Case, clock: Callable[[], float], samples: int) -> tuple[float, float]:
    """Return GFLOP/s of ours and of NumPy's."""
    repeats = max(1, round(4e7 / case.flops))
    (ours, mine), (theirs, other) = our_call(kernels, case, repeats), numpy_call(case, repeats)
    ours(), theirs()
    np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-3)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(samples):
        for call, found in ((ours, times[0]), (theirs, times[1])):
            wait_until_idle()
            call()
            start = clock()
            call()
            found.append(clock() - start)
    mine_s, theirs_s = (statistics.quantiles(t, n=10)[1] for t in times)
    return case.flops * repeats / mine_s / 1e9, case.flops * repeats / theirs_s / 1e9


def _work(cases: list[Case], clock: str, samples: int, threads: int) -> dict[str, Any]:
    from kerasish_native._load import load_kernels

    pin_cores(threads)
    kernels = load_kernels()
    read = time.process_time if clock == "cpu" else time.perf_counter
    found = [
        measure(kernels, case, read, max(5, min(samples, round(samples * 2e9 / case.flops))))
        for case in cases
    ]
    return {"isa": kernels.cpu_features()["isa"], "cells": found}


def table(isa: str, cases: list[Case], found: dict[str, Any]) -> tuple[list[str], bool]:
    """Return the lines of one instruction set and whether its bar was met."""
    if "error" in found:
        return [f"{isa}: n/a: {found['error']}"], False
    lines = [f"{isa}", f"  {'product':<24}{'A':>11} {'B':>11}{'ours':>9}{'NumPy':>9}{'ratio':>7}  GFLOP/s"]
    worst = math.inf
    for case, (ours, theirs) in zip(cases, found["cells"], strict=True):
        sizes = f"{case.m}x{case.k}", f"{case.k}x{case.n}"
        kind = case.dtype[0] + case.dtype[-2:]
        lines.append(
            f"  {case.name:<24}{sizes[0]:>11} {sizes[1]:>11}{ours:>9.1f}{theirs:>9.1f}{ours / theirs:>7.2f}"
            f"  {kind} {case.layout}"
        )
        if case in SQUARES:
            worst = min(worst, ours / theirs)
    met = worst >= BARS[isa]
    lines.append(f"  {'pass' if met else 'FAIL'}: worst square {worst:.2f} (bar {BARS[isa]})")
    return lines, met


def main() -> int:
    """Measure the instruction sets asked for; as `--worker`, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gemm", description=__doc__)
    parser.add_argument("--isa", default="avx512,avx2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--only", default="", help="measure the cases whose name contains this")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    threads = 1 if arguments.clock == "cpu" else arguments.threads
    cases = [case for case in SQUARES + OTHERS if arguments.only in case.name]
    if arguments.worker:
        print(json.dumps(_work(cases, arguments.clock, arguments.samples, threads)))
        return 0
    print(describe_machine(threads))
    passed = True
    for isa in arguments.isa.split(","):
        command = [sys.executable, "-m", "benchmarks.gemm", "--worker", *sys.argv[1:]]
        env = {**environment("native", threads), "KERASISH_ISA": isa}
        if "PYTHONPATH" not in os.environ:
            env["PYTHONPATH"] = "backends"
        lines, met = table(isa, cases, run_json(command, env, 1800))
        print("\n".join(lines), flush=True)
        passed &= met
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
