"""Callbacks: Keras' `keras.callbacks`."""

from __future__ import annotations

from kerasish.training import callbacks as _callbacks
from kerasish.training.callbacks import *  # noqa: F403

__all__ = list(_callbacks.__all__)
