"""Pictures of models: Keras' `keras.visualization`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasish.core.absent import explaining
from kerasish.models.plot import model_to_dot, plot_model

__all__ = ["model_to_dot", "plot_model"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
