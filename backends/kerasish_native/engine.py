"""The native engine: NumPy arrays outside, boxes while gradients are taken, traced values while compiling."""

from __future__ import annotations

import contextvars
import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from kerasish.core import dtypes
from kerasish.core.contract import Engine
from kerasish.core.registry import TABLE
from kerasish_native import control, gradients, vjps, vjps_linalg  # noqa: F401  the last two fill the table of rules
from kerasish_native._load import REMEDY, load_kernels
from kerasish_native.compile import compiled
from kerasish_native.dispatch import KERNELS, n
from kerasish_native.overrides import EAGER, OVERRIDES
from kerasish_native.reference import KERNELS as REFERENCE
from kerasish_native.tape import Box, bottom
from kerasish_native.trace import Traced

Kernel = Callable[..., Any]

#: Dtypes whose products NumPy sums as they are.
_WIDE = (np.dtype("float32"), np.dtype("float64"))

#: Kernels that never make NumPy warn: they need no silence around them.
_SILENT = frozenset({
    "arange", "bitcast", "broadcast_to", "concatenate", "dynamic_slice", "dynamic_update_slice", "flip", "full",
    "gather_nd", "logical_and", "logical_not", "logical_or", "logical_xor", "pad", "random_bits", "random_uniform",
    "reshape", "scatter_update", "slice", "stop_gradient", "take", "take_along_axis", "transpose", "where",
})  # fmt: skip


class _Silence(threading.local):
    """A context of each thread's own in which NumPy does not warn: to run a kernel there takes a tenth of a µs."""

    def __init__(self) -> None:
        self.run = contextvars.copy_context().run
        self.run(np.seterr, all="ignore")


_SILENCE = _Silence()


def hushed(kernel: Kernel) -> Kernel:
    """`quiet` for kernels that call no kernel of this table themselves (a context can be entered once at a time)."""

    @functools.wraps(kernel)
    def run(*args: Any, **keywords: Any) -> Any:
        return _SILENCE.run(kernel, *args, **keywords)

    return run


def quiet(kernel: Kernel) -> Kernel:
    """`kernel` without NumPy's floating-point warnings: infinities and NaNs are results like any other."""

    @functools.wraps(kernel)
    def run(*args: Any, **keywords: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(*args, **keywords)

    return run


def _relu(x: Any, /) -> Any:
    return np.asarray(np.maximum(x, x.dtype.type(0))) if x.__class__ is np.ndarray else NotImplemented


def _dense(x: Any, kernel: Any, bias: Any, /) -> Any:
    if not x.__class__ is kernel.__class__ is np.ndarray or x.ndim != 2 or x.dtype not in _WIDE:
        return NotImplemented
    if x.dtype != kernel.dtype or (bias is not None and x.dtype != bias.dtype):
        return NotImplemented
    y = np.matmul(x, kernel)
    if bias is not None:
        y += bias
    return y


def _basic_index(x: Any, /, *, items: tuple[Any, ...]) -> Any:
    return np.asarray(x[items]) if x.__class__ is np.ndarray else NotImplemented


def _take_anywhere(x: Any, indices: Any, /, *, axis: int) -> Any:
    if not x.__class__ is indices.__class__ is np.ndarray:
        return NotImplemented
    try:
        return np.asarray(np.take(x, indices, axis))
    except IndexError:
        return NotImplemented


class NativeEngine(Engine):
    """Eager NumPy. Its tensors are plain arrays, which other engines take as host data."""

    name = "native"
    capabilities = frozenset({"host"})
    version = np.__version__
    overrides: ClassVar[dict[str, Kernel]] = {
        **EAGER,
        "dense": hushed(_dense),
        "relu": hushed(_relu),
        "basic_index": _basic_index,
        "take_anywhere": _take_anywhere,
    }

    def __init__(self) -> None:
        eager = {name: kernel if name in _SILENT else hushed(kernel) for name, kernel in REFERENCE.items()}
        self.primitives = {**eager, **control.KERNELS}  # type: ignore[misc]

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, (np.ndarray, np.generic))

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> np.ndarray:
        return np.array(value, dtypes.to_numpy(dtype))

    def feed(self, value: np.ndarray, *, owned: bool = False) -> np.ndarray:
        return value

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(bottom(x))

    def shape_of(self, x: Any) -> tuple[int, ...]:
        return x.shape  # type: ignore[no-any-return]

    def dtype_of(self, x: Any) -> str:
        dtype = x.dtype
        return dtype if dtype.__class__ is str else dtypes.of_numpy(dtype)

    def is_traced(self, x: Any) -> bool:
        return bottom(x).__class__ is Traced

    def facts(self) -> dict[str, Any]:
        module = load_kernels()
        if module is None:
            return {"kernels": "NumPy reference (slow)", "remedy": REMEDY}
        cpu = module.cpu_features()
        return {
            "kernels": "compiled",
            "instruction_set": cpu["isa"],
            "cpu_features": cpu["features"],
            "threads": module.num_threads(),
        }

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Callable[..., Any], inputs: list[Any]) -> Any:
        return gradients.vjp(fn, inputs)

    def value_and_grad(self, fn: Callable[..., Any], inputs: list[Any]) -> Any:
        return gradients.value_and_grad(fn, inputs)

    def jvp(self, fn: Callable[..., Any], inputs: list[Any], tangents: list[Any]) -> Any:
        return gradients.jvp(fn, inputs, tangents)

    def custom_gradient(self, fn: Callable[..., Any], inputs: list[Any]) -> Any:
        return gradients.custom_gradient(fn, inputs)

    def compile(
        self, fn: Callable[..., Any], *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        return compiled(fn, donate=donate, options=options or {})

    def vectorize(self, fn: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        length = inputs[0].shape[0]
        _, ys = control.scan([], list(inputs), fn=lambda _, row: ([], fn(*row)), length=length, reverse=False)
        return ys


class TracingEngine(NativeEngine):
    """Owner of boxes and traced values: its primitives record. Never in force by itself."""

    priority = 2
    capabilities = frozenset({"traced_host"})
    overrides = OVERRIDES

    def __init__(self) -> None:
        recorded = {name: getattr(n, name) for name in REFERENCE}
        recorded["concatenate"] = lambda xs, *, axis: n.concatenate(*xs, axis=axis)
        self.primitives = {  # type: ignore[misc]
            **{name: quiet(kernel) for name, kernel in recorded.items()},
            **control.KERNELS,
        }

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, (Box, Traced, np.ndarray, np.generic))


def _use_compiled_threefry() -> None:
    """Take random words from the C++ generator where it was built."""
    module: Any = load_kernels()
    if module is None or not _knows_draws(module):
        return

    def through(function: Callable[..., Any]) -> Kernel:
        def kernel(key: np.ndarray, *, shape: Sequence[int], draw: int) -> np.ndarray:
            k0, k1 = key.tolist()
            words = function(k0, k1, math.prod(shape), 2 * draw & 0xFFFFFFFF)
            return words.reshape(shape)  # type: ignore[no-any-return]

        return kernel

    KERNELS["random_bits"] = through(module.random_bits)
    KERNELS["random_uniform"] = through(module.random_uniform)


def _knows_draws(module: Any) -> bool:
    """Whether the extension is new enough to take the counter's second word (an editable install may be stale)."""
    try:
        module.random_bits(0, 0, 0, 0)
    except TypeError:
        return False
    return True


def build() -> NativeEngine:
    """Make the engine, and tell kerasish which engine runs operations on boxes and traced values."""
    _use_compiled_threefry()
    engine = NativeEngine()
    engine.primitives.update(random_bits=KERNELS["random_bits"], random_uniform=KERNELS["random_uniform"])
    tracing = TracingEngine()
    TABLE[Box] = TABLE[Traced] = tracing
    return engine
