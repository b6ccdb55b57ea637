"""Where activations wait for the backward walk: in memory while they are few, else in a temporary file."""

from __future__ import annotations

import tempfile
import weakref
from typing import Any

import numpy as np

#: Bytes kept in memory before a file is used.
IN_MEMORY = 64 << 20


class Spill:
    """Numbered arrays, written once and read when needed.

    Args:
        in_memory: Bytes to keep in memory (default `IN_MEMORY`); what comes after them goes to a temporary file, which
            is deleted with this object.

    Example:
        >>> store = Spill(in_memory=0)
        >>> store.put(7, np.arange(3.0))
        >>> store.get(7).tolist()
        [0.0, 1.0, 2.0]
    """

    def __init__(self, in_memory: int | None = None) -> None:
        self._room = IN_MEMORY if in_memory is None else in_memory
        self._kept: dict[int, np.ndarray] = {}
        self._places: dict[int, tuple[int, tuple[int, ...], Any]] = {}
        self._file: Any = None
        self._end = 0

    def put(self, number: int, array: np.ndarray) -> None:
        """Keep an array under a number."""
        if array.nbytes <= self._room:
            self._room -= array.nbytes
            self._kept[number] = array.copy()
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="kerasish-diff-")  # noqa: SIM115  it lives as long as this
            self._closing = weakref.finalize(self, self._file.close)
        self._file.seek(self._end)
        self._file.write(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
        self._places[number] = (self._end, array.shape, array.dtype)
        self._end += array.nbytes

    def get(self, number: int) -> np.ndarray:
        """The array of a number."""
        if number in self._kept:
            return self._kept[number]
        start, shape, dtype = self._places[number]
        result = np.empty(shape, dtype)
        if result.size:
            self._file.seek(start)
            self._file.readinto(result.reshape(-1).view(np.uint8).data)
        return result

    def close(self) -> None:
        """Let everything go."""
        self._kept.clear()
        self._places.clear()
        if self._file is not None:
            self._closing()
            self._file = None
