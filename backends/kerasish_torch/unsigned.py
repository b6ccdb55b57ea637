"""Operands that torch's kernels reject: uint16, uint32, uint64 nearly everywhere, scalars and bools in places.

A wrapped entry of the table costs next to nothing while torch's own kernel succeeds. Where that raises, the operands
are brought into a form torch takes, and the result back. https://github.com/pytorch/pytorch/issues/58734
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from kerasish.core.registry import host_engine
from kerasish_torch.tensors import Tensor, from_host, to_host

Function = Callable[..., Any]

#: dtype -> a wider one in which every integer primitive gives the same bits after wrapping back.
WIDER = {torch.uint16: torch.int64, torch.uint32: torch.int64, torch.bool: torch.uint8}
_RAISED = (RuntimeError, TypeError)
_NUMBERS = (bool, int, float)


def _map(function: Function, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_map(function, item) for item in value]
    return function(value)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _through_host(name: str, like: Tensor, args: Any, keywords: dict[str, Any]) -> Any:
    """uint64 has no wider integer; such rare calls run on the host."""
    arrays = [_map(lambda x: to_host(x) if isinstance(x, torch.Tensor) else x, arg) for arg in args]
    result = host_engine().primitives[name](*arrays, **keywords)
    return _map(lambda x: from_host(x, like.device), result)


def _rescue(name: str, function: Function, args: Any, keywords: dict[str, Any], error: Exception) -> Any:
    found = list(_tensors(args))
    like = next(
        (x for x in found if x.dtype is not torch.bool), found[0]
    )  # of `where`: a branch, not the condition
    if like.dtype is torch.uint64:
        return _through_host(name, like, args, keywords)
    wide = WIDER.get(like.dtype, like.dtype)
    if wide is like.dtype and not any(x.__class__ in _NUMBERS for x in args):
        raise error

    def widen(x: Any) -> Any:
        if x.__class__ in _NUMBERS:
            return torch.full((), x, dtype=wide, device=like.device)
        return x.to(wide) if isinstance(x, torch.Tensor) and x.dtype is like.dtype else x

    result = function(*(_map(widen, x) for x in args), **keywords)
    return _map(lambda y: y.to(like.dtype) if y.dtype is wide else y, result)


def unary(name: str, function: Function) -> Function:
    """`function(x)`, for every dtype."""

    def run(x: Tensor, /) -> Tensor:
        try:
            return function(x)
        except _RAISED as error:
            return _rescue(name, function, (x,), {}, error)

    return run


def binary(name: str, function: Function) -> Function:
    """`function(x1, x2)`, for every dtype and a Python scalar on either side."""

    def run(x1: Tensor, x2: Tensor, /) -> Tensor:
        try:
            return function(x1, x2)
        except _RAISED as error:
            return _rescue(name, function, (x1, x2), {}, error)

    return run


def general(name: str, function: Function) -> Function:
    """`function(*tensors, **keywords)`, for every dtype."""

    def run(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except _RAISED as error:
            return _rescue(name, function, args, keywords, error)

    return run
