"""Values, shapes and gradients of the nn and image operations, row by row of the table."""

import functools
import inspect

import numpy as np
import pytest

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.convert import to_numpy
from kerasish.core.registry import engine_of, use_backend
from kerasish.core.symbolic import SymbolicTensor
from tests.batches import Batches, whole
from tests.ops_nn.cases import ALL, EXPECTED, OURS, THEIRS, flat, on, rand

# Arrays that are read on the host: parameters, not data.
PARAMETERS = {"scale_and_translate": (2, 3)}


def tensors_of(case):
    """Which arguments are tensors."""
    arrays = [i for i, a in enumerate(case.args) if isinstance(a, np.ndarray)]
    return [i for i in arrays if i not in PARAMETERS.get(case.name, ())]


def call(case, tensors):
    """What the operation gives for tensors in place of its arrays."""
    args = list(case.args)
    for i, tensor in zip(tensors_of(case), tensors, strict=True):
        args[i] = tensor
    return case.ours(*args, **case.kwargs)


def in_batches(cases, of_row, inputs_of):
    """`of_row(case, tensors)` for every row on an engine; a batch of rows is one compiled function on jax."""

    @functools.cache
    def answers(engine):
        def of_rows(rows):
            def run(inputs):
                return [of_row(case, tensors) for case, tensors in zip(rows, inputs, strict=True)]

            inputs = [[ops.convert_to_tensor(x) for x in inputs_of(case)] for case in rows]
            return whole(engine, run)(inputs)

        return Batches(cases, of_rows, size=8 if engine.name == "jax" else 1)

    return answers


VALUES = in_batches(ALL, call, lambda case: [case.args[i] for i in tensors_of(case)])


@pytest.mark.parametrize("index", range(len(ALL)), ids=map(str, ALL))
def test_value_is_keras(engine, index):
    case = ALL[index]
    ours, theirs = flat(VALUES(engine)[index]), flat(EXPECTED[index])
    assert [o.shape for o in ours] == [t.shape for t in theirs]
    for one, two in zip(ours, theirs, strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_allclose(
            one.astype("float64"), two, rtol=case.tolerance, atol=case.absolute or case.tolerance
        )


@pytest.mark.parametrize("case", ALL, ids=str)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_symbolic_shape_is_eager_shape(engine, case):
    eager = flat(case.ours(*case.args, **case.kwargs))
    arrays = [case.args[i] for i in tensors_of(case)]
    result = call(case, [SymbolicTensor(a.shape, str(a.dtype)) for a in arrays])
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    if not (case.name == "ctc_decode" and case.kwargs.get("strategy")):
        assert [r.shape for r in results] == [e.shape for e in eager]
        assert [r.dtype for r in results] == [str(e.dtype) for e in eager]


# The operations whose further arguments hold one row for each example, too.
BATCHED = {
    "binary_crossentropy",
    "categorical_crossentropy",
    "ctc_decode",
    "ctc_loss",
    "dot_product_attention",
    "sparse_categorical_crossentropy",
}
NOT_BY_ROWS = {
    "map_coordinates",
    "moments",
    "perspective_transform",
    "psnr",
    "scale_and_translate",
    "softmax",
    "ssim",
}
UNKNOWN_BATCH = [
    c
    for c in ALL
    if c.name not in NOT_BY_ROWS
    and np.ndim(c.args[0]) > 1
    and c.kwargs.get("axis") != 0
    and "mask" not in c.kwargs
    and not (c.space == "image" and np.ndim(c.args[0]) == (4 if c.name.endswith("3d") else 3))
]


@pytest.mark.parametrize("case", UNKNOWN_BATCH, ids=str)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_unknown_batch_stays_unknown(engine, case):
    rows = case.args[0].shape[0]
    args = [
        SymbolicTensor((None, *a.shape[1:]), str(a.dtype))
        if isinstance(a, np.ndarray) and a.shape[0] == rows and (i == 0 or case.name in BATCHED)
        else a
        for i, a in enumerate(case.args)
    ]
    result = case.ours(*args, **case.kwargs)
    shapes = [r.shape for r in (result if isinstance(result, (tuple, list)) else [result])]
    eager = [e.shape for e in flat(case.ours(*case.args, **case.kwargs))]
    for got, known in zip(shapes, eager, strict=True):
        assert len(got) == len(known)
        assert all(g is None or g == k for g, k in zip(got, known, strict=True))
        assert None in got or known == ()


def numeric(function, inputs, which, step=1e-6):
    """Central differences of a scalar function with respect to one input."""
    base = inputs[which]
    result = np.zeros(base.size)
    for i in range(base.size):
        values = []
        for sign in (1, -1):
            moved = base.copy().ravel()
            moved[i] += sign * step
            values.append(float(function([*inputs[:which], moved.reshape(base.shape), *inputs[which + 1 :]])))
        result[i] = (values[0] - values[1]) / (2 * step)
    return result.reshape(base.shape)


GRADIENTS = [c for c in ALL if c.grad]


def moving(case):
    """Which arguments are differentiated: float arrays."""
    found = [i for i, a in enumerate(case.args) if isinstance(a, np.ndarray) and a.dtype == np.float32]
    return found[:1] if case.name in ("affine_transform", "map_coordinates") else found


def inputs_of(case):
    return [case.args[i].astype("float64") for i in moving(case)]


def projection(case, values):
    """A weighted sum of what the operation gives for other values of the moving arguments, in float64."""
    args = list(case.args)
    for i, value in zip(moving(case), values, strict=True):
        args[i] = value
    kwargs = {
        k: v.astype("float64") if isinstance(v, np.ndarray) and v.dtype == np.float32 else v
        for k, v in case.kwargs.items()
    }
    result = case.ours(*(on(None, a) for a in args), **kwargs)
    total = None
    for n, part in enumerate(result if isinstance(result, (tuple, list)) else [result]):
        shape = tuple(part.shape)
        weights = ops.convert_to_tensor(rand(*shape, seed=9 + n, dtype="float64"))
        part = p.sum(p.multiply(part, weights), axis=tuple(range(len(shape))), keepdims=False)
        total = part if total is None else p.add(total, part)
    return total


def direction(x):
    return rand(*x.shape, seed=3, dtype="float64")


@functools.cache
def slopes(index):
    """Central differences on the native engine along one direction of each of the first few inputs."""
    inputs, found = inputs_of(GRADIENTS[index]), []
    with use_backend("native"):
        for which, x in enumerate(inputs[:3]):
            ends = []
            for sign in (1, -1):
                moved = [*inputs[:which], x + sign * 1e-6 * direction(x), *inputs[which + 1 :]]
                ends.append(float(to_numpy(projection(GRADIENTS[index], moved))))
            found.append((ends[0] - ends[1]) / 2e-6)
    return found


def gradient(case, tensors):
    engine = engine_of(tensors)
    return engine.value_and_grad(lambda *xs: (projection(case, xs), None), list(tensors))[2]


PULLED = in_batches(GRADIENTS, gradient, inputs_of)


@pytest.mark.parametrize("index", range(len(GRADIENTS)), ids=map(str, GRADIENTS))
def test_gradient_is_central_difference(engine, index):
    inputs = inputs_of(GRADIENTS[index])
    for x, gradient, slope in zip(inputs, PULLED(engine)[index], slopes(index), strict=False):
        assert (to_numpy(gradient) * direction(x)).sum() == pytest.approx(slope, rel=2e-5, abs=2e-5)


SMALL = [i for i, case in enumerate(GRADIENTS) if max(a.size for a in case.arrays) <= 40]


@pytest.mark.parametrize("index", SMALL, ids=[str(GRADIENTS[i]) for i in SMALL])
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_every_partial_derivative_is_a_central_difference(engine, index):
    case, inputs = GRADIENTS[index], inputs_of(GRADIENTS[index])
    for which, gradient in enumerate(PULLED(engine)[index]):
        expected = numeric(lambda values: to_numpy(projection(case, values)), inputs, which)
        np.testing.assert_allclose(to_numpy(gradient), expected, rtol=2e-5, atol=2e-5)


NAMES = [
    (space, name) for space, module in THEIRS.items() for name in dir(module) if not name.startswith("_")
]


@pytest.mark.parametrize(("space", "name"), NAMES)
def test_signature_is_keras(space, name):
    ours, theirs = getattr(OURS[space], name), getattr(THEIRS[space], name)
    assert name in OURS[space].__all__
    found = [(q.name, q.default, q.kind) for q in inspect.signature(ours).parameters.values()]
    assert found == [(q.name, q.default, q.kind) for q in inspect.signature(theirs).parameters.values()]
