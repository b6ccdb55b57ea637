"""The largest value or the mean of each window."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, one_of, sizes


class _Pooling(Layer):
    rank: ClassVar[int]

    def __init__(
        self,
        pool_size: Any,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes(self, self.rank, pool_size=pool_size)
        self.strides = self.pool_size if strides is None else sizes(self, self.rank, strides=strides)
        self.padding = padding.lower() if isinstance(padding, str) else padding
        one_of(self, ("valid", "same"), padding=self.padding)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "pool_size", "padding", "strides", "data_format")}


class _MaxPooling(_Pooling):
    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _AveragePooling(_Pooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.average_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(_MaxPooling):
    """The largest value in each window of time steps.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; default `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        name: Unique within the model.
        **kwargs: `dtype`.

    Shape: (N, T, C) -> (N, T', C).

    Example:
        >>> MaxPooling1D(2)([[[1.0], [3.0], [2.0], [0.0]]]).tolist()
        [[[3.0], [2.0]]]
    """

    rank: ClassVar[int] = 1


class MaxPooling2D(_MaxPooling):
    """The largest value in each window of an image. Arguments as of `MaxPooling1D`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', C), or channels first.

    Example:
        >>> MaxPooling2D().compute_output_shape((None, 28, 28, 3))
        (None, 14, 14, 3)
    """

    rank: ClassVar[int] = 2


class MaxPooling3D(_MaxPooling):
    """The largest value in each window of a volume. Arguments as of `MaxPooling1D`, sizes for three axes.

    Shape: (N, D, H, W, C) -> (N, D', H', W', C), or channels first.

    Example:
        >>> MaxPooling3D().compute_output_shape((None, 8, 8, 8, 3))
        (None, 4, 4, 4, 3)
    """

    rank: ClassVar[int] = 3


class AveragePooling1D(_AveragePooling):
    """The mean of each window of time steps; padding does not count.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; default `pool_size`.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        name: Unique within the model.
        **kwargs: `dtype`.

    Shape: (N, T, C) -> (N, T', C).

    Example:
        >>> AveragePooling1D(2)([[[1.0], [3.0], [2.0], [0.0]]]).tolist()
        [[[2.0], [1.0]]]
    """

    rank: ClassVar[int] = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of an image. Arguments as of `AveragePooling1D`, sizes for two axes.

    Shape: (N, H, W, C) -> (N, H', W', C), or channels first.

    Example:
        >>> AveragePooling2D(2).compute_output_shape((None, 28, 28, 3))
        (None, 14, 14, 3)
    """

    rank: ClassVar[int] = 2


class AveragePooling3D(_AveragePooling):
    """The mean of each window of a volume. Arguments as of `AveragePooling1D`, sizes for three axes.

    Shape: (N, D, H, W, C) -> (N, D', H', W', C), or channels first.

    Example:
        >>> AveragePooling3D(2).compute_output_shape((None, 8, 8, 8, 3))
        (None, 4, 4, 4, 3)
    """

    rank: ClassVar[int] = 3
