"""Transposed convolution over one, two and three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.errors import ArgumentError
from kerasish.layers.convolution.base import WindowedLayer
from kerasish.layers.options import config_of, positive, set_options, sizes


class BaseConvTranspose(WindowedLayer):
    """The transpose of a convolution, which enlarges; then bias and activation."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        positive(self, filters=filters)
        self.filters = int(filters)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = sizes(self, self.rank, minimum=0, output_padding=output_padding)
            if any(extra >= stride for extra, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ArgumentError(
                    "`output_padding` must be smaller than `strides`.",
                    where=type(self).__name__,
                    received=f"output_padding={self.output_padding}, strides={self.strides}",
                )
        self.use_bias = use_bias
        set_options(
            self,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        channels = self._channels(input_shape)
        self.kernel = self._add("kernel", (*self.kernel_size, self.filters, channels))
        if self.use_bias:
            self.bias = self._add("bias", (self.filters,))

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.conv_transpose(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=self.padding,
            output_padding=self.output_padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        return self._finish(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "filters",
                "kernel_size",
                "strides",
                "padding",
                "output_padding",
                "data_format",
                "dilation_rate",
                "activation",
                "use_bias",
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "kernel_constraint",
                "bias_constraint",
            ),
        }


class Conv1DTranspose(BaseConvTranspose):
    """Transposed convolution over time.

    Args:
        filters: Number of output channels F.
        kernel_size: Length K of the window.
        strides: How much larger the output is.
        padding: "valid", or "same" (output T · strides).
        output_padding: Extra size at the end, smaller than the strides; None chooses it.
        data_format: "channels_last" or "channels_first".
        dilation_rate: Distance of neighbours within the window.
        activation: Name or function.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (K, F, C).
        bias_initializer: Of the bias, shape (F,).
        kernel_regularizer: Penalty of the kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, T, C) -> (N, T', F).

    Example:
        >>> Conv1DTranspose(8, 3, strides=2, padding="same").compute_output_shape((None, 10, 2))
        (None, 20, 8)
    """

    rank: ClassVar[int] = 1


class Conv2DTranspose(BaseConvTranspose):
    """Transposed convolution over images. Arguments as of `Conv1DTranspose`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', F), or channels first; kernel (K, L, F, C).

    Example:
        >>> Conv2DTranspose(8, 3, strides=2, padding="same").compute_output_shape((None, 7, 7, 16))
        (None, 14, 14, 8)
    """

    rank: ClassVar[int] = 2


class Conv3DTranspose(BaseConvTranspose):
    """Transposed convolution over volumes. Arguments as of `Conv1DTranspose`, sizes for three axes.

    Shape: (N, D, H, W, C) -> (N, D', H', W', F), or channels first; kernel (*K, F, C).

    Example:
        >>> Conv3DTranspose(2, 2, strides=2).compute_output_shape((None, 3, 3, 3, 1))
        (None, 6, 6, 6, 2)
    """

    rank: ClassVar[int] = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = (1, 1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,  # in Keras it comes after data_format here, and before it in the other two
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
