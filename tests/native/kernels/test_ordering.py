"""Running sums, places of extremes and sorting, beside the reference kernels."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasish_native.reference import reductions

DTYPES = [
    "float32",
    "float64",
    "float16",
    ml_dtypes.bfloat16,
    "int8",
    "uint8",
    "int32",
    "int64",
    "uint64",
    "bool",
]
SHAPES = [(1,), (7,), (300,), (5, 17), (3, 40, 4), (2, 3, 300), (0, 4), (600, 2), (4, 1, 5)]
rng = np.random.default_rng(9)


def some(shape, dtype, special=True):
    """Many equal values; for floats infinities, both zeros and NaN among them."""
    x = rng.integers(-9, 9, shape).astype(dtype)
    if special and np.dtype(dtype).kind in "fV" and x.size:
        for value in (np.nan, np.inf, -np.inf, -0.0):
            x[rng.random(shape) < 0.05] = value
    return x


def assert_same(found, wanted):
    """Equal to the last bit: NumPy does not take two NaNs of bfloat16 for equal."""
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    bits = f"u{found.dtype.itemsize}"
    np.testing.assert_array_equal(
        np.ascontiguousarray(found).view(bits), np.ascontiguousarray(wanted).view(bits)
    )


def axes():
    return [(shape, axis) for shape in SHAPES for axis in range(len(shape))]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("shape", "axis"), axes())
def test_extremes(bench, shape, axis, dtype):
    x = some(shape, dtype)
    if not shape[axis]:
        with pytest.raises(ValueError, match="empty"):
            bench.kernels.extreme_step(
                bench.put(x), bench.put(np.zeros(1, np.int32)), axis=axis, largest=True
            )
        return
    for name, largest in (("argmax", True), ("argmin", False)):
        wanted = reductions.KERNELS[name](x, axis=axis, keepdims=False)
        out = np.full(wanted.shape, -1, np.int32)
        bench.run([bench.kernels.extreme_step(bench.put(x), bench.put(out), axis=axis, largest=largest)])
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("shape", "axis"), axes())
def test_running_sums_and_products(bench, shape, axis, dtype):
    x = some(shape, dtype, special=False)
    for name, kind in (("cumsum", "sum"), ("cumprod", "prod")):
        with np.errstate(all="ignore"):
            wanted = reductions.KERNELS[name](x, axis=axis)
        out = np.empty_like(x)
        bench.run([bench.kernels.running_step(bench.put(x), bench.put(out), axis=axis, kind=kind)])
        np.testing.assert_array_equal(out, wanted)


def test_running_sums_of_halves_are_kept_wide(bench):
    x, out = np.ones((4000, 3), np.float16), np.zeros((4000, 3), np.float16)
    bench.run([bench.kernels.running_step(bench.put(x), bench.put(out), axis=0, kind="sum")])
    np.testing.assert_array_equal(out[:, 0], np.arange(1, 4001).astype(np.float16))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("shape", "axis"), axes())
def test_sorting(bench, shape, axis, dtype):
    x = some(shape, dtype)
    values, places = np.empty_like(x), np.empty(shape, np.int32)
    bench.run([bench.kernels.sort_step(bench.put(x), bench.put(values), bench.put(places), axis=axis)])
    np.testing.assert_array_equal(places, reductions.argsort(x, axis=axis))
    assert_same(values, np.take_along_axis(x, places, axis))
    again = np.empty_like(x)
    bench.run([bench.kernels.sort_step(bench.put(x), bench.put(again), None, axis=axis)])
    assert_same(again, values)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(1,), (40,), (5, 17), (2, 3, 300), (3, 0)])
@pytest.mark.parametrize("k", [0, 1, 5, 33, 200])
def test_top_k(bench, shape, k, dtype):
    if k > shape[-1]:
        with pytest.raises(ValueError, match="exceeds"):
            bench.kernels.top_k_step(*[bench.put(np.zeros(shape, t)) for t in (dtype, dtype, "int32")], k=k)
        return
    x = some(shape, dtype)
    wanted = reductions.top_k(x, k=k)
    found = [np.empty(w.shape, w.dtype) for w in wanted]
    bench.run([bench.kernels.top_k_step(*map(bench.put, (x, *found)), k=k)])
    for one, two in zip(found, wanted, strict=True):
        assert_same(one, two)


def test_wide_numbers_are_sorted_by_all_of_their_bits(bench):
    x = rng.integers(-(2**62), 2**62, 5000)
    values = np.empty_like(x)
    bench.run([bench.kernels.sort_step(bench.put(x), bench.put(values), None, axis=0)])
    np.testing.assert_array_equal(values, np.sort(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k, x, i: k.extreme_step(x, x, axis=0, largest=True), "int32"),
        (lambda k, x, i: k.extreme_step(x, i, axis=2, largest=True), "axis"),
        (lambda k, x, i: k.running_step(x, i, axis=0, kind="sum"), "dtype"),
        (lambda k, x, i: k.running_step(x, x, axis=0, kind="mean"), "kind"),
        (lambda k, x, i: k.sort_step(x, None, x, axis=0), "int32"),
    ],
    ids=["dtype", "axis", "values", "kind", "positions"],
)
def test_what_does_not_fit_is_refused(bench, make, message):
    x, i = bench.put(np.zeros((3, 4), np.float32)), bench.put(np.zeros((3, 4), np.int32))
    with pytest.raises(ValueError, match=message):
        make(bench.kernels, x, i)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(width=32), min_size=1, max_size=600))
def test_any_floats_are_sorted_as_numpy_does(bench, numbers):
    x = np.array(numbers, np.float32)
    places = np.empty(x.shape, np.int32)
    bench.run([bench.kernels.sort_step(bench.put(x), None, bench.put(places), axis=0)])
    np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))
