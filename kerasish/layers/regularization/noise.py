"""Noise in training, and penalties of activations."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops, regularizers
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, fraction
from kerasish.layers.regularization.dropout import RandomLayer, _resolved
from kerasish.ops import random
from kerasish.ops.random_normal import steady

# Of SELU (Klambauer et al. 2017).
_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


class GaussianNoise(RandomLayer):
    """In training adds normal noise.

    Args:
        stddev: Standard deviation of the noise.
        seed: An integer, for repeatable noise.
        **kwargs: `name`, `dtype`.

    Example:
        >>> GaussianNoise(0.1)([[1.0]], training=False).tolist()
        [[1.0]]
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(stddev, (int, float)) or stddev < 0:
            raise ArgumentError("`stddev` must not be negative.", where=type(self).__name__, received=stddev)
        self.stddev = stddev
        self._set_seed(seed, stddev > 0)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        # The inputs as the mean: noise · stddev is rounded before they are added, compiled code or not.
        return random.normal(
            shape_of(inputs), inputs, self.stddev, dtype_of(inputs), seed=self.seed_generator
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "stddev", "seed")}


class GaussianDropout(RandomLayer):
    """In training multiplies by normal noise of mean 1 and standard deviation √(rate / (1 − rate)).

    Args:
        rate: Fraction in [0, 1), as of `Dropout`.
        seed: An integer, for repeatable noise.
        **kwargs: `name`, `dtype`.

    Example:
        >>> GaussianDropout(0.1)([[1.0]], training=False).tolist()
        [[1.0]]
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        fraction(self, rate=rate)
        self.rate = rate
        self._set_seed(seed, rate > 0)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        stddev = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        noise = random.normal(shape_of(inputs), 1.0, stddev, dtype_of(inputs), seed=self.seed_generator)
        return ops.multiply(inputs, noise)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "rate", "seed")}


class AlphaDropout(RandomLayer):
    """Dropout that keeps the mean and variance of SELU activations (Klambauer et al. 2017).

    In training x = −αλ where dropped; then a·x + b with a = ((1 − rate)(1 + rate·α²λ²))^(−½), b = a·αλ·rate.

    Args:
        rate: Fraction in [0, 1] that is dropped.
        noise_shape: Shape of the mask, 1 where it is shared along an axis, None for the input's size.
        seed: An integer, for repeatable masks.
        **kwargs: `name`, `dtype`.

    Example:
        >>> AlphaDropout(0.1)([[1.0]], training=False).tolist()
        [[1.0]]
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        fraction(self, rate=rate)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self._set_seed(seed, rate > 0)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        lowest = -_ALPHA * _SCALE
        shape = _resolved(self.noise_shape, inputs) or shape_of(inputs)
        chance = random.uniform(shape, dtype="float32", seed=self.seed_generator)
        kept = ops.greater_equal(chance, self.rate)
        a = ((1 - self.rate) * (1 + self.rate * lowest**2)) ** -0.5 if self.rate < 1 else 0.0
        b = -a * lowest * self.rate
        scaled = ops.multiply(ops.where(kept, inputs, lowest), a)
        return ops.add(steady(scaled, ops.cast(ops.floor(chance), dtype_of(inputs))), b)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "rate", "seed", "noise_shape")}


class ActivityRegularization(Layer):
    """The inputs, unchanged; adds l1·Σ|x| + l2·Σx², divided by the batch size, to the loss.

    Args:
        l1: Factor of the absolute values.
        l2: Factor of the squares.
        **kwargs: `name`, `dtype`.

    Example:
        >>> ActivityRegularization(l2=0.1).compute_output_shape((None, 3))
        (None, 3)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, **config_of(self, "l1", "l2")}
