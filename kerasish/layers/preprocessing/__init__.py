"""Layers that prepare data."""

from kerasish.layers.preprocessing.normalization import Normalization
from kerasish.layers.preprocessing.rescaling import Rescaling
from kerasish.layers.preprocessing.resizing import CenterCrop, Resizing

__all__ = ["CenterCrop", "Normalization", "Rescaling", "Resizing"]
