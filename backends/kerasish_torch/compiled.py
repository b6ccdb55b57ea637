"""`jit_compile=True`: a step recorded as one graph of torch operations and handed to torch's compiler.

The step is recorded with tensors that have no values (`make_fx`), gradients included, so that kerasish's own Python
runs unseen by the compiler and only once for each combination of shapes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from kerasish_torch.tensors import separated


def _signature(tree: Any) -> Any:
    """What a recording depends on: structure, shapes, dtypes and devices, and the values of what is no tensor."""
    if isinstance(tree, torch.Tensor):
        return tree.shape, tree.dtype, tree.device
    if isinstance(tree, dict):
        return tuple((key, _signature(value)) for key, value in tree.items())
    if isinstance(tree, (list, tuple)):
        return tuple(map(_signature, tree))
    return tree


class Compiled:
    """`fn`, recorded and compiled once for each signature of its arguments.

    What cannot be recorded, such as a branch that depends on values, runs as `eager`, with a warning.
    """

    def __init__(self, fn: Callable[..., Any], eager: Callable[..., Any]) -> None:
        self._fn = fn
        self._eager = eager
        self._plans: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        key = _signature(args)
        plan = self._plans.get(key)
        if plan is None:
            with (
                warnings.catch_warnings()
            ):  # the compiler, which starts at the first call, warns about parts of torch
                warnings.simplefilter("ignore", DeprecationWarning)
                plan = self._plans[key] = self._plan(args)
        return plan(*args)

    def _plan(self, args: Any) -> Callable[..., Any]:
        try:
            with torch.no_grad():
                graph, rebuild = self._record(*separated(args))
                graph(*separated(args)[0])
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            warnings.warn(f"This step runs uncompiled: {reason[:300]}", RuntimeWarning, stacklevel=3)
            return self._eager

        def run(*args: Any) -> Any:
            with torch.no_grad():
                return rebuild(graph(*separated(args)[0]))

        return run

    def _record(self, tensors: list[Any], rebuild: Callable[[Any], Any]) -> tuple[Callable[..., Any], Any]:
        results: list[Callable[[Any], Any]] = []

        def flat(*values: Any) -> list[Any]:
            found, result = separated(self._fn(*rebuild(values)))
            results.append(result)
            return found

        graph = make_fx(flat, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
        return torch.compile(graph, dynamic=False), results[0]
