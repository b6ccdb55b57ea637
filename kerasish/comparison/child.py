"""Runs a script on one engine in this process, and writes what the observer sees into a file of JSON lines.

The parent (`running`) starts it by its path with the path of a job: `python child.py job.json`. Nothing of kerasish is
imported before the clock of the import runs. The script sees itself as `__main__`, its folder first on `sys.path`, and
its own `sys.argv`. Three things are not as without us: `fit` is observed and shows no progress bar, `epochs` may be
overridden, and `set_random_seed(s)` seeds with s plus the run's number.
"""

import sys

if sys.path and sys.path[0].endswith("comparison"):
    del sys.path[0]  # this file's folder: its modules are no top-level ones

import functools
import importlib
import importlib.util
import json
import os
import runpy
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

Emit = Callable[[dict[str, Any]], None]

#: What a training script uses, so that its import time holds it on every API alike.
_USED = ("layers", "models", "losses", "metrics", "optimizers", "callbacks", "ops", "utils")


def main() -> int:
    """Run the job; returns the exit code."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    pin_cores(job["threads"])
    if importlib.util.find_spec("kerasish") is None:
        sys.path.append(job["root"])
    with open(job["record"], "w", encoding="utf-8") as record:

        def emit(event: dict[str, Any]) -> None:
            record.write(json.dumps(event) + "\n")
            record.flush()

        return observed(job, emit)


def pin_cores(threads: int | None) -> None:
    """Keep the process on so many cores: the one limit that every engine respects."""
    if threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def observed(job: dict[str, Any], emit: Emit) -> int:
    """Import the API, run the script under observation, report how it went."""
    try:
        api = loaded(job["api"])
    except Exception as error:
        return failed(emit, error, "import")
    import_s = time.monotonic() - job["spawned"]
    emit({"event": "ready", "import_s": import_s, "versions": versions(api, job["engine"])})

    from kerasish.comparison.alias import standing_in
    from kerasish.comparison.building import BuildTimer
    from kerasish.comparison.observer import Observer

    seed(api, job["seed"])
    observer = Observer(api, emit, job["epochs"], BuildTimer(api))
    observer.install()
    with standing_in(api):
        code = run_script(job, emit)
    if code == 0:
        emit({"event": "end", "peak_bytes": peak_bytes()})
        try:
            observer.finish()
        except Exception as error:
            return failed(emit, error, "predict")
    return code


def loaded(name: str) -> Any:
    """Import an API, what scripts use of it, and the engine in force."""
    api = importlib.import_module(name)
    for module in _USED:
        getattr(api, module)
    if name == "kerasish":
        importlib.import_module("kerasish.core.registry").current_engine()
    return api


def versions(api: Any, engine: str) -> dict[str, str]:
    """Versions of the API and of the framework below."""
    info = importlib.import_module("kerasish.core.registry").engine_infos()[engine]
    frameworks = {name: sys.modules[name].__version__ for name in info.requires if name in sys.modules}
    return {api.__name__: api.__version__, **frameworks}


def seed(api: Any, number: int) -> None:
    """Seed the process with the run's number, and count what the script seeds on from it."""
    original = api.utils.set_random_seed

    @functools.wraps(original)
    def shifted(value: int) -> None:
        original((value + number) % 2**32)

    original(number)
    for module in [m for n, m in sys.modules.items() if n.partition(".")[0] == api.__name__]:
        if vars(module).get("set_random_seed") is original:
            module.set_random_seed = shifted  # type: ignore[attr-defined]


def run_script(job: dict[str, Any], emit: Emit) -> int:
    """Run the script as `__main__`."""
    script = job["script"]
    sys.argv = [script, *job["arguments"]]
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        if stop.code not in (None, 0):
            emit(
                {
                    "event": "error",
                    "stage": "script",
                    "message": f"the script ended with exit code {stop.code}",
                }
            )
            return 1
    except Exception as error:
        return failed(emit, error, "script", script)
    return 0


def failed(emit: Emit, error: Exception, stage: str, script: str | None = None) -> int:
    """Report an error; its traceback goes to stderr, as it would without us."""
    traceback.print_exc()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
    text = " ".join(str(error).split())
    message = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = f"{Path(script).name}, line {lines[-1]}: " if script and lines else ""
    emit({"event": "error", "stage": stage, "message": f"{where}{message}"[:600]})
    return 1


def peak_bytes() -> int | None:
    """The largest resident memory of this process so far; None where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            # Not ru_maxrss: that may begin with the parent's, which a new process inherits.
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    sys.exit(main())
