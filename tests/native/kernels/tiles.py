"""Tile programs written over NumPy arrays, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes

TESTS = {"isfinite", "isnan", "isinf", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
KINDS = ("full", "row", "col", "scalar")


def join(*kinds: str) -> str:
    """The kind of a result of operands of these kinds."""
    present = set(kinds) - {"scalar"}
    if not present:
        return "scalar"
    return present.pop() if len(present) == 1 else "full"


class Tiles:
    """A program over [*rows, cols] elements. Arrays are broadcast to that shape where they are loaded and stored."""

    def __init__(self, bench: Any, rows: tuple[int, ...], cols: int) -> None:
        self.bench, self.rows, self.cols = bench, rows, cols
        self.registers: list[tuple[str, str]] = []
        self.loads: list[tuple[int, Any]] = []
        self.ops: list[tuple[int, ...]] = []
        self.constants: list[tuple[int, float]] = []
        self.stores: list[tuple[int, Any, str]] = []

    def register(self, kind: str, dtype: str) -> int:
        self.registers.append((kind, dtype))
        return len(self.registers) - 1

    def load(self, array: np.ndarray, kind: str | None = None, dtype: str | None = None) -> int:
        view = np.broadcast_to(array, (*self.rows, self.cols))
        if kind is None:
            by_row = any(s != 0 and n > 1 for s, n in zip(view.strides[:-1], self.rows, strict=True))
            by_col = view.strides[-1] != 0 and self.cols > 1
            kind = ("full" if by_col else "row") if by_row else ("col" if by_col else "scalar")
        own = dtypes.of_numpy(array.dtype)
        register = self.register(kind, dtype or own)
        self.loads.append((register, self.bench.put(view)))
        return register

    def constant(self, value: float, dtype: str = "float32") -> int:
        register = self.register("scalar", dtype)
        self.constants.append((register, value))
        return register

    def op(self, name: str, *operands: int, dtype: str | None = None, kind: str | None = None) -> int:
        own = self.registers[operands[1 if name == "where" else 0]][1]
        kinds = ["row"] if name.startswith("row_") else [self.registers[r][0] for r in operands]
        if name in TESTS:
            dtype = "bool"
        elif name in {"row_argmax", "row_argmin"}:
            dtype = "int32"
        out = self.register(kind or join(*kinds), dtype or own)
        inputs = [*operands, -1, -1][:3]
        self.ops.append((self.bench.kernels.TILE_OPS[name], own, out, *inputs))
        return out

    def store(self, register: int, array: np.ndarray, reduction: str = "none") -> None:
        view = np.broadcast_to(array, (*self.rows, self.cols))
        self.stores.append((register, self.bench.put(view), reduction))

    def step(self) -> Any:
        return self.bench.kernels.tile_step(
            list(self.rows), self.cols, self.registers, self.loads, self.ops, self.constants, self.stores
        )

    def run(self) -> None:
        self.bench.run([self.step()])
