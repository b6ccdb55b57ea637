"""What a comparison writes down: runs, epochs, fingerprints, and their form in `report.json`.

The schema is versioned: readers refuse a file of another version. Numbers that JSON cannot hold are written as the
strings "NaN", "Infinity" and "-Infinity"; what was not measured is null.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

SCHEMA = "kerasish.comparison"
VERSION = 1

OK = "ok"
FAILED = "failed"

KERASISH = "kerasish"
KERAS = "keras"


@dataclasses.dataclass(frozen=True)
class Contender:
    """An API on an engine.

    Attributes:
        name: How tables and files call it: "jax", or "keras-jax" for real Keras.
        api: "kerasish" or "keras".
        engine: The engine's name.
    """

    name: str
    api: str
    engine: str

    @classmethod
    def of(cls, api: str, engine: str) -> Contender:
        """The contender, with the name that follows from the two."""
        return cls(engine if api == KERASISH else f"{api}-{engine}", api, engine)


@dataclasses.dataclass
class Missing:
    """A contender that could not take part.

    Attributes:
        contender: Its name.
        reason: Why.
        hint: What to do about it.
    """

    contender: str
    reason: str
    hint: str = ""


@dataclasses.dataclass
class Epoch:
    """One epoch of a run.

    Attributes:
        epoch: Counted from 1.
        seconds: Wall time from the call of `fit` to the end of the epoch, validation included.
        logs: Loss and metrics, as callbacks see them.
    """

    epoch: int
    seconds: float
    logs: dict[str, float]


@dataclasses.dataclass
class Steps:
    """Steady steps of training: those after the first epoch, or after the first step if there is one epoch only.

    Attributes:
        count: How many steps.
        windows: How many stretches of steps were timed; the device is waited for at the end of each.
        median_ms: Milliseconds a step, median over stretches.
        low_ms: First quartile.
        high_ms: Third quartile.
    """

    count: int
    windows: int
    median_ms: float
    low_ms: float
    high_ms: float


@dataclasses.dataclass
class Fingerprint:
    """All weights of a model in a few bytes.

    Attributes:
        count: Numbers in all weights.
        sha256: Hash of their bytes: equal hashes are equal weights, bit by bit.
        norm: Euclidean length.
        nonfinite: How many are NaN or infinite.
        sketch: 128 little-endian doubles in base64, a random projection: distances of sketches are those of weights, to
            about 6 %.
    """

    count: int
    sha256: str
    norm: float
    nonfinite: int
    sketch: str


@dataclasses.dataclass
class Run:
    """One training on one engine.

    Attributes:
        contender: Name of the contender.
        api: "kerasish" or "keras".
        engine: The engine's name.
        repeat: Which round, counted from 0.
        seed: What was added to the script's seed.
        status: "ok" or "failed".
        error: Why it failed, one line.
        versions: Package -> version.
        device: Where the weights are, such as "cpu:0".
        threads: Threads asked for; null: as many as the engine takes.
        import_s: Seconds from the start of the process until API and engine are loaded.
        build_s: Seconds spent making and compiling models before the first `fit`.
        first_step_s: Seconds from the call of `fit` to the end of the first step: tracing and compiling included.
        steps: Steady steps.
        batch_size: Samples a step, on average.
        samples_per_s: `batch_size` / median step.
        predict_ms: Milliseconds for `predict_on_batch`, median.
        predict_batch: Samples in that batch.
        peak_bytes: Largest resident memory of the process.
        parameters: Numbers in all weights.
        fits: Calls of `fit` that the figures are from.
        portable_randomness: Whether steps drew masks and noise from the portable generator, and not from the engine's
            own; None where none were drawn, and for real Keras.
        epochs: Losses and metrics.
        initial: Weights before training.
        final: Weights afterwards.
    """

    contender: str
    api: str
    engine: str
    repeat: int
    seed: int
    status: str = OK
    error: str | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    device: str | None = None
    threads: int | None = None
    import_s: float | None = None
    build_s: float | None = None
    first_step_s: float | None = None
    steps: Steps | None = None
    batch_size: float | None = None
    samples_per_s: float | None = None
    predict_ms: float | None = None
    predict_batch: int | None = None
    peak_bytes: int | None = None
    parameters: int | None = None
    fits: int = 0
    portable_randomness: bool | None = None
    epochs: list[Epoch] = dataclasses.field(default_factory=list)
    initial: Fingerprint | None = None
    final: Fingerprint | None = None

    @property
    def ok(self) -> bool:
        """Whether the run came to its end."""
        return self.status == OK

    @property
    def curves(self) -> dict[str, list[float]]:
        """Name -> values, one an epoch (NaN where an epoch has none)."""
        names = dict.fromkeys(name for epoch in self.epochs for name in epoch.logs)
        return {name: [epoch.logs.get(name, math.nan) for epoch in self.epochs] for name in names}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Run:
        """The run that `to_json` wrote."""
        values = dict(data)
        values["epochs"] = [Epoch(**epoch) for epoch in values.get("epochs", ())]
        for name, kind in (("steps", Steps), ("initial", Fingerprint), ("final", Fingerprint)):
            if values.get(name) is not None:
                values[name] = kind(**values[name])
        return cls(**values)


_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(value: Any) -> Any:
    """Dataclasses as dicts, numbers that JSON cannot hold as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def numbers_back(value: Any) -> Any:
    """Undo what `to_json` does to numbers, within `logs`."""
    if isinstance(value, dict):
        return {
            key: {k: _NAMED.get(v, v) if isinstance(v, str) else v for k, v in item.items()}
            if key == "logs" and isinstance(item, dict)
            else numbers_back(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [numbers_back(item) for item in value]
    return value
