"""Recurrent layers: against installed Keras (numbers, states, masks, files), and the same on every engine."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import trees
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import current_engine
from kerasish.core.seeds import set_random_seed
from kerasish.layers.recurrent.cell import Masks
from tests.batches import Batches
from tests.oracle import ask, blank_weights, keras

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not

RAGGED = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
X = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
STATES = [np.random.default_rng(i).normal(size=(4, 2)).astype("float32") for i in range(1, 5)]


class Row:
    """A recurrent layer as a function of the module of layers, and how many states it has."""

    def __init__(self, label, make, states):
        self.label, self.make, self.states = label, make, states


def rows():
    for options in (
        {},
        {"return_sequences": True},
        {"return_state": True, "go_backwards": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"return_sequences": True, "unroll": True, "return_state": True},
        {"zero_output_for_mask": True, "go_backwards": True},
    ):
        shown = "+".join(options)
        for name, states in (("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2)):
            yield Row(f"{name}-{shown}", lambda m, n=name, o=options: getattr(m, n)(2, **o), states)
        yield Row(f"RNN-{shown}", lambda m, o=options: m.RNN(m.LSTMCell(2), **o), 2)
        yield Row(
            f"stacked-{shown}",
            lambda m, o=options: m.RNN([m.GRUCell(3, reset_after=False), m.SimpleRNNCell(2)], **o),
            0,
        )
    for mode in ("concat", "sum", "mul", "ave", None):
        for options in (
            {},
            {"return_sequences": True},
            {"return_sequences": True, "return_state": True},
        ):
            yield Row(
                f"bidirectional-{mode}-{'+'.join(options)}",
                lambda m, o=options, g=mode: m.Bidirectional(m.LSTM(2, **o), merge_mode=g),
                4,
            )
    yield Row(
        "bidirectional-two",
        lambda m: m.Bidirectional(
            m.LSTM(2, return_sequences=True),
            backward_layer=m.GRU(2, go_backwards=True, return_sequences=True),
        ),
        0,
    )


ROWS = list(rows())
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda r: r.label)


def answers_of_keras(rows):
    """Weights of Keras' layers, then what they give: as they are, with a mask, from initial states."""
    made = [row.make(keras.layers) for row in rows]
    for layer in made:
        with blank_weights():
            layer.build(X.shape)
        rng = np.random.default_rng(7)
        layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.weights])

    def outputs(x, mask, states):
        for row, layer in zip(rows, made, strict=True):
            started = layer(x, initial_state=states[: row.states]) if row.states else None
            yield layer(x), layer(x, mask=mask), started

    found = ask(lambda *given: list(outputs(*given)), X, RAGGED, STATES)
    return [([np.asarray(w) for w in layer.weights], *rest) for layer, rest in zip(made, found, strict=True)]


BY_KERAS = Batches(ROWS, answers_of_keras)


def alike(row):
    """kerasish's layer with the weights of Keras', and what Keras' gives: plain, masked, from initial states."""
    ours = row.make(layers)
    ours(X)
    weights, *expected = BY_KERAS[ROWS.index(row)]
    ours.set_weights(weights)
    return ours, expected


def assert_same(ours, theirs):
    ours, theirs = trees.flatten(ours), trees.flatten(list(theirs) if isinstance(theirs, tuple) else theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(to_numpy(a), np.asarray(b), rtol=2e-5, atol=2e-5)


@every_row
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_states_are_those_of_keras(row, masked):
    with kerasish.use_backend("native"):
        ours, (plain, with_mask, _) = alike(row)
        assert_same(ours(X, mask=RAGGED if masked else None), with_mask if masked else plain)


@pytest.mark.parametrize("row", [r for r in ROWS if r.states], ids=lambda r: r.label)
def test_initial_states_are_used_as_in_keras(row):
    with kerasish.use_backend("native"):
        ours, (*_, started) = alike(row)
        assert_same(ours(X, initial_state=STATES[: row.states]), started)


@every_row
def test_same_numbers_on_every_engine(row, engine):
    with kerasish.use_backend("native"):
        reference = row.make(layers)
        expected = reference(X, mask=RAGGED)
    layer = row.make(layers)
    layer(X)
    layer.set_weights(reference.get_weights())
    assert_same(layer(X, mask=RAGGED), [to_numpy(y) for y in trees.flatten(expected)])


@every_row
def test_symbolic_shapes_with_unknown_time(row):
    with kerasish.use_backend("native"):
        layer = row.make(layers)
        if getattr(layer, "unroll", False):
            pytest.skip("steps are written out: their number must be known")
        symbols = trees.flatten(layer(kerasish.Input((None, 3))))
        values = trees.flatten(layer(X))
        for symbol, value in zip(symbols, values, strict=True):
            sequence = len(symbol.shape) == 3
            assert symbol.shape == ((None, None, *value.shape[2:]) if sequence else (None, *value.shape[1:]))


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_agree_between_engines(name, masked, engine):
    def gradients():
        set_random_seed(3)
        layer = getattr(layers, name)(2, return_sequences=True)
        layer(X)
        values = [ops.convert_to_tensor(v) for v in (*layer.get_weights(), X)]

        def objective(*values):
            y, _ = layer.stateless_call(list(values[:-1]), [], values[-1], mask=RAGGED if masked else None)
            return ops.sum(ops.square(y)), None

        return [to_numpy(g) for g in current_engine().value_and_grad(objective, values)[2]]

    with kerasish.use_backend("native"):
        expected = gradients()
    for mine, reference in zip(gradients(), expected, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["SimpleRNNCell", "GRUCell", "LSTMCell"])
def test_a_cell_is_one_step_of_its_layer(name, engine):
    cell = getattr(layers, name)(2)
    layer = layers.RNN(cell, return_state=True)
    fused = getattr(layers, name.removesuffix("Cell"))(2, return_state=True)
    expected = layer(X)
    fused(X)
    fused.set_weights(layer.get_weights())
    states = cell.get_initial_state(batch_size=4)
    for t in range(5):
        output, states = cell(X[:, t], states)
    assert_same([output, *states], [to_numpy(y) for y in expected])
    assert_same(fused(X), [to_numpy(y) for y in expected])


def test_stacked_cells_with_one_state_each_give_it_bare():
    layer = layers.RNN([layers.GRUCell(3), layers.LSTMCell(2), layers.SimpleRNNCell(4)], return_state=True)
    _, gru, lstm, simple = layer(X)
    assert (gru.shape, [s.shape for s in lstm], simple.shape) == ((4, 3), [(4, 2), (4, 2)], (4, 4))
    goes_on = layer(X, initial_state=[gru, lstm, simple])
    assert_same(goes_on[0], to_numpy(layer(X, initial_state=[[gru], lstm, [simple]])[0]))


# -- state that is carried ------------------------------------------------


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM", "RNN", "Bidirectional"])
def test_stateful_goes_on_where_it_stopped(name, engine):
    make = {
        "RNN": lambda **o: layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)], **o),
        "Bidirectional": lambda **o: layers.Bidirectional(layers.GRU(2, **o)),
    }.get(name, lambda **o: getattr(layers, name)(2, **o))
    layer, plain = make(stateful=True), make(return_state=True)
    layer(X)
    plain(X)
    plain.set_weights(layer.get_weights())
    assert len(layer.weights) == len(plain.weights)
    layer.reset_state()
    first, *states = plain(X)
    assert_same(layer(X), [to_numpy(first)])
    second = plain(X[:, ::-1].copy(), initial_state=states)[0]
    assert_same(layer(X[:, ::-1].copy()), [to_numpy(second)])
    layer.reset_states()
    assert_same(layer(X), [to_numpy(first)])


def test_stateful_model_carries_state_from_batch_to_batch(engine):
    model = kerasish.Sequential(
        [kerasish.Input(batch_shape=(4, 5, 3)), layers.LSTM(2, stateful=True), layers.Dense(1)]
    )
    model.compile(optimizer="sgd", loss="mse")
    once = model.predict(X, batch_size=4, verbose=0)
    twice = model.predict(X, batch_size=4, verbose=0)
    assert not np.allclose(once, twice)
    model.reset_states()
    np.testing.assert_allclose(model.predict(X, batch_size=4, verbose=0), once, rtol=1e-5, atol=1e-6)
    before = [v.numpy() for v in model.state_variables]
    model.fit(X, np.ones((4, 1), "float32"), batch_size=4, epochs=1, verbose=0, shuffle=False)
    assert not np.allclose(before[0], model.state_variables[0].numpy())


def test_stateful_without_a_batch_size_says_so():
    with kerasish.use_backend("native"), pytest.raises(ArgumentError, match="batch_shape"):
        layers.LSTM(2, stateful=True)(kerasish.Input((5, 3)))


def test_stateful_with_another_batch_size_says_so():
    with kerasish.use_backend("native"):
        layer = layers.LSTM(2, stateful=True)
        layer(X)
        with pytest.raises(ShapeError, match="batch size"):
            layer(X[:3])


# -- dropout ------------------------------------------------


@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM", "RNN"])
def test_dropout_is_the_same_on_every_engine(name, engine):
    def run():
        set_random_seed(5)
        options = {"dropout": 0.4, "recurrent_dropout": 0.4, "seed": 3}
        layer = (
            layers.RNN([layers.GRUCell(4, **options), layers.LSTMCell(4, **options)], return_sequences=True)
            if name == "RNN"
            else getattr(layers, name)(4, return_sequences=True, **options)
        )
        quiet = to_numpy(layer(X))
        noisy = [to_numpy(layer(X, training=True)) for _ in range(2)]
        assert not np.allclose(quiet, noisy[0])
        assert not np.allclose(noisy[0], noisy[1])
        return noisy

    with kerasish.use_backend("native"):
        expected = run()
    np.testing.assert_allclose(run(), expected, rtol=2e-5, atol=2e-5)


def test_dropout_masks_are_the_same_in_all_steps():
    with kerasish.use_backend("native"):
        layer = layers.SimpleRNN(
            3,
            dropout=0.5,
            seed=1,
            kernel_initializer="identity",
            recurrent_initializer="zeros",
            activation=None,
            return_sequences=True,
        )
        y = to_numpy(layer(np.ones((4, 5, 3), "float32"), training=True))
        assert set(np.unique(y)) == {0.0, 2.0}
        np.testing.assert_array_equal(y, np.repeat(y[:, :1], 5, axis=1))


def test_dropout_scatters_outputs_as_that_of_keras():
    """Over many rows of one sequence, outputs have the mean and the spread that Keras' have."""
    rows = 4096
    x = np.repeat(X[:1], rows, axis=0)
    kernels = np.random.default_rng(3)
    theirs = keras.layers.GRU(3, seed=1, dropout=0.4)
    theirs.build(x.shape)
    theirs.set_weights([kernels.normal(size=w.shape) for w in theirs.weights])
    with kerasish.use_backend("native"):
        ours = layers.GRU(3, seed=2, dropout=0.4)
        ours.build(x.shape)
        ours.set_weights(theirs.get_weights())
        found = to_numpy(ours(x, training=True))
    expected = np.asarray(theirs(x, training=True))
    spread = expected.std(axis=0)
    error = spread / np.sqrt(rows)  # of a mean; five of a difference of two
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - expected.mean(axis=0)), 5 * np.sqrt(2) * error)
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=0.08)


GATED = {
    "GRU": ("GRU", 3, {}),
    "GRU, reset before": ("GRU", 3, {"reset_after": False}),
    "LSTM": ("LSTM", 4, {}),
}


@functools.cache
def gated_by_keras(label):
    """Masks for each gate, weights, and what Keras' layer and cell make of them."""
    name, gates, options = GATED[label]
    draw = np.random.default_rng(0)
    masks = [2.0 * (draw.random((4, gates, size)) > 0.5).astype("float32") for size in (3, 2)]

    class Fixed(getattr(keras.layers, name + "Cell")):
        def get_dropout_mask(self, step_input):
            return list(masks[0].swapaxes(0, 1))

        def get_recurrent_dropout_mask(self, step_input):
            return list(masks[1].swapaxes(0, 1))

    cell = Fixed(2, dropout=0.5, recurrent_dropout=0.5, **options)
    layer = keras.layers.RNN(cell, return_sequences=True)
    layer.build(X.shape)
    states = STATES[: len(layer.state_size)]
    outputs = ask(lambda x, s: (layer(x, s, training=True), cell(x[:, 0], s, training=True)[0]), X, states)
    return masks, cell.get_weights(), states, outputs


@pytest.mark.parametrize("label", GATED)
def test_each_gate_has_its_own_masks(label, engine):
    """As in Keras, where there is recurrent dropout; and the state that is carried on is spared."""
    name, _, options = GATED[label]
    masks, weights, states, (sequence, step) = gated_by_keras(label)
    layer = getattr(layers, name)(2, dropout=0.5, recurrent_dropout=0.5, return_sequences=True, **options)
    layer.build(X.shape)
    layer.set_weights(weights)
    layer.cell.draw_masks = lambda like: Masks(*map(ops.convert_to_tensor, masks))
    assert_same(layer(X, initial_state=states, training=True), sequence)
    assert_same(layer.cell(X[:, 0], states, training=True)[0], step)


@pytest.mark.parametrize("options", [{}, {"implementation": 1}, {"recurrent_dropout": 0.1}], ids=str)
@pytest.mark.parametrize("name", ["SimpleRNN", "GRU", "LSTM"])
def test_gates_share_a_mask_where_those_of_keras_do(name, options):
    """Seen by how many different values come out where each unit of each gate sees one input, kept or not."""
    units = 64

    def seen(library):
        cell = getattr(library.layers, name + "Cell")(units, dropout=0.5, seed=1, **options)
        cell.build((1, units))
        kernel, recurrent, *bias = (np.asarray(w) for w in cell.get_weights())
        gates = kernel.shape[1] // units
        cell.set_weights([np.tile(np.eye(units), gates), np.zeros_like(recurrent), *map(np.zeros_like, bias)])
        ones = library.ops.ones((1, units))
        states = [ones, ones] if name == "LSTM" else [ones]
        y = library.ops.convert_to_numpy(cell(ones, states, training=True)[0])
        return len(np.unique(y.round(4)))

    if name == "SimpleRNN" and "implementation" in options:
        options = {}
    with kerasish.use_backend("native"):
        assert (seen(kerasish) > 2) == (seen(keras) > 2)


# -- cells of one's own ------------------------------------------------


class Decay(layers.Layer):
    """h = h / 2 + x: a cell as small as they get."""

    state_size = 3

    def call(self, inputs, states):
        h = states[0] * 0.5 + inputs
        return h, [h]


def test_custom_cell(engine):
    expected = np.zeros((4, 3), "float32")
    for t in range(5):
        expected = expected / 2 + X[:, t]
    for layer in (layers.RNN(Decay()), layers.RNN([Decay()]), layers.RNN(Decay(), unroll=True)):
        np.testing.assert_allclose(to_numpy(layer(X)), expected, rtol=1e-5, atol=1e-6)
    both = layers.Bidirectional(layers.RNN(Decay()), merge_mode=None)(X)
    np.testing.assert_allclose(to_numpy(both[0]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.RNN(3), "cell"),
        (lambda: layers.LSTM(0), "units"),
        (lambda: layers.GRU(3, dropout=1.5), "fraction"),
        (lambda: layers.Bidirectional(layers.Dense(3)), "recurrent layer"),
        (lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)), "same direction"),
        (lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="plus"), "merge_mode"),
        (lambda: layers.TimeDistributed(layers.Dense), "layer"),
    ],
)
def test_mistakes_are_explained(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


def test_wrong_number_of_states_is_explained():
    with kerasish.use_backend("native"), pytest.raises(ShapeError, match="initial states"):
        layers.LSTM(2)(X, initial_state=STATES[:1])


# -- TimeDistributed ------------------------------------------------


def test_time_distributed_hands_masks_on(engine):
    inner = layers.Softmax()
    x = np.zeros((2, 3, 4), "float32")
    mask = np.ones((2, 3, 4), bool)
    mask[:, :, 0] = False
    y = to_numpy(layers.TimeDistributed(inner)(x, mask=mask))
    np.testing.assert_allclose(y[..., 0], 0.0)
    with pytest.raises(ShapeError, match="mask"):
        layers.TimeDistributed(layers.Softmax())(x, mask=np.ones((2, 5), bool))


# -- models ------------------------------------------------

TOKENS = np.array([[3, 1, 2, 0, 0], [4, 4, 0, 0, 0], [1, 2, 3, 4, 1], [2, 0, 0, 0, 0]], "int32")


def masked_models():
    yield (
        "sequential",
        lambda k: k.Sequential(
            [
                k.Input((None,), dtype="int32"),
                k.layers.Embedding(6, 3, mask_zero=True),
                k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True)),
                k.layers.TimeDistributed(k.layers.Dense(3)),
                k.layers.LSTM(2),
            ]
        ),
    )

    def functional(k):
        tokens = k.Input((None,), dtype="int32")
        x = k.layers.Embedding(6, 3, mask_zero=True)(tokens)
        y, h, c = k.layers.LSTM(3, return_sequences=True, return_state=True)(x)
        z = k.layers.LSTM(3)(y, initial_state=[h, c])
        return k.Model(tokens, [y, z])

    yield "functional", functional


MODELS = dict(masked_models())


@functools.cache
def model_of_keras(label):
    """Its weights and its output."""
    model = MODELS[label](keras)
    return [np.asarray(w) for w in model.weights], ask(model, TOKENS)


@pytest.mark.parametrize("label", MODELS)
def test_masks_travel_through_models_as_in_keras(label, engine):
    weights, expected = model_of_keras(label)
    ours = MODELS[label](kerasish)
    ours.set_weights(weights)
    assert_same(ours(TOKENS), expected)
    assert_same(ours.predict(TOKENS, verbose=0), expected)


def saved():
    small = {"kernel_regularizer": "l2", "dropout": 0.1}
    yield "rnn", lambda m: m.RNN([m.GRUCell(3), m.LSTMCell(2)], return_sequences=True)
    yield "simple_rnn", lambda m: m.SimpleRNN(2, **small)
    yield "lstm", lambda m: m.LSTM(2, **small)
    yield "gru", lambda m: m.GRU(2, reset_after=False, **small)
    yield "bidirectional", lambda m: m.Bidirectional(m.LSTM(2, return_sequences=True), merge_mode="sum")
    yield "two", lambda m: m.Bidirectional(m.LSTM(2), backward_layer=m.GRU(2, go_backwards=True))
    yield "time_distributed", lambda m: m.TimeDistributed(m.Dense(2))


SAVED = dict(saved())


@pytest.mark.parametrize("label", SAVED)
@pytest.mark.parametrize("writer", ["keras", "kerasish"])
def test_files_go_both_ways(label, writer, tmp_path):
    first, second = (keras, kerasish) if writer == "keras" else (kerasish, keras)
    with kerasish.use_backend("native"):
        with blank_weights():
            model = first.Sequential([first.Input((5, 3)), SAVED[label](first.layers)])
        rng = np.random.default_rng(7)
        model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.weights])
        model.save(tmp_path / "model.keras")
        with blank_weights():
            again = second.saving.load_model(tmp_path / "model.keras")
        mine, keras_answer = (again, ask(model, X)) if first is keras else (model, ask(again, X))
        assert_same(mine(X), keras_answer)


def test_tiny_lstm_learns(engine):
    set_random_seed(1)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 6, 2)).astype("float32")
    y = (x[:, :, 0].sum(axis=1, keepdims=True) > 0).astype("float32")
    model = kerasish.Sequential([kerasish.Input((6, 2)), layers.LSTM(8), layers.Dense(1)])
    model.compile(optimizer=kerasish.optimizers.Adam(0.05), loss="mse")
    losses = [model.fit(x, y, batch_size=16, epochs=1, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[2] < losses[0]
