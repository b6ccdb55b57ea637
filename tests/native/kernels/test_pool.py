"""Pooling and its gradients: the reference kernels' numbers, for all geometries, types and instruction sets."""

import hashlib
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from conftest import step_on

from kerasish_native._load import load_kernels
from kerasish_native.reference import windows as reference

FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
GUARD = 7


class Case:
    """A geometry. Sizes are one number, or one for each axis; pads are (before, after) for each axis."""

    def __init__(self, images, spatial, channels, window, strides=None, pads=0):
        rank = len(spatial)
        each = lambda value: (value,) * rank if isinstance(value, int) else tuple(value)  # noqa: E731
        self.spatial = tuple(spatial)
        pads = tuple((p, p) if isinstance(p, int) else p for p in each(pads))
        self.keywords = {"window": each(window), "strides": each(strides or window), "pads": pads}
        out = reference.positions(self.spatial, each(window), each(strides or window), pads, (1,) * rank)
        self.x = (images, *self.spatial, channels)
        self.y = (images, *out, channels)


# Around vectors of every type (2 to 64 lanes), windows that tile the input, leave a rest, overlap, lie in the pads.
CASES = {
    "one number": Case(1, (1,), 1, 1),
    "a line": Case(2, (9,), 3, 3, 2, pads=1),
    "tiles": Case(2, (8, 6), 33, 2),
    "tiles of one channel": Case(3, (6, 9), 1, 3),
    "a rest": Case(2, (7, 5), 17, 2),
    "overlapping": Case(2, (9, 8), 16, 3, 2),
    "overlapping by much": Case(1, (6, 7), 70, 4, 1, pads=((0, 3), (2, 1))),
    "gaps": Case(2, (11, 10), 15, 2, 3),
    "uneven": Case(2, (8, 9), 31, (3, 2), (1, 3), pads=((1, 0), (0, 1))),
    "pads": Case(2, (5, 5), 8, 3, 2, pads=1),
    "windows of pads alone": Case(1, (2, 3), 5, 2, 2, pads=((2, 2), (0, 3))),
    "the whole image": Case(3, (5, 4), 65, (5, 4)),
    "a volume": Case(2, (4, 5, 6), 9, (2, 3, 2), (2, 1, 2), pads=((0, 0), (1, 1), (0, 1))),
    "a volume of tiles": Case(1, (4, 4, 6), 20, 2),
    "no images": Case(0, (4, 4), 3, 2),
    "no channels": Case(2, (4, 4), 0, 2),
    "no positions": Case(2, (1, 4), 3, 2),
    "many rows": Case(1, (150, 40), 40, 3, 2, pads=1),
}


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def numbers(rng, shape, dtype):
    """Few values, so that there are ties; the extremes among them."""
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return rng.choice(np.array([limits.min, limits.max, 0, 1, 2, 3], dtype), shape)
    values = np.array([-np.inf, np.inf, np.nan, -0.0, 0.0, 1.5, -2.25, 3, 1e-3, -7], numpy_dtype(dtype))
    return rng.choice(values, shape, p=[0.04, 0.04, 0.04, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.08])


def step_result(make, shape, *operands, **keywords):
    """What the step writes; memory beside it must stay what it was."""
    size = int(np.prod(shape))
    base = np.full(size + 2 * GUARD, 9, operands[0].dtype)
    result = base[GUARD : GUARD + size].reshape(shape)
    step_on(make, *operands, result, **keywords)
    assert np.all(base[:GUARD] == 9), "written before the result"
    assert np.all(base[base.size - GUARD :] == 9), "written after the result"
    return np.array(result)


def assert_same(found, right):
    assert found.dtype == right.dtype
    exact = found.dtype if found.dtype.kind in "iu" else np.float64
    np.testing.assert_array_equal(found.astype(exact), right.astype(exact))


@np.errstate(invalid="ignore")  # NumPy warns of infinities that cancel, and of NaN in float16
def check(case, dtype, rng):
    """All five kernels; returns the bits of what they found."""
    k = load_kernels()
    x = numbers(rng, case.x, dtype)
    y = step_result(k.max_pool_step, case.y, x, **case.keywords)
    assert_same(y, reference.KERNELS["max_pool"](x, **case.keywords))
    if dtype in INTEGERS:
        return y.tobytes()
    g, values = (rng.standard_normal(s).astype(x.dtype) for s in (case.y, case.x))
    grad = step_result(k.max_pool_grad_step, case.x, x, g, **case.keywords)
    right = reference.PRIVATE["max_pool_grad"](x, g, **case.keywords)
    if "16" in dtype:  # summed in float32 here
        wide = reference.PRIVATE["max_pool_grad"](x, g.astype(np.float32), **case.keywords)
        assert_same(grad, wide.astype(x.dtype))
    else:
        assert_same(grad, right)
    picked = step_result(k.max_pool_pick_step, case.y, x, values, **case.keywords)
    assert_same(picked, reference.PRIVATE["max_pool_pick"](x, values, **case.keywords))
    mean = step_result(k.avg_pool_step, case.y, x, **case.keywords)
    assert_same(mean, reference.KERNELS["avg_pool"](x, **case.keywords))
    spread = step_result(k.avg_pool_grad_step, case.x, g, **case.keywords)
    right = reference.PRIVATE["avg_pool_grad"](g, spatial=case.spatial, **case.keywords)
    close = {"float32": 2e-6, "float64": 4e-15, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    wide = (np.float64(spread), np.float64(right))
    np.testing.assert_allclose(*wide, rtol=close, atol=close)
    return b"".join(bits(a) for a in (y, grad, picked, mean, spread))


def bits(a):
    """The bytes, of one NaN for all: whose sign and payload a sum of two has is the compiler's choice."""
    return np.where(np.isnan(a), a.dtype.type(np.nan), a).tobytes()


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS)
@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_of_the_reference(name, dtype):
    check(CASES[name], dtype, np.random.default_rng(1))


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_geometries(data):
    rank = data.draw(st.integers(1, 3))
    axes = lambda low, high: st.tuples(*[st.integers(low, high)] * rank)  # noqa: E731
    pads = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    case = Case(
        data.draw(st.integers(1, 3)),
        data.draw(axes(1, 9)),
        data.draw(st.integers(1, 20)),
        data.draw(axes(1, 4)),
        data.draw(axes(1, 4)),
        pads,
    )
    assume(all(case.y))
    check(case, data.draw(st.sampled_from(["float32", "float64"])), np.random.default_rng(2))


def test_the_first_of_ties_gets_the_gradient():
    x = np.array([[2, 5, 5, 1, 5, np.nan, np.nan, 7]], np.float32).reshape(1, 8, 1)
    g = np.array([[10, 20]], np.float32).reshape(1, 2, 1)
    keywords = {"window": [4], "strides": [4], "pads": [(0, 0)]}
    found = step_result(load_kernels().max_pool_grad_step, x.shape, x, g, **keywords)
    assert found.ravel().tolist() == [0, 10, 0, 0, 0, 20, 0, 0]


def test_pads_never_win_over_the_lowest_value():
    x = np.full((1, 2, 1), -np.inf, np.float32)
    g = np.array([[10, 20]], np.float32).reshape(1, 2, 1)
    keywords = {"window": (2,), "strides": (2,), "pads": ((1, 1),)}
    found = step_result(load_kernels().max_pool_grad_step, x.shape, x, g, **keywords)
    assert found.ravel().tolist() == [10, 20]
    assert_same(found, reference.max_pool_grad(x, g, **keywords))


@pytest.mark.parametrize(
    ("step", "shapes", "dtype", "keywords", "message"),
    [
        ("max_pool_step", [(1, 4, 4, 2), (1, 3, 2, 2)], "float32", {}, "position"),
        ("max_pool_step", [(1, 4, 4, 2), (1, 2, 2, 3)], "float32", {}, "channels"),
        ("max_pool_step", [(1, 4, 4, 2), (2, 2, 2, 2)], "float32", {}, "images"),
        ("max_pool_step", [(4, 4), (2, 2)], "float32", {}, "one to three spatial axes"),
        ("max_pool_step", [(1, 4, 4, 2), (1, 2, 2, 2)], "bool", {}, "not bool"),
        ("max_pool_step", [(1, 4, 4, 2), (1, 2, 2, 2)], "float32", {"strides": [2]}, "one entry"),
        ("max_pool_step", [(1, 4, 4, 2), (1, 2, 2, 2)], "float32", {"strides": [0, 2]}, "at least 1"),
        ("max_pool_step", [(1, 4, 4, 2), (1, 2, 2, 2)], "float32", {"pads": [(0, -1), (0, 0)]}, "at least 0"),
        ("avg_pool_step", [(1, 4, 4, 2), (1, 2, 2, 2)], "int32", {}, "floats"),
        ("avg_pool_grad_step", [(1, 2, 2, 2), (1, 4, 4, 2)], "int32", {}, "floats"),
        ("max_pool_grad_step", [(1, 4, 4, 2), (1, 2, 2, 2), (1, 4, 4, 2)], "int32", {}, "floats"),
        ("max_pool_grad_step", [(1, 4, 4, 2), (1, 2, 2, 2), (1, 4, 4, 1)], "float32", {}, "alike"),
        ("max_pool_pick_step", [(1, 4, 4, 2), (1, 4, 3, 2), (1, 2, 2, 2)], "float32", {}, "alike"),
    ],
)
def test_what_does_not_fit_is_refused(step, shapes, dtype, keywords, message):
    given = {"window": [2, 2], "strides": [2, 2], "pads": [(0, 0), (0, 0)], **keywords}
    with pytest.raises(ValueError, match=message):
        step_on(getattr(load_kernels(), step), *(np.zeros(s, dtype) for s in shapes), **given)


def test_arrays_must_be_contiguous():
    keywords = {"window": [2, 2], "strides": [2, 2], "pads": [(0, 0), (0, 0)]}
    x = np.zeros((1, 4, 8, 2), np.float32)[:, :, ::2]
    with pytest.raises(ValueError, match="contiguous"):
        step_on(load_kernels().max_pool_step, x, np.zeros((1, 2, 2, 2), np.float32), **keywords)


# --- every instruction set, in processes of their own -------------------------------------------------------
def digest():
    """Check all cases and hash what the kernels found."""
    found = hashlib.sha256()
    for i, case in enumerate(CASES.values()):
        for dtype in (*FLOATS, INTEGERS[i % len(INTEGERS)]):
            found.update(check(case, dtype, np.random.default_rng(i)))
    return found.hexdigest()


def test_all_instruction_sets_and_thread_counts_give_the_same_bits(printed_by):
    found = set()
    for isa, threads in (("generic", "1"), ("generic", "3"), ("avx2", "2"), ("avx512", "1"), ("avx512", "2")):
        found.add(printed_by(__file__, isa, threads))
    assert len(found) == 1


if __name__ == "__main__":
    print(digest())
