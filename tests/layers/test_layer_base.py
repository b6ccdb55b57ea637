"""`Layer` itself: tracking, names, building, calls, losses, configuration."""

from __future__ import annotations

import copy
import gc

import numpy as np
import pytest

import kerasish
from kerasish import layers, ops
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, GraphError, NotBuiltError, ShapeError
from kerasish.layers import calling

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture
def native():
    with kerasish.use_backend("native"):
        yield


class Block(layers.Layer):
    """Two dense layers, one weight of its own."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = layers.Dense(units)
        self.second = layers.Dense(units)

    def build(self, input_shape):
        self.offset = self.add_weight(shape=(self.units,), trainable=False, name="offset")
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")
        self.first.build(input_shape)
        self.second.build((None, self.units))

    def call(self, x, training=None):
        self.seen = training
        return self.second(self.first(x)) * self.gain + self.offset


def test_weights_are_in_keras_order_and_named():
    block = Block(name="block")
    block.build((None, 2))
    assert [w.path for w in block.weights] == [
        "block/gain",
        "block/offset",
        "block/dense/kernel",
        "block/dense/bias",
        "block/dense_1/kernel",
        "block/dense_1/bias",
    ]
    assert [w.name for w in block.non_trainable_weights] == ["offset"]
    assert block.count_params() == 1 + 3 + 9 + 12
    assert block.get_build_config() == {"input_shape": (None, 2)}


def test_equal_code_gives_equal_names():
    for _ in range(2):
        assert [layer.name for layer in (Block().first, Block().second)] == ["dense", "dense_1"]


def test_a_layer_built_in_its_parents_call_knows_its_path():
    class Late(layers.Layer):
        def __init__(self):
            super().__init__(name="late")
            self.inner = Block(name="inner")

        def call(self, x):
            return self.inner(x)

    late = Late()
    late(np.ones((1, 2)))
    assert late.weights[0].path == "late/inner/gain"
    assert late.weights[-1].path == "late/inner/dense_1/bias"


def test_freezing_goes_down_and_stops_at_shared_weights():
    block = Block()
    block.build((None, 2))
    block.first.trainable = False
    assert len(block.trainable_weights) == 3
    assert [w.name for w in block.non_trainable_weights] == ["offset", "kernel", "bias"]
    block.trainable = False
    assert block.trainable_weights == []
    assert len(block.non_trainable_weights) == 6
    block.trainable = True
    assert len(block.trainable_weights) == 5


def test_lists_and_dicts_are_tracked_both_ways():
    layer = layers.Layer()
    a, b, c = (layers.Dense(1) for _ in range(3))
    layer.items = [a, {"b": b}]
    layer.items.append(c)
    assert layer._sublayers == [a, b, c]
    layer.items.pop()
    assert layer._sublayers == [a, b]
    layer.again = a
    layer.items = []
    assert layer._sublayers == [a]
    del layer.again
    assert layer._sublayers == []


def test_what_is_taken_away_is_forgotten_after_it_was_listed():
    class Pair(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(2), layers.Dense(3)
            self.scale = self.add_weight(shape=(2,), name="scale")

        def call(self, x):
            return self.second(self.first(x))

    pair = Pair()
    pair(np.ones((1, 2), "float32"))
    assert len(pair.weights) == 5
    assert len(list(pair._flatten_layers())) == 3
    pair.first, pair.scale = None, None
    assert len(pair.weights) == 2
    assert len(list(pair._flatten_layers())) == 2
    assert pair.engine.name == "native"


def test_attributes_set_before_the_base_constructor_are_tracked():
    class Hasty(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(1)
            super().__init__()

        def call(self, x):
            return self.inner(x)

    assert len(Hasty()._sublayers) == 1


def test_forgotten_base_constructor_is_explained():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.units = 1

    with pytest.raises(NotBuiltError, match="super"):
        Forgetful()(np.ones((1, 1)))


@pytest.mark.parametrize(("outer", "expected"), [(None, None), (True, True), (False, False)])
def test_training_flag_reaches_inner_layers(outer, expected):
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Block()

        def call(self, x):
            return self.inner(x)

    layer = Outer()
    layer(np.ones((1, 2)), training=outer)
    assert layer.inner.seen is expected


def test_what_an_inner_call_sets_ends_with_it():
    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.told, self.untold = Block(dtype="float32"), Block(dtype="float32")

        def build(self, input_shape):
            self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

        def call(self, x):
            self.told(x, training=True)
            self.untold(x)
            return self.gain.dtype

    outer = Outer(dtype="mixed_float16")
    assert outer(np.ones((1, 2))) == "float16"
    assert outer.told.seen is True
    assert outer.untold.seen is None


def test_default_training_of_the_signature_holds():
    class Eager(layers.Layer):
        def call(self, x, training=True):
            return ops.multiply(x, 2.0) if training else x

    assert Eager()([1.0]).tolist() == [2.0]
    assert Eager()([1.0], training=False).tolist() == [1.0]


def test_losses_are_those_of_the_last_call():
    class Penal(layers.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    layer = Penal()
    for _ in range(2):
        layer(np.ones((2, 3)))
        assert [float(v) for v in layer.losses] == [6.0]
    dense = layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1", kernel_initializer="ones")
    dense(np.ones((2, 3)))
    dense(np.ones((2, 3)))
    assert [float(v) for v in dense.losses] == pytest.approx([0.01 * 12 / 2, 0.01 * 6])


def test_activity_regularization_layer_adds_its_penalty():
    layer = layers.ActivityRegularization(l1=0.1, l2=0.2)
    layer(np.full((2, 3), 2.0))
    assert float(layer.losses[0]) == pytest.approx((0.1 * 12 + 0.2 * 24) / 2)


def test_stateless_call_leaves_the_layer_alone():
    layer = layers.BatchNormalization(momentum=0.5)
    layer.build((None, 2))
    before = layer.get_weights()
    gamma, beta = (ops.convert_to_tensor(np.full(2, v, "float32")) for v in (2.0, 1.0))
    buffers = [v.value for v in layer.non_trainable_variables]
    y, updated = layer.stateless_call(
        [gamma, beta], buffers, np.array([[0.0, 1.0], [2.0, 3.0]]), training=True
    )
    np.testing.assert_allclose(to_numpy(y), [[-1, -1], [3, 3]], atol=2e-3)
    np.testing.assert_allclose(to_numpy(updated[0]), [0.5, 1.0])
    for mine, kept in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, kept)
    with pytest.raises(ShapeError, match="number of values"):
        layer.stateless_call([gamma], buffers, np.ones((2, 2)))


def test_frozen_batch_normalization_uses_moving_statistics():
    layer = layers.BatchNormalization()
    x = np.array([[1.0], [5.0]], "float32")
    layer.trainable = False
    y = layer(x, training=True)
    np.testing.assert_allclose(to_numpy(y), x / np.sqrt(1.001), rtol=1e-5)
    assert layer.moving_mean.numpy().tolist() == [0.0]


def test_custom_config_is_captured():
    class Scale(layers.Layer):
        def __init__(self, factor, offset=1, **kwargs):
            super().__init__(**kwargs)
            self.factor, self.offset = factor, offset

        def call(self, x):
            return x * self.factor + self.offset

    config = Scale(2.0, name="s").get_config()
    assert config["factor"] == 2.0
    assert config["name"] == "s"
    assert Scale.from_config(config)([1.0]).tolist() == [3.0]


def test_set_weights_is_all_or_nothing():
    layer = layers.Dense(2)
    layer.build((None, 3))
    before = layer.get_weights()
    with pytest.raises(ShapeError, match="another shape"):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    with pytest.raises(ShapeError, match="number of weights"):
        layer.set_weights([np.ones((3, 2))])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])


def test_variables_begin_as_initializers_of_a_name_say(engine):
    variable = kerasish.Variable(initializer="ones", shape=(2, 3), dtype="int32")
    assert (variable.dtype, variable.numpy().tolist()) == ("int32", [[1] * 3] * 2)


def test_own_variables_survive_a_store():
    one, two = layers.BatchNormalization(), layers.BatchNormalization()
    one.build((None, 2))
    two.build((None, 2))
    one.set_weights([np.full(2, float(i)) for i in range(4)])
    store: dict[str, np.ndarray] = {}
    one.save_own_variables(store)
    two.load_own_variables(store)
    assert [w.tolist() for w in two.get_weights()] == [[float(i)] * 2 for i in range(4)]
    with pytest.raises(ShapeError, match="build the layer first"):
        layers.BatchNormalization().load_own_variables(store)


def test_moving_to_another_engine(engine):
    if engine.name == "native":
        pytest.skip("that is where it starts")
    with kerasish.use_backend("native"):
        layer = Block()
        x = np.ones((2, 4), "float32")
        y = layer(x)
        layer.to_backend(engine)
        assert layer.engine is engine
        moved = layer(x)
    assert engine.is_tensor(moved)
    np.testing.assert_allclose(to_numpy(moved), y, rtol=1e-6)


def test_float_inputs_take_the_compute_dtype_and_others_do_not():
    seen = []

    class Look(layers.Layer):
        def call(self, x, other=None):
            seen.append((str(x.dtype), str(other.dtype)))
            return x

    Look(dtype="float16")(np.ones(2), other=np.ones(2, "int32"))
    Look(dtype="float32", autocast=False)(np.ones(2), other=np.ones(2, "float16"))
    assert seen == [("float16", "int32"), ("float64", "float16")]


def test_mixed_precision_keeps_float32_weights_and_computes_in_16_bits():
    layer = layers.Dense(2, dtype="mixed_bfloat16")
    y = layer(np.ones((1, 3)))
    assert str(y.dtype) == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}
    assert layer.compute_dtype == "bfloat16"
    assert layer.variable_dtype == layer.dtype == "float32"


def test_nested_layers_each_follow_their_own_policy():
    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.half = layers.Dense(2, dtype="mixed_float16")
            self.full = layers.Dense(2, dtype="float32")

        def call(self, x):
            middle = self.half(x)
            assert str(middle.dtype) == "float16"
            return self.full(middle)

    assert str(Outer(dtype="mixed_float16")(np.ones((1, 3))).dtype) == "float32"


def test_symbolic_call_records_one_node_and_builds():
    x = kerasish.Input((4,), name="x")
    layer = layers.Dense(2)
    y = layer(x)
    assert layer.built
    assert y.node.operation is layer
    assert y.node.inputs == [x]
    assert layer.input is x
    assert layer.output is y
    with pytest.raises(GraphError, match="never called on an Input"):
        _ = layers.Dense(2).output


def test_custom_compute_output_spec_is_used():
    class Told(layers.Layer):
        def call(self, x):
            raise AssertionError("shape inference must not come here")

        def compute_output_spec(self, x):
            return kerasish.KerasTensor((*x.shape, 7), x.dtype)

    assert Told()(kerasish.Input((3,))).shape == (None, 3, 7)


def test_a_layer_can_be_copied():
    layer = layers.Dense(2)
    layer(np.ones((1, 3)))
    twin = copy.deepcopy(layer)
    twin.kernel.assign(np.zeros((3, 2)))
    assert not np.allclose(layer.kernel.numpy(), 0)
    assert twin.weights[0] is twin.kernel


class _NeedsMask(layers.Layer):
    """Asks for its mask, as layers that weigh time steps do, and cannot do without."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return inputs * ops.expand_dims(ops.cast(mask, inputs.dtype), -1)


class _NeedsMaskWithSpec(_NeedsMask):
    def compute_output_spec(self, inputs, mask=None):
        return kerasish.KerasTensor(inputs.shape, inputs.dtype)


@pytest.mark.parametrize(
    "chain",
    [
        lambda: [_NeedsMask()],
        lambda: [layers.Dense(2), layers.Dropout(0.5), _NeedsMask()],
        lambda: [_NeedsMaskWithSpec(), _NeedsMask()],
        lambda: [layers.LSTM(3, return_sequences=True), _NeedsMask()],
    ],
    ids=["next", "through layers", "through a layer that declares its shape", "through a recurrent layer"],
)
def test_masks_are_there_while_a_functional_model_is_built(chain):
    ids = kerasish.Input((None,), dtype="int32")
    x = layers.Embedding(5, 2, mask_zero=True)(ids)
    for layer in chain():
        x = layer(x)
    inner = kerasish.Model(ids, x)
    model = kerasish.Model(ids, _NeedsMask()(inner(ids)))
    y = ops.convert_to_numpy(model(np.array([[1, 2, 0]])))
    assert y.shape[:2] == (1, 3)
    assert np.abs(y[0, :2]).sum() > 0
    assert not y[0, 2].any()


def test_masks_pass_between_eager_calls_and_are_not_kept_alive():
    embedding = layers.Embedding(5, 2, mask_zero=True)
    y = embedding(np.array([[1, 2, 0]]))
    average = layers.GlobalAveragePooling1D()(y)
    np.testing.assert_allclose(to_numpy(average), to_numpy(y)[:, :2].mean(axis=1), rtol=1e-6)
    key = id(y)
    assert key in calling._LOOSE
    del y, average
    gc.collect()
    assert key not in calling._LOOSE


def test_unknown_arguments_are_named():
    with pytest.raises(ArgumentError, match="did you mean 'units'"):
        layers.Dense(3, unit=3)
    with pytest.raises(ArgumentError, match="string"):
        layers.Dense(3, name=3)
