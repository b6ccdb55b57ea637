"""Layers: what models are made of. Names, arguments and configurations are Keras 3's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerasish.core.absent import explaining
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.layers import (
    activations,
    attention,
    convolution,
    core,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    reshaping,
)
from kerasish.layers.activations import *  # noqa: F403
from kerasish.layers.attention import *  # noqa: F403
from kerasish.layers.convolution import *  # noqa: F403
from kerasish.layers.core import *  # noqa: F403
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.merging import *  # noqa: F403
from kerasish.layers.normalization import *  # noqa: F403
from kerasish.layers.pooling import *  # noqa: F403
from kerasish.layers.preprocessing import *  # noqa: F403
from kerasish.layers.recurrent import *  # noqa: F403
from kerasish.layers.regularization import *  # noqa: F403
from kerasish.layers.reshaping import *  # noqa: F403


def serialize(layer: Layer) -> dict[str, Any]:
    """A layer as plain data.

    Example:
        >>> serialize(Dense(3))["class_name"]
        'Dense'
    """
    return serialize_keras_object(layer)  # type: ignore[no-any-return]


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer that `serialize` wrote.

    Raises:
        SavingError: The config is malformed.

    Example:
        >>> deserialize(serialize(Dense(3))).units
        3
    """
    return deserialize_keras_object(config, custom_objects)  # type: ignore[no-any-return]


__all__ = [
    "InputSpec",
    "Layer",
    "deserialize",
    "serialize",
    *activations.__all__,
    *attention.__all__,
    *convolution.__all__,
    *core.__all__,
    *merging.__all__,
    *normalization.__all__,
    *pooling.__all__,
    *preprocessing.__all__,
    *recurrent.__all__,
    *regularization.__all__,
    *reshaping.__all__,
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
