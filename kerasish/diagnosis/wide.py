"""The reference: an engine that computes everything in float64 and says it were the dtype that was asked for.

It runs the host engine's primitives on float64 arrays, whatever float dtype a layer declares: casts to narrower floats
lose nothing, so what comes out is what the model means, free of rounding. Control flow is Python's. Its own tape works
by whole primitives, which lets a `Run` put rounding noise into both directions (`rounding`), and lets a watcher see
every operation.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core import primitives as declared
from kerasish.core.abstract import AbstractTensor
from kerasish.core.contract import Engine
from kerasish.core.convert import host_cast
from kerasish.core.operators import TensorOperators
from kerasish.core.primitive import RULES
from kerasish.core.registry import TABLE, host_engine, use_backend
from kerasish.diagnosis import rounding
from kerasish.diagnosis.tape import Entry, Tape, gradients

Arrays = list[Any]
Watch = Callable[[str, bool, tuple[Any, ...], dict[str, Any]], Any]


class WideTensor(TensorOperators):
    """A float64 array (integers and bools as they are) under the name of the dtype it stands for.

    Args:
        array: The values; of any float dtype, widened where they are used. Or a function that fetches them.
        dtype: The declared dtype.
        shape: Sizes; needed with a function.
    """

    __slots__ = ("__weakref__", "_array", "dtype", "number", "shape")

    def __init__(self, array: Any, dtype: str, shape: tuple[int, ...] | None = None) -> None:
        self._array = array
        self.dtype = dtype
        #: Where it was made, for whoever records (`program`).
        self.number: int | None = None
        self.shape: tuple[int, ...] = tuple(array.shape) if shape is None else shape

    @property
    def value(self) -> np.ndarray:
        """The values, floats as float64."""
        array = self._array() if callable(self._array) else self._array
        return widened(array)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def alias(self) -> WideTensor:
        """Another tensor of the same values: an identity of its own for a tape."""
        return WideTensor(self._array, self.dtype, self.shape)

    def numpy(self) -> np.ndarray:
        """The values, rounded to the declared dtype."""
        array = self._array() if callable(self._array) else self._array
        return rounded(array, self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.numpy(), dtype=dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __repr__(self) -> str:
        return f"<{self.dtype} in float64: {self.value!r}>"


def widened(array: Any) -> np.ndarray:
    """Floats as float64, anything else as it is."""
    found: np.ndarray = np.asarray(array)
    if found.dtype != np.float64 and dtypes.is_float(dtypes.of_numpy(found.dtype)):
        with np.errstate(invalid="ignore"):
            found = found.astype(np.float64)
    return found


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """Values in the dtype they stand for."""
    result: np.ndarray = array if dtypes.of_numpy(array.dtype) == dtype else host_cast(array, dtype)
    return result


# -- how it runs -------------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Run:
    """What is true of the reference's computation for a while.

    Attributes:
        noise: Source of rounding noise; None computes exactly.
        product_bits: Bits that operands of products are rounded to (None: not at all).
        tapes: Open gradients, outermost first.
        watch: Sees each operation and runs it: `watch(name, is_composite, args, keywords)`.
        composites: Names of the composites that `watch` sees whole.
        peaks: Collects (largest finite magnitude, declared dtype) of each step's results, or None.
    """

    noise: np.random.Generator | None = None
    product_bits: int | None = None
    tapes: tuple[Tape, ...] = ()
    watch: Watch | None = None
    composites: frozenset[str] = frozenset()
    peaks: list[tuple[float, str]] | None = None


_RUN: ContextVar[Run] = ContextVar("kerasish_reference_run", default=Run())  # noqa: B039  a frozen object


@contextmanager
def running(**changes: Any) -> Iterator[Run]:
    """Run the reference differently for a while; names as in `Run`."""
    run = dataclasses.replace(_RUN.get(), **changes)
    token = _RUN.set(run)
    try:
        yield run
    finally:
        _RUN.reset(token)


def current_run() -> Run:
    """How the reference runs now."""
    return _RUN.get()


class _Overrides(dict[str, Callable[..., Any]]):
    """Composites that the watcher of the moment wants to see whole; none otherwise."""

    def get(self, name: str, default: Any = None) -> Any:
        run = _RUN.get()
        if run.watch is None or name not in run.composites:
            return default
        watch = run.watch
        return lambda *args, **keywords: watch(name, True, args, keywords)


class WideEngine(Engine):
    """Float64 under the declared dtypes, on the host engine's primitives."""

    name = "reference"
    capabilities = frozenset({"eager_only"})

    def __init__(self) -> None:
        known = host_engine().primitives.keys() & RULES.keys()
        self.primitives = {name: self._entry(name) for name in known}  # type: ignore[misc]
        self.overrides = _Overrides()  # type: ignore[misc]
        TABLE[WideTensor] = self

    # -- primitives ------------------------------------------------------------------------------------------------
    def _entry(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **keywords: Any) -> Any:
            watch = _RUN.get().watch
            if watch is not None:
                return watch(name, False, args, keywords)
            return self.execute(name, args, keywords)

        return call

    def execute(self, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run a primitive, unseen by the watcher."""
        if name in _CONTROL:
            return _CONTROL[name](*args, **keywords)
        specs = tuple(_spec(x) for x in args)
        promised = RULES[name](*specs, **keywords)
        several = isinstance(promised, (tuple, list))
        outputs = list(promised) if several else [promised]
        tensors = [x for x in trees.flatten(list(args)) if isinstance(x, WideTensor)]
        low = dict(keywords)
        if dtypes.is_float(keywords.get("dtype", "bool")):
            low["dtype"] = "float64" if name != "bitcast" else keywords["dtype"]
        kernel = getattr(declared, name)

        def run(*arrays: Any) -> Arrays:
            given = iter(arrays)
            filled = trees.map_structure(
                lambda x: next(given) if isinstance(x, WideTensor) else x, list(args)
            )
            if name == "bitcast":
                filled = [rounded(filled[0], tensors[0].dtype)]
            with use_backend(host_engine()):
                found = kernel(*filled, **low)
            return list(found) if isinstance(found, (tuple, list)) else [found]

        results = self.apply(name, run, tensors, [y.dtype for y in outputs], low)
        return type(promised)(results) if several else results[0]

    def apply(
        self,
        name: str,
        run: Callable[..., Arrays],
        tensors: Sequence[WideTensor],
        promised: Sequence[str],
        options: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """`run` on the tensors' arrays as one step of every open tape; None among its results stays None.

        Args:
            name: For the noise model; "gradient of NAME" backwards.
            run: From host arrays to host arrays; differentiable by the host engine.
            tensors: Its arguments.
            promised: Declared dtypes of its results.
            options: The primitive's keywords.
        """
        state = _RUN.get()
        arrays = [x.value for x in tensors]
        bits = state.product_bits
        if bits is not None and rounding.bare(name) in rounding.PRODUCTS:
            run = _on_shortened(run, bits)

        found = run(*arrays)
        if state.noise is not None:
            step = rounding.Step(
                name, run, arrays, [x.dtype for x in tensors], found, list(promised), options or {}
            )
            found = rounding.disturbed(step, state.noise)
        if state.peaks is not None:
            state.peaks.extend((_peak(y), d) for y, d in zip(found, promised, strict=True) if y is not None)
        outputs = [
            None if y is None else WideTensor(widened(y), dtype)
            for y, dtype in zip(found, promised, strict=True)
        ]
        for tape in state.tapes:
            tape.record(Entry(name, run, None, list(tensors), outputs))
        return outputs

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, WideTensor)

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> WideTensor:
        value = np.array(value)
        return WideTensor(rounded(value, dtype), dtype)

    def to_numpy(self, x: WideTensor) -> np.ndarray:
        return x.numpy()

    def shape_of(self, x: WideTensor) -> tuple[int, ...]:
        return x.shape

    def dtype_of(self, x: WideTensor) -> str:
        return x.dtype

    def is_traced(self, x: WideTensor) -> bool:
        return False

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Callable[..., Any], inputs: list[WideTensor]) -> Any:
        leaves = [x.alias() for x in inputs]
        for outer in _RUN.get().tapes:  # the leaves depend on what the inputs depend on
            for x, leaf in zip(inputs, leaves, strict=True):
                outer.record(Entry("alias", lambda array: [array], None, [x], [leaf]))
        tape = Tape(leaves)
        with running(tapes=(*_RUN.get().tapes, tape)):
            outputs, aux = fn(*leaves)
        ends = list(outputs)
        return ends, aux, lambda cotangents: gradients(self, tape, ends, list(cotangents), leaves)

    def value_and_grad(self, fn: Callable[..., Any], inputs: list[WideTensor]) -> Any:
        def listed(*xs: WideTensor) -> Any:
            value, aux = fn(*xs)
            return [value], aux

        (value,), aux, pullback = self.vjp(listed, inputs)
        found = pullback([WideTensor(np.ones(()), value.dtype)])
        return value, aux, [zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]

    def jvp(self, fn: Callable[..., Any], inputs: list[WideTensor], tangents: list[WideTensor]) -> Any:
        outputs, _, pullback = self.vjp(lambda *xs: (fn(*xs), None), inputs)

        def transposed(*cotangents: WideTensor) -> Any:
            found = pullback(list(cotangents))
            return [zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)], None

        # The pullback is linear, and its own pullback is the derivative forwards.
        _, _, forward = self.vjp(transposed, [zeros_like(y) for y in outputs])
        slopes = forward(list(tangents))
        return outputs, [zeros_like(y) if s is None else s for y, s in zip(outputs, slopes, strict=True)]

    def custom_gradient(self, fn: Callable[..., Any], inputs: list[WideTensor]) -> list[WideTensor]:
        tapes = _RUN.get().tapes
        with running(tapes=()):
            outputs, pullback = fn(*inputs)
        results = [y.alias() for y in outputs]
        for tape in tapes:
            tape.record(Entry("custom_gradient", None, pullback, list(inputs), results))
        return results

    def compile(
        self, fn: Callable[..., Any], *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        return fn

    def vectorize(self, fn: Callable[..., Any], inputs: list[WideTensor]) -> list[WideTensor]:
        length = inputs[0].shape[0]
        _, ys = _scan([], list(inputs), fn=lambda _, row: ([], fn(*row)), length=length, reverse=False)
        return list(ys)


def _on_shortened(run: Callable[..., Arrays], bits: int) -> Callable[..., Arrays]:
    return lambda *given: run(*(rounding.shortened(a, bits) for a in given))


def _peak(y: np.ndarray) -> float:
    magnitude = np.abs(np.asarray(y, np.float64))
    return float(np.max(magnitude, initial=0.0, where=np.isfinite(magnitude)))


def zeros_like(x: WideTensor) -> WideTensor:
    """Zeros of the shape and dtype of `x`."""
    return WideTensor(np.zeros(x.shape, x.value.dtype), x.dtype)


def _spec(x: Any) -> Any:
    if isinstance(x, WideTensor):
        return AbstractTensor(x.shape, x.dtype)
    return [_spec(item) for item in x] if isinstance(x, list) else x


@functools.cache
def wide_engine() -> WideEngine:
    """The one reference engine of the process.

    Example:
        >>> import kerasish
        >>> with kerasish.use_backend(wide_engine()):
        ...     third = kerasish.ops.divide(kerasish.ops.ones((), "float32"), 3.0)
        >>> third.dtype, float(third.value) == 1 / 3
        ('float32', True)
    """
    return WideEngine()


# -- control flow: Python's --------------------------------------------------------------------------------------------
def _cond(pred: Any, operands: list[Any], /, *, true_fn: Any, false_fn: Any) -> list[Any]:
    return list((true_fn if bool(pred) else false_fn)(*operands))


def _while_loop(state: list[Any], /, *, cond_fn: Any, body_fn: Any) -> list[Any]:
    state = list(state)
    while bool(cond_fn(*state)):
        state = list(body_fn(*state))
    return state


def _scan(init: list[Any], xs: list[Any], /, *, fn: Any, length: int, reverse: bool) -> Any:
    if not length:
        _, ys = RULES["scan"](init, [_spec(x) for x in xs], fn=fn, length=0, reverse=reverse)
        return list(init), [
            WideTensor(np.zeros(tuple(y.shape), dtypes.to_numpy(y.dtype)), y.dtype) for y in ys
        ]
    p = wide_engine().primitives  # seen by the watcher, like what the body computes
    carry, rows = list(init), []
    for t in reversed(range(length)) if reverse else range(length):
        carry, ys = fn(list(carry), [_row(p, x, t) for x in xs])
        carry = list(carry)
        rows.append([p["reshape"](y, shape=(1, *y.shape)) for y in ys])
    if reverse:
        rows.reverse()
    columns = [list(column) for column in zip(*rows, strict=True)]
    return carry, [p["concatenate"](column, axis=0) for column in columns]


def _row(p: dict[str, Callable[..., Any]], x: WideTensor, t: int) -> Any:
    rest = (0,) * (x.ndim - 1)
    row = p["slice"](x, start=(t, *rest), stop=(t + 1, *x.shape[1:]), step=(1,) * x.ndim)
    return p["reshape"](row, shape=x.shape[1:])


_CONTROL: dict[str, Callable[..., Any]] = {"cond": _cond, "while_loop": _while_loop, "scan": _scan}
#: Primitives that run functions they are given.
CONTROL = frozenset(_CONTROL)
