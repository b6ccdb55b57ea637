"""`Dense` and the fused composite beneath it."""

from __future__ import annotations

from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, promoted, shape_of
from kerasish.core.dispatch import overridable
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, positive, refuse, set_options


@overridable
def _dense(x: Tensor, kernel: Tensor, bias: Tensor | None, /) -> Tensor:
    """x·kernel + bias over the last axis of x: (..., C), (C, F), (F,) or None -> (..., F); override name "dense"."""
    shape = shape_of(x)
    # One matrix product whatever the rank: so is the gradient of the kernel.
    flat = x if len(shape) == 2 else p.reshape(x, shape=(shapes.size_of(shape[:-1]), shape[-1]))
    y = p.matmul(flat, kernel)
    if bias is not None:
        y = p.add(y, bias)
    return y if len(shape) == 2 else p.reshape(y, shape=(*shape[:-1], shape_of(kernel)[1]))


def dense(x: Any, kernel: Any, bias: Any = None) -> Tensor:
    """x·kernel + bias over the last axis of x, dtypes promoted.

    Shape: (..., C), (C, F), (F,) -> (..., F).
    """
    kernel = plain(kernel)
    bias = plain(bias)
    if dtype_of(x) != dtype_of(kernel):
        if bias is None:
            x, kernel = promoted(x, kernel)
        else:
            x, kernel, bias = promoted(x, kernel, bias)
    return _dense(x, kernel, bias)


class Dense(Layer):
    """activation(inputs · kernel + bias), over the last axis.

    Args:
        units: Number of outputs F.
        activation: Name or function; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (C, F).
        bias_initializer: Of the bias, shape (F,).
        kernel_regularizer: Penalty of the kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        lora_rank: Not offered.
        lora_alpha: Not offered.
        quantization_config: Not offered.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, ..., C) -> (N, ..., F).

    Example:
        >>> Dense(3).compute_output_shape((None, 5))
        (None, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        positive(self, units=units)
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        self.units = int(units)
        self.use_bias = use_bias
        self.quantization_config = None
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
        self.bias = None
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(channels, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: channels})

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self.activation(dense(inputs, self.kernel, self.bias))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "units",
                "activation",
                "use_bias",
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "kernel_constraint",
                "bias_constraint",
                "quantization_config",
            ),
        }
