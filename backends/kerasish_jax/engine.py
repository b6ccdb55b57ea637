"""The jax engine: tensors are `jax.Array`s, compiled functions are `jax.jit`'s."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from kerasish.core import dtypes
from kerasish.core.contract import Engine
from kerasish.core.registry import TABLE
from kerasish_jax.calls import WIDE, any_wide, is_wide, run
from kerasish_jax.fast import OVERRIDES
from kerasish_jax.primitives import PRIMITIVES, device_named

_NAMES = {dtypes.to_numpy(name): name for name in dtypes.ALL}


class JaxEngine(Engine):
    """kerasish on jax."""

    name = "jax"
    version = jax.__version__
    primitives = PRIMITIVES
    overrides = OVERRIDES

    def __init__(self) -> None:
        TABLE[type(jnp.zeros(()))] = self

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, jax.Array)

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> Array:
        # A copy: jax would share the memory of some NumPy arrays, which their owner may change.
        host = np.asarray(value, dtypes.to_numpy(dtype))
        return run(dtype in WIDE, jnp.array, host, device=device_named(device))

    def to_numpy(self, x: Array) -> np.ndarray:
        return np.asarray(x)

    def shape_of(self, x: Array) -> tuple[int, ...]:
        return x.shape

    def dtype_of(self, x: Array) -> str:
        try:
            return _NAMES[x.dtype]
        except KeyError:
            return dtypes.canonical(x.dtype.name)

    def is_traced(self, x: Array) -> bool:
        return isinstance(x, Tracer)

    # -- devices ---------------------------------------------------------------------------------------------------
    def devices(self) -> list[str]:
        found = {_device_name(device): None for device in (*jax.devices(), *jax.devices("cpu"))}
        return list(found)

    def device_of(self, x: Array) -> str:
        held = next(iter(x.devices())) if not isinstance(x, Tracer) else jax.devices()[0]
        return _device_name(held)

    def to_device(self, x: Array, device: str) -> Array:
        return run(is_wide(x), jax.device_put, x, device_named(device))

    def synchronize(self, tensors: Sequence[Array] = ()) -> None:
        if not tensors:
            jax.effects_barrier()
            tensors = [x for x in jax.live_arrays() if not x.is_deleted()]
        jax.block_until_ready(tensors)

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Any, inputs: list[Array]) -> Any:
        wide = any_wide(inputs)
        split = _Differentiable(fn, inputs)
        outputs, back, aux = run(wide, jax.vjp, split.call, *split.floats, has_aux=True)
        used = _dependence(back, len(split.floats))
        floating = [_is_float(y) for y in outputs]

        def pullback(cotangents: list[Array]) -> list[Array | None]:
            given = [
                c if is_float else np.zeros(y.shape, jax.dtypes.float0)
                for c, y, is_float in zip(cotangents, outputs, floating, strict=True)
            ]
            found = run(wide or any_wide(cotangents), back, given)
            return split.spread([g if use else None for g, use in zip(found, used, strict=True)])

        return outputs, aux, pullback

    def value_and_grad(self, fn: Any, inputs: list[Array]) -> tuple[Array, Any, list[Array]]:
        split = _Differentiable(fn, inputs, scalar=True)
        value, back, aux = run(any_wide(inputs), jax.vjp, split.call, *split.floats, has_aux=True)
        gradients = run(any_wide(inputs), lambda: back(jnp.ones((), value.dtype)))
        spread = split.spread(list(gradients))
        return (
            value,
            aux,
            [
                run(is_wide(x), jnp.zeros_like, x) if g is None else g
                for g, x in zip(spread, inputs, strict=True)
            ],
        )

    def jvp(self, fn: Any, inputs: list[Array], tangents: list[Array]) -> tuple[list[Array], list[Array]]:
        split = _Differentiable(lambda *xs: (fn(*xs), None), inputs)
        moving = [t for t, x in zip(tangents, inputs, strict=True) if _is_float(x)]
        outputs, moved = run(
            any_wide(inputs),
            jax.jvp,
            lambda *xs: list(split.call(*xs)[0]),
            tuple(split.floats),
            tuple(moving),
        )
        zeros = [
            run(is_wide(y), jnp.zeros_like, y) if not _is_float(y) else t
            for y, t in zip(outputs, moved, strict=True)
        ]
        return list(outputs), zeros

    def custom_gradient(self, fn: Any, inputs: list[Array]) -> list[Array]:
        return run(any_wide(inputs), _custom_gradient, fn, inputs)

    def feed(self, value: np.ndarray, *, owned: bool = False) -> np.ndarray:
        # A compiled call places host arrays itself, several times faster than making jax arrays first. It may read
        # their memory while it runs, after it returned.
        return value if owned else value.copy()

    def compile(
        self, fn: Any, *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        if (options or {}).get("jit", "auto") is False:
            return fn
        return _Compiled(fn, donate)

    def vectorize(self, fn: Any, inputs: list[Array]) -> list[Array]:
        return list(run(any_wide(inputs), jax.vmap(lambda *xs: list(fn(*xs))), *inputs))


def _device_name(device: jax.Device) -> str:
    same = jax.devices(device.platform)
    return f"{device.platform}:{same.index(device)}"


def _is_float(x: Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


class _Differentiable:
    """A function of its float inputs only: jax refuses to differentiate by integers."""

    def __init__(self, fn: Callable[..., Any], inputs: list[Array], scalar: bool = False) -> None:
        self.fn, self.inputs, self.scalar = fn, inputs, scalar
        self.positions = [i for i, x in enumerate(inputs) if _is_float(x)]
        self.floats = [inputs[i] for i in self.positions]

    def call(self, *floats: Array) -> tuple[Any, Any]:
        """(outputs, aux) at the given float inputs and the original other ones."""
        values = list(self.inputs)
        for i, x in zip(self.positions, floats, strict=True):
            values[i] = x
        outputs, aux = self.fn(*values)
        return (outputs if self.scalar else list(outputs)), aux

    def spread(self, gradients: list[Any]) -> list[Any]:
        """One entry an input, None for those that are not floats."""
        result: list[Any] = [None] * len(self.inputs)
        for i, g in zip(self.positions, gradients, strict=True):
            result[i] = g
        return result


def _dependence(back: Any, count: int) -> list[bool]:
    """For each input whether the outputs depend on it: whether the linear program that `jax.vjp` kept reads it."""
    jaxpr = back.jaxpr
    read = {id(v) for equation in jaxpr.eqns for v in equation.invars} | {id(v) for v in jaxpr.outvars}
    return [id(v) in read for v in jaxpr.invars[len(jaxpr.invars) - count :]]


def _cotangents(gradients: Sequence[Array | None], xs: Sequence[Array]) -> list[Array]:
    return [jnp.zeros_like(x) if g is None else g for g, x in zip(gradients, xs, strict=True)]


def _custom_gradient(fn: Callable[..., Any], inputs: list[Array]) -> list[Array]:
    """Both directions become programs without closures first: `jax.custom_vjp` refuses closures over other tracers."""
    kept: dict[str, Any] = {}

    def both(*xs: Array) -> tuple[list[Array], list[Array]]:
        outputs, pullback = fn(*xs)
        kept["back"] = jax.make_jaxpr(lambda *cts: _cotangents(pullback(list(cts)), xs))(*outputs)
        return list(outputs), list(kept["back"].consts)

    program = jax.make_jaxpr(both)(*inputs)
    back = kept["back"].jaxpr

    def forward(constants: Any, xs: Any) -> tuple[list[Array], list[Array]]:
        results = jax.core.eval_jaxpr(program.jaxpr, constants, *xs)
        split = len(results) - len(back.constvars)
        return results[:split], results[split:]

    def backward(residuals: Any, cotangents: Any) -> tuple[None, list[Array]]:
        given = [
            jnp.zeros(ct.shape, v.aval.dtype) if ct.dtype == jax.dtypes.float0 else ct
            for ct, v in zip(cotangents, back.invars, strict=True)
        ]
        gradients = jax.core.eval_jaxpr(back, residuals, *given)
        return None, [g if _is_float(x) else None for g, x in zip(gradients, inputs, strict=True)]

    call = jax.custom_vjp(lambda constants, xs: forward(constants, xs)[0])
    call.defvjp(forward, backward)
    return list(call(list(program.consts), list(inputs)))


class _NeedsWide(Exception):
    """Tracing met 64-bit arguments outside of `enable_x64`."""


class _Compiled:
    """`jax.jit` that keeps 64-bit dtypes and does not warn where a donated tensor could not be reused."""

    def __init__(self, fn: Callable[..., Any], donate: tuple[int, ...]) -> None:
        self.fn = fn
        self.donate = donate
        self.wide = False
        self.quiet: warnings.catch_warnings[None] | None = None
        self.jitted = jax.jit(self._trace, donate_argnums=donate)

    def _trace(self, *args: Any) -> Any:
        if not self.wide and any_wide(args):
            raise _NeedsWide
        if self.quiet is None:  # from here to the end of the call, which compiles: others pay nothing
            self.quiet = warnings.catch_warnings()
            self.quiet.__enter__()
            warnings.filterwarnings("ignore", message="Some donated buffers were not usable")
        return self.fn(*args)

    def __call__(self, *args: Any) -> Any:
        if self.donate:
            args = tuple(_distinct(x) if i in self.donate else x for i, x in enumerate(args))
        try:
            return run(self.wide, self.jitted, *args)
        except _NeedsWide:
            self.wide = True
            return run(True, self.jitted, *args)
        finally:
            if self.quiet is not None:
                self.quiet.__exit__(None, None, None)
                self.quiet = None


def _distinct(tree: Any) -> Any:
    """A donated tree in which no buffer appears twice."""
    leaves, structure = jax.tree_util.tree_flatten(tree)
    if len({id(x) for x in leaves}) == len(leaves):
        return tree
    first = {id(x): i for i, x in reversed(list(enumerate(leaves)))}
    return structure.unflatten(
        [x if first[id(x)] == i else run(is_wide(x), jnp.copy, x) for i, x in enumerate(leaves)]
    )


def build() -> JaxEngine:
    """The engine that the entry point names."""
    return JaxEngine()
