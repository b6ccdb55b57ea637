"""Dtype policies: Keras' `keras.dtype_policies`."""

from __future__ import annotations

from kerasish.core.dtype_policy import DTypePolicy, get

__all__ = ["DTypePolicy", "get"]
