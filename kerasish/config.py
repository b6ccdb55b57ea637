"""Settings: Keras' `keras.config`."""

from __future__ import annotations

from kerasish import __version__
from kerasish.core.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from kerasish.core.dtype_policy import dtype_policy, set_dtype_policy
from kerasish.core.registry import available_backends, backend, set_backend

__all__ = [
    "available_backends",
    "backend",
    "dtype_policy",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "version",
]


def version() -> str:
    """The version of kerasish."""
    return __version__
