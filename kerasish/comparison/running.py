"""Runs a script once for every engine and repeat, each time in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kerasish
from kerasish.comparison.contenders import contenders
from kerasish.comparison.observer import assembled
from kerasish.comparison.records import FAILED, Contender, Run, numbers_back
from kerasish.comparison.result import Comparison
from kerasish.core.config import PORTABLE_RANDOMNESS, switch_of
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import ENVIRONMENT

_CHILD = Path(__file__).with_name("child.py")

#: What numerical libraries read their number of threads from.
_THREADS = (
    "KERASISH_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        script: The training script.
        arguments: Its command line.
        backends: Engines by name; None: all.
        repeat: Runs an engine.
        epochs: Train for so many epochs; None: as the script says.
        threads: Cores and threads of each run; None: as the engines choose.
        seeds: Different seeds; runs go round them, and there are at least as many runs.
        with_keras: Whether real Keras takes part, on the engines that it runs on.
        timeout: Seconds after which a run is given up; None: never.
        portable_randomness: "on", "off" or "auto"; None: as the environment says.
    """

    script: Path
    arguments: Sequence[str] = ()
    backends: Sequence[str] | None = None
    repeat: int = 3
    epochs: int | None = None
    threads: int | None = None
    seeds: int = 1
    with_keras: bool = False
    timeout: float | None = None
    portable_randomness: str | None = None

    @property
    def rounds(self) -> int:
        """Runs of each contender."""
        return max(self.repeat, self.seeds)


def compare_script(plan: Plan, progress: Progress = lambda _: None) -> Comparison:
    """Run the plan; engines take turns within each round, and every other round goes backwards.

    Args:
        plan: What to run.
        progress: Told in a line what happens.

    Raises:
        ArgumentError: The plan cannot be run.
        UnknownBackendError: An engine of that name is not registered.
    """
    check(plan)
    present, missing = contenders(plan.backends, plan.with_keras)
    runs: list[Run] = []
    hopeless: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="kerasish-compare-") as folder:
        for repeat in range(plan.rounds):
            for contender in present if repeat % 2 == 0 else present[::-1]:
                if contender.name in hopeless:  # it will not get better by repeating
                    continue
                run = run_once(plan, contender, repeat, Path(folder))
                runs.append(run)
                progress(f"{contender.name}, run {repeat + 1} of {plan.rounds}: {_in_short(run)}")
                if not run.ok:
                    hopeless.add(contender.name)
    subject = {"kind": "script", "name": plan.script.name, "arguments": list(plan.arguments)}
    settings = {
        "backends": list(dict.fromkeys(c.engine for c in present)),
        "repeat": plan.repeat,
        "seeds": plan.seeds,
        "epochs": plan.epochs,
        "threads": plan.threads,
        "with_keras": plan.with_keras,
        "portable_randomness": plan.portable_randomness,
    }
    return Comparison.of(subject, settings, runs, missing)


def check(plan: Plan) -> None:
    """Refuse what cannot be run, before anything is.

    Raises:
        ArgumentError: With what to do about it.
    """
    where = "compare"
    if not plan.script.is_file():
        problem = "is a folder" if plan.script.is_dir() else "does not exist"
        raise ArgumentError(f"The script {str(plan.script)!r} {problem}.", where=where, hint="check the path")
    if plan.script.suffix not in (".py", ""):
        raise ArgumentError(
            f"{plan.script.name!r} is not a Python script.",
            where=where,
            expected="a file ending in .py that calls model.fit",
            hint="kerasish compare train.py",
        )
    try:
        compile(plan.script.read_bytes(), plan.script.name, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ArgumentError(
            f"{plan.script.name}{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}.",
            where=where,
            hint=f"run python {plan.script.name} by itself first",
        ) from None
    if plan.portable_randomness is not None:
        switch_of(plan.portable_randomness, where)
    for name in ("repeat", "epochs", "threads", "seeds"):
        value = getattr(plan, name)
        if value is not None and value < 1:
            raise ArgumentError(f"`{name}` must be at least 1.", where=where, received=value)
    if plan.timeout is not None and not plan.timeout > 0:
        raise ArgumentError("`timeout` must be more than 0 seconds.", where=where, received=plan.timeout)


def run_once(plan: Plan, contender: Contender, repeat: int, folder: Path) -> Run:
    """One run in one process."""
    run = Run(
        contender.name, contender.api, contender.engine, repeat, repeat % plan.seeds, threads=plan.threads
    )
    record, job_file, output = folder / "record.jsonl", folder / "job.json", folder / "output.txt"
    record.unlink(missing_ok=True)
    job = {
        "script": str(plan.script),
        "arguments": list(plan.arguments),
        "api": contender.api,
        "engine": contender.engine,
        "seed": run.seed,
        "epochs": plan.epochs,
        "threads": plan.threads,
        "record": str(record),
        "root": str(Path(kerasish.__file__).parents[1]),
        "spawned": time.monotonic(),
    }
    job_file.write_text(json.dumps(job), encoding="utf-8")
    with output.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, str(_CHILD), str(job_file)],
            env=environment(contender, plan.threads, plan.portable_randomness),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        try:
            code: int | None = process.wait(plan.timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return _concluded(run, _events(record), code, output, plan)


def environment(contender: Contender, threads: int | None, portable: str | None = None) -> dict[str, str]:
    """The environment of a run."""
    limits = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    if portable is not None:
        limits[PORTABLE_RANDOMNESS] = portable
    return {
        **os.environ,
        "MPLBACKEND": "agg",  # a script that shows a plot must not wait for somebody to close it
        "PYTHONHASHSEED": "0",
        **limits,
        ENVIRONMENT: contender.engine,
        "KERAS_BACKEND": contender.engine,
    }


def _events(record: Path) -> list[dict[str, Any]]:
    if not record.exists():
        return []
    lines = record.read_text(encoding="utf-8").splitlines()
    return [numbers_back(json.loads(line)) for line in lines if line.endswith("}")]  # the last may be cut off


def _concluded(run: Run, events: list[dict[str, Any]], code: int | None, output: Path, plan: Plan) -> Run:
    """The run with what its events say, and whether it counts."""
    for event in events:
        if event["event"] == "ready":
            run.import_s, run.versions = event["import_s"], event["versions"]
        elif event["event"] == "built":
            run.build_s = event["seconds"]
        elif event["event"] == "end":
            run.peak_bytes = event["peak_bytes"]
    assembled(run, events)
    run.error = _failure(run, events, code, output, plan)
    if run.error is not None:
        run.status = FAILED
    return run


def _failure(
    run: Run, events: list[dict[str, Any]], code: int | None, output: Path, plan: Plan
) -> str | None:
    told = next((event["message"] for event in events if event["event"] == "error"), None)
    if told is not None:
        return str(told)
    if code is None:
        return f"no end after {plan.timeout:g} s"
    if code < 0:
        reason = "; out of memory?" if -code == getattr(signal, "SIGKILL", None) else ""
        return f"the process was ended by {signal.Signals(-code).name}{reason}"
    if code > 0:
        lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1].strip()[:300] if lines else 'no output'}"
    if not run.fits:
        return "the script never called fit of a kerasish model (it should `import kerasish as keras`)"
    other = next((e["engine"] for e in events if e["event"] == "predict" and e["engine"]), run.engine)
    if other != run.engine:
        return f"the script chose the engine {other} by itself, whatever it was started with"
    return None


def _in_short(run: Run) -> str:
    if not run.ok:
        return f"failed: {run.error}"
    parts = [] if run.steps is None else [f"{run.steps.median_ms:.3g} ms a step"]
    if run.epochs and "loss" in run.epochs[-1].logs:
        parts.append(f"loss {run.epochs[-1].logs['loss']:.6g}")
    return ", ".join(parts) or "done"
