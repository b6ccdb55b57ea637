"""The namespace `ops.image`. Colours, patches, cropping and padding are defined here, the rest beside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.ops.conv import explicit_pads, sizes_of
from kerasish.ops.image_filters import gaussian_blur, sobel_edges, ssim
from kerasish.ops.image_layout import closed, opened, to_float
from kerasish.ops.image_resize import resize, scale_and_translate
from kerasish.ops.image_warp import (
    affine_transform,
    elastic_transform,
    map_coordinates,
    perspective_transform,
)

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]


# -- colours ---------------------------------------------------------------------------------------------------------


def _three(x: Tensor) -> list[Tensor]:
    """The three channels of x (N, H, W, 3), each (N, H, W, 1)."""
    shape = shape_of(x)
    if not shapes.compatible(shape[3], 3):
        raise ShapeError(
            "Images of three channels are needed.", expected="3 channels", received=shapes.show(shape)
        )
    return [p.slice(x, start=(0, 0, 0, i), stop=(*shape[:3], i + 1), step=(1, 1, 1, 1)) for i in range(3)]


@op
def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Tensor:
    """0.2989·red + 0.587·green + 0.114·blue (ITU-R 601). Images of one channel are returned as they are.

    Args:
        images: Shape (H, W, 3) or (N, H, W, 3); channels first for "channels_first".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, 3) -> (N, H, W, 1), same dtype (integers are truncated).

    Raises:
        ShapeError: There are neither 1 nor 3 channels.

    Example:
        >>> rgb_to_grayscale([[[0.0, 1.0, 0.0]]]).tolist()[0][0][0] - 0.587 < 1e-6
        True
    """
    x, layout = opened(images, data_format)
    if shape_of(x)[3] == 1:
        return closed(x, layout)
    red, green, blue = _three(to_float(x))
    y = p.add(p.add(p.multiply(red, 0.2989), p.multiply(green, 0.587)), p.multiply(blue, 0.114))
    return closed(y if dtype_of(y) == layout.dtype else p.cast(y, dtype=layout.dtype), layout)


def _float_images(images: Any, data_format: str | None) -> Any:
    x, layout = opened(images, data_format)
    if not dtypes.is_float(layout.dtype):
        raise DTypeError(
            "Float images in [0, 1] are needed.",
            received=layout.dtype,
            hint="ops.cast(images, 'float32') / 255",
        )
    return x, layout


@op
def rgb_to_hsv(images: Any, data_format: str | None = None) -> Tensor:
    """Hue, saturation and value, each in [0, 1], of red, green and blue in [0, 1]. Grey has hue 0, black saturation 0.

    Args:
        images: Float, shape (H, W, 3) or (N, H, W, 3); channels first for "channels_first".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: any -> same.

    Raises:
        DTypeError: The images are not floats.

    Example:
        >>> rgb_to_hsv([[[1.0, 0.0, 0.0]]]).tolist()
        [[[0.0, 1.0, 1.0]]]
    """
    x, layout = _float_images(images, data_format)
    red, green, blue = _three(x)
    value = p.maximum(red, p.maximum(green, blue))
    spread = p.subtract(value, p.minimum(red, p.minimum(green, blue)))
    grey, black = p.equal(spread, 0.0), p.equal(value, 0.0)
    saturation = p.where(black, 0.0, p.divide(spread, p.where(black, 1.0, value)))
    sixth = p.divide(1.0 / 6.0, p.where(grey, 1.0, spread))
    of_red = p.multiply(p.subtract(green, blue), sixth)
    of_green = p.add(p.multiply(p.subtract(blue, red), sixth), 1.0 / 3.0)
    of_blue = p.add(p.multiply(p.subtract(red, green), sixth), 2.0 / 3.0)
    hue = p.where(p.equal(red, value), of_red, p.where(p.equal(green, value), of_green, of_blue))
    hue = p.where(grey, 0.0, p.where(p.less(hue, 0.0), p.add(hue, 1.0), hue))
    return closed(p.concatenate([hue, saturation, value], axis=3), layout)


@op
def hsv_to_rgb(images: Any, data_format: str | None = None) -> Tensor:
    """Red, green and blue of hue, saturation and value, all in [0, 1].

    Args:
        images: Float, shape (H, W, 3) or (N, H, W, 3); channels first for "channels_first".
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: any -> same.

    Raises:
        DTypeError: The images are not floats.

    Example:
        >>> hsv_to_rgb([[[0.0, 1.0, 1.0]]]).tolist()
        [[[1.0, 0.0, 0.0]]]
    """
    x, layout = _float_images(images, data_format)
    hue, saturation, value = _three(x)
    turn = p.multiply(hue, 6.0)

    def ramp(v: Tensor) -> Tensor:
        return p.minimum(p.maximum(v, 0.0), 1.0)

    red = ramp(p.subtract(p.abs(p.subtract(turn, 3.0)), 1.0))
    green = ramp(p.subtract(2.0, p.abs(p.subtract(turn, 2.0))))
    blue = ramp(p.subtract(2.0, p.abs(p.subtract(turn, 4.0))))
    white = p.subtract(1.0, saturation)
    parts = [p.multiply(p.add(white, p.multiply(saturation, c)), value) for c in (red, green, blue)]
    return closed(p.concatenate(parts, axis=3), layout)


# -- patches ---------------------------------------------------------------------------------------------------------


def _patches(
    images: Any, size: Any, strides: Any, dilation_rate: Any, padding: str, data_format: str | None, rank: int
) -> Tensor:
    x, layout = opened(images, data_format, rank=rank + 2)
    window = sizes_of(size, rank, "size")
    steps = window if strides is None else sizes_of(strides, rank, "strides")
    rates = sizes_of(dilation_rate, rank, "dilation_rate")
    spatial = shape_of(x)[1:-1]
    pads = explicit_pads(padding, spatial, window, steps, rates)
    counts = [
        shapes.window_output(*arguments)
        for arguments in zip(spatial, window, steps, pads, rates, strict=True)
    ]
    if any(pair != (0, 0) for pair in pads):
        x = p.pad(x, pads=((0, 0), *pads, (0, 0)), value=0)
    batch, channels = shape_of(x)[0], shape_of(x)[-1]
    parts = []
    for corner in itertools.product(*(range(w) for w in window)):
        start = [c * r for c, r in zip(corner, rates, strict=True)]
        stop = [s + max((n - 1) * st + 1, 0) for s, n, st in zip(start, counts, steps, strict=True)]
        begin, end = (0, *start, 0), (batch, *stop, channels)
        parts.append(p.slice(x, start=begin, stop=end, step=(1, *steps, 1)))
    return closed(p.concatenate(parts, axis=rank + 1), layout)


@op
def extract_patches(
    images: Any,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The windows of images, each flattened (rows, columns, channels) into the channels of one pixel.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        size: Size of a patch, an integer or (height, width).
        strides: Steps between patches; default `size`.
        dilation_rate: Distance of neighbours within a patch.
        padding: "valid" or "same" (zeros).
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> (N, rows, columns, height·width·C).

    Example:
        >>> extract_patches([[[1.0], [2.0], [3.0], [4.0]]], (1, 2)).tolist()
        [[[1.0, 2.0], [3.0, 4.0]]]
    """
    return _patches(images, size, strides, dilation_rate, padding, data_format, 2)


@op
def extract_patches_3d(
    volumes: Any,
    size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    dilation_rate: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Tensor:
    """The windows of volumes, each flattened into the channels of one voxel, as in `extract_patches`.

    Args:
        volumes: Shape (D, H, W, C) or (N, D, H, W, C); channels first for "channels_first".
        size: Size of a patch, an integer or (depth, height, width).
        strides: Steps between patches; default `size`.
        dilation_rate: Distance of neighbours within a patch.
        padding: "valid" or "same" (zeros).
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, D, H, W, C) -> (N, planes, rows, columns, depth·height·width·C).

    Example:
        >>> extract_patches_3d([[[[1.0], [2.0]]]], (1, 1, 2)).tolist()
        [[[[1.0, 2.0]]]]
    """
    return _patches(volumes, size, strides, dilation_rate, padding, data_format, 3)


# -- cropping and padding --------------------------------------------------------------------------------------------


def _edges(first: Any, last: Any, target: Any, size: int, names: str, *, crop: bool) -> tuple[int, int]:
    """(before, after) to cut off or add, from exactly two of (before, after, target size)."""
    if sum(v is None for v in (first, last, target)) != 1:
        raise ArgumentError(f"Exactly two of {names} must be given.", received=(first, last, target))
    change = None if target is None else (size - target if crop else target - size)
    if first is None:
        first = change - last
    if last is None:
        last = change - first
    if first < 0 or last < 0 or (crop and shapes.is_known(size) and first + last >= size):
        raise ArgumentError(
            f"{names} do not fit the image.", received=f"{first} before, {last} after, image size {size}"
        )
    return first, last


@op
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Images cut at their edges.

    Two of top, bottom and target_height, and two of left, right and target_width are given.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        top_cropping: Rows to cut above.
        left_cropping: Columns to cut on the left.
        bottom_cropping: Rows to cut below.
        right_cropping: Columns to cut on the right.
        target_height: Rows to keep.
        target_width: Columns to keep.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Raises:
        ArgumentError: Not exactly two are given, or they do not fit.

    Example:
        >>> crop_images([[[1.0], [2.0], [3.0]]], 0, 1, 0, target_width=1).tolist()
        [[[2.0]]]
    """
    x, layout = opened(images, data_format)
    n, h, w, c = shape_of(x)
    names = "top_cropping, bottom_cropping, target_height"
    top, bottom = _edges(top_cropping, bottom_cropping, target_height, h, names, crop=True)
    names = "left_cropping, right_cropping, target_width"
    left, right = _edges(left_cropping, right_cropping, target_width, w, names, crop=True)
    return closed(
        p.slice(x, start=(0, top, left, 0), stop=(n, h - bottom, w - right, c), step=(1, 1, 1, 1)), layout
    )


@op
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Images with zeros at their edges.

    Two of top, bottom and target_height, and two of left, right and target_width are given.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        top_padding: Rows to add above.
        left_padding: Columns to add on the left.
        bottom_padding: Rows to add below.
        right_padding: Columns to add on the right.
        target_height: Rows of the result.
        target_width: Columns of the result.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Raises:
        ArgumentError: Not exactly two are given, or they do not fit.

    Example:
        >>> pad_images([[[1.0]]], 0, 1, 0, target_width=3).tolist()
        [[[0.0], [1.0], [0.0]]]
    """
    x, layout = opened(images, data_format)
    _, h, w, _ = shape_of(x)
    names = "top_padding, bottom_padding, target_height"
    rows = _edges(top_padding, bottom_padding, target_height, h, names, crop=False)
    names = "left_padding, right_padding, target_width"
    columns = _edges(left_padding, right_padding, target_width, w, names, crop=False)
    return closed(p.pad(x, pads=((0, 0), rows, columns, (0, 0)), value=0), layout)
