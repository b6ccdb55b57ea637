"""Images of another size: scaled or cropped."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ShapeError
from kerasish.core.shapes import is_known
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, positive


class _ImageSize(Layer):
    height: int
    width: int
    data_format: str

    def _spatial(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Numbers of the axes of height and width, for one image or a batch."""
        if len(shape) not in (3, 4):
            raise ShapeError(
                "Images are needed.",
                expected="(height, width, channels), or with a batch in front",
                received=f"{len(shape)} axes",
                hint="x[..., None] adds a channel axis",
            )
        first = len(shape) - (3 if self.data_format == "channels_last" else 2)
        return first, first + 1


class Resizing(_ImageSize):
    """Images scaled to `height` × `width`.

    Args:
        height: New height.
        width: New width.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: Crop first, so that nothing is distorted.
        pad_to_aspect_ratio: Pad first, so that nothing is distorted.
        fill_mode: "constant": how padding is filled.
        fill_value: The constant.
        antialias: Whether to smooth when making images smaller.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, H, W, C) -> (N, height, width, C); or one image (H, W, C).

    Example:
        >>> Resizing(32, 32).compute_output_shape((None, 48, 64, 3))
        (None, 32, 32, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        positive(self, height=height, width=width)
        self.height = height
        self.width = width
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = antialias
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        self._spatial(shape_of(inputs))
        resized = ops.image.resize(
            ops.cast(inputs, self.compute_dtype),
            (self.height, self.width),
            interpolation=self.interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return ops.cast(resized, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "data_format",
                "height",
                "width",
                "interpolation",
                "crop_to_aspect_ratio",
                "pad_to_aspect_ratio",
                "fill_mode",
                "fill_value",
                "antialias",
            ),
        }


class CenterCrop(_ImageSize):
    """The middle of images, `height` × `width`. Smaller images are enlarged as little as needed, then cropped.

    Args:
        height: New height.
        width: New width.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, H, W, C) -> (N, height, width, C); or one image (H, W, C).

    Example:
        >>> CenterCrop(2, 2).compute_output_shape((None, 4, 4, 3))
        (None, 2, 2, 3)
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        positive(self, height=height, width=width)
        self.height = height
        self.width = width
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        shape = shape_of(inputs)
        axes = self._spatial(shape)
        wanted = (self.height, self.width)
        if any(is_known(shape[a]) and shape[a] < n for a, n in zip(axes, wanted, strict=True)):
            resized = ops.image.resize(
                inputs, wanted, crop_to_aspect_ratio=True, data_format=self.data_format
            )
            return ops.cast(resized, self.compute_dtype)
        start, stop = [0] * len(shape), list(shape)
        for axis, size in zip(axes, wanted, strict=True):
            start[axis] = int((shape[axis] - size) / 2)
            stop[axis] = start[axis] + size
        return p.slice(inputs, start=tuple(start), stop=tuple(stop), step=(1,) * len(shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "data_format", "height", "width")}
