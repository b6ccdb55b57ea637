"""Convolution and pooling: torch wants channels first, kerasish has them last.

A permuted view of a channels-last tensor is what torch calls `channels_last`: its kernels take it without a copy and
answer in kind. One spatial axis is a plane of height 1, because torch's 1-D kernels copy where its 2-D ones do not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from kerasish.core.abstract import AbstractTensor
from kerasish.core.errors import ArgumentError
from kerasish.core.primitive import RULES
from kerasish_torch.tensors import FLOATS, HALVES, NAMES, Tensor, from_host

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
#: What the axis of height 1 has for each keyword.
_FLAT = {"strides": 1, "pads": (0, 0), "dilation": 1, "window": 1, "spatial": 1}


def _flat(keywords: dict[str, Any]) -> dict[str, Any]:
    """One spatial axis as two, the first of height 1."""
    return {key: (_FLAT[key], *value) if key in _FLAT else value for key, value in keywords.items()}


def _windowed(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Bring one spatial axis to two, and calls that torch refuses into a form it takes."""
    name = function.__name__

    @functools.wraps(function)
    def run(x: Tensor, *kernel: Tensor, **keywords: Any) -> Tensor:
        axes = len(keywords["strides"])
        if axes == 1:
            return run(x.unsqueeze(1), *(k.unsqueeze(0) for k in kernel), **_flat(keywords)).squeeze(1)
        if axes > 3:
            problem = f"This engine's {name} has at most three spatial axes."
            raise ArgumentError(problem, received=axes, hint="use the native engine")
        try:
            return function(x, *kernel, **keywords)
        except RuntimeError:
            specs = (AbstractTensor(t.shape, NAMES[t.dtype]) for t in (x, *kernel))
            shape = RULES[name](*specs, **keywords).shape
            if 0 in shape:  # torch wants windows that fit
                return x.new_zeros(shape)
            if x.dtype in FLOATS and x.dtype not in HALVES:
                raise
            # Kernels are missing for 16-bit and, on accelerators, integer data (exact below 2**53 this way).
            # https://github.com/pytorch/pytorch/issues/74625
            wide = torch.float32 if x.dtype in HALVES else torch.float64
            return function(x.to(wide), *(k.to(wide) for k in kernel), **keywords).to(x.dtype)

    return run


def _pad(x: Tensor, pads: Pads, value: float) -> Tensor:
    return F.pad(x, [0, 0, *(size for pair in reversed(pads) for size in pair)], value=value)


def _lows(pads: Pads) -> Ints:
    return tuple(low for low, _ in pads)


def _conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None, strides: Ints, pads: Pads, dilation: Ints, groups: int
) -> Tensor:
    axes, padding = len(strides), _lows(pads)
    if any(low != high for low, high in pads):
        x, padding = _pad(x, pads, 0.0), (0,) * axes
    x, kernel = x.permute(_FIRST[axes]), kernel.permute(_KERNEL[axes])
    return _CONV[axes](x, kernel, bias, strides, padding, dilation, groups).permute(_LAST[axes])


@_windowed
def conv(x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int) -> Tensor:
    """The primitive `conv`."""
    return _conv(x, kernel, None, strides, pads, dilation, groups)


def conv_bias(x: Tensor, kernel: Tensor, bias: Tensor, /, **keywords: Any) -> Any:
    """The composite `conv_bias`: the convolution adds the bias as it writes. Corners of `conv` are left to `conv`."""
    axes = len(keywords["strides"])
    usual = axes <= 3 and x.dtype in FLOATS and x.dtype not in HALVES
    if not usual or 0 in x.shape or 0 in kernel.shape:
        return NotImplemented
    if axes == 1:
        return _conv(x.unsqueeze(1), kernel.unsqueeze(0), bias, **_flat(keywords)).squeeze(1)
    return _conv(x, kernel, bias, **keywords)


@_windowed
def conv_transpose(
    x: Tensor, kernel: Tensor, /, *, strides: Ints, pads: Pads, dilation: Ints, groups: int, spatial: Ints
) -> Tensor:
    """The primitive `conv_transpose`.

    Torch crops `padding` on both sides: it is given the smaller pad, and the rest is cropped here. What conv's stride
    skipped at the end of its padded input comes back as zeros by `output_padding`, as far as it is not cropped.
    """
    axes, padding, extra = len(strides), [], []
    for i, (low, high) in enumerate(pads):
        covered = (x.shape[i + 1] - 1) * strides[i] + dilation[i] * (kernel.shape[i] - 1) + 1
        skipped = spatial[i] + low + high - covered
        padding.append(min(low, high))
        extra.append(max(0, skipped - max(0, high - low)))
    x, kernel = x.permute(_FIRST[axes]), kernel.permute(_KERNEL[axes])
    y = _CONV_TRANSPOSE[axes](x, kernel, None, strides, padding, extra, groups, dilation).permute(_LAST[axes])
    for i, (low, _) in enumerate(pads):
        if low != padding[i] or y.shape[i + 1] != spatial[i]:
            y = y.narrow(i + 1, low - padding[i], spatial[i])
    return y


def _built_in(window: Ints, pads: Pads) -> bool:
    """Whether torch's pooling knows such pads: equal ones of at most half a window."""
    return all(low == high <= size // 2 for (low, high), size in zip(pads, window, strict=True))


@_windowed
def max_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """The primitive `max_pool`."""
    axes, padding = len(window), _lows(pads)
    if not _built_in(window, pads):
        least = -math.inf if x.dtype in FLOATS else torch.iinfo(x.dtype).min
        x, padding = _pad(x, pads, least), (0,) * axes
    return _MAX_POOL[axes](x.permute(_FIRST[axes]), window, strides, padding).permute(_LAST[axes])


def _share(x: Tensor, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """Window size over number of real elements in it, at each position: shape (1, *T, 1)."""
    total: Any = 1.0
    for i, (width, stride, (low, high)) in enumerate(zip(window, strides, pads, strict=True)):
        size = x.shape[i + 1]
        first = np.arange((size + low + high - width) // stride + 1) * stride - low
        real = np.minimum(first + width, size) - np.maximum(first, 0)
        with np.errstate(divide="ignore"):
            total = np.multiply.outer(total, width / real)
    return from_host(np.asarray(total), x.device).to(x.dtype)[None, ..., None]


@_windowed
def avg_pool(x: Tensor, /, *, window: Ints, strides: Ints, pads: Pads) -> Tensor:
    """The primitive `avg_pool`."""
    axes = len(window)
    if _built_in(window, pads):
        y = _AVG_POOL[axes](x.permute(_FIRST[axes]), window, strides, _lows(pads), count_include_pad=False)
        return y.permute(_LAST[axes])
    y = _AVG_POOL[axes](_pad(x, pads, 0.0).permute(_FIRST[axes]), window, strides)
    return y.permute(_LAST[axes]) * _share(x, window, strides, pads)
