"""Convolutions: Keras' arguments turned into the two primitives `conv` and `conv_transpose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError

__all__ = ["conv", "conv_transpose", "depthwise_conv", "separable_conv"]

Sizes = int | Sequence[int]
Pads = tuple[tuple[int, int], ...]


def sizes_of(value: Any, rank: int, name: str, *, minimum: int = 1) -> tuple[int, ...]:
    """An integer, or one for each spatial axis, as a tuple.

    Raises:
        ArgumentError: It is not.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    good = len(values) == rank and all(
        isinstance(v, int) or (hasattr(v, "__index__") and not isinstance(v, bool)) for v in values
    )
    if not good or any(v < minimum for v in values):
        raise ArgumentError(
            f"`{name}` must be an integer >= {minimum}, or {rank} of them.", received=f"{name}={value!r}"
        )
    return tuple(int(v) for v in values)


def explicit_pads(
    padding: str,
    spatial: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Pads:
    """The pads that "valid", "same" or "causal" stand for.

    Raises:
        UnknownNameError: `padding` is none of these.
    """
    mode = padding.lower() if isinstance(padding, str) else padding
    if mode == "valid":
        return ((0, 0),) * len(window)
    if mode == "same":
        each = zip(spatial, window, strides, dilation, strict=True)
        return tuple(shapes.same_padding(*sizes) for sizes in each)
    if mode == "causal" and len(window) == 1:
        return ((dilation[0] * (window[0] - 1), 0),)
    raise UnknownNameError.of(
        "padding", padding, ("valid", "same", *(["causal"] if len(window) == 1 else []))
    )


def to_channels_last(x: Tensor, data_format: str) -> Tensor:
    """(N, C, *S) -> (N, *S, C) if the data format says so."""
    rank = len(shape_of(x))
    if data_format == "channels_last" or rank < 3:
        return x
    return p.transpose(x, axes=(0, *range(2, rank), 1))


def from_channels_last(x: Tensor, data_format: str) -> Tensor:
    """(N, *S, C) -> (N, C, *S) if the data format says so."""
    rank = len(shape_of(x))
    if data_format == "channels_last" or rank < 3:
        return x
    return p.transpose(x, axes=(0, rank - 1, *range(1, rank - 1)))


@overridable
def _add_bias(x: Tensor, bias: Tensor, /) -> Tensor:
    """x + bias along the last axis: (..., C), (C,) -> (..., C); override name "add_bias"."""
    return p.add(x, bias)


@overridable
def _conv_bias(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    /,
    *,
    strides: tuple[int, ...],
    pads: Pads,
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """The primitive `conv`, then a bias (F,) added; override name "conv_bias"."""
    y = p.conv(x, kernel, strides=strides, pads=pads, dilation=dilation, groups=groups)
    return _add_bias(y, bias)


def add_bias(x: Any, bias: Any, data_format: str) -> Tensor:
    """x + bias along the axis of channels: (N, *S, C), (C,) -> (N, *S, C), or channels first; dtypes promoted."""
    x, bias = promoted(x, bias)
    if data_format == "channels_last":
        return _add_bias(x, bias)
    return p.add(x, p.reshape(bias, shape=(*shape_of(bias), *(1,) * (len(shape_of(x)) - 2))))


def _prepared(
    inputs: Any, kernel: Any, data_format: str | None, bias: Any = None
) -> tuple[Tensor, Tensor, Tensor | None, str]:
    """Input (channels last), kernel and bias of one dtype, ranks checked, and the layout."""
    layout = standardize_data_format(data_format)
    if bias is None:
        inputs, kernel = promoted(inputs, kernel)
    else:
        inputs, kernel, bias = promoted(inputs, kernel, bias)
    rank, wanted = len(shape_of(inputs)), len(shape_of(kernel))
    if wanted < 3 or rank != wanted:
        spatial = max(wanted - 2, 1)
        raise ShapeError(
            "The input has another number of axes than the kernel asks for.",
            expected=f"{spatial + 2} axes: batch, {spatial} spatial, channels ({layout})",
            received=f"input {shapes.show(shape_of(inputs))}, kernel {shapes.show(shape_of(kernel))}",
            hint="add the missing axis with ops.expand_dims, e.g. the batch (axis 0) or the channel (axis -1)",
        )
    return to_channels_last(inputs, layout), kernel, bias, layout


def _convolve(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    strides: Sizes,
    padding: str,
    dilation_rate: Sizes,
    groups: int,
) -> Tensor:
    window = shape_of(kernel)[:-2]
    rank = len(window)
    steps = sizes_of(strides, rank, "strides")
    dilation = sizes_of(dilation_rate, rank, "dilation_rate")
    pads = explicit_pads(padding, shape_of(x)[1:-1], window, steps, dilation)
    _window_fits(shape_of(x)[1:-1], window, pads, dilation)
    if bias is None:
        return p.conv(x, kernel, strides=steps, pads=pads, dilation=dilation, groups=groups)
    return _conv_bias(x, kernel, bias, strides=steps, pads=pads, dilation=dilation, groups=groups)


def _window_fits(spatial: Sequence[int], window: Sequence[int], pads: Pads, dilation: Sequence[int]) -> None:
    for size, span, (before, after), rate in zip(spatial, window, pads, dilation, strict=True):
        reach = rate * (span - 1) + 1
        if shapes.is_known(size) and size + before + after < reach:
            raise ShapeError(
                "The window is larger than the input, so that no output is left.",
                expected=f"spatial sizes of at least {reach}",
                received=f"spatial sizes {shapes.show(spatial)}, window {shapes.show(window)}",
                hint='padding="same", a smaller window or stride, or larger inputs',
            )


@op
def conv(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """Cross-correlation: y[n, t, f] = Σ x[n, t·stride + k·dilation − pad, c]·kernel[k, c, f].

    There may be 1, 2, 3 ... spatial axes.
    Fewer input channels in the kernel than in the input mean grouped convolution.

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        kernel: Shape (*K, C / groups, F).
        strides: Steps of the window, an integer or one for each spatial axis.
        padding: "valid" (none), "same" (output ceil(S / stride), the odd zero at the end), "causal" (one spatial axis:
            all zeros at the beginning).
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.
        dilation_rate: Distance of neighbours within the window.

    Shape: (N, *S, C), (*K, C / groups, F) -> (N, *T, F).

    Raises:
        ShapeError: Ranks or channels do not fit, or the window is larger than the input.

    Example:
        >>> conv([[[1.0], [2.0], [3.0]]], [[[1.0]], [[1.0]]]).tolist()
        [[[3.0], [5.0]]]
    """
    return conv_bias(inputs, kernel, None, strides, padding, data_format, dilation_rate)


def conv_bias(
    inputs: Any,
    kernel: Any,
    bias: Any,
    strides: Sizes,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
) -> Tensor:
    """`conv` and a bias, shape (F,) or None: what engines may do in one go."""
    x, kernel, bias, layout = _prepared(inputs, kernel, data_format, bias)
    channels, per_group = shape_of(x)[-1], shape_of(kernel)[-2]
    groups = channels // per_group if shapes.is_known(channels) and per_group else 1
    if shapes.is_known(channels) and (
        not per_group or channels % per_group or shape_of(kernel)[-1] % max(groups, 1)
    ):
        raise ShapeError(
            "The channels do not fit the kernel.",
            expected=f"a multiple of {per_group} input channels whose number of groups divides {shape_of(kernel)[-1]}",
            received=f"{channels} channels ({layout})",
            hint="check `data_format` and the number of channels",
        )
    return from_channels_last(_convolve(x, kernel, bias, strides, padding, dilation_rate, groups), layout)


def _depthwise(
    x: Tensor, kernel: Tensor, bias: Tensor | None, strides: Sizes, padding: str, dilation_rate: Sizes
) -> Tensor:
    *window, channels, multiplier = shape_of(kernel)
    found = shape_of(x)[-1]
    if not shapes.compatible(found, channels):
        raise ShapeError(
            "The channels do not fit the depthwise kernel.",
            expected=f"{channels} input channels",
            received=found,
        )
    kernel = p.reshape(kernel, shape=(*window, 1, channels * multiplier))
    return _convolve(x, kernel, bias, strides, padding, dilation_rate, channels)


@op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """A convolution of each channel by its own M kernels; channel c gives the outputs c·M ... c·M + M − 1.

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        kernel: Shape (*K, C, M).
        strides: As in `conv`.
        padding: As in `conv`.
        data_format: As in `conv`.
        dilation_rate: As in `conv`.

    Shape: (N, *S, C), (*K, C, M) -> (N, *T, C·M).

    Raises:
        ShapeError: Ranks or channels do not fit.

    Example:
        >>> depthwise_conv([[[1.0, 10.0], [2.0, 20.0]]], [[[1.0], [1.0]], [[1.0], [2.0]]]).tolist()
        [[[3.0, 50.0]]]
    """
    return depthwise_conv_bias(inputs, kernel, None, strides, padding, data_format, dilation_rate)


def depthwise_conv_bias(
    inputs: Any,
    kernel: Any,
    bias: Any,
    strides: Sizes,
    padding: str,
    data_format: str | None,
    dilation_rate: Sizes,
) -> Tensor:
    """`depthwise_conv` and a bias, shape (C·M,) or None: what engines may do in one go."""
    x, kernel, bias, layout = _prepared(inputs, kernel, data_format, bias)
    return from_channels_last(_depthwise(x, kernel, bias, strides, padding, dilation_rate), layout)


@op
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """A depthwise convolution, then one of window 1 that mixes the channels.

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        depthwise_kernel: Shape (*K, C, M).
        pointwise_kernel: Shape (1, ..., 1, C·M, F).
        strides: As in `conv`, of the depthwise part.
        padding: As in `conv`.
        data_format: As in `conv`.
        dilation_rate: As in `conv`, of the depthwise part.

    Shape: (N, *S, C) -> (N, *T, F).

    Raises:
        ShapeError: Ranks or channels do not fit.

    Example:
        >>> separable_conv([[[1.0], [2.0]]], [[[1.0]], [[1.0]]], [[[2.0]]]).tolist()
        [[[6.0]]]
    """
    x, depthwise_kernel, _, layout = _prepared(inputs, depthwise_kernel, data_format)
    x, depthwise_kernel, pointwise_kernel = promoted(x, depthwise_kernel, pointwise_kernel)
    x = _depthwise(x, depthwise_kernel, None, strides, padding, dilation_rate)
    return from_channels_last(_convolve(x, pointwise_kernel, None, 1, "valid", 1, 1), layout)


def _transposed_geometry(
    size: int, window: int, stride: int, rate: int, padding: str, extra: int | None
) -> tuple[int, tuple[int, int]]:
    """(output size, pads of the convolution it is the transpose of) along one axis."""
    reach = rate * (window - 1) + 1
    if padding not in ("valid", "same"):
        raise UnknownNameError.of("padding", padding, ("valid", "same"))
    if extra is None:
        if padding == "same":
            total = max(reach - stride, 0)
            return size * stride, (total // 2, total - total // 2)
        return size * stride + max(reach - stride, 0), (0, 0)
    if extra >= stride:
        raise ArgumentError(
            "`output_padding` must be smaller than `strides`.", expected=f"< {stride}", received=extra
        )
    if padding == "valid":
        return (size - 1) * stride + reach + extra, (0, 0)
    total = max(2 * (reach // 2) - extra, 0)
    return (size - 1) * stride + reach - 2 * (reach // 2) + extra, (total // 2, total - total // 2)


@op
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "valid",
    output_padding: Sizes | None = None,
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> Tensor:
    """The transpose of `conv`: each input element adds its multiple of the kernel to the output.

    With reach R = dilation·(K − 1) + 1 the output size is S·stride ("same"), S·stride + max(R − stride, 0)
    ("valid"); with an `output_padding` o it is (S − 1)·stride + R + o, less 2·⌊R/2⌋ for "same".

    Args:
        inputs: Shape (N, *S, C), or (N, C, *S) for "channels_first".
        kernel: Shape (*K, F, C).
        strides: As in `conv`.
        padding: "valid" or "same".
        output_padding: Extra size at the end, 0 <= output_padding < stride; None chooses it.
        data_format: As in `conv`.
        dilation_rate: As in `conv`.

    Shape: (N, *S, C), (*K, F, C) -> (N, *T, F).

    Raises:
        ShapeError: Ranks or channels do not fit.
        ArgumentError: `output_padding` is not smaller than the stride.

    Example:
        >>> conv_transpose([[[1.0], [2.0]]], [[[1.0]], [[1.0]]], strides=2).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """
    x, kernel, _, layout = _prepared(inputs, kernel, data_format)
    window = shape_of(kernel)[:-2]
    rank = len(window)
    steps = sizes_of(strides, rank, "strides")
    rates = sizes_of(dilation_rate, rank, "dilation_rate")
    extras: tuple[int | None, ...] = (None,) * rank
    if output_padding is not None:
        extras = sizes_of(output_padding, rank, "output_padding", minimum=0)
    mode = padding.lower() if isinstance(padding, str) else padding
    axes = zip(shape_of(x)[1:-1], window, steps, rates, extras, strict=True)
    geometry = [_transposed_geometry(s, w, st, r, mode, e) for s, w, st, r, e in axes]
    spatial = tuple(size for size, _ in geometry)
    pads = tuple(pair for _, pair in geometry)
    y = p.conv_transpose(x, kernel, strides=steps, pads=pads, dilation=rates, groups=1, spatial=spatial)
    return from_channels_last(y, layout)


def float_input(x: Tensor, dtype: str) -> Tensor:
    """Integers as floatx, for windows that average."""
    return x if dtypes.is_float(dtype) else p.cast(x, dtype=dtypes.promote(dtype, "float"))
