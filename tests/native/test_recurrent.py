"""Whole sequences as one primitive each: equal to the composites in value and in first and second gradients."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from kerasish import ops
from kerasish.core.dispatch import COMPOSITES
from kerasish.core.registry import get_engine, use_backend

ENGINE = get_engine("native")
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 2e-2}
BATCH, TIME, CHANNELS, UNITS = 3, 5, 4, 6
GATES = {"lstm": 4, "gru": 3}


@pytest.fixture(autouse=True)
def _native():
    with use_backend("native"):
        yield


def operands(cell: str, bias: bool, dtype: str) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    states = 2 if cell == "lstm" else 1
    gates = GATES[cell] * UNITS
    shapes: list[tuple[int, ...]] = [
        (BATCH, TIME, CHANNELS),
        *[(BATCH, UNITS)] * states,
        (CHANNELS, gates),
        (UNITS, gates),
    ]
    if bias:
        shapes.append((gates,) if cell == "lstm" else (2, gates))
    return [(rng.standard_normal(s) * 0.7).astype(dtype) for s in shapes]


def mask(kind: str) -> np.ndarray | None:
    if kind == "none":
        return None
    rows = [[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]] if kind == "some" else [[1] * TIME] * BATCH
    return np.array(rows, bool)


def options(cell: str, reverse: bool, kind: str) -> dict[str, Any]:
    usual: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": reverse}
    if cell == "gru":
        usual["reset_after"] = True
    return {**usual, "mask": mask(kind)}


def call(function: Any, args: Any, bias: bool, keywords: dict[str, Any]) -> list[Any]:
    last, outputs, states = function(*args, *(() if bias else (None,)), **keywords)
    return [last, outputs, *states]


def cotangents(results: list[Any], used: tuple[int, ...]) -> list[Any]:
    """Fixed numbers for the results that are used."""
    waves = [np.cos(np.arange(np.prod(y.shape))).reshape(y.shape).astype(str(y.dtype)) for y in results]
    return [wave if i in used else None for i, wave in enumerate(waves)]


CASES = list(itertools.product(GATES, (True, False), (True, False), ("none", "some", "all")))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("cell", "bias", "reverse", "kind"), CASES)
def test_values_and_gradients_are_the_composites(cell, bias, reverse, kind, dtype):
    args, keywords = operands(cell, bias, dtype), options(cell, reverse, kind)
    found = []
    for function in (ENGINE.overrides[cell], COMPOSITES[cell]):
        values, _, pullback = ENGINE.vjp(lambda *xs, f=function: (call(f, xs, bias, keywords), None), args)
        found.append([*values, *pullback(cotangents(values, (0, 1, 2, 3)))])
    for one, two in zip(*found, strict=True):
        assert one.dtype == two.dtype == np.dtype(dtype)
        np.testing.assert_allclose(one.astype(float), two.astype(float), TOLERANCE[dtype], TOLERANCE[dtype])


@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1)])
@pytest.mark.parametrize("cell", GATES)
def test_results_nobody_uses_have_no_share_in_gradients(cell, used):
    args, keywords = operands(cell, True, "float64"), options(cell, False, "none")
    found = []
    for function in (ENGINE.overrides[cell], COMPOSITES[cell]):
        values, _, pullback = ENGINE.vjp(lambda *xs, f=function: (call(f, xs, True, keywords), None), args)
        found.append(pullback(cotangents(values, used)))
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, 1e-12, 1e-12)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("kind", ["none", "some"])
def test_gradients_of_gradients_are_the_composites(cell, kind):
    args, keywords = operands(cell, True, "float64"), options(cell, False, kind)
    found = []
    for function in (ENGINE.overrides[cell], COMPOSITES[cell]):

        def slope(*xs: Any, f: Any = function) -> tuple[Any, None]:
            values, _, pullback = ENGINE.vjp(lambda *ys: (call(f, ys, True, keywords), None), list(xs))
            found = pullback(cotangents(values, (0, 1)))
            return sum(ops.sum(g * g) for g in found), None

        _, _, second = ENGINE.value_and_grad(slope, args)
        found.append(second)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, 1e-10, 1e-12)


@pytest.mark.parametrize("cell", GATES)
def test_directional_derivatives_are_the_composites(cell):
    args, keywords = operands(cell, True, "float64"), options(cell, False, "none")
    found = [
        ENGINE.jvp(lambda *xs, f=f: call(f, xs, True, keywords), args, [x + 1 for x in args])[1]
        for f in (ENGINE.overrides[cell], COMPOSITES[cell])
    ]
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, 1e-11, 1e-12)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("wants_x", [True, False])
@pytest.mark.parametrize("kind", ["none", "some"])
def test_compiled_is_eager(cell, kind, wants_x):
    args, keywords = operands(cell, True, "float32"), options(cell, True, kind)

    def run(xs: list[Any]) -> list[Any]:
        fixed = [] if wants_x else xs[:1]
        values, _, pullback = ENGINE.vjp(
            lambda *ys: (call(ENGINE.overrides[cell], [*fixed, *ys], True, keywords), None), xs[len(fixed) :]
        )
        return [*values, *pullback(cotangents(run.values, (0, 1, 2)))]

    run.values = call(ENGINE.overrides[cell], args, True, keywords)
    compiled = ENGINE.compile(run)
    for one, two in zip(compiled(args), run(args), strict=True):
        np.testing.assert_allclose(one, two, 2e-5, 2e-5)


@pytest.mark.parametrize(
    ("cell", "change"),
    [
        ("lstm", {"activation": "relu"}),
        ("lstm", {"recurrent_activation": "hard_sigmoid"}),
        ("gru", {"reset_after": False}),
        ("gru", {"activation": None}),
    ],
)
def test_unusual_cells_are_left_to_the_composite(cell, change):
    args = operands(cell, True, "float32")
    assert ENGINE.overrides[cell](*args, **{**options(cell, False, "none"), **change}) is NotImplemented


@pytest.mark.parametrize("cell", GATES)
def test_an_empty_sequence_is_left_to_the_composite(cell):
    args = operands(cell, True, "float32")
    args[0] = args[0][:, :0]
    assert ENGINE.overrides[cell](*args, **options(cell, False, "none")) is NotImplemented


@pytest.mark.parametrize("cell", GATES)
def test_nothing_is_kept_without_a_gradient(cell):
    from kerasish_native.trace import SCOPE, Graph, recording

    args, keywords, graph = operands(cell, True, "float32"), options(cell, False, "none"), Graph()
    assert SCOPE.get() is None
    with recording(graph):
        inputs = [graph.input(x.shape, "float32") for x in args]
        call(ENGINE.overrides[cell], inputs, True, keywords)
    (node,) = [node for node in graph.nodes if node.name == f"{cell}_sequence"]
    assert not node.keywords["keep"]
    assert len(node.outputs) == (3 if cell == "lstm" else 2)
