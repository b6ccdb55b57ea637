"""Filters: Gaussian blur, Sobel edges, structural similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.fastpath import constant
from kerasish.ops.image_layout import Layout, closed, from_float, opened, to_float

__all__ = ["gaussian_blur", "sobel_edges", "ssim"]


def _bell(size: int, sigma: float) -> np.ndarray:
    """Gaussian weights of sum 1 at −(size − 1)/2 ... (size − 1)/2."""
    at = np.arange(size) - (size - 1) / 2.0
    weights = np.exp(-0.5 * (at / sigma) ** 2)
    normalised: np.ndarray = weights / weights.sum()
    return normalised


def _filtered(x: Tensor, weights: np.ndarray, pads: tuple[tuple[int, int], ...]) -> Tensor:
    """Each channel of x (N, H, W, C) correlated with the 2-d `weights`."""
    channels = shape_of(x)[3]
    kernel = np.repeat(weights[:, :, None, None], channels, axis=3)
    kernel = constant(x, kernel, dtype_of(x))
    return p.conv(x, kernel, strides=(1, 1), pads=pads, dilation=(1, 1), groups=channels)


def blurred(x: Tensor, size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    """x (N, H, W, C) blurred, zeros outside: down, then across."""
    pads = [((n - 1) // 2, n - 1 - (n - 1) // 2) for n in size]
    x = _filtered(x, _bell(size[0], sigma[0])[:, None], (pads[0], (0, 0)))
    return _filtered(x, _bell(size[1], sigma[1])[None, :], ((0, 0), pads[1]))


@op
def gaussian_blur(
    images: Any,
    kernel_size: Sequence[int] = (3, 3),
    sigma: Sequence[float] = (1.0, 1.0),
    data_format: str | None = None,
) -> Tensor:
    """Images blurred by a Gaussian cut to `kernel_size`; zeros lie outside.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        kernel_size: (height, width) of the window.
        sigma: Standard deviations (vertical, horizontal) in pixels.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> same. Integer images are rounded.

    Raises:
        ArgumentError: Sizes or deviations are not two positive numbers.

    Example:
        >>> gaussian_blur([[[0.0], [1.0], [0.0]]], (1, 1), (1.0, 1.0)).tolist()
        [[[0.0], [1.0], [0.0]]]
    """
    sizes, deviations = tuple(kernel_size), tuple(float(s) for s in sigma)
    if len(sizes) != 2 or len(deviations) != 2 or min(sizes) < 1 or min(deviations) <= 0:
        raise ArgumentError(
            "`kernel_size` and `sigma` are pairs of positive numbers.", received=(kernel_size, sigma)
        )
    x, layout = opened(images, data_format)
    return closed(from_float(blurred(to_float(x), sizes, deviations), layout.dtype), layout)


@op
def sobel_edges(images: Any, data_format: str | None = None) -> Tensor:
    """Vertical and horizontal derivatives by Sobel's filters; zeros lie outside.

    Args:
        images: Shape (N, H, W, C); channels first for "channels_first".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> (N, H, W, C, 2): dy, dx on the last axis.

    Raises:
        ShapeError: There are not four axes.

    Example:
        >>> sobel_edges([[[[1.0], [2.0]]]]).tolist()
        [[[[[0.0, 4.0]], [[0.0, -2.0]]]]]
    """
    x, layout = opened(images, data_format)
    x = to_float(x)
    down = np.array([[-1.0, -2.0, -1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])
    parts = [closed(_filtered(x, weights, ((1, 1), (1, 1))), layout) for weights in (down, down.T)]
    return p.concatenate([p.reshape(y, shape=(*shape_of(y), 1)) for y in parts], axis=len(shape_of(parts[0])))


@op
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Tensor:
    """Structural similarity of two images, 1 for equal ones (Wang et al. 2004), averaged over pixels and channels.

    Args:
        image1: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        image2: The other image, same shape.
        max_val: The largest value a pixel can have.
        filter_size: Side of the Gaussian window, no larger than the images.
        filter_sigma: Its standard deviation in pixels.
        k1: Stabilises the luminance term.
        k2: Stabilises the contrast term.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> (N,); one image -> ().

    Raises:
        ShapeError: The shapes differ, or the window is larger than the images.

    Example:
        >>> float(ssim([[[0.5]]], [[[0.5]]], filter_size=1))
        1.0
    """
    image1, image2 = promoted(image1, image2)
    x, layout = opened(image1, data_format)
    y, _ = opened(image2, data_format)
    x, y = to_float(x), to_float(y)
    one, two = shape_of(x), shape_of(y)
    small = any(shapes.is_known(s) and s < filter_size for s in one[1:3])
    if (
        small
        or len(one) != len(two)
        or not all(shapes.compatible(a, b) for a, b in zip(one, two, strict=True))
    ):
        raise ShapeError(
            "Two images of one shape, at least as large as the window, are needed.",
            expected=f"height and width >= {filter_size}",
            received=f"{shapes.show(one)} and {shapes.show(two)}",
            hint="a smaller `filter_size`",
        )
    bell = _bell(filter_size, filter_sigma)

    def smooth(v: Tensor) -> Tensor:
        none = (0, 0)
        return _filtered(_filtered(v, bell[:, None], (none, none)), bell[None, :], (none, none))

    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    mx, my = smooth(x), smooth(y)
    mxy, mxx, myy = p.multiply(mx, my), p.square(mx), p.square(my)
    covariance = p.subtract(smooth(p.multiply(x, y)), mxy)
    variances = p.subtract(smooth(p.add(p.square(x), p.square(y))), p.add(mxx, myy))
    luminance = p.divide(p.add(p.multiply(mxy, 2.0), c1), p.add(p.add(mxx, myy), c1))
    contrast = p.divide(p.add(p.multiply(covariance, 2.0), c2), p.add(variances, c2))
    return _pixel_mean(p.multiply(luminance, contrast), layout)


def _pixel_mean(x: Tensor, layout: Layout) -> Tensor:
    count = float(shapes.size_of(shape_of(x)[1:]))
    mean = p.divide(p.sum(x, axis=(1, 2, 3), keepdims=False), count)
    return p.reshape(mean, shape=()) if layout.single else mean
