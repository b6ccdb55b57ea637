"""What Keras keeps in `keras.utils`: seeds, array helpers, data sets, serialization, pictures."""

from kerasish.core.objects import (
    CustomObjectScope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from kerasish.core.seeds import set_random_seed
from kerasish.models.plot import model_to_dot, plot_model
from kerasish.training.data import PyDataset
from kerasish.utils.arrays import normalize, pad_sequences, to_categorical

Sequence = PyDataset
custom_object_scope = CustomObjectScope

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "model_to_dot",
    "normalize",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]
