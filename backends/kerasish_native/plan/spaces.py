"""Iteration spaces: the axes a tile program walks over, and how values lie along them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kerasish_native.plan.views import Ints, View, contiguous, reshaped


@dataclass(frozen=True, slots=True)
class Along:
    """How a value's axes run along a space.

    Attributes:
        sizes: The value's axes of more than one element, split where the space's axes begin.
        index: The space's axis for each of them.
        owner: The value's own axis for each of them.
    """

    sizes: Ints
    index: Ints
    owner: Ints


@dataclass(frozen=True, slots=True)
class Space:
    """Axes of more than one element; from axis `split` on they are columns (None: not decided yet)."""

    sizes: Ints
    split: int | None = None

    @staticmethod
    def of(shape: Ints) -> Space:
        """The space of an array's elements."""
        return Space(tuple([s for s in shape if s != 1]))

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.sizes)

    def with_split(self, split: int | None) -> Space:
        """The same axes, rows and columns told apart."""
        return self if split is None else replace(self, split=split)

    def covers(self, along: Along) -> bool:
        """Whether a value has an element for every point."""
        return len(along.index) == len(self.sizes)

    def along(self, view: View, along: Along) -> View:
        """The view over the whole space."""
        fine = reshaped(view, along.sizes)
        assert fine is not None, "splitting axes needs no copy"
        return replace(fine, shape=self.sizes, strides=self._placed(fine.strides, along))

    def _placed(self, strides: Ints, along: Along) -> Ints:
        placed = [0] * len(self.sizes)
        for axis, stride in zip(along.index, strides, strict=True):
            placed[axis] = stride
        return tuple(placed)

    def strides_of(self, along: Along) -> Ints:
        """Strides over the space of a new array in C order."""
        return self._placed(contiguous(along.sizes), along)

    def axes_of(self, along: Along, axes: Sequence[int]) -> frozenset[int]:
        """The space's axes along which some axes of the value run."""
        return frozenset(i for i, owner in zip(along.index, along.owner, strict=True) if owner in axes)

    def kept_strides(self, along: Along, reduced: frozenset[int]) -> Ints:
        """Strides over the space of a reduction's result, in C order."""
        kept = [size for size, i in zip(along.sizes, along.index, strict=True) if i not in reduced]
        steps = iter(contiguous(tuple(kept)))
        return self._placed(tuple([0 if i in reduced else next(steps) for i in along.index]), along)

    def reduction(self, along: Along, reduced: frozenset[int]) -> tuple[str | None, int | None]:
        """What reducing these axes is here ("row", "fold", "rows", "total", or None), and the split it demands."""
        count, k = len(self.sizes), self.split
        if not self.covers(along):
            return ("rows", k) if reduced == frozenset(along.index) else (None, k)
        if reduced == frozenset(range(count)):
            return "total", k
        if not reduced:
            return None, k
        if k is not None:
            rows, columns = frozenset(range(k)), frozenset(range(k, count))
            return ("row" if reduced == columns else "fold" if reduced == rows else None), k
        if reduced == frozenset(range(count - len(reduced), count)):
            return "row", count - len(reduced)
        return ("fold", len(reduced)) if reduced == frozenset(range(len(reduced))) else (None, None)


def _boundaries(sizes: Ints) -> set[int]:
    """Products of the last 0, 1, 2 ... sizes."""
    found, product = {1}, 1
    for size in reversed(sizes):
        product *= size
        found.add(product)
    return found


def common_sizes(a: Ints, b: Ints) -> Ints | None:
    """The coarsest axes into which both lists of axes can be split (their products are equal)."""
    if a == b:
        return a
    sizes = []
    ends = sorted(_boundaries(a) | _boundaries(b))
    for low, high in itertools.pairwise(ends):
        if high % low:
            return None
        sizes.append(high // low)
    return tuple(reversed(sizes))


def refined(sizes: Ints, finer: Ints, strides: Ints) -> Ints:
    """Strides along `sizes` as strides along `finer`, into which `sizes` were split."""
    if sizes == finer:
        return strides
    found: list[int] = []
    j = 0
    for size, stride in zip(sizes, strides, strict=True):
        run = []
        while size > 1:
            run.append(finer[j])
            size //= finer[j]
            j += 1
        step = stride
        part = []
        for n in reversed(run):
            part.append(step)
            step *= n
        found.extend(reversed(part))
    return tuple(found)


def fits(
    space: Space, shape: Ints, operands: Sequence[Any], mine: Sequence[tuple[View, Ints]]
) -> tuple[Space, Along] | None:
    """How a node of values of `shape` fits a space, perhaps after splitting its axes; None: not at all.

    Args:
        space: The group's space.
        shape: The shape all operands were broadcast to.
        operands: Views, and Python scalars.
        mine: Operands that the group itself makes, with their strides along the space: the node must read each at the
            very point where it is made.
    """
    sizes = tuple([s for s in shape if s != 1])
    points = math.prod(sizes)
    part = space.sizes
    if points != space.size:
        if space.split is None or not mine or points != math.prod(space.sizes[: space.split]) or points == 1:
            return None
        part = space.sizes[: space.split]
    finer = common_sizes(sizes, part)
    if finer is None:
        return None
    rest = space.sizes[len(part) :]
    split = space.split
    if split is not None:
        split = len(finer) if rest else _index_of_split(finer, math.prod(space.sizes[space.split :]))
    fine = Space(finer + rest, split)
    along = Along(finer, tuple(range(len(finer))), _owners(shape, finer))
    for view, strides in mine:
        if view.offset or fine.along(view, along).strides != refined(space.sizes, fine.sizes, strides):
            return None
    if split is not None and not all(
        one_column_stride(fine.along(o, along), split) for o in operands if o.__class__ is View
    ):
        return None
    return fine, along


def _index_of_split(sizes: Ints, columns: int) -> int:
    product, i = 1, len(sizes)
    while product != columns:
        i -= 1
        product *= sizes[i]
    return i


def _owners(shape: Ints, finer: Ints) -> Ints:
    """The axis of `shape` that each of the finer axes is part of."""
    owners: list[int] = []
    j = 0
    for axis, size in enumerate(shape):
        while size > 1:
            owners.append(axis)
            size //= finer[j]
            j += 1
    return tuple(owners)


def one_column_stride(view: View, split: int) -> bool:
    """Whether one stride leads through all columns."""
    return collapsible(view.shape[split:], view.strides[split:])


def collapsible(sizes: Ints, strides: Ints) -> bool:
    """Whether axes can be walked as one."""
    return all(strides[i] == sizes[i + 1] * strides[i + 1] for i in range(len(sizes) - 1))
