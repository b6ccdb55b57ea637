"""Configs: what is written equals Keras', what is read is built from our own registry only."""

import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
import pytest

from kerasish import activations, initializers, losses, metrics, ops, optimizers, regularizers
from kerasish.core import objects
from kerasish.core.dtype_policy import DTypePolicy
from kerasish.core.errors import ArgumentError, SavingError, UnknownNameError
from kerasish.core.seeds import SeedGenerator
from kerasish.core.symbolic import SymbolicTensor
from kerasish.core.variable import Variable

serialize, deserialize = objects.serialize_keras_object, objects.deserialize_keras_object


@objects.register_keras_serializable("tests", "Scale")
class Scale:
    def __init__(self, factor, inner=None):
        self.factor = factor
        self.inner = inner

    def get_config(self):
        return {"factor": self.factor, "inner": self.inner}

    @classmethod
    def from_config(cls, config):
        return cls(config["factor"], deserialize(config["inner"]))


@objects.register_keras_serializable("tests")
def triple(x):
    return 3 * x


class Plain:
    def get_config(self):
        return {}


SAME_AS_KERAS = [
    (None, None),
    (3, 3),
    (1.5, 1.5),
    ("text", "text"),
    ([1, (2, "a")], [1, (2, "a")]),
    ({"a": (1, None)}, {"a": (1, None)}),
    (np.float32(1.5), np.float32(1.5)),
    (np.int64(2), np.int64(2)),
    (np.array(3), np.array(3)),
    (np.ones((2, 2), "float32"), np.ones((2, 2), "float32")),
    (np.arange(3), np.arange(3)),
    (slice(1, None, 2), slice(1, None, 2)),
    (..., ...),
    (b"bytes", b"bytes"),
    (initializers.GlorotUniform(seed=3), keras.initializers.GlorotUniform(seed=3)),
    (initializers.Constant(np.ones(2)), keras.initializers.Constant(np.ones(2))),
    (regularizers.L1L2(0.5, 0.25), keras.regularizers.L1L2(0.5, 0.25)),
    (losses.Huber(name="h"), keras.losses.Huber(name="h")),
    (metrics.Mean(), keras.metrics.Mean()),
    (activations.relu, keras.activations.relu),
    (losses.mean_squared_error, keras.losses.mean_squared_error),
    (DTypePolicy("mixed_bfloat16"), keras.DTypePolicy("mixed_bfloat16")),
    (SymbolicTensor((None, 3), "int32"), keras.KerasTensor((None, 3), "int32")),
]


@pytest.mark.parametrize("index", range(len(SAME_AS_KERAS)))
def test_written_as_keras_writes(index):
    ours, theirs = SAME_AS_KERAS[index]
    assert serialize(ours) == keras.saving.serialize_keras_object(theirs)
    json.dumps(serialize(ours))


def test_seed_generators_are_written_as_keras_writes():
    ours = serialize(SeedGenerator(3))
    theirs = keras.saving.serialize_keras_object(keras.random.SeedGenerator(3, name="seed_generator"))
    assert (ours["module"], ours["class_name"]) == (theirs["module"], theirs["class_name"])
    assert keras.saving.deserialize_keras_object(ours).get_config()["seed"] == 3
    assert deserialize(theirs).seed == 3


def test_tensors_and_variables():
    config = {"class_name": "__tensor__", "config": {"value": [1.0, 2.0], "dtype": "float32"}}
    assert serialize(Variable([1.0, 2.0])) == config
    read = deserialize(config)
    assert ops.is_tensor(read)
    assert ops.convert_to_numpy(read).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "value",
    [
        3,
        "plain text",
        [1, [2.5]],
        {"a": {"b": None}},
        slice(None, 3),
        ...,
        b"\xc3\xa9",
        activations.gelu,
        losses.hinge,
        ops.tanh,
        triple,
    ],
)
def test_round_trip_through_json(value):
    assert deserialize(json.loads(json.dumps(serialize(value)))) == value


def test_round_trip_of_arrays():
    read = deserialize(json.loads(json.dumps(serialize(np.arange(6, dtype="int16").reshape(2, 3)))))
    np.testing.assert_array_equal(read, np.arange(6).reshape(2, 3))
    assert read.dtype == np.int16


def test_tuples_marked_by_other_writers_are_read():
    assert deserialize({"class_name": "__tuple__", "items": [1, [2]]}) == (1, [2])


def test_symbolic_tensors_are_read():
    config = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 3], "dtype": "float32", "keras_history": None},
    }
    read = deserialize(config)
    assert (read.shape, read.dtype) == ((None, 3), "float32")
    history = objects.keras_tensor_config(read, ("dense", 0, 1))["config"]["keras_history"]
    assert history == ["dense", 0, 1]


def test_registered_objects():
    config = serialize(Scale(2, Scale(3)))
    assert (config["module"], config["class_name"], config["registered_name"]) == (
        None,
        "Scale",
        "tests>Scale",
    )
    again = deserialize(json.loads(json.dumps(config)))
    assert (again.factor, again.inner.factor) == (2, 3)
    assert serialize(triple)["config"] == "tests>triple"
    assert objects.get_registered_name(Scale) == "tests>Scale"
    assert objects.get_registered_object("tests>Scale") is Scale


def test_custom_objects():
    config = serialize(Plain())
    with pytest.raises(UnknownNameError, match="register_keras_serializable"):
        deserialize(config)
    assert isinstance(deserialize(config, custom_objects={"Plain": Plain}), Plain)
    with objects.custom_object_scope({"Plain": Plain}):
        assert isinstance(deserialize(config), Plain)
        with objects.CustomObjectScope({"Other": Scale}):
            assert isinstance(deserialize(config), Plain)
    assert objects.get_registered_object("Plain") is None
    objects.get_custom_objects()["Plain"] = Plain
    try:
        assert isinstance(deserialize(config), Plain)
    finally:
        del objects.get_custom_objects()["Plain"]


@pytest.mark.parametrize("module", ["keras.initializers", "keras.src.initializers.constant_initializers"])
def test_modules_of_old_and_new_files(module):
    config = {"module": module, "class_name": "Zeros", "config": {}, "registered_name": None}
    assert isinstance(deserialize(config), initializers.Zeros)


def test_modules_of_files_that_keras_wrote_on_torch():
    module = "keras.src.backend.torch.optimizers.torch_adam"
    config = {"module": module, "class_name": "Adam", "config": {}, "registered_name": "Adam"}
    assert isinstance(deserialize(config), optimizers.Adam)


HOSTILE = [
    {"module": "keras.src.backend", "class_name": "Adam", "config": {}, "registered_name": None},
    {"module": "os", "class_name": "system", "config": "true", "registered_name": None},
    {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}, "registered_name": None},
    {"module": "this_module_must_not_be_imported", "class_name": "X", "config": {}, "registered_name": None},
    {"module": "kerasish.core.objects", "class_name": "_imported", "config": {}, "registered_name": None},
    {"module": "keras.initializers", "class_name": "__builtins__", "config": {}, "registered_name": None},
    {"module": "keras.initializers", "class_name": "Family", "config": {}, "registered_name": None},
    {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
    {"module": "builtins", "class_name": "function", "config": "_read", "registered_name": "function"},
    {"module": "keras.layers", "class_name": "NoSuchLayer", "config": {}, "registered_name": None},
]


@pytest.mark.parametrize("config", HOSTILE)
def test_nothing_outside_the_registry_is_reached(config):
    with pytest.raises((UnknownNameError, SavingError)):
        deserialize(config, safe_mode=False)
    assert "this_module_must_not_be_imported" not in sys.modules


def test_misspelt_names_get_a_suggestion():
    config = {
        "module": "keras.initializers",
        "class_name": "GlorotUnifrm",
        "config": {},
        "registered_name": None,
    }
    with pytest.raises(UnknownNameError, match="GlorotUniform"):
        deserialize(config)


def test_wrong_arguments_are_explained():
    config = {
        "module": "keras.initializers",
        "class_name": "RandomNormal",
        "config": {"mu": 1},
        "registered_name": None,
    }
    with pytest.raises(SavingError, match="RandomNormal"):
        deserialize(config)


def test_lambdas_need_unsafe_mode():
    offset = 10
    config = json.loads(json.dumps(serialize(lambda x, y=2: x + y + offset)))
    with pytest.raises(SavingError, match="safe_mode=False"):
        deserialize(config)
    assert deserialize(config, safe_mode=False)(1) == 13
    assert keras.saving.deserialize_keras_object(config, safe_mode=False)(1) == 13
    with pytest.raises(SavingError, match="lambda"):
        deserialize({"a": [config]})


def test_safe_mode_of_the_outer_load_wins():
    class Holder:
        def __init__(self, function):
            self.function = function

        def get_config(self):
            return {"function": self.function}

        @classmethod
        def from_config(cls, config):
            return cls(deserialize(config["function"], safe_mode=False))

    config = serialize(Holder(lambda x: x))
    with pytest.raises(SavingError, match="lambda"):
        deserialize(config, custom_objects={"Holder": Holder})
    assert deserialize(config, custom_objects={"Holder": Holder}, safe_mode=False).function(4) == 4


@pytest.mark.filterwarnings(
    "ignore:The object being serialized includes a `lambda`:UserWarning"
)  # Keras' own
def test_lambdas_of_keras_are_read():
    config = keras.saving.serialize_keras_object(lambda x, y=2: x * y)
    assert deserialize(config, safe_mode=False)(5) == 10


def test_what_cannot_be_written():
    with pytest.raises(SavingError, match="get_config"):
        serialize(object())
    with pytest.raises(SavingError, match="get_config"):
        serialize({1, 2})
    with pytest.raises(ArgumentError, match="get_config"):
        objects.register_keras_serializable()(type("NoConfig", (), {}))


def test_build_and_compile_configs_are_written_and_applied():
    @objects.register_keras_serializable("tests")
    class Built:
        built = False

        def get_config(self):
            return {}

        def get_build_config(self):
            return {"input_shape": (None, 3)}

        def build_from_config(self, config):
            self.built_with = config["input_shape"]

        def get_compile_config(self):
            return {"optimizer": "sgd"}

        def compile_from_config(self, config):
            self.compiled_with = config

    config = json.loads(json.dumps(serialize(Built())))
    assert config["build_config"] == {"input_shape": [None, 3]}
    again = deserialize(config)
    assert again.built_with == [None, 3]
    assert again.compiled_with == {"optimizer": "sgd"}
