"""What only torch makes necessary to test; the contract itself is tested by `tests/conformance`."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from kerasish.core import dtypes, threefry, trees
from kerasish.core import primitives as p
from kerasish.core.dispatch import COMPOSITES
from kerasish.testing.cases import Row, array
from kerasish.testing.checks import check_row, parts, same, tensor
from kerasish.testing.override_cases import OVERRIDES, updates
from kerasish_native.reference import KERNELS

pytestmark = pytest.mark.parametrize("engine", ["torch"], indirect=True)


def random(*shape, dtype="float32", seed=0):
    values = np.random.default_rng(seed).normal(size=shape) * 3
    return array(np.abs(values) * 7 if dtype.startswith("u") else values, dtype)


# -- dtypes that torch hardly knows ------------------------------------------------------------------------------------
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*UNSIGNED, "int8", "int16", "int32", "int64")
BINARY = """
    add subtract multiply floor_divide remainder maximum minimum bitwise_and bitwise_or bitwise_xor equal not_equal
    less less_equal greater greater_equal
"""


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", BINARY.split())
def test_integers_meet_at_the_ends_of_their_range(engine, name, dtype):
    low, high = dtypes.int_range(dtype)
    grid = [0, 1, 3, 7, low, high] + ([] if low == 0 else [-1, -3])
    pairs = [
        (a, b) for a in grid for b in grid if not (a == low and b == -1)
    ]  # the one overflow of a division
    one, two = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    for args in ((one, two), (one, 3), (one, 0), (5, two)):
        check_row(engine, Row(name, args, {}))


A, B = random(2, 3, 4, dtype="uint8"), random(2, 3, 4, dtype="uint8", seed=1)
INDEX = array([[1], [0], [1]], "int32")
ONE_AXIS, TWO_AXES = {"axis": 1}, {"axis": (0, 2), "keepdims": False}
UNSIGNED_CALLS = [
    *(Row(name, (A,), {}) for name in ("negative", "abs", "sign", "square", "bitwise_not")),
    *(Row(name, (A,), TWO_AXES) for name in ("sum", "prod", "max", "min")),
    *(Row(name, (A,), {"axis": 1, "keepdims": True}) for name in ("argmax", "argmin")),
    *(Row(name, (A,), ONE_AXIS) for name in ("cumsum", "cumprod", "sort", "argsort")),
    Row("top_k", (A,), {"k": 2}),
    Row("power", (A, array(B % 4, "uint8")), {}),
    Row("left_shift", (A, array(B % 8, "uint8")), {}),
    Row("right_shift", (A, 3), {}),
    Row("where", (A > B, A, B), {}),
    Row("matmul", (A, B.swapaxes(1, 2)), {}),
    Row("einsum", (A, B), {"subscripts": "bij,bkj->ik"}),
    Row("concatenate", ([A, B],), ONE_AXIS),
    Row("pad", (A,), {"pads": ((0, 1), (2, 0), (0, 0)), "value": 7}),
    Row("flip", (A,), {"axis": (0, 2)}),
    Row("take", (A, INDEX), ONE_AXIS),
    Row("gather_nd", (A, INDEX), {}),
    Row("scatter_add", (A, INDEX, random(3, 3, 4, dtype="uint8")), {}),
    Row("scatter_update", (A, INDEX, random(3, 3, 4, dtype="uint8")), {}),
    Row("scatter_max", (A, INDEX, random(3, 3, 4, dtype="uint8")), {}),
    Row("dynamic_slice", (A, array([0, 1, 9], "int32")), {"sizes": (1, 2, 2)}),
    Row("dynamic_update_slice", (A, B[:1, :2], array([0, 5, 0], "int32")), {}),
    Row("cast", (A,), {"dtype": "bfloat16"}),
]


@pytest.mark.parametrize("dtype", UNSIGNED)
@pytest.mark.parametrize("case", UNSIGNED_CALLS, ids=lambda case: case.name)
def test_unsigned_integers_work_everywhere(engine, case, dtype):
    def widened(x):
        if isinstance(x, list):
            return [widened(item) for item in x]
        return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype == np.uint8 else x

    check_row(engine, Row(case.name, tuple(map(widened, case.args)), case.keywords))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_bools_have_an_extreme(engine, name):
    check_row(engine, Row(name, (np.array([False, True, True, False]),), {"axis": 0, "keepdims": False}))


def test_the_largest_numbers(engine):
    for dtype in INTEGERS:
        check_row(
            engine, Row("full", (), {"shape": (2,), "value": dtypes.int_range(dtype)[1], "dtype": dtype})
        )
    for start, stop, step in ((0.0, 1.0, 0.1), (1.0, 0.0, -0.1)):
        check_row(engine, Row("arange", (), {"start": start, "stop": stop, "step": step, "dtype": "float32"}))


def test_ties_keep_their_order_in_long_rows(engine):
    x = np.tile(np.arange(3, dtype=np.float32), 60)
    for row in (
        Row("argsort", (x,), {"axis": 0}),
        Row("top_k", (x,), {"k": 70}),
        Row("top_k", (x,), {"k": 1}),
    ):
        check_row(engine, row)


def test_of_many_duplicates_the_last_is_put(engine):
    updates = np.arange(500, dtype=np.float32)
    check_row(
        engine, Row("scatter_update", (np.zeros(3, np.float32), np.ones((500, 1), np.int32), updates), {})
    )


def test_sixteen_bit_decompositions(engine):
    x = tensor(engine, np.eye(3, dtype=np.float16) * 4)
    assert [engine.dtype_of(y) for y in p.qr(x)] == ["float16"] * 2
    assert engine.to_numpy(p.cholesky(x)).tolist() == (np.eye(3) * 2).tolist()


# -- memory ------------------------------------------------------------------------------------------------------------
def test_no_memory_is_shared_with_the_host(engine):
    for dtype in ("float32", "bfloat16", "uint32"):
        host = random(2, 3, dtype=dtype)
        host.flags.writeable = False
        x = engine.asarray(host[:, ::-1], dtype=dtype, device=None)
        same(engine.to_numpy(x), np.ascontiguousarray(host[:, ::-1]))
        engine.to_numpy(x)[...] = 0
        assert engine.to_numpy(x).any()
        x.zero_()
        assert host.any()


def test_windows_keep_channels_last_memory(engine):
    x, kernel = tensor(engine, random(2, 8, 8, 3)), tensor(engine, random(3, 3, 3, 5))
    ones = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
    y = p.conv(x, kernel, dilation=(1, 1), groups=1, **ones)
    assert y.is_contiguous()
    assert p.max_pool(y, window=(2, 2), **ones).is_contiguous()
    assert p.avg_pool(y, window=(2, 2), **ones).is_contiguous()
    assert p.conv(x[:, 0], kernel[0], strides=(1,), pads=((0, 0),), dilation=(1,), groups=1).is_contiguous()


# -- windows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("stride", "pads"), [(3, (5, 0)), (3, (0, 5)), (2, (3, 1)), (4, (1, 2))])
def test_conv_transpose_fills_in_what_strides_skipped(engine, stride, pads):
    for size in range(6, 12):
        keywords = {"strides": (stride,), "pads": (pads,), "dilation": (1,), "groups": 1}
        kernel = random(3, 2, 3, dtype="float64")
        y = KERNELS["conv"](random(1, size, 2, dtype="float64"), kernel, **keywords)
        check_row(engine, Row("conv_transpose", (y, kernel), {**keywords, "spatial": (size,)}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_windows_larger_than_their_input_and_empty_batches(engine, dtype):
    for x in (random(2, 3, 2, dtype=dtype), random(0, 9, 2, dtype=dtype)):
        keywords = {"strides": (1,), "pads": ((0, 0),)}
        check_row(
            engine,
            Row("conv", (x, random(5, 2, 4, dtype=dtype)), {**keywords, "dilation": (1,), "groups": 1}),
        )
        for name in ("max_pool", "avg_pool") if dtype != "int32" else ("max_pool",):
            check_row(engine, Row(name, (x,), {**keywords, "window": (5,)}))


def test_integer_convolution_is_exact(engine):
    x, kernel = random(1, 5, 2, dtype="int32") * 2**20, random(2, 2, 3, dtype="int32")
    keywords = {"strides": (1,), "pads": ((1, 0),), "dilation": (2,), "groups": 1}
    check_row(engine, Row("conv", (x, kernel), keywords))


def test_avg_pool_of_bfloat16_volumes(engine):
    for pads in (((0, 0), (1, 1), (1, 0)), ((0, 0), (1, 1), (1, 1))):
        keywords = {"window": (2, 2, 2), "strides": (1, 2, 1), "pads": pads}
        check_row(engine, Row("avg_pool", (random(1, 4, 5, 4, 3, dtype="bfloat16"),), keywords))


def test_four_spatial_axes_are_refused_in_kerasish_words(engine):
    x, kernel = tensor(engine, random(1, 2, 2, 2, 2, 1)), tensor(engine, random(1, 1, 1, 1, 1, 1))
    with pytest.raises(ValueError, match="at most three spatial axes"):
        p.conv(x, kernel, strides=(1,) * 4, pads=((0, 0),) * 4, dilation=(1,) * 4, groups=1)


# -- randomness --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("draw", [0, 3, 2**31 + 1])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 4, 5), (0, 2)])
def test_torch_computes_the_portable_bits_where_the_key_is_traced(engine, shape, draw):
    keys = np.stack([threefry.key_from_seed(seed) for seed in (2**40 + 1337, 2**63 + 5)])
    for name in ("random_bits", "random_uniform"):
        function = getattr(p, name)
        (found,) = engine.vectorize(
            lambda k, f=function: [f(k, shape=shape, draw=draw)], [tensor(engine, keys)]
        )
        same(
            engine.to_numpy(found),
            np.stack([KERNELS[name](key, shape=shape, draw=draw) for key in keys]),
        )


# -- gradients and transformations -------------------------------------------------------------------------------------
def total(x):
    return p.sum(x, axis=tuple(range(x.ndim)), keepdims=False)


def cube(x):
    return [p.multiply(p.multiply(x, x), x)], None


@pytest.fixture
def x(engine):
    return tensor(engine, np.array([2.0, 3.0]))


@pytest.fixture
def one(engine):
    return tensor(engine, np.ones(2))


def test_nothing_outside_remembers_a_graph(engine, x, one):
    value, aux, (g,) = engine.value_and_grad(
        lambda a: (total(cube(a)[0][0]), {"y": [p.multiply(a, 2.0), None]}), [x]
    )
    (y,), more, pullback = engine.vjp(lambda a: (cube(a)[0], (a,)), [x])
    assert not any(t.requires_grad for t in (value, g, aux["y"][0], y, more[0], pullback([one])[0]))
    assert not engine.compile(lambda a: a.requires_grad_() * 2)(x.clone()).requires_grad


def test_first_of_ties_takes_the_gradient_beside_pads_too(engine):
    _, _, (g,) = engine.value_and_grad(
        lambda a: (total(p.max_pool(a, window=(3,), strides=(1,), pads=((2, 0),))), None),
        [tensor(engine, np.full((1, 3, 1), 2.0))],
    )
    assert g.flatten().tolist() == [3, 0, 0]


def test_second_order(engine, x, one):
    def slope(a):
        return engine.vjp(cube, [a])[2]([one]), None

    def slope_by_value(a):
        return engine.value_and_grad(lambda b: (total(cube(b)[0][0]), None), [a])[2], None

    def mixed(a):  # differentiates by an input of its own and closes over the outer one
        return engine.vjp(lambda b: ([p.multiply(p.square(a), b)], None), [one])[2]([one]), None

    for function, wanted in ((slope, [12, 18]), (slope_by_value, [12, 18]), (mixed, [4, 6])):
        assert engine.vjp(function, [x])[2]([one])[0].tolist() == wanted
    pullback = engine.vjp(cube, [x])[2]  # linear in its cotangent, by which it is differentiated here
    assert engine.vjp(lambda c: (pullback([c]), None), [one])[2]([one])[0].tolist() == [12, 27]


def test_third_order(engine, x, one):
    def derivative(function):
        return lambda a: engine.vjp(lambda b: ([function(b)], None), [a])[2]([one])[0]

    assert derivative(derivative(derivative(lambda a: cube(a)[0][0])))(x).tolist() == [6, 6]


def test_forward_and_reverse_mode_nest(engine, x, one):
    def slope(a):
        return engine.vjp(cube, [a])[2]([p.full(shape=(2,), value=1.0, dtype="float64")])

    assert engine.jvp(slope, [x], [one])[1][0].tolist() == [12, 18]
    back = engine.vjp(lambda a: (engine.jvp(lambda b: cube(b)[0], [a], [one])[1], None), [x])[2]
    assert back([one])[0].tolist() == [12, 18]


def test_vectorized_gradients(engine, x):
    index = tensor(engine, np.array([[0], [1]], np.int32))
    rows = tensor(engine, np.array([[1.0, 2.0], [3.0, 4.0]]))

    def row(a, i):
        value, aux, found = engine.value_and_grad(
            lambda b, j: (total(p.take(p.square(b), j, axis=0)), {"b": b}), [a, i]
        )
        return [value, aux["b"], *found]

    value, aux, g, zero = engine.vectorize(row, [rows, index])
    assert (value.tolist(), aux.tolist(), g.tolist()) == ([1, 16], rows.tolist(), [[2, 0], [0, 8]])
    assert zero.tolist() == [[0], [0]]


def test_custom_gradient_of_second_order(engine, x, one):
    def odd(a):
        square = p.square(a)
        return [p.exp(a), a], lambda cs: [p.add(p.multiply(cs[0], square), p.multiply(cs[1], 0.0))]

    assert engine.custom_gradient(odd, [x])[1].tolist() == [2, 3]

    def slope(a):
        return engine.vjp(lambda b: (engine.custom_gradient(odd, [b])[:1], None), [a])[2]([one]), None

    (first,), _, pullback = engine.vjp(slope, [x])
    assert first.tolist() == [4, 9]
    assert pullback([one])[0].tolist() == [4, 6]


def test_a_step_through_torchs_compiler(engine):
    traces = []

    def step(params, batch, key):
        traces.append(1)

        def loss(w):
            keep = p.random_uniform(key, shape=(4, 3), draw=1)
            return total(p.square(p.multiply(p.matmul(batch["x"], w), keep))), {"w": w}

        value, aux, (g,) = engine.value_and_grad(loss, [params["w"]])
        return {"w": p.subtract(params["w"], p.multiply(g, 0.1))}, [value, None], aux

    args = (
        {"w": tensor(engine, random(2, 3))},
        {"x": tensor(engine, random(4, 2))},
        tensor(engine, threefry.key_from_seed(3)),
    )
    wanted = engine.compile(step)(*args)
    compiled = engine.compile(step, options={"jit": True})
    for _ in range(2):
        found = compiled(*args)
        same(engine.to_numpy(found[0]["w"]), engine.to_numpy(wanted[0]["w"]))
        same(engine.to_numpy(found[1][0]), engine.to_numpy(wanted[1][0]))
        assert found[1][1] is None
    assert len(traces) == 2


def test_what_cannot_be_compiled_runs_all_the_same(engine, x):
    def pick(a):
        positive = p.greater(total(a), 0.0)
        return p.cond(positive, [a], true_fn=lambda v: [p.square(v)], false_fn=lambda v: [v])

    compiled = engine.compile(pick, options={"jit": True})
    with pytest.warns(RuntimeWarning, match="runs uncompiled"):
        assert compiled(x)[0].tolist() == [4, 9]
    assert compiled(p.negative(x))[0].tolist() == [-2, -3]


# -- overrides ---------------------------------------------------------------------------------------------------------
def test_erfinv_and_its_slope(engine):
    x = np.array([-1.0, -0.9, -0.3, 0.0, 0.5, 1.0, 2.0])
    (y,), _, pullback = engine.vjp(lambda a: ([engine.overrides["erfinv"](a)], None), [tensor(engine, x)])
    same(engine.to_numpy(y)[[0, 3, 5, 6]], np.array([-np.inf, 0.0, np.inf, np.nan]))
    same(engine.to_numpy(p.erf(y[1:5])), x[1:5])
    (g,) = pullback([tensor(engine, np.ones(7))])
    same(engine.to_numpy(g)[1:5], np.exp(engine.to_numpy(y)[1:5] ** 2) * np.sqrt(np.pi) / 2)


@pytest.mark.parametrize("name", ["batch_norm_train", "attention", "layer_norm", "softmax", "gelu", "lstm"])
def test_overrides_are_twice_differentiable(engine, name):
    case = next(case for case in OVERRIDES if case.name == name)
    inputs = [tensor(engine, np.float64(a)) for a in case.args if a is not None]
    nothing = [None] * (len(case.args) - len(inputs))

    def slope(function):
        def value(*xs):
            return total(p.square(parts(function(*xs, *nothing, **case.keywords))[0])), None

        return lambda *xs: (engine.value_and_grad(value, list(xs))[2], None)

    def chosen(*args, **keywords):
        result = engine.overrides[name](*args, **keywords)
        return COMPOSITES[name](*args, **keywords) if result is NotImplemented else result

    found = [engine.vjp(slope(f), inputs)[2](inputs) for f in (chosen, COMPOSITES[name])]
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, 1e-7, 1e-9)
    if name != "batch_norm_train":
        engine.jvp(lambda *xs: trees.flatten(chosen(*xs, *nothing, **case.keywords)), inputs, inputs)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_updates_in_place_equal_the_composites(engine, dtype):
    for case in updates(dtype):
        names = ["params", "grads", "ms", "vs"][: len([a for a in case.args if isinstance(a, list)])]

        def run(function, case=case, names=names, **options):
            state = {name: tensor(engine, list(value)) for name, value in zip(names, case.args, strict=False)}
            state["grads"][1] = state["grads"][1].mT.contiguous().mT  # not in the order of its parameter
            rest = [tensor(engine, a) for a in case.args[len(names) :]]

            def step(tree):
                return function(*(tree[name] for name in names), *rest, **case.keywords)

            return state, engine.compile(step, **options)(state)

        override = engine.overrides[case.name]
        assert run(override)[1] is NotImplemented  # nothing was given away
        _, wanted = run(COMPOSITES[case.name])
        state, found = run(COMPOSITES[case.name] if dtype == "bfloat16" else override, donate=(0,))
        for one, other in zip(found, wanted, strict=True):
            for a, b in zip(one, other, strict=True):
                if dtype == "bfloat16":
                    same(engine.to_numpy(a), engine.to_numpy(b), str(case))
                else:  # the composite's bias correction is computed in float32
                    np.testing.assert_allclose(
                        engine.to_numpy(a), engine.to_numpy(b), 2e-4, 1e-5, err_msg=str(case)
                    )
        assert (found[0][0] is state["params"][0]) == (dtype != "bfloat16")


def test_in_place_updates_leave_aliases_alone(engine):
    w, g = tensor(engine, random(3)), tensor(engine, random(3, seed=1))
    lr = tensor(engine, array(0.5))
    sgd = engine.overrides["sgd_update"]

    def step(state):
        params, _ = sgd([state["w"]], [g], [], lr, momentum=0.0, nesterov=False, weight_decay=0.0)
        return {"w": params[0], "average": state["average"]}

    before = engine.to_numpy(w)
    state = engine.compile(step, donate=(0,))({"w": w, "average": w})
    assert sorted([(engine.to_numpy(x) == before).all() for x in state.values()]) == [False, True]


def test_device_side_adam_equals_the_composite(engine):
    from kerasish_torch.optimizers import adam_on_device

    case = [case for case in updates("float32") if case.name == "adam_update"][1]
    args = [tensor(engine, list(a) if isinstance(a, list) else a) for a in case.args]
    wanted = COMPOSITES["adam_update"](*args, **case.keywords)
    found = adam_on_device(*args, **case.keywords)
    for one, other in zip(found, wanted, strict=True):
        for a, b in zip(one, other, strict=True):
            same(engine.to_numpy(a), engine.to_numpy(b))


# -- accelerators ------------------------------------------------------------------------------------------------------
def test_an_accelerator_draws_from_its_own_generator_without_the_host(engine):
    """Recorded with tensors that have no values: reading the key on the host would fail."""
    with FakeTensorMode():
        key = torch.zeros(2, dtype=torch.uint32, device="cuda")
        drawn = engine.primitives["own_uniform"](key, shape=(5, 7), draw=2**31)
    assert (drawn.shape, drawn.dtype, drawn.device.type) == ((5, 7), torch.float32, "cuda")
    assert engine.own_randomness_on == {"gpu"}
