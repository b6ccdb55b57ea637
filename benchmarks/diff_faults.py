"""Does `kerasish.diff` find planted faults? Random draws of (model, layer, engine, kind), and how many it names.

    python -m benchmarks.diff_faults                     # 200 draws on all installed engines
    python -m benchmarks.diff_faults --draws 20 --engines torch --show
    python -m benchmarks.diff_faults --draws 0 --healthy 200   # how close healthy engines come to being accused

A draw counts as named when the first finding is the layer that the fault was planted in and the first operation is
the one that was replaced, or an overridden composite whose implementation calls it: to whoever uses the engine that
composite is the first that is wrong. A fault that changes no bit of its layer's results and gradients (a NaN in what
`where` throws away) is none, and is drawn again. The exit code is 1 when fewer than 99 % are named, or a healthy model
was accused.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

import kerasish
from kerasish import layers
from kerasish.core.registry import get_engine
from kerasish.diagnosis import Diagnosis, diff, probe
from kerasish.diagnosis.units import Outcome
from kerasish.testing import faults

BAR = 0.99
#: Names of operations that move windows.
WINDOWS = ("conv", "conv_bias", "conv_transpose", "max_pool", "avg_pool")


# -- models ------------------------------------------------------------------------------------------------------------
def mlp() -> Any:
    return kerasish.Sequential(
        [
            layers.Input((12,)),
            layers.Dense(16, activation="gelu"),
            layers.LayerNormalization(),
            layers.Dropout(0.3),
            layers.Dense(8, activation="tanh"),
            layers.Dense(5, activation="softmax"),
        ],
        name="mlp",
    )


def convnet() -> Any:
    return kerasish.Sequential(
        [
            layers.Input((9, 8, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.DepthwiseConv2D(3, activation="silu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ],
        name="convnet",
    )


def lstm() -> Any:
    return kerasish.Sequential(
        [
            layers.Input((7,), dtype="int32"),
            layers.Embedding(11, 6),
            layers.LSTM(5, return_sequences=True),
            layers.LSTM(4),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="lstm",
    )


def gru() -> Any:
    return kerasish.Sequential(
        [
            layers.Input((10, 3)),
            layers.Conv1D(6, 3, padding="causal", activation="elu"),
            layers.AveragePooling1D(2),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(3, activation="softplus"),
        ],
        name="gru",
    )


def transformer() -> Any:
    tokens = layers.Input((6,), dtype="int32")
    h = layers.Embedding(13, 8)(tokens)
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=4)(h, h)
    h = layers.LayerNormalization(epsilon=1e-6)(h + layers.Dropout(0.1)(attended))
    f = layers.Dense(8)(layers.Dense(16, activation="gelu")(h))
    h = layers.RMSNormalization()(h + f)
    pooled = layers.GlobalAveragePooling1D()(h)
    return kerasish.Model(tokens, layers.Dense(4)(pooled), name="transformer")


def residual() -> Any:
    x = layers.Input((6, 6, 3))
    h = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    r = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", use_bias=False)(h))
    h = layers.LeakyReLU()(layers.Add()([h, r]))
    h = layers.SeparableConv2D(5, 3)(h)
    return kerasish.Model(x, layers.Dense(3)(layers.Flatten()(h)), name="residual")


def autoencoder() -> Any:
    return kerasish.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
            layers.GroupNormalization(3),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="selu"),
            layers.UpSampling2D(2),
            layers.AveragePooling2D(2),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ],
        name="autoencoder",
    )


class Block(layers.Layer):
    """A custom layer with layers and code of its own."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.inner = layers.Dense(units, activation="relu")
        self.norm = layers.UnitNormalization()

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((self.units,), "ones", name="scale")

    def call(self, x: Any) -> Any:
        h = self.norm(self.inner(x))
        return kerasish.ops.softplus(h * self.scale) + x


class Nested(kerasish.Model):
    """A subclassed model of custom layers."""

    def __init__(self) -> None:
        super().__init__(name="nested")
        self.first = layers.Dense(6)
        self.blocks = [Block(6, name=f"block_{i}") for i in range(2)]
        self.last = layers.Dense(2)

    def call(self, x: Any) -> Any:
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.last(kerasish.ops.logsumexp(h, axis=-1, keepdims=True))


def nested() -> Any:
    model = Nested()
    model.build((None, 5))
    return model


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "mlp": (mlp, None),
    "convnet": (convnet, None),
    "lstm": (lstm, None),
    "gru": (gru, None),
    "transformer": (transformer, None),
    "residual": (residual, None),
    "autoencoder": (autoencoder, None),
    "nested": (nested, (4, 5)),
}


def made(name: str, seed: int) -> tuple[Any, Any]:
    """A model with fresh weights, and an input for it (None: `diff` makes one)."""
    kerasish.utils.set_random_seed(seed)
    build, shape = MODELS[name]
    model = build()
    noise = np.random.default_rng(seed)
    for variable in model.trainable_variables:  # zeros and ones would hide what is done with them
        change = 0.1 * noise.standard_normal(variable.shape)
        variable.assign((variable.numpy() + change).astype("float32"))
    return model, None if shape is None else noise.standard_normal(shape).astype("float32")


# -- faults ------------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Draw:
    """One planted fault: in the code at path `where`, which `diff` is to call `layer`."""

    seed: int
    model: str
    layer: str
    where: str
    engine: str
    kind: str
    operation: str

    def fault(self) -> faults.Fault:
        """The fault itself, its size drawn from the seed."""
        noise = np.random.default_rng(self.seed)
        if self.kind == "gradient":
            return faults.gradient_scaled(float(noise.choice([0.5, 0.9, 0.99, 1.01, 2.0])))
        if self.kind == "padding":
            return faults.padding_moved()
        if self.kind == "epsilon":
            return faults.epsilon_changed(float(noise.choice([0.1, 10.0, 100.0])))
        return faults.nan_injected(int(noise.integers(1 << 30)))

    def planted(self) -> AbstractContextManager[faults.Strikes]:
        """The fault in its place for a while."""
        return faults.planted(self.engine, self.operation, self.fault(), where=self.where, inside=False)


Candidate = tuple[str, str, str, str]  # layer, where, kind, operation


def candidates(model: Any, x: Any, engine: str) -> list[Candidate]:
    """Every fault that can be planted in a model."""
    found: dict[Candidate, None] = {}
    for op in probe.operations(model, x, engine=engine):
        if not op.used:
            continue
        kinds = {
            "nan": op.floating,
            "gradient": op.floating and op.differentiated,
            "padding": op.floating and op.name in WINDOWS,
            "epsilon": op.floating and op.has_epsilon,
        }
        found |= {(op.layer, op.where, kind, op.name): None for kind, possible in kinds.items() if possible}
    return list(found)


def draws(count: int, engines: list[str], seed: int = 0) -> Iterator[Draw]:
    """Random draws: a model, an engine, a kind of fault that fits, one of its layers, an operation there."""
    noise = np.random.default_rng(seed)
    known: dict[tuple[str, str], list[Candidate]] = {}
    for number in range(count):
        name = str(noise.choice(sorted(MODELS)))
        engine = str(noise.choice(engines))
        if (name, engine) not in known:
            known[name, engine] = candidates(*made(name, seed), engine)
        left = known[name, engine]
        for part in (2, 0, 3):  # a kind, a layer, an operation
            chosen = str(noise.choice(sorted({c[part] for c in left})))
            left = [c for c in left if c[part] == chosen]
        layer, where, kind, operation = left[0]
        yield Draw(seed * 100_003 + number, name, layer, where, engine, kind, operation)


def play(draw: Draw) -> tuple[bool | None, Diagnosis]:
    """Plant a fault and look for it: whether layer and operation are named, and the diagnosis.

    None where nothing was planted: the engine never ran the operation, since the reference's own loop did; or the fault
    was missed, and the layer's results and gradients on that engine are the same bits without it.
    """
    model, x = made(draw.model, draw.seed)
    with draw.planted() as struck:
        result = diff(model, x, backends=[draw.engine], ops=True, compiled=False, seed=draw.seed)
    if not struck.count:
        return None, result
    first = result.first(draw.engine)
    named = first is not None and first.where == draw.layer and first.op is not None
    if named and first.op.name in {draw.operation, *struck.overrides}:
        return True, result
    return (False if changes_anything(draw) else None), result


def changes_anything(draw: Draw) -> bool:
    """Whether a fault moves a bit of its layer's results or gradients, on the inputs that `diff` runs it on."""

    def outcomes() -> list[Outcome]:
        model, x = made(draw.model, draw.seed)
        return probe.outcomes(model, x, engine=draw.engine, where=draw.layer, seed=draw.seed)

    healthy = outcomes()
    with draw.planted():
        return not probe.same_bits(healthy, outcomes())


def accusations(seeds: range, engines: list[str]) -> Iterator[str]:
    """Healthy models with many weights and inputs: prints how close engines come, and gives those accused."""
    largest: dict[str, tuple[float, str]] = {}
    for seed in seeds:
        for name in MODELS:
            result = diff(*made(name, seed), backends=engines, compiled=False, seed=seed)
            for row in result.rows:
                for engine, worst in row.worst.items():
                    if worst is not None:
                        place = f"{row.where} of seed {seed}, {worst.quantity}"
                        largest[engine] = max(largest.get(engine, (0.0, "")), (worst.ratio, place))
            if not result.agree:
                yield f"{name} of seed {seed}: " + ", ".join(
                    f"{f.engine} in {f.where}" for f in result.findings
                )
    for engine, (ratio, place) in largest.items():
        print(f"  {engine} comes to {ratio:.0%} of what is allowed: {place}")


def main() -> int:
    """Play the draws and print how many were named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diff_faults", description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--engines", default=",".join(kerasish.available_backends()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--healthy", type=int, default=0, help="seeds to try healthy models on, layers step by step"
    )
    parser.add_argument("--show", action="store_true", help="print every diagnosis that missed")
    options = parser.parse_args()
    engines = options.engines.split(",")
    accused = [name for name in MODELS if not diff(*made(name, options.seed), backends=engines).agree]
    accused += accusations(range(options.seed, options.seed + options.healthy), engines)
    tried = len(MODELS) * (1 + options.healthy)
    print(f"healthy models accused: {accused or 'none'} (of {tried} on {', '.join(engines)})", flush=True)
    start, named, count = time.process_time(), 0, 0
    for draw in draws(1 << 30, engines, options.seed):
        if count == options.draws:
            break
        hit, result = play(draw)
        if hit is None:
            continue
        named, count = named + hit, count + 1
        if not hit:
            print(f"missed: {draw}")
            if options.show:
                print(result)
    share = named / count if count else 1.0
    print(f"named: {named} of {count} ({share:.1%}) in {time.process_time() - start:.0f} s of CPU time")
    return int(share < BAR or bool(accused))


if __name__ == "__main__":
    for _name in ("torch", "jax", "tensorflow"):
        if _name in kerasish.available_backends():
            get_engine(_name)
    sys.exit(main())
