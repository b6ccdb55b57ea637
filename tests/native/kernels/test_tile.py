"""Tile programs against the reference kernels: every operation, dtype, kind of register, layout and reduction."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Workbench
from tiles import TESTS, Tiles

from kerasish.core import dtypes
from kerasish_native.reference import KERNELS

NAN, INF = float("nan"), float("inf")
FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int32", "int64", "uint8", "int8", "int16", "uint16", "uint32", "uint64"]
SIZES = [1, 15, 16, 17, 33, 200]

FLOAT_UNARY = [
    "negative", "abs", "sign", "square", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos",
    "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "sigmoid",
    "erf", "floor", "ceil", "trunc", "round", "isfinite", "isnan", "isinf",
]  # fmt: skip
FLOAT_BINARY = [
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "maximum", "minimum",
    "arctan2", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
]  # fmt: skip
INTEGER_BINARY = [
    "add", "subtract", "multiply", "floor_divide", "remainder", "power", "maximum", "minimum", "equal",
    "not_equal", "less", "less_equal", "greater", "greater_equal", "bitwise_and", "bitwise_or",
    "bitwise_xor", "left_shift", "right_shift",
]  # fmt: skip
BOOL_BINARY = ["logical_and", "logical_or", "logical_xor", "equal", "not_equal"]


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def floats(n: int, dtype: str, seed: int = 0) -> np.ndarray:
    """Ordinary numbers of many sizes among all special ones."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) * 10.0 ** rng.integers(-3, 3, n)
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, INF, -INF, NAN, 1e-40, -1e-40, 80.0, -100.0, 1e30, 3.0]
    chosen = rng.random(n) < 0.3
    x[chosen] = rng.choice(special, int(chosen.sum()))
    return x.astype(dtypes.to_numpy(dtype))


def integers(n: int, dtype: str, seed: int = 0) -> np.ndarray:
    """Small numbers, and the ends of the range."""
    rng = np.random.default_rng(seed)
    low, high = dtypes.int_range(dtype)
    x = rng.integers(max(low, -7), 8, n).astype(dtype)
    chosen = rng.random(n) < 0.25
    x[chosen] = rng.choice(np.array([low, high, 0, 1, high // 3], dtype), int(chosen.sum()))
    return x


def bools(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n) < 0.5


def close(got: np.ndarray, want: np.ndarray) -> None:
    """Equal up to a few units in the last place; 16-bit floats one, which is where both round once."""
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    if got.dtype.kind in "fV":
        step = {2: 2.0**-7 if got.dtype.kind == "V" else 2.0**-10, 4: 5e-7, 8: 1e-15}[got.dtype.itemsize]
        got, want = got.astype(np.float64), want.astype(np.float64)
        np.testing.assert_allclose(got, want, rtol=step, atol=1e-44)
        np.testing.assert_array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))
    else:
        np.testing.assert_array_equal(got, want)


def apply(bench, name: str, *arrays: np.ndarray, rows=(), dtype: str | None = None) -> np.ndarray:
    """One operation of arrays that broadcast to [*rows, cols]."""
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    tiles = Tiles(bench, shape[:-1], shape[-1])
    register = tiles.op(name, *(tiles.load(a) for a in arrays), dtype=dtype)
    kind, of = tiles.registers[register]
    out = np.zeros(shape, dtypes.to_numpy(of))
    if kind != "full":
        register = tiles.op("copy", register, kind="full")
    tiles.store(register, out)
    tiles.run()
    return out


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FLOAT_UNARY)
def test_functions_of_floats(bench, name, dtype):
    for n in SIZES:
        x = floats(n, dtype, n)
        if name == "sign" and dtype == "bfloat16":
            x += x.dtype.type(0)  # the reference leaves the sign of zero, of this dtype alone
        close(apply(bench, name, x), KERNELS[name](x))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FLOAT_BINARY)
def test_pairs_of_floats(bench, name, dtype):
    for n in SIZES:
        x, y = floats(n, dtype, n), floats(n, dtype, n + 1)
        y[::3] = x[::3]
        if name in {"floor_divide", "remainder"}:  # the reference divides infinities in its own way
            x, y = (np.where(np.isfinite(v), v, v.dtype.type(3)) for v in (x, y))
        close(apply(bench, name, x, y), KERNELS[name](x, y))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", [*INTEGER_BINARY, "negative", "abs", "sign", "square", "bitwise_not"])
def test_integers(bench, name, dtype):
    bits = dtypes.bits(dtype)
    for n in SIZES:
        x, y = integers(n, dtype, n), integers(n, dtype, n + 1)
        if name in {"left_shift", "right_shift"}:
            y = (np.abs(y.astype(object)) % bits).astype(dtype)
        arguments = (x, y) if name in INTEGER_BINARY else (x,)
        close(apply(bench, name, *arguments), KERNELS[name](*arguments))


@pytest.mark.parametrize("name", [*BOOL_BINARY, "logical_not"])
def test_bools(bench, name):
    for n in SIZES:
        arguments = (bools(n, n), bools(n, n + 1)) if name in BOOL_BINARY else (bools(n, n),)
        close(apply(bench, name, *arguments), KERNELS[name](*arguments))


@pytest.mark.parametrize("dtype", ["bool", *INTEGERS, *FLOATS])
def test_where_takes_any_dtype(bench, dtype):
    for n in SIZES:
        make = bools if dtype == "bool" else integers if dtype in INTEGERS else floats
        x, y = (make(n, seed) if dtype == "bool" else make(n, dtype, seed) for seed in (n, n + 1))
        c = bools(n, 7)
        close(apply(bench, "where", c, x, y), np.where(c, x, y))


@pytest.mark.parametrize("source", ["bool", *INTEGERS, *FLOATS])
def test_casts_follow_the_contract(bench, source):
    x = bools(77) if source == "bool" else integers(77, source) if source in INTEGERS else floats(77, source)
    for target in ["bool", *INTEGERS, *FLOATS]:
        close(apply(bench, "cast", x, dtype=target), KERNELS["cast"](x, dtype=target))


def test_casts_between_widths_round_once(bench):
    x = np.array(
        [1 + 2.0**-11 + 2.0**-40, 65519.999, 65520.0, 2.0**-25 * 1.0001, 2.0**-24 * 1.5, 1e-300, NAN]
    )
    close(apply(bench, "cast", x, dtype="float16"), x.astype(np.float16))
    bits = np.arange(2**16, dtype=np.uint16)
    for half in (bits.view(np.float16), bits.view(dtypes.to_numpy("bfloat16"))):
        wide = apply(bench, "cast", half, dtype="float32")
        np.testing.assert_array_equal(wide, half.astype(np.float32))
        back = apply(bench, "cast", wide, dtype=dtypes.of_numpy(half.dtype))
        np.testing.assert_array_equal(back.astype(np.float32), wide)


@pytest.mark.parametrize(
    ("source", "target"), [("float32", "int32"), ("int64", "float64"), ("uint8", "int8")]
)
def test_bitcasts_keep_bits(bench, source, target):
    x = floats(40, source) if source in FLOATS else integers(40, source)
    np.testing.assert_array_equal(apply(bench, "bitcast", x, dtype=target).view(target), x.view(target))


FUSED = {
    "multiply_add": lambda a, b, c: a * b + c,
    "multiply_subtract": lambda a, b, c: a * b - c,
    "subtract_multiply": lambda a, b, c: c - a * b,
    "add_multiply": lambda a, b, c: (a + b) * c,
    "minus_multiply": lambda a, b, c: (a - b) * c,
    "add_add": lambda a, b, c: a + b + c,
    "add_subtract": lambda a, b, c: a + b - c,
    "subtract_add": lambda a, b, c: a - b + c,
    "multiply_multiply": lambda a, b, c: a * b * c,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUSED)
def test_fused_operations_round_as_the_single_ones(bench, name, dtype):
    rng = np.random.default_rng(0)
    full, row, one = (rng.normal(size=s).astype(dtype) for s in ((7, 40), (7, 1), (1, 1)))
    for a in (full, row, one):
        for b in (full, row):
            for c in (full, row, one):
                want = np.broadcast_to(FUSED[name](a, b, c), np.broadcast_shapes(a.shape, b.shape, c.shape))
                np.testing.assert_array_equal(apply(bench, name, a, b, c), want)


KINDS = {"full": (5, 37), "row": (5, 1), "col": (1, 37), "scalar": (1, 1)}


@pytest.mark.parametrize("cols", [1, 10, 16, 37, 150])
@pytest.mark.parametrize("name", ["add", "less", "divide", "power"])
def test_operands_of_all_kinds_meet(bench, name, cols):
    rng = np.random.default_rng(0)
    shapes = [(5, cols), (5, 1), (1, cols), (1, 1)]
    for a in shapes:
        for b in shapes:
            x, y = rng.uniform(0.5, 2, a).astype(np.float32), rng.uniform(0.5, 2, b).astype(np.float32)
            close(apply(bench, name, x, y), KERNELS[name](x, y))


@pytest.mark.parametrize("cols", [3, 16, 300])
def test_choices_of_all_kinds(bench, cols):
    rng = np.random.default_rng(0)
    shapes = [(6, cols), (6, 1), (1, cols), (1, 1)]
    for a in shapes:
        for b in shapes:
            for c in shapes:
                condition = rng.random(a) < 0.5
                x, y = rng.normal(size=b).astype(np.float32), rng.normal(size=c).astype(np.float32)
                np.testing.assert_array_equal(
                    apply(bench, "where", condition, x, y), np.where(condition, x, y)
                )


# -- layouts


def layouts() -> dict[str, np.ndarray]:
    base = np.random.default_rng(0).normal(size=(8, 6, 130)).astype(np.float32)
    return {
        "packed": base[:, :, :65].copy(),
        "slice": base[:, :, 3:68],
        "every second": base[:, :, ::2],
        "flipped": base[:, :, ::-1][:, :, :65],
        "flipped rows": base[::-1, ::-1, :65],
        "transposed": base.transpose(0, 2, 1)[:, :65].transpose(0, 2, 1)[:, :6],
        "axes exchanged": np.ascontiguousarray(base[:, :, :65].transpose(1, 0, 2)).transpose(1, 0, 2),
        "columns first": np.ascontiguousarray(base[:, :, :65].transpose(2, 1, 0)).transpose(2, 1, 0),
        "one matrix": np.broadcast_to(base[:1, :, :65], (8, 6, 65)),
        "one row": np.broadcast_to(base[:, :1, :65], (8, 6, 65)),
    }


@pytest.mark.parametrize("source", layouts())
@pytest.mark.parametrize("target", ["packed", "slice", "flipped", "columns first", "axes exchanged"])
def test_layouts(bench, source, target):
    x, out = layouts()[source], layouts()[target]
    bias = np.arange(6, dtype=np.float32)[None, :, None]
    tiles = Tiles(bench, (8, 6), 65)
    tiles.store(tiles.op("add", tiles.op("square", tiles.load(x)), tiles.load(bias)), out)
    tiles.run()
    np.testing.assert_array_equal(out, x * x + bias)


@pytest.mark.parametrize("shape", [(700, 900), (3, 5000), (4000, 3)])
def test_transposition_of_large_matrices(bench, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    out = np.zeros(shape[::-1], np.float32)
    tiles = Tiles(bench, (shape[1],), shape[0])
    tiles.store(tiles.op("negative", tiles.load(x.T)), out)
    tiles.run()
    np.testing.assert_array_equal(out, -x.T)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint8", "float64"])
def test_loads_and_stores_convert(bench, dtype):
    x = np.random.default_rng(0).uniform(0, 200, (9, 50)).astype(dtypes.to_numpy(dtype))
    out = np.zeros((50, 9), x.dtype).T
    tiles = Tiles(bench, (9,), 50)
    tiles.store(tiles.op("multiply", tiles.load(x, dtype="float32"), tiles.constant(0.5)), out)
    tiles.run()
    close(out.copy(), KERNELS["cast"](x.astype(np.float32) * np.float32(0.5), dtype=dtype))


def test_results_of_fewer_axes_are_stored_and_broadcast(bench):
    row, col = np.arange(5, dtype=np.float32)[:, None], np.arange(40, dtype=np.float32)[None]
    rows, cols, one, wide = (np.zeros(s, np.float32) for s in ((5, 1), (1, 40), (1, 1), (5, 40)))
    tiles = Tiles(bench, (5,), 40)
    squares = tiles.op("square", tiles.load(row))
    tiles.store(squares, rows)
    tiles.store(squares, wide)
    tiles.store(tiles.op("square", tiles.load(col)), cols)
    tiles.store(tiles.op("exp", tiles.constant(0.0)), one)
    tiles.run()
    np.testing.assert_array_equal(rows, row * row)
    np.testing.assert_array_equal(cols, col * col)
    np.testing.assert_array_equal(wide, np.broadcast_to(row * row, (5, 40)))
    assert one[0, 0] == 1


# -- memory that is read and written


@pytest.mark.parametrize("cols", [7, 64, 5000])
def test_updates_in_place(bench, cols):
    rng = np.random.default_rng(0)
    p, m, g = (rng.normal(size=(40, cols)).astype(np.float32) for _ in range(3))
    want_m = m * np.float32(0.9) + g
    want_p = p - want_m * p
    want_g = g + p  # reads what another store overwrites
    tiles = Tiles(bench, (40,), cols)
    rp, rm, rg = tiles.load(p), tiles.load(m), tiles.load(g)
    new_m = tiles.op("add", tiles.op("multiply", rm, tiles.constant(0.9)), rg)
    tiles.store(new_m, m)
    tiles.store(tiles.op("subtract", rp, tiles.op("multiply", new_m, rp)), p)
    tiles.store(tiles.op("add", rg, rp), g)
    tiles.run()
    for got, want in ((m, want_m), (p, want_p), (g, want_g)):
        np.testing.assert_array_equal(got, want)


def test_values_can_change_places(bench):
    a, b = np.arange(3000, dtype=np.float32), np.arange(3000, dtype=np.float32)[::-1].copy()
    tiles = Tiles(bench, (), 3000)
    ra, rb = tiles.load(a), tiles.load(b)
    tiles.store(ra, b)
    tiles.store(rb, a)
    tiles.run()
    np.testing.assert_array_equal(b, np.arange(3000))
    np.testing.assert_array_equal(a, np.arange(3000)[::-1])


def test_a_value_per_column_may_be_replaced_while_it_is_used(bench):
    x, mean = np.ones((5000, 12), np.float32), np.arange(12, dtype=np.float32)
    out, total = np.zeros_like(x), np.zeros((1, 12), np.float32)
    tiles = Tiles(bench, (5000,), 12)
    r, m = tiles.load(x), tiles.load(mean)
    y = tiles.op("add", r, m)
    tiles.store(y, out)
    tiles.store(y, total, "sum")
    tiles.store(tiles.op("add", m, tiles.constant(100.0)), mean)
    tiles.run()
    np.testing.assert_array_equal(out, 1 + np.broadcast_to(np.arange(12), out.shape))
    np.testing.assert_array_equal(total[0], 5000 * (1 + np.arange(12)))
    np.testing.assert_array_equal(mean, 100 + np.arange(12))


# -- reductions

REDUCTIONS = {
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "argmax": np.argmax, "argmin": np.argmin,
}  # fmt: skip
ROW_SHAPES = [(1, 1), (3, 1), (5, 7), (4, 16), (300, 10), (33, 17), (7, 130), (3, 2500), (1, 70_000)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int8", "uint64"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_rows(bench, name, dtype):
    for rows, cols in ROW_SHAPES:
        x = integers(rows * cols, dtype) if dtype in INTEGERS else floats(rows * cols, dtype)
        if name in {"sum", "prod"} and dtype in FLOATS:
            x = np.random.default_rng(0).uniform(0.9, 1.1, rows * cols).astype(x.dtype)
        x = x.reshape(rows, cols)
        if name == "prod" and cols > 200:
            x = x[:, :1].copy() + np.zeros((rows, cols), x.dtype)
            x[:, 1:] = 1
        keywords = {"axis": 1 if name.startswith("arg") else (1,), "keepdims": True}
        want = KERNELS[name](x, **keywords)
        out = np.zeros((rows, 1), want.dtype)
        tiles = Tiles(bench, (rows,), cols)
        tiles.store(tiles.op(f"row_{name}", tiles.load(x)), out)
        tiles.run()
        near(out, want)


def near(got: np.ndarray, want: np.ndarray) -> None:
    if got.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol={2: 2e-3, 4: 2e-6, 8: 1e-13}[got.dtype.itemsize])
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "uint8", "int64"])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions_over_rows(bench, name, dtype):
    for rows, cols in [*ROW_SHAPES, (5000, 3), (70_000, 1), (100, 700)]:
        x = integers(rows * cols, dtype) if dtype in INTEGERS else floats(rows * cols, dtype)
        if name in {"sum", "prod"} and dtype in FLOATS:
            x = np.random.default_rng(0).uniform(0.9, 1.1, rows * cols).astype(x.dtype)
        x = x.reshape(rows, cols)
        if name == "prod" and dtype in FLOATS:
            x[rows // 2 :] = 1
            x[50:] = 1
        out = np.zeros((1, cols), x.dtype)
        tiles = Tiles(bench, (rows,), cols)
        tiles.store(tiles.load(x, "full"), out, name)
        tiles.run()
        near(out, KERNELS[name](x, axis=(0,), keepdims=True))


@pytest.mark.parametrize("shape", [(4, 9), (300, 40), (2, 9000)])
def test_bools_reduce_by_any_and_all(bench, shape):
    x = np.random.default_rng(0).random(shape) < 0.01
    x[0] = True
    x[:, 0] = True
    outs = [np.zeros(s, bool) for s in ((shape[0], 1), (shape[0], 1), (1, shape[1]), (1, shape[1]))]
    tiles = Tiles(bench, shape[:1], shape[1])
    r = tiles.load(x)
    tiles.store(tiles.op("row_any", r), outs[0])
    tiles.store(tiles.op("row_all", r), outs[1])
    tiles.store(r, outs[2], "any")
    tiles.store(r, outs[3], "all")
    tiles.run()
    wants = (
        x.any(1, keepdims=True),
        x.all(1, keepdims=True),
        x.any(0, keepdims=True),
        x.all(0, keepdims=True),
    )
    for got, want in zip(outs, wants, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(1_000_000, 1), (1, 1_000_000), (1000, 1000), (100_000, 10)])
def test_long_sums_stay_near_double_precision(bench, shape):
    x = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    col, total = np.zeros((1, shape[1]), np.float32), np.zeros((1, 1), np.float32)
    tiles = Tiles(bench, shape[:1], shape[1])
    r = tiles.load(x, "full")
    tiles.store(r, col, "sum")
    tiles.store(tiles.op("row_sum", r), total, "sum")
    tiles.run()
    exact = x.astype(np.float64)
    np.testing.assert_allclose(col[0], exact.sum(0), rtol=2e-7)
    np.testing.assert_allclose(total[0, 0], exact.sum(), rtol=2e-7)


@pytest.mark.parametrize("cols", [1, 2, 10, 15, 16, 17, 31, 32, 33, 64, 1000, 5000, 16384])
def test_a_row_meets_its_own_reductions(bench, cols):
    """Softmax and normalisation in one pass."""
    x = np.random.default_rng(0).normal(size=(37, cols)).astype(np.float32) * 3
    soft, norm = np.zeros_like(x), np.zeros_like(x)
    tiles = Tiles(bench, (37,), cols)
    r = tiles.load(x, "full")
    e = tiles.op("exp", tiles.op("subtract", r, tiles.op("row_max", r)))
    tiles.store(tiles.op("divide", e, tiles.op("row_sum", e)), soft)
    count = tiles.constant(1.0 / cols)
    d = tiles.op("subtract", r, tiles.op("multiply", tiles.op("row_sum", r), count))
    variance = tiles.op("multiply", tiles.op("row_sum", tiles.op("square", d)), count)
    scale = tiles.op("rsqrt", tiles.op("add", variance, tiles.constant(1e-3)))
    tiles.store(tiles.op("multiply", d, scale), norm)
    tiles.run()
    exact = x.astype(np.float64)
    want = np.exp(exact - exact.max(1, keepdims=True))
    np.testing.assert_allclose(soft, want / want.sum(1, keepdims=True), rtol=2e-6)
    want = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(norm, want, rtol=1e-5, atol=2e-6)


def test_rows_with_nan_and_infinities(bench):
    x = np.array(
        [[1, NAN, 3, NAN], [-INF, -INF, -INF, -INF], [INF, 0, INF, 1], [NAN, NAN, NAN, NAN]], np.float32
    )
    for name in REDUCTIONS:
        axis = 1 if name.startswith("arg") else (1,)
        want = KERNELS[name](x, axis=axis, keepdims=True)
        out = np.zeros((4, 1), want.dtype)
        tiles = Tiles(bench, (4,), 4)
        tiles.store(tiles.op(f"row_{name}", tiles.load(x)), out)
        tiles.run()
        np.testing.assert_array_equal(out, want)


def test_nothing_reduces_to_the_identity(bench):
    cols = np.ones((1, 5), np.float32)
    tiles = Tiles(bench, (0,), 5)
    r = tiles.load(np.zeros((0, 5), np.float32), "full")
    tiles.store(tiles.op("exp", r), np.zeros((0, 5), np.float32))
    tiles.store(r, cols, "sum")
    tiles.run()
    assert not cols.any()


def test_rows_without_columns_reduce_to_the_identity(bench):
    sums = np.ones((5, 1), np.float32)
    tiles = Tiles(bench, (5,), 0)
    r = tiles.op("row_sum", tiles.load(np.zeros((5, 0), np.float32), "full"))
    slot = len(bench.bases)
    bench.put(sums)
    view = bench.kernels.View(
        slot, bench.kernels.DTYPES["float32"], 0, [5, 0], [1, 0]
    )  # NumPy would drop the stride
    tiles.stores.append((r, view, "none"))
    tiles.run()
    assert not sums.any()


# -- whole programs


def random_program(bench, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Runs a random program and returns pairs (result, what NumPy computes)."""
    rng = np.random.default_rng(seed)
    rows = tuple(int(n) for n in rng.integers(1, 9, rng.integers(0, 3)))
    cols = int(rng.choice([1, 2, 5, 16, 17, 40, 200, 3000]))
    shape = (*rows, cols)
    tiles = Tiles(bench, rows, cols)
    values: list[tuple[int, np.ndarray]] = []
    for _ in range(rng.integers(1, 4)):
        own = tuple(n if rng.random() < 0.7 else 1 for n in shape)
        array = rng.normal(size=own).astype(np.float32)
        values.append((tiles.load(array), array.astype(np.float64)))
    for _ in range(rng.integers(1, 12)):
        (a, x), (b, y) = (values[rng.integers(len(values))] for _ in range(2))
        name = rng.choice(["add", "subtract", "multiply", "maximum", "tanh", "sigmoid", "negative", "row"])
        if name == "row":
            which = rng.choice(["sum", "max", "min"])
            full = np.broadcast_to(x, shape)
            values.append((tiles.op(f"row_{which}", a), getattr(full, which)(-1, keepdims=True) / 1.0))
        elif name in {"tanh", "sigmoid", "negative"}:
            values.append((tiles.op(name, a), KERNELS[name](x)))
        else:
            values.append((tiles.op(name, a, b), KERNELS[name](x, y)))
    pairs = []
    for register, want in values[-4:]:
        kind = tiles.registers[register][0]
        own_rows = rows if kind in {"full", "row"} else (1,) * len(rows)
        own = (*own_rows, cols if kind in {"full", "col"} else 1)
        out = np.full(own, 99, np.float32)
        tiles.store(register, out)
        pairs.append((out, np.broadcast_to(want, own)))
        if kind == "full" and rows and rng.random() < 0.5:
            total = np.zeros(cols, np.float32)
            tiles.store(register, total, "sum")
            pairs.append((total, np.broadcast_to(want, shape).sum(tuple(range(len(rows))))))
    tiles.run()
    return pairs


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_random_programs(seed):
    for got, want in random_program(Workbench(), seed):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * (1 + np.abs(want).max()))


def digest() -> str:
    """Check random programs and hash their bits."""
    bits = hashlib.sha256()
    for seed in range(40):
        for got, want in random_program(Workbench(), seed):
            np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * (1 + np.abs(want).max()))
            bits.update(got.tobytes())
    x = np.random.default_rng(0).normal(size=(3000, 100)).astype(np.float32)
    total = np.zeros(100, np.float32)
    tiles = Tiles(Workbench(), (3000,), 100)
    tiles.store(tiles.op("exp", tiles.load(x)), total, "sum")
    tiles.run()
    bits.update(total.tobytes())
    return bits.hexdigest()


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_every_instruction_set_gives_the_same_bits_on_any_number_of_threads(isa, printed_by):
    found = set()
    for threads in ("1", "3"):
        found.add(printed_by(__file__, isa, threads))
    assert len(found) == 1


# -- what is refused


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda t: t.op("exp", t.load(np.zeros((3, 4), np.int32))), "no kernel"),
        (lambda t: t.op("add", t.load(np.zeros((3, 4), np.float32)), t.constant(1, "int32")), "do not fit"),
        (
            lambda t: t.store(t.load(np.zeros((3, 4), np.float32)), np.zeros((3, 1), np.float32)),
            "does not have",
        ),
        (
            lambda t: t.store(t.load(np.zeros((3, 4), np.float32)), np.zeros((3, 4), np.float32), "sum"),
            "row strides 0",
        ),
        (
            lambda t: t.store(t.load(np.zeros((3, 4), np.float32)), np.zeros((3, 4), np.float32), "mean"),
            "none, sum",
        ),
        (lambda t: t.op("exp", t.register("full", "float32")), "before it is defined"),
        (
            lambda t: t.op("add", t.load(np.zeros((3, 4), np.float32)), t.constant(1), kind="row"),
            "not of the kind",
        ),
    ],
)
def test_malformed_programs_are_refused(bench, break_it, message):
    tiles = Tiles(bench, (3,), 4)
    break_it(tiles)
    with pytest.raises(ValueError, match=message):
        tiles.step()


def test_rows_too_long_to_meet_their_reductions_are_refused(bench):
    longest = bench.kernels.TILE_LONGEST_ROW
    x = np.zeros((2, longest + 1), np.float32)
    tiles = Tiles(bench, (2,), longest + 1)
    r = tiles.load(x)
    tiles.store(tiles.op("subtract", r, tiles.op("row_max", r)), x)
    with pytest.raises(ValueError, match="too long"):
        tiles.step()


def test_names_of_tests_are_operations(bench):
    assert set(bench.kernels.TILE_OPS) >= TESTS


if __name__ == "__main__":
    print(digest())
