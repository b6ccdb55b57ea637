"""`compare`: a model on every engine within this process, for notebooks and tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import kerasish
from kerasish.comparison.contenders import contenders
from kerasish.comparison.observer import Observer, assembled
from kerasish.comparison.records import FAILED, Run, numbers_back
from kerasish.comparison.result import Comparison
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import get_engine, use_backend
from kerasish.core.seeds import set_random_seed


def compare(
    build_fn: Callable[[], Any],
    data: Any,
    backends: Sequence[str] | None = None,
    *,
    epochs: int = 5,
    repeat: int = 3,
    seeds: int = 1,
    **fit_options: Any,
) -> Comparison:
    """Train one model on every engine in turn, in this process, and compare times and numbers.

    All runs begin from the same seed, so that initial weights and shuffles are the same. A script run by the command
    `kerasish compare` has a process for each run; here they share one, so memory is not measured, nor imports.
    The process's random seed is set; the engine in force stays as it is.

    Args:
        build_fn: Makes a compiled model; called once a run, under the engine of the run.
        data: `(x, y)`, or whatever else `fit` takes.
        backends: Names of engines; default all. Those that are not installed are named in `missing`.
        epochs: Epochs of each run.
        repeat: Runs of each engine: their scatter is the noise that a lead must exceed.
        seeds: Different seeds; runs go round them.
        fit_options: Further arguments of `fit`: `batch_size`, `validation_data`, ...

    Returns:
        The comparison: `print` it, or call `.table()`, `.plot()`, `.to_html(path)`, `.to_json(path)`.

    Raises:
        ArgumentError: An argument cannot be used. Where every engine fails, the first one's error is raised.
        UnknownBackendError: An engine of that name is not registered.

    Example:
        >>> import numpy as np
        >>> import kerasish
        >>> def build():
        ...     model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.ones((64, 3), "float32")
        >>> found = kerasish.compare(build, (x, x[:, :1]), ["native"], epochs=2, repeat=1)
        >>> found.contenders
        ['native']
    """
    for name, value in (("epochs", epochs), ("repeat", repeat), ("seeds", seeds)):
        if value < 1:
            raise ArgumentError(f"`{name}` must be at least 1.", where="compare", received=value)
    present, missing = contenders(backends)
    runs: list[Run] = []
    errors: dict[str, Exception] = {}
    for number in range(max(repeat, seeds)):
        for one in present if number % 2 == 0 else present[::-1]:
            if one.name not in errors:
                run = Run(one.name, one.api, one.engine, number, number % seeds)
                run, error = _run(run, build_fn, data, epochs, fit_options)
                runs.append(run)
                if error is not None:
                    errors[one.name] = error
    if errors and not any(run.ok for run in runs):
        raise next(iter(errors.values()))
    settings = {
        "backends": [c.engine for c in present],
        "repeat": repeat,
        "seeds": seeds,
        "epochs": epochs,
        "threads": None,
        "with_keras": False,
        "portable_randomness": None,
    }
    subject = {"kind": "function", "name": getattr(build_fn, "__name__", "model"), "arguments": []}
    return Comparison.of(subject, settings, runs, missing)


def _run(
    run: Run, build_fn: Any, data: Any, epochs: int, options: dict[str, Any]
) -> tuple[Run, Exception | None]:
    """One training; the error is returned, for one engine's failure must not cost the others."""
    events: list[dict[str, Any]] = []
    engine = get_engine(run.engine)
    run.versions = {"kerasish": kerasish.__version__, engine.name: engine.version}
    x, y = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    try:
        with use_backend(engine):
            set_random_seed(run.seed)
            start = time.perf_counter()
            model = build_fn()
            run.build_s = time.perf_counter() - start
            if not getattr(model, "compiled", False):
                raise ArgumentError(
                    "`build_fn` must return a compiled model.",
                    where="compare",
                    received=type(model).__name__,
                    hint="call model.compile(...) and return model",
                )
            observer = Observer(kerasish, events.append)
            observer.fit(model, x, y, epochs=epochs, **options)
            observer.finish()
    except Exception as error:
        run.status, run.error = FAILED, f"{type(error).__name__}: {error}"
        return run, error
    return assembled(run, numbers_back(events)), None
