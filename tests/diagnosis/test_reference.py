"""The float64 engine: right by the conformance kit, and wide under the declared dtypes."""

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import primitives as p
from kerasish.core.registry import use_backend
from kerasish.diagnosis.rounding import shortened
from kerasish.diagnosis.wide import WideTensor, current_run, running, wide_engine
from kerasish.testing import conformance

TESTS = list(conformance.all_tests())


@pytest.fixture
def wide():
    with use_backend(wide_engine()) as engine:
        yield engine


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_conformance(test, wide):
    if conformance.applies(wide, test):
        test.check(wide, *test.subject)


def tensor(values, dtype="float32"):
    return WideTensor(np.asarray(values), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_narrow_dtypes_lose_nothing(wide, dtype):
    third = ops.divide(ops.cast(tensor([1.0]), dtype), 3.0)
    back = ops.cast(third, "float32")
    assert (third.dtype, back.dtype) == (dtype, "float32")
    assert back.value[0] == 1.0 / 3.0
    assert float(third.numpy()[0]) != 1.0 / 3.0


def test_layers_of_another_engine_run_on_it_once_moved(wide):
    layer = layers.Dense(3, dtype="float16")
    y = layer(np.ones((2, 4), "float32"))
    assert isinstance(y, WideTensor)
    assert y.dtype == "float16"
    exact = np.ones((2, 4)) @ layer.kernel.numpy().astype(np.float64)
    np.testing.assert_allclose(y.value, exact, 1e-12)


def test_noise_is_of_the_size_of_rounding(wide):
    x = tensor(np.linspace(1.0, 2.0, 1000))
    exact = p.exp(x).value
    with running(noise=np.random.default_rng(0)):
        noisy = p.exp(x).value
    relative = np.abs(noisy / exact - 1.0)
    assert 2.0**-26 < relative.max() < 2.0**-22
    assert np.count_nonzero(relative) > 900


@pytest.mark.parametrize("name", ["transpose", "max", "where"])
def test_what_moves_elements_has_no_noise(wide, name):
    x = tensor(np.random.default_rng(0).normal(size=(3, 4)))
    calls = {
        "transpose": lambda: p.transpose(x, axes=(1, 0)),
        "max": lambda: p.max(x, axis=(0,), keepdims=False),
        "where": lambda: p.where(p.greater(x, 0.0), x, 0.0),
    }
    exact = calls[name]().value
    with running(noise=np.random.default_rng(0)):
        np.testing.assert_array_equal(calls[name]().value, exact)


def test_noise_covers_sums_that_cancel(wide):
    rng = np.random.default_rng(0)
    terms = rng.normal(size=(200, 400)).astype("float32")
    terms[:, -1] = -terms[:, :-1].sum(axis=1)  # sums of nearly nothing, made of much
    x = tensor(terms)
    exact = p.sum(x, axis=(1,), keepdims=False).value
    with running(noise=rng):
        spread = np.sqrt(np.mean((p.sum(x, axis=(1,), keepdims=False).value - exact) ** 2))
    in_order = np.add.accumulate(terms, axis=1, dtype=np.float32)[:, -1]
    honest = np.sqrt(np.mean((in_order - exact) ** 2))
    assert honest / 3 < spread < honest * 60


def total(terms):
    return p.sum(tensor(terms), axis=(0, 2), keepdims=False).value


def slope_of_what_was_repeated(terms):
    offset = tensor(np.zeros((3, 1)))
    _, _, pullback = wide_engine().vjp(lambda b: ([p.add(tensor(np.zeros(terms.shape)), b)], None), [offset])
    return pullback([tensor(terms)])[0].value[:, 0]


@pytest.mark.parametrize("added", [total, slope_of_what_was_repeated])
def test_noise_covers_equal_terms_added_one_after_the_other(wide, added):
    terms = np.empty((64, 3, 64), "float32")
    terms[:] = np.array([0.1, 0.7, 0.0748])[:, None]
    loop = np.add.accumulate(terms.swapaxes(1, 2).reshape(-1, 3), axis=0)[-1]
    exact, squares = added(terms), []
    for seed in range(15):
        with running(noise=np.random.default_rng(seed)):
            squares.append(np.square(added(terms) - exact))
    assert (np.abs(loop - exact) < 3.0 * np.sqrt(np.mean(squares, axis=0))).all()


def test_noise_goes_backwards_too(wide):
    x = tensor(np.random.default_rng(0).normal(size=(6, 50)))
    w = tensor(np.random.default_rng(1).normal(size=(50, 7)))

    def slope():
        outputs, _, pullback = wide.vjp(lambda a, b: ([p.tanh(p.matmul(a, b))], None), [x, w])
        return [g.value for g in pullback([tensor(np.ones(outputs[0].shape))])]

    exact = slope()
    with running(noise=np.random.default_rng(0)):
        noisy = slope()
    for a, b in zip(exact, noisy, strict=True):
        assert 1e-9 < np.abs(a - b).max() / np.abs(a).max() < 1e-5


def test_half_precision_has_more_noise(wide):
    def spread(dtype):
        x = tensor(np.linspace(1.0, 2.0, 500), dtype)
        with running(noise=np.random.default_rng(0)):
            return np.abs(p.exp(x).value / np.exp(x.value) - 1.0).max()

    assert spread("float16") == pytest.approx(spread("float32") * 2.0**13, rel=0.01)


@pytest.mark.parametrize(("bits", "step"), [(10, 2.0**-10), (7, 2.0**-7)])
def test_shortened_products(wide, bits, step):
    assert shortened(np.array([1.0 + step / 3]), bits)[0] == 1.0
    assert shortened(np.array([1.0 + step]), bits)[0] == 1.0 + step
    with running(product_bits=bits):
        y = p.matmul(tensor([[1.0 + step / 3]]), tensor([[2.0]]))
    assert y.value.tolist() == [[2.0]]


def test_runs_end_with_their_blocks():
    with pytest.raises(ZeroDivisionError), running(noise=np.random.default_rng(0)):
        raise ZeroDivisionError
    assert current_run().noise is None


def test_loops_are_pythons(wide):
    carry, ys = p.scan(
        [tensor(0.0)],
        [tensor([1.0, 2.0, 3.0])],
        fn=lambda c, x: ([p.add(c[0], x[0])], [p.multiply(c[0], 2.0)]),
        length=3,
        reverse=True,
    )
    assert float(carry[0]) == 6.0
    assert ys[0].value.tolist() == [10.0, 6.0, 0.0]
    _, empty = p.scan([], [tensor(np.zeros((0, 2)))], fn=lambda c, x: ([], [x[0]]), length=0, reverse=False)
    assert empty[0].shape == (0, 2)


def test_a_model_trains_on_it():
    kerasish.utils.set_random_seed(0)
    with use_backend(wide_engine()):
        model = kerasish.Sequential(
            [layers.Input((3,)), layers.Dense(4, "tanh"), layers.Dropout(0.2), layers.Dense(1)]
        )
        model.compile("adam", "mse")
        x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
        losses = model.fit(x, x[:, :1], epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
