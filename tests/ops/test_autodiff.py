"""Gradients of functions of trees and of variables agree with differences, on every engine."""

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core.convert import to_numpy
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.variable import Variable

A = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], np.float64)
B = np.array([[1.0, 0.2], [-0.4, 0.6], [0.1, -1.2]], np.float64)


def tensor(x):
    return ops.convert_to_tensor(x)


def loss(a, b):
    return ops.sum(ops.tanh(ops.matmul(a, b)) ** 2)


def slopes(function, *arrays, step=1e-6):
    """Central differences."""
    found = []
    for n, x in enumerate(arrays):
        g = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(a) for a in arrays]
                moved[n][place] += sign * step
                ends.append(float(to_numpy(function(*map(tensor, moved)))))
            g[place] = (ends[0] - ends[1]) / (2 * step)
        found.append(g)
    return found


def close(found, expected):
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5, atol=1e-7)


def test_by_arguments(engine):
    expected = slopes(loss, A, B)
    value, grads = ops.value_and_grad(loss, argnums=(0, -1))(tensor(A), tensor(B))
    close(value, float(to_numpy(loss(tensor(A), tensor(B)))))
    close(grads[0], expected[0])
    close(grads[1], expected[1])
    close(ops.grad(loss, argnums=1)(tensor(A), tensor(B)), expected[1])


def test_by_trees_and_with_aux(engine):
    def function(tree, scale):
        return loss(tree["a"], tree["b"][0]) * scale, {"seen": tree["a"]}

    (value, aux), grads = ops.value_and_grad(function, has_aux=True)({"b": [tensor(B)], "a": tensor(A)}, 2.0)
    expected = slopes(loss, A, B)
    close(grads["a"], 2 * expected[0])
    close(grads["b"][0], 2 * expected[1])
    close(aux["seen"], A)
    grads, aux = ops.grad(function, has_aux=True)({"b": [tensor(B)], "a": tensor(A)}, 2.0)
    close(grads["a"], 2 * expected[0])
    assert float(to_numpy(value)) != 0


def test_by_variables(engine):
    a, b = Variable(A, name="a"), Variable(B, name="b")
    value, grads = ops.value_and_grad(lambda s: ops.multiply(loss(a, b), s), variables=[a, b])(2.0)
    expected = slopes(loss, A, B)
    close(grads[0], 2 * expected[0])
    close(grads[1], 2 * expected[1])
    np.testing.assert_array_equal(a.numpy(), A)
    slope, by_variable = ops.grad(lambda s: ops.multiply(loss(a, b), s), argnums=0, variables={"b": b})(2.0)
    close(slope, float(to_numpy(value)) / 2)
    close(by_variable["b"], 2 * expected[1])


def test_a_variable_among_the_arguments(engine):
    close(ops.grad(loss)(Variable(A), tensor(B)), slopes(loss, A, B)[0])


def test_second_order(engine):
    first = ops.grad(lambda x: ops.sum(x**3))
    close(ops.grad(lambda x: ops.sum(first(x)))(tensor(A)), 6 * A)


def test_compiled(engine):
    compiled = engine.compile(lambda a, b: ops.value_and_grad(loss, argnums=(0, 1))(a, b))
    _, grads = compiled(tensor(A), tensor(B))
    for found, expected in zip(grads, slopes(loss, A, B), strict=True):
        close(found, expected)


def test_vjp_and_jvp(engine):
    value, pullback = ops.vjp(lambda a, b: {"y": ops.matmul(a, b)}, tensor(A), tensor(B))
    close(value["y"], A @ B)
    ga, gb = pullback({"y": np.ones((2, 2))})
    close(ga, np.ones((2, 2)) @ B.T)
    close(gb, A.T @ np.ones((2, 2)))
    out, moved = ops.jvp(lambda x: ops.sin(x), (tensor(A),), (tensor(np.ones_like(A)),))
    close(out, np.sin(A))
    close(moved, np.cos(A))
    _, _, aux = ops.jvp(lambda x: (x * 2, x), (tensor(A),), (tensor(A),), has_aux=True)
    close(aux, A)


def test_stop_gradient_and_custom_gradient(engine):
    close(ops.grad(lambda x: ops.sum(ops.stop_gradient(x) * x))(tensor(A)), A)

    @ops.custom_gradient
    def clipped(x):
        def pullback(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return ops.clip(upstream, -0.1, 0.1)

        return x * 1.0, pullback

    close(ops.grad(lambda x: ops.sum(clipped(x) * 3.0))(tensor(A)), np.full_like(A, 0.1))


FLAT = {
    "max": lambda x: ops.sum(ops.max(x, axis=1)),
    "min": lambda x: ops.sum(ops.min(x, axis=1)),
    "prod": lambda x: ops.prod(x),
    "std": lambda x: ops.std(x),
    "logsumexp": lambda x: ops.logsumexp(x),
    "cumsum": lambda x: ops.sum(ops.cumsum(x, 1) ** 2),
    "cumprod": lambda x: ops.sum(ops.cumprod(x, 1)),
    "sort": lambda x: ops.sum(ops.multiply(ops.sort(x, 1), np.array([1.0, 2.0, 3.0]))),
    "top_k": lambda x: ops.sum(ops.top_k(x, 2)[0] ** 2),
    "median": lambda x: ops.median(x),
    "take": lambda x: ops.sum(ops.take(x, [0, 0, 2], 1) ** 2),
    "get_item": lambda x: ops.sum(ops.get_item(x, ([0, 1, 1], [1, 1, 2])) ** 2),
    "slices": lambda x: ops.sum(ops.get_item(x, (slice(None, None, -1), slice(0, 2))) ** 3),
    "pad": lambda x: ops.sum(ops.pad(x, 1, "reflect") ** 2),
    "concatenate": lambda x: ops.sum(ops.square(ops.concatenate([x, ops.multiply(x, 2)], 0))),
    "where": lambda x: ops.sum(ops.where(ops.greater(x, 0), ops.square(x), ops.exp(x))),
    "clip": lambda x: ops.sum(ops.clip(x, -0.8, 1.8) ** 2),
    "norm": lambda x: ops.norm(x),
    "einsum": lambda x: ops.sum(ops.einsum("ij,kj->ik", x, x) ** 2),
    "cdist": lambda x: ops.sum(ops.cdist(x, x)),
    "erfinv": lambda x: ops.sum(ops.erfinv(ops.divide(x, 3.0))),
    "det": lambda x: ops.det(ops.matmul(x, ops.transpose(x))),
    "slogdet": lambda x: ops.slogdet(ops.matmul(x, ops.transpose(x)))[1],
    "inv": lambda x: ops.sum(ops.inv(ops.matmul(x, ops.transpose(x)))),
    "cholesky": lambda x: ops.sum(ops.cholesky(ops.matmul(x, ops.transpose(x)))),
    "solve": lambda x: ops.sum(ops.solve(ops.matmul(x, ops.transpose(x)), x) ** 2),
    "scan": lambda x: ops.sum(
        ops.scan(lambda c, r: (ops.tanh(ops.add(c, r)), ops.multiply(c, r)), ops.zeros_like(x[0]), x)[1]
    ),
    "fori_loop": lambda x: ops.sum(ops.fori_loop(0, 3, lambda i, v: v * v, x)),
    "scatter_update": lambda x: ops.sum(ops.scatter_update(x, [[0, 1], [1, 2]], x[0, :2]) ** 2),
    "segment_sum": lambda x: ops.sum(ops.segment_sum(x, np.array([1, 1]), 2) ** 2),
    "segment_max": lambda x: ops.sum(ops.segment_max(x, np.array([0, 0]), 1) ** 2),
    "rfft": lambda x: ops.sum(ops.rfft(x)[1] ** 2),
    "divide_no_nan": lambda x: ops.sum(ops.divide_no_nan(x, ops.maximum(x, 0.0))),
}


@pytest.mark.parametrize("name", FLAT)
def test_gradient_agrees_with_differences(name, engine):
    close(ops.grad(FLAT[name])(tensor(A)), slopes(FLAT[name], A)[0])


def test_mistakes_are_explained(engine):
    with pytest.raises(ShapeError, match="scalar"):
        ops.grad(lambda x: x * 2.0)(tensor(A))
    with pytest.raises(DTypeError, match="floats"):
        ops.grad(lambda x: ops.sum(x))(np.array([1, 2]))
