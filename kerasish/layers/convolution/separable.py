"""Separable convolution: depthwise, then pointwise."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.layers.convolution.base import WindowedLayer
from kerasish.layers.options import config_of, positive, set_options


class BaseSeparableConv(WindowedLayer):
    """A depthwise convolution, a convolution with windows of size 1, bias and activation."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        positive(self, filters=filters, depth_multiplier=depth_multiplier)
        self.filters = int(filters)
        self.depth_multiplier = int(depth_multiplier)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.use_bias = use_bias
        set_options(
            self,
            activation=activation,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        depth = self.depth_multiplier
        self.depthwise_kernel = self._add(
            "depthwise", (*self.kernel_size, channels, depth), name="depthwise_kernel"
        )
        self.pointwise_kernel = self._add(
            "pointwise", (*(1,) * self.rank, channels * depth, self.filters), name="pointwise_kernel"
        )
        if self.use_bias:
            self.bias = self._add("bias", (self.filters,))

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.separable_conv(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self._finish(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "depth_multiplier",
                "filters",
                "kernel_size",
                "strides",
                "padding",
                "data_format",
                "dilation_rate",
                "activation",
                "use_bias",
                "depthwise_initializer",
                "pointwise_initializer",
                "bias_initializer",
                "depthwise_regularizer",
                "pointwise_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "depthwise_constraint",
                "pointwise_constraint",
                "bias_constraint",
            ),
        }


class SeparableConv1D(BaseSeparableConv):
    """Separable convolution over time.

    Args:
        filters: Number of output channels F.
        kernel_size: Length K of the window.
        strides: Step of the window.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: Distance of neighbours within the window.
        depth_multiplier: Depthwise kernels M for every channel.
        activation: Name or function.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the depthwise kernel, shape (K, C, M).
        pointwise_initializer: Of the pointwise kernel, shape (1, C · M, F).
        bias_initializer: Of the bias, shape (F,).
        depthwise_regularizer: Penalty of the depthwise kernel.
        pointwise_regularizer: Penalty of the pointwise kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        depthwise_constraint: Projection of the depthwise kernel after each update.
        pointwise_constraint: Projection of the pointwise kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, T, C) -> (N, T', F).

    Example:
        >>> SeparableConv1D(6, 3).compute_output_shape((None, 10, 4))
        (None, 8, 6)
    """

    rank: ClassVar[int] = 1


class SeparableConv2D(BaseSeparableConv):
    """Separable convolution over images. Arguments as of `SeparableConv1D`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', F), or channels first.

    Example:
        >>> SeparableConv2D(6, 3, padding="same").compute_output_shape((None, 8, 8, 4))
        (None, 8, 8, 6)
    """

    rank: ClassVar[int] = 2
