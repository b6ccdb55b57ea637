"""Runs kernel steps on arrays, outside of any plan: what the tables of this folder are written with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from kerasish.core import dtypes
from kerasish_native._load import load_kernels


class Workbench:
    """Slots around arrays. Views may be any NumPy view of an array that was put on the bench."""

    def __init__(self) -> None:
        self.kernels: Any = load_kernels()
        assert self.kernels is not None, "the compiled kernels are not built"
        self.bases: list[np.ndarray] = []

    def put(self, array: np.ndarray) -> Any:
        """A view of `array`; the array's base must be C-contiguous."""
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert base.flags.c_contiguous
        for slot, known in enumerate(self.bases):
            if known is base:
                return self._view(slot, base, array)
        self.bases.append(base)
        return self._view(len(self.bases) - 1, base, array)

    def _view(self, slot: int, base: np.ndarray, array: np.ndarray) -> Any:
        size = array.itemsize
        offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        strides = [s // size for s in array.strides]
        number = self.kernels.DTYPES[dtypes.of_numpy(array.dtype)]
        return self.kernels.View(slot, number, offset // size, list(array.shape), strides)

    def run(self, steps: Sequence[Any]) -> None:
        """Run the steps on the arrays put so far; results are written into the arrays themselves."""
        slots = range(len(self.bases))
        program = self.kernels.Program(
            [], [(i, _bytes(self.bases[i])) for i in slots], [], 0, [], list(steps), len(slots)
        )
        program.run([])


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint8) if array.ndim and array.dtype.kind not in "biuf" else array


def step_on(make: Callable[..., Any], *arrays: np.ndarray, **keywords: Any) -> None:
    """Make a step of views of `arrays` and run it."""
    bench = Workbench()
    bench.run([make(*[bench.put(a) for a in arrays], **keywords)])


@pytest.fixture(name="step_on")
def step_on_fixture() -> Callable[..., None]:
    """`step_on(make, *arrays, **keywords)`: make a step of views of the arrays and run it."""
    return step_on


@pytest.fixture
def bench() -> Workbench:
    """An empty workbench, for programs of several steps."""
    return Workbench()


@pytest.fixture
def printed_by() -> Callable[[str, str, str], str]:
    """`printed_by(file, isa, threads)`: what a file prints as a program, which chooses both before it loads kernels."""

    def run(file: str, isa: str, threads: str) -> str:
        done = subprocess.run(
            [sys.executable, file],
            env={**os.environ, "KERASISH_ISA": isa, "KERASISH_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
