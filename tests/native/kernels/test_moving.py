"""Copies between layouts: equal to NumPy's, bit for bit, whatever the strides."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasish_native._load import load_kernels

DTYPES = ["bool", "int8", "uint16", "float32", "int64"]
rng = np.random.default_rng(7)


def some(shape, dtype):
    return np.ascontiguousarray(rng.integers(0, 200, shape).astype(dtype))


def copied(step_on, view, out):
    step_on(load_kernels().copy_step, view, out)
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (16, 17, 15), (33, 2, 64), (1, 31, 48), (0, 4, 5)])
def test_transposes(step_on, dtype, axes, shape):
    x = some(shape, dtype)
    wanted = np.ascontiguousarray(x.transpose(axes))
    np.testing.assert_array_equal(copied(step_on, x.transpose(axes), np.zeros_like(wanted)), wanted)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:, ::-1],
        lambda x: x[::2, 1::3],
        lambda x: x[::-2, ::-1].T,
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: np.broadcast_to(x[:, :1], x.shape),
        lambda x: np.broadcast_to(x[:1, :1], (5, 40, 20)),
        lambda x: np.broadcast_to(x[:, None, :7], (40, 3, 7)).transpose(2, 0, 1),
        lambda x: x[3:3],
    ],
    ids=range(9),
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_views(step_on, view, dtype):
    x = view(some((40, 20), dtype))
    np.testing.assert_array_equal(copied(step_on, x, np.full(x.shape, -1, dtype)), x)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_single_elements(step_on, shape):
    out = np.zeros(shape, np.float32)
    assert copied(step_on, np.full(shape, 3.5, np.float32), out) == 3.5


def test_a_result_may_be_a_part_of_memory(step_on):
    x = some((6, 5), "float32")
    frame = np.zeros((10, 12), np.float32)
    copied(step_on, x, frame[2:8, 1::2][:, :5])
    wanted = np.zeros_like(frame)
    wanted[2:8, 1::2][:, :5] = x
    np.testing.assert_array_equal(frame, wanted)


def test_large_copies_are_whole(step_on):
    x = some((700, 513), "float32")
    np.testing.assert_array_equal(copied(step_on, x, np.zeros_like(x)), x)
    np.testing.assert_array_equal(copied(step_on, x.T, np.zeros((513, 700), np.float32)), x.T)


def test_nans_keep_their_bits(step_on):
    bits = np.arange(0x7F800001, 0x7F800001 + 256, dtype=np.uint32).reshape(16, 16)
    out = copied(step_on, bits.view(np.float32).T, np.zeros((16, 16), np.float32))
    np.testing.assert_array_equal(out.view(np.uint32), bits.T)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_concatenate(step_on, axis, dtype):
    kernels = load_kernels()
    parts = [some([n if i == axis else 4 for i in range(3)], dtype) for n in (3, 0, 1, 17)]
    wanted = np.concatenate(parts, axis)
    out = np.zeros_like(wanted)
    step_on(lambda *views: kernels.concatenate_step(list(views[1:]), views[0], axis=axis), out, *parts)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "float64"])
@pytest.mark.parametrize("pads", [((0, 0), (0, 0)), ((1, 2), (0, 3)), ((0, 5), (4, 0)), ((2, 2), (16, 1))])
@pytest.mark.parametrize("shape", [(3, 4), (0, 2), (1, 33)])
def test_pad(step_on, pads, shape, dtype):
    kernels = load_kernels()
    x = some(shape, dtype)
    wanted = np.pad(x, pads, constant_values=1)
    out = np.full(wanted.shape, 7).astype(dtype)
    value = np.array(1, dtype).tobytes()
    step_on(kernels.pad_step, x, out, before=[lo for lo, _ in pads], value=value)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda k, a, b: k.copy_step(a, b), "one shape"),
        (lambda k, a, b: k.concatenate_step([a], b, axis=0), "fill"),
        (lambda k, a, b: k.concatenate_step([a], b, axis=2), "axis"),
        (lambda k, a, b: k.pad_step(a, b, [0, 0], b"\0"), "bytes"),
        (lambda k, a, b: k.pad_step(b, a, [0, 0], b"\0\0\0\0"), "inside"),
    ],
    ids=["copy", "concatenate", "axis", "value", "pad"],
)
def test_what_does_not_fit_is_refused(bench, make, message):
    a, b = bench.put(np.zeros((2, 3), np.float32)), bench.put(np.zeros((3, 3), np.float32))
    with pytest.raises(ValueError, match=message):
        make(bench.kernels, a, b)


@st.composite
def views(draw):
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    x = (
        np.arange(np.prod(shape))
        .reshape(shape)
        .astype(draw(st.sampled_from(["int8", "int16", "float32", "float64"])))
    )
    cuts = tuple(slice(None, None, draw(st.sampled_from([1, 1, 2, -1, -3]))) for _ in shape)
    return x[cuts].transpose(draw(st.permutations(range(len(shape)))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(views(), st.data())
def test_any_view_to_any_layout(step_on, x, data):
    axes = data.draw(st.permutations(range(x.ndim)))
    out = np.zeros([x.shape[a] for a in axes], x.dtype).transpose(np.argsort(axes))
    np.testing.assert_array_equal(copied(step_on, x, out), x)
