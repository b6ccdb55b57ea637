"""The largest value or the mean over all positions."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of


class _GlobalPooling(Layer):
    rank: ClassVar[int]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> tuple[int, ...]:
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(range(first, first + self.rank))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "data_format", "keepdims")}


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.max(inputs, axis=self._axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.mean(inputs, axis=self._axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest value over all time steps.

    Args:
        data_format: "channels_last" or "channels_first".
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, C).

    Example:
        >>> GlobalMaxPooling1D()([[[1.0], [3.0]]]).tolist()
        [[3.0]]
    """

    rank: ClassVar[int] = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest value over all pixels. Arguments as of `GlobalMaxPooling1D`.

    Shape: (N, H, W, C) -> (N, C).

    Example:
        >>> GlobalMaxPooling2D().compute_output_shape((None, 8, 8, 3))
        (None, 3)
    """

    rank: ClassVar[int] = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest value over all voxels. Arguments as of `GlobalMaxPooling1D`.

    Shape: (N, D, H, W, C) -> (N, C).

    Example:
        >>> GlobalMaxPooling3D().compute_output_shape((None, 8, 8, 8, 3))
        (None, 3)
    """

    rank: ClassVar[int] = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean over all time steps, masked ones left out.

    Args:
        data_format: "channels_last" or "channels_first".
        keepdims: Whether the axes stay, with size 1.
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, C).

    Example:
        >>> GlobalAveragePooling1D()([[[1.0], [3.0]]]).tolist()
        [[2.0]]
    """

    rank: ClassVar[int] = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return super().call(inputs)
        axis = self._axes[0]
        weights = ops.expand_dims(ops.cast(mask, dtype_of(inputs)), 2 if axis == 1 else 1)
        total = ops.sum(ops.multiply(inputs, weights), axis=axis, keepdims=self.keepdims)
        return ops.divide(total, ops.sum(weights, axis=axis, keepdims=self.keepdims))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean over all pixels. Arguments as of `GlobalAveragePooling1D`.

    Shape: (N, H, W, C) -> (N, C).

    Example:
        >>> GlobalAveragePooling2D().compute_output_shape((None, 8, 8, 3))
        (None, 3)
    """

    rank: ClassVar[int] = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean over all voxels. Arguments as of `GlobalAveragePooling1D`.

    Shape: (N, D, H, W, C) -> (N, C).

    Example:
        >>> GlobalAveragePooling3D().compute_output_shape((None, 8, 8, 8, 3))
        (None, 3)
    """

    rank: ClassVar[int] = 3
