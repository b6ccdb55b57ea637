"""What all convolution layers share: windows, layouts, bias, activation, configuration."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.variable import Variable
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, one_of, positive, set_options, sizes
from kerasish.ops.conv import add_bias, conv_bias


class WindowedLayer(Layer):
    """Base of layers that move a window over the spatial axes and add a bias."""

    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    def _set_window(
        self, kernel_size: Any, strides: Any, padding: str, data_format: str | None, dilation_rate: Any
    ) -> None:
        self.kernel_size = sizes(self, self.rank, kernel_size=kernel_size)
        self.strides = sizes(self, self.rank, strides=strides)
        self.dilation_rate = sizes(self, self.rank, dilation_rate=dilation_rate)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        one_of(self, self.paddings, padding=self.padding)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ArgumentError(
                "`strides` and `dilation_rate` cannot both be above 1.",
                where=type(self).__name__,
                received=f"strides={self.strides}, dilation_rate={self.dilation_rate}",
            )
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self.bias: Variable | None = None

    @property
    def _channel_axis(self) -> int:
        return -1 if self.data_format == "channels_last" else 1

    def _channels(self, input_shape: Any) -> int:
        """Number of input channels; fixes it for later calls."""
        if len(input_shape) != self.rank + 2:
            raise ShapeError(
                "The input has the wrong number of axes.",
                expected=f"{self.rank + 2} axes",
                received=f"shape {input_shape}",
                hint="x[..., None] adds a channel axis",
            )
        channels = input_shape[self._channel_axis]
        if channels is None:
            raise ShapeError(
                "The number of channels must be known.",
                received=f"shape {input_shape} ({self.data_format})",
                hint="give it in Input(shape=...)",
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self._channel_axis: channels})
        return int(channels)

    def _add(self, kind: str, shape: tuple[int, ...], name: str | None = None) -> Variable:
        """A weight with the initializer, regularizer and constraint of its kind ("kernel", "bias" ...)."""
        return self.add_weight(
            name=name or kind,
            shape=shape,
            initializer=getattr(self, f"{kind}_initializer"),
            regularizer=getattr(self, f"{kind}_regularizer"),
            constraint=getattr(self, f"{kind}_constraint"),
        )

    def _finish(self, y: Tensor) -> Tensor:
        """Add the bias and apply the activation."""
        return self.activation(y if self.bias is None else add_bias(y, self.bias, self.data_format))


class BaseConv(WindowedLayer):
    """activation(inputs ⋆ kernel + bias) over `rank` spatial axes."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
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
        positive(self, filters=filters, groups=groups)
        if filters % groups:
            raise ArgumentError(
                "`filters` must be a multiple of `groups`.",
                where=type(self).__name__,
                received=f"filters={filters}, groups={groups}",
            )
        self.filters = int(filters)
        self.groups = int(groups)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
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
        if channels % self.groups:
            raise ShapeError(
                "The number of input channels must be a multiple of `groups`.",
                expected=f"a multiple of {self.groups}",
                received=f"{channels} channels in shape {input_shape}",
            )
        self.kernel = self._add("kernel", (*self.kernel_size, channels // self.groups, self.filters))
        if self.use_bias:
            self.bias = self._add("bias", (self.filters,))

    def call(self, inputs: Tensor) -> Tensor:
        y = conv_bias(
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
                "filters",
                "kernel_size",
                "strides",
                "padding",
                "data_format",
                "dilation_rate",
                "groups",
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
