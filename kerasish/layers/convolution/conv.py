"""Convolution over one, two and three spatial axes."""

from __future__ import annotations

from typing import ClassVar

from kerasish.layers.convolution.base import BaseConv


class Conv1D(BaseConv):
    """Convolution over time: activation(inputs ⋆ kernel + bias).

    Args:
        filters: Number of output channels F.
        kernel_size: Length K of the window.
        strides: Step of the window.
        padding: "valid" (none), "same" (output ⌈T / strides⌉) or "causal" (all zeros before the start).
        data_format: "channels_last" or "channels_first".
        dilation_rate: Distance of neighbours within the window.
        groups: Number of groups that the channels fall into.
        activation: Name or function.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel, shape (K, C / groups, F).
        bias_initializer: Of the bias, shape (F,).
        kernel_regularizer: Penalty of the kernel.
        bias_regularizer: Penalty of the bias.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, T, C) -> (N, T', F).

    Example:
        >>> Conv1D(8, 3, padding="causal").compute_output_shape((None, 10, 2))
        (None, 10, 8)
    """

    rank: ClassVar[int] = 1
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same", "causal")


class Conv2D(BaseConv):
    """Convolution over images: activation(inputs ⋆ kernel + bias). Arguments as of `Conv1D`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', F), or channels first; kernel (K, L, C / groups, F).

    Example:
        >>> Conv2D(32, 3, activation="relu").compute_output_shape((None, 28, 28, 1))
        (None, 26, 26, 32)
    """

    rank: ClassVar[int] = 2


class Conv3D(BaseConv):
    """Convolution over volumes: activation(inputs ⋆ kernel + bias). Arguments as of `Conv1D`, sizes for three axes.

    Shape: (N, D, H, W, C) -> (N, D', H', W', F), or channels first; kernel (*K, C / groups, F).

    Example:
        >>> Conv3D(4, 2).compute_output_shape((None, 8, 8, 8, 1))
        (None, 7, 7, 7, 4)
    """

    rank: ClassVar[int] = 3
