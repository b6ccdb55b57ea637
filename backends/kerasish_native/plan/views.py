"""Buffers, and views of them: reshaping, transposing, slicing and broadcasting cost nothing in a plan."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Any

Ints = tuple[int, ...]

ITEM_SIZE: dict[str, int] = {
    "bool": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "float16": 2, "bfloat16": 2,
    "uint32": 4, "int32": 4, "float32": 4, "uint64": 8, "int64": 8, "float64": 8,
}  # fmt: skip


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory of one array.

    Attributes:
        role: "input", "constant", "output" (memory of NumPy arrays) or "arena".
        position: Number among the inputs or outputs, or the constant array itself.
        host: The buffer in whose memory this one lies, when a step writes its result over an operand.
        slot: Number in the program.
    """

    size: int
    dtype: str
    role: str = "arena"
    position: Any = None
    host: Buffer | None = None
    slot: int = -1
    first: int = field(default=1 << 60)
    last: int = -1

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * ITEM_SIZE[self.dtype]


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """Part of a buffer as an array; offset and strides count elements. Stride 0 repeats, a negative one walks back."""

    buffer: Buffer
    shape: Ints
    strides: Ints
    offset: int = 0

    @property
    def dtype(self) -> str:
        """Dtype name."""
        return self.buffer.dtype

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether elements follow each other in C order."""
        return all(
            s == w or d == 1 for d, s, w in zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        )

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its buffer, in C order."""
        return self.offset == 0 and self.size == self.buffer.size and self.is_contiguous


def contiguous(shape: Ints) -> Ints:
    """Strides of an array in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def whole(buffer: Buffer, shape: Ints) -> View:
    """All of a buffer."""
    return View(buffer, shape, contiguous(shape))


def reshaped(view: View, shape: Ints) -> View | None:
    """The view in another shape, or None where that needs a copy.

    Axes of both shapes are matched in runs of equal size; a run of old axes must be walkable with one stride.
    """
    if view.size == 0 or view.is_contiguous:
        return replace(view, shape=shape, strides=contiguous(shape))
    old = [(d, s) for d, s in zip(view.shape, view.strides, strict=True) if d != 1]
    strides: list[int] = []
    i = j = 0
    new = list(shape)
    while j < len(new):
        if new[j] == 1:
            strides.append(0)
            j += 1
            continue
        run_new, have, want = [new[j]], old[i][0], new[j]
        run_old = [old[i]]
        while have != want:
            if have < want:
                i += 1
                run_old.append(old[i])
                have *= old[i][0]
            else:
                j += 1
                run_new.append(new[j])
                want *= new[j]
        for (_, s), (d2, s2) in itertools.pairwise(run_old):
            if s != d2 * s2:
                return None
        step = run_old[-1][1]
        part = []
        for size in reversed(run_new):
            part.append(step)
            step *= size
        strides.extend(reversed(part))
        i += 1
        j += 1
    return replace(view, shape=shape, strides=tuple(strides))


def transposed(view: View, axes: Ints) -> View:
    """Axes in another order."""
    return replace(
        view, shape=tuple([view.shape[a] for a in axes]), strides=tuple([view.strides[a] for a in axes])
    )


def broadcast(view: View, shape: Ints) -> View:
    """Repeated along new leading axes and axes of size 1."""
    extra = len(shape) - len(view.shape)
    strides = [
        0 if have == 1 and want != 1 else s
        for have, want, s in zip(view.shape, shape[extra:], view.strides, strict=True)
    ]
    return replace(view, shape=shape, strides=(0,) * extra + tuple(strides))


def sliced(view: View, start: Ints, stop: Ints, step: Ints, shape: Ints) -> View:
    """Every `step`-th element from `start`."""
    offset = view.offset + sum(a * s for a, s in zip(start, view.strides, strict=True)) if view.size else 0
    return replace(
        view,
        shape=shape,
        strides=tuple([s * t for s, t in zip(view.strides, step, strict=True)]),
        offset=offset,
    )


def flipped(view: View, axis: Ints) -> View:
    """Backwards along some axes."""
    strides, offset = list(view.strides), view.offset
    for a in axis:
        offset += (view.shape[a] - 1) * strides[a]
        strides[a] = -strides[a]
    return replace(view, strides=tuple(strides), offset=offset)


def viewed(name: str, view: View, keywords: dict[str, Any], shape: Ints) -> View | None:
    """What a primitive that only rearranges makes of its operand; None: it is another primitive, or needs a copy."""
    if name == "reshape":
        return reshaped(view, shape)
    if name == "transpose":
        return transposed(view, keywords["axes"])
    if name == "broadcast_to":
        return broadcast(view, shape)
    if name == "slice":
        return sliced(view, keywords["start"], keywords["stop"], keywords["step"], shape)
    if name == "flip":
        return flipped(view, keywords["axis"])
    if name == "stop_gradient":
        return view
    return None


VIEWS = frozenset({"reshape", "transpose", "broadcast_to", "slice", "flip", "stop_gradient"})
