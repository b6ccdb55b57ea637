"""Matrix products: within the rounding of their sums, for all shapes, strides, batches, kernels and threads."""

import hashlib
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Workbench, step_on
from tiles import Tiles

from kerasish_native._load import load_kernels
from kerasish_native.reference.linalg import matmul as reference

# m, k, n: around tiles (6 and 14 rows), vectors (4, 8 and 16 columns), blocks (256 deep, 512 wide), rows of few sums.
SHAPES = [
    (1, 1, 1), (2, 4, 3), (5, 33, 17), (14, 16, 32), (15, 70, 33), (29, 300, 65), (1, 784, 256), (3, 50, 100),
    (7, 20, 129), (100, 50, 1), (100, 200, 3), (2, 513, 200), (13, 257, 10), (64, 32, 64), (130, 270, 600),
    (9, 5000, 32), (4, 300, 70), (300, 1, 40), (1, 5, 1),
]  # fmt: skip
LAYOUTS = ["rows", "columns", "padded", "sparse", "reversed"]
ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def laid_out(x, layout):
    """`x` with other strides."""
    rows, columns = x.shape
    if layout == "rows":
        return np.ascontiguousarray(x)
    if layout == "columns":
        return np.ascontiguousarray(x.T).T
    if layout == "reversed":
        return np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    if layout == "padded":
        view = np.full((rows + 1, columns + 5), 7, x.dtype)[:rows, 2 : 2 + columns]
    else:
        view = np.full((2 * rows, 3 * columns), 7, x.dtype)[::2, ::3]
    view[...] = x
    return view


def random(rng, shape, dtype):
    return rng.standard_normal(shape).astype(numpy_dtype(dtype))


def product(a, b, c):
    """c = a b by the kernel; memory beside c stays what it was."""
    base = c.base if c.base is not None else c
    c[...] = 3
    before = base.copy()
    step_on(load_kernels().matmul_step, a, b, c)
    after = base.copy()
    c[...] = 3
    np.testing.assert_array_equal(base.astype(np.float64), before.astype(np.float64))
    base[...] = after
    return c


def assert_product(c, a, b, dtype):
    """Each sum of k terms is within k roundings of its exact value, and the result is rounded once more."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    exact, size = a @ b, np.abs(a) @ np.abs(b)
    sums = ROUNDING["float64" if dtype == "float64" else "float32"]
    bound = (a.shape[-1] + 2) * sums * size + 2.0**-25 * (dtype == "float16")
    if dtype in ("float16", "bfloat16"):
        bound += ROUNDING[dtype] * 1.001 * np.abs(exact)
    error = np.abs(c.astype(np.float64) - exact)
    assert (error <= bound).all(), f"{(error / (bound + 1e-300)).max():.3g} times the bound"


@pytest.mark.parametrize("b_layout", LAYOUTS)
@pytest.mark.parametrize("a_layout", LAYOUTS)
def test_layouts_of_operands(a_layout, b_layout):
    rng = np.random.default_rng(1)
    for m, k, n in SHAPES:
        a = laid_out(random(rng, (m, k), "float32"), a_layout)
        b = laid_out(random(rng, (k, n), "float32"), b_layout)
        assert_product(product(a, b, np.zeros((m, n), np.float32)), a, b, "float32")


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_dtypes_and_layouts_of_the_result(dtype, layout):
    rng = np.random.default_rng(2)
    for i, (m, k, n) in enumerate(SHAPES):
        a = laid_out(random(rng, (m, k), dtype), LAYOUTS[i % 5])
        b = laid_out(random(rng, (k, n), dtype), LAYOUTS[i // 2 % 5])
        c = laid_out(np.zeros((m, n), a.dtype), layout)
        assert_product(product(a, b, c), a, b, dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint64", "bool"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_integers_wrap_and_bools_are_combined(dtype, layout):
    rng = np.random.default_rng(3)
    for m, k, n in [(1, 1, 1), (5, 33, 17), (20, 4, 600), (3, 0, 4)]:
        top = 2 if dtype == "bool" else 2**62
        a = laid_out(rng.integers(0, top, (m, k)).astype(dtype), layout)
        b = laid_out(rng.integers(0, top, (k, n)).astype(dtype), LAYOUTS[::-1][LAYOUTS.index(layout)])
        c = product(a, b, laid_out(np.zeros((m, n), dtype), layout))
        np.testing.assert_array_equal(c, reference(a, b))


@pytest.mark.parametrize(
    "shape", [(0, 3, 4), (3, 4, 0), (0, 0, 0), (5, 0, 7), (5, 0, 1)], ids=lambda s: "x".join(map(str, s))
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
def test_empty(shape, dtype):
    m, k, n = shape
    dtype = numpy_dtype(dtype)
    c = product(np.zeros((m, k), dtype), np.zeros((k, n), dtype), np.zeros((m, n), dtype))
    assert not c.astype(bool).any()


BATCHES = {
    "entries": lambda x: (x((5, 6, 7)), x((5, 7, 20))),
    "two axes": lambda x: (x((3, 4, 15, 8)), x((3, 4, 8, 33))),
    "shared right": lambda x: (x((6, 9, 7)), np.broadcast_to(x((7, 20)), (6, 7, 20))),
    "shared left": lambda x: (np.broadcast_to(x((9, 7)), (6, 9, 7)), x((6, 7, 20))),
    "rows of one": lambda x: (x((50, 1, 12)), np.broadcast_to(x((12, 18)), (50, 12, 18))),
    "shared in part": lambda x: (np.broadcast_to(x((1, 4, 5, 6)), (3, 4, 5, 6)), x((3, 4, 6, 7))),
    "heads": lambda x: (x((3, 10, 2, 8)).swapaxes(1, 2), x((3, 11, 2, 8)).transpose(0, 2, 3, 1)),
    "backwards": lambda x: (x((5, 6, 7))[::-1], x((5, 7, 20))),
    "few large": lambda x: (x((2, 150, 90)), x((2, 90, 140))),
    "six axes": lambda x: (x((2, 1, 2, 1, 2, 2, 3, 4)), x((2, 1, 2, 1, 2, 2, 4, 5))),
    "ones": lambda x: (np.broadcast_to(np.ones((), np.float32), (4, 1, 30)), x((4, 30, 20))),
    "no entries": lambda x: (x((0, 6, 7)), x((0, 7, 20))),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize("batch", list(BATCHES))
def test_batches(batch, dtype):
    rng = np.random.default_rng(4)
    a, b = BATCHES[batch](lambda shape: (rng.standard_normal(shape) * 4).astype(dtype))
    a = a.astype(dtype, copy=False)
    c = product(a, b, np.zeros((*a.shape[:-1], b.shape[-1]), a.dtype))
    if dtype == "int32":
        np.testing.assert_array_equal(c, reference(a, b))
    else:
        assert_product(c, a, b, dtype)


@pytest.mark.parametrize("shape", [(20, 40, 50), (3, 40, 50), (50, 40, 2), (1, 300, 40), (8, 6000, 9)])
@pytest.mark.parametrize("b_layout", ["rows", "columns"])
def test_nan_and_infinity_reach_their_rows_and_columns_only(shape, b_layout):
    m, k, n = shape
    rng = np.random.default_rng(5)
    a, b = random(rng, (m, k), "float32"), random(rng, (k, n), "float32")
    a[m // 2, k // 3] = np.nan
    b[k // 2, n // 2] = np.inf
    b[-1, n - 1] = -np.inf
    with np.errstate(invalid="ignore"):
        wanted = a.astype(np.float64) @ b
    c = product(a, laid_out(b, b_layout), np.zeros((m, n), np.float32))
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(c[~finite], wanted[~finite])
    np.testing.assert_allclose(c[finite], wanted[finite], rtol=1e-3, atol=1e-3)


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_shape_and_layout(data):
    m, n = (data.draw(st.integers(1, 70)) for _ in range(2))
    k = data.draw(st.integers(0, 600))
    a_layout, b_layout, c_layout = (data.draw(st.sampled_from(LAYOUTS)) for _ in range(3))
    dtype = data.draw(st.sampled_from(list(ROUNDING)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    a = laid_out(random(rng, (m, k), dtype), a_layout)
    b = laid_out(random(rng, (k, n), dtype), b_layout)
    assert_product(product(a, b, laid_out(np.zeros((m, n), a.dtype), c_layout)), a, b, dtype)


@pytest.mark.parametrize("layout", ["rows", "columns", "sparse"])
@pytest.mark.parametrize(
    "shape", [(5, 8, 6), (130, 270, 600), (1, 784, 256), (100, 200, 3), (9, 5000, 32), (4, 0, 9)]
)
def test_epilogue_sees_every_finished_element_once(shape, layout):
    m, k, n = shape
    rng = np.random.default_rng(6)
    a, b = random(rng, (m, k), "float32"), random(rng, (k, n), "float32")
    bias, count = random(rng, (n,), "float32"), np.zeros((m, n), np.float32)
    c, out = laid_out(np.zeros((m, n), np.float32), layout), np.zeros((m, n), np.float32)
    bench = Workbench()
    tiles = Tiles(bench, (m,), n)
    tiles.store(tiles.op("add", tiles.load(c), tiles.load(bias)), out)
    tiles.store(tiles.op("add", tiles.load(count), tiles.constant(1.0)), count)
    bench.run([bench.kernels.matmul_step(bench.put(a), bench.put(b), bench.put(c), tiles.step())])
    np.testing.assert_array_equal(out, c + bias)
    np.testing.assert_array_equal(count, 1)


def test_epilogue_of_a_batch_numbers_rows_through_and_may_write_in_place():
    rng = np.random.default_rng(7)
    a, b = random(rng, (6, 5, 7), "float32"), random(rng, (6, 7, 9), "float32")
    rows, c = random(rng, (30, 1), "float32"), np.zeros((6, 5, 9), np.float32)
    bench = Workbench()
    views = [bench.put(x) for x in (a, b, c)]
    tiles = Tiles(bench, (30,), 9)
    flat = c.reshape(30, 9)
    tiles.store(tiles.op("multiply", tiles.load(flat), tiles.load(rows)), flat)
    bench.run([bench.kernels.matmul_step(*views, tiles.step())])
    np.testing.assert_allclose(flat, (a @ b).reshape(30, 9) * rows, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "dtypes", "problem"),
    [
        (((3,), (3,), (3,)), "fff", "one rank"),
        (((2, 3), (3, 4), (1, 2, 4)), "fff", "one rank"),
        (((2, 3), (4, 5), (2, 5)), "fff", "shapes must be"),
        (((2, 3), (3, 5), (2, 4)), "fff", "shapes must be"),
        (((2, 2, 3), (1, 3, 5), (2, 2, 5)), "fff", "shapes must be"),
        (((2, 3), (3, 5), (2, 5)), "fdf", "one dtype"),
    ],
)
def test_views_that_do_not_fit_are_refused(bench, shapes, dtypes, problem):
    views = [bench.put(np.zeros(s, t)) for s, t in zip(shapes, dtypes, strict=True)]
    with pytest.raises(ValueError, match=problem):
        bench.kernels.matmul_step(*views)


def test_a_result_that_shares_memory_with_itself_is_refused(bench):
    a, c = np.zeros((2, 2), np.float32), np.broadcast_to(np.zeros((1, 2), np.float32), (2, 2))
    with pytest.raises(ValueError, match="share memory"):
        bench.kernels.matmul_step(bench.put(a), bench.put(a), bench.put(c))


def test_epilogues_that_do_not_fit_are_refused(bench):
    a = bench.put(np.zeros((4, 4), np.float32))
    narrow, total = Tiles(bench, (4,), 3), Tiles(bench, (4,), 4)
    narrow.store(narrow.load(np.zeros((4, 3), np.float32)), np.zeros((4, 3), np.float32))
    total.store(total.load(np.zeros((4, 4), np.float32)), np.zeros((1, 4), np.float32), "sum")
    for epilogue, problem in [
        (narrow.step(), "rows of all entries"),
        (total.step(), "no reduction"),
        (bench.kernels.matmul_step(a, a, a), "made by tile_step"),
    ]:
        with pytest.raises(ValueError, match=problem):
            bench.kernels.matmul_step(a, a, a, epilogue)


def digest():
    """Check products of every kind and hash their bits."""
    rng = np.random.default_rng(8)
    bits = hashlib.sha256()
    for i, (m, k, n) in enumerate([*SHAPES, (260, 300, 250)]):
        for dtype in ROUNDING:
            a = laid_out(random(rng, (m, k), dtype), LAYOUTS[i % 4])
            b = laid_out(random(rng, (k, n), dtype), LAYOUTS[i // 2 % 4])
            c = product(a, b, laid_out(np.zeros((m, n), a.dtype), LAYOUTS[i // 3 % 4]))
            assert_product(c, a, b, dtype)
            bits.update(c.tobytes())
    return bits.hexdigest()


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_every_instruction_set_gives_the_same_bits_on_any_number_of_threads(isa, printed_by):
    found = set()
    for threads in ("1", "2", "5"):
        found.add(printed_by(__file__, isa, threads))
    assert len(found) == 1


if __name__ == "__main__":
    print(digest())
