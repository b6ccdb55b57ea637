"""Writes a fused group as a tile program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kerasish.core.dtypes import is_float
from kerasish_native.plan.fusion import REDUCTIONS, ROW_ONLY, Group, Member
from kerasish_native.plan.spaces import collapsible
from kerasish_native.plan.views import Buffer, Ints, View


@dataclass(slots=True)
class Layout:
    """The axes a program walks: several for the rows, one for the columns; `runs` are the space's axes in each."""

    runs: list[range]
    sizes: Ints

    def over(self, strides: Ints) -> Ints:
        """Strides along the space as strides along rows and columns."""
        return tuple([strides[run[-1]] if run else 0 for run in self.runs])


def layout_of(group: Group, stored: Sequence[Buffer], columns: int | None = None) -> Layout | None:
    """Rows and columns of a group. With `columns`, one row axis and so many columns, or None if it cannot be."""
    sizes = group.space.sizes
    strides = [o.strides for m in group.members for o in m.operands if o.__class__ is View]
    strides += [group.made[b].strides for b in stored]
    split = group.space.split
    if columns is not None:
        split = _split_at(sizes, columns)
        if split is None or group.space.split not in (None, split):
            return None
    if split is None:
        split = 0
        while not all(collapsible(sizes[split:], s[split:]) for s in strides):
            split += 1
    elif not all(collapsible(sizes[split:], s[split:]) for s in strides):
        return None
    rows: list[range] = []
    for axis in range(split):
        if rows and all(s[axis - 1] == sizes[axis] * s[axis] for s in strides):
            rows[-1] = range(rows[-1].start, axis + 1)
        else:
            rows.append(range(axis, axis + 1))
    if columns is not None and len(rows) != 1:
        return None
    runs = [*rows, range(split, len(sizes))]
    return Layout(runs, tuple([math.prod([sizes[i] for i in run]) for run in runs]))


def _split_at(sizes: Ints, columns: int) -> int | None:
    product, split = 1, len(sizes)
    while product < columns and split:
        split -= 1
        product *= sizes[split]
    return split if product == columns else None


class TileWriter:
    """Collects registers, loads, operations and stores of one group.

    Args:
        group: The group.
        layout: Its rows and columns.
        stored: The results that other steps need.
        view: Makes the program's view of (buffer, offset, shape, strides).
    """

    def __init__(
        self,
        group: Group,
        layout: Layout,
        stored: set[Buffer],
        view: Callable[[Buffer, int, Ints, Ints], Any],
    ) -> None:
        self.layout = layout
        self.view = view
        self.registers: list[tuple[str, str]] = []
        self.loads: list[tuple[int, Any]] = []
        self.constants: list[tuple[int, Any]] = []
        self.ops: list[tuple[str, str, int, int, int, int]] = []
        self.stores: list[tuple[int, Any, str]] = []
        self._loaded: dict[Any, int] = {}
        self._made: dict[Buffer, int] = {}
        for member in group.members:
            self._write(member, stored)

    def spec(self, codes: dict[str, int]) -> dict[str, Any]:
        """Keywords of `tile_step`."""
        return {
            "rows": list(self.layout.sizes[:-1]),
            "cols": self.layout.sizes[-1],
            "registers": self.registers,
            "loads": self.loads,
            "ops": [(codes[code], *rest) for code, *rest in self.ops],
            "constants": self.constants,
            "stores": self.stores,
        }

    def _kind(self, strides: Ints) -> str:
        """What a register holds, from its strides along rows and columns."""
        varies_in_rows = any(s for s, n in zip(strides[:-1], self.layout.sizes[:-1], strict=True) if n != 1)
        if strides[-1] and self.layout.sizes[-1] != 1:
            return "full" if varies_in_rows or not strides[:-1] else "col"
        return "row" if varies_in_rows else "scalar"

    def _register(self, kind: str, dtype: str) -> int:
        self.registers.append((kind, dtype))
        return len(self.registers) - 1

    def _operand(self, operand: Any, dtype: str) -> int:
        if operand.__class__ is not View:
            return self._constant(operand, dtype)
        made = self._made.get(operand.buffer)
        if made is not None:
            return made
        strides = self.layout.over(operand.strides)
        key = (operand.buffer, operand.offset, strides)
        found = self._loaded.get(key)
        if found is None:
            found = self._loaded[key] = self._register(self._kind(strides), operand.dtype)
            self.loads.append((found, self.view(operand.buffer, operand.offset, self.layout.sizes, strides)))
        return found

    def _constant(self, value: Any, dtype: str) -> int:
        key = (dtype, repr(value))
        found = self._loaded.get(key)
        if found is None:
            found = self._loaded[key] = self._register("scalar", dtype)
            self.constants.append((found, float(value) if is_float(dtype) else int(value)))
        return found

    def _write(self, member: Member, stored: set[Buffer]) -> None:
        name, reduction = member.node.name, member.reduction
        strides = self.layout.over(member.strides)
        dtype = next((o.dtype for o in reversed(member.operands) if o.__class__ is View), member.root.dtype)
        dtype = member.root.dtype if name == "where" else dtype
        ins = [
            self._operand(o, "bool" if name == "where" and i == 0 else dtype)
            for i, o in enumerate(member.operands)
        ]
        if reduction is not None:
            self._reduce(
                member, self._widened(ins[0], "row" if reduction == "rows" else "full"), dtype, stored
            )
            return
        out = self._computed(name, dtype, self._join(ins), member.root.dtype, ins)
        self._made[member.root] = out
        if member.root in stored:
            self._store(self._widened(out, self._kind(strides)), member.root, strides, "none")

    def _reduce(self, member: Member, operand: int, dtype: str, stored: set[Buffer]) -> None:
        name, reduction, root = member.node.name, member.reduction, member.root
        strides = self.layout.over(member.strides)
        if reduction in ("fold", "rows"):
            self._store(operand, root, strides, REDUCTIONS[name])
            return
        out = self._computed(ROW_ONLY.get(name, f"row_{name}"), dtype, "row", root.dtype, [operand])
        if reduction == "total":
            self._store(out, root, strides, REDUCTIONS[name] if self.layout.sizes[:-1] else "none")
            return
        self._made[root] = out
        if root in stored:
            self._store(out, root, strides, "none")

    def _join(self, registers: list[int]) -> str:
        """The kind of an operation's result: it varies along every axis that one of its operands varies along."""
        kinds = {self.registers[r][0] for r in registers}
        if "full" in kinds or {"row", "col"} <= kinds:
            return "full"
        return "row" if "row" in kinds else "col" if "col" in kinds else "scalar"

    def _widened(self, register: int, kind: str) -> int:
        """The register, or a copy that varies along more axes."""
        have, dtype = self.registers[register]
        return register if have == kind else self._computed("copy", dtype, kind, dtype, [register])

    def _computed(self, code: str, dtype: str, kind: str, result: str, ins: list[int]) -> int:
        """The register with an operation's result: the one there is, if the operation was done before."""
        a, b, c = (*ins, *[-1] * (3 - len(ins)))
        key = (code, dtype, result, a, b, c)
        found = self._loaded.get(key)
        if found is None:
            found = self._loaded[key] = self._register(kind, result)
            self.ops.append((code, dtype, found, a, b, c))
        return found

    def _store(self, register: int, root: Buffer, strides: Ints, reduction: str) -> None:
        self.stores.append((register, self.view(root, 0, self.layout.sizes, strides), reduction))
