"""Depthwise convolution: every channel has kernels of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish.core.contract import Tensor
from kerasish.layers.convolution.base import WindowedLayer
from kerasish.layers.options import config_of, positive, set_options
from kerasish.ops.conv import depthwise_conv_bias


class BaseDepthwiseConv(WindowedLayer):
    """`depth_multiplier` kernels for every channel, then bias and activation."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        positive(self, depth_multiplier=depth_multiplier)
        self.depth_multiplier = int(depth_multiplier)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.use_bias = use_bias
        set_options(
            self,
            activation=activation,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self._add(
            "depthwise", (*self.kernel_size, channels, self.depth_multiplier), name="kernel"
        )
        if self.use_bias:
            self.bias = self._add("bias", (channels * self.depth_multiplier,))

    def call(self, inputs: Tensor) -> Tensor:
        y = depthwise_conv_bias(
            inputs,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "depth_multiplier",
                "kernel_size",
                "strides",
                "padding",
                "data_format",
                "dilation_rate",
                "activation",
                "use_bias",
                "depthwise_initializer",
                "bias_initializer",
                "depthwise_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "depthwise_constraint",
                "bias_constraint",
            ),
        }


class DepthwiseConv1D(BaseDepthwiseConv):
    """Depthwise convolution over time.

    Args:
        kernel_size: Length K of the window.
        strides: Step of the window.
        padding: "valid" or "same".
        depth_multiplier: Kernels M for every channel.
        data_format: "channels_last" or "channels_first".
        dilation_rate: Distance of neighbours within the window.
        activation: Name or function.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the kernel, shape (K, C, M).
        bias_initializer: Of the bias, shape (C · M,).
        depthwise_regularizer: Penalty of the kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        depthwise_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, T, C) -> (N, T', C · M).

    Example:
        >>> DepthwiseConv1D(3, depth_multiplier=2).compute_output_shape((None, 10, 4))
        (None, 8, 8)
    """

    rank: ClassVar[int] = 1


class DepthwiseConv2D(BaseDepthwiseConv):
    """Depthwise convolution over images. Arguments as of `DepthwiseConv1D`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', C · M), or channels first; kernel (K, L, C, M).

    Example:
        >>> DepthwiseConv2D(3, padding="same").compute_output_shape((None, 8, 8, 4))
        (None, 8, 8, 4)
    """

    rank: ClassVar[int] = 2
