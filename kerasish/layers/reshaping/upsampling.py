"""Larger sequences, images and volumes by repetition or interpolation."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, one_of, sizes


class _UpSampling(Layer):
    rank: ClassVar[int]
    data_format = "channels_last"

    @property
    def _first(self) -> int:
        return 2 if self.data_format == "channels_first" else 1

    def _repeated(self, inputs: Tensor, times: tuple[int, ...]) -> Tensor:
        for axis, count in enumerate(times, self._first):
            inputs = ops.repeat(inputs, count, axis=axis)
        return inputs


class UpSampling1D(_UpSampling):
    """Every time step `size` times.

    Args:
        size: How often.
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, T · size, C).

    Example:
        >>> UpSampling1D(2)([[[1.0], [2.0]]]).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """

    rank: ClassVar[int] = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = sizes(self, 1, size=size)[0]
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Tensor) -> Tensor:
        return self._repeated(inputs, (self.size,))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "size")}


class UpSampling2D(_UpSampling):
    """An image enlarged.

    Args:
        size: Factor, or one for each axis.
        data_format: "channels_last" or "channels_first".
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        **kwargs: `name`, `dtype`.

    Shape: (N, H, W, C) -> (N, H', W', C), or channels first.

    Example:
        >>> UpSampling2D(3).compute_output_shape((None, 4, 4, 1))
        (None, 12, 12, 1)
    """

    rank: ClassVar[int] = 2

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size = sizes(self, 2, size=size)
        self.interpolation = interpolation.lower()
        accepted = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        one_of(self, accepted, interpolation=self.interpolation)
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor) -> Tensor:
        if self.interpolation == "nearest":
            return self._repeated(inputs, self.size)
        height, width = shape_of(inputs)[self._first : self._first + 2]
        target = (height * self.size[0], width * self.size[1])
        enlarged = ops.image.resize(
            inputs, target, interpolation=self.interpolation, data_format=self.data_format
        )
        return ops.cast(enlarged, dtype_of(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "size", "data_format", "interpolation")}


class UpSampling3D(_UpSampling):
    """A volume enlarged by repetition.

    Args:
        size: Factor, or one for each axis.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, D, H, W, C) -> (N, D', H', W', C), or channels first.

    Example:
        >>> UpSampling3D(2).compute_output_shape((None, 2, 2, 2, 1))
        (None, 4, 4, 4, 1)
    """

    rank: ClassVar[int] = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.size = sizes(self, 3, size=size)
        self.input_spec = InputSpec(ndim=5)

    def call(self, inputs: Tensor) -> Tensor:
        return self._repeated(inputs, self.size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "size", "data_format")}
