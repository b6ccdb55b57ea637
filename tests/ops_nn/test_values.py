"""Values, shapes and gradients of the nn and image operations, row by row of the table."""

import inspect

import numpy as np
import pytest

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.convert import to_numpy
from kerasish.core.symbolic import SymbolicTensor
from tests.ops_nn.cases import ALL, OURS, THEIRS, flat, on, rand


@pytest.mark.parametrize("case", ALL, ids=str)
def test_value_is_keras(engine, case):
    ours = flat(case.ours(*(on(engine, a) for a in case.args), **case.kwargs))
    theirs = flat(case.oracle())
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
    arrays = [i for i, a in enumerate(case.args) if isinstance(a, np.ndarray)]
    parameters = {"scale_and_translate": arrays[1:], "affine_transform": [], "perspective_transform": []}
    args = list(case.args)
    for i in arrays:
        if i not in parameters.get(case.name, ()):
            args[i] = SymbolicTensor(args[i].shape, str(args[i].dtype))
    result = case.ours(*args, **case.kwargs)
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


@pytest.mark.parametrize("case", GRADIENTS, ids=str)
def test_gradient_is_central_difference(engine, case):
    where = [i for i, a in enumerate(case.args) if isinstance(a, np.ndarray) and a.dtype == np.float32]
    if case.name in ("affine_transform", "map_coordinates"):
        where = where[:1]
    inputs = [case.args[i].astype("float64") for i in where]
    kwargs = {
        k: v.astype("float64") if isinstance(v, np.ndarray) and v.dtype == np.float32 else v
        for k, v in case.kwargs.items()
    }

    def run(tensors):
        args = list(case.args)
        for i, tensor in zip(where, tensors, strict=True):
            args[i] = tensor
        args = [on(engine, a) for a in args]
        result = case.ours(*args, **kwargs)
        parts = result if isinstance(result, (tuple, list)) else [result]
        total = None
        for n, part in enumerate(parts):
            shape = tuple(part.shape)
            weights = ops.convert_to_tensor(rand(*shape, seed=9 + n, dtype="float64"))
            part = p.sum(p.multiply(part, weights), axis=tuple(range(len(shape))), keepdims=False)
            total = part if total is None else p.add(total, part)
        return total

    _, _, gradients = engine.value_and_grad(
        lambda *xs: (run(list(xs)), None), [on(engine, x) for x in inputs]
    )
    # A few inputs only: the others' differences are as good, and finite differences are slow.
    for which, gradient in list(enumerate(gradients))[:3]:
        if inputs[which].size > 40 or engine.name != "native":  # along one direction: fewer calls
            direction = rand(*inputs[which].shape, seed=3, dtype="float64")
            ends = []
            for sign in (1, -1):
                moved = [x + sign * 1e-6 * direction if j == which else x for j, x in enumerate(inputs)]
                ends.append(to_numpy(run([on(engine, x) for x in moved])))
            expected = (ends[0] - ends[1]) / 2e-6
            found = (to_numpy(gradient) * direction).sum()
        else:
            expected = numeric(lambda values: to_numpy(run([on(engine, v) for v in values])), inputs, which)
            found = to_numpy(gradient)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


NAMES = [
    (space, name) for space, module in THEIRS.items() for name in dir(module) if not name.startswith("_")
]


@pytest.mark.parametrize(("space", "name"), NAMES)
def test_signature_is_keras(space, name):
    ours, theirs = getattr(OURS[space], name), getattr(THEIRS[space], name)
    assert name in OURS[space].__all__
    found = [(q.name, q.default, q.kind) for q in inspect.signature(ours).parameters.values()]
    assert found == [(q.name, q.default, q.kind) for q in inspect.signature(theirs).parameters.values()]
