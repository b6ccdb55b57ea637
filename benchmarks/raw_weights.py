"""Initial weights of the hand-written JAX and TensorFlow loops: flat dictionaries of NumPy arrays.

Torch is absent here on purpose: there an expert writes `nn.Module`s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import CLASSES, WORKLOADS

Arrays = dict[str, NDArray[np.float32]]

BLOCKS: tuple[tuple[str, int, int, int], ...] = tuple(
    (f"s{stage}b{block}", filters_in if block == 0 else filters, filters, 2 if stage and block == 0 else 1)
    for stage, (filters_in, filters) in enumerate(((16, 16), (16, 32), (32, 64)))
    for block in range(3)
)
"""ResNet-20's residual blocks: name, channels in, channels out, stride."""


class _Init:
    """Collects named arrays: trainable ones in `params`, running statistics in `stats`."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.params: Arrays = {}
        self.stats: Arrays = {}

    def normal(self, name: str, shape: tuple[int, ...], scale: float) -> None:
        self.params[name] = self.rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def dense(self, name: str, rows: int, cols: int) -> None:
        self.normal(f"{name}/w", (rows, cols), (2 / (rows + cols)) ** 0.5)
        self.params[f"{name}/b"] = np.zeros(cols, np.float32)

    def conv(self, name: str, size: int, cin: int, cout: int, *, bias: bool = False) -> None:
        self.normal(f"{name}/w", (size, size, cin, cout), (2 / (size * size * cin)) ** 0.5)
        if bias:
            self.params[f"{name}/b"] = np.zeros(cout, np.float32)

    def norm(self, name: str, width: int, *, running: bool = False) -> None:
        self.params[f"{name}/scale"] = np.ones(width, np.float32)
        self.params[f"{name}/shift"] = np.zeros(width, np.float32)
        if running:
            self.stats[f"{name}/mean"] = np.zeros(width, np.float32)
            self.stats[f"{name}/var"] = np.ones(width, np.float32)


def initial_weights(name: str, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Return (params, running statistics) of workload `name`; kernels are HWIO, LSTM gates i, c, f, o."""
    init = _Init(seed)
    {"mlp": _mlp, "convnet": _convnet, "lstm": _lstm, "transformer": _transformer, "resnet20": _resnet20}[
        name
    ](init)
    return init.params, init.stats


def _mlp(init: _Init) -> None:
    for i, (rows, cols) in enumerate(((784, 256), (256, 256), (256, CLASSES))):
        init.dense(f"dense{i}", rows, cols)


def _convnet(init: _Init) -> None:
    init.conv("conv0", 3, 1, 32, bias=True)
    init.conv("conv1", 3, 32, 64, bias=True)
    init.dense("out", 5 * 5 * 64, CLASSES)


def _lstm(init: _Init) -> None:
    init.normal("embed", (WORKLOADS["lstm"].vocabulary, 128), 0.05)
    init.dense("lstm", 128 + 128, 4 * 128)  # rows: input first, then recurrent
    init.params["lstm/b"][256:384] = 1.0  # forget gate open at the start
    init.dense("out", 128, 1)


def _transformer(init: _Init) -> None:
    work = WORKLOADS["transformer"]
    init.normal("embed", (work.vocabulary, 128), 0.05)
    init.normal("positions", (work.features[0], 128), 0.05)
    for i in range(2):
        init.dense(f"qkv{i}", 128, 3 * 128)
        init.dense(f"proj{i}", 128, 128)
        init.dense(f"up{i}", 128, 512)
        init.dense(f"down{i}", 512, 128)
        init.norm(f"norm{i}a", 128)
        init.norm(f"norm{i}b", 128)
    init.dense("out", 128, CLASSES)


def _resnet20(init: _Init) -> None:
    init.conv("stem", 3, 3, 16)
    init.norm("stem", 16, running=True)
    for name, cin, cout, stride in BLOCKS:
        for half, channels in (("a", cin), ("b", cout)):
            init.conv(f"{name}{half}", 3, channels, cout)
            init.norm(f"{name}{half}", cout, running=True)
        if stride == 2:
            init.conv(f"{name}short", 1, cin, cout)
    init.dense("out", 64, CLASSES)
