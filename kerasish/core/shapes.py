"""Shapes: unknown sizes, broadcasting, axes, padding arithmetic. No tensor in sight.

During shape inference an unknown size is a `Dim`: an int with a placeholder value whose arithmetic stays unknown, so
that bodies written for numbers (`x.shape[1] // 2`) run unchanged. Two sizes of which one is unknown are compatible.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kerasish.core.errors import ArgumentError, ShapeError

Shape = tuple[int, ...]
#: A shape as users see it: None where a size is not known before data arrives.
OpenShape = tuple[int | None, ...]

_PLACEHOLDER = 1024  # divisible by the usual strides, large enough for the usual windows


class Dim(int):
    """A size that is not known yet. Its int value is a placeholder; arithmetic with it stays unknown."""

    def __new__(cls, value: int = _PLACEHOLDER) -> Dim:
        """Make an unknown size with placeholder `value`."""
        return super().__new__(cls, value)

    def __neg__(self) -> Dim:  # -(n // -k) is how a ceiling is written
        return Dim(-int(self))

    def __repr__(self) -> str:
        return "?"

    __str__ = __repr__


def _lift(name: str) -> Callable[[Any, Any], Any]:
    plain = getattr(int, name)

    def method(self: Any, other: Any) -> Any:
        result = plain(self, other)
        return Dim(result) if result.__class__ is int else result

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(Dim, f"__{_name}__", _lift(f"__{_name}__"))
    setattr(Dim, f"__r{_name}__", _lift(f"__r{_name}__"))


def is_known(size: int) -> bool:
    """Whether a size is a plain number."""
    return size.__class__ is not Dim


def opened(shape: Iterable[int]) -> OpenShape:
    """The shape as users see it: unknown sizes become None."""
    return tuple(None if size.__class__ is Dim else int(size) for size in shape)


def closed(shape: Iterable[int | None]) -> Shape:
    """The shape as bodies see it: None becomes a `Dim`."""
    return tuple(Dim() if size is None else size for size in shape)


def compatible(a: int, b: int) -> bool:
    """Whether two sizes can be the same."""
    return a == b or a.__class__ is Dim or b.__class__ is Dim


def merge(a: int, b: int) -> int:
    """The better known of two compatible sizes."""
    return b if a.__class__ is Dim else a


def show(shape: Iterable[int | None]) -> str:
    """A shape for messages: `(None, 784)`."""
    return str(opened(-1 if s is None else s for s in shape)).replace("-1", "None")


def broadcast(*shapes: Shape) -> Shape:
    """The common shape of `shapes` under NumPy's broadcasting rules.

    Raises:
        ShapeError: Two sizes differ and neither is 1.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result = []
    for axis in range(-rank, 0):
        size: int = 1
        for shape in shapes:
            if len(shape) < -axis:
                continue
            other = shape[axis]
            if size == 1 and is_known(size):
                size = other
            elif not (other == 1 and is_known(other)):
                if not compatible(size, other):
                    raise ShapeError(
                        "Shapes cannot be broadcast together.",
                        expected="sizes that are equal or 1, counted from the last axis",
                        received=" and ".join(show(s) for s in shapes),
                        hint="reshape or expand_dims one of them",
                    )
                size = merge(size, other)
        result.append(size)
    return tuple(result)


def axis_index(axis: Any, rank: int, *, name: str = "axis") -> int:
    """A single axis as a number in 0..rank-1.

    Raises:
        ArgumentError: `axis` is not an integer within [-rank, rank).
    """
    try:
        index = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"`{name}` must be an integer.", received=repr(axis)) from None
    if not -rank <= index < rank:
        raise ArgumentError(
            f"`{name}` is outside the tensor's {rank} axes.",
            expected=f"an integer from {-rank} to {rank - 1}" if rank else "a tensor with at least one axis",
            received=axis,
        )
    return index % rank


def axis_tuple(axis: Any, rank: int, *, name: str = "axis") -> tuple[int, ...]:
    """`axis` (None for all, an int, or ints) as a sorted tuple of distinct non-negative axes."""
    if axis is None:
        return tuple(range(rank))
    axes = [axis] if not isinstance(axis, (tuple, list)) else list(axis)
    result = sorted(axis_index(a, rank, name=name) for a in axes)
    if len(set(result)) != len(result):
        raise ArgumentError(f"`{name}` names an axis twice.", received=axis)
    return tuple(result)


def reduced(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """Shape after reducing `axes`."""
    if keepdims:
        return tuple(1 if i in axes else s for i, s in enumerate(shape))
    return tuple(s for i, s in enumerate(shape) if i not in axes)


def size_of(shape: Iterable[int]) -> int:
    """Number of elements; unknown if any size is."""
    return math.prod(shape)


def resolve_reshape(old: Shape, new: Sequence[int | None]) -> Shape:
    """`new` with its -1 (or None) replaced by the size that is left.

    Raises:
        ShapeError: The number of elements differs, or -1 appears twice.
    """
    target = [-1 if s is None else s for s in new]
    holes = [i for i, s in enumerate(target) if s == -1 and is_known(s)]
    if len(holes) > 1 or any(s < -1 for s in target):
        raise ShapeError("A new shape may hold one -1 and no other negative size.", received=tuple(new))
    total = size_of(old)
    rest = size_of(s for i, s in enumerate(target) if i not in holes)
    fits = not (is_known(total) and is_known(rest))
    if holes:
        if is_known(total) and is_known(rest) and rest == 0:
            raise ShapeError("-1 is ambiguous beside a size of 0.", received=tuple(new))
        target[holes[0]] = total // rest if rest else Dim()
        fits = fits or total % rest == 0
    else:
        fits = fits or total == rest
    if not fits:
        raise ShapeError(
            "The new shape holds another number of elements.",
            expected=f"{total} elements, as in {show(old)}",
            received=f"{tuple(new)}",
            hint="use -1 for one size to have it computed",
        )
    return tuple(target)


def window_output(size: int, window: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """Number of positions of a window: floor((size + pads − dilation·(window−1) − 1) / stride) + 1, at least 0."""
    span = dilation * (window - 1) + 1
    result = (size + pads[0] + pads[1] - span) // stride + 1
    return result if not is_known(result) else max(result, 0)


def same_padding(size: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """Explicit pads of "same": output ceil(size/stride), the odd element at the end."""
    span = dilation * (window - 1) + 1
    out = -(-size // stride)
    total = max((out - 1) * stride + span - size, 0)
    return int(total // 2), int(total - total // 2)
