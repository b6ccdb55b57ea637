"""What do portable dropout masks cost? Their share of a training step, per model and engine.

Two answers, both through the public API, in one process per (engine, API):

* `step`: ms/step of the model less ms/step of the same model without its dropout layers, epochs interleaved.
  This holds all that dropout costs in a compiled step: bits, comparison, multiplication, and their gradients.
* `calls`: the time of `random.dropout` called eagerly on the shapes that one step needs.

`python -m benchmarks.dropout_rng --apis kerasish,keras` shows the engine's own generator (Keras) as the yardstick.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.models import build
from benchmarks.processes import environment, run_json
from benchmarks.worker import pin_cores
from benchmarks.workloads import BAR_RNG_SHARE, WORKLOADS, make_data

SITES: dict[str, list[tuple[tuple[int, ...], float]]] = {
    "mlp": [((128, 256), 0.2)] * 2,
    "convnet": [((64, 1600), 0.5)],
    "transformer": [((32, 64, 128), 0.1)] * 4,
}
"""Shape and rate of every dropout of one step."""


def measure(api: str, model: str, steps: int, epochs: int) -> dict[str, float]:
    """Return `step_ms`, `without_ms`, `calls_ms` and `share`, the part of a step that dropout takes."""
    k = importlib.import_module(api)
    batch = WORKLOADS[model].batch
    x, y = make_data(model, steps)
    models = [build(k, model, dropout=dropout) for dropout in (True, False)]

    def epoch(m: Any) -> float:
        return _milliseconds(lambda: m.fit(x, y, batch_size=batch, epochs=1, verbose=0)) / steps

    for m in models:
        epoch(m)
    pairs = [(epoch(models[0]), epoch(models[1])) for _ in range(epochs)]
    step = statistics.median(first for first, _ in pairs)
    return {
        "step_ms": step,
        "without_ms": statistics.median(second for _, second in pairs),
        "calls_ms": _eager_masks(k, model),
        "share": statistics.median(first - second for first, second in pairs) / step,
    }


def _eager_masks(k: Any, model: str) -> float:
    tensors = [(k.ops.ones(shape, "float32"), rate) for shape, rate in SITES[model]]
    seed = k.random.SeedGenerator(0)

    def masks() -> None:
        for dropped in [k.random.dropout(x, rate, seed=seed) for x, rate in tensors]:
            k.ops.convert_to_numpy(dropped)  # waits for the device

    masks()
    return statistics.median(_milliseconds(masks) for _ in range(15))


def _milliseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main() -> int:
    """Measure every (API, engine, model) asked for; `--worker` prints one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dropout_rng", description=__doc__)
    parser.add_argument("--apis", default="kerasish")
    parser.add_argument("--engines", default="native,torch,jax,tensorflow")
    parser.add_argument("--models", default=",".join(SITES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--worker", nargs=2, metavar=("API", "MODEL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return _work(*arguments.worker, threads=arguments.threads, quick=arguments.quick)
    failed = False
    print(
        f"{'api':<10}{'engine':<12}{'model':<13}{'step ms':>9}{'without':>9}{'share':>8}{'eager calls ms':>16}"
    )
    for model in arguments.models.split(","):
        for engine in arguments.engines.split(","):
            for api in arguments.apis.split(","):
                if (api, engine) == ("keras", "native"):
                    continue
                command = [sys.executable, "-m", "benchmarks.dropout_rng", "--worker", api, model]
                command += ["--threads", str(arguments.threads), *(["--quick"] if arguments.quick else [])]
                found: dict[str, Any] = run_json(command, environment(engine, arguments.threads), 600)
                failed |= "error" in found
                print(f"{api:<10}{engine:<12}{model:<13}{_line(found)}", flush=True)
    return 1 if failed else 0


def _line(found: dict[str, Any]) -> str:
    if "error" in found:
        return f"  n/a: {found['error']}"
    share = found["share"]
    verdict = "pass" if share <= BAR_RNG_SHARE else "FAIL"
    numbers = f"{found['step_ms']:>9.3f}{found['without_ms']:>9.3f}{share:>8.1%}{found['calls_ms']:>16.3f}"
    return f"{numbers}  {verdict} (share <= {BAR_RNG_SHARE:.0%})"


def _work(api: str, model: str, *, threads: int, quick: bool) -> int:
    pin_cores(threads)
    try:
        steps = 3 if quick else WORKLOADS[model].steps
        found: dict[str, Any] = measure(api, model, steps, 3 if quick else 9)
        if not all(math.isfinite(value) for value in found.values()):
            raise ArithmeticError(f"not finite: {found}")
    except Exception as error:  # the parent shows it as a row
        found = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
