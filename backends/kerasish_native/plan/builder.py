"""Turns a graph into a program: units in an order that works, memory for their results, one step each."""

from __future__ import annotations

import ctypes
import functools
import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native.dispatch import KERNELS
from kerasish_native.plan.fusion import Fusion, Group, Single, Unit
from kerasish_native.plan.memory import plan_memory
from kerasish_native.plan.tiles import Layout, TileWriter, layout_of
from kerasish_native.plan.views import Buffer, Ints, View, contiguous, whole
from kerasish_native.trace import Graph, Node, Traced


@dataclass(slots=True)
class Entry:
    """A step before it has memory.

    Attributes:
        label: What it is called when the plan is explained.
        reads: Buffers it reads.
        writes: Buffers it writes.
        make: Builds the C++ step once every buffer has a slot.
        flops: Multiplications and additions, as far as they are counted.
    """

    label: str
    reads: list[Buffer]
    writes: list[Buffer]
    make: Callable[[], Any]
    flops: int = 0


#: What one thread does in a microsecond, cautiously, and the time below which waking another does not pay.
_FLOPS_A_US, _BYTES_A_US, _SHORT_US = 50_000, 25_000, 80.0

#: primitive -> writes its entry: `lowering(builder, node) -> Entry`, or None to leave it to the reference kernel.
LOWERINGS: dict[str, Callable[[Builder, Node], Entry | None]] = {}
#: Primitives whose entries take a tile program for their result as `epilogue`, and the (rows, columns) it works on;
#: None where that cannot be, or does not pay.
EPILOGUES: dict[str, Callable[[Builder, Node, Group], tuple[int, int] | None]] = {}


def lowers(*names: str) -> Callable[[Callable[..., Entry | None]], Callable[..., Entry | None]]:
    """Register the lowering of some primitives."""

    def register(function: Callable[..., Entry | None]) -> Callable[..., Entry | None]:
        LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return register


class Builder:
    """Builds one program.

    Args:
        graph: An optimized graph.
        kernels: The extension module.
    """

    def __init__(self, graph: Graph, kernels: Any) -> None:
        self.graph = graph
        self.kernels = kernels
        self.fusion = Fusion(graph, kernels.TILE_OPS, kernels.TILE_LONGEST_ROW)
        self.entries: list[Entry] = []
        self.epilogue: Group | None = None
        self._hosts: dict[Buffer, list[Buffer]] = {}
        self._slots = 0
        self._buffers: dict[Buffer, None] = {}
        self.results = [self._result(j, y) for j, y in enumerate(graph.outputs)]
        self._readers = self._count_readers()
        self._attach_epilogues()
        for unit in self._ordered():
            self._lower(unit)
        for j, source in enumerate(self.results):
            if source.__class__ is View:
                self.results[j] = self._copied(j, source)
        self.arena_bytes = 0

    # -- values --------------------------------------------------------------------------------------------------------
    def view(self, x: Any) -> View:
        """The view of a node's operand or result."""
        return self.fusion.view(x)

    def contiguous(self, x: Any) -> View:
        """The view of an operand in C order: a copy where it is not."""
        view = self.view(x)
        return view if view.is_contiguous else self.copy(view)

    def copy(self, view: View) -> View:
        """A copy of a view, in C order."""
        target = whole(Buffer(view.size, view.dtype), view.shape)
        self.entries.append(self._copy_entry(view, target))
        return target

    def one(self, dtype: str) -> Buffer:
        """A constant of one element, 1."""
        return Buffer(1, dtype, "constant", np.ones(1, dtypes.to_numpy(dtype)))

    def is_needed(self, buffer: Buffer) -> bool:
        """Whether some step reads a buffer, or it is returned."""
        return self._readers[buffer] > 0

    def may_write_over(self, result: Traced, operand: Any) -> None:
        """Let a step write its result over an operand that dies in it: its kernel allows them to be the same view."""
        out, x = self.view(result), self.view(operand)
        if (
            x.is_whole
            and x.buffer.role == out.buffer.role == "arena"
            and x.shape == out.shape
            and x.dtype == out.dtype
        ):
            self._hosts.setdefault(out.buffer, []).append(x.buffer)

    def _copy_entry(self, source: View, target: View) -> Entry:
        return Entry(
            f"copy {source.dtype}{list(source.shape)}",
            [source.buffer],
            [target.buffer],
            lambda: self.kernels.copy_step(self.program_view(source), self.program_view(target)),
        )

    def program_view(self, view: View) -> Any:
        """The C++ twin of a view. Only inside `Entry.make`."""
        return self._program_view(view.buffer, view.offset, view.shape, view.strides)

    def _program_view(self, buffer: Buffer, offset: int, shape: Ints, strides: Ints) -> Any:
        return self.kernels.View(
            buffer.slot, self.kernels.DTYPES[buffer.dtype], offset, list(shape), list(strides)
        )

    # -- results -------------------------------------------------------------------------------------------------------
    def _result(self, j: int, y: Any) -> Any:
        """Output j: a buffer of its own, an input (number and shape), an array, or a view to be copied."""
        if y.__class__ is not Traced:
            return np.asarray(y)
        view = self.view(y)
        buffer = view.buffer
        if view.is_whole and buffer.role == "arena":
            buffer.role, buffer.position = "output", j
            return buffer
        if view.is_whole and buffer.role == "input":
            return int(buffer.position), view.shape
        return view

    def _copied(self, j: int, source: View) -> Buffer:
        target = Buffer(source.size, source.dtype, "output", j)
        self.entries.append(self._copy_entry(source, whole(target, source.shape)))
        return target

    def _count_readers(self) -> Counter[Buffer]:
        """How many units other than its maker read each buffer; the caller counts as one."""
        readers = Counter({self.view(y).buffer for y in self.graph.outputs if y.__class__ is Traced})
        for unit in self.fusion.units:
            readers.update(self._reads(unit))
        return readers

    def _reads(self, unit: Unit) -> set[Buffer]:
        if isinstance(unit, Group):
            return unit.loads
        assert isinstance(unit, Single)
        return {self.view(a).buffer for a in unit.node.args if hasattr(a, "shape")}

    def is_read_only_by(self, group: Group, buffer: Buffer) -> bool:
        """Whether nobody but a group reads a buffer."""
        return self._readers[buffer] == int(buffer in group.loads)

    # -- order ---------------------------------------------------------------------------------------------------------
    def _attach_epilogues(self) -> None:
        """Let a matrix kernel run the program over its result while blocks of that are in cache."""
        for group in self.fusion.units:
            if not isinstance(group, Group) or group.reductions or not group.space.sizes:
                continue
            for buffer in sorted(group.loads, key=lambda b: -b.size):
                kernel = self.fusion.maker.get(buffer)
                if isinstance(kernel, Single) and self._can_follow(group, kernel, buffer):
                    group.kernel = kernel
                    kernel.epilogue = group
                    self._inherit(group, kernel, buffer)
                    break

    def _can_follow(self, group: Group, kernel: Single, buffer: Buffer) -> bool:
        matrix = EPILOGUES.get(kernel.node.name)
        if matrix is None or kernel.epilogue is not None or buffer.size != group.space.size:
            return False
        others = [self.fusion.maker[b] for b in group.loads if b is not buffer and b in self.fusion.maker]
        if any(u.ancestors & kernel.bit or u is kernel for u in others):
            return False
        shape = matrix(self, kernel.node, group)
        if shape is None or 1 in shape:
            return False
        stored = [b for b in group.made if self.is_needed(b)]
        views = [o for m in group.members for o in m.operands if o.__class__ is View and o.buffer is buffer]
        return layout_of(group, stored, shape[1]) is not None and all(
            v.offset == 0 and v.strides == contiguous(group.space.sizes) for v in views
        )

    def _inherit(self, group: Group, kernel: Single, buffer: Buffer) -> None:
        """The kernel now runs when the group does: whoever needs the kernel needs what the group needs."""
        mask = group.ancestors & ~kernel.bit
        if self._readers[buffer] > 1:  # else whoever needs the kernel needs it through the group
            for unit in self.fusion.units:
                if unit is not group and unit.ancestors & kernel.bit:
                    unit.ancestors |= mask | group.bit
        group.ancestors = mask

    def _ordered(self) -> list[Unit]:
        """Units in an order in which each finds its operands made; among those that could run, the earliest written."""
        order: list[Unit] = []
        done = 0
        waiting: list[Unit] = []
        for u in self.fusion.units:
            if isinstance(u, Single) and u.epilogue is not None:
                done |= u.bit  # it runs with its epilogue
            else:
                waiting.append(u)
        by_number = {u.number: u for u in waiting}
        ready: list[tuple[int, int]] = []
        blocked: dict[int, list[Unit]] = {}  # by the latest of what a unit waits for, likely to be made last
        while True:
            for u in waiting:
                missing = u.ancestors & ~done
                if missing:
                    blocked.setdefault(1 << (missing.bit_length() - 1), []).append(u)
                else:
                    heapq.heappush(ready, (u.order, u.number))
            if not ready:
                break
            made = by_number[heapq.heappop(ready)[1]]
            order.append(made)
            done |= made.bit
            waiting = [u for bit in _single_bits(made.bit) for u in blocked.pop(bit, ())]
        assert not blocked, "units wait for each other"
        return order

    # -- entries -------------------------------------------------------------------------------------------------------
    def _lower(self, unit: Unit) -> None:
        if isinstance(unit, Group):
            self.entries.append(
                self._tile_entry(unit) if unit.kernel is None else self._kernel_entry(unit.kernel)
            )
        elif isinstance(unit, Single):
            self.entries.append(self._kernel_entry(unit))

    def _kernel_entry(self, unit: Single) -> Entry:
        lowering = LOWERINGS.get(unit.node.name)
        self.epilogue = unit.epilogue
        entry = lowering(self, unit.node) if lowering is not None else None
        if entry is None:
            assert unit.epilogue is None, f"{unit.node.name} has no kernel for its epilogue"
            entry = self._reference_entry(unit.node)
        return entry

    def with_epilogue(self, entry: Entry, make: Callable[[Any], Any]) -> Entry:
        """`entry` with the tile program of the unit at hand; `make(epilogue)` builds the step of it (or of None)."""
        group = self.epilogue
        if group is None:
            entry.make = lambda: make(None)
            return entry
        tile = self._tile_entry(group)
        (raw,) = entry.writes
        for b in tile.writes:  # the kernel may still read its operands when the first block is written
            self._hosts[b] = [host for host in self._hosts.get(b, ()) if host not in entry.reads]
        entry.label += f" + {tile.label}"
        entry.reads += [b for b in tile.reads if b is not raw]
        entry.writes += tile.writes
        entry.flops += tile.flops
        entry.make = lambda: make(tile.make())
        return entry

    def _tile_entry(self, group: Group) -> Entry:
        stored = {b for b in group.made if self.is_needed(b)}
        columns = None
        if group.kernel is not None:
            matrix = EPILOGUES[group.kernel.node.name](self, group.kernel.node, group)
            assert matrix is not None
            columns = matrix[1]
        layout = layout_of(group, list(stored), columns)
        assert layout is not None, "a group's columns are walkable by construction"

        def make() -> Any:
            writer = TileWriter(group, layout, stored, self._program_view)
            return self.kernels.tile_step(**writer.spec(self.kernels.TILE_OPS))

        entry = Entry(
            _tile_label(group, layout),
            list(group.loads),
            [b for b in group.made if b in stored],
            make,
            flops=group.space.size * len(group.members),
        )
        self._overwrite(group, stored)
        return entry

    def _overwrite(self, group: Group, stored: set[Buffer]) -> None:
        """Note which operands a result may be written over: same strides wherever the group reads them."""
        candidates: dict[Buffer, list[Buffer]] = {}
        for b in stored:
            member = group.made[b]
            if member.reduction or b.role != "arena":
                continue
            for operand in group.loads:
                views = [
                    o
                    for m in group.members
                    for o in m.operands
                    if o.__class__ is View and o.buffer is operand
                ]
                if (
                    operand.role == "arena"
                    and operand.nbytes == b.nbytes
                    and operand.dtype == b.dtype
                    and all(v.offset == 0 and v.strides == member.strides for v in views)
                ):
                    candidates.setdefault(b, []).append(operand)
        self._hosts.update(candidates)

    def _reference_entry(self, node: Node) -> Entry:
        """A kernel of reference/ on arrays that share the program's memory."""
        kernel = KERNELS[node.name]
        operands = [self.view(a) if hasattr(a, "shape") else a for a in node.args]
        outputs = [self.view(o) for o in node.outputs]

        keywords, single = node.keywords, node.single

        def make() -> Any:
            ins = [_array_maker(o) if o.__class__ is View else (lambda _, o=o: o) for o in operands]
            outs = [_array_maker(o) for o in outputs]
            return self.kernels.python_step(_on_arrays(kernel, keywords, single, ins, outs, self._slots))

        reads = [o.buffer for o in operands if o.__class__ is View]
        return Entry(f"reference {node.name}", reads, [o.buffer for o in outputs], make)

    # -- program -------------------------------------------------------------------------------------------------------
    def program(self) -> Any:
        """The C++ program."""
        self._lifetimes()
        self._place_in_operands()
        own = [b for b in self._buffers if b.role == "arena" and b.host is None]
        offsets, self.arena_bytes = plan_memory(own)
        for b in self._buffers:
            if b.host is None:
                b.slot = self._slot()
        for b in self._buffers:
            if b.host is not None:
                b.slot = _bottom(b).slot
        roles: dict[str, list[Buffer]] = {"input": [], "constant": [], "output": []}
        for b in self._buffers:
            if b.role in roles and b.host is None:
                roles[b.role].append(b)
        inputs = sorted(roles["input"], key=lambda b: b.position)
        outputs = sorted(roles["output"], key=lambda b: b.position)
        self.input_numbers = [b.position for b in inputs]
        self.output_numbers = [b.position for b in outputs]
        return self.kernels.Program(
            inputs=[b.slot for b in inputs],
            constants=[(b.slot, _bytes_of(b.position)) for b in roles["constant"]],
            arena=[(b.slot, offsets[b]) for b in own],
            arena_bytes=self.arena_bytes,
            outputs=[(b.slot, self._allocator(b.position)) for b in outputs],
            steps=[entry.make() or self.kernels.python_step(_nothing) for entry in self.entries],
            slots=self._slots,
            alone=self._is_short(),
        )

    def _is_short(self) -> bool:
        """Whether one thread is done before a sleeping one would have come to help."""
        flops = sum(entry.flops for entry in self.entries)
        traffic = sum(b.nbytes for entry in self.entries for b in (*entry.reads, *entry.writes))
        return flops / _FLOPS_A_US + traffic / _BYTES_A_US < _SHORT_US

    def _slot(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _allocator(self, position: int) -> Callable[[], np.ndarray]:
        y = self.graph.outputs[position]
        return functools.partial(np.empty, y.shape, dtypes.to_numpy(y.dtype))

    def _lifetimes(self) -> None:
        for i, entry in enumerate(self.entries):
            for b in (*entry.reads, *entry.writes):
                self._buffers[b] = None
                b.first = min(b.first, i)
                b.last = max(b.last, i)

    def _place_in_operands(self) -> None:
        """Write results over operands that die in the same step."""
        for i, entry in enumerate(self.entries):
            taken: set[Buffer] = set()
            for b in entry.writes:
                for operand in self._hosts.get(b, ()):
                    host = _bottom(operand)
                    if (
                        operand.last == i
                        and b.first == i
                        and host not in taken
                        and host is not b
                        and host.last == i
                    ):
                        taken.add(host)
                        b.host = host
                        host.last = max(host.last, b.last)
                        break


def _single_bits(mask: int) -> Iterator[int]:
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def _nothing(_: int) -> None:
    """The step of an entry without work."""


def _bottom(buffer: Buffer) -> Buffer:
    while buffer.host is not None:
        buffer = buffer.host
    return buffer


def _bytes_of(array: np.ndarray) -> np.ndarray:
    """An array whose memory the buffer protocol hands out (that of 16-bit brain floats it does not)."""
    return array if array.dtype.kind in "biuf" else array.view(np.uint16)


def _on_arrays(
    kernel: Callable[..., Any],
    keywords: dict[str, Any],
    single: bool,
    ins: list[Callable[[Any], Any]],
    outs: list[Callable[[Any], np.ndarray]],
    count: int,
) -> Callable[[int], None]:
    """A step's function: run a kernel of NumPy on the program's memory.

    It must not lead back to the graph: the collector does not see through the program, which holds it.
    """

    def run(address: int) -> None:
        slots = (ctypes.c_void_p * count).from_address(address)
        with np.errstate(all="ignore"):
            results = kernel(*[get(slots) for get in ins], **keywords)
        for get, result in zip(outs, [results] if single else results, strict=True):
            get(slots)[...] = result

    return run


def _array_maker(view: View) -> Callable[[Any], np.ndarray]:
    """Makes NumPy's array of a view from the program's pointers."""
    dtype = np.dtype(dtypes.to_numpy(view.dtype))
    low = view.offset + sum(min(0, (d - 1) * s) for d, s in zip(view.shape, view.strides, strict=True))
    high = view.offset + sum(max(0, (d - 1) * s) for d, s in zip(view.shape, view.strides, strict=True))
    shape = view.shape
    if not view.size:
        return lambda slots: np.empty(shape, dtype)
    memory = ctypes.c_char * ((high - low + 1) * dtype.itemsize)
    strides = [s * dtype.itemsize for s in view.strides]
    slot, start = view.buffer.slot, low * dtype.itemsize
    offset = (view.offset - low) * dtype.itemsize

    def array(slots: Any) -> np.ndarray:
        return np.ndarray(
            view.shape, dtype, memoryview(memory.from_address(slots[slot] + start)), offset, strides
        )

    return array


def _tile_label(group: Group, layout: Layout) -> str:
    names: dict[str, int] = {}
    for m in group.members:
        names[m.node.name] = names.get(m.node.name, 0) + 1
    inside = " ".join(f"{name}×{count}" if count > 1 else name for name, count in names.items())
    return f"tile {list(layout.sizes)} ({inside})"
