"""Tracing, passes, the executor, control flow: what is compiled gives what runs step by step gives."""

from __future__ import annotations

import gc
import threading
import warnings
from typing import Any

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core import primitives as p
from kerasish.core.errors import ShapeError, TraceError
from kerasish.core.registry import get_engine, use_backend
from kerasish_native import control, passes
from kerasish_native.compile import NotCompiledWarning
from kerasish_native.executor import Program
from kerasish_native.trace import Graph, outline

ENGINE = get_engine("native")


@pytest.fixture(autouse=True)
def _native():
    with use_backend("native"):
        yield


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def total(x: Any) -> Any:
    return p.sum(x, axis=tuple(range(len(x.shape))), keepdims=False)


def same(a: Any, b: Any) -> None:
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


# -- compile -----------------------------------------------------------------------------------------------------------
def sgd_step(state: dict[str, Any], batch: tuple[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    x, y = batch

    def loss(w: Any, b: Any) -> tuple[Any, Any]:
        hidden = p.tanh(p.add(p.matmul(x, w), b))
        error = p.square(p.subtract(hidden, y))
        return total(error), {"hidden": hidden}

    value, aux, (gw, gb) = ENGINE.value_and_grad(loss, [state["w"], state["b"]])
    after = {
        "w": p.subtract(state["w"], p.multiply(gw, 0.1)),
        "b": p.subtract(state["b"], p.multiply(gb, 0.1)),
    }
    return after, {"loss": value, "mean": p.divide(total(aux["hidden"]), 4.0), "note": "text", "none": None}


@pytest.mark.parametrize(("kernels", "rtol"), [("compiled", 1e-14), ("reference", 0)])
def test_training_step_equals_eager_and_is_traced_once(kernels, rtol, monkeypatch):
    if kernels == "reference":
        monkeypatch.setattr("kerasish_native.executor.load_kernels", lambda: None)
    state = {"w": normal(3, 2), "b": normal(2, seed=1)}
    batch = (normal(4, 3, seed=2), normal(4, 2, seed=3))
    step = ENGINE.compile(sgd_step)
    eager, fast = state, state
    for _ in range(3):
        eager, logs = sgd_step(eager, batch)
        fast, fast_logs = step(fast, batch)
        for expected, found in (
            (eager["w"], fast["w"]),
            (eager["b"], fast["b"]),
            (logs["loss"], fast_logs["loss"]),
        ):
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
        assert (fast_logs["note"], fast_logs["none"]) == ("text", None)
    assert step.traces == 1
    same(state["w"], normal(3, 2))  # nobody's array was written over
    step(fast, (normal(5, 3), normal(5, 2)))
    assert (step.traces, len(step.plans)) == (2, 2)


def test_explain_tells_steps_fusion_and_bytes():
    step = ENGINE.compile(lambda x: p.exp(p.exp(x)))
    assert step.explain() == "not called yet"
    step(normal(10))
    text = step.explain()
    assert "2 nodes in 1 steps, 1 inputs, 1 outputs" in text
    assert "arena 0 bytes" in text
    assert "tile [10] (exp×2)" in text


def test_explain_of_reference_kernels_tells_nodes_and_bytes(monkeypatch):
    monkeypatch.setattr("kerasish_native.executor.load_kernels", lambda: None)
    step = ENGINE.compile(lambda x: p.exp(p.exp(x)))
    step(normal(10))
    text = step.explain()
    assert "2 nodes, 1 inputs, 1 outputs, 1 in place" in text
    assert "2 exp" in text
    assert "peak 160 bytes" in text


def test_plain_arguments_are_part_of_the_key():
    power = ENGINE.compile(lambda x, k, *, shift=0.0: p.add(p.power(x, float(k)), shift))
    same(power(np.array(3.0), 2), 9.0)
    same(power(np.array(3.0), 3), 27.0)
    same(power(np.array(3.0), 2, shift=1.0), 10.0)
    same(power(np.array(4.0), 2), 16.0)
    assert power.traces == 3


def test_decision_on_a_value_falls_back_with_one_warning():
    def fn(x: Any) -> Any:
        return p.negative(x) if p.less(x, 0.0) else p.exp(x)

    step = ENGINE.compile(fn)
    with pytest.warns(NotCompiledWarning, match="fn runs step by step"):
        same(step(np.array(-2.0)), 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(step(np.array(0.0)), 1.0)
    assert "not compiled" in step.explain()


def test_gradient_of_a_compiled_function_and_compiled_within_compiled():
    inner = ENGINE.compile(lambda x: p.square(x))
    outer = ENGINE.compile(lambda x: p.add(inner(x), 1.0))
    (g,) = ENGINE.value_and_grad(lambda x: (outer(x), None), [np.array(3.0)])[2]
    same(g, 6.0)
    same(outer(np.array(3.0)), 10.0)


def test_a_closure_over_a_running_gradient_falls_back():
    def loss(x: Any) -> tuple[Any, Any]:
        step = ENGINE.compile(lambda y: p.multiply(x, y))
        with pytest.warns(NotCompiledWarning):
            return step(np.array(2.0)), None

    same(ENGINE.value_and_grad(loss, [np.array(3.0)])[2][0], 2.0)


def test_a_traced_value_that_escapes_raises():
    kept = []
    ENGINE.compile(lambda x: kept.append(p.exp(x)) or p.exp(x))(np.array(1.0))
    with pytest.raises(TraceError, match="ended"):
        p.exp(kept[0])


def test_second_derivative_inside_a_trace():
    def slope(x: Any) -> Any:
        return ENGINE.value_and_grad(lambda v: (p.power(v, 3.0), None), [x])[2][0]

    step = ENGINE.compile(lambda x: ENGINE.value_and_grad(lambda v: (slope(v), None), [x])[2][0])
    same(step(np.array(2.0)), 12.0)


def test_random_numbers_follow_the_key():
    draw = ENGINE.compile(lambda key: [p.random_uniform(key, shape=(5,), draw=i) for i in (0, 1, 0)])
    for seed in (1, 2):
        key = np.array([0, seed], np.uint32)
        first, second, again = draw(key)
        same(first, p.random_uniform(key, shape=(5,), draw=0))
        same(second, p.random_uniform(key, shape=(5,), draw=1))
        same(first, again)
    assert draw.traces == 1


def graphs() -> int:
    return sum(type(x) is Graph for x in gc.get_objects())  # isinstance asks proxies of other libraries


def test_one_collection_frees_a_function_and_the_graphs_within():
    def sums(x: Any, rows: Any) -> Any:
        def step(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            return [p.add(carry[0], p.multiply(row[0], x))], []

        return p.scan([x], [rows], fn=step, length=40, reverse=False)[0][0]

    gc.collect()
    before = graphs()
    compiled = ENGINE.compile(sums)
    compiled(normal(3), normal(40, 3))
    assert graphs() > before + 1
    del compiled
    gc.collect()
    assert graphs() == before


def test_plans_run_in_many_threads_at_once():
    step = ENGINE.compile(lambda x: p.sqrt(p.exp(p.multiply(p.add(x, 1.0), 0.5))))
    wrong = []

    def work(i: int) -> None:
        x = np.full((100,), i / 10)
        for _ in range(20):
            if not np.array_equal(step(x), np.sqrt(np.exp((x + 1.0) * 0.5))):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert wrong == []
    assert step.traces == 1


# -- passes ------------------------------------------------------------------------------------------------------------
def graph_of(fn: Any, *inputs: np.ndarray) -> Graph:
    return outline(fn, inputs)


def repeated(x: Any) -> list[Any]:
    return [p.add(p.multiply(p.exp(x), 2.0), p.multiply(p.exp(x), 2.0)), p.exp(x)]


def unused(x: Any) -> list[Any]:
    p.exp(x)
    return [p.square(x)]


def idle(x: Any) -> list[Any]:
    y = p.reshape(p.cast(p.multiply(x, 1.0), dtype="float64"), shape=(3, 2))
    return [p.exp(p.stop_gradient(p.transpose(y, axes=(0, 1))))]


def signed_zeros(x: Any) -> list[Any]:
    return [p.divide(1.0, p.multiply(x, 0.0)), p.divide(1.0, p.multiply(x, -0.0))]


@pytest.mark.parametrize(
    ("run", "fn", "before", "after"),
    [
        (passes.share, repeated, 6, 3),
        (passes.prune, unused, 2, 1),
        (passes.simplify, idle, 6, 1),
        (passes.share, signed_zeros, 4, 4),
    ],
)
def test_a_pass_shortens_the_graph_and_keeps_the_results(run, fn, before, after):
    x = normal(3, 2)
    graph = graph_of(fn, x)
    assert len(graph.nodes) == before
    with np.errstate(divide="ignore"):
        expected = Program(graph).run([x])
        run(graph)
        assert len(graph.nodes) == after
        for one, two in zip(expected, Program(graph).run([x]), strict=True):
            same(one, two)


def test_folding_runs_what_is_known():
    graph = Graph(is_inner=True)
    x = graph.input((3,), "float64")
    known = graph.emit("exp", [np.zeros(3)], {})
    graph.outputs = [graph.emit("add", [x, known], {})]
    passes.optimize(graph)
    assert [node.name for node in graph.nodes] == ["add"]
    same(Program(graph).run([np.arange(3.0)])[0], [1.0, 2.0, 3.0])


def test_in_place_never_touches_inputs_constants_outputs_or_views():
    constant = np.ones((2, 3))

    def fn(x: Any) -> list[Any]:
        a = p.add(x, constant)  # an input and a constant: a new buffer
        view = p.reshape(a, shape=(3, 2))
        b = p.multiply(a, 2.0)  # a's buffer is still seen through the view
        c = p.exp(b)  # b dies and is nobody else's
        return [view, p.square(c), c]

    x = normal(2, 3)
    program = Program(graph_of(fn, x))
    assert program.in_place == 1
    view, squared, c = program.run([x])
    same(view, (normal(2, 3) + 1).reshape(3, 2))
    same(c, np.exp((normal(2, 3) + 1) * 2))
    same(squared, np.square(c))
    same(constant, np.ones((2, 3)))


# -- control flow ------------------------------------------------------------------------------------------------------
W = normal(2, 2, seed=5)


def rnn(x: Any, w: Any, *, length: int, reverse: bool = False) -> Any:
    """A recurrence whose body reads w from outside, over integer and float carries."""

    def body(carry: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
        h, count = carry
        h = p.tanh(p.add(p.matmul(h, w), now[0]))
        return [h, p.add(count, 1)], [p.multiply(h, 2.0)]

    init = [np.zeros((1, 2)), np.zeros((), np.int32)]
    (h, count), (ys,) = p.scan(init, [x], fn=body, length=length, reverse=reverse)
    return p.add(p.add(total(h), total(p.square(ys))), p.cast(count, dtype="float64"))


def branches(x: Any, w: Any) -> Any:
    """Two branches that read w from outside; which one depends on x."""
    (y,) = p.cond(
        p.greater(total(x), 0.0),
        [x],
        true_fn=lambda v: [p.multiply(p.sin(v), total(w))],
        false_fn=lambda v: [p.exp(p.matmul(v, w))],
    )
    return total(y)


CASES = {
    "scan-short": (lambda x, w: rnn(x, w, length=3), normal(3, 1, 2)),
    "scan-long": (lambda x, w: rnn(x, w, length=40), normal(40, 1, 2)),
    "scan-long-reverse": (lambda x, w: rnn(x, w, length=40, reverse=True), normal(40, 1, 2)),
    "cond-true": (branches, np.abs(normal(3, 2))),
    "cond-false": (branches, -np.abs(normal(3, 2))),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_control_flow_compiled_equals_eager(case, order):
    fn, x = CASES[case]

    def slopes(*inputs: Any) -> list[Any]:
        return list(ENGINE.value_and_grad(lambda *v: (fn(*v), None), list(inputs))[2])

    def curved(*inputs: Any) -> list[Any]:
        def norm(*v: Any) -> tuple[Any, Any]:
            a, b = slopes(*v)
            return p.add(total(p.square(a)), total(p.square(b))), None

        return list(ENGINE.value_and_grad(norm, list(inputs))[2])

    run = [lambda *v: [fn(*v)], slopes, curved][order]
    step = ENGINE.compile(run)
    for one, two in zip(run(x, W), step(x, W), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-10, atol=1e-12)
    assert step.fallback is None
    is_node = any(node.name.startswith("graph_") for node in next(iter(step.plans.values())).graph.nodes)
    assert is_node == (case != "scan-short")


def test_one_plan_serves_both_branches():
    step = ENGINE.compile(branches)
    for x in (CASES["cond-true"][1], CASES["cond-false"][1]):
        np.testing.assert_allclose(step(x, W), branches(x, W))
    assert step.traces == 1


def test_while_loop_compiled_equals_eager():
    def halve(x: Any, limit: Any) -> Any:
        return p.while_loop(
            [x, np.zeros((), np.int32)],
            cond_fn=lambda v, i: p.logical_and(p.greater(v, limit), p.less(i, 100)),
            body_fn=lambda v, i: [p.multiply(v, 0.5), p.add(i, 1)],
        )

    step = ENGINE.compile(halve)
    for start in (5.0, 80.0):
        value, count = step(np.array(start), np.array(1.0))
        expected, steps = halve(np.array(start), np.array(1.0))
        assert (float(value), int(count)) == (float(expected), int(steps))
    assert step.traces == 1
    assert [node.name for node in next(iter(step.plans.values())).graph.nodes] == ["graph_while"]


def test_while_loop_over_known_values_runs_while_tracing():
    step = ENGINE.compile(lambda x: p.add(x, p.while_loop(
        [np.array(1.0)], cond_fn=lambda v: p.less(v, 10.0), body_fn=lambda v: [p.multiply(v, 2.0)])[0]))  # fmt: skip
    same(step(np.array(1.0)), 17.0)
    assert [node.name for node in next(iter(step.plans.values())).graph.nodes] == ["add"]


def test_gradient_of_a_compiled_while_loop_raises_while_tracing_and_works_step_by_step():
    def double(x: Any) -> tuple[Any, Any]:
        (y,) = p.while_loop([x], cond_fn=lambda v: p.less(v, 10.0), body_fn=lambda v: [p.multiply(v, 2.0)])
        return y, None

    def slope(x: Any) -> Any:
        return ENGINE.value_and_grad(double, [x])[2][0]

    step = ENGINE.compile(slope)
    with pytest.warns(NotCompiledWarning, match="no reverse-mode gradient"):
        same(step(np.array(3.0)), 4.0)


def test_scan_of_nothing_and_of_constants():
    body = lambda carry, now: ([p.add(carry[0], now[0])], [p.exp(now[0])])  # noqa: E731
    carry, ys = p.scan([np.array(2.0)], [np.zeros((0,))], fn=body, length=0, reverse=False)
    same(carry[0], 2.0)
    assert ys[0].shape == (0,)
    step = ENGINE.compile(
        lambda x: p.scan([np.array(2.0)], [np.zeros(50)], fn=body, length=50, reverse=False)[1][0]
    )
    same(step(np.array(1.0)), np.ones(50))


def test_branches_of_different_shapes_are_refused():
    step = ENGINE.compile(
        lambda x: p.cond(
            p.less(x, 0.0), [x], true_fn=lambda v: [v], false_fn=lambda v: [p.reshape(v, shape=(1,))]
        )
    )
    with pytest.raises(ShapeError, match="Both branches"):
        step(np.array(1.0))


def test_long_scan_limit_is_where_the_cases_assume_it():
    assert 3 <= control.UNROLLED < 40


# -- random layers -----------------------------------------------------------------------------------------------------
RANDOM_LAYERS = {
    "Dropout": lambda: layers.Dropout(0.3),
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.3),
    "AlphaDropout": lambda: layers.AlphaDropout(0.3),
    "GaussianDropout": lambda: layers.GaussianDropout(0.3),
    "GaussianNoise": lambda: layers.GaussianNoise(0.3),
    **{
        f"{name}({option})": lambda name=name, option=option: getattr(layers, name)(4, **{option: 0.3})
        for name in ("SimpleRNN", "GRU", "LSTM")
        for option in ("dropout", "recurrent_dropout")
    },
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(4, dropout=0.3)),
}


@pytest.mark.parametrize("name", RANDOM_LAYERS)
def test_training_with_random_layers_is_compiled(name):
    model = kerasish.Sequential(
        [kerasish.Input((5, 3)), RANDOM_LAYERS[name](), layers.Flatten(), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    model.fit(np.zeros((8, 5, 3), "float32"), np.zeros((8, 2), "float32"), batch_size=4, verbose=0)
    step = model._steps["train"][1]
    assert step._run.fallback is None
    assert step.traces == 1
