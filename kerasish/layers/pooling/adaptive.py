"""Pooling to a given size, whatever the size of the input."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, sizes


class _AdaptivePooling(Layer):
    rank: ClassVar[int]

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_size = sizes(self, self.rank, output_size=output_size)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "output_size", "data_format")}


class _AdaptiveAveragePooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


class _AdaptiveMaxPooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The mean of each of `output_size` bins of time steps.

    Args:
        output_size: Number of bins.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, output_size, C).

    Example:
        >>> AdaptiveAveragePooling1D(3).compute_output_shape((None, 9, 2))
        (None, 3, 2)
    """

    rank: ClassVar[int] = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """The mean of each of `output_size` bins of pixels. Arguments as of `AdaptiveAveragePooling1D`.

    Shape: (N, H, W, C) -> (N, *output_size, C), or channels first.

    Example:
        >>> AdaptiveAveragePooling2D(3).compute_output_shape((None, 7, 9, 2))
        (None, 3, 3, 2)
    """

    rank: ClassVar[int] = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """The mean of each of `output_size` bins of voxels. Arguments as of `AdaptiveAveragePooling1D`.

    Shape: (N, D, H, W, C) -> (N, *output_size, C), or channels first.

    Example:
        >>> AdaptiveAveragePooling3D(3).compute_output_shape((None, 7, 9, 8, 2))
        (None, 3, 3, 3, 2)
    """

    rank: ClassVar[int] = 3


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The largest value of each of `output_size` bins of time steps.

    Args:
        output_size: Number of bins.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, output_size, C).

    Example:
        >>> AdaptiveMaxPooling1D(3).compute_output_shape((None, 9, 2))
        (None, 3, 2)
    """

    rank: ClassVar[int] = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """The largest value of each of `output_size` bins of pixels. Arguments as of `AdaptiveMaxPooling1D`.

    Shape: (N, H, W, C) -> (N, *output_size, C), or channels first.

    Example:
        >>> AdaptiveMaxPooling2D(3).compute_output_shape((None, 7, 9, 2))
        (None, 3, 3, 2)
    """

    rank: ClassVar[int] = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """The largest value of each of `output_size` bins of voxels. Arguments as of `AdaptiveMaxPooling1D`.

    Shape: (N, D, H, W, C) -> (N, *output_size, C), or channels first.

    Example:
        >>> AdaptiveMaxPooling3D(3).compute_output_shape((None, 7, 9, 8, 2))
        (None, 3, 3, 3, 2)
    """

    rank: ClassVar[int] = 3
