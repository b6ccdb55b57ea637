"""`BatchNormalization`."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.config import epsilon as small_number
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.core.variable import Variable
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, refuse, set_options


class BatchNormalization(Layer):
    """(inputs − mean)·gamma / √(variance + epsilon) + beta (Ioffe and Szegedy 2015).

    In training the statistics are those of the batch, and moving averages of them are kept:
    moving ← momentum·moving + (1 − momentum)·batch. Otherwise, and while `trainable` is False, those are used.

    Args:
        axis: The axis of the channels C, which are normalised each by itself.
        momentum: Of the moving averages.
        epsilon: Added to the variance.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta, shape (C,).
        gamma_initializer: Of gamma, shape (C,).
        moving_mean_initializer: Of the moving mean.
        moving_variance_initializer: Of the moving variance.
        beta_regularizer: Penalty of beta.
        gamma_regularizer: Penalty of gamma.
        beta_constraint: Projection of beta after each update.
        gamma_constraint: Projection of gamma after each update.
        renorm: Not offered.
        renorm_clipping: Not offered.
        renorm_momentum: Kept for the configuration.
        synchronized: Accepted: there is one replica.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: `inputs`; `training`; `mask`, (N, ...) without the channels: where False, an element does not count.

    Example:
        >>> [round(v, 3) for v in BatchNormalization()([[1.0], [3.0]], training=True)[:, 0].tolist()]
        [-1.0, 1.0]
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(self, renorm=renorm, renorm_clipping=renorm_clipping)
        if isinstance(axis, (list, tuple)):
            if len(axis) != 1:
                raise ArgumentError("`axis` must be one axis.", where=type(self).__name__, received=axis)
            axis = axis[0]
        self.axis = axis
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.synchronized = synchronized
        self.renorm, self.renorm_clipping, self.renorm_momentum = False, None, renorm_momentum
        set_options(
            self,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self.gamma: Variable | None = None
        self.beta: Variable | None = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        channels = input_shape[axis_index(self.axis, len(input_shape))]
        if channels is None:
            raise ShapeError(
                f"The size of axis {self.axis} must be known.",
                received=f"shape {input_shape}",
                hint="give it in Input(shape=...)",
            )
        if self.scale:
            self.gamma = _parameter(self, "gamma", (channels,))
        if self.center:
            self.beta = _parameter(self, "beta", (channels,))
        for name in ("moving_mean", "moving_variance"):
            initializer = getattr(self, f"{name}_initializer")
            weight = self.add_weight(
                name=name, shape=(channels,), initializer=initializer, trainable=False, autocast=False
            )
            setattr(self, name, weight)
        axis = axis_index(self.axis, len(input_shape))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if not training or not self.trainable:
            y = self._normalized(inputs, self.moving_mean, self.moving_variance)
        elif mask is None:
            y, mean, variance = ops.batch_normalization_train(
                inputs, axis=self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
            )
            self._move(mean, variance)
        else:
            mean, variance = self._masked_moments(ops.cast(inputs, self.variable_dtype), mask)
            y = self._normalized(inputs, mean, variance)
            self._move(mean, variance)
        return ops.cast(y, dtype_of(inputs))

    def _normalized(self, inputs: Tensor, mean: Any, variance: Any) -> Tensor:
        return ops.batch_normalization(
            inputs, mean, variance, axis=self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )

    def _masked_moments(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        rank = len(shape_of(x))
        others = [i for i in range(rank) if i != axis_index(self.axis, rank)]
        weights = ops.cast(mask, dtype_of(x))
        while len(shape_of(weights)) < rank:
            weights = ops.expand_dims(weights, -1)
        weights = ops.broadcast_to(weights, shape_of(x))
        total = ops.add(ops.sum(weights, axis=others, keepdims=True), small_number())
        mean = ops.divide(ops.sum(ops.multiply(x, weights), axis=others, keepdims=True), total)
        deviations = ops.multiply(ops.square(ops.subtract(x, mean)), weights)
        variance = ops.divide(ops.sum(deviations, axis=others), ops.squeeze(total, others))
        return ops.squeeze(mean, others), variance

    def _move(self, mean: Tensor, variance: Tensor) -> None:
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            # One multiplication less than momentum·moving + (1 − momentum)·batch.
            step = ops.multiply(ops.subtract(ops.cast(batch, moving.dtype), moving), 1.0 - self.momentum)
            moving.assign(ops.add(moving, step))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "axis",
                "momentum",
                "epsilon",
                "center",
                "scale",
                "beta_initializer",
                "gamma_initializer",
                "moving_mean_initializer",
                "moving_variance_initializer",
                "beta_regularizer",
                "gamma_regularizer",
                "beta_constraint",
                "gamma_constraint",
                "synchronized",
                "renorm",
                "renorm_clipping",
                "renorm_momentum",
            ),
        }


def _parameter(layer: Layer, kind: str, shape: tuple[int, ...]) -> Variable:
    """A "gamma" or "beta", kept in the variable dtype whatever the compute dtype."""
    return layer.add_weight(
        name=kind,
        shape=shape,
        initializer=getattr(layer, f"{kind}_initializer"),
        regularizer=getattr(layer, f"{kind}_regularizer"),
        constraint=getattr(layer, f"{kind}_constraint"),
        autocast=False,
    )
