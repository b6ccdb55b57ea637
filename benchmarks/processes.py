"""Starting measured processes: their environment, workers, and import times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.worker import Job

ROOT = Path(__file__).resolve().parent.parent
IMPORTED = {"torch": "torch", "jax": "jax.numpy", "tensorflow": "tensorflow"}


def environment(engine: str, threads: int) -> dict[str, str]:
    """Return the process environment that every contender on `engine` gets."""
    count = str(threads)
    keras_engine = "numpy" if engine == "native" else engine
    # Packages are installed with their bytecode: a setting that forbids writing it would slow editable ones only.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "TF_NUM_INTRAOP_THREADS": count,
        "TF_NUM_INTEROP_THREADS": count,
        "KERASISH_NUM_THREADS": count,
        "KERAS_BACKEND": keras_engine,
        "KERASISH_BACKEND": engine,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONHASHSEED": "0",
    }


def run_worker(
    model: str, engine: str, contender: str, steps: int, threads: int, timeout: float
) -> dict[str, object]:
    """Measure one contender in a fresh process; return the worker's report, or `{"error": ...}`."""
    job = Job(model, engine, contender, steps, threads, time.monotonic())
    command = [sys.executable, "-m", "benchmarks.worker", json.dumps(asdict(job))]
    return run_json(command, environment(engine, threads), timeout)


def run_json(command: list[str], env: dict[str, str], timeout: float) -> dict[str, object]:
    """Run `command` and parse the last line of its stdout; failures become `{"error": ...}`."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result after {timeout:.0f} s"}
    lines = done.stdout.strip().splitlines()
    try:
        report = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"error": f"exit code {done.returncode}: {last[:200]}"}
    return report if isinstance(report, dict) else {"error": f"unexpected output {lines[-1][:200]!r}"}


def import_seconds(engine: str, contender: str, threads: int) -> float | None:
    """Return the wall time of `import X` less that of a bare interpreter, or None when it fails.

    A namespace package (a folder without `__init__.py`) counts as a failure: it would import in no time.
    """
    module = contender if contender in ("keras", "kerasish") else IMPORTED[engine]
    bare, loaded = (
        _python_seconds(code, environment(engine, threads))
        for code in ("pass", f"import {module} as m; assert m.__file__")
    )
    return None if bare is None or loaded is None else max(loaded - bare, 0.0)


def _python_seconds(code: str, env: dict[str, str]) -> float | None:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, check=False)
    return time.perf_counter() - start if done.returncode == 0 else None
