"""Resizing as two matrix products: rows, then columns. The matrices are made on the host, once a size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, is_abstract, shape_of, to_numpy
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.ops.fastpath import constant, filled, floats
from kerasish.ops.image_layout import closed, from_float, opened, to_float
from kerasish.ops.pooling import along_axis

__all__ = ["resize", "scale_and_translate"]


def _linear(x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1.0 - x)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution with a = −1/2 (Keys 1981)."""
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(x: np.ndarray, radius: float) -> np.ndarray:
    return np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0.0)


_KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": _linear,
    "bicubic": _cubic,
    "lanczos3": functools.partial(_lanczos, radius=3.0),
    "lanczos5": functools.partial(_lanczos, radius=5.0),
}
_ALIASES = {"linear": "bilinear", "triangle": "bilinear", "cubic": "bicubic"}
INTERPOLATIONS = ("nearest", "area", *_KERNELS)


def _method(name: Any) -> str:
    found = _ALIASES.get(name, name)
    if found not in INTERPOLATIONS:
        raise UnknownNameError.of("interpolation", name, INTERPOLATIONS)
    return found  # type: ignore[no-any-return]


def _kernel_matrix(
    size: int, count: int, scale: float, shift: float, method: str, antialias: bool
) -> np.ndarray:
    """Weights (count, size): output i lies at (i + ½ − shift) / scale − ½ of the input; rows outside are 0."""
    at = (np.arange(count) + 0.5 - shift) / scale - 0.5
    width = max(1.0 / scale, 1.0) if antialias else 1.0
    weights = _KERNELS[method](np.abs(at[:, None] - np.arange(size)) / width)
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=np.abs(total) > 1e-4)
    inside: np.ndarray = weights * ((at >= -0.5) & (at <= size - 0.5))[:, None]
    return inside


def _area_matrix(size: int, count: int) -> np.ndarray:
    """Each output is the mean over the stretch of input it covers."""
    edges = np.arange(count + 1) * (size / count)
    left, right = edges[:-1, None], edges[1:, None]
    pixels = np.arange(size)
    overlap: np.ndarray = np.maximum(np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0.0)
    return overlap * (count / size)


@functools.lru_cache(maxsize=64)
def _resize_matrix(size: int, count: int, method: str, antialias: bool) -> np.ndarray:
    if method == "area":
        return _area_matrix(size, count)
    return _kernel_matrix(size, count, count / size, 0.0, method, antialias)


def _resized(x: Tensor, size: Sequence[int], method: str, antialias: bool) -> Tensor:
    """x (N, H, W, C) at another size."""
    n, h, w, c = shape_of(x)
    if is_abstract():
        return filled(x, (n, *size, c), 0, dtype_of(x))
    for axis, (old, new) in enumerate(zip((h, w), size, strict=True), start=1):
        if old == new:
            continue
        if method == "nearest":
            index = np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.int32), old - 1)
            x = p.take(x, constant(x, index, "int32"), axis=axis)
        else:
            x = along_axis(x, _resize_matrix(old, new, method, antialias), axis)
    return x


def _pair(size: Any) -> tuple[int, int]:
    sizes = tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(sizes) != 2 or any(isinstance(s, bool) or not hasattr(s, "__index__") or s < 1 for s in sizes):
        raise ArgumentError(
            "`size` must be two positive integers.", expected="(height, width)", received=size
        )
    return int(sizes[0]), int(sizes[1])


def _cropped(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest centred part with the aspect ratio of `size`."""
    n, h, w, c = shape_of(x)
    high = max(min(h, int(float(w * size[0]) / size[1])), 1)
    wide = max(min(w, int(float(h * size[1]) / size[0])), 1)
    top, left = int(float(h - high) / 2), int(float(w - wide) / 2)
    return p.slice(x, start=(0, top, left, 0), stop=(n, top + high, left + wide, c), step=(1, 1, 1, 1))


def _padded(x: Tensor, size: tuple[int, int], value: float) -> Tensor:
    """The smallest image around x with the aspect ratio of `size`, x in its centre."""
    _, h, w, _ = shape_of(x)
    high = max(h, int(float(w * size[0]) / size[1]))
    wide = max(w, int(float(h * size[1]) / size[0]))
    top, left = int(float(high - h) / 2), int(float(wide - w) / 2)
    return p.pad(x, pads=((0, 0), (top, high - h - top), (left, wide - w - left), (0, 0)), value=value)


@op
def resize(
    images: Any,
    size: Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """Images at another size. Pixel centres lie at ½, 1½, ...: corners match, not centres of corner pixels.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        size: (height, width) of the result.
        interpolation: "nearest", "bilinear", "bicubic" (Keys, a = −½), "lanczos3", "lanczos5", or "area" (means).
        antialias: When shrinking, widen the kernel by the factor, so that all pixels count.
        crop_to_aspect_ratio: Cut the images to the target's aspect ratio first instead of distorting them.
        pad_to_aspect_ratio: Pad the images to the target's aspect ratio first.
        fill_mode: Only "constant".
        fill_value: What `pad_to_aspect_ratio` pads with.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> (N, height, width, C). Integer images are rounded and saturate.

    Raises:
        ArgumentError: `size` is not a pair, or crop and pad are both asked for.
        UnknownNameError: No such interpolation.

    Example:
        >>> resize([[[0.0], [4.0]]], (1, 4)).tolist()
        [[[0.0], [1.0], [3.0], [4.0]]]
    """
    method = _method(interpolation)
    target = _pair(size)
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ArgumentError("Only one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio` can be True.")
    if fill_mode != "constant":
        raise ArgumentError("Only a constant can fill.", expected="fill_mode='constant'", received=fill_mode)
    x, layout = opened(images, data_format)
    if not is_abstract():
        if crop_to_aspect_ratio:
            x = _cropped(x, target)
        if pad_to_aspect_ratio:
            x = _padded(x, target, fill_value)
    if method != "nearest":
        x = to_float(x)
    x = _resized(x, target, method, bool(antialias))
    # Ties of integer images go to the even neighbour, as numpy.round has it.
    rounded = x if dtype_of(x) == layout.dtype or layout.dtype.startswith(("float", "bfloat")) else p.round(x)
    return closed(from_float(rounded, layout.dtype), layout)


@op
def scale_and_translate(
    images: Any,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Tensor:
    """Images scaled and moved: output position i shows input position (i + ½ − translation) / scale − ½; 0 outside.

    Args:
        images: A tensor of any rank.
        output_shape: Shape of the result; equals the input's except along `spatial_dims`.
        scale: Factors, one for each of `spatial_dims`; concrete numbers.
        translation: Shifts in output pixels, one for each of `spatial_dims`; concrete numbers.
        spatial_dims: The axes to work on.
        method: "linear", "bilinear", "cubic", "bicubic", "lanczos3" or "lanczos5".
        antialias: When shrinking, widen the kernel by the factor.

    Shape: any -> output_shape.

    Raises:
        ShapeError: `output_shape` has another rank.
        UnknownNameError: No such method.

    Example:
        >>> scale_and_translate([1.0, 2.0], (4,), [2.0], [0.0], (0,), "linear").tolist()
        [1.0, 1.25, 1.75, 2.0]
    """
    kernel = _method(method)
    if kernel not in _KERNELS:
        raise UnknownNameError.of("method", method, (*_KERNELS, *_ALIASES))
    x = floats(images)
    shape = shape_of(x)
    if len(output_shape) != len(shape):
        raise ShapeError(
            "`output_shape` has another rank.", expected=len(shape), received=tuple(output_shape)
        )
    if is_abstract():
        return filled(x, tuple(output_shape), 0, dtype_of(x))
    factors, shifts = to_numpy(scale).ravel(), to_numpy(translation).ravel()
    for i, axis in enumerate(spatial_dims):
        axis = shapes.axis_index(axis, len(shape), name="spatial_dims")
        weights = _kernel_matrix(
            shape[axis], output_shape[axis], float(factors[i]), float(shifts[i]), kernel, antialias
        )
        x = along_axis(x, weights, axis)
    return x
