"""Reading and writing at indexed places, beside the reference kernels."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasish_native._load import load_kernels
from kerasish_native.reference import shaping

NAN = np.float32("nan")
rng = np.random.default_rng(11)


def some(shape, dtype="float32"):
    return rng.integers(-99, 99, shape).astype(dtype)


def places(size, shape):
    return rng.integers(0, size, shape).astype(np.int32)


def points(sizes, lead):
    return np.stack([places(s, lead) for s in sizes], -1) if sizes else np.zeros((*lead, 0), np.int32)


def written(step_on, name, wanted, *arrays, **keywords):
    out = np.empty(wanted.shape, wanted.dtype)
    step_on(getattr(load_kernels(), name), *arrays, out, **keywords)
    return out


# -- reading -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "int8", "float64", "bool"])
@pytest.mark.parametrize("index_shape", [(), (1,), (7,), (3, 5), (0,), (2, 3, 4)])
@pytest.mark.parametrize(
    ("shape", "axis"), [((9,), 0), ((9, 17), 0), ((4, 9), 1), ((3, 9, 16), 1), ((50, 128), 0)]
)
def test_take(step_on, shape, axis, index_shape, dtype):
    x, indices = some(shape, dtype), places(shape[axis], index_shape)
    wanted = shaping.take(x, indices, axis=axis)
    np.testing.assert_array_equal(written(step_on, "take_step", wanted, x, indices, axis=axis), wanted)


def test_take_of_views(step_on):
    x, indices = some((20, 12))[::-2, ::3], places(4, (6, 5)).T
    wanted = shaping.take(x, indices, axis=1)
    np.testing.assert_array_equal(written(step_on, "take_step", wanted, x, indices, axis=1), wanted)


def test_places_outside_move_to_the_nearest_end(step_on):
    x, indices = some((4, 3)), np.array([-1, -(2**31), 4, 2**31 - 1, 1], np.int32)
    wanted = x[[0, 0, 3, 3, 1]]
    np.testing.assert_array_equal(written(step_on, "take_step", wanted, x, indices, axis=0), wanted)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_take_along_axis(step_on, axis, dtype):
    x = some((4, 5, 6), dtype)
    indices = places(x.shape[axis], [3 if i == axis else s for i, s in enumerate(x.shape)])
    wanted = shaping.take_along_axis(x, indices, axis=axis)
    np.testing.assert_array_equal(
        written(step_on, "take_along_axis_step", wanted, x, indices, axis=axis), wanted
    )


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (0,)])
@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_gather_nd(step_on, k, lead):
    x = some((4, 5, 6))
    indices = points(x.shape[:k], lead)
    wanted = np.array(shaping.gather_nd(x, indices), order="C")
    np.testing.assert_array_equal(written(step_on, "gather_nd_step", wanted, x, indices), wanted)


@pytest.mark.parametrize("starts", [(0, 0, 0), (1, 2, 3), (-3, 9, 2), (2, 2, 2**31 - 1)])
def test_dynamic_slice_and_update(step_on, starts):
    x, where = some((5, 6, 7)), np.array(starts, np.int32)
    wanted = np.array(shaping.dynamic_slice(x, where, sizes=(2, 6, 3)), order="C")
    np.testing.assert_array_equal(written(step_on, "dynamic_slice_step", wanted, x, where), wanted)
    update = some((2, 6, 3))
    wanted = shaping.dynamic_update_slice(x, update, where)
    np.testing.assert_array_equal(
        written(step_on, "dynamic_update_slice_step", wanted, x, update, where), wanted
    )


# -- writing -----------------------------------------------------------------------------------------------------------
MODES = {"add": shaping.scatter_add, "update": shaping.scatter_update, "max": shaping.scatter_max}
DTYPES = ["float32", "float64", "int8", "int32", "uint16", "float16", ml_dtypes.bfloat16]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("shape", "k", "lead"),
    [
        ((9,), 1, (40,)),
        ((9, 33), 1, (50,)),
        ((4, 5, 6), 2, (7, 3)),
        ((4, 5), 2, (90,)),
        ((3, 4), 0, (2,)),
        ((6, 128), 1, (0,)),
        ((3, 0), 1, (4,)),
    ],
)
def test_scatter(step_on, shape, k, lead, dtype, mode):
    x, indices = some(shape, dtype), points(shape[:k], lead)
    updates = some((*lead, *shape[k:]), dtype)
    with np.errstate(all="ignore"):
        wanted = MODES[mode](x, indices, updates)  # small integers: sums are exact in any order
    np.testing.assert_array_equal(
        written(step_on, "scatter_step", wanted, x, indices, updates, mode=mode), wanted
    )


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16], ids=str)
def test_sums_of_halves_are_rounded_once(step_on, dtype):
    x, indices = np.zeros((2, 3), dtype), np.zeros((4000, 1), np.int32)
    updates = np.ones((4000, 3), dtype)
    wanted = np.array([[4000] * 3, [0] * 3]).astype(dtype)
    np.testing.assert_array_equal(
        written(step_on, "scatter_step", wanted, x, indices, updates, mode="add"), wanted
    )


def test_the_last_of_duplicates_stays(step_on):
    x, indices = np.zeros((3, 64), np.float32), np.array([[1], [1], [1]], np.int32)
    updates = some((3, 64))
    wanted = np.stack([x[0], updates[2], x[0]])
    np.testing.assert_array_equal(
        written(step_on, "scatter_step", wanted, x, indices, updates, mode="update"), wanted
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_nan_wins_on_either_side(step_on, dtype):
    x, updates = np.array([NAN, 1, 2], dtype), np.array([5, NAN, 1], dtype)
    indices = np.array([[0], [1], [2]], np.int32)
    wanted = np.array([NAN, NAN, 2], dtype)
    np.testing.assert_array_equal(
        written(step_on, "scatter_step", wanted, x, indices, updates, mode="max"), wanted
    )


def test_scatter_in_place_and_into_a_broadcast(bench):
    indices, updates = places(30, (90, 1)), some((90, 20))
    wanted = shaping.scatter_add(np.zeros((30, 20), np.float32), indices, updates)
    nothing, out, again = (
        np.zeros((1, 1), np.float32),
        np.ones((30, 20), np.float32),
        np.zeros((30, 20), np.float32),
    )
    spread, i, u = (bench.put(a) for a in (np.broadcast_to(nothing, (30, 20)), indices, updates))
    o, a = bench.put(out), bench.put(again)
    make = bench.kernels.scatter_step
    bench.run([make(spread, i, u, o, mode="add"), make(a, i, u, a, mode="add")])
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(again, wanted)


def test_the_order_of_sums_is_that_of_the_points(step_on):
    x, indices = np.zeros((3, 256), np.float32), places(3, (5000, 1))
    updates = rng.standard_normal((5000, 256)).astype(np.float32)
    wanted = x.copy()
    for row, update in zip(indices[:, 0], updates, strict=True):
        wanted[row] += update
    np.testing.assert_array_equal(
        written(step_on, "scatter_step", wanted, x, indices, updates, mode="add"), wanted
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k, a, i, f: k.take_step(a, i, a, axis=0), "ranks"),
        (lambda k, a, i, f: k.take_step(f, f, f, axis=0), "int32"),
        (lambda k, a, i, f: k.scatter_step(a, i, f, a, mode="add"), "fit"),
        (lambda k, a, i, f: k.scatter_step(a, i, a, a, mode="multiply"), "fit|mode"),
        (lambda k, a, i, f: k.dynamic_slice_step(a, i, a), "block"),
    ],
    ids=["ranks", "dtype", "shape", "mode", "starts"],
)
def test_what_does_not_fit_is_refused(bench, make, message):
    a, i, f = np.zeros((4, 3), np.float32), np.zeros((4, 1), np.int32), np.zeros((4,), np.float32)
    with pytest.raises(ValueError, match=message):
        make(bench.kernels, *map(bench.put, (a, i, f)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_scatter_add_then_gather_agree_with_the_reference(step_on, data):
    shape = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    k = data.draw(st.integers(1, len(shape)))
    lead = (data.draw(st.integers(0, 60)),)
    x, indices = some(shape), points(shape[:k], lead)
    updates = some((*lead, *shape[k:]))
    wanted = shaping.scatter_add(x, indices, updates)
    found = written(step_on, "scatter_step", wanted, x, indices, updates, mode="add")
    np.testing.assert_array_equal(found, wanted)
    read = shaping.gather_nd(found, indices)
    np.testing.assert_array_equal(written(step_on, "gather_nd_step", read, found, indices), read)
