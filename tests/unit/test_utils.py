"""The helpers of `keras.utils` against installed Keras: same signatures, same answers."""

import inspect

import numpy as np
import pytest

import kerasish
from kerasish import utils
from kerasish.core.errors import DataError, OutOfRangeError
from tests.oracle import keras

RAGGED = [[1, 2, 3, 4], [5], [6, 7]]
VECTORS = [[1.0], [2.0, 3.0]]
CALLS = [
    ("to_categorical", ([0, 2, 1],), {}),
    ("to_categorical", ([[0], [1]], 3), {}),
    ("to_categorical", (np.array([[0, 1], [1, 0]]),), {}),
    ("normalize", (np.array([[3.0, 4.0], [0.0, 0.0]]),), {}),
    ("normalize", (np.array([[3.0, 4.0], [1.0, 2.0]], "float32"),), {"order": 1}),
    ("pad_sequences", (RAGGED,), {}),
    ("pad_sequences", (RAGGED,), {"maxlen": 3}),
    ("pad_sequences", (RAGGED, 2), {"padding": "post", "truncating": "post"}),
    ("pad_sequences", (VECTORS,), {"dtype": "float32", "value": -1.0, "maxlen": 3}),
    ("pack_x_y_sample_weight", ([1],), {}),
    ("pack_x_y_sample_weight", ({"a": 1},), {}),
    ("pack_x_y_sample_weight", ([1], [2]), {}),
    ("pack_x_y_sample_weight", ([1], [2], [3]), {}),
    ("pack_x_y_sample_weight", ([1], None, [3]), {}),
    ("unpack_x_y_sample_weight", (5,), {}),
    ("unpack_x_y_sample_weight", (([1],),), {}),
    ("unpack_x_y_sample_weight", (([1], [2]),), {}),
    ("unpack_x_y_sample_weight", (([1], [2], [3]),), {}),
    ("standardize_dtype", (float,), {}),
    ("standardize_dtype", (np.float32,), {}),
    ("standardize_dtype", (int,), {}),
    ("is_keras_tensor", (np.ones(2),), {}),
]


def _plain(value):
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_answers_are_those_of_keras(name, args, kwargs):
    ours, theirs = (getattr(module, name)(*args, **kwargs) for module in (utils, keras.utils))
    assert type(ours) is type(theirs)
    if isinstance(theirs, np.ndarray):
        assert (
            ours.dtype == theirs.dtype or name == "to_categorical"
        )  # Keras: float64, its documentation: float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    else:
        assert _plain(ours) == _plain(theirs)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CALLS}))
def test_signatures_are_those_of_keras(name):
    ours, theirs = (
        list(inspect.signature(getattr(m, name)).parameters.items()) for m in (utils, keras.utils)
    )
    if name in (
        "is_keras_tensor",
        "unpack_x_y_sample_weight",
        "standardize_dtype",
    ):  # their one argument has no name
        assert len(ours) == len(theirs) == 1
    else:
        assert [(n, p.default) for n, p in ours] == [(n, p.default) for n, p in theirs]


def test_normalize_along_the_first_axis():  # where Keras divides by the norms of the wrong rows
    np.testing.assert_allclose(
        utils.normalize([[3.0, 4.0], [1.0, 4.0]], axis=0, order=1), [[0.75, 0.5], [0.25, 0.5]]
    )


def test_symbolic_tensors_are_keras_tensors():
    assert utils.is_keras_tensor(kerasish.Input((2,)))


def test_sessions_need_no_clearing():
    weights = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)]).weights
    utils.clear_session()
    assert weights[0].shape == (2, 1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: utils.unpack_x_y_sample_weight((1, 2, 3, 4)), DataError),
        (lambda: utils.to_categorical([3], 2), OutOfRangeError),
        (lambda: utils.to_categorical([-1]), OutOfRangeError),
    ],
)
def test_mistakes(call, error):
    with pytest.raises(error):
        call()
