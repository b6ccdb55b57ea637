"""`x[key]` is NumPy's, and indices have one meaning on every engine."""

import contextlib

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core.abstract import AbstractTensor
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, DTypeError, KerasishError, OutOfRangeError, TraceError
from kerasish.core.shapes import opened
from kerasish.core.symbolic import infer
from kerasish.core.variable import Variable

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
MASK = X[:, :, 0] > 17

KEYS = {
    "int": 1,
    "negative int": -1,
    "numpy int": np.int64(2),
    "ints": (1, -2, 3),
    "slice": slice(1, 3),
    "step": (slice(None), slice(None, None, 2)),
    "negative step": (slice(None, None, -1), slice(3, 0, -2)),
    "empty": (slice(2, 1), slice(None)),
    "far": (slice(-10, 10), slice(2, 100)),
    "empty and reversed": slice(0, 2, -1),
    "none": (None, slice(None), None, 1),
    "ellipsis": (..., 2),
    "ellipsis between": (0, ..., slice(1, 3)),
    "ellipsis of nothing": (0, 1, ..., 2),
    "nothing": (),
    "list": [2, 0],
    "list and slice": (slice(1, None), [0, 0, 3]),
    "array": np.array([[0, 1], [2, -1]]),
    "arrays side by side": (slice(None), [0, 1], [4, 3]),
    "arrays apart": ([0, 1], slice(None), [4, 3]),
    "array and int": (0, slice(None), [4, 3]),
    "int beside array": (slice(None), 2, [4, 3]),
    "arrays that broadcast": (np.array([[0], [2]]), [1, 3]),
    "none between arrays": ([0, 1], None, [1, 2]),
    "none before arrays": (None, [0, 1], [1, 2]),
    "array and negative step": (slice(None, None, -1), [1, 2], slice(None, None, -2)),
    "empty list": [],
    "mask": MASK,
    "mask of all": X > 30,
    "mask and int": (MASK, 1),
    "mask of one axis": (slice(None), [True, False, True, False]),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_get_item_is_that_of_numpy(key, engine):
    expected = X[tuple(key) if isinstance(key, tuple) else key] if not isinstance(key, list) or key else X[:0]
    found = to_numpy(ops.get_item(ops.convert_to_tensor(X), key))
    np.testing.assert_array_equal(found, expected)
    if "mask" not in str(type(key)):
        assert infer(ops.get_item, AbstractTensor(X.shape, "float32"), key).shape == expected.shape


def test_get_item_with_tensors_and_variables(engine):
    rows = ops.convert_to_tensor(np.array([2, 0], np.int32))
    np.testing.assert_array_equal(to_numpy(Variable(X)[rows]), X[[2, 0]])
    np.testing.assert_array_equal(to_numpy(Variable(X)[rows, 1]), X[[2, 0], 1])
    np.testing.assert_array_equal(to_numpy(Variable(X)[:, ops.convert_to_tensor(1)]), X[:, 1])
    compiled = engine.compile(lambda x, i: ops.get_item(x, (slice(None), i)))
    np.testing.assert_array_equal(to_numpy(compiled(ops.convert_to_tensor(X), rows)), X[:, [2, 0]])


OPEN = {
    "first": (np.s_[:, 0], (None, 4)),
    "last": (np.s_[:, -1], (None, 4)),
    "slice": (np.s_[:, :2], (None, None, 4)),
    "from": (np.s_[:, 1:], (None, None, 4)),
    "all": (np.s_[...], (None, None, 4)),
    "new": (np.s_[:, None], (None, 1, None, 4)),
    "known axis": (np.s_[..., 1:3], (None, None, 2)),
    "list": (np.s_[:, [0, 1]], (None, 2, 4)),
}


@pytest.mark.parametrize(("key", "shape"), OPEN.values(), ids=OPEN)
def test_unknown_sizes_stay_unknown(key, shape):
    assert opened(infer(ops.get_item, AbstractTensor((None, None, 4), "float32"), key).shape) == shape


def test_tensor_indices_outside_are_moved_to_the_nearest(engine):
    x = ops.convert_to_tensor(np.arange(5.0, dtype=np.float32))
    far = ops.convert_to_tensor(np.array([7, -9, -1, 4], np.int32))
    for found in (ops.take(x, far, 0), ops.take_along_axis(x, far, 0), ops.get_item(x, far)):
        np.testing.assert_array_equal(to_numpy(found), [4, 0, 4, 4])
    wide = ops.convert_to_tensor(np.array([2**40, -(2**40)]))
    np.testing.assert_array_equal(to_numpy(ops.take(x, wide, 0)), [4, 0])
    small = ops.convert_to_tensor(np.array([250, 1], np.uint8))
    np.testing.assert_array_equal(to_numpy(ops.take(x, small, 0)), [4, 1])
    np.testing.assert_array_equal(to_numpy(ops.slice(x, far[:1], (2,))), [3, 4])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: ops.take(x, [5], 0), OutOfRangeError),
        (lambda x: ops.take(x, 3, 0), OutOfRangeError),
        (lambda x: ops.get_item(x, 3), OutOfRangeError),
        (lambda x: ops.get_item(x, (0, 0, -6)), OutOfRangeError),
        (lambda x: ops.get_item(x, [[0, 4]]), OutOfRangeError),
        (lambda x: ops.get_item(x, (0, 0, 0, 0)), ArgumentError),
        (lambda x: ops.get_item(x, (..., ...)), ArgumentError),
        (lambda x: ops.get_item(x, True), ArgumentError),
        (lambda x: ops.get_item(x, [0.5]), DTypeError),
        (lambda x: ops.take(x, x, 0), DTypeError),
        (lambda x: ops.take(x, [0], 3), ArgumentError),
        (lambda x: ops.slice(x, (0,), (1,)), KerasishError),
        (lambda x: ops.scatter_update(x, [[0]], x, "product"), ArgumentError),
        (lambda x: ops.where(x > 0, x), ArgumentError),
    ],
)
def test_mistakes_are_explained(call, error, engine):
    with pytest.raises(error):
        call(ops.convert_to_tensor(X))


@pytest.mark.filterwarnings("error")  # an engine that runs it uncompiled says so
def test_what_depends_on_values_is_right_or_refused(engine):
    x = ops.convert_to_tensor(X)
    for function in (ops.nonzero, ops.unique, lambda x: ops.get_item(x, x > 0), ops.where):
        with contextlib.suppress(TraceError, UserWarning):
            found = engine.compile(function)(x)
            np.testing.assert_array_equal(to_numpy(ops.stack(found)), to_numpy(ops.stack(function(x))))


def test_the_last_of_duplicates_wins(engine):
    found = ops.scatter_update(ops.zeros((3,)), [[1], [1], [-1]], [5.0, 6.0, 7.0])
    np.testing.assert_array_equal(to_numpy(found), [0, 6, 7])
