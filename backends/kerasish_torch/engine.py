"""The torch engine: tensors are plain `torch.Tensor`s, everything runs at once unless compiled on request."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from kerasish.core import trees
from kerasish.core.contract import Engine
from kerasish.core.registry import TABLE
from kerasish_torch.compiled import Compiled
from kerasish_torch.fast import OVERRIDES
from kerasish_torch.heap import keep_freed_memory
from kerasish_torch.primitives import PRIMITIVES
from kerasish_torch.replay import Replay
from kerasish_torch.tensors import (
    FLOATS,
    NAMES,
    Tensor,
    depth,
    devices,
    from_host,
    separated,
    to_host,
    torch_device,
    traced,
    transformed,
)


def _detached(tree: Any) -> Any:
    """`tree` with tensors that remember no graph, so that nothing after them is recorded."""
    return trees.map_structure(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, tree)


def _leaf(x: Tensor) -> Tensor:
    """`x` as something to differentiate by: within an outer gradient it stays part of that one's graph."""
    if x.requires_grad:
        return x.view_as(x)
    return x.detach().requires_grad_() if x.dtype in FLOATS else x


@functools.cache
def _load_forward_rules() -> None:
    """Load some of torch's forward-mode rules ahead: torch itself does so by a part of it that it calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("torch._decomp.decompositions_for_jvp")


class _Recording:
    """Runs functions so that gradients can be taken: one level deeper, with autograd on."""

    __slots__ = ("_grad", "_token", "nested")

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        outer = torch.is_grad_enabled()
        self.nested = outer and (depth.get() > 0 or any(x.requires_grad for x in inputs))

    def __enter__(self) -> _Recording:
        self._token = depth.set(depth.get() + 1)
        self._grad = torch.enable_grad()
        self._grad.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._grad.__exit__(*exception)
        depth.reset(self._token)


class _Custom(torch.autograd.Function):
    """A function with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, fn: Callable[..., Any], *inputs: Tensor) -> Any:
        outputs, ctx.pullback = fn(*inputs)
        ctx.fn = fn
        ctx.save_for_backward(*inputs)
        return tuple(y.view_as(y) for y in outputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        pullback = ctx.pullback
        if torch.is_grad_enabled():  # second order: what the pullback closes over must be part of the graph
            pullback = ctx.fn(*ctx.saved_tensors)[1]
        return (None, *pullback(list(cotangents)))


class TorchEngine(Engine):
    """kerasish on PyTorch."""

    name = "torch"
    primitives = PRIMITIVES
    overrides = OVERRIDES
    capabilities = frozenset({"eager", "in_place_step"})
    own_randomness_on = frozenset({"gpu"})  # there Threefry is some hundred kernels a draw
    version = str(torch.__version__)

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, torch.Tensor)

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> Tensor:
        return from_host(value, torch_device(device))

    def feed(self, value: np.ndarray, *, owned: bool = False) -> Tensor:
        device = torch_device(None)
        flags = value.flags
        if owned and device.type == "cpu" and flags.forc and flags.writeable and value.dtype.kind in "fiub":
            return torch.from_numpy(value)
        return from_host(value, device)

    def to_numpy(self, x: Tensor) -> np.ndarray:
        return to_host(x)

    def shape_of(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape)

    def dtype_of(self, x: Tensor) -> str:
        return NAMES.get(x.dtype) or str(x.dtype).removeprefix("torch.")

    def is_traced(self, x: Tensor) -> bool:
        return traced(x)

    # -- devices ---------------------------------------------------------------------------------------------------
    def devices(self) -> list[str]:
        return list(devices())

    def device_of(self, x: Tensor) -> str:
        return "cpu:0" if x.device.type == "cpu" else f"gpu:{x.device.index or 0}"

    def to_device(self, x: Tensor, device: str) -> Tensor:
        return x.to(torch_device(device))

    def synchronize(self, tensors: Sequence[Tensor] = ()) -> None:
        if len(devices()) > 1:
            torch.accelerator.synchronize()

    def facts(self) -> dict[str, Any]:
        return {"threads": torch.get_num_threads()}

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Callable[..., Any], inputs: list[Tensor]) -> Any:
        if transformed():
            return self._functional_vjp(fn, inputs)
        with _Recording(inputs) as record:
            leaves = [_leaf(x) for x in inputs]
            outputs, aux = fn(*leaves)

        def pullback(cotangents: list[Tensor]) -> list[Tensor | None]:
            pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
            return _gradients(pairs, leaves, record.nested)

        if record.nested:
            return outputs, aux, pullback
        return _detached(outputs), _detached(aux), pullback

    def _functional_vjp(self, fn: Callable[..., Any], inputs: list[Tensor]) -> Any:
        """Inside jvp or vectorize autograd's leaves are refused; torch.func has its own way."""
        rebuilds = []

        def flat(*floats: Tensor) -> Any:
            given = iter(floats)
            outputs, aux = fn(*(next(given) if x.dtype in FLOATS else x for x in inputs))
            found, rebuild = separated(aux)
            rebuilds.append(rebuild)
            return outputs, found

        outputs, pull, found = torch.func.vjp(flat, *(x for x in inputs if x.dtype in FLOATS), has_aux=True)

        def pullback(cotangents: Any) -> list[Tensor | None]:
            gradients = iter(pull(cotangents))
            return [next(gradients) if x.dtype in FLOATS else None for x in inputs]

        return outputs, rebuilds[0](found), pullback

    def value_and_grad(
        self, fn: Callable[..., Any], inputs: list[Tensor]
    ) -> tuple[Tensor, Any, list[Tensor]]:
        if transformed():
            value, aux, pullback = self._functional_vjp(fn, inputs)
            found = pullback(torch.ones_like(value))
            return value, aux, _filled(found, inputs)
        with _Recording(inputs) as record:
            leaves = [_leaf(x) for x in inputs]
            value, aux = fn(*leaves)
        found = _gradients([(value, None)] if value.requires_grad else [], leaves, record.nested, once=True)
        gradients = _filled(found, inputs)
        if record.nested:
            return value, aux, gradients
        return value.detach(), _detached(aux), gradients

    def jvp(
        self, fn: Callable[..., list[Tensor]], inputs: list[Tensor], tangents: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        _load_forward_rules()
        outputs, derivatives = torch.func.jvp(lambda *xs: tuple(fn(*xs)), tuple(inputs), tuple(tangents))
        return list(outputs), list(derivatives)

    def custom_gradient(self, fn: Callable[..., Any], inputs: list[Tensor]) -> list[Tensor]:
        if transformed() or not torch.is_grad_enabled():
            return fn(*inputs)[0]
        return list(_Custom.apply(fn, *inputs))

    def compile(
        self, fn: Callable[..., Any], *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        jit = (options or {}).get("jit", "auto")
        run = Replay(fn, bool(donate), repeats=jit is not False)
        return Compiled(fn, run) if jit is True else run

    def vectorize(self, fn: Callable[..., list[Tensor]], inputs: list[Tensor]) -> list[Tensor]:
        return list(torch.vmap(lambda *xs: tuple(fn(*xs)))(*inputs))


def _filled(gradients: list[Tensor | None], inputs: list[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)]


def _gradients(
    pairs: list[tuple[Tensor, Tensor | None]], leaves: list[Tensor], nested: bool, once: bool = False
) -> list[Tensor | None]:
    """Gradients of outputs, weighted by cotangents, by those leaves that are differentiable."""
    wanted = [x for x in leaves if x.requires_grad]
    if not pairs or not wanted:
        return [None] * len(leaves)
    outputs, weights = zip(*pairs, strict=True)
    create = nested or any(w is not None and w.requires_grad for w in weights)
    with torch.set_grad_enabled(create):
        found = torch.autograd.grad(
            outputs, wanted, weights, allow_unused=True, create_graph=create, retain_graph=create or not once
        )
    gradients = iter(found)
    return [next(gradients) if x.requires_grad else None for x in leaves]


def build() -> TorchEngine:
    """The engine, known to the registry as the owner of torch tensors."""
    keep_freed_memory()
    engine = TorchEngine()
    TABLE[torch.Tensor] = engine
    TABLE[torch.nn.Parameter] = engine
    return engine
