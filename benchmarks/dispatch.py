"""Eager overhead of `kerasish.ops` per call, over the engine's own call, in microseconds.

`python -m benchmarks.dispatch --engines torch,jax` measures each engine in its own process. Operands are tiny, so that
the calls cost what calling costs; each pair is timed in many short interleaved runs, and the overhead is the median of
the paired differences. `native` has no other caller: it is compared with NumPy, whose ufuncs are the leanest eager
calls that there are.

Engines compute on one thread. jax hands products to a second one, which gets a core of its own here: on a shared core
each call would be interrupted by the one before, and what is measured (twice the time) is the system's scheduler.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.processes import environment, run_json
from benchmarks.worker import pin_cores
from benchmarks.workloads import BAR_DISPATCH_US, ENGINES

Call = Callable[[], Any]
_CALLS = 200
_ROWS = np.array([3, 1], np.int32)


def engine_calls(engine: str) -> tuple[Callable[[Any], Any], dict[str, Callable[[Any, Any], Any]]]:
    """Return (array -> engine tensor, op name -> the engine's own call on a pair of tensors)."""
    if engine == "torch":
        import torch

        at = torch.from_numpy(_ROWS)
        return torch.from_numpy, {
            "add": torch.add,
            "multiply": torch.multiply,
            "matmul": torch.matmul,
            "relu": lambda x, y: torch.relu(x),
            "exp": lambda x, y: torch.exp(x),
            "sum": lambda x, y: torch.sum(x, -1),
            "reshape": lambda x, y: torch.reshape(x, (4, 16)),
            "concatenate": lambda x, y: torch.cat((x, y), 0),
            "get_item": lambda x, y: x[1, 2:4],
            "take": lambda x, y: torch.index_select(x, 0, at),
        }
    if engine == "tensorflow":
        import tensorflow as tf

        at = tf.convert_to_tensor(_ROWS)
        return tf.convert_to_tensor, {
            "add": tf.add,
            "multiply": tf.multiply,
            "matmul": tf.matmul,
            "relu": lambda x, y: tf.nn.relu(x),
            "exp": lambda x, y: tf.exp(x),
            "sum": lambda x, y: tf.reduce_sum(x, -1),
            "reshape": lambda x, y: tf.reshape(x, (4, 16)),
            "concatenate": lambda x, y: tf.concat((x, y), 0),
            "get_item": lambda x, y: x[1, 2:4],
            "take": lambda x, y: tf.gather(x, at),
        }
    xp = importlib.import_module("jax.numpy" if engine == "jax" else "numpy")
    relu: Callable[[Any], Any] = (
        importlib.import_module("jax").nn.relu if engine == "jax" else lambda x: xp.maximum(x, 0)
    )
    at = xp.asarray(_ROWS)
    return xp.asarray, {
        "add": xp.add,
        "multiply": xp.multiply,
        "matmul": xp.matmul,
        "relu": lambda x, y: relu(x),
        "exp": lambda x, y: xp.exp(x),
        "sum": lambda x, y: xp.sum(x, -1),
        "reshape": lambda x, y: xp.reshape(x, (4, 16)),
        "concatenate": lambda x, y: xp.concatenate((x, y), 0),
        "get_item": lambda x, y: x[1, 2:4],
        "take": lambda x, y: xp.take(x, at, 0),
    }


def api_calls(ops: Any) -> dict[str, Callable[[Any, Any], Any]]:
    """Return the same calls through `ops` (kerasish's or Keras's)."""
    at = ops.convert_to_tensor(_ROWS)
    return {
        "add": ops.add,
        "multiply": ops.multiply,
        "matmul": ops.matmul,
        "relu": lambda x, y: ops.relu(x),
        "exp": lambda x, y: ops.exp(x),
        "sum": lambda x, y: ops.sum(x, -1),
        "reshape": lambda x, y: ops.reshape(x, (4, 16)),
        "concatenate": lambda x, y: ops.concatenate((x, y), 0),
        "get_item": lambda x, y: ops.get_item(x, (1, slice(2, 4))),
        "take": lambda x, y: ops.take(x, at, 0),
    }


def measure(engine: str, api: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return per op: the engine's own call and the overhead of `api` over it, both in microseconds."""
    to_tensor, own = engine_calls(engine)
    k = importlib.import_module(api)
    host = [np.random.default_rng(seed).random((8, 8), dtype=np.float32) for seed in (0, 1)]
    own_pair = [to_tensor(array) for array in host]
    api_pair = [k.ops.convert_to_tensor(array) for array in host]
    found = {}
    for name, call in api_calls(k.ops).items():
        np.testing.assert_allclose(
            np.asarray(own[name](*own_pair)), k.ops.convert_to_numpy(call(*api_pair)), rtol=1e-4, err_msg=name
        )
        found[name] = _compare(own[name], own_pair, call, api_pair, rounds)
    return found


def _compare(
    own: Callable[..., Any], a: list[Any], api: Callable[..., Any], b: list[Any], rounds: int
) -> dict[str, float]:
    _time(own, a), _time(api, b)  # warm caches and compilers
    pairs = [(_time(own, a), _time(api, b)) for _ in range(rounds)]
    return {
        "engine_us": statistics.median(first for first, _ in pairs),
        "overhead_us": statistics.median(second - first for first, second in pairs),
    }


def _time(call: Callable[..., Any], operands: list[Any]) -> float:
    x, y = operands
    start = time.perf_counter_ns()
    for _ in range(_CALLS):
        call(x, y)
    return (time.perf_counter_ns() - start) / _CALLS / 1e3


def measure_engines(engines: list[str], *, quick: bool, api: str = "kerasish") -> dict[str, dict[str, Any]]:
    """Measure each engine in its own process; return op tables, or `{"error": ...}`, by engine."""
    found: dict[str, dict[str, Any]] = {}
    for engine in engines:
        command = [sys.executable, "-m", "benchmarks.dispatch", "--worker", engine, "--api", api]
        found[engine] = run_json([*command, *(["--quick"] if quick else [])], environment(engine, 1), 300)
        print(f"dispatch {engine}: {found[engine].get('error', 'measured')}", flush=True)
    return found


def table(overheads: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one line per engine and op."""
    if not overheads:
        return []
    lines = [f"dispatch, us per call (bar: overhead <= {BAR_DISPATCH_US})"]
    for engine, found in overheads.items():
        if "error" in found:
            lines.append(f"  {engine:<11} n/a: {found['error']}")
            continue
        for name, cell in found.items():
            lines.append(f"  {engine:<11}{name:<13}{cell['engine_us']:>8.2f} + {cell['overhead_us']:.2f}")
    return [*lines, ""]


def main() -> int:
    """Parse the command line; as `--worker`, print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--api", default="kerasish", choices=("kerasish", "keras"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        pin_cores(2)
        try:
            found: dict[str, Any] = measure(arguments.worker, arguments.api, 9 if arguments.quick else 101)
        except Exception as error:  # the parent shows it as a row
            found = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(found))
        return 0
    overheads = measure_engines(arguments.engines.split(","), quick=arguments.quick, api=arguments.api)
    print("\n".join(table(overheads)))
    return 1 if any("error" in found for found in overheads.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
