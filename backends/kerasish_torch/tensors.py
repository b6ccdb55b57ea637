"""Dtypes, devices and host data: the ground on which the torch engine's tables stand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch._C._functorch import peek_interpreter_stack

from kerasish.core import dtypes, trees
from kerasish.core.registry import current_device

Tensor = Any

#: kerasish name -> torch dtype, and back.
DTYPES: dict[str, Any] = {name: getattr(torch, name) for name in dtypes.ALL}
NAMES: dict[Any, str] = {dtype: name for name, dtype in DTYPES.items()}
FLOATS = frozenset(DTYPES[name] for name in dtypes.FLOATS)
BFLOAT16 = dtypes.to_numpy("bfloat16")  # as NumPy has it
HALVES = frozenset((torch.float16, torch.bfloat16))

#: How many gradients are being taken around the running code: with any, gradients must be differentiable themselves.
depth: ContextVar[int] = ContextVar("kerasish_torch_depth", default=0)
#: Whether the running step was given its state for keeps, so that it may overwrite it.
donated: ContextVar[bool] = ContextVar("kerasish_torch_donated", default=False)
#: What watches the running step in order to repeat it (`kerasish_torch.replay.Watcher`).
watcher: ContextVar[Any] = ContextVar("kerasish_torch_watcher", default=None)

_LIBRARY = torch.library.Library("kerasish", "DEF")
#: Functions that torch knows as one operation of its own -> what they run.
OPERATORS: dict[Any, Callable[..., Any]] = {}


def operation(schema: str, function: Callable[..., Any]) -> Any:
    """`function`, as one operation to torch and to those who watch it."""
    name = schema.partition("(")[0]
    _LIBRARY.define(schema)
    _LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    found = getattr(torch.ops.kerasish, name).default
    OPERATORS[found] = function
    return found


@functools.cache
def devices() -> tuple[str, ...]:
    """The devices torch sees, the default first.

    Apple's accelerator comes after the CPU: it has no float64, which NumPy data often is.
    """
    if torch.cuda.is_available():
        return (*(f"gpu:{i}" for i in range(torch.cuda.device_count())), "cpu:0")
    return ("cpu:0", "gpu:0") if torch.backends.mps.is_available() else ("cpu:0",)


@functools.cache
def torch_device(name: str | None) -> Any:
    """The torch device of a kerasish name; None means the default."""
    kind, _, index = (name or devices()[0]).partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    return torch.device("cuda" if torch.cuda.is_available() else "mps", int(index or 0))


def place() -> Any:
    """The torch device on which new tensors are made."""
    return torch_device(current_device())


def from_host(array: np.ndarray, device: Any) -> Tensor:
    """A tensor that shares no memory with `array`."""
    # torch.from_numpy wants writable arrays without negative strides; moving to an accelerator copies by itself.
    ready = device.type != "cpu" and array.flags.c_contiguous and array.flags.writeable
    copied = array if ready else np.array(array, order="C")
    bfloat16 = copied.dtype == BFLOAT16
    x = torch.from_numpy(copied.view(np.int16) if bfloat16 else copied)
    watch = watcher.get()
    if watch is not None:
        watch.constant(x)
    return (x.view(torch.bfloat16) if bfloat16 else x).to(device)


def to_host(x: Tensor) -> np.ndarray:
    """The values of a tensor in an array of its own: a training step may overwrite the tensor in place."""
    watch = watcher.get()
    if watch is not None:
        watch.clear = False
    x = x.detach().cpu() if x.device.type != "cpu" else x.detach().clone()
    if x.dtype is torch.bfloat16:
        return x.view(torch.int16).numpy().view(BFLOAT16)
    return x.numpy()


def transformed() -> bool:
    """Whether a `torch.func` transform (jvp, vmap) is running: some kernels have no rule for it."""
    return peek_interpreter_stack() is not None


def differentiable_once() -> bool:
    """Whether kernels suffice that have a first derivative and no more: nothing asks for second or forward ones."""
    return depth.get() < 2 and peek_interpreter_stack() is None


def traced(x: Tensor) -> bool:
    """Whether the values of `x` cannot be looked at: a tensor of a tracer, or one inside a `torch.func` transform."""
    kind = x.__class__
    known = kind is torch.Tensor or kind is torch.nn.Parameter
    return not known or peek_interpreter_stack() is not None


def at_hand(x: Tensor) -> bool:
    """Whether a kernel may look at values: on a device it would wait for all work before, in a program not see them."""
    return x.device.type == "cpu" and watcher.get() is None and not traced(x)


def separated(tree: Any) -> tuple[list[Tensor], Callable[[Any], Any]]:
    """The tensors of a tree, and a function that puts other ones in their places."""
    found: list[Tensor] = []
    outline = trees.separate(tree, torch.Tensor, found)
    return found, lambda tensors: trees.unite(outline, iter(tensors))
