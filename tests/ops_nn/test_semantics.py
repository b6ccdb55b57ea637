"""What is promised beyond plain values: NaN and infinities, kinks, 16-bit floats, integers, errors, the fast path."""

import numpy as np
import pytest

from kerasish import ops
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, DTypeError, KerasishError, ShapeError, UnknownNameError
from kerasish.ops import image, nn
from tests.ops_nn.cases import ACTIVATIONS, Case, flat, on, rand

NAN, INF = float("nan"), float("inf")
POISONED = [
    *(c for c in ACTIVATIONS if c.name != "glu"),
    Case("nn", "glu", (rand(2, 4),)),
    Case("nn", "layer_normalization", (rand(2, 4),)),
    Case("nn", "rms_normalization", (rand(2, 4),)),
    Case("nn", "normalize", (rand(2, 4),)),
    Case("nn", "max_pool", (rand(1, 4, 1), 2)),
    Case("nn", "average_pool", (rand(1, 4, 1), 2)),
    Case("nn", "binary_crossentropy", (rand(2, 4), rand(2, 4))),
    Case("image", "hsv_to_rgb", (rand(2, 2, 3),)),
]


@pytest.mark.parametrize("case", POISONED, ids=str)
def test_nan_stays_nan(engine, case):
    which = 1 if case.name == "binary_crossentropy" else 0
    args = [np.array(a) if isinstance(a, np.ndarray) else a for a in case.args]
    args[which].flat[0] = NAN
    (result,) = flat(case.ours(*(on(engine, a) for a in args), **case.kwargs))
    assert np.isnan(result.flat[0])


def test_softmax_of_infinities(engine):
    x = on(engine, np.float32([[0, -INF, 0], [-INF, -INF, -INF], [INF, 0, 0]]))
    found = to_numpy(nn.softmax(x))
    np.testing.assert_array_equal(found[0], [0.5, 0, 0.5])
    assert np.isnan(found[1]).all()
    assert np.isnan(found[2, 0])
    assert to_numpy(nn.log_softmax(x))[0, 1] == -INF


@pytest.mark.parametrize(
    "name", ["relu", "softplus", "sigmoid", "elu", "log_sigmoid", "hard_sigmoid", "leaky_relu"]
)
def test_far_out(engine, name):
    expected = {
        "relu": (0, INF),
        "softplus": (0, INF),
        "sigmoid": (0, 1),
        "elu": (-1, INF),
        "log_sigmoid": (-INF, 0),
        "hard_sigmoid": (0, 1),
        "leaky_relu": (-INF, INF),
    }[name]
    assert to_numpy(getattr(nn, name)(on(engine, np.float32([-INF, INF])))).tolist() == list(expected)


# slope at 0, taken from the left where there is a kink
SLOPES = {
    "relu": 0.0,
    "leaky_relu": 0.2,
    "elu": 1.0,
    "selu": 1.75809934,
    "celu": 1.0,
    "softplus": 0.5,
    "softsign": 1.0,
    "silu": 0.5,
    "gelu": 0.5,
    "log_sigmoid": 0.5,
}


@pytest.mark.parametrize("name", SLOPES)
def test_slope_at_zero(engine, name):
    x = on(engine, np.zeros(2, "float32"))
    _, _, (gradient,) = engine.value_and_grad(lambda v: (ops.sum(getattr(nn, name)(v)), None), [x])
    np.testing.assert_allclose(to_numpy(gradient), [SLOPES[name]] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["softplus", "elu", "celu", "selu", "sigmoid", "log_sigmoid", "silu", "softmax"]
)
def test_gradients_stay_finite(engine, name):
    x = on(engine, np.float32([-3e4, -100, 0, 100, 3e4]))
    _, _, (gradient,) = engine.value_and_grad(lambda v: (ops.sum(getattr(nn, name)(v)), None), [x])
    assert np.isfinite(to_numpy(gradient)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize(
    "call",
    [
        nn.relu,
        nn.gelu,
        nn.softmax,
        nn.sparsemax,
        nn.layer_normalization,
        nn.rms_normalization,
        nn.normalize,
        lambda x: nn.moments(x, 0)[1],
        lambda x: nn.dot_product_attention(x[None, None], x[None, None], x[None, None]),
        lambda x: nn.conv(x[None], x[:2, :, None]),
        lambda x: nn.average_pool(x[None], 2),
        lambda x: nn.one_hot(x, 3, dtype=ops.dtype(x)),
        lambda x: nn.categorical_crossentropy(x, x),
        lambda x: image.resize(x[..., None], (2, 2)),
    ],
)
def test_dtype_stays(engine, dtype, call):
    host = rand(4, 3, low=0.1, high=1.0)
    x = ops.cast(on(engine, host), dtype)
    with_float32 = to_numpy(call(ops.cast(on(engine, host), "float32"))).astype("float64")
    result = call(x)
    assert ops.dtype(result) == dtype
    np.testing.assert_allclose(to_numpy(result).astype("float64"), with_float32, rtol=0.03, atol=0.03)


def test_half_precision_losses_are_finite(engine):
    x = ops.cast(on(engine, np.float32([0, 1, 0, 1])), "float16")
    y = ops.cast(on(engine, np.float32([0, 0, 1, 1])), "float16")
    assert np.isfinite(to_numpy(nn.binary_crossentropy(x, y))).all()


def test_integers(engine):
    x = on(engine, np.int32([-2, 0, 3]))
    assert ops.dtype(nn.relu(x)) == ops.dtype(nn.hard_tanh(x)) == "int32"
    assert to_numpy(nn.relu(x)).tolist() == [0, 0, 3]
    assert ops.dtype(nn.sigmoid(x)) == ops.dtype(nn.softmax(x)) == ops.dtype(nn.relu6(x)) == "float32"
    assert to_numpy(nn.max_pool(on(engine, np.int32([[[1], [3]]])), 2)).tolist() == [[[3]]]


def test_labels_outside_have_no_loss(engine):
    for logits in (True, False):
        loss = nn.sparse_categorical_crossentropy(
            on(engine, np.int32([0, 3, -1])), on(engine, np.full((3, 3), 0.5, "float32")), from_logits=logits
        )
        assert np.isnan(to_numpy(loss)).tolist() == [False, True, True]


def test_batch_normalization_train(engine):
    x, scale, offset = rand(6, 4, 3), rand(3, seed=1), rand(3, seed=2)
    y, mean, variance = nn.batch_normalization_train(
        *(on(engine, x), -1), *(on(engine, v) for v in (offset, scale)), 0.01
    )
    np.testing.assert_allclose(to_numpy(mean), x.mean((0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(variance), x.var((0, 1)), rtol=1e-5)
    expected = (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + 0.01) * scale + offset
    np.testing.assert_allclose(to_numpy(y), expected, rtol=1e-4, atol=1e-5)


def test_resized_integers_go_to_the_even_neighbour(engine):
    for a, expected in ((0, 0), (1, 2), (2, 2)):
        assert to_numpy(image.resize(on(engine, np.uint8([[[a], [a + 1]]])), (1, 1))).tolist() == [
            [[expected]]
        ]


def test_area_is_the_mean(engine):
    x = rand(1, 6, 4, 2)
    found = to_numpy(image.resize(on(engine, x), (3, 2), "area"))
    np.testing.assert_allclose(found, x.reshape(1, 3, 2, 2, 2, 2).mean((2, 4)), rtol=1e-5, atol=1e-6)


def test_elastic_transform_repeats_and_moves(engine):
    x = on(engine, rand(2, 16, 16, 1))
    one, two, three = (to_numpy(image.elastic_transform(x, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.shape == (2, 16, 16, 1)
    assert (one != three).any()
    assert (one != to_numpy(x)).any()


def test_beam_search_beats_greedy(engine):
    # Two steps in which "blank" is likeliest, although the label 1 is likelier over all its alignments.
    logits = on(engine, np.log(np.float32([[[0.6, 0.4], [0.6, 0.4]]])))
    greedy, _ = nn.ctc_decode(logits, on(engine, np.int32([2])))
    beams, scores = nn.ctc_decode(logits, on(engine, np.int32([2])), strategy="beam_search", top_paths=2)
    assert to_numpy(greedy).tolist() == [[[-1, -1]]]
    assert to_numpy(beams).tolist() == [[[1, -1]], [[-1, -1]]]
    np.testing.assert_allclose(np.exp(to_numpy(scores)), [[0.64, 0.36]], rtol=1e-5)


def test_polar_is_a_pair(engine):
    real, imaginary = nn.polar(on(engine, np.float32([2, 1])), on(engine, np.float32([0, np.pi / 2])))
    np.testing.assert_allclose(to_numpy(real), [2, 0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(imaginary), [0, 1], atol=1e-6)


X = rand(2, 4, 3)
ERRORS = [
    (lambda: nn.conv(X[0], rand(2, 3, 5)), ShapeError, r"conv.*axes.*Received.*expand_dims"),
    (lambda: nn.conv(X, rand(2, 2, 5)), ShapeError, r"channels"),
    (lambda: nn.conv(X, rand(5, 3, 2)), ShapeError, r"window is larger.*same"),
    (lambda: nn.conv(X, rand(2, 3, 5), padding="smae"), UnknownNameError, r"did you mean 'same'"),
    (lambda: nn.conv(X, rand(2, 3, 5), strides=0), ArgumentError, r"strides"),
    (lambda: nn.conv(X, rand(2, 3, 5), data_format="NHWC"), ArgumentError, r"data_format"),
    (
        lambda: nn.conv_transpose(X, rand(2, 5, 3), strides=2, output_padding=2),
        ArgumentError,
        r"output_padding",
    ),
    (lambda: nn.max_pool(X[0], 2), ShapeError, r"at least 3 axes"),
    (lambda: nn.max_pool(X, (2, 2)), ArgumentError, r"pool_size"),
    (lambda: nn.batch_normalization(X, rand(4), rand(4), -1), ShapeError, r"`mean`"),
    (lambda: nn.layer_normalization(X, rms_scaling=True), ArgumentError, r"rms_normalization"),
    (lambda: nn.normalize(X, order=0.5), ArgumentError, r"order"),
    (lambda: nn.binary_crossentropy(X[:, :1], X), ShapeError, r"Expected.*\(2, 4, 3\)"),
    (lambda: nn.categorical_crossentropy(X, X[0]), ShapeError, r"one-hot"),
    (lambda: nn.sparse_categorical_crossentropy(X, X), ShapeError, r"Labels"),
    (lambda: nn.sparse_categorical_crossentropy([True], [[0.5, 0.5]]), DTypeError, r"integers"),
    (lambda: nn.softmax(X, axis=3), ArgumentError, r"axis"),
    (lambda: nn.glu(X), ShapeError, r"even"),
    (lambda: nn.one_hot([1], 0), ArgumentError, r"num_classes"),
    (lambda: nn.dot_product_attention(X, X, X), ShapeError, r"heads"),
    (lambda: nn.dot_product_attention(X[None], X[None, :, :3], X[None]), ShapeError, r"fit"),
    (lambda: nn.ctc_decode(X, [4, 4], strategy="gredy"), UnknownNameError, r"greedy"),
    (lambda: image.resize(X, 3), ArgumentError, r"height, width"),
    (lambda: image.resize(X, (2, 2), "bilinaer"), UnknownNameError, r"bilinear"),
    (lambda: image.resize(X[0], (2, 2)), ShapeError, r"image"),
    (lambda: image.rgb_to_hsv(np.zeros((2, 2, 3), "uint8")), DTypeError, r"255"),
    (lambda: image.crop_images(X, 1), ArgumentError, r"two of"),
    (lambda: image.map_coordinates(X, X[0, 0], 2), ArgumentError, r"order"),
    (lambda: image.affine_transform(X, [1.0] * 7), ShapeError, r"transform"),
]


@pytest.mark.parametrize("engine", ["native"], indirect=True)
@pytest.mark.parametrize(("call", "error", "words"), ERRORS, ids=[str(i) for i in range(len(ERRORS))])
def test_errors_help(engine, call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert isinstance(caught.value, KerasishError)
    assert len(str(caught.value)) <= 400
