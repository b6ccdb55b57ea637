"""Convolution and pooling: torch wants channels first, kerasish has them last.

A permuted view of a channels-last tensor is what torch calls `channels_last`: its kernels take it without a copy and
answer in kind. One spatial axis is a plane of height 1, because torch's 1-D kernels copy where its 2-D ones do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows

from kerasish.core import shapes
from kerasish.core.errors import ArgumentError
from kerasish_torch.tensors import FLOATS, HALVES, Tensor

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

# By number of spatial axes.
_FIRST = {2: (0, 3, 1, 2), 3: (0, 4, 1, 2, 3)}  # channels last -> first
_LAST = {2: (0, 2, 3, 1), 3: (0, 2, 3, 4, 1)}
_KERNEL = {2: (3, 2, 0, 1), 3: (4, 3, 0, 1, 2)}  # (*K, C / groups, F) -> (F, C / groups, *K)
_CONV = {2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


def _check(name: str, axes: int) -> None:
    if axes > 3:
        raise ArgumentError(
            f"This engine's {name} has at most three spatial axes.", received=axes, hint="KERASISH_BACKEND=native"
        )


def _pad(x: Tensor, pads: Pads, value: float) -> Tensor:
    return F.pad(x, [0, 0, *(size for pair in reversed(pads) for size in pair)], value=value)


def _even(pads: Pads) -> bool:
    return all(low == high for low, high in pads)


def _lows(pads: Pads) -> Ints:
    return tuple(low for low, _ in pads)


def _nothing(x: Tensor, window: Ints, strides: Ints, pads: Pads, dilation: Ints, channels: int) -> Tensor | None:
    """The empty result, where a window is larger than its input: torch raises there."""
    sizes = [shapes.window_output(*args) for args in zip(x.shape[1:-1], window, strides, pads, dilation, strict=True)]
    return None if all(sizes) else x.new_zeros((x.shape[0], *sizes, channels))


def conv(x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Tensor:
    """The primitive `conv`."""
    axes = len(strides)
    if axes == 1:
        plane = conv(
            x.unsqueeze(1),
            kernel.unsqueeze(0),
            strides=(1, *strides),
            pads=((0, 0), *pads),
            dilation=(1, *dilation),
            groups=groups,
        )
        return plane.squeeze(1)
    _check("conv", axes)
    if x.dtype not in FLOATS:  # exact below 2**53; torch has integer kernels for some devices and dtypes only
        args = {"strides": strides, "pads": pads, "dilation": dilation, "groups": groups}
        return conv(x.double(), kernel.double(), **args).to(x.dtype)
    even = _even(pads)
    source = x if even else _pad(x, pads, 0.0)
    try:
        y = _CONV[axes](
            source.permute(_FIRST[axes]),
            kernel.permute(_KERNEL[axes]),
            None,
            strides,
            _lows(pads) if even else 0,
            dilation,
            groups,
        )
    except RuntimeError:
        nothing = _nothing(x, tuple(kernel.shape[:-2]), strides, pads, dilation, kernel.shape[-1])
        if nothing is None:
            raise
        return nothing
    return y.permute(_LAST[axes])


def conv_transpose(
    x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Tensor:
    """The primitive `conv_transpose`."""
    axes = len(strides)
    if axes == 1:
        plane = conv_transpose(
            x.unsqueeze(1),
            kernel.unsqueeze(0),
            strides=(1, *strides),
            pads=((0, 0), *pads),
            dilation=(1, *dilation),
            groups=groups,
            spatial=(1, *spatial),
        )
        return plane.squeeze(1)
    _check("conv_transpose", axes)
    if 0 in x.shape:
        return x.new_zeros((x.shape[0], *spatial, kernel.shape[-2] * groups))
    # Torch crops `padding` on both sides: crop the smaller pad here, the rest below. What conv's stride skipped at the
    # end (`skipped` of the padded input) comes back as zeros through output_padding, as far as it is not cropped.
    padding, extra = [], []
    for i, (low, high) in enumerate(pads):
        covered = (x.shape[i + 1] - 1) * strides[i] + dilation[i] * (kernel.shape[i] - 1) + 1
        skipped = spatial[i] + low + high - covered
        padding.append(min(low, high))
        extra.append(max(0, skipped - max(0, high - low)))
    y = _CONV_TRANSPOSE[axes](
        x.permute(_FIRST[axes]), kernel.permute(_KERNEL[axes]), None, strides, padding, extra, groups, dilation
    )
    y = y.permute(_LAST[axes])
    for i, (low, _) in enumerate(pads):
        if low != padding[i] or y.shape[i + 1] != spatial[i]:
            y = y.narrow(i + 1, low - padding[i], spatial[i])
    return y


def _built_in(window: Ints, pads: Pads) -> bool:
    """Whether torch's pooling knows such pads: equal ones of at most half a window."""
    return all(low == high <= size // 2 for (low, high), size in zip(pads, window, strict=True))


def max_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """The primitive `max_pool`."""
    axes = len(window)
    if axes == 1:
        plane = max_pool(x.unsqueeze(1), window=(1, *window), strides=(1, *strides), pads=((0, 0), *pads))
        return plane.squeeze(1)
    _check("max_pool", axes)
    source, padding = x, _lows(pads)
    if not _built_in(window, pads):
        least = -math.inf if x.dtype in FLOATS else torch.iinfo(x.dtype).min
        source, padding = _pad(x, pads, least), (0,) * axes
    try:
        y = _MAX_POOL[axes](source.permute(_FIRST[axes]), window, strides, padding)
    except RuntimeError:
        nothing = _nothing(x, window, strides, pads, (1,) * axes, x.shape[-1])
        if nothing is None:
            raise
        return nothing
    return y.permute(_LAST[axes])


def _share(x: Tensor, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """Window size over number of real elements in it, at each position: shape (1, *T, 1)."""
    total = np.ones((1, 1))
    for axis, (size, width, stride, (low, high)) in enumerate(
        zip(x.shape[1:-1], window, strides, pads, strict=True), start=1
    ):
        first = np.arange((size + low + high - width) // stride + 1) * stride - low
        real = np.minimum(first + width, size) - np.maximum(first, 0)
        shape = [1] * (len(window) + 2)
        shape[axis] = len(first)
        with np.errstate(divide="ignore"):
            total = total.reshape(total.shape + (1,) * (len(shape) - total.ndim)) * (width / real).reshape(shape)
    return torch.as_tensor(total, dtype=x.dtype, device=x.device)


def avg_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """The primitive `avg_pool`."""
    axes = len(window)
    if axes == 1:
        plane = avg_pool(x.unsqueeze(1), window=(1, *window), strides=(1, *strides), pads=((0, 0), *pads))
        return plane.squeeze(1)
    _check("avg_pool", axes)
    pool: Any = _AVG_POOL[axes]
    try:
        if _built_in(window, pads):
            y = pool(x.permute(_FIRST[axes]), window, strides, _lows(pads), False, False)
            return y.permute(_LAST[axes])
        y = pool(_pad(x, pads, 0.0).permute(_FIRST[axes]), window, strides)
    except RuntimeError:
        nothing = _nothing(x, window, strides, pads, (1,) * axes, x.shape[-1])
        if nothing is None and x.dtype in HALVES:  # three axes: https://github.com/pytorch/pytorch/issues/74624
            return avg_pool(x.float(), window=window, strides=strides, pads=pads).to(x.dtype)
        if nothing is None:
            raise
        return nothing
    return y.permute(_LAST[axes]) * _share(x, window, strides, pads)
