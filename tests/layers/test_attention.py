"""Attention layers: against installed Keras (numbers, scores, masks, configs, files), and the same on every engine."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import trees
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import current_engine
from kerasish.core.seeds import set_random_seed
from tests.batches import Batches
from tests.oracle import ask, blank_weights, keras

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns where we do not

RNG = np.random.default_rng(0)
Q = RNG.normal(size=(2, 4, 6)).astype("float32")
V = RNG.normal(size=(2, 5, 6)).astype("float32")
K = RNG.normal(size=(2, 5, 3)).astype("float32")
GRID = RNG.normal(size=(2, 4, 3, 6)).astype("float32")
GRID_V = RNG.normal(size=(2, 5, 3, 6)).astype("float32")
Q_MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
V_MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)
FULL = RNG.random((2, 4, 5)) > 0.4
FULL[0, 1] = False  # a query that may attend to nothing

HEADS = [  # a value_dim of its own needs dropout here: Keras on JAX fails without (its fused attention)
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 4, "output_shape": 5, "dropout": 0.3}),
    ("MultiHeadAttention", {"num_heads": 1, "key_dim": 3, "output_shape": (2, 3), "use_gate": True}),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "use_bias": False, "sliding_window": 2}),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 2, "num_key_value_heads": 1, "dropout": 0.3}),
    (
        "GroupQueryAttention",
        {
            "head_dim": 2,
            "num_query_heads": 2,
            "num_key_value_heads": 2,
            "use_gate": True,
            "sliding_window": 2,
        },
    ),
]
CALLS = [
    {},
    {"key": K},
    {"use_causal_mask": True},
    {"query_mask": Q_MASK, "value_mask": V_MASK},
    {"attention_mask": FULL},
    {"attention_mask": FULL, "use_causal_mask": True, "key_mask": V_MASK, "key": K},
]
heads = pytest.mark.parametrize(
    ("name", "options"), HEADS, ids=lambda v: v if isinstance(v, str) else ",".join(v)
)
calls = pytest.mark.parametrize("call", CALLS, ids=lambda c: "+".join(c) or "plain")


def built_by_keras(name, options, *inputs, key=None):
    """Keras' layer with weights drawn from a seed. It is not called: that compiles each operation by itself."""
    layer = getattr(keras.layers, name)(name="probe", **options)
    shapes = [[x.shape for x in given] if isinstance(given, list) else given.shape for given in inputs]
    with blank_weights():
        layer.build(*shapes, **({} if key is None else {"key_shape": key.shape}))
    rng = np.random.default_rng(7)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.weights])
    return layer


def alike(name, options, *inputs, **call):
    """kerasish's layer and Keras', with the same weights."""
    ours, theirs = (
        getattr(layers, name)(name="probe", **options),
        built_by_keras(name, options, *inputs, key=call.get("key")),
    )
    ours(*inputs, **call)
    ours.set_weights([np.asarray(w) for w in theirs.weights])
    return ours, theirs


def assert_same(ours, theirs):
    ours, theirs = trees.flatten(ours), trees.flatten(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(to_numpy(a), np.asarray(b), rtol=5e-5, atol=5e-5)


def answers_of_keras(rows):
    """What Keras' layers give without and with their scores."""
    made = [built_by_keras(name, options, Q, V, key=call.get("key")) for name, options, call in rows]

    def outputs(query, value):
        for layer, (*_, call) in zip(made, rows, strict=True):
            yield [layer(query, value, return_attention_scores=scores, **call) for scores in (False, True)]

    return ask(lambda *given: list(outputs(*given)), Q, V)


ROWS = [(*head, call) for head in HEADS for call in CALLS]
BY_KERAS = Batches(ROWS, answers_of_keras)


@heads
@calls
@pytest.mark.parametrize("scores", [False, True])
def test_numbers_are_those_of_keras(name, options, call, scores):
    row = next(i for i, row in enumerate(ROWS) if row[1] is options and row[2] is call)
    with kerasish.use_backend("native"):
        ours, _ = alike(name, options, Q, V, **call)
        assert_same(ours(Q, V, return_attention_scores=scores, **call), BY_KERAS[row][scores])


@pytest.mark.parametrize("axes", [None, (1,), (2,), (1, 2)])
@pytest.mark.parametrize("scores", [False, True])
def test_attention_over_chosen_axes_is_that_of_keras(axes, scores):
    value = GRID if axes == (2,) else GRID_V
    with kerasish.use_backend("native"):
        ours, theirs = alike(
            "MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": axes}, GRID, value
        )
        assert_same(
            ours(GRID, value, return_attention_scores=scores),
            ask(lambda *given: theirs(*given, return_attention_scores=scores), GRID, value),
        )
        if axes == (1,):
            expected = ask(lambda *given: theirs(*given, attention_mask=FULL), GRID, value)
            assert_same(ours(GRID, value, attention_mask=FULL), expected)


@heads
def test_config_and_weights_are_those_of_keras(name, options):
    with kerasish.use_backend("native"):
        ours, theirs = alike(name, options, Q, V)

        def plain(config):
            return json.loads(json.dumps(config))

        assert plain(ours.get_config()) == plain(theirs.get_config())
        assert [(w.path, w.shape) for w in ours.weights] == [(w.path, tuple(w.shape)) for w in theirs.weights]
        written = layers.serialize(ours)
        assert written["class_name"] == keras.layers.serialize(theirs)["class_name"]
        again = layers.deserialize(plain(written))
        again.set_weights(ours.get_weights())
        np.testing.assert_array_equal(to_numpy(again(Q, V)), to_numpy(ours(Q, V)))


@heads
@calls
def test_same_numbers_on_every_engine(name, options, call, engine):
    with kerasish.use_backend("native"):
        reference = getattr(layers, name)(**options)
        expected = to_numpy(reference(Q, V, **call))
    layer = getattr(layers, name)(**options)
    layer(Q, V, **call)
    layer.set_weights(reference.get_weights())
    np.testing.assert_allclose(to_numpy(layer(Q, V, **call)), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("name", "options"), [HEADS[0], HEADS[4]])
@pytest.mark.parametrize("call", [CALLS[0], CALLS[2], CALLS[3]], ids=lambda c: "+".join(c) or "plain")
def test_gradients_agree_between_engines(name, options, call, engine):
    def gradients():
        set_random_seed(3)
        layer = getattr(layers, name)(**options)
        layer(Q, V, **call)
        values = [ops.convert_to_tensor(v) for v in (*layer.get_weights(), Q, V)]

        def objective(*values):
            y, _ = layer.stateless_call(list(values[:-2]), [], *values[-2:], **call)
            return ops.sum(ops.square(y)), None

        return [to_numpy(g) for g in current_engine().value_and_grad(objective, values)[2]]

    with kerasish.use_backend("native"):
        expected = gradients()
    for mine, reference in zip(gradients(), expected, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=2e-4, atol=2e-5)


def test_dropout_is_the_same_on_every_engine(engine):
    def run():
        set_random_seed(5)
        layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=4)
        quiet = to_numpy(layer(Q, V))
        noisy = [to_numpy(layer(Q, V, training=True)) for _ in range(2)]
        assert not np.allclose(quiet, noisy[0])
        assert not np.allclose(noisy[0], noisy[1])
        return noisy

    with kerasish.use_backend("native"):
        expected = run()
    np.testing.assert_allclose(run(), expected, rtol=2e-5, atol=2e-5)


@heads
def test_symbolic_shapes_with_unknown_time(name, options):
    with kerasish.use_backend("native"):
        layer = getattr(layers, name)(**options)
        query, value = kerasish.Input((None, 6)), kerasish.Input((None, 6))
        y, scores = layer(query, value, return_attention_scores=True, use_causal_mask=True)
        count = options.get("num_heads") or options["num_query_heads"]
        assert scores.shape == (None, count, None, None)
        assert y.shape == (None, None, *to_numpy(layer(Q, V)).shape[2:])


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, [Q_MASK, V_MASK], [None, V_MASK], [Q_MASK, None]])
def test_masks_of_single_headed_attention_are_those_of_keras(name, causal, mask):
    with kerasish.use_backend("native"):
        ours, theirs = alike(name, {}, [Q, V])
        options = {"mask": mask, "use_causal_mask": causal, "return_attention_scores": True}
        assert_same(ours([Q, V], **options), ask(lambda given: theirs(given, **options), [Q, V]))


TOKENS = np.array([[3, 1, 2, 0, 0], [4, 4, 0, 0, 0], [1, 2, 3, 4, 1], [2, 0, 0, 0, 0]], "int32")


def transformer(k, dropout=0.0):
    tokens = k.Input((5,), dtype="int32")
    x = k.layers.Embedding(6, 4, mask_zero=True)(tokens)
    for _ in range(2):
        y = k.layers.MultiHeadAttention(2, 3, dropout=dropout)(x, x, use_causal_mask=True)
        x = k.layers.LayerNormalization()(k.layers.Add()([x, y]))
        y = k.layers.Dense(4)(k.layers.Dense(8, activation="gelu")(x))
        x = k.layers.LayerNormalization()(k.layers.Add()([x, y]))
    return k.Model(tokens, k.layers.Dense(1)(k.layers.GlobalAveragePooling1D()(x)))


@functools.cache
def transformer_of_keras(dropout):
    """Its weights and its output."""
    model = transformer(keras, dropout)
    return [np.asarray(w) for w in model.weights], ask(model, TOKENS)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_masked_transformer_is_that_of_keras(dropout, engine):
    weights, expected = transformer_of_keras(dropout)
    ours = transformer(kerasish, dropout)
    ours.set_weights(weights)
    assert_same(ours(TOKENS), expected)
    assert_same(ours.predict(TOKENS, verbose=0), expected)


def test_tiny_transformer_learns(engine):
    set_random_seed(2)
    model = transformer(kerasish, dropout=0.1)
    model.compile(optimizer=kerasish.optimizers.Adam(0.02), loss="mse")
    y = (TOKENS[:, :1] > 2).astype("float32")
    losses = [model.fit(TOKENS, y, batch_size=4, epochs=1, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[2] < losses[0]


def saved():
    for name, options in HEADS:
        yield f"{name}-{','.join(options)}", lambda m, q, v, n=name, o=options: getattr(m, n)(**o)(q, v)
    yield "attention", lambda m, q, v: m.Attention(use_scale=True, score_mode="concat")([q, v])
    yield "additive", lambda m, q, v: m.AdditiveAttention()([q, v])


SAVED = dict(saved())


@pytest.mark.parametrize("label", SAVED)
@pytest.mark.parametrize("writer", ["keras", "kerasish"])
def test_files_go_both_ways(label, writer, tmp_path):
    first, second = (keras, kerasish) if writer == "keras" else (kerasish, keras)
    with kerasish.use_backend("native"):
        query, value = first.Input((4, 6)), first.Input((5, 6))
        with blank_weights():
            model = first.Model([query, value], SAVED[label](first.layers, query, value))
        rng = np.random.default_rng(7)
        model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.weights])
        model.save(tmp_path / "model.keras")
        with blank_weights():
            again = second.saving.load_model(tmp_path / "model.keras")
        mine, keras_answer = (again, ask(model, [Q, V])) if first is keras else (model, ask(again, [Q, V]))
        assert_same(mine([Q, V]), keras_answer)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: layers.MultiHeadAttention(2, 0), ArgumentError, "key_dim"),
        (lambda: layers.GroupQueryAttention(3, 4, 3), ArgumentError, "multiple of 3"),
        (lambda: layers.Attention(score_mode="cosine"), ArgumentError, "score_mode"),
        (lambda: layers.Attention()(Q), ArgumentError, "list of two"),
        (
            lambda: layers.MultiHeadAttention(2, 3, attention_axes=(3,))(GRID, GRID),
            ArgumentError,
            "attention_axes",
        ),
        (lambda: layers.MultiHeadAttention(2, 3)(Q, GRID), ShapeError, "number of axes"),
        (lambda: layers.MultiHeadAttention(2, 3)(Q, V, attention_mask=np.ones(3, bool)), ShapeError, "mask"),
    ],
)
def test_mistakes_are_explained(make, error, words):
    with kerasish.use_backend("native"), pytest.raises(error, match=words):
        make()
