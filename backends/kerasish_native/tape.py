"""Boxes: tensors that remember how they were computed.

A `Tape` is one gradient in progress; a `Box` is a value on it. What lies in a box may be an array, a traced value, or
a box of an older tape, which is how gradients nest. Boxes refer to the step that made them and steps to their
operands, so whatever nobody holds any more is freed at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.core.operators import TensorOperators
from kerasish_native.trace import SCOPE, Graph

_serials = itertools.count()


class Tape:
    """One gradient in progress: newer tapes lie on top of older ones; `scope` is the graph recorded around it."""

    __slots__ = ("scope", "serial")

    def __init__(self) -> None:
        self.serial = next(_serials)
        self.scope: Graph | None = SCOPE.get()

    def watch(self, value: Any) -> Any:
        """A box around an input (integers and bools have no gradient and stay bare)."""
        dtype = value.dtype
        name = dtype if dtype.__class__ is str else dtypes.of_numpy(dtype)
        return Box(value, self, Step(None, (), {}, None, ()), 0) if dtypes.is_float(name) else value


class Step:
    """One recorded operation: rule, operands (one level down), result, and which operands were boxes.

    `rule` is a primitive's name, a function from the results' cotangents to the operands' (custom gradients), or None
    for an input. `parents` has a triple (operand's number, its step, its number among the step's results) for each box.
    """

    __slots__ = ("args", "keywords", "parents", "result", "rule", "serial")

    def __init__(
        self,
        rule: str | Callable[[list[Any]], list[Any]] | None,
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        result: Any,
        parents: tuple[tuple[int, Step, int], ...],
    ) -> None:
        self.rule = rule
        self.args = args
        self.keywords = keywords
        self.result = result
        self.parents = parents
        self.serial = next(_serials)


class Box(TensorOperators):
    """A value on a tape. Python looks through it: `float(box)`, `if box:` and `np.asarray(box)` see the number."""

    __slots__ = ("__weakref__", "index", "step", "tape", "value")

    def __init__(self, value: Any, tape: Tape, step: Step, index: int) -> None:
        self.value = value
        self.tape = tape
        self.step = step
        self.index = index

    @property
    def scope(self) -> Graph | None:
        """The graph recorded around the tape."""
        return self.tape.scope

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes."""
        return self.value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> str:
        """Dtype name."""
        dtype = self.value.dtype
        return dtype if dtype.__class__ is str else dtypes.of_numpy(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.value.shape)

    def __len__(self) -> int:
        return self.value.shape[0]  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.value.shape[0]))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(bottom(self), dtype=dtype)

    def numpy(self) -> np.ndarray:
        """The number inside."""
        return np.asarray(bottom(self))

    def __repr__(self) -> str:
        return f"<box of {bottom(self)!r}>"


def bottom(x: Any) -> Any:
    """What lies under all boxes: an array or a traced value."""
    while x.__class__ is Box:
        x = x.value
    return x


def unboxed(x: Any, tape: Tape) -> Any:
    """What lies under the box of `tape`; anything else unchanged."""
    return x.value if x.__class__ is Box and x.tape is tape else x
