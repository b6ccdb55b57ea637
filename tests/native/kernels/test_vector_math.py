"""How far the vector functions are from the truth, in units in the last place (ULP), on every instruction set.

    python tests/native/kernels/test_vector_math.py     the table of docs/performance.md

float32 is held against float64, float64 against the longer floats of the C library where the machine has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Workbench
from tiles import Tiles

from kerasish_native._load import load_kernels

ISAS = ("generic", "avx2", "avx512")
LONG_MANTISSA = 63  # bits: what x86 has
#: (function, most ULP of float32, most ULP of float64). A result rounded once has 0.5. In float64 all but sqrt, rsqrt,
#: exp, log and sigmoid are the C library's.
ACCURACY = [
    ("sqrt", 0.5, 0.5),
    ("rsqrt", 1.5, 1.5),
    ("exp", 1.1, 1),
    ("expm1", 1.5, 1),
    ("log", 1, 1),
    ("log1p", 1.5, 1),
    ("sin", 1.5, 1),
    ("cos", 1.5, 1),
    ("tan", 1, 1),
    ("arcsin", 1, 1),
    ("arccos", 1, 1),
    ("arctan", 1, 1),
    ("sinh", 1, 2),
    ("cosh", 1, 2),
    ("tanh", 1.5, 2.5),
    ("arcsinh", 1, 2),
    ("arccosh", 1, 2),
    ("arctanh", 1, 2),
    ("sigmoid", 2, 2),
    ("erf", 1.3, 1.5),
    ("power", 1, 1),
    ("arctan2", 1, 1),
]
PAIRS = ("power", "arctan2")
COUNT = {"float32": 1 << 20, "float64": 1 << 19}


# -- the truth ---------------------------------------------------------------------------------------------------------
def erf(x: np.ndarray) -> np.ndarray:
    """2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n + 1) / (2n + 1)!!: every term has the sign of x, so nothing cancels."""
    near = np.clip(x, -7, 7)
    term = near * x.dtype.type(2) / np.sqrt(np.arccos(x.dtype.type(-1)))
    total = term.copy()
    for n in range(1, 190):
        term = term * (2 * near * near / (2 * n + 1))
        total += term
    return np.where(np.isnan(x), x, total * np.exp(-near * near))


def sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


TRUTH: dict[str, Callable[..., np.ndarray]] = {
    "sigmoid": sigmoid,
    "erf": erf,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}


def truth(name: str, *arrays: np.ndarray) -> np.ndarray:
    """The function of the next longer float."""
    longer = np.float64 if arrays[0].dtype == np.float32 else np.longdouble
    return TRUTH.get(name, getattr(np, name, None))(*(a.astype(longer) for a in arrays))


# -- where it is looked ------------------------------------------------------------------------------------------------
def samples(dtype: str, rng: np.random.Generator) -> np.ndarray:
    """All patterns of bits in equal steps, ordinary sizes, neighbours of what is special to some function."""
    count, float_type = COUNT[dtype], np.dtype(dtype).type
    bits, integer = (32, np.uint32) if dtype == "float32" else (64, np.uint64)
    step = 2**bits // (count // 2)
    start = int(rng.integers(step))
    patterns = (np.arange(count // 2, dtype=integer) * integer(step) + integer(start)).view(dtype)
    sizes = 2.0 ** rng.uniform(-28, 10, count // 4) * rng.choice([-1.0, 1.0], count // 4)
    unit = rng.uniform(-1, 1, count // 8)
    quarters = np.arange(1, count // 32) * (np.pi / 2)
    exponents = np.arange(-bits, 1)
    marks = np.array(
        [0.0, 1.0, 0.625, 0.92, 89.0, -104.0, 710.0, -746.0, np.log(np.finfo(dtype).max), np.inf]
    )
    marks = np.concatenate(
        [marks, 1 + 2.0**exponents, 1 - 2.0**exponents, 2.0 ** np.arange(-60, 128), [np.nan]]
    )
    marks = np.concatenate([marks, -marks]).astype(float_type)
    tiny = np.array([1, 2, 3, 1 << (bits // 3), 1 << (bits // 2)], integer).view(dtype)
    parts = [patterns, sizes, unit, quarters, -quarters, marks, tiny, -tiny]
    parts += [np.nextafter(marks, float_type(np.inf)), np.nextafter(marks, float_type(-np.inf))]
    return np.concatenate([part.astype(dtype) for part in parts])


def arguments(name: str, dtype: str) -> tuple[np.ndarray, ...]:
    """What the function is tried on; of pairs also many whose result is a normal number."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {dtype}".encode()))
    x = samples(dtype, rng)
    if name not in PAIRS:
        return (x,)
    y = rng.permutation(x)
    special = np.array([0, -0.0, 1, -1, 2, 3, -3, 0.5, np.inf, -np.inf, np.nan], dtype)
    grid = np.meshgrid(special, special)
    base = 2.0 ** rng.uniform(-20, 20, x.size // 2)
    exponent = rng.uniform(-6, 6, x.size // 2)
    return (
        np.concatenate([x, grid[0].ravel(), base.astype(dtype)]),
        np.concatenate([y, grid[1].ravel(), exponent.astype(dtype)]),
    )


# -- the distance ------------------------------------------------------------------------------------------------------
def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got - want| in units of the last place of the rounded `want`; infinity counts as the next power of two."""
    info = np.finfo(got.dtype)
    top = want.dtype.type(2) ** info.maxexp
    unit = np.spacing(np.minimum(np.abs(want.astype(got.dtype)), info.max)).astype(want.dtype)
    distance = np.abs(np.clip(got.astype(want.dtype), -top, top) - np.clip(want, -top, top)) / unit
    distance = np.where(
        np.isnan(got) & np.isnan(want), 0, np.where(np.isnan(got) | np.isnan(want), np.inf, distance)
    )
    wrong_zero = (want == 0) & (np.signbit(want) != np.signbit(got))
    return np.where(wrong_zero, np.inf, distance)


def computed(name: str, *arrays: np.ndarray) -> np.ndarray:
    """What the kernel gives."""
    x = arrays[0]
    tiles = Tiles(Workbench(), (), x.size)
    out = np.zeros_like(x)
    tiles.store(tiles.op(name, *(tiles.load(a) for a in arrays)), out)
    tiles.run()
    return out


def worst(name: str, dtype: str) -> tuple[float, list[str]]:
    """The largest distance, and the arguments where it is."""
    given = arguments(name, dtype)
    with np.errstate(all="ignore"):
        found = ulps(computed(name, *given), truth(name, *given))
    at = int(np.argmax(found))
    return float(found[at]), [repr(float(a[at])) for a in given]


# -- every instruction set, in processes of their own ----------------------------------------------------------------
def cases() -> Iterator[tuple[str, str, float]]:
    for name, single, double in ACCURACY:
        yield name, "float32", single
        if np.finfo(np.longdouble).nmant >= LONG_MANTISSA:
            yield name, "float64", double


def measured(isa: str) -> dict[str, tuple[float, list[str]]]:
    """`worst` of every function; {} where the machine lacks the instruction set."""
    done = subprocess.run(
        [sys.executable, __file__, isa],
        env={**os.environ, "KERASISH_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("isa", ISAS)
def test_vector_functions_are_as_exact_as_documented(isa):
    found = measured(isa)
    if not found:
        pytest.skip(f"this processor has no {isa}")
    wrong = {
        f"{name} {dtype}": (bound, *found[f"{name} {dtype}"])
        for name, dtype, bound in cases()
        if found[f"{name} {dtype}"][0] > bound
    }
    assert wrong == {}


def table() -> str:
    """The worst of each function on each instruction set, for the documentation."""
    columns = {isa: found for isa in ISAS if (found := measured(isa))}
    lines = [
        "| function | float32: " + " / ".join(columns) + " | float64: " + " / ".join(columns) + " |",
        "|---|---|---|",
    ]
    for name, _, _ in ACCURACY:
        cells = [
            " / ".join(f"{found[f'{name} {dtype}'][0]:.2f}" for found in columns.values()) for dtype in COUNT
        ]
        lines.append(f"| `{name}` | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(table())
    elif load_kernels().cpu_features()["isa"] == sys.argv[1]:
        print(json.dumps({f"{name} {dtype}": worst(name, dtype) for name, dtype, _ in cases()}))
    else:
        print("{}")
