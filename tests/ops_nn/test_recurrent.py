"""Sequences of recurrent cells against Keras' layers, masks and directions included; and the general `rnn`."""

import warnings

import numpy as np
import pytest

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.convert import to_numpy
from kerasish.core.errors import KerasishError
from kerasish.core.symbolic import SymbolicTensor
from kerasish.ops import recurrent
from tests.ops_nn.cases import keras, on, rand

B, T, C, U = 3, 5, 4, 2
X, H, S = rand(B, T, C), rand(B, U, seed=1), rand(B, U, seed=2)
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]], bool)
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
LAYERS = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def weights(kind, reset_after=True):
    gates = GATES[kind] * U
    bias = (2, gates) if kind == "gru" and reset_after else (gates,)
    return [rand(C, gates, seed=3), rand(U, gates, seed=4), rand(*bias, seed=5)]


def ours(engine, kind, states, ws, **options):
    mask = options.pop("mask", None)
    if mask is not None:
        options["mask"] = on(engine, mask)
    function = getattr(recurrent, kind)
    last, outputs, states = function(*(on(engine, v) for v in (X, *states, *ws)), **options)
    return [to_numpy(v) for v in (last, outputs, *states)]


def theirs(kind, states, ws, mask=None, **options):
    # Its loop on JAX begins masked outputs with the initial state, its others with 0; unrolled it forgets the zeros.
    options["unroll"] = not options.get("zero_output_for_mask")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer = LAYERS[kind](U, return_sequences=True, return_state=True, **options)
        layer.build(X.shape)
        layer.set_weights(ws)
        outputs, *final = layer(X, initial_state=[np.asarray(s) for s in states], mask=mask)
    outputs = np.asarray(outputs)
    return [outputs[:, -1], outputs, *(np.asarray(s) for s in final)]


ROWS = [
    (kind, options)
    for kind in GATES
    for options in (
        {},
        {"go_backwards": True},
        {"mask": MASK},
        {"mask": MASK, "go_backwards": True},
        {"mask": MASK, "zero_output_for_mask": True},
        {"activation": "relu"},
        {"unroll": True},
        {"unroll": True, "go_backwards": True},
    )
] + [
    ("gru", {"reset_after": False}),
    ("lstm", {"recurrent_activation": "hard_sigmoid", "activation": "softsign"}),
]


@pytest.mark.parametrize(("kind", "options"), ROWS)
def test_sequence_is_keras(engine, kind, options):
    states = [H, S] if kind == "lstm" else [H]
    ws = weights(kind, options.get("reset_after", True))
    for found, expected in zip(
        ours(engine, kind, states, ws, **options), theirs(kind, states, ws, **options), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("kind", "options"), [r for r in ROWS if "mask" not in r[1]])
def test_bias_is_optional(engine, kind, options):
    states = [H, S] if kind == "lstm" else [H]
    ws = weights(kind, options.get("reset_after", True))
    without = ours(engine, kind, states, ws[:2], **options)
    zero = ours(engine, kind, states, [*ws[:2], np.zeros_like(ws[2])], **options)
    for found, expected in zip(without, zero, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("options", [{}, {"mask": MASK}, {"go_backwards": True}], ids=str)
def test_gradient(engine, kind, options):
    states = [H, S] if kind == "lstm" else [H]
    inputs = [v.astype("float64") for v in (X, *states, *weights(kind))]
    options = {k: on(engine, v) for k, v in options.items()}

    def total(*values):
        last, outputs, final = getattr(recurrent, kind)(*values, **options)
        result = None
        for n, part in enumerate([last, outputs, *final]):
            weight = ops.convert_to_tensor(rand(*part.shape, seed=20 + n, dtype="float64"))
            part = p.sum(p.multiply(part, weight), axis=tuple(range(len(part.shape))), keepdims=False)
            result = part if result is None else p.add(result, part)
        return result, None

    _, _, gradients = engine.value_and_grad(total, [on(engine, v) for v in inputs])
    for i, gradient in enumerate(gradients):
        direction = rand(*inputs[i].shape, seed=30, dtype="float64")
        ends = []
        for sign in (1, -1):
            moved = [v + sign * 1e-6 * direction if j == i else v for j, v in enumerate(inputs)]
            ends.append(float(to_numpy(total(*(on(engine, v) for v in moved))[0])))
        np.testing.assert_allclose(
            (to_numpy(gradient) * direction).sum(), (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_unknown_sizes(engine, kind):
    states = [SymbolicTensor((None, U))] * (2 if kind == "lstm" else 1)
    last, outputs, final = getattr(recurrent, kind)(SymbolicTensor((None, None, C)), *states, *weights(kind))
    assert (last.shape, outputs.shape) == ((None, U), (None, None, U))
    assert [s.shape for s in final] == [(None, U)] * len(states)


def test_state_scale_is_recurrent_dropout(engine):
    scale = np.float32([[0, 2], [2, 0], [2, 2]])
    ws = weights("simple_rnn")
    last, *_ = ours(engine, "simple_rnn", [H], ws, state_scale=scale)
    h = H
    for t in range(T):
        h = np.tanh(X[:, t] @ ws[0] + ws[2] + (h * scale) @ ws[1])
    np.testing.assert_allclose(last, h, rtol=1e-5, atol=1e-6)


def step(x, states):
    h = p.tanh(p.add(x["a"], states[0]))
    return {"y": p.multiply(h, 2.0), "z": states[1]}, [h, p.add(states[1], 1.0)]


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
def test_rnn(engine, unroll, time_major, zero, backwards, mask):
    x, count = rand(B, T, U), np.zeros((B, 1), "float32")
    given = x.swapaxes(0, 1) if time_major else x
    rows = None if mask is None else on(engine, mask.T.copy() if time_major else mask)
    last, outputs, states = recurrent.rnn(
        step,
        {"a": on(engine, np.ascontiguousarray(given))},
        [on(engine, H), on(engine, count)],
        go_backwards=backwards,
        mask=rows,
        unroll=unroll,
        time_major=time_major,
        zero_output_for_mask=zero,
    )
    h, number, y = H, count, np.zeros_like(H)
    made = []
    for t in reversed(range(T)) if backwards else range(T):
        keep = np.ones((B, 1), bool) if mask is None else mask[:, t : t + 1]
        new = np.tanh(x[:, t] + h)
        y = np.where(keep, 2 * new, 0 if zero else y)
        h, number = np.where(keep, new, h), np.where(keep, number + 1, number)
        made.append(y)
    found = to_numpy(outputs["y"])
    np.testing.assert_allclose(found if time_major else found.swapaxes(0, 1), made, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(last["y"]), made[-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(states[0]), h, rtol=1e-5, atol=1e-6)
    assert to_numpy(states[1]).tolist() == number.tolist()


@pytest.mark.parametrize("engine", ["native"], indirect=True)
def test_rnn_last_output_only_and_constants(engine):
    last, outputs, _ = recurrent.rnn(
        lambda x, s: (p.add(p.add(x, s[0]), s[1]), [p.add(x, s[0])]),
        X,
        [np.zeros((B, C), "float32")],
        constants=[np.float32([10.0])],
        return_all_outputs=False,
    )
    np.testing.assert_allclose(last, X.sum(1) + 10, rtol=1e-5)
    assert outputs.shape == (B, 1, C)


@pytest.mark.parametrize("engine", ["native"], indirect=True)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: recurrent.lstm(X, H, S, *weights("gru")), "kernel"),
        (lambda: recurrent.gru(X[0], H, *weights("gru")), "time"),
        (lambda: recurrent.gru(X, H, *weights("gru"), activation="tahn"), "tanh"),
        (lambda: recurrent.simple_rnn(X, H, *weights("simple_rnn"), mask=MASK[..., None, None]), "mask"),
    ],
)
def test_errors(engine, call, words):
    with pytest.raises(KerasishError, match=words):
        call()
