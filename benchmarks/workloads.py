"""What is measured: the five workloads, their synthetic data, and the bars. Imports NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEARNING_RATE = 1e-3
CLASSES = 10


@dataclass(frozen=True)
class Workload:
    """One model's batch size, steps per timed epoch and input.

    features: shape of one example.
    vocabulary: number of token ids; 0 means that examples are float32 features.
    binary: one logit and labels in {0, 1} instead of ten classes.
    """

    batch: int
    steps: int
    features: tuple[int, ...]
    vocabulary: int = 0
    binary: bool = False


WORKLOADS: dict[str, Workload] = {
    "mlp": Workload(batch=128, steps=200, features=(784,)),
    "convnet": Workload(batch=64, steps=60, features=(28, 28, 1)),
    "lstm": Workload(batch=32, steps=40, features=(80,), vocabulary=5000, binary=True),
    "transformer": Workload(batch=32, steps=40, features=(64,), vocabulary=5000),
    "resnet20": Workload(batch=32, steps=16, features=(32, 32, 3)),
}

ENGINES: tuple[str, ...] = ("native", "torch", "jax", "tensorflow")
CONTENDERS: tuple[str, ...] = ("raw", "keras", "kerasish")
VARIANTS: dict[str, str] = {"torch": "raw-compile", "tensorflow": "raw-xla"}
"""What `--more` adds: the same raw loop through the engine's other compiler."""

TIMED_EPOCHS = 3

BAR_FIT_RAW = 1.15
BAR_FIT_KERAS = 1.0
BAR_NATIVE = 1.0
"""Native's step and prediction over those of the fastest other contender, whatever its engine."""
BAR_IMPORT_S = 0.15
BAR_DISPATCH_US = 1.5
BAR_RNG_SHARE = 0.05


def contenders_of(engine: str, wanted: list[str], *, more: bool) -> list[str]:
    """Return those contenders that exist on `engine`: `native` has neither a raw loop nor a Keras."""
    if engine == "native":
        return [name for name in wanted if name == "kerasish"]
    extra = [VARIANTS[engine]] if more and engine in VARIANTS else []
    return wanted + [name for name in extra if name not in wanted]


def make_data(name: str, steps: int, seed: int = 0) -> tuple[NDArray[np.generic], NDArray[np.int32]]:
    """Return `steps` whole batches of inputs and int32 labels; labels depend on the inputs, so losses fall."""
    work = WORKLOADS[name]
    rng = np.random.default_rng(seed)
    n = work.batch * steps
    x: NDArray[np.generic]
    if work.vocabulary:
        x = rng.integers(0, work.vocabulary, (n, *work.features), dtype=np.int32)
        y = x[:, 0] % (2 if work.binary else CLASSES)
    else:
        x = rng.random((n, *work.features), dtype=np.float32)
        scores = (x.reshape(n, -1) - 0.5) @ rng.standard_normal((x[0].size, CLASSES), dtype=np.float32)
        y = scores.argmax(axis=-1)
    return x, y.astype(np.int32)
