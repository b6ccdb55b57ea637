"""Convolution and pooling. Channels last, explicit pads, any number of spatial axes.

Shapes: x (N, *S, C); kernel (*K, C / groups, F); result (N, *T, F).
"""

from __future__ import annotations

from typing import Any

from kerasish.core import shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.primitive import primitive

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def _positions(spatial: shapes.Shape, window: Ints, strides: Ints, pads: Pads, dilation: Ints) -> list[int]:
    return [
        shapes.window_output(s, w, st, p, d)
        for s, w, st, p, d in zip(spatial, window, strides, pads, dilation, strict=True)
    ]


@primitive
def conv(x: Any, kernel: Any, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Any:
    """Cross-correlation: y[n, t, f] = Σ_{k,c} x[n, t·stride − pad + k·dilation, c] · kernel[k, c, f], zeros outside."""
    if x.dtype != kernel.dtype:
        raise DTypeError("Input and kernel need one dtype.", received=f"{x.dtype} and {kernel.dtype}")
    if len(x.shape) != len(kernel.shape):
        raise ShapeError(
            "The input has another number of axes than the kernel.",
            expected=f"{len(kernel.shape)} axes (batch, {len(kernel.shape) - 2} spatial, channels)",
            received=shapes.show(x.shape),
        )
    channels, per_group = x.shape[-1], kernel.shape[-2]
    if not shapes.compatible(channels, per_group * groups) or kernel.shape[-1] % groups:
        raise ShapeError(
            "The channels do not fit the kernel.",
            expected=f"{per_group * groups} input channels",
            received=f"{channels} in {shapes.show(x.shape)}",
        )
    spatial = _positions(x.shape[1:-1], kernel.shape[:-2], strides, pads, dilation)
    return AbstractTensor((x.shape[0], *spatial, kernel.shape[-1]), x.dtype)


@primitive
def conv_transpose(
    x: Any, kernel: Any, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Any:
    """The gradient of `conv` with respect to its input of spatial size `spatial`, with these same arguments.

    x (N, *T, F) has the shape of conv's result, kernel (*K, C / groups, F) is conv's; the result is (N, *spatial, C).
    """
    if x.dtype != kernel.dtype:
        raise DTypeError("Input and kernel need one dtype.", received=f"{x.dtype} and {kernel.dtype}")
    if len(x.shape) != len(kernel.shape) or not shapes.compatible(x.shape[-1], kernel.shape[-1]):
        raise ShapeError(
            "The input does not fit the kernel.",
            expected=f"{kernel.shape[-1]} channels",
            received=shapes.show(x.shape),
        )
    expected = _positions(spatial, kernel.shape[:-2], strides, pads, dilation)
    if not all(shapes.compatible(a, b) for a, b in zip(expected, x.shape[1:-1], strict=True)):
        raise ShapeError(
            "The output size does not fit the input.", expected=expected, received=shapes.show(x.shape)
        )
    return AbstractTensor((x.shape[0], *spatial, kernel.shape[-2] * groups), x.dtype)


def _pool(x: Any, window: Ints, strides: Ints, pads: Pads) -> AbstractTensor:
    if len(x.shape) != len(window) + 2:
        raise ShapeError(
            "The input has another number of axes than the window.",
            expected=f"{len(window) + 2} axes (batch, {len(window)} spatial, channels)",
            received=shapes.show(x.shape),
        )
    spatial = _positions(x.shape[1:-1], window, strides, pads, (1,) * len(window))
    return AbstractTensor((x.shape[0], *spatial, x.shape[-1]), x.dtype)


@primitive
def max_pool(x: Any, /, *, window: Ints, strides: Ints, pads: Pads) -> Any:
    """Largest value in each window, pads never chosen; NaN if there is one. The gradient goes to the first of ties."""
    return _pool(x, window, strides, pads)


@primitive
def avg_pool(x: Any, /, *, window: Ints, strides: Ints, pads: Pads) -> Any:
    """Mean of the elements in each window, pads not counted."""
    return _pool(x, window, strides, pads)
