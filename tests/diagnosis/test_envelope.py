"""What counts as rounding, and what does not."""

import numpy as np
import pytest

from kerasish.diagnosis.envelope import Envelope, spacing
from kerasish.diagnosis.spill import Spill

U = 2.0**-24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 8))
SAMPLES = [X * (1 + U * RNG.uniform(-1, 1, X.shape)) for _ in range(3)]


def envelope(expected=X, samples=SAMPLES, dtype="float32"):
    return Envelope(expected, samples, dtype)


def changed(index, value):
    y = X.astype("float32")
    y[index] = value
    return y


def test_rounded_values_are_inside():
    found = envelope().judge("output", X.astype("float32"))
    assert found is None or found.ratio < 0.5


@pytest.mark.parametrize(
    "found",
    [
        changed((3, 2), X[3, 2] + 1e-4),
        changed((3, 2), np.nan),
        changed((3, 2), np.inf),
        (X * (1 + 3e-6)).astype("float32"),
        X[:, :-1].astype("float32"),
    ],
    ids=["one element", "nan", "infinity", "all a little", "shape"],
)
def test_what_rounding_cannot_do_is_outside(found):
    assert envelope().judge("output", found).ratio >= 1.0


def test_the_worst_element_is_named():
    found = envelope().judge("output", changed((3, 2), X[3, 2] + 0.5))
    assert found.index == (3, 2)
    assert found.found - found.expected == pytest.approx(0.5, rel=1e-6)
    assert found.max_error == pytest.approx(0.5, rel=1e-6)
    assert found.outside == 1
    assert found.size == 400
    assert found.ulps == pytest.approx(0.5 / spacing(X[3, 2], "float32"), rel=1e-5)


def test_ill_conditioned_elements_may_move():
    loose = [s + 1e-3 * RNG.uniform(-1, 1, X.shape) for s in SAMPLES]
    assert envelope(samples=loose).judge("output", (X + 1e-3).astype("float32")).ratio < 1.0


def test_beyond_the_range_infinity_is_right():
    big = X.copy()
    big[0, 0] = 1e39
    found = X.astype("float32")
    found[0, 0] = np.inf
    assert envelope(big, [big]).judge("output", found) is None
    found[0, 0] = 3e38
    assert envelope(big, [big]).judge("output", found).index == (0, 0)


def test_nan_where_the_reference_has_it_is_right():
    holed = X.copy()
    holed[1, 1] = np.nan
    assert envelope(holed, [holed]).judge("output", holed.astype("float32")) is None
    assert envelope(holed, [holed]).judge("output", X.astype("float32")).index == (1, 1)


def test_integers_are_equal_unless_rounding_decides():
    expected = np.array([1, 2, 3], "int32")
    same = Envelope(expected, [expected], "int32")
    assert same.judge("output", expected) is None
    assert same.judge("output", np.array([1, 2, 4], "int32")).index == (2,)
    undecided = Envelope(expected, [np.array([1, 2, 9], "int32")], "int32")
    assert undecided.judge("output", np.array([1, 2, 4], "int32")) is None


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,)])
def test_odd_shapes(shape):
    x = np.ones(shape)
    assert Envelope(x, [x], "float32").judge("output", x.astype("float32")) is None


@pytest.mark.parametrize(
    ("value", "dtype", "gap"),
    [
        (1.0, "float32", 2.0**-23),
        (-3.0, "float32", 2.0**-22),
        (1.0, "float16", 2.0**-10),
        (1.0, "bfloat16", 2.0**-7),
    ],
)
def test_units_in_the_last_place(value, dtype, gap):
    assert spacing(value, dtype) == gap


@pytest.mark.parametrize("room", [0, 1000, 1 << 20])
def test_spilled_arrays_come_back(room):
    store = Spill(room)
    arrays = {
        i: RNG.normal(size=(i, 3)).astype(d) for i, d in enumerate(["float32", "float64", "int8", "bool"] * 3)
    }
    arrays[99] = np.array(2.5)
    for number, array in arrays.items():
        store.put(number, array)
    for number, array in reversed(arrays.items()):
        back = store.get(number)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    store.close()
