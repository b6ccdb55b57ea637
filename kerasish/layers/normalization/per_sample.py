"""Normalisation of each sample by itself: layer, group, RMS and unit normalisation."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.core.variable import Variable
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.normalization.batch import _parameter
from kerasish.layers.options import config_of, set_options


def _known(input_shape: Any, axis: int) -> int:
    size = input_shape[axis_index(axis, len(input_shape))]
    if size is None:
        raise ShapeError(
            f"The size of axis {axis} must be known.",
            received=f"shape {input_shape}",
            hint="give it in Input(shape=...)",
        )
    return int(size)


def _axes(axis: Any) -> int | list[int]:
    return list(axis) if isinstance(axis, (list, tuple)) else axis


class _ScaledAndCentred(Layer):
    """Base of layers with an optional gamma and beta."""

    gamma: Variable | None
    beta: Variable | None

    def _set(self, epsilon: float, center: bool, scale: bool, **options: Any) -> None:
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        set_options(self, **options)
        self.gamma = None
        self.beta = None
        self.supports_masking = True

    def _add_parameters(self, shape: tuple[int, ...]) -> None:
        if self.scale:
            self.gamma = _parameter(self, "gamma", shape)
        if self.center:
            self.beta = _parameter(self, "beta", shape)

    def _config(self, *names: str) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                *names,
                "epsilon",
                "center",
                "scale",
                "beta_initializer",
                "gamma_initializer",
                "beta_regularizer",
                "gamma_regularizer",
                "beta_constraint",
                "gamma_constraint",
            ),
        }


class LayerNormalization(_ScaledAndCentred):
    """(inputs − mean)·gamma / √(variance + epsilon) + beta, statistics over `axis` (Ba, Kiros and Hinton 2016).

    Args:
        axis: Axis or axes that are averaged over.
        epsilon: Added to the variance.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta, which has the sizes of `axis`.
        gamma_initializer: Of gamma, which has the sizes of `axis`.
        beta_regularizer: Penalty of beta.
        gamma_regularizer: Penalty of gamma.
        beta_constraint: Projection of beta after each update.
        gamma_constraint: Projection of gamma after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> [round(v, 2) for v in LayerNormalization()([[1.0, 3.0]])[0].tolist()]
        [-1.0, 1.0]
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if rms_scaling:
            raise ArgumentError(
                "`rms_scaling` is not offered.", where=type(self).__name__, hint="use RMSNormalization"
            )
        self.rms_scaling = False
        self.axis = _axes(axis)
        self._set(
            epsilon,
            center,
            scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        self._add_parameters(tuple(_known(input_shape, a) for a in axes))

    def call(self, inputs: Tensor) -> Tensor:
        return ops.layer_normalization(
            inputs, gamma=self.gamma, beta=self.beta, axis=self.axis, epsilon=self.epsilon
        )

    def get_config(self) -> dict[str, Any]:
        return self._config("axis", "rms_scaling")


class GroupNormalization(_ScaledAndCentred):
    """(inputs − mean)·gamma / √(variance + epsilon) + beta, statistics over groups of channels (Wu and He 2018).

    Args:
        groups: Number of groups G; −1 for one group a channel.
        axis: The axis of the channels.
        epsilon: Added to the variance.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta, shape (C,).
        gamma_initializer: Of gamma, shape (C,).
        beta_regularizer: Penalty of beta.
        gamma_regularizer: Penalty of gamma.
        beta_constraint: Projection of beta after each update.
        gamma_constraint: Projection of gamma after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> GroupNormalization(2).compute_output_shape((None, 8, 8, 4))
        (None, 8, 8, 4)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups = groups
        self.axis = axis
        self._set(
            epsilon,
            center,
            scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        channels = _known(input_shape, self.axis)
        if self.groups == -1:
            self.groups = channels
        if self.groups < 1 or channels % self.groups:
            raise ShapeError(
                "The number of channels must be a multiple of `groups`.",
                expected=f"a multiple of {self.groups}",
                received=f"{channels} channels in shape {input_shape}",
            )
        self._add_parameters((channels,))
        axis = axis_index(self.axis, len(input_shape))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: channels})

    def call(self, inputs: Tensor) -> Tensor:
        shape, dtype = shape_of(inputs), dtype_of(inputs)
        axis = axis_index(self.axis, len(shape))
        channels = shape[axis]
        grouped = ops.reshape(
            inputs, (*shape[:axis], self.groups, channels // self.groups, *shape[axis + 1 :])
        )
        grouped = ops.cast(grouped, self.variable_dtype)
        averaged = [i for i in range(1, len(shape) + 1) if i != axis]
        mean, variance = ops.moments(grouped, axes=averaged, keepdims=True)
        y = ops.multiply(ops.subtract(grouped, mean), ops.rsqrt(ops.add(variance, self.epsilon)))
        y = ops.reshape(y, shape)
        along = tuple(channels if i == axis else 1 for i in range(len(shape)))
        if self.gamma is not None:
            y = ops.multiply(y, ops.reshape(self.gamma, along))
        if self.beta is not None:
            y = ops.add(y, ops.reshape(self.beta, along))
        return ops.cast(y, dtype)

    def get_config(self) -> dict[str, Any]:
        return self._config("groups", "axis")


class RMSNormalization(Layer):
    """inputs·scale / √(mean of inputs² + epsilon), the mean over `axis` (Zhang and Sennrich 2019).

    Args:
        axis: Axis or axes that are averaged over.
        epsilon: Added to the mean square.
        **kwargs: `name`, `dtype`, `trainable`.

    Example:
        >>> [round(v, 2) for v in RMSNormalization()([[3.0, -3.0]])[0].tolist()]
        [1.0, -1.0]
    """

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        axes = self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]
        shape = tuple(_known(input_shape, a) for a in axes)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones", autocast=False)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.rms_normalization(inputs, scale=self.scale, axis=self.axis, epsilon=self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "axis", "epsilon")}


class UnitNormalization(Layer):
    """inputs / √(Σ inputs²), the sum over `axis`: vectors of length 1.

    Args:
        axis: Axis or axes of one vector.
        **kwargs: `name`, `dtype`.

    Example:
        >>> [round(v, 2) for v in UnitNormalization()([[3.0, 4.0]])[0].tolist()]
        [0.6, 0.8]
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axes(axis)
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "axis")}
