"""Pictures of models: Keras' `keras.visualization`."""

from __future__ import annotations

from kerasish.models.plot import model_to_dot, plot_model

__all__ = ["model_to_dot", "plot_model"]
