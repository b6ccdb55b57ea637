"""What the methods of every engine must do: tensors, gradients, control flow, compilation, devices.

Each function is one check. They use plain `assert`, which pytest explains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.contract import Engine
from kerasish.core.registry import engine_of, host_engine
from kerasish.testing.cases import array
from kerasish.testing.checks import tensor
from kerasish.testing.gradient_cases import like

Check = Callable[[Engine], None]
ALL: list[Check] = []


def behaviour(check: Check) -> Check:
    """Add a check."""
    ALL.append(check)
    return check


def total(x: Any) -> Any:
    """Sum of all elements."""
    rank = len(engine_of((x,)).shape_of(x))
    return p.sum(x, axis=tuple(range(rank)), keepdims=False)


def floats(engine: Engine, *values: Any, dtype: str = "float32") -> list[Any]:
    """Tensors of `dtype`."""
    return [tensor(engine, array(v, dtype)) for v in values]


def read(engine: Engine, xs: Sequence[Any]) -> list[Any]:
    """Values as lists."""
    return [None if x is None else engine.to_numpy(x).tolist() for x in xs]


# -- tensors -----------------------------------------------------------------------------------------------------------
@behaviour
def arrays_go_there_and_back(engine: Engine) -> None:
    """Arrays go there and back."""
    for dtype in dtypes.ALL:
        host = array([[0, 1], [1, 0]], dtype)
        x = engine.asarray(host, dtype=dtype, device=None)
        back = engine.to_numpy(x)
        assert engine.dtype_of(x) == dtype
        assert back.dtype == host.dtype
        assert engine.shape_of(x) == (2, 2)
        assert type(engine.shape_of(x)) is tuple
        assert {type(size) for size in engine.shape_of(x)} == {int}
        np.testing.assert_array_equal(back.astype("float64"), host.astype("float64"))
    big = engine.asarray(np.array([2**62 + 1]), dtype="int64", device=None)
    assert engine.to_numpy(big).tolist() == [2**62 + 1]


@behaviour
def asarray_copies(engine: Engine) -> None:
    """Asarray copies."""
    for size in (3, 4096):
        host = np.zeros(size, np.float32)
        x = engine.asarray(host, dtype="float32", device=None)
        host[:] = 1
        assert engine.to_numpy(x).max() == 0


@behaviour
def devices_are_named(engine: Engine) -> None:
    """Devices are named."""
    (x,) = floats(engine, [1.0])
    assert "cpu:0" in engine.devices()
    assert engine.device_of(x) in engine.devices()
    moved = engine.to_device(x, "cpu:0")
    assert engine.device_of(moved) == "cpu:0"
    assert read(engine, [moved]) == [[1.0]]
    placed = engine.asarray(np.ones(2, np.float64), dtype="float64", device="cpu:0")
    assert engine.device_of(placed) == "cpu:0"
    assert engine.dtype_of(placed) == "float64"
    engine.synchronize([x])
    engine.synchronize()


@behaviour
def tensors_have_a_shape_and_a_dtype(engine: Engine) -> None:
    """Attributes that fast paths look at before they ask the engine."""
    (x,) = floats(engine, [1.0, 2.0])
    assert tuple(x.shape) == (2,)
    assert hash(x.dtype) == hash(floats(engine, [3.0])[0].dtype)


# -- gradients ---------------------------------------------------------------------------------------------------------
@behaviour
def vjp_gives_outputs_aux_and_gradients(engine: Engine) -> None:
    """Vjp gives outputs aux and gradients."""
    x, y = floats(engine, [1.0, 2.0], [3.0, 4.0])
    outputs, aux, pullback = engine.vjp(
        lambda a, b: ([p.multiply(a, b), p.add(a, b)], {"sum": p.add(a, b), "none": None}), [x, y]
    )
    assert read(engine, outputs) == [[3.0, 8.0], [4.0, 6.0]]
    assert read(engine, [aux["sum"]]) == [[4.0, 6.0]]
    assert aux["none"] is None
    for _ in range(2):  # a pullback may be called again
        assert read(engine, pullback(floats(engine, [1.0, 1.0], [0.0, 10.0]))) == [[3.0, 14.0], [1.0, 12.0]]


@behaviour
def vjp_of_unused_inputs_is_none(engine: Engine) -> None:
    """Vjp of unused inputs is none."""
    x, y = floats(engine, [1.0, 2.0], [3.0])
    _, _, pullback = engine.vjp(lambda a, b: ([p.square(a)], None), [x, y])
    assert read(engine, pullback(floats(engine, [1.0, 1.0]))) == [[2.0, 4.0], None]


@behaviour
def vjp_of_integer_inputs_is_none(engine: Engine) -> None:
    """Vjp of integer inputs is none."""
    x, i = tensor(engine, array([1.0, 2.0])), tensor(engine, array([1, 0], "int32"))
    _, _, pullback = engine.vjp(lambda a, b: ([p.take(a, b, axis=0)], None), [x, i])
    assert read(engine, pullback(floats(engine, [5.0, 7.0]))) == [[7.0, 5.0], None]


@behaviour
def vjp_takes_integer_outputs(engine: Engine) -> None:
    """Vjp takes integer outputs."""
    (x,) = floats(engine, [1.0, 2.0])
    outputs, _, pullback = engine.vjp(
        lambda a: ([p.square(a), p.argmax(a, axis=0, keepdims=False)], None), [x]
    )
    found = pullback([*floats(engine, [1.0, 1.0]), tensor(engine, array(0, "int32"))])
    assert read(engine, outputs) == [[1.0, 4.0], 1]
    assert read(engine, found) == [[2.0, 4.0]]


@behaviour
def second_order(engine: Engine) -> None:
    """Second order."""
    for dtype in ("float32", "float64"):
        (x,) = floats(engine, [1.0, 2.0], dtype=dtype)

        def slope(a: Any, dtype: Any = dtype) -> Any:
            _, _, pullback = engine.vjp(lambda b: ([p.power(b, 3.0)], None), [a])
            return [pullback([like(a, array([1.0, 1.0], dtype))])[0]], None

        outputs, _, pullback = engine.vjp(slope, [x])
        found = pullback(floats(engine, [1.0, 1.0], dtype=dtype))
        np.testing.assert_allclose(read(engine, outputs)[0], [3.0, 12.0], 1e-6)
        np.testing.assert_allclose(read(engine, found)[0], [6.0, 12.0], 1e-6)


@behaviour
def value_and_grad_fills_zeros(engine: Engine) -> None:
    """Value and grad fills zeros."""
    x, y, i = *floats(engine, [1.0, 2.0], [3.0]), tensor(engine, array([1], "int32"))
    value, aux, found = engine.value_and_grad(lambda a, b, c: (total(p.square(a)), (a, c)), [x, y, i])
    assert read(engine, [value, *aux]) == [5.0, [1.0, 2.0], [1]]
    assert read(engine, found) == [[2.0, 4.0], [0.0], [0]]


@behaviour
def value_and_grad_of_64_bit(engine: Engine) -> None:
    """Value and grad of 64 bit."""
    (x,) = floats(engine, [1.0, 1e-12], dtype="float64")
    value, _, found = engine.value_and_grad(lambda a: (total(p.add(p.square(a), a)), None), [x])
    assert engine.dtype_of(value) == "float64"
    assert engine.to_numpy(value) == 2.0 + 1e-12 + 1e-24
    np.testing.assert_allclose(read(engine, found), [[3.0, 1.0 + 2e-12]], 1e-15)


@behaviour
def gradient_of_a_table_lookup_is_dense(engine: Engine) -> None:
    """Gradient of a table lookup is dense."""
    (x,) = floats(engine, [[1.0, 2.0], [3.0, 4.0]])
    i = tensor(engine, array([1, 1], "int32"))
    _, _, found = engine.value_and_grad(lambda a: (total(p.take(a, i, axis=0)), None), [x])
    assert read(engine, found) == [[[0.0, 0.0], [2.0, 2.0]]]


@behaviour
def jvp_is_forward_mode(engine: Engine) -> None:
    """Jvp is forward mode."""
    x, y, dx, dy = floats(engine, [1.0, 2.0], [3.0, 4.0], [1.0, 0.0], [0.0, 1.0])
    outputs, tangents = engine.jvp(lambda a, b: [p.multiply(a, b), p.exp(p.subtract(a, a))], [x, y], [dx, dy])
    assert read(engine, outputs) == [[3.0, 8.0], [1.0, 1.0]]
    assert read(engine, tangents) == [[3.0, 2.0], [0.0, 0.0]]


@behaviour
def custom_gradient_replaces_the_rule(engine: Engine) -> None:
    """Custom gradient replaces the rule."""
    x, y = floats(engine, [1.0, 2.0], [5.0, 5.0])
    outer = floats(engine, [3.0, 3.0])[0]

    def scaled(w: Any) -> Any:
        def fn(a: Any, b: Any) -> Any:
            return [p.multiply(p.multiply(a, b), w)], lambda ct: [
                p.multiply(ct[0], 100.0),
                p.multiply(ct[0], a),
            ]

        return fn

    assert read(engine, engine.custom_gradient(scaled(outer), [x, y])) == [[15.0, 30.0]]

    # `scaled` closes over w, which is differentiated too: it counts as a constant inside.
    def loss(a: Any, b: Any, w: Any) -> Any:
        return total(p.add(engine.custom_gradient(scaled(w), [a, b])[0], w)), None

    value, _, found = engine.value_and_grad(loss, [x, y, outer])
    assert read(engine, [value, *found]) == [51.0, [100.0, 100.0], [1.0, 2.0], [1.0, 1.0]]
    step = engine.compile(lambda *xs: engine.value_and_grad(loss, list(xs))[2])
    assert read(engine, step(x, y, outer)) == [[100.0, 100.0], [1.0, 2.0], [1.0, 1.0]]


# -- control flow ------------------------------------------------------------------------------------------------------
@behaviour
def cond_runs_one_branch(engine: Engine) -> None:
    """Cond runs one branch."""
    (x,) = floats(engine, [1.0, 2.0])

    def pick(flag: Any, a: Any) -> Any:
        return p.cond(flag, [a], true_fn=lambda v: [p.square(v)], false_fn=lambda v: [p.negative(v)])

    for run in (pick, engine.compile(pick)):
        assert read(engine, run(tensor(engine, np.array(True)), x)) == [[1.0, 4.0]]
        assert read(engine, run(tensor(engine, np.array(False)), x)) == [[-1.0, -2.0]]

    def slope(flag: Any, a: Any) -> Any:
        return engine.value_and_grad(lambda v: (total(pick(flag, v)[0]), None), [a])[2]

    for run in (slope, engine.compile(slope)):
        assert read(engine, run(tensor(engine, np.array(True)), x)) == [[2.0, 4.0]]
        assert read(engine, run(tensor(engine, np.array(False)), x)) == [[-1.0, -1.0]]


@behaviour
def while_loop_repeats(engine: Engine) -> None:
    """While loop repeats."""

    def powers(x: Any) -> Any:
        i = p.cast(p.multiply(x, 0.0), dtype="int32")
        return p.while_loop(
            [i, x], cond_fn=lambda i, v: p.less(i, 5), body_fn=lambda i, v: [p.add(i, 1), p.multiply(v, 2.0)]
        )

    for dtype in ("float32", "float64"):
        (x,) = floats(engine, 3.0, dtype=dtype)
        for run in (powers, engine.compile(powers)):
            result = run(x)
            assert read(engine, result) == [5, 96.0]
            assert [engine.dtype_of(r) for r in result] == ["int32", dtype]


def _recurrence(reverse: bool, length: int = 3) -> Callable[..., Any]:
    def run(w: Any, x: Any, start: Any) -> Any:
        def fn(carry: Any, row: Any) -> Any:
            state = p.add(p.multiply(carry[0], w), row[0])
            return [state, p.add(carry[1], 1)], [state, p.negative(state)]

        return p.scan([start, like_int(start)], [x], fn=fn, length=length, reverse=reverse)

    return run


def like_int(x: Any) -> Any:
    """An int32 zero of the shape of `x`."""
    return p.cast(p.multiply(x, 0.0), dtype="int32")


@behaviour
def scan_carries_and_stacks(engine: Engine) -> None:
    """Scan carries and stacks."""
    for dtype in ("float32", "float64"):
        w, x, start = floats(engine, 2.0, [1.0, 2.0, 3.0], 1.0, dtype=dtype)
        for reverse, states in ((False, [3.0, 8.0, 19.0]), (True, [25.0, 12.0, 5.0])):
            run = _recurrence(reverse)
            for call in (run, engine.compile(run)):
                carry, ys = call(w, x, start)
                assert read(engine, carry) == [states[0 if reverse else -1], 3]
                assert read(engine, ys) == [states, [-s for s in states]]
                assert engine.dtype_of(ys[0]) == dtype
                assert engine.dtype_of(carry[1]) == "int32"


@behaviour
def scan_of_length_zero(engine: Engine) -> None:
    """Scan of length zero."""
    w, x, start = floats(engine, 2.0, np.zeros((0,)), 1.0)
    for call in (_recurrence(False, 0), engine.compile(_recurrence(False, 0))):
        carry, ys = call(w, x, start)
        assert read(engine, carry) == [1.0, 0]
        assert [engine.shape_of(y) for y in ys] == [(0,), (0,)]


@behaviour
def scan_is_differentiated_through_closures(engine: Engine) -> None:
    """Scan is differentiated through closures."""
    w, x, start = floats(engine, 2.0, [1.0, 2.0, 3.0], 1.0)

    def loss(*xs: Any) -> Any:
        carry, ys = _recurrence(False)(*xs)
        return p.add(carry[0], total(ys[1])), None

    def slopes(*xs: Any) -> Any:
        return engine.value_and_grad(loss, list(xs))[2]

    # d/dw (s3 − s1 − s2 − s3) with s1 = w + 1, s2 = w² + w + 2
    for call in (slopes, engine.compile(slopes)):
        assert read(engine, call(w, x, start)) == [-1.0 - 5.0, [-3.0, -1.0, 0.0], -6.0]


# -- compilation -------------------------------------------------------------------------------------------------------
@behaviour
def compile_takes_and_gives_trees(engine: Engine) -> None:
    """Compile takes and gives trees."""
    step = engine.compile(
        lambda s, b: ({"w": p.add(s["w"], b[0]), "empty": None}, [p.sum(b[0], axis=(0,), keepdims=False)])
    )
    x, y = floats(engine, [1.0, 2.0], [10.0, 20.0])
    state, logs = step({"w": x, "skip": None}, (y, None))
    assert state["empty"] is None
    assert read(engine, [state["w"], *logs]) == [[11.0, 22.0], 30.0]
    assert engine.is_tensor(state["w"])
    assert not engine.is_traced(state["w"])


@behaviour
def compile_traces_once_for_each_shape(engine: Engine) -> None:
    """Compile traces once for each shape."""
    for dtype in ("float32", "float64"):
        traces = []

        def fn(tree: Any, traces: Any = traces) -> Any:
            traces.append(engine.is_traced(tree["x"]))
            return {"y": p.multiply(tree["x"], 2.0)}

        step = engine.compile(fn, options={"jit": "auto"})
        for size in (2, 2, 3, 3, 2):
            result = step({"x": tensor(engine, array(np.ones(size), dtype))})["y"]
            assert engine.dtype_of(result) == dtype
            assert read(engine, [result]) == [[2.0] * size]
        if True in traces:  # not an engine that runs compiled functions as they are
            assert traces == [True] * 2


@behaviour
def donated_state_goes_round(engine: Engine) -> None:
    """Donated state goes round."""
    step = engine.compile(
        lambda state, x: (
            {"w": p.add(state["w"], x), "n": p.add(state["n"], 1)},
            p.sum(x, axis=(0,), keepdims=False),
        ),
        donate=(0,),
    )
    state = {"w": tensor(engine, array([0.0, 0.0])), "n": tensor(engine, array(0, "int64"))}
    (x,) = floats(engine, [1.0, 2.0])
    for _ in range(4):
        state, log = step(state, x)
    assert read(engine, [state["w"], state["n"], log, x]) == [[4.0, 8.0], 4, 3.0, [1.0, 2.0]]
    assert engine.dtype_of(state["n"]) == "int64"


@behaviour
def donation_that_cannot_be_used_is_silent(engine: Engine) -> None:
    """Donation that cannot be used is silent."""
    step = engine.compile(lambda s: p.sum(s["w"], axis=(0,), keepdims=False), donate=(0,))
    assert read(engine, [step({"w": tensor(engine, array([1.0, 2.0, 3.0]))})]) == [6.0]


@behaviour
def numpy_views_survive_donation(engine: Engine) -> None:
    """Numpy views survive donation."""
    x = tensor(engine, array(np.zeros(1000)))
    view = engine.to_numpy(x)
    engine.compile(lambda s: p.add(s, 1.0), donate=(0,))(x)
    assert view.max() == 0


@behaviour
def compile_gives_arguments_through(engine: Engine) -> None:
    """Compile gives arguments through."""
    (x,) = floats(engine, [1.0])
    state, same = engine.compile(lambda s, a: (s, a), donate=(0,))({"w": x}, tensor(engine, array([2.0])))
    assert read(engine, [state["w"], same]) == [[1.0], [2.0]]


@behaviour
def options_choose_how_to_compile(engine: Engine) -> None:
    """Options choose how to compile."""
    (x,) = floats(engine, [1.0, 2.0])
    for jit in (True, False, "auto"):
        assert read(engine, [engine.compile(p.square, options={"jit": jit})(x)]) == [[1.0, 4.0]]


@behaviour
def errors_in_compiled_code_come_out(engine: Engine) -> None:
    """Errors in compiled code come out."""

    def fail(x: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        engine.compile(fail)(floats(engine, [1.0])[0])


@behaviour
def random_bits_are_portable_inside_compiled_code(engine: Engine) -> None:
    """Random bits are portable inside compiled code."""
    key = tensor(engine, array([3, 2**32 - 5], "uint32"))
    draw = lambda k: [p.random_uniform(k, shape=(5, 13), draw=2), p.random_bits(k, shape=(65536,), draw=0)]  # noqa: E731
    eager, compiled = draw(key), engine.compile(draw)(key)
    host = engine.to_numpy(key)
    for pair in (eager, compiled):
        assert (
            engine.to_numpy(pair[0])
            == host_engine().primitives["random_uniform"](host, shape=(5, 13), draw=2)
        ).all()
        assert (
            engine.to_numpy(pair[1]) == host_engine().primitives["random_bits"](host, shape=(65536,), draw=0)
        ).all()


@behaviour
def own_random_numbers_repeat_themselves(engine: Engine) -> None:
    """An engine's own generator, if it offers one: uniform in [0, 1), a function of key, draw and shape."""
    if "own_uniform" not in engine.primitives:
        return
    one, two = (tensor(engine, array(words, "uint32")) for words in ([3, 2**32 - 5], [4, 2**32 - 5]))
    for shape in ((), (0, 3), (41, 7)):
        x = p.own_uniform(one, shape=shape, draw=2)
        assert (engine.dtype_of(x), engine.shape_of(x)) == ("float32", shape)
    draw = lambda k: [p.own_uniform(k, shape=(50, 40), draw=n) for n in (0, 1, 0)]  # noqa: E731
    for run in (draw, engine.compile(draw)):
        x, y, again, *others = (engine.to_numpy(x) for key in (one, two) for x in run(key))
        np.testing.assert_array_equal(x, again)
        for other in (y, *others):
            assert np.mean(other == x) < 0.01
        assert x.min() >= 0
        assert x.max() < 1
        quarters = np.histogram(x, 4, (0, 1))[0]
        assert abs(quarters - 500).max() < 100  # five standard deviations


@behaviour
def vectorize_maps_over_axis_0(engine: Engine) -> None:
    """Vectorize maps over axis 0."""
    x, y = floats(engine, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1.0, 2.0, 3.0])

    def fn(row: Any, scale: Any) -> Any:
        return [p.multiply(total(row), scale), p.sort(p.negative(row), axis=0)]

    assert read(engine, engine.vectorize(fn, [x, y])) == [
        [3.0, 14.0, 33.0],
        [[-2.0, -1.0], [-4.0, -3.0], [-6.0, -5.0]],
    ]
