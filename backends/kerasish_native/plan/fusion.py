"""Which primitives run together in one pass over memory.

A *group* becomes one tile program (`tiles`): elementwise primitives and reductions over one iteration space, whose axes
are split into rows and columns by the first reduction. Values that only the group reads never reach memory. Every
other primitive is a unit of its own.

Each unit's ancestors are kept as a bit mask. A primitive may join a group unless one of its other operands comes from a
unit that needs the group: then neither could run first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native.plan.spaces import Space, collapsible, fits, one_column_stride, refined
from kerasish_native.plan.views import (
    VIEWS,
    Buffer,
    Ints,
    View,
    contiguous,
    reshaped,
    transposed,
    viewed,
    whole,
)
from kerasish_native.trace import Graph, Node, Traced

_MOST_MEMBERS = 48
_MOST_LOADS = 24
_MOST_REDUCTIONS = 24  # a tile program keeps room for 32
_SIBLINGS = 3
_REPEATED = 64  # constants of fewer elements are kept as they are

REDUCTIONS: dict[str, str] = {"sum": "sum", "max": "max", "min": "min"}
#: Reductions of rows only: their partial results cannot be combined.
ROW_ONLY: dict[str, str] = {
    "argmax": "row_argmax",
    "argmin": "row_argmin",
    "any": "row_any",
    "all": "row_all",
    "prod": "row_prod",
}


def middle_sum(x: View, axes: Ints) -> tuple[View, int] | None:
    """A sum over adjacent axes as a product with ones: the operand as (..., reduced, columns), or None."""
    first, last = axes[0], axes[-1]
    if x.dtype not in ("float32", "float64") or len(axes) != last - first + 1 or last == len(x.shape) - 1:
        return None
    shape = (*x.shape[:first], math.prod(x.shape[first : last + 1]), math.prod(x.shape[last + 1 :]))
    if len(shape) > 8:
        return None
    found = reshaped(x, shape)
    return None if found is None else (found, first)


class Unit:
    """A step of the plan to be.

    Attributes:
        ancestors: Bit mask of all units that must run before it.
        is_ancestor: Whether it may be in the mask of another unit.
        order: Number of its last node: among units that could run, the one with the smallest number does.
    """

    def __init__(self, number: int, order: int) -> None:
        self.number = number
        self.bit = 1 << number
        self.ancestors = 0
        self.is_ancestor = False
        self.order = order


class Single(Unit):
    """One primitive with a kernel of its own, and the group that works on its result while that is in cache."""

    def __init__(self, number: int, order: int, node: Node) -> None:
        super().__init__(number, order)
        self.node = node
        self.epilogue: Group | None = None


class Member:
    """A primitive of a group, with its operands as the group sees them.

    Attributes:
        operands: Views over the whole iteration space, or Python scalars.
        strides: The result's strides along the axes of the iteration space, 0 where it has none.
        reduction: None, "row" (over the columns), "fold" (over the rows), "rows" (of one value a row) or "total".
    """

    __slots__ = ("node", "operands", "reduction", "root", "strides")

    def __init__(
        self, node: Node, operands: list[Any], strides: Ints, root: Buffer, reduction: str | None
    ) -> None:
        self.node = node
        self.operands = operands
        self.strides = strides
        self.root = root
        self.reduction = reduction


class Group(Unit):
    """Primitives that run in one tile program.

    Attributes:
        space: The iteration space.
        made: Results by buffer: strides along the space.
        terminal: Buffers that are complete only after the last row.
        kernel: The matrix kernel whose results the program works on block by block while they are in cache, or None.
    """

    def __init__(self, number: int, order: int, space: Space) -> None:
        super().__init__(number, order)
        self.space = space
        self.members: list[Member] = []
        self.made: dict[Buffer, Member] = {}
        self.terminal: set[Buffer] = set()
        self.loads: set[Buffer] = set()
        self.kernel: Single | None = None

    @property
    def reductions(self) -> int:
        """How many members reduce."""
        return sum(m.reduction is not None for m in self.members)


def _first_if_all_equal(array: np.ndarray) -> np.ndarray:
    """The first element of an array that repeats one value bit for bit: a view with strides 0 stands for the rest."""
    if array.size < _REPEATED:
        return array
    words = array.reshape(array.size, 1).view(np.uint8)
    return array.reshape(-1)[:1].copy() if (words == words[0]).all() else array


def _in_order(members: list[Member]) -> list[Member]:
    """Members so that each comes after those whose results it reads."""
    made = {m.root for m in members}
    done: set[Buffer] = set()
    ordered: list[Member] = []
    waiting = members
    while waiting:
        later = []
        for m in waiting:
            reads = {o.buffer for o in m.operands if o.__class__ is View}
            if reads & made <= done:
                ordered.append(m)
                done.add(m.root)
            else:
                later.append(m)
        assert len(later) < len(waiting), "members wait for each other"
        waiting = later
    return ordered


class Fusion:
    """Units of a graph, and the view of every value.

    Args:
        graph: An optimized graph.
        tile_ops: Names of the operations a tile program can run.
        longest_row: Most columns of a row whose reduction the same program may use elementwise.
    """

    def __init__(self, graph: Graph, tile_ops: Iterable[str], longest_row: int) -> None:
        self.graph = graph
        self.tile_ops = frozenset(tile_ops)
        self.longest_row = longest_row
        self.units: list[Unit] = []
        self.views: dict[int, View] = {}
        self.maker: dict[Buffer, Unit] = {}
        self.constants: list[tuple[Buffer, np.ndarray]] = []
        self._readers: dict[Buffer, list[Group]] = {}
        self._scalars: Group | None = None
        self._numbers = itertools.count()
        self._kept: list[Any] = []  # whose ids are in use as keys
        for i, value in enumerate(graph.inputs):
            self.views[id(value)] = whole(
                Buffer(math.prod(value.shape), value.dtype, "input", i), value.shape
            )
        for i, node in enumerate(graph.nodes):
            self._place(i, node)

    # -- values --------------------------------------------------------------------------------------------------------
    def view(self, x: Any) -> View:
        """The view of a traced value or an array."""
        found = self.views.get(id(x))
        if found is None:
            array = _first_if_all_equal(np.ascontiguousarray(x))
            buffer = Buffer(array.size, dtypes.of_numpy(array.dtype), "constant", array)
            self.constants.append((buffer, array))
            strides = contiguous(x.shape) if array.size == x.size else (0,) * x.ndim
            found = self.views[id(x)] = View(buffer, x.shape, strides)
            self._kept.append(x)
        return found

    def _root(self, value: Traced, unit: Unit) -> Buffer:
        buffer = Buffer(math.prod(value.shape), value.dtype)
        self.views[id(value)] = whole(buffer, value.shape)
        self.maker[buffer] = unit
        return buffer

    # -- nodes ---------------------------------------------------------------------------------------------------------
    def _place(self, i: int, node: Node) -> None:
        if node.name in VIEWS:
            self._place_view(i, node)
        elif not self._place_in_group(i, node) and not self._place_reduction_of_copy(i, node):
            unit = Single(next(self._numbers), i, node)
            self._add(unit, [self.view(a).buffer for a in node.args if hasattr(a, "shape")])
            for output in node.outputs:
                self._root(output, unit)

    def _add(self, unit: Unit, reads: Iterable[Buffer]) -> None:
        self.units.append(unit)
        unit.ancestors = self._ancestors(reads)

    def _ancestors(self, reads: Iterable[Buffer]) -> int:
        mask = 0
        for buffer in reads:
            maker = self.maker.get(buffer)
            if maker is not None:
                mask |= maker.ancestors | maker.bit
                maker.is_ancestor = True
        return mask

    def _place_view(self, i: int, node: Node) -> None:
        """A rearrangement: a view, or (what no strides can express) a view of a copy in C order."""
        operand, value = node.args[0], node.outputs[0]
        found = viewed(node.name, self.view(operand), node.keywords, value.shape)
        if found is None:
            spec = Traced(operand.shape, value.dtype, self.graph)
            self._kept.append(spec)
            self._place(i, Node("copy", (operand,), {}, [spec], True))
            found = viewed(node.name, self.view(spec), node.keywords, value.shape)
            assert found is not None, "a view of an array in C order always exists"
        self.views[id(value)] = found

    def _place_in_group(self, i: int, node: Node) -> bool:
        name = node.name
        value = node.outputs[0]
        is_reduction = name in REDUCTIONS or name in ROW_ONLY
        code = ROW_ONLY.get(name, f"row_{name}" if is_reduction else name)
        if code not in self.tile_ops or not node.single or not value.dtype or math.prod(value.shape) == 0:
            return False
        operands = [self.view(a) if hasattr(a, "shape") else a for a in node.args]
        if is_reduction and (
            operands[0].size == 0 or (not node.keywords["axis"] and node.keywords["axis"] != 0)
        ):
            return False
        self._merge_makers(operands)
        shape = operands[0].shape if is_reduction else value.shape
        for group in () if node.apart else self._candidates(operands, shape):
            if self._join(group, i, node, operands, is_reduction):
                return True
        group = Group(next(self._numbers), i, Space.of(shape))
        if not self._member(group, node, operands, is_reduction):
            return False
        self._add(group, [o.buffer for o in operands if o.__class__ is View])
        self._take_in(group, node, i)
        return True

    def _place_reduction_of_copy(self, i: int, node: Node) -> bool:
        """Reduce axes in the middle, or of an operand in an unlucky order: copy it with them last, reduce those.

        Sums of floats over adjacent axes in the middle are products with ones, and stay with their own kernel.
        """
        if node.name not in REDUCTIONS or f"row_{node.name}" not in self.tile_ops:
            return False
        x, value = node.args[0], node.outputs[0]
        axes = tuple(a for a in node.keywords["axis"] if x.shape[a] != 1)
        if not axes or not math.prod(x.shape) or (node.name == "sum" and middle_sum(self.view(x), axes)):
            return False
        order = tuple(a for a in range(len(x.shape)) if a not in axes) + axes
        if order == tuple(range(len(order))) and self.view(x).is_contiguous:
            return False
        turned = Traced(tuple([x.shape[a] for a in order]), value.dtype, self.graph)
        copied = Traced(turned.shape, value.dtype, self.graph)
        kept = len(order) - len(axes)
        reduced = Traced(turned.shape[:kept], value.dtype, self.graph)
        self._kept += [turned, copied, reduced]
        self.views[id(turned)] = transposed(self.view(x), order)
        self._place(i, Node("copy", (turned,), {}, [copied], True))
        last = tuple(range(kept, len(order)))
        self._place(i, Node(node.name, (copied,), {"axis": last, "keepdims": False}, [reduced], True))
        found = viewed("reshape", self.view(reduced), {}, value.shape)
        assert found is not None, "the result is in C order"
        self.views[id(value)] = found
        return True

    def _candidates(self, operands: list[Any], shape: Ints) -> list[Group]:
        """Groups worth joining: those that make an operand, latest first, then those that read one."""
        views = [o for o in operands if o.__class__ is View]
        if math.prod(shape) == 1:
            return [self._scalars] if self._scalars is not None else []
        makers = {self.maker.get(v.buffer) for v in views}
        found = sorted((u for u in makers if isinstance(u, Group)), key=lambda u: -u.order)
        for v in views:
            if v.size > 1 and 0 not in v.strides:
                found += [g for g in self._readers.get(v.buffer, [])[-_SIBLINGS:] if g not in found]
        return found

    def _merge_makers(self, operands: list[Any]) -> None:
        """Make one group of several that make a node's operands, where that is possible."""
        groups: list[Group] = []
        for o in operands:
            maker = self.maker.get(o.buffer) if o.__class__ is View and o.size > 1 else None
            if isinstance(maker, Group) and maker not in groups and o.buffer not in maker.terminal:
                groups.append(maker)
        if len(groups) == 2:
            first, second = sorted(groups, key=lambda g: g.order)
            self._merge(first, second)

    def _merge(self, first: Group, second: Group) -> None:
        """Move the members of `second` to `first`, unless that would make a unit between them wait for itself."""
        a, b = first.space, second.space
        if a.sizes != b.sizes or (a.split != b.split and None not in (a.split, b.split)):
            return
        if len(first.members) + len(second.members) > _MOST_MEMBERS:
            return
        if first.reductions + second.reductions > _MOST_REDUCTIONS:
            return
        if len((first.loads | second.loads) - first.made.keys() - second.made.keys()) > _MOST_LOADS:
            return
        if first.terminal & second.loads or second.terminal & first.loads:
            return
        for group, other in ((first, second), (second, first)):
            makers = [self.maker[x] for x in group.loads if x in self.maker]
            if any(u is not other and u.ancestors & other.bit for u in makers):
                return
        made = first.made | second.made
        for m in (*first.members, *second.members):
            for o in m.operands:
                if (
                    o.__class__ is View
                    and o.buffer in made
                    and (o.offset or o.strides != made[o.buffer].strides)
                ):
                    return
        space = a.with_split(b.split)
        if space.split is not None and not (
            self._has_column_strides(first, space) and self._has_column_strides(second, space)
        ):
            return
        self._absorb(first, second, space)

    def _absorb(self, first: Group, second: Group, space: Space) -> None:
        first.space = space
        first.members = _in_order(first.members + second.members)
        first.made |= second.made
        first.terminal |= second.terminal
        first.loads = (first.loads | second.loads) - first.made.keys()
        first.bit |= second.bit
        first.order = max(first.order, second.order)
        first.ancestors = (first.ancestors | second.ancestors) & ~first.bit
        for buffer in second.made:
            self.maker[buffer] = first
        for groups in self._readers.values():
            if second in groups:
                groups.remove(second)
                if first not in groups:
                    groups.append(first)
        self.units.remove(second)
        first.is_ancestor |= second.is_ancestor
        if first.is_ancestor:
            for unit in self.units:
                if unit.ancestors & first.bit and unit is not first:
                    unit.ancestors |= first.ancestors | first.bit

    def _join(self, group: Group, i: int, node: Node, operands: list[Any], is_reduction: bool) -> bool:
        if len(group.members) >= _MOST_MEMBERS:
            return False
        reads = [o.buffer for o in operands if o.__class__ is View and o.buffer not in group.made]
        makers = [self.maker[b] for b in reads if b in self.maker]
        if any(u.ancestors & group.bit for u in makers):
            return False
        if len(group.loads.union(reads)) > _MOST_LOADS:
            return False
        if not self._member(group, node, operands, is_reduction):
            return False
        mask = self._ancestors(reads) & ~group.ancestors
        group.ancestors |= mask
        if mask and group.is_ancestor:
            for unit in self.units:
                if unit.ancestors & group.bit:
                    unit.ancestors |= mask
        self._take_in(group, node, i)
        return True

    def _take_in(self, group: Group, node: Node, i: int) -> None:
        """Note what the newest member reads and makes."""
        member = group.members[-1]
        group.order = i
        for operand in member.operands:
            if operand.__class__ is View and operand.buffer not in group.made:
                group.loads.add(operand.buffer)
                if 0 not in operand.strides:
                    readers = self._readers.setdefault(operand.buffer, [])
                    if group not in readers:
                        readers.append(group)
        group.made[member.root] = member
        self.maker[member.root] = group
        if member.reduction in ("fold", "rows", "total"):
            group.terminal.add(member.root)
        if not group.space.sizes:
            self._scalars = group

    # -- membership ----------------------------------------------------------------------------------------------------
    def _member(self, group: Group, node: Node, operands: list[Any], is_reduction: bool) -> bool:
        """Add a node to a group if it fits the group's iteration space; says whether it does."""
        if any(o.__class__ is View and o.buffer in group.terminal for o in operands):
            return False
        add = self._add_reduction if is_reduction else self._add_elementwise
        return add(group, node, operands)

    def _mine(self, group: Group, operands: list[Any]) -> list[tuple[View, Ints]]:
        return [
            (o, group.made[o.buffer].strides)
            for o in operands
            if o.__class__ is View and o.buffer in group.made
        ]

    def _add_elementwise(self, group: Group, node: Node, operands: list[Any]) -> bool:
        shape = node.outputs[0].shape
        spread = [self._spread(o, shape) for o in operands]
        fit = fits(group.space, shape, spread, self._mine(group, spread))
        if fit is None:
            return False
        space, along = fit
        if not self._is_row_use_legal(group, space, along):
            return False
        self._refine(group, space)
        views = [space.along(o, along) if o.__class__ is View else o for o in spread]
        strides = space.strides_of(along)
        root = self._new_root(node)
        group.members.append(Member(node, views, strides, root, None))
        return True

    def _spread(self, operand: Any, shape: Ints) -> Any:
        if operand.__class__ is not View or operand.shape == shape:
            return operand
        found = viewed("broadcast_to", operand, {}, shape)
        assert found is not None
        return found

    def _is_row_use_legal(self, group: Group, space: Space, along: Any) -> bool:
        """Results of rows too long to be kept may not meet whole rows again."""
        if space.split is None or math.prod(space.sizes[space.split :]) <= self.longest_row:
            return True
        return not any(m.reduction == "row" for m in group.members) or not space.covers(along)

    def _add_reduction(self, group: Group, node: Node, operands: list[Any]) -> bool:
        (x,) = operands
        if group.reductions >= _MOST_REDUCTIONS:
            return False
        fit = fits(group.space, x.shape, [x], self._mine(group, [x]))
        if fit is None:
            return False
        space, along = fit
        axis = node.keywords["axis"]
        axes = (axis,) if isinstance(axis, int) else axis
        reduced = space.axes_of(along, [a for a in axes if x.shape[a] != 1])
        kind, split = space.reduction(along, reduced)
        if kind is None or (node.name in ROW_ONLY and kind != "row"):
            return False
        space = space.with_split(split)
        if split is not None and not self._has_column_strides(group, space):
            return False
        view = space.along(x, along)
        if split is not None and not one_column_stride(view, split):
            return False
        self._refine(group, space)
        root = self._new_root(node)
        group.members.append(Member(node, [view], space.kept_strides(along, reduced), root, kind))
        return True

    def _has_column_strides(self, group: Group, space: Space) -> bool:
        """Whether every operand so far can be walked with one stride along the columns of a new split."""
        split = space.split
        assert split is not None
        return group.space.split == split or all(
            collapsible(space.sizes[split:], refined(group.space.sizes, space.sizes, o.strides)[split:])
            for m in group.members
            for o in m.operands
            if o.__class__ is View
        )

    def _refine(self, group: Group, space: Space) -> None:
        """Give the group a space with finer axes or a split."""
        if space.sizes != group.space.sizes:
            for member in group.members:
                member.strides = refined(group.space.sizes, space.sizes, member.strides)
                member.operands = [
                    View(o.buffer, space.sizes, refined(group.space.sizes, space.sizes, o.strides), o.offset)
                    if o.__class__ is View
                    else o
                    for o in member.operands
                ]
        group.space = space

    def _new_root(self, node: Node) -> Buffer:
        value = node.outputs[0]
        buffer = Buffer(math.prod(value.shape), value.dtype)
        self.views[id(value)] = whole(buffer, value.shape)
        return buffer
