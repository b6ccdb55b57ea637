"""Where intermediate results lie: one arena, whose parts are used again once their values are dead."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from kerasish_native.plan.views import Buffer

_ALIGNMENT = 64


def _rounded(size: int) -> int:
    return -(-max(size, 1) // _ALIGNMENT) * _ALIGNMENT


class Arena:
    """Offsets handed out in the order of the steps, best fit first.

    Attributes:
        size: Bytes needed so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (offset, bytes), by offset

    def take(self, size: int) -> int:
        """The offset of `size` free bytes."""
        size = _rounded(size)
        fitting = [(have, offset) for offset, have in self._free if have >= size]
        if fitting:
            have, offset = min(fitting)
            self._free.remove((offset, have))
            if have > size:
                insort(self._free, (offset + size, have - size))
            return offset
        if self._free and sum(self._free[-1]) == self.size:  # the last free part ends the arena: let it grow
            offset, _ = self._free.pop()
        else:
            offset = self.size
        self.size = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Free what was taken."""
        size = _rounded(size)
        insort(self._free, (offset, size))
        i = self._free.index((offset, size))
        for j in (i + 1, i):  # join neighbours
            if 0 < j < len(self._free) and sum(self._free[j - 1]) == self._free[j][0]:
                (start, a), (_, b) = self._free[j - 1], self._free[j]
                self._free[j - 1 : j + 1] = [(start, a + b)]


def plan_memory(buffers: Sequence[Buffer]) -> tuple[dict[Buffer, int], int]:
    """Offsets of buffers that live from step `first` to step `last`, and the size of the arena."""
    arena = Arena()
    offsets: dict[Buffer, int] = {}
    begins: dict[int, list[Buffer]] = {}
    ends: dict[int, list[Buffer]] = {}
    for b in buffers:
        begins.setdefault(b.first, []).append(b)
        ends.setdefault(b.last, []).append(b)
    for step in sorted({*begins, *ends}):
        for b in sorted(begins.get(step, ()), key=lambda b: -b.nbytes):
            offsets[b] = arena.take(b.nbytes)
        for b in ends.get(step, ()):
            arena.give(offsets[b], b.nbytes)
    return offsets, arena.size
