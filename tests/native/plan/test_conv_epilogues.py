"""What follows a convolution runs block by block behind it: the same numbers as in steps of its own."""

import numpy as np
import pytest

from kerasish_native._load import load_kernels
from kerasish_native.dispatch import n
from kerasish_native.passes import optimize
from kerasish_native.plan import windows
from kerasish_native.plan.compiled import CompiledProgram
from kerasish_native.trace import Graph, recording

# Every path of the kernel: (input, kernel, strides, pads, dilation, groups).
CONVOLUTIONS = {
    "direct": ((2, 9, 8, 5), (3, 3, 5, 6), (2, 1), ((1, 1), (0, 2)), (1, 1), 1),
    "tiles": ((3, 17, 16, 16), (3, 3, 16, 32), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "pointwise": ((2, 7, 5, 33), (1, 1, 33, 31), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "depthwise": ((2, 11, 10, 19), (3, 3, 1, 19), (1, 1), ((1, 1), (1, 1)), (1, 1), 19),
    "grouped": ((2, 9, 10, 12), (3, 3, 4, 18), (1, 1), ((1, 1), (1, 1)), (2, 2), 3),
    "a line": ((2, 700, 4), (5, 4, 17), (1,), ((2, 2),), (1,), 1),
    "a volume": ((1, 5, 6, 7, 3), (3, 2, 3, 3, 8), (1, 2, 1), ((1, 1), (0, 1), (2, 0)), (1, 1, 1), 1),
}


def biased(y, b, _, x):
    return [n.add(y, b)]


def activated(y, b, _, x):
    return [n.maximum(n.add(y, b), 0.0)]


def normalized(y, b, s, x):
    return [n.tanh(n.add(n.multiply(n.subtract(y, b), n.rsqrt(n.square(s))), b))]


def compared_with_the_input(y, b, s, x):
    return [n.add(n.multiply(y, s), n.sum(x, axis=tuple(range(len(x.shape))), keepdims=False))]


FOLLOWING = [biased, activated, normalized, compared_with_the_input]
# What must stay a step of its own.
ALONE = {
    "two results": lambda y, b, s, x: [n.exp(n.add(y, b)), n.tanh(n.add(y, b))],
    "a result of another type": lambda y, b, s, x: [n.greater(y, 0.0)],
    "the result itself is returned": lambda y, b, s, x: [n.add(y, b), y],
    "another reader": lambda y, b, s, x: [n.add(y, b), n.transpose(y, axes=tuple(range(len(y.shape)))[::-1])],
    "a shortcut": lambda y, b, s, x: [n.add(n.add(y, b), x)],
    "a sum of rows": lambda y, b, s, x: [n.sum(y, axis=tuple(range(len(y.shape) - 1)), keepdims=False)],
}


def planned(case, follow, dtype, inside=True):
    """The program of a convolution and what follows it, and its inputs; `inside`: it writes no array of the caller."""
    x_shape, k_shape, strides, pads, dilation, groups = case
    graph = Graph()
    shapes = (x_shape, k_shape, (k_shape[-1],), (k_shape[-1],))
    x, k, b, s = (graph.input(shape, dtype) for shape in shapes)
    with recording(graph):
        y = n.conv(n.tanh(x), k, strides=strides, pads=pads, dilation=dilation, groups=groups)
        graph.outputs = follow(y, b, s, x)
        if inside:
            graph.outputs = [n.flip(z, axis=(len(z.shape) - 1,)) for z in graph.outputs]
    optimize(graph)
    rng = np.random.default_rng(3)
    arrays = [np.asarray(rng.standard_normal(shape) + 0.1, dtype) for shape in shapes]
    return CompiledProgram(graph, load_kernels()), arrays


def behind(program):
    """The labels of convolutions with an epilogue."""
    return [row for row in program.explain().splitlines() if "conv " in row and "+ tile" in row]


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(windows, "BEYOND_CACHES", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("follow", FOLLOWING, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_an_epilogue_gives_the_numbers_of_steps_of_their_own(name, follow, dtype, any_size, monkeypatch):
    fused, arrays = planned(CONVOLUTIONS[name], follow, dtype)
    monkeypatch.setattr(windows, "BEYOND_CACHES", 1 << 40)
    apart, _ = planned(CONVOLUTIONS[name], follow, dtype)
    assert behind(fused)
    assert not behind(apart)
    given = [a.copy() for a in arrays]
    for _ in range(2):  # a second run works on an arena full of old values
        for found, right in zip(fused.run(given), apart.run(arrays), strict=True):
            np.testing.assert_array_equal(found, right)
    for a, before in zip(given, arrays, strict=True):
        np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("name", ALONE)
def test_what_would_be_slower_or_wrong_stays_a_step_of_its_own(name, any_size):
    case = ((2, 9, 9, 8), (3, 3, 8, 8), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    program, arrays = planned(case, ALONE[name], "float32")
    assert not behind(program)
    program.run(arrays)


def test_arrays_of_the_caller_are_not_finished_in_place(any_size):
    assert not behind(planned(CONVOLUTIONS["direct"], activated, "float32", inside=False)[0])


def test_only_results_beyond_the_caches_are_finished_in_place():
    case = ((1, 9, 9, 8), (3, 3, 8, 8), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert not behind(planned(case, activated, "float32")[0])
    large = ((9, 88, 88, 2), (3, 3, 2, 32), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    assert behind(planned(large, activated, "float32")[0])
