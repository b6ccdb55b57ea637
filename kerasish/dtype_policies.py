"""Dtype policies: Keras' `keras.dtype_policies`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasish.core.absent import explaining
from kerasish.core.dtype_policy import DTypePolicy, get
from kerasish.core.objects import serialize_keras_object

FloatDTypePolicy = DTypePolicy

__all__ = ["DTypePolicy", "FloatDTypePolicy", "deserialize", "get", "serialize"]


def serialize(dtype_policy: DTypePolicy) -> Any:
    """A policy as a config.

    Example:
        >>> serialize(DTypePolicy("mixed_float16"))["config"]
        {'name': 'mixed_float16'}
    """
    return serialize_keras_object(dtype_policy)


def deserialize(config: Any, custom_objects: Any = None) -> DTypePolicy:
    """A policy from its config; `custom_objects` is accepted as Keras does.

    Example:
        >>> deserialize(serialize(DTypePolicy("mixed_float16"))).compute_dtype
        'float16'
    """
    return get(config)


if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
