"""What Keras keeps in `keras.utils`: seeds, array helpers, data sets, serialization, pictures."""

from typing import TYPE_CHECKING

from kerasish.backend import clear_session, is_keras_tensor, standardize_dtype
from kerasish.core.absent import explaining
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
from kerasish.training.structure import pack as pack_x_y_sample_weight
from kerasish.training.structure import unpack as unpack_x_y_sample_weight
from kerasish.utils.arrays import normalize, pad_sequences, to_categorical

Sequence = PyDataset
custom_object_scope = CustomObjectScope

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_keras_tensor",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "standardize_dtype",
    "to_categorical",
    "unpack_x_y_sample_weight",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
