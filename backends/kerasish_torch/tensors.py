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
HALVES = frozenset((torch.float16, torch.bfloat16))

#: How many gradients are being taken around the running code: with any, gradients must be differentiable themselves.
depth: ContextVar[int] = ContextVar("kerasish_torch_depth", default=0)
#: Whether the running step was given its state for keeps, so that it may overwrite it.
donated: ContextVar[bool] = ContextVar("kerasish_torch_donated", default=False)


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
    if copied.dtype.name == "bfloat16":
        return torch.from_numpy(copied.view(np.int16)).view(torch.bfloat16).to(device)
    return torch.from_numpy(copied).to(device)


def to_host(x: Tensor) -> np.ndarray:
    """The values of a tensor in an array of its own: a training step may overwrite the tensor in place."""
    x = x.detach().cpu() if x.device.type != "cpu" else x.detach().clone()
    if x.dtype is torch.bfloat16:
        return x.view(torch.int16).numpy().view(dtypes.to_numpy("bfloat16"))
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
    return (
        kind is not torch.Tensor and kind is not torch.nn.Parameter
    ) or peek_interpreter_stack() is not None


def separated(tree: Any) -> tuple[list[Tensor], Callable[[Any], Any]]:
    """The tensors of a tree, and a function that puts other ones in their places."""
    found: list[Tensor] = []

    def note(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        found.append(leaf)
        return _PLACE

    outline = trees.map_structure(note, tree)

    def rebuild(tensors: Any) -> Any:
        remaining = iter(tensors)
        return trees.map_structure(lambda leaf: next(remaining) if leaf is _PLACE else leaf, outline)

    return found, rebuild


class _Place:
    """Stands for a tensor in an outline."""


_PLACE = _Place()
