"""Settings: Keras' `keras.config`, and `portable_randomness`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasish import __version__
from kerasish.core.absent import explaining
from kerasish.core.config import (
    epsilon,
    floatx,
    image_data_format,
    portable_randomness,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_portable_randomness,
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
    "portable_randomness",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_portable_randomness",
    "version",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)


def version() -> str:
    """The version of kerasish.

    Example:
        >>> version().count(".")
        2
    """
    return __version__
