"""Comparisons made up to order, scripts to run, and a browser to look at reports with."""

import math
import os

import numpy as np
import pytest

from kerasish.comparison import Comparison
from kerasish.comparison.fingerprint import fingerprint
from kerasish.comparison.records import FAILED, Contender, Epoch, Missing, Run, Steps
from tests.comparison.browser import find_chromium, running

SCRIPT = '''
"""Fits a line."""
import sys
import numpy as np
import kerasish as keras
from kerasish import layers

keras.utils.set_random_seed(3)
rng = np.random.default_rng(0)
x = rng.normal(size=(96, 4)).astype("float32")
y = x @ np.array([[1.0], [-2.0], [0.5], [3.0]], "float32")
model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
model.compile("adam", "mse", metrics=["mae"])
model.fit(x, y, batch_size=16, epochs=2, validation_split=0.25)
'''


@pytest.fixture
def script(tmp_path):
    """A small training script; `script.write_text` makes it another one."""
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def make_run(
    engine="native",
    *,
    api="kerasish",
    repeat=0,
    seed=0,
    ms=1.0,
    losses=(1.0, 0.5),
    weights=1.0,
    start=0.0,
    error=None,
    portable=None,
):
    """A run with the given figures. Weights and start are numbers: equal ones are equal fingerprints."""
    run = Run(Contender.of(api, engine).name, api, engine, repeat, seed)
    if error:
        run.status, run.error = FAILED, error
        return run
    run.versions = {api: "0.1.0", f"{engine}-framework": "2.0"}
    run.device, run.portable_randomness = "cpu:0", portable
    run.import_s, run.build_s, run.first_step_s = 1.0, 0.1, 0.3
    run.steps = Steps(100, 5, ms, ms * 0.95, ms * 1.05)
    run.batch_size, run.samples_per_s = 32.0, 32e3 / ms
    run.predict_ms, run.predict_batch = 0.2, 32
    run.peak_bytes = 100 * 2**20
    run.fits = 1
    run.epochs = [
        Epoch(i, i * ms / 10, {"loss": loss, "accuracy": 1 - loss / 2, "val_accuracy": 1 - loss / 1.9})
        for i, loss in enumerate(losses, 1)
    ]
    base = np.linspace(-1, 1, 50)
    run.initial = fingerprint([base + start])
    run.final = fingerprint([base * 2 + weights])
    run.parameters = 50
    return run


def make_comparison(runs, missing=(), **settings):
    """A comparison of such runs on a made-up machine."""
    machine = {
        "cores": 2,
        "processor": "A <Fast> Chip",
        "cpu_features": ["avx2", "fma"],
        "memory_bytes": 8 * 2**30,
        "load": 0.1,
        "system": "Linux x86_64",
        "python": "3.11.0",
        "numpy": "2.0",
    }
    settings = {
        "backends": list(dict.fromkeys(run.engine for run in runs)),
        "repeat": max((run.repeat for run in runs), default=0) + 1,
        "seeds": max((run.seed for run in runs), default=0) + 1,
        "epochs": None,
        "threads": None,
        "with_keras": any(run.api == "keras" for run in runs),
        **settings,
    }
    return Comparison(
        {"kind": "script", "name": "train.py", "arguments": []},
        settings,
        runs,
        missing,
        environment=machine,
        created="2026-02-03T04:05:06+00:00",
    )


@pytest.fixture
def rich_comparison():
    """Three engines and Keras, five seeds, one that failed, one that is missing, one whose losses end in NaN."""
    rng = np.random.default_rng(0)
    runs = []
    for repeat in range(5):
        for number, (engine, api, ms) in enumerate(
            [
                ("native", "kerasish", 1.0),
                ("jax", "kerasish", 1.5),
                ("jax", "keras", 2.0),
                ("tensorflow", "kerasish", 3.0),
            ]
        ):
            noise = float(np.exp(rng.normal(0, 0.02)))
            losses = [2.0 / epoch + 0.02 * repeat + 1e-6 * number for epoch in range(1, 9)]
            if engine == "tensorflow":
                losses[-1] = math.nan
            runs.append(
                make_run(
                    engine,
                    api=api,
                    repeat=repeat,
                    seed=repeat,
                    ms=ms * noise,
                    losses=losses,
                    weights=1.0 + 1e-6 * number + repeat,
                    start=(0.5 if api == "keras" else 0.0) + repeat,
                )
            )
    runs.append(make_run("torch", error="train.py, line 3: ValueError: <script>alert('no')</script>"))
    return make_comparison(
        runs, [Missing("openvino", "openvino is not installed", 'pip install "x[openvino]"')]
    )


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a window. It ends with its module: left idle during a long run, its watchdog would end it."""
    path = find_chromium()
    if path is None:
        report = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        report("no Chromium is installed: apt-get install chromium")
    with running(path, tmp_path_factory.mktemp("profile")) as found:
        yield found
