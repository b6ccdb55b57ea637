"""The rectifier and its relatives."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.errors import ArgumentError
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, set_options


def _not_negative(layer: Layer, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is None or value < 0:
            raise ArgumentError(f"`{name}` must not be negative.", where=type(layer).__name__, received=value)


class ReLU(Layer):
    """max(x, 0), or more generally: x above `threshold`, negative_slope·(x − threshold) below, at most `max_value`.

    Args:
        max_value: Upper limit; None for none.
        negative_slope: Slope below the threshold.
        threshold: Where the slope changes.
        **kwargs: `name`, `dtype`.

    Example:
        >>> ReLU(max_value=6.0)([-1.0, 2.0, 9.0]).tolist()
        [0.0, 2.0, 6.0]
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _not_negative(self, negative_slope=negative_slope, threshold=threshold)
        if max_value is not None:
            _not_negative(self, max_value=max_value)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        if self.threshold == 0:
            y = ops.leaky_relu(inputs, self.negative_slope) if self.negative_slope else ops.relu(inputs)
        else:
            below = ops.multiply(ops.subtract(inputs, self.threshold), self.negative_slope)
            y = ops.where(ops.greater(inputs, self.threshold), inputs, below)
        return y if self.max_value is None else ops.minimum(y, self.max_value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "max_value", "negative_slope", "threshold")}


class LeakyReLU(Layer):
    """x above 0, negative_slope·x below.

    Args:
        negative_slope: Slope below 0.
        **kwargs: `name`, `dtype`.

    Example:
        >>> LeakyReLU(0.5)([-1.0, 2.0]).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        _not_negative(self, negative_slope=negative_slope)
        self.negative_slope = negative_slope
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.leaky_relu(inputs, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "negative_slope")}


class PReLU(Layer):
    """x above 0, alpha·x below, with alpha learned (He et al. 2015).

    Args:
        alpha_initializer: Of alpha, which has the shape of one sample.
        alpha_regularizer: Penalty of alpha.
        alpha_constraint: Projection of alpha after each update.
        shared_axes: Axes (counted from 1) along which alpha has size 1.
        **kwargs: `name`, `dtype`.

    Example:
        >>> PReLU(alpha_initializer="ones")([[-1.0, 2.0]]).tolist()
        [[-1.0, 2.0]]
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        set_options(
            self,
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        self.shared_axes = shared_axes
        if shared_axes is not None:
            self.shared_axes = list(shared_axes) if isinstance(shared_axes, (list, tuple)) else [shared_axes]

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = self.add_weight(
            name="alpha",
            shape=shape,
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        axes = {i: n for i, n in enumerate(input_shape) if i and i not in (self.shared_axes or ())}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.add(ops.relu(inputs), ops.multiply(self.alpha, ops.minimum(inputs, 0.0)))

    def get_config(self) -> dict[str, Any]:
        config = config_of(self, "alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes")
        return {**super().get_config(), **config}


class ELU(Layer):
    """x above 0, alpha·(e^x − 1) below (Clevert et al. 2016).

    Args:
        alpha: −(limit at −∞).
        **kwargs: `name`, `dtype`.

    Example:
        >>> ELU()([0.0, 2.0]).tolist()
        [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "alpha")}
