"""Normalisation layers."""

from kerasish.layers.normalization.batch import BatchNormalization
from kerasish.layers.normalization.per_sample import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from kerasish.layers.normalization.spectral import SpectralNormalization

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "SpectralNormalization",
    "UnitNormalization",
]
