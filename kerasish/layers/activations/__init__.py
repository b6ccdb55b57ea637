"""Activation functions as layers."""

from kerasish.layers.activations.activation import Activation
from kerasish.layers.activations.rectified import ELU, LeakyReLU, PReLU, ReLU
from kerasish.layers.activations.softmax import Softmax

__all__ = ["ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"]
