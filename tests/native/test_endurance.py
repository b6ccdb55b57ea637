"""Long runs: memory stays flat, models trained at the same time do not disturb each other, runs repeat bit for bit."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core import primitives as p
from kerasish.core.registry import get_engine

STATM = Path("/proc/self/statm")
PLANS = 64  # that a function keeps


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def labels(n: int, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(classes, size=n)


def mlp() -> kerasish.Model:
    return kerasish.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3),
        ]
    )


def convnet() -> kerasish.Model:
    return kerasish.Sequential(
        [
            layers.Input((12, 12, 2)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )


def lstm() -> kerasish.Model:
    return kerasish.Sequential(
        [
            layers.Input((7,), dtype="int32"),
            layers.Embedding(40, 16),
            layers.LSTM(24),
            layers.Dropout(0.1),
            layers.Dense(3),
        ]
    )


def ready(build: Callable[[], kerasish.Model]) -> kerasish.Model:
    """The model of `build`, from one seed, compiled."""
    kerasish.utils.set_random_seed(7)
    model = build()
    loss = kerasish.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=kerasish.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return model


# -- memory, in a process of its own ----------------------------------------------------------------------------------
def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def training_steps() -> int:
    """Growth over 10,000 steps of training."""
    model, x, y = ready(mlp), numbers(32, 8), labels(32)
    for _ in range(500):
        model.train_on_batch(x, y)
    before = resident()
    for _ in range(10_000):
        model.train_on_batch(x, y)
    return resident() - before


def batch_sizes() -> int:
    """Growth over rounds of more batch sizes than plans are kept."""
    model, x = ready(mlp), numbers(100, 8)

    def rounds(count: int) -> None:
        for n in [*range(1, 101)] * count:
            model.predict_on_batch(x[:n])

    rounds(10)
    before = resident()
    rounds(10)
    return resident() - before


def new_models() -> int:
    """Growth over models that are built, trained and dropped."""

    def models(count: int) -> None:
        for _ in range(count):
            ready(lstm).train_on_batch(np.zeros((4, 7), "int32"), labels(4))

    models(80)
    before = resident()
    models(80)
    return resident() - before


@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("work", [training_steps, batch_sizes, new_models])
def test_memory_stays_flat(work):
    assert int(child(work.__name__)) < 1 << 20


def test_a_compiled_function_keeps_a_bounded_number_of_plans():
    compiled = get_engine("native").compile(lambda x: p.exp(x))
    for n in range(1, PLANS + 40):
        compiled(np.zeros(n, "float32"))
    assert len(compiled.plans) == PLANS
    assert compiled.traces == PLANS + 39


# -- threads ----------------------------------------------------------------------------------------------------------
DATA = {
    mlp: (numbers(64, 8), labels(64)),
    convnet: (numbers(64, 12, 12, 2), labels(64)),
    lstm: (np.random.default_rng(2).integers(40, size=(64, 7)), labels(64)),
}


def trained(model: kerasish.Model, build: Callable[[], kerasish.Model]) -> list[np.ndarray]:
    """The weights after some steps."""
    x, y = DATA[build]
    for _ in range(30):
        model.train_on_batch(x, y)
    return model.get_weights()


def test_models_may_be_trained_at_the_same_time():
    with kerasish.use_backend("native"):
        alone = {build: trained(ready(build), build) for build in DATA}
        models = {build: ready(build) for build in DATA}
        found: dict[Callable[[], kerasish.Model], list[np.ndarray]] = {}
        threads = [
            threading.Thread(target=lambda b=build, m=model: found.update({b: trained(m, b)}))
            for build, model in models.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for build in DATA:
        for weight, right in zip(found[build], alone[build], strict=True):
            np.testing.assert_array_equal(weight, right)


def scanning() -> tuple[Any, list[np.ndarray]]:
    """A compiled function with a step that Python runs, and its arguments."""

    def sums(x: Any, rows: Any) -> Any:
        def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            return [p.add(carry[0], p.multiply(row[0], x))], []

        return p.scan([x], [rows], fn=step, length=100, reverse=False)[0][0]

    compiled, given = get_engine("native").compile(sums), [numbers(8), numbers(100, 8)]
    compiled(*given)
    return compiled, given


def left_behind() -> str:
    """Ends while daemon threads are in the midst of plans."""

    def forever(model: kerasish.Model) -> None:
        while True:
            model.predict_on_batch(DATA[mlp][0])

    def scan_forever(compiled: Any, given: list[np.ndarray]) -> None:
        while True:
            compiled(*given)

    for _ in range(3):
        model = ready(mlp)
        model.predict_on_batch(DATA[mlp][0])
        threading.Thread(target=forever, args=(model,), daemon=True).start()
    threading.Thread(target=scan_forever, args=scanning(), daemon=True).start()
    time.sleep(0.1)
    return "ended"


def measured_while_running() -> str:
    """Profiles a plan that another thread runs."""
    compiled, given = scanning()
    [plan] = compiled.plans.values()
    thread = threading.Thread(target=lambda: [compiled(*given) for _ in range(100)])
    thread.start()
    plan.program.profile(given, repeats=100)
    thread.join()
    return "ended"


@pytest.mark.parametrize("work", [left_behind, measured_while_running])
def test_threads_neither_abort_nor_block_the_process(work):
    assert child(work.__name__) == "ended\n"


# -- run to run -------------------------------------------------------------------------------------------------------
def digests() -> str:
    """Hashes of the weights of models that were trained."""
    found = []
    for build in (convnet, lstm):
        weights = trained(ready(build), build)
        found.append(hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest())
    return " ".join(found)


def test_runs_repeat_bit_for_bit_on_equally_many_threads():
    assert child("digests") == child("digests")


def child(name: str) -> str:
    """What the function of this file returns in a process of its own, on two threads."""
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, name],
        env={**os.environ, "KERASISH_BACKEND": "native", "KERASISH_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
