"""Callbacks: Keras' `keras.callbacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasish.core.absent import explaining
from kerasish.training import callbacks as _callbacks
from kerasish.training.callbacks import *  # noqa: F403

__all__ = list(_callbacks.__all__)

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
