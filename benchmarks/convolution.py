"""Speed of the native engine's convolutions, layer by layer, beside torch's or tensorflow's.

`python -m benchmarks.convolution` runs the layers of the convnet and of ResNet-20 forward, backward to the input and
backward to the kernel, both libraries in one process on the same number of threads, in turns. It prints GFLOP/s, by the
operations of the plain sum whatever the algorithm, and how many times as fast the native kernel is. With one thread
times are CPU time, so that a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.worker import pin_cores

Call = Callable[[], Any]
PASSES = ("forward", "input", "kernel")


@dataclass(frozen=True)
class Layer:
    """A two-dimensional convolution of square images."""

    name: str
    batch: int
    size: int
    channels: int
    filters: int
    window: int = 3
    stride: int = 1
    same: bool = True
    count: int = 1  # how often the model has it

    @property
    def pads(self) -> tuple[int, int]:
        """Zeros before and after each axis."""
        total = max((self.out - 1) * self.stride + self.window - self.size, 0)
        return total // 2, total - total // 2

    @property
    def out(self) -> int:
        """Positions along each axis."""
        room = self.size if self.same else self.size - self.window + 1
        return math.ceil(room / self.stride)

    @property
    def flops(self) -> int:
        """Additions and multiplications of the plain sum, pads included."""
        return 2 * self.batch * self.out**2 * self.window**2 * self.channels * self.filters


LAYERS = (
    Layer("convnet 1", 64, 28, 1, 32, same=False),
    Layer("convnet 2", 64, 13, 32, 64, same=False),
    Layer("resnet 3-16", 32, 32, 3, 16),
    Layer("resnet 16", 32, 32, 16, 16, count=6),
    Layer("resnet 16-32 /2", 32, 32, 16, 32, stride=2),
    Layer("resnet 16-32 1x1", 32, 32, 16, 32, window=1, stride=2),
    Layer("resnet 32", 32, 16, 32, 32, count=5),
    Layer("resnet 32-64 /2", 32, 16, 32, 64, stride=2),
    Layer("resnet 32-64 1x1", 32, 16, 32, 64, window=1, stride=2),
    Layer("resnet 64", 32, 8, 64, 64, count=5),
)


def arrays(layer: Layer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input, kernel and a gradient of the result."""
    rng = np.random.default_rng(0)
    shapes = (
        (layer.batch, layer.size, layer.size, layer.channels),
        (layer.window, layer.window, layer.channels, layer.filters),
        (layer.batch, layer.out, layer.out, layer.filters),
    )
    x, kernel, g = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    return x, kernel, g


def native_calls(layer: Layer) -> dict[str, Call]:
    """The three passes as plans of one step; each returns its result."""
    from kerasish_native._load import load_kernels

    kernels: Any = load_kernels()
    x, kernel, g = arrays(layer)
    options = {"strides": [layer.stride] * 2, "pads": [layer.pads] * 2, "dilation": [1, 1], "groups": 1}

    def plan(make: Callable[..., Any], *operands: np.ndarray) -> Call:
        views = []
        for slot, array in enumerate(operands):
            strides = [s // array.itemsize for s in array.strides]
            views.append(kernels.View(slot, kernels.DTYPES["float32"], 0, list(array.shape), strides))
        slots = list(enumerate(operands))
        program = kernels.Program([], slots, [], 0, [], [make(*views, **options)], len(operands))

        def call() -> np.ndarray:
            program.run([])
            return operands[-1]

        return call

    return {
        "forward": plan(kernels.conv_step, x, kernel, np.empty_like(g)),
        "input": plan(kernels.conv_transpose_step, g, kernel, np.empty_like(x)),
        "kernel": plan(kernels.conv_kernel_grad_step, x, g, np.empty_like(kernel)),
    }


def torch_calls(layer: Layer, threads: int) -> dict[str, Call]:
    """The same in torch, channels last; a layer padded on one side only is given a padded input."""
    import torch

    torch.set_num_threads(threads)
    x, kernel, g = arrays(layer)
    low, high = layer.pads
    if low != high:
        x, low = np.pad(x, ((0, 0), layer.pads, layer.pads, (0, 0))), 0
    last = torch.channels_last
    x_t, g_t = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=last) for a in (x, g))
    k_t = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(memory_format=last)
    stride, pad = [layer.stride] * 2, [low] * 2

    def gradient(mask: list[bool]) -> Call:
        backward = torch.ops.aten.convolution_backward
        return lambda: backward(g_t, x_t, k_t, None, stride, pad, [1, 1], False, [0, 0], 1, mask)

    return {
        "forward": lambda: torch.conv2d(x_t, k_t, None, stride, pad),
        "input": gradient([True, False, False]),
        "kernel": gradient([False, True, False]),
    }


def tensorflow_calls(layer: Layer, threads: int) -> dict[str, Call]:
    """The same in tensorflow."""
    tf = importlib.import_module("tensorflow")
    if not tf.config.list_logical_devices():
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    x, kernel, g = (tf.constant(a) for a in arrays(layer))
    strides, padding = [1, layer.stride, layer.stride, 1], "SAME" if layer.same else "VALID"
    raw = tf.raw_ops
    sizes = {"forward": None, "input": tf.shape(x), "kernel": tf.shape(kernel)}
    options = {"strides": strides, "padding": padding}
    return {
        "forward": lambda: raw.Conv2D(input=x, filter=kernel, **options),
        "input": lambda: raw.Conv2DBackpropInput(
            input_sizes=sizes["input"], filter=kernel, out_backprop=g, **options
        ),
        "kernel": lambda: raw.Conv2DBackpropFilter(
            input=x, filter_sizes=sizes["kernel"], out_backprop=g, **options
        ),
    }


def best_seconds(calls: list[Call], repeats: int, clock: Callable[[], float]) -> list[float]:
    """The shortest time of each call, taken in turns."""
    best = [math.inf] * len(calls)
    for call in calls:
        call()
    for _ in range(repeats):
        for i, call in enumerate(calls):
            start = clock()
            call()
            best[i] = min(best[i], clock() - start)
    return best


def measure(yardstick: str, threads: int, repeats: int, only: str) -> list[str]:
    """The table, a line for each layer, and the time of all of ResNet-20's."""
    clock = time.process_time if threads == 1 else time.perf_counter
    other = {"torch": torch_calls, "tensorflow": tensorflow_calls}[yardstick]
    lines = [f"{'':<17}{'MFLOP':>6}" + "".join(f"{name:>9} GFLOP/s {'x':>5}" for name in PASSES)]
    total = [0.0, 0.0]
    for layer in LAYERS:
        if only not in layer.name:
            continue
        native, theirs = native_calls(layer), other(layer, threads)
        line = f"{layer.name:<17}{layer.flops / 1e6:>6.0f}"
        for name in PASSES:
            ours, them = best_seconds([native[name], theirs[name]], repeats, clock)
            line += f"{layer.flops / ours / 1e9:>17.1f} {them / ours:>5.2f}"
            if layer.name.startswith("resnet"):
                total = [total[0] + layer.count * ours, total[1] + layer.count * them]
        lines.append(line)
    lines.append(f"all passes of ResNet-20: {total[0] * 1e3:.2f} ms, {yardstick} {total[1] * 1e3:.2f} ms")
    return lines


def main() -> int:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolution", description=__doc__)
    parser.add_argument("--yardstick", default="torch", choices=("torch", "tensorflow"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--only", default="", help="layers with this in their name")
    arguments = parser.parse_args()
    for name in ("KERASISH_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(arguments.threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pin_cores(arguments.threads)
    print(describe_machine(arguments.threads))
    lines = measure(arguments.yardstick, arguments.threads, arguments.repeats, arguments.only)
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
