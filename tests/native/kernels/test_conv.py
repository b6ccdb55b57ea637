"""Convolutions and their gradients: within the rounding of their sums, on all geometries, types, instruction sets."""

import hashlib
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Workbench, step_on
from tiles import Tiles

from kerasish_native._load import load_kernels
from kerasish_native.reference import windows as reference

ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}
GUARD = 7


class Case:
    """A geometry. Sizes are one number, or one for each axis; pads are (before, after) for each axis."""

    def __init__(self, images, spatial, channels, filters, window, strides=1, pads=0, dilation=1, groups=1):
        rank = len(spatial)
        each = lambda value: (value,) * rank if isinstance(value, int) else tuple(value)  # noqa: E731
        self.window, self.spatial = each(window), tuple(spatial)
        pads = tuple((p, p) if isinstance(p, int) else p for p in each(pads))
        self.keywords = {
            "strides": each(strides),
            "pads": pads,
            "dilation": each(dilation),
            "groups": groups,
        }
        out = reference.positions(self.spatial, self.window, each(strides), pads, each(dilation))
        self.x = (images, *self.spatial, channels)
        self.kernel = (*self.window, channels // groups, filters)
        self.y = (images, *out, filters)


# Around vectors (4, 8, 16), blocks (6, 14, 28 positions), tiles (4 positions) and rows that are cut into several tasks.
CASES = {
    "one number": Case(1, (1,), 1, 1, 1),
    "a line": Case(2, (29,), 3, 5, 3, pads=1),
    "a long line": Case(1, (700,), 16, 17, 5, pads=2),
    "no positions": Case(2, (2, 2), 3, 4, 3),
    "no images": Case(0, (5, 5), 3, 4, 3),
    "only pads": Case(1, (1, 1), 2, 3, 2, pads=3),
    "first layer": Case(2, (28, 28), 1, 32, 3),
    "three colours": Case(2, (17, 15), 3, 16, 3, pads=1),
    "pointwise": Case(3, (7, 5), 33, 31, 1),
    "strided pointwise": Case(2, (9, 8), 16, 32, 1, strides=2),
    "strided": Case(2, (16, 16), 16, 32, 3, strides=2, pads=((0, 1), (0, 1))),
    "strides beyond the window": Case(2, (11, 7), 4, 6, 2, strides=3),
    "uneven strides": Case(2, (12, 13), 5, 9, (3, 2), strides=(1, 3), pads=((2, 0), (1, 2))),
    "dilated": Case(2, (14, 19), 6, 15, 3, pads=2, dilation=(2, 3)),
    "dilated and strided": Case(1, (21, 18), 8, 8, 3, strides=2, pads=3, dilation=2),
    "large window": Case(1, (13, 12), 8, 17, 7, strides=2, pads=3),
    "window as large as the image": Case(3, (6, 6), 4, 20, 6),
    "grouped": Case(2, (9, 10), 12, 18, 3, pads=1, groups=3),
    "grouped vectors": Case(1, (6, 6), 32, 64, 3, pads=1, groups=2),
    "depthwise": Case(2, (11, 10), 19, 19, 3, pads=1, groups=19),
    "depthwise vectors": Case(2, (8, 8), 80, 80, (3, 7), strides=2, pads=1, groups=80),
    "depthwise multiplied": Case(2, (9, 7), 6, 18, 3, pads=1, groups=6),
    "depthwise dilated": Case(1, (13, 13), 33, 33, 3, pads=2, dilation=2, groups=33),
    "groups of several for one": Case(2, (7, 7), 12, 4, 3, groups=4),
    "a volume": Case(2, (5, 6, 7), 4, 9, (3, 2, 3), strides=(1, 2, 1), pads=((1, 1), (0, 1), (2, 0))),
    "a dilated volume": Case(1, (7, 5, 6), 3, 20, 2, dilation=(3, 1, 2)),
    "a depthwise volume": Case(1, (4, 5, 6), 17, 17, 3, strides=2, pads=1, groups=17),
    "tiles": Case(2, (16, 16), 16, 16, 3, pads=1),
    "tiles of uneven sizes": Case(3, (11, 6), 20, 40, 3, pads=((2, 0), (1, 1))),
    "tiles of a few images": Case(5, (4, 4), 32, 33, 3, pads=1),
    "wide tiles": Case(1, (9, 150), 32, 48, 3),
    "many channels": Case(1, (8, 8), 300, 70, 3, pads=1),
    "long sums": Case(1, (3, 3), 2100, 8, 1),
}
SOME = ["three colours", "strided", "uneven strides", "grouped", "depthwise multiplied", "a volume", "tiles"]


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def arrays(case, dtype, seed=0):
    """Input, kernel and a gradient of the result."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s).astype(numpy_dtype(dtype)) for s in (case.x, case.kernel, case.y)]


def guarded(shape, dtype):
    """An array with numbers of its base before and after it, off the boundaries of vectors."""
    size = int(np.prod(shape))
    base = np.full(size + 2 * GUARD, 9, dtype)
    return base[GUARD : GUARD + size].reshape(shape)


def step_result(make, shape, *operands, **keywords):
    """What the step writes; memory beside it must stay what it was."""
    result = guarded(shape, operands[0].dtype)
    step_on(make, *operands, result, **keywords)
    base = result
    while base.base is not None:
        base = base.base
    assert np.all(base[:GUARD] == 9), "written before the result"
    assert np.all(base[base.size - GUARD :] == 9), "written after the result"
    return np.array(result)


def results(case, x, kernel, g):
    """The three kernels: result, gradient of the input, gradient of the kernel."""
    k = load_kernels()
    return (
        step_result(k.conv_step, case.y, x, kernel, **case.keywords),
        step_result(k.conv_transpose_step, case.x, g, kernel, **case.keywords),
        step_result(k.conv_kernel_grad_step, case.kernel, x, g, **case.keywords),
    )


def expected(case, x, kernel, g):
    """The same from the reference kernels."""
    return (
        reference.conv(x, kernel, **case.keywords),
        reference.conv_transpose(g, kernel, spatial=case.spatial, **case.keywords),
        reference.conv_kernel_grad(x, g, window=case.window, **case.keywords),
    )


def assert_sums(case, found, operands, dtype):
    """Each number is within the rounding of a sum of the size that its terms have."""
    wide = [a.astype(np.float64) for a in operands]
    right = expected(case, *wide)
    sizes = expected(case, *(a**2 for a in wide))
    for part, value, correct, size in zip(("y", "x", "kernel"), found, right, sizes, strict=True):
        assert value.dtype == numpy_dtype(dtype)
        if not value.size:
            continue
        bound = 250 * ROUNDING["float32" if "16" in dtype else dtype] * np.sqrt(size.max())
        if "16" in dtype:
            bound = bound + 2 * ROUNDING[dtype] * np.abs(correct)
        assert np.all(np.abs(value.astype(np.float64) - correct) <= bound), part


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_each_number_is_its_sum(name, dtype):
    operands = arrays(CASES[name], dtype)
    assert_sums(CASES[name], results(CASES[name], *operands), operands, dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", SOME)
def test_short_floats_are_summed_in_float32_and_rounded_once(name, dtype):
    operands = arrays(CASES[name], dtype)
    assert_sums(CASES[name], results(CASES[name], *operands), operands, dtype)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_gradients_are_adjoint(data):
    rank = data.draw(st.integers(1, 3))
    axes = lambda low, high: st.tuples(*[st.integers(low, high)] * rank)  # noqa: E731
    groups = data.draw(st.sampled_from([1, 1, 1, 2, 5]))
    case = Case(
        data.draw(st.integers(1, 3)),
        data.draw(axes(1, 9)),
        groups * data.draw(st.integers(1, 9)),
        groups * data.draw(st.integers(1, 18)),
        data.draw(axes(1, 4)),
        data.draw(axes(1, 3)),
        data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank)),
        data.draw(axes(1, 2)),
        groups,
    )
    assume(all(case.y))
    x, kernel, g = arrays(case, "float64")
    y, dx, dk = results(case, x, kernel, g)
    right = np.vdot(y, g)
    scale = np.sqrt(np.vdot(y, y) * np.vdot(g, g)) * 1e-13
    np.testing.assert_allclose(np.vdot(dx, x), right, rtol=0, atol=scale)
    np.testing.assert_allclose(np.vdot(dk, kernel), right, rtol=0, atol=scale)
    np.testing.assert_allclose(y, reference.conv(x, kernel, **case.keywords), rtol=0, atol=scale)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("name", ["tiles", "tiles of uneven sizes", "strided", "depthwise", "three colours"])
def test_infinities_and_nans_reach_what_they_belong_to(name, bad):
    case = CASES[name]
    x, kernel, g = arrays(case, "float32")
    x[0, 5, 2, 1] = g[1, 2, 3, 0] = bad
    with np.errstate(all="ignore"):
        right = expected(case, *(a.astype(np.float64) for a in (x, kernel, g)))
        right = [a.astype(np.float32) for a in right]
    for found, correct in zip(results(case, x, kernel, g), right, strict=True):
        plain = np.isfinite(correct) & (np.abs(correct) < 1e30)
        assert np.all(np.isfinite(found[plain]))
        if not np.isfinite(bad):
            np.testing.assert_array_equal(found[~plain], correct[~plain])
            np.testing.assert_allclose(found[plain], correct[plain], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["tiles", "wide tiles", "strided", "a long line", "pointwise", "depthwise"])
def test_an_epilogue_sees_finished_rows(name, dtype):
    case = CASES[name]
    x, kernel, _ = arrays(case, dtype)
    bias = np.arange(case.y[-1]).astype(x.dtype)
    y, out = (np.full(case.y, 9, x.dtype) for _ in range(2))
    bench = Workbench()
    tiles = Tiles(bench, (int(np.prod(case.y[:-1])),), case.y[-1])
    total = tiles.op("add", tiles.load(y.reshape(-1, case.y[-1])), tiles.load(bias))
    tiles.store(tiles.op("maximum", total, tiles.constant(0, dtype)), out.reshape(-1, case.y[-1]))
    views = [bench.put(a) for a in (x, kernel, y)]
    bench.run([bench.kernels.conv_step(*views, **case.keywords, epilogue=tiles.step())])
    np.testing.assert_array_equal(y, results(case, x, kernel, y)[0])
    np.testing.assert_array_equal(out, np.maximum(y + bias, 0))


def test_an_epilogue_is_run_once_on_rows_that_were_computed_again():
    case = CASES["tiles"]
    x, kernel, _ = arrays(case, "float32")
    x[0, 5, 2, 1] = np.inf
    y = np.full(case.y, 9, np.float32)
    bench = Workbench()
    rows = y.reshape(-1, case.y[-1])
    tiles = Tiles(bench, rows.shape[:1], rows.shape[1])
    tiles.store(tiles.op("add", tiles.load(rows), tiles.constant(1)), rows)
    views = [bench.put(a) for a in (x, kernel, y)]
    bench.run([bench.kernels.conv_step(*views, **case.keywords, epilogue=tiles.step())])
    np.testing.assert_array_equal(y, results(case, x, kernel, y)[0] + 1)


def _unfit(**changes):
    shapes = {"x": (2, 5, 6, 4), "kernel": (3, 3, 4, 8), "y": (2, 3, 4, 8)}
    keywords = {"strides": [1, 1], "pads": [(0, 0), (0, 0)], "dilation": [1, 1], "groups": 1}
    for name, value in changes.items():
        (shapes if name in shapes else keywords)[name] = value
    return shapes, keywords


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": (2, 4, 4, 8)}, "position"),
        ({"y": (1, 3, 4, 8)}, "images"),
        ({"y": (2, 3, 4, 9)}, "filters"),
        ({"kernel": (3, 3, 3, 8)}, "channels"),
        ({"groups": 2}, "channels"),
        ({"groups": 0}, "channels"),
        ({"x": (2, 5, 6)}, "rank"),
        ({"strides": [1]}, "one entry for each spatial axis"),
        ({"strides": [0, 1]}, "at least 1"),
        ({"dilation": [0, 1]}, "at least 1"),
        ({"pads": [(-1, 0), (0, 0)]}, "pads at least 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    shapes, keywords = _unfit(**changes)
    with pytest.raises(ValueError, match=message):
        step_on(load_kernels().conv_step, *(np.zeros(s, np.float32) for s in shapes.values()), **keywords)


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_only_floats_are_convolved(dtype):
    shapes, keywords = _unfit()
    with pytest.raises(ValueError, match="floats"):
        step_on(load_kernels().conv_step, *(np.zeros(s, dtype) for s in shapes.values()), **keywords)


def test_arrays_must_be_contiguous():
    shapes, keywords = _unfit()
    x, kernel, y = (np.zeros(s, np.float32) for s in shapes.values())
    with pytest.raises(ValueError, match="contiguous"):
        step_on(
            load_kernels().conv_step, np.zeros((2, 5, 12, 4), np.float32)[:, :, ::2], kernel, y, **keywords
        )
    with pytest.raises(ValueError, match="contiguous"):
        step_on(
            load_kernels().conv_step, x, kernel, np.zeros((2, 3, 4, 16), np.float32)[..., ::2], **keywords
        )


# --- every instruction set, in processes of their own -------------------------------------------------------
def digests():
    """Check all cases; hash the results' bits, and those of the kernels' gradients: these depend on the threads."""
    sums, kernels = hashlib.sha256(), hashlib.sha256()
    for i, case in enumerate(CASES.values()):
        dtype = "float64" if i % 5 == 4 else "float32"
        operands = arrays(case, dtype, seed=i)
        found = results(case, *operands)
        assert_sums(case, found, operands, dtype)
        for repeated, first in zip(results(case, *operands), found, strict=True):
            assert repeated.tobytes() == first.tobytes()
        sums.update(found[0].tobytes() + found[1].tobytes())
        kernels.update(found[2].tobytes())
    return f"{sums.hexdigest()} {kernels.hexdigest()}"


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_results_repeat_bit_for_bit_on_every_instruction_set(isa, printed_by):
    found = []
    for threads in ("1", "2", "2", "5"):
        found.append(printed_by(__file__, isa, threads).split())
    assert len({sums for sums, _ in found}) == 1
    assert found[1] == found[2]


if __name__ == "__main__":
    print(digests())
