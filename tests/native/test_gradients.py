"""Gradient rules of the native engine against central differences: a row for each differentiable primitive."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kerasish.core import primitives as p
from kerasish.core.errors import ShapeError
from kerasish.core.primitive import RULES
from kerasish.core.registry import get_engine, use_backend
from kerasish_native.rules import CONSTANT, CONTROL, JOINT, VJPS

ENGINE = get_engine("native")
STEP = 1e-6


@pytest.fixture(autouse=True)
def _native():
    with use_backend("native"):
        yield


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return rng(seed).normal(size=shape)


def apart(*shape: int, seed: int = 0) -> np.ndarray:
    """Values far from each other and from 0: no ties, no kinks within a step."""
    count = int(np.prod(shape))
    return (rng(seed).permutation(count) - count / 2 + 0.25).reshape(shape) / 4


def inside(low: float, high: float, *shape: int, seed: int = 0) -> np.ndarray:
    return rng(seed).uniform(low, high, shape)


def positive(matrix: Any) -> Any:
    """x xᵀ + I."""
    flipped = p.transpose(
        matrix, axes=(*range(len(matrix.shape) - 2), len(matrix.shape) - 1, len(matrix.shape) - 2)
    )
    return p.add(p.matmul(matrix, flipped), np.eye(matrix.shape[-2]))


def i32(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


CONV = {"strides": (2, 1), "pads": ((1, 0), (1, 2)), "dilation": (1, 2), "groups": 1}
POOL = {"window": (3, 2), "strides": (2, 1), "pads": ((1, 1), (0, 1))}

# primitive, function of float64 inputs, inputs, order of derivatives to check.
Row = tuple[str, Callable[..., Any], list[np.ndarray], int]
ROWS: list[Row] = [
    *[
        (name, getattr(p, name), [normal(2, 3)], 2)
        for name in ("negative", "square", "exp", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh",
                     "arcsinh", "sigmoid", "erf")
    ],
    *[(name, getattr(p, name), [inside(0.5, 3, 2, 3)], 2) for name in ("log", "log1p", "sqrt", "rsqrt")],
    *[(name, getattr(p, name), [inside(-0.8, 0.8, 2, 3)], 2) for name in ("arcsin", "arccos", "arctanh")],
    ("arccosh", p.arccosh, [inside(1.5, 3, 2, 3)], 2),
    ("abs", p.abs, [apart(2, 3)], 2),
    ("cast", lambda x: p.cast(p.cast(x, dtype="float64"), dtype="float64"), [normal(3)], 2),
    ("add", p.add, [normal(2, 1, 3), normal(4, 1)], 2),
    ("add", lambda x: p.add(p.add(x, 2.0), x), [normal(3)], 2),
    ("subtract", p.subtract, [normal(2, 3), normal(3)], 2),
    ("subtract", lambda x: p.subtract(1.0, x), [normal(3)], 2),
    ("multiply", p.multiply, [normal(2, 3), normal(2, 1, seed=1)], 2),
    ("divide", p.divide, [normal(2, 3), inside(1, 2, 3)], 2),
    ("divide", lambda x: p.divide(1.0, x), [inside(1, 2, 3)], 2),
    ("remainder", p.remainder, [inside(0.1, 0.9, 2, 3) + 4.0, np.array([1.0, -2.0, 1.5])], 2),
    ("power", p.power, [inside(0.5, 2, 2, 3), normal(3)], 2),
    ("power", lambda x: p.power(x, 3.0), [normal(3)], 2),
    ("power", lambda x: p.power(2.0, x), [normal(3)], 2),
    ("maximum", p.maximum, [apart(2, 3), apart(3, seed=1) + 0.1], 2),
    ("maximum", lambda x: p.maximum(x, 0.0), [apart(2, 3)], 2),
    ("minimum", p.minimum, [apart(2, 3), apart(3, seed=1) + 0.1], 2),
    ("arctan2", p.arctan2, [normal(2, 3), inside(0.5, 2, 3)], 2),
    ("arctan2", lambda x: p.arctan2(x, 2.0), [normal(2, 3)], 2),
    ("where", lambda a, b: p.where(np.array([True, False, True]), a, b), [normal(2, 3), normal(3)], 2),
    ("where", lambda a: p.where(np.array([True, False, True]), a, 2.0), [normal(1, 3)], 2),
    # reductions
    ("sum", lambda x: p.sum(x, axis=(0, 2), keepdims=False), [normal(2, 3, 2)], 2),
    ("sum", lambda x: p.sum(x, axis=(1,), keepdims=True), [normal(2, 3, 2)], 2),
    ("prod", lambda x: p.prod(x, axis=(0, 2), keepdims=False), [normal(2, 3, 2)], 2),
    ("prod", lambda x: p.prod(x, axis=(1,), keepdims=True), [np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0]])], 2),
    ("max", lambda x: p.max(x, axis=(0, 2), keepdims=False), [apart(2, 3, 2)], 2),
    ("max", lambda x: p.max(x, axis=(1,), keepdims=True), [apart(2, 3, 2)], 2),
    ("min", lambda x: p.min(x, axis=(1,), keepdims=False), [apart(2, 3, 2)], 2),
    ("cumsum", lambda x: p.cumsum(x, axis=1), [normal(2, 5)], 2),
    ("cumprod", lambda x: p.cumprod(x, axis=1), [normal(2, 5)], 2),
    ("cumprod", lambda x: p.cumprod(x, axis=0), [np.array([2.0, 0.0, 3.0, 0.0, 1.0])], 2),
    ("sort", lambda x: p.sort(x, axis=0), [apart(4, 3)], 2),
    ("top_k", lambda x: p.top_k(x, k=2)[0], [apart(3, 4)], 2),
    # shaping
    ("reshape", lambda x: p.reshape(x, shape=(3, 2)), [normal(2, 3)], 2),
    ("transpose", lambda x: p.transpose(x, axes=(2, 0, 1)), [normal(2, 3, 4)], 2),
    ("broadcast_to", lambda x: p.broadcast_to(x, shape=(4, 2, 3)), [normal(2, 1)], 2),
    ("concatenate", lambda a, b: p.concatenate([a, b, a], axis=1), [normal(2, 1), normal(2, 3)], 2),
    ("pad", lambda x: p.pad(x, pads=((1, 0), (2, 1)), value=3.0), [normal(2, 3)], 2),
    ("slice", lambda x: p.slice(x, start=(1, 0), stop=(5, 3), step=(2, 1)), [normal(6, 3)], 2),
    ("slice", lambda x: p.slice(x, start=(0, 1), stop=(6, 7), step=(5, 3)), [normal(6, 7)], 2),
    ("flip", lambda x: p.flip(x, axis=(0, 1)), [normal(2, 3)], 2),
    ("dynamic_slice", lambda x: p.dynamic_slice(x, i32(1, 9), sizes=(2, 2)), [normal(4, 3)], 2),
    ("dynamic_update_slice", lambda x, u: p.dynamic_update_slice(x, u, i32(1, 9)), [normal(4, 3), normal(2, 2)], 2),
    ("take", lambda x: p.take(x, i32([0, 2], [2, 2]), axis=0), [normal(3, 2)], 2),
    ("take", lambda x: p.take(x, i32([0, 2], [2, 2]), axis=1), [normal(2, 3, 2)], 2),
    ("take", lambda x: p.take(x, np.int32(1) * np.ones((), np.int32), axis=1), [normal(2, 3, 2)], 2),
    ("take_along_axis", lambda x: p.take_along_axis(x, i32([0, 1], [2, 2], [1, 1], [0, 0]), axis=0),
     [normal(3, 2)], 2),
    ("gather_nd", lambda x: p.gather_nd(x, i32([0, 1], [2, 0], [0, 1])), [normal(3, 2, 2)], 2),
    ("scatter_add", lambda x, u: p.scatter_add(x, i32([0], [2], [0]), u), [normal(3, 2), normal(3, 2)], 2),
    ("scatter_update", lambda x, u: p.scatter_update(x, i32([0], [2], [0]), u), [normal(3, 2), normal(3, 2)], 2),
    ("scatter_max", lambda x, u: p.scatter_max(x, i32([0], [2], [0]), u), [apart(3, 2), apart(3, 2, seed=1) + 0.1], 2),
    # matrices
    ("matmul", p.matmul, [normal(2, 3), normal(3, 4)], 2),
    ("matmul", p.matmul, [normal(2, 2, 3), normal(3, 4)], 2),
    ("matmul", p.matmul, [normal(2, 1, 2, 3), normal(5, 3, 4)], 2),
    ("einsum", lambda a, b: p.einsum(a, b, subscripts="bij,jk->bki"), [normal(2, 2, 3), normal(3, 2)], 2),
    ("einsum", lambda a, b: p.einsum(a, b, subscripts="ij,k->i"), [normal(2, 3), normal(2)], 2),
    ("einsum", lambda a, b, c: p.einsum(a, b, c, subscripts="ij,jk,k->ik"), [normal(2, 3), normal(3, 2), normal(2)], 2),
    ("einsum", lambda a: p.einsum(a, subscripts="ii->i"), [normal(3, 3)], 2),
    ("einsum", lambda a: p.einsum(a, subscripts="ij->"), [normal(3, 2)], 2),
    ("einsum", lambda a, b: p.einsum(a, b, subscripts="ij,ij->i"), [normal(3, 1), normal(3, 4)], 2),
    ("cholesky", lambda x: p.cholesky(positive(x)), [normal(2, 3, 3)], 2),
    ("solve", p.solve, [normal(2, 3, 3) + 3 * np.eye(3), normal(3, 2)], 2),
    ("triangular_solve", lambda a, b: p.triangular_solve(a, b, lower=True),
     [normal(3, 3) + 3 * np.eye(3), normal(3, 2)], 2),
    ("triangular_solve", lambda a, b: p.triangular_solve(a, b, lower=False),
     [normal(3, 3) + 3 * np.eye(3), normal(2, 3, 2)], 2),
    ("qr", lambda x: p.qr(x), [normal(4, 3)], 2),
    ("qr", lambda x: p.qr(x), [normal(2, 3, 5)], 2),
    ("svd", lambda x: p.svd(x)[1], [normal(3, 4)], 2),
    ("svd", lambda x: _rebuilt(*p.svd(x)), [normal(4, 3)], 2),
    ("svd", lambda x: _rebuilt(*p.svd(x)), [normal(2, 3, 4)], 1),
    ("eigh", lambda x: p.eigh(positive(x))[0], [normal(3, 3)], 2),
    ("eigh", lambda x: p.square(p.eigh(positive(x))[1]), [normal(2, 3, 3)], 1),
    ("lu_factor", lambda x: p.lu_factor(x)[0], [normal(2, 4, 4)], 2),
    # windows
    ("conv", lambda x, k: p.conv(x, k, **CONV), [normal(2, 5, 6, 2), normal(2, 3, 2, 3)], 2),
    ("conv", lambda x, k: p.conv(x, k, **{**CONV, "groups": 2}), [normal(2, 5, 6, 4), normal(2, 3, 2, 6)], 2),
    ("conv", lambda x, k: p.conv(x, k, **{**CONV, "groups": 2}), [normal(2, 5, 6, 2), normal(2, 3, 1, 4)], 2),
    ("conv", lambda x, k: p.conv(x, k, strides=(2,), pads=((0, 0),), dilation=(1,), groups=1),
     [normal(2, 6, 2), normal(2, 2, 3)], 2),
    ("conv_transpose", lambda x, k: p.conv_transpose(x, k, spatial=(5, 6), **CONV),
     [normal(2, 3, 5, 3), normal(2, 3, 2, 3)], 2),
    ("conv_transpose", lambda x, k: p.conv_transpose(x, k, spatial=(5, 6), **{**CONV, "groups": 2}),
     [normal(2, 3, 5, 4), normal(2, 3, 2, 4)], 2),
    ("conv_transpose", lambda x, k: p.conv_transpose(x, k, spatial=(5, 6), **{**CONV, "groups": 2}),
     [normal(2, 3, 5, 4), normal(2, 3, 1, 4)], 2),
    ("max_pool", lambda x: p.max_pool(x, **POOL), [apart(2, 5, 4, 2)], 2),
    ("avg_pool", lambda x: p.avg_pool(x, **POOL), [normal(2, 5, 4, 2)], 2),
]  # fmt: skip
PRIVATE = {
    "conv_kernel_grad",
    "max_pool_grad",
    "max_pool_pick",
    "avg_pool_grad",
}  # reached by 2nd derivatives
IDS = [f"{row[0]}-{i}" for i, row in enumerate(ROWS)]


def _rebuilt(u: Any, s: Any, vh: Any) -> Any:
    """U s² Vᴴ: all factors, and no sign is free."""
    return p.matmul(p.multiply(u, p.reshape(p.square(s), shape=(*s.shape[:-1], 1, s.shape[-1]))), vh)


def scalar(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A random projection of the results of fn, after a sine (so that 2nd derivatives of linear functions show)."""

    def run(*xs: Any) -> Any:
        ys = fn(*xs)
        total = None
        for i, y in enumerate(ys if isinstance(ys, tuple) else (ys,)):
            bent = p.add(p.sin(y), y)
            term = p.sum(
                p.multiply(bent, normal(*y.shape, seed=7 + i)),
                axis=tuple(range(len(y.shape))),
                keepdims=False,
            )
            total = term if total is None else p.add(total, term)
        return total

    return run


def gradient(fn: Callable[..., Any]) -> Callable[..., list[Any]]:
    return lambda *xs: ENGINE.value_and_grad(lambda *v: (fn(*v), None), list(xs))[2]


def difference(fn: Callable[..., Any], xs: list[np.ndarray], direction: list[np.ndarray]) -> float:
    ahead, behind = (
        fn(*(x + side * STEP * d for x, d in zip(xs, direction, strict=True))) for side in (1, -1)
    )
    return float(ahead - behind) / (2 * STEP)


def check(fn: Callable[..., Any], xs: list[np.ndarray], tolerance: float) -> Callable[..., Any]:
    """Compare a directional derivative; returns that derivative as a function, for the next order."""
    direction = [normal(*x.shape, seed=11 + i) for i, x in enumerate(xs)]

    def slope(*values: Any) -> Any:
        total = None
        for g, d in zip(gradient(fn)(*values), direction, strict=True):
            term = p.sum(p.multiply(g, d), axis=tuple(range(d.ndim)), keepdims=False)
            total = term if total is None else p.add(total, term)
        return total

    np.testing.assert_allclose(
        float(slope(*xs)), difference(fn, xs, direction), rtol=tolerance, atol=tolerance
    )
    return slope


@pytest.mark.parametrize(("name", "fn", "inputs", "order"), ROWS, ids=IDS)
def test_rule_agrees_with_central_differences(name, fn, inputs, order):
    slope = check(scalar(fn), inputs, 2e-6)
    if order == 2:
        check(slope, inputs, 2e-5)


@pytest.mark.parametrize(("name", "fn", "inputs", "order"), ROWS, ids=IDS)
def test_forward_mode_agrees_with_reverse_mode(name, fn, inputs, order):
    direction = [normal(*x.shape, seed=3) for x in inputs]
    many = lambda *xs: list(ys) if isinstance(ys := fn(*xs), tuple) else [ys]  # noqa: E731
    outputs, slopes = ENGINE.jvp(many, inputs, direction)
    outputs, slopes = zip(
        *[(y, s) for y, s in zip(outputs, slopes, strict=True) if y.dtype == "float64"], strict=True
    )
    cotangents = [normal(*y.shape, seed=5) for y in outputs]
    _, _, pullback = ENGINE.vjp(lambda *xs: ([y for y in many(*xs) if y.dtype == "float64"], None), inputs)
    reverse = sum(float(np.sum(g * d)) for g, d in zip(pullback(cotangents), direction, strict=True))
    forward = sum(float(np.sum(c * s)) for c, s in zip(cotangents, slopes, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-9)


#: Primitives of the engine's own whose rules have a test file of theirs.
SEQUENCES = {"lstm_sequence", "lstm_sequence_grad", "gru_sequence", "gru_sequence_grad"}
ATTENTION = {"tiled_attention"}


def test_every_primitive_is_differentiable_constant_or_control_flow_exactly_once():
    ruled = set(VJPS) | set(JOINT)
    assert not set(VJPS) & set(JOINT)
    assert not ruled & CONSTANT
    public = set(RULES) - {"own_uniform"}  # the engine has none
    assert public - ruled - CONSTANT - CONTROL == set()
    assert (ruled | CONSTANT | CONTROL) - public == PRIVATE | SEQUENCES | ATTENTION | {
        "permutation",
        "graph_cond",
        "graph_scan",
        "graph_while",
    }


def test_every_rule_has_a_row():
    assert {row[0] for row in ROWS} == (set(VJPS) | set(JOINT)) & set(RULES)


@pytest.mark.parametrize(
    ("fn", "x", "expected"),
    [
        (lambda x: p.max(x, axis=(0,), keepdims=False), [1.0, 2.0, 2.0], [0.0, 0.5, 0.5]),
        (lambda x: p.max_pool(p.reshape(x, shape=(1, 3, 1)), window=(3,), strides=(1,), pads=((0, 0),)),
         [2.0, 2.0, 1.0], [1.0, 0.0, 0.0]),
        (lambda x: p.max_pool(p.reshape(x, shape=(1, 3, 1)), window=(2,), strides=(1,), pads=((0, 0),)),
         [1.0, float("nan"), float("nan")], [0.0, 2.0, 0.0]),
        (lambda x: p.maximum(x, 2.0), [1.0, 2.0, 3.0], [0.0, 0.5, 1.0]),
        (lambda x: p.minimum(2.0, x), [1.0, 2.0, 3.0], [1.0, 0.5, 0.0]),
        (lambda x: p.power(x, np.zeros(3)), [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]),
        (lambda x: p.power(x, 0.0), [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]),
        (lambda x: p.power(np.zeros(3), x), [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        (lambda x: p.abs(x), [-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]),
        (lambda x: p.stop_gradient(x), [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        (lambda x: p.cast(p.cast(x, dtype="int32"), dtype="float64"), [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
        (lambda x: p.scatter_update(np.zeros(1), i32([0], [0], [0]), x), [1.0, 2.0, 3.0], [0.0, 0.0, 1.0]),
        (lambda x: p.floor(x), [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
    ],
)  # fmt: skip
def test_gradient_at_special_points(fn, x, expected):
    def total(v):
        y = fn(v)
        return p.sum(y, axis=tuple(range(len(y.shape))), keepdims=False), None

    (g,) = ENGINE.value_and_grad(total, [np.array(x)])[2]
    assert np.asarray(g).tolist() == expected


def test_vjp_gives_none_and_value_and_grad_zeros_where_nothing_depends():
    a, b = np.ones(2), np.ones(3)
    _, aux, pullback = ENGINE.vjp(lambda x, y: ([p.square(x)], {"y": y}), [a, b])
    grads = pullback([np.ones(2)])
    assert grads[1] is None
    assert grads[0].tolist() == [2.0, 2.0]
    assert aux["y"] is b
    assert pullback([np.full(2, 2.0)])[0].tolist() == [4.0, 4.0]
    _, _, grads = ENGINE.value_and_grad(lambda x, y: (p.sum(x, axis=(0,), keepdims=False), None), [a, b])
    assert grads[1].tolist() == [0.0, 0.0, 0.0]


def test_value_and_grad_refuses_a_value_that_is_not_scalar():
    with pytest.raises(ShapeError, match="scalar"):
        ENGINE.value_and_grad(lambda x: (x, None), [np.ones(2)])


def test_third_derivative():
    def derivative(fn):
        return lambda x: ENGINE.value_and_grad(lambda v: (fn(v), None), [x])[2][0]

    fourth_power = lambda x: p.power(x, 4.0)  # noqa: E731
    assert float(derivative(derivative(derivative(fourth_power)))(np.array(2.0))) == pytest.approx(48.0)


def test_inner_gradient_does_not_see_the_outer_variable():
    """d/dx (x · d/dy (x + y)) is 1: the classic test of perturbation confusion."""

    def outer(x):
        inner = ENGINE.value_and_grad(lambda y: (p.add(x, y), None), [np.array(1.0)])[2][0]
        return p.multiply(x, inner), None

    assert float(ENGINE.value_and_grad(outer, [np.array(3.0)])[2][0]) == 1.0


def test_custom_gradient_replaces_the_rule_and_is_itself_differentiable():
    def fn(x):
        return [p.exp(x)], lambda gs: [p.multiply(gs[0], p.multiply(x, 3.0))]

    def slope(x):
        return ENGINE.value_and_grad(lambda v: (ENGINE.custom_gradient(fn, [v])[0], None), [x])[2][0]

    x = np.array(2.0)
    assert float(slope(x)) == 6.0
    assert float(ENGINE.value_and_grad(lambda v: (slope(v), None), [x])[2][0]) == 3.0
    assert float(ENGINE.custom_gradient(fn, [x])[0]) == pytest.approx(np.exp(2.0))


def test_deep_graph_neither_overflows_nor_slows_down():
    def deep(x):
        y = x
        for _ in range(10_000):
            y = p.add(y, 1.0)
        return y, None

    value, _, grads = ENGINE.value_and_grad(deep, [np.array(0.0)])
    assert (float(value), float(grads[0])) == (10_000.0, 1.0)


def test_intermediate_values_are_freed_without_the_garbage_collector():
    watched = []

    def fn(x):
        y = p.exp(x)
        watched.append(weakref.ref(y))
        return p.sum(p.square(y), axis=(0,), keepdims=False), None

    gc.disable()
    try:
        ENGINE.value_and_grad(fn, [np.ones(4)])
        assert watched[0]() is None
    finally:
        gc.enable()


def test_python_sees_the_number_inside_a_box():
    seen = []

    def fn(x):
        seen.extend([float(x), bool(p.greater(x, 1.0)), np.asarray(x).tolist(), x.shape, x.dtype])
        return p.square(x) if p.greater(x, 1.0) else x, None

    assert float(ENGINE.value_and_grad(fn, [np.array(2.0)])[2][0]) == 4.0
    assert seen == [2.0, True, 2.0, (), "float64"]


def test_vectorize_maps_over_axis_0():
    (y,) = ENGINE.vectorize(lambda a, b: [p.matmul(a, b)], [normal(3, 2, 2), normal(3, 2, 1)])
    np.testing.assert_allclose(y, normal(3, 2, 2) @ normal(3, 2, 1))
