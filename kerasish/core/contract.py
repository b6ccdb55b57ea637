"""The engine contract: what an engine package hands to kerasish, and what it may rely on.

An engine is a table of primitives (`kerasish.core.primitives` declares each: signature, meaning, shape rule),
a table of optional overrides for composites, and the few methods below. What an engine may rely on when it is called:

1. tensor arguments are this engine's own tensors, on one device; a Python scalar may stand for one operand of a binary
   primitive (and the branches of `where`), representable in the other operand's dtype;
2. dtypes are already promoted by kerasish's lattice; operands of a binary primitive have equal dtypes;
3. `axis` is a non-negative int or a sorted tuple of them, `shape` a tuple of ints with -1 resolved;
4. every keyword is present; strings such as "same", data formats, masks and seeds are gone (padding: explicit pairs,
   images: channels last);
5. arguments are valid. Where an engine raises all the same, the primitive's shape rule is asked for the reason, so the
   error a user sees speaks kerasish.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from kerasish.core import dtypes
from kerasish.core.errors import BackendNotInstalledError

Tensor = Any
SPEC_VERSION = 1


@dataclasses.dataclass(frozen=True)
class EngineInfo:
    """What an entry point of the group `kerasish.backends` names: cheap to import, loads nothing.

    Args:
        name: The engine's name, as in `set_backend(name)`.
        load: "package.module:function"; the function takes no argument and returns an `Engine`.
        requires: Top-level modules that must be installed.
        install: The line that installs what is required.
        spec_version: Version of the contract the engine was written for.
    """

    name: str
    load: str
    requires: tuple[str, ...] = ()
    install: str = ""
    spec_version: int = SPEC_VERSION

    def missing(self) -> list[str]:
        """The required modules that are not installed."""
        return [module for module in self.requires if importlib.util.find_spec(module) is None]

    def build(self) -> Engine:
        """Import the engine and make it.

        Raises:
            BackendNotInstalledError: A required module is missing.
        """
        missing = self.missing()
        if missing:
            raise BackendNotInstalledError(f"{missing[0]} is not installed.", hint=self.install or None)
        module, _, function = self.load.partition(":")
        engine: Engine = getattr(importlib.import_module(module), function)()
        engine.name = self.name
        return engine


class Engine:
    """Base class of engines. Methods that raise NotImplementedError must be provided.

    Tensors may be of any class with the attributes `shape` (sizes) and `dtype` (a hashable object).
    """

    name: str = ""
    #: The engine with the highest priority among the arguments of an operation runs it (traced beats concrete).
    priority: int = 1
    #: primitive name -> callable with the primitive's signature, all keywords given.
    primitives: ClassVar[dict[str, Callable[..., Any]]] = {}
    #: composite name -> faster equivalent; may return NotImplemented to fall back to the composite.
    overrides: ClassVar[dict[str, Callable[..., Any]]] = {}
    #: Facts other code may ask for: "host" (tensors are NumPy arrays), "eager_only", "in_place_step" ...
    capabilities: frozenset[str] = frozenset()
    #: Kinds of devices ("cpu", "gpu") on which portable random numbers take more than 5 % of a step: unless the user
    #: decides, `own_uniform` stands in for them there.
    own_randomness_on: frozenset[str] = frozenset()
    version: str = ""

    def supports(self, capability: str) -> bool:
        """Whether the engine has a capability."""
        return capability in self.capabilities

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        """Whether `x` is a tensor of this engine (traced ones included)."""
        raise NotImplementedError

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> Tensor:
        """A tensor of `dtype` from host data; `device` None means the engine's default device."""
        raise NotImplementedError

    def feed(self, value: np.ndarray, *, owned: bool = False) -> Any:
        """Host data in the form in which a compiled function takes it best: a tensor, or an array.

        With `owned` nobody else will ever change `value`, so its memory may be shared.
        """
        return self.asarray(value, dtype=dtypes.of_numpy(value.dtype), device=None)

    def to_numpy(self, x: Tensor) -> np.ndarray:
        """The tensor's values on the host; bfloat16 as ml_dtypes.bfloat16. Waits for the device."""
        raise NotImplementedError

    def shape_of(self, x: Tensor) -> tuple[int, ...]:
        """The tensor's shape as a plain tuple."""
        return tuple(x.shape)

    def dtype_of(self, x: Tensor) -> str:
        """The tensor's dtype as a kerasish name."""
        raise NotImplementedError

    def is_traced(self, x: Tensor) -> bool:
        """Whether `x` stands for a value that is not known yet (inside `compile`, `scan` ...)."""
        raise NotImplementedError

    # -- devices ---------------------------------------------------------------------------------------------------
    def devices(self) -> list[str]:
        """The devices this engine sees, best first: ["gpu:0", "cpu:0"]."""
        return ["cpu:0"]

    def device_of(self, x: Tensor) -> str:
        """The device `x` lives on."""
        return "cpu:0"

    def to_device(self, x: Tensor, device: str) -> Tensor:
        """`x` on `device`."""
        return x

    def synchronize(self, tensors: Sequence[Tensor] = ()) -> None:
        """Wait until `tensors` (all work, if none are given) are computed."""

    def facts(self) -> dict[str, Any]:
        """What else `kerasish info` shows: plain numbers, strings and lists by name, such as "threads", "kernels"."""
        return {}

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(
        self, fn: Callable[..., Any], inputs: list[Tensor]
    ) -> tuple[list[Tensor], Any, Callable[[list[Tensor]], list[Tensor | None]]]:
        """Reverse mode. `fn(*inputs) -> (outputs, aux)`; returns (outputs, aux, pullback).

        `pullback(cotangents)` gives one gradient an input, None where an output does not depend on it. It can be
        called more than once, and inside another `vjp` (second order).
        """
        raise NotImplementedError

    def value_and_grad(
        self, fn: Callable[..., Any], inputs: list[Tensor]
    ) -> tuple[Tensor, Any, list[Tensor]]:
        """(value, aux, gradients) of `fn(*inputs) -> (scalar, aux)`; zeros where there is no dependence."""
        raise NotImplementedError

    def jvp(
        self, fn: Callable[..., list[Tensor]], inputs: list[Tensor], tangents: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Forward mode: outputs and their directional derivatives."""
        raise NotImplementedError

    def custom_gradient(
        self,
        fn: Callable[..., tuple[list[Tensor], Callable[[list[Tensor]], list[Tensor]]]],
        inputs: list[Tensor],
    ) -> list[Tensor]:
        """Run `fn(*inputs) -> (outputs, pullback)` so that gradients use `pullback(cotangents)`."""
        raise NotImplementedError

    def compile(
        self, fn: Callable[..., Any], *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        """A faster `fn` over trees (dict, list, tuple, None) of tensors.

        The arguments numbered in `donate` are given away: their tensors may be overwritten.
        `options["jit"]`: True, False or "auto", Keras' `jit_compile`.
        """
        raise NotImplementedError

    def vectorize(self, fn: Callable[..., list[Tensor]], inputs: list[Tensor]) -> list[Tensor]:
        """Map `fn` over axis 0 of all inputs at once."""
        raise NotImplementedError
