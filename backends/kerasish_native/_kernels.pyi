"""Types of the compiled module built from `kernels/`; what each step does is said in its docstring there."""

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

def cpu_features() -> dict[str, Any]: ...
def num_threads() -> int: ...
def cgroup_cpus(membership: str, mount: str) -> int: ...
def threefry2x32(k0: int, k1: int, c0: int, c1: int) -> tuple[int, int]: ...
def random_bits(k0: int, k1: int, n: int, c1: int = 0) -> NDArray[numpy.uint32]: ...
def random_uniform(k0: int, k1: int, n: int, c1: int = 0) -> NDArray[numpy.float32]: ...
def random_bits_step(key: View, out: View, draw: int) -> Step: ...
def random_uniform_step(key: View, out: View, draw: int) -> Step: ...

DTYPES: dict[str, int] = ...

class View:
    def __init__(
        self, slot: int, dtype: int, offset: int, shape: Sequence[int], strides: Sequence[int]
    ) -> None: ...

class Step: ...

def python_step(function: object) -> Step: ...

class Program:
    def __init__(
        self,
        inputs: Sequence[int],
        constants: Sequence[tuple[int, object]],
        arena: Sequence[tuple[int, int]],
        arena_bytes: int,
        outputs: Sequence[tuple[int, object]],
        steps: Sequence[Step],
        slots: int,
        alone: bool = False,
    ) -> None: ...
    def run(self, arrays: list[Any]) -> list[Any]: ...
    def profile(self, arrays: list[Any]) -> list[float]: ...

def matmul_step(a: View, b: View, c: View, epilogue: Step | None = None) -> Step: ...

TILE_OPS: dict[str, int] = ...
TILE_LONGEST_ROW: int = 16384

def tile_step(
    rows: Sequence[int],
    cols: int,
    registers: Sequence[tuple[str, object]],
    loads: Sequence[tuple[int, View]],
    ops: Sequence[tuple[int, object, int, int, int, int]],
    constants: Sequence[tuple[int, object]],
    stores: Sequence[tuple[int, View, str]],
) -> Step: ...
def copy_step(x: View, out: View) -> Step: ...
def concatenate_step(xs: Sequence[View], out: View, axis: int) -> Step: ...
def pad_step(x: View, out: View, before: Sequence[int], value: bytes) -> Step: ...
def take_step(x: View, indices: View, out: View, axis: int) -> Step: ...
def take_along_axis_step(x: View, indices: View, out: View, axis: int) -> Step: ...
def gather_nd_step(x: View, indices: View, out: View) -> Step: ...
def scatter_step(x: View, indices: View, updates: View, out: View, mode: str) -> Step: ...
def descend_step(table: View, indices: View, updates: View, rate: View, out: View) -> Step: ...
def dynamic_slice_step(x: View, starts: View, out: View) -> Step: ...
def dynamic_update_slice_step(x: View, update: View, starts: View, out: View) -> Step: ...
def conv_step(
    x: View,
    kernel: View,
    y: View,
    *,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    epilogue: Step | None = None,
) -> Step: ...
def conv_transpose_step(
    x: View,
    kernel: View,
    y: View,
    *,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> Step: ...
def conv_kernel_grad_step(
    x: View,
    g: View,
    out: View,
    *,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
) -> Step: ...
def max_pool_step(
    x: View, y: View, *, window: Sequence[int], strides: Sequence[int], pads: Sequence[tuple[int, int]]
) -> Step: ...
def max_pool_grad_step(
    x: View,
    g: View,
    out: View,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> Step: ...
def max_pool_pick_step(
    x: View,
    values: View,
    out: View,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> Step: ...
def avg_pool_step(
    x: View, y: View, *, window: Sequence[int], strides: Sequence[int], pads: Sequence[tuple[int, int]]
) -> Step: ...
def avg_pool_grad_step(
    g: View, out: View, *, window: Sequence[int], strides: Sequence[int], pads: Sequence[tuple[int, int]]
) -> Step: ...
def lstm_step(
    x: View,
    h0: View,
    c0: View,
    kernel: View,
    recurrent: View,
    bias: View | None,
    mask: View | None,
    outputs: View | None,
    h: View,
    c: View,
    gates: View | None,
    cells: View | None,
    before: View | None,
    reverse: bool,
) -> Step: ...
def lstm_grad_step(
    outputs_grad: View | None,
    h_grad: View | None,
    c_grad: View | None,
    x: View,
    c0: View,
    kernel: View,
    recurrent: View,
    mask: View | None,
    gates: View,
    cells: View,
    before: View,
    x_grad: View | None,
    h0_grad: View,
    c0_grad: View,
    kernel_grad: View,
    recurrent_grad: View,
    bias_grad: View | None,
    reverse: bool,
) -> Step: ...
def gru_step(
    x: View,
    h0: View,
    kernel: View,
    recurrent: View,
    bias: View | None,
    mask: View | None,
    outputs: View | None,
    h: View,
    gates: View | None,
    before: View | None,
    reverse: bool,
) -> Step: ...
def gru_grad_step(
    outputs_grad: View | None,
    h_grad: View | None,
    x: View,
    kernel: View,
    recurrent: View,
    mask: View | None,
    gates: View,
    before: View,
    x_grad: View | None,
    h0_grad: View,
    kernel_grad: View,
    recurrent_grad: View,
    bias_grad: View | None,
    reverse: bool,
) -> Step: ...
def attention_step(
    q: View,
    k: View,
    v: View,
    bias: View | None,
    mask: View | None,
    y: View,
    scale: float,
    soft_cap: float,
    causal: bool,
) -> Step: ...
def extreme_step(x: View, out: View, axis: int, largest: bool) -> Step: ...
def running_step(x: View, out: View, axis: int, kind: str) -> Step: ...
def sort_step(x: View, values: View | None, positions: View | None, axis: int) -> Step: ...
def top_k_step(x: View, values: View, positions: View, k: int) -> Step: ...
