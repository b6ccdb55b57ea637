"""What a model is made of: graphs, stacks, names, weights, configs, copies."""

from __future__ import annotations

import json

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core import trees
from kerasish.core.convert import to_numpy
from kerasish.core.errors import (
    ArgumentError,
    GraphError,
    KerasishError,
    NotBuiltError,
    ShapeError,
    UnknownNameError,
)

EVERY = [
    "eager_sequential", "lazy_sequential", "functional", "two_in_two_out", "by_name", "shared_layer", "nested",
    "with_operations", "Subclassed",
]  # fmt: skip
GRAPHS = [n for n in EVERY if n not in ("lazy_sequential", "Subclassed")]


def arrays(tree):
    return [np.asarray(to_numpy(x)) for x in trees.flatten(tree)]


def assert_same(a, b, **kwargs):
    for left, right in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_allclose(left, right, **{"rtol": 1e-6, "atol": 1e-6, **kwargs})


# -- calling -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", EVERY)
def test_call_and_predict_agree_on_every_engine(engine, name, make, inputs):
    model, x = make(name), inputs(name)
    called, predicted = model(x), model.predict(x, batch_size=4, verbose=0)
    assert_same(called, predicted, rtol=1e-5, atol=1e-5)
    assert type(called) is type(predicted) or not trees.is_nested(called)
    assert model.engine is engine


def test_multiplied_out_by_hand(make, inputs):
    model, x = make("functional"), inputs("functional")
    w1, b1, w2, b2 = model.get_weights()
    np.testing.assert_allclose(to_numpy(model(x)), np.maximum(x @ w1 + b1, 0) @ w2 + b2, rtol=1e-5, atol=1e-6)


def test_operations_on_symbolic_tensors_compute_what_they_say(make, inputs):
    model, x = make("with_operations"), inputs("with_operations")
    w, b = model.get_weights()
    y = x @ w + b
    y = np.concatenate([np.maximum(y, 0), np.exp(-y), y[:, 1:]], axis=-1).reshape(-1, 2, 4) * 0.5 + 1.0
    np.testing.assert_allclose(to_numpy(model(x)), y.mean(axis=1), rtol=1e-5)
    assert model.output_shape == (None, 4)


def test_shared_layer_has_one_set_of_weights(make, inputs):
    model = make("shared_layer")
    assert model.count_params() == 4 * 3 + 3
    a, _ = inputs("shared_layer")
    np.testing.assert_array_equal(to_numpy(model([a, a])), 0)


@pytest.mark.parametrize("as_list", [True, False], ids=["list", "dict"])
def test_inputs_by_name_or_position(make, inputs, as_list):
    model, (a, b) = make("two_in_two_out"), inputs("two_in_two_out")
    assert_same(model([a, b]), model({"b": b, "a": a}) if not as_list else model((a, b)))


def test_intermediate_outputs_share_weights(make, inputs):
    model, x = make("functional"), inputs("functional")
    features = kerasish.Model(model.input, model.layers[1].output)
    before = to_numpy(features(x))
    model.layers[1].set_weights([w * 2 for w in model.layers[1].get_weights()])
    np.testing.assert_allclose(to_numpy(features(x)), before * 2, rtol=1e-5)
    assert features.output_shape == (None, 5)


def test_a_model_applied_to_new_inputs_is_a_layer(make, inputs):
    model, x = make("functional"), inputs("functional")
    fresh = kerasish.Input((4,))
    assert_same(kerasish.Model(fresh, model(fresh) + 1.0)(x), to_numpy(model(x)) + 1.0)


def test_call_arguments_that_are_not_tensors_are_kept(engine):
    x = kerasish.Input((8,))
    model = kerasish.Model(x, layers.Dropout(0.5, seed=0)(x, training=True))
    assert (to_numpy(model(np.ones((16, 8), "float32"))) == 0).any()


def test_unknown_sizes_pass_through():
    x = kerasish.Input((None, 3))
    model = kerasish.Model(x, ops.sum(layers.Dense(2)(x), axis=1))
    assert model.output_shape == (None, 2)
    for length in (1, 5):
        assert to_numpy(model(np.ones((2, length, 3), "float32"))).shape == (2, 2)


# -- Sequential --------------------------------------------------------------------------------------------------------
def test_lazy_sequential_has_no_weights_until_it_sees_a_shape(make):
    model = make("lazy_sequential")
    assert not model.built
    assert model.weights == []
    with pytest.raises(NotBuiltError, match=r"build\(input_shape\)"):
        model.count_params()
    model.build((None, 4))
    assert model.built
    assert model.count_params() == 43
    assert model.output_shape == (None, 3)


def test_lazy_and_eager_builds_are_equal(make, inputs):
    x = inputs("functional")
    assert_same(make("lazy_sequential")(x), make("eager_sequential")(x))


def test_add_and_pop():
    model = kerasish.Sequential()
    model.add(kerasish.Input((4,)))
    model.add(layers.Dense(3))
    assert model.output_shape == (None, 3)
    assert len(model.layers) == 1
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    assert model.count_params() == 15 + 8
    popped = model.pop()
    assert popped.units == 2
    assert model.output_shape == (None, 3)
    assert model.count_params() == 15


def test_add_after_training_trains_the_new_layer():
    model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(3)])
    x = np.ones((8, 4), "float32")
    model.compile("sgd", "mse")
    model.fit(x, np.ones((8, 3)), verbose=0)
    model.add(layers.Dense(1))
    model.compile("sgd", "mse")
    before = model.layers[-1].get_weights()
    model.fit(x, np.ones((8, 1)), verbose=0)
    assert not np.array_equal(before[0], model.layers[-1].get_weights()[0])


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: kerasish.Sequential(layers.Dense(2)), "takes a list"),
        (lambda: kerasish.Sequential([layers.Dense]), r"Dense\(10\), not Dense"),
        (lambda: kerasish.Sequential([np.tanh]), "Lambda"),
        (
            lambda: kerasish.Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
            "both named 'a'",
        ),
        (lambda: kerasish.Sequential([layers.Dense(2), kerasish.Input((3,))]), "first layer"),
        (lambda: kerasish.Sequential().pop(), "no layer to pop"),
        (lambda: kerasish.Sequential().build((None, 3)), "without layers"),
    ],
)
def test_errors_of_sequential(wrong, match):
    with pytest.raises(ArgumentError, match=match):
        wrong()


# -- Functional errors -------------------------------------------------------------------------------------------------
def _disconnected():
    a, b = kerasish.Input((2,), name="a"), kerasish.Input((2,), name="b")
    return kerasish.Model(a, layers.Add()([a, b]))


@pytest.mark.parametrize(
    ("wrong", "kind", "match"),
    [
        (_disconnected, GraphError, "not among the inputs"),
        (lambda: kerasish.Model(np.ones(3), np.ones(3)), ArgumentError, "symbolic"),
        (lambda: kerasish.Model(inputs=kerasish.Input((2,))), ArgumentError, "`outputs` is missing"),
        (lambda: kerasish.Model()(np.ones((2, 2))), ArgumentError, "no `call` method"),
    ],
)
def test_errors_of_graphs(wrong, kind, match):
    with pytest.raises(kind, match=match):
        wrong()


@pytest.mark.parametrize(
    ("name", "x", "kind", "match"),
    [
        ("functional", np.ones((2, 5), "float32"), ShapeError, r"\(None, 4\)"),
        ("functional", np.ones((4,), "float32"), ShapeError, "batch"),
        ("two_in_two_out", [np.ones((2, 4), "float32")], ShapeError, "number of inputs"),
        ("by_name", {"a": np.ones((2, 4), "float32")}, ArgumentError, "'b' is missing"),
    ],
)
def test_wrong_inputs_are_explained(name, x, kind, match, make):
    with pytest.raises(kind, match=match):
        make(name)(x)


# -- names and layers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", EVERY)
def test_equal_code_gives_equal_names(name, make, inputs):
    def described(model):
        model(inputs(name))
        return [v.path for v in model.weights], [layer.name for layer in model.layers]

    first, second = described(make(name)), described(make(name))
    assert first == second
    assert len(set(first[0])) == len(first[0])


def test_get_layer(make):
    model = make("shared_layer")
    assert model.get_layer("tower").units == 3
    assert model.get_layer(index=-1) is model.layers[-1]
    with pytest.raises(UnknownNameError, match="tower"):
        model.get_layer("towre")
    with pytest.raises(ArgumentError, match="index"):
        model.get_layer(index=9)
    with pytest.raises(ArgumentError, match="Give either"):
        model.get_layer()


def _named(names, x):
    for name in names.split():
        x = layers.Dense(4, name=name)(x)
    return x


def _branches(x, other):
    return [x], layers.Add(name="add")([_named("a", x), _named("b c", x), _named("d e f", x)])


def _early_output(x, other):
    h = _named("stem", x)
    return [x], [_named("aux", h), _named("b main", h)]


def _shared(x, other):
    shared = layers.Dense(4, name="shared")
    return [x, other], layers.Add(name="add")([shared(x), _named("after", shared(_named("before", other)))])


def _unused_input(x, other):
    return [x, other], _named("a b", x)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (_branches, "x d b e a c f add"),
        (_early_output, "x stem b aux main"),
        (_shared, "other x before shared after add"),
        (_unused_input, "x a other b"),
    ],
)
def test_layers_and_weights_come_in_keras_order(graph, expected):
    inputs, outputs = graph(kerasish.Input((4,), name="x"), kerasish.Input((4,), name="other"))
    model = kerasish.Model(inputs, outputs)
    assert [layer.name for layer in model.layers] == expected.split()
    owners = [w.path.split("/")[1] for w in model.weights if w.path.endswith("kernel")]
    assert owners == [layer.name for layer in model.layers if layer.weights]


def test_a_model_that_begins_at_an_intermediate_tensor_has_none_of_what_comes_before():
    x = kerasish.Input((4,))
    code = _named("encoder", x)
    decoder = kerasish.Model(code, _named("decoder out", code))
    assert [layer.name for layer in decoder.layers if layer.weights] == ["decoder", "out"]
    assert decoder.count_params() == 2 * (4 * 4 + 4)
    again = kerasish.Model.from_config(decoder.get_config())
    again.set_weights(decoder.get_weights())
    values = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    assert_same(again(values), decoder(values))


def test_variables_leave_out_the_metrics_a_model_is_compiled_with():
    model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    assert [v.path for v in model.variables] == [v.path for v in model.weights]
    assert model.non_trainable_variables == []
    assert {v.path.split("/")[0] for v in model.metrics_variables} == {"loss", "mean_absolute_error"}


def test_two_layers_of_one_name_are_refused():
    x = kerasish.Input((2,))
    with pytest.raises(ArgumentError, match="both named 'same'"):
        kerasish.Model(x, layers.Dense(2, name="same")(layers.Dense(2, name="same")(x)))


def test_freezing_decides_what_fit_changes(engine, make, inputs):
    model, x = make("functional"), inputs("functional")
    model.compile("sgd", "mse")
    target = np.ones((6, 3), "float32")
    model.layers[1].trainable = False
    model.compile("sgd", "mse")
    frozen, free = model.layers[1].get_weights(), model.layers[2].get_weights()
    model.fit(x, target, verbose=0)
    assert all(map(np.array_equal, frozen, model.layers[1].get_weights()))
    assert not any(map(np.array_equal, free, model.layers[2].get_weights()))
    model.layers[1].trainable = True
    model.compile("sgd", "mse")
    model.fit(x, target, verbose=0)
    assert not np.array_equal(frozen[0], model.layers[1].get_weights()[0])


def test_freezing_without_compiling_again_holds_too(make, inputs):
    model, x = make("functional"), inputs("functional")
    model.compile("adam", "mse")
    target = np.ones((6, 3), "float32")
    model.fit(x, target, verbose=0)
    model.layers[1].trainable = False
    frozen = model.layers[1].get_weights()
    model.fit(x, target, verbose=0)
    assert all(map(np.array_equal, frozen, model.layers[1].get_weights()))


def test_frozen_batch_normalization_runs_in_inference_mode():
    x = kerasish.Input((3,))
    model = kerasish.Model(x, layers.BatchNormalization()(x))
    model.trainable = False
    data = np.random.default_rng(0).normal(5, 2, (32, 3)).astype("float32")
    np.testing.assert_allclose(to_numpy(model(data, training=True)), data, rtol=1e-2)


def test_count_params_counts_shared_and_nested_weights_once(make):
    assert make("nested").count_params() == (4 * 3 + 3) + 2 * (3 * 2 + 2)


# -- configs and copies ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", GRAPHS)
def test_config_and_json_round_trips(name, make, inputs):
    model, x = make(name), inputs(name)
    expected = model(x)
    for copy in (
        type(model).from_config(json.loads(json.dumps(model.get_config()))),
        type(model).from_config(model.get_config()),
        kerasish.models.model_from_json(model.to_json()),
        kerasish.models.clone_model(model),
    ):
        copy.set_weights(model.get_weights())
        assert_same(copy(x), expected)
        assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
        assert [v.path for v in copy.weights] == [v.path for v in model.weights]
        assert copy.get_config() == model.get_config()


def test_lazy_sequential_round_trip(make):
    model = make("lazy_sequential")
    copy = kerasish.Sequential.from_config(model.get_config())
    assert not copy.built
    assert [layer.units for layer in copy.layers] == [5, 3]
    model.build((None, 4))
    copy = kerasish.Sequential.from_config(model.get_config())
    assert copy.built
    assert copy.count_params() == 43


def test_subclassed_round_trip(subclassed):
    model = subclassed(units=7)
    assert model.get_config()["units"] == 7
    assert subclassed.from_config(model.get_config()).units == 7
    assert kerasish.models.clone_model(model).units == 7


def test_clones_have_fresh_weights_of_their_own(make, inputs):
    model = make("functional")
    copy = kerasish.models.clone_model(model)
    assert not {id(v) for v in model.weights} & {id(v) for v in copy.weights}
    assert not np.array_equal(model.get_weights()[0], copy.get_weights()[0])


def test_clone_function_chooses_the_layers(make):
    def wider(layer):
        if isinstance(layer, layers.Dense) and layer.units == 5:
            return layers.Dense(9)
        return type(layer).from_config(layer.get_config())

    assert kerasish.models.clone_model(make("functional"), clone_function=wider).layers[1].units == 9


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "not JSON"),
        ("[1]", "does not describe a model"),
        ("3", "does not describe"),
        ('{"class_name": "Nope", "module": "keras", "config": {}}', "Nope"),
    ],
)
def test_bad_json_is_one_clear_error(text, match):
    with pytest.raises(KerasishError, match=match):
        kerasish.models.model_from_json(text)
