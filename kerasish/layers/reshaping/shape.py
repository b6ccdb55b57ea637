"""The same elements in another shape or order."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import shapes
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, positive


class Flatten(Layer):
    """All axes but the batch as one.

    Args:
        data_format: "channels_first" puts the channels last before flattening.
        **kwargs: `name`, `dtype`.

    Shape: (N, ...) -> (N, product of the rest).

    Example:
        >>> Flatten().compute_output_shape((None, 28, 28, 3))
        (None, 2352)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Tensor) -> Tensor:
        rank = len(shape_of(inputs))
        if self.data_format == "channels_first" and rank > 2:
            inputs = ops.transpose(inputs, (0, *range(2, rank), 1))
        shape = shape_of(inputs)
        return ops.reshape(inputs, (shape[0], shapes.size_of(shape[1:])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "data_format")}


class Reshape(Layer):
    """The inputs in another shape.

    Args:
        target_shape: Sizes of one sample; one may be −1, to be computed.
        **kwargs: `name`, `dtype`.

    Shape: (N, ...) -> (N, *target_shape).

    Example:
        >>> Reshape((7, -1)).compute_output_shape((None, 28))
        (None, 7, 4)
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if sum(s in (-1, None) for s in target) > 1:
            raise ArgumentError(
                "Only one size can be computed.", where=self.where, received=f"target_shape={target}"
            )
        self.target_shape = target

    def call(self, inputs: Tensor) -> Tensor:
        batch, *rest = shape_of(inputs)
        return ops.reshape(inputs, (batch, *shapes.resolve_reshape(tuple(rest), self.target_shape)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "target_shape")}


class Permute(Layer):
    """The axes in another order.

    Args:
        dims: For each axis of the result which axis of the input it is, counted from 1 (0 is the batch).
        **kwargs: `name`, `dtype`.

    Example:
        >>> Permute((2, 1)).compute_output_shape((None, 10, 64))
        (None, 64, 10)
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(
                "`dims` must be a permutation of 1, 2, ....",
                where=type(self).__name__,
                expected=f"of {tuple(range(1, len(self.dims) + 1))}",
                received=self.dims,
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "dims")}


class RepeatVector(Layer):
    """The input n times, along a new axis of time.

    Args:
        n: How often.
        **kwargs: `name`, `dtype`.

    Shape: (N, C) -> (N, n, C).

    Example:
        >>> RepeatVector(2)([[1.0, 2.0]]).tolist()
        [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        positive(self, n=n)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Tensor) -> Tensor:
        batch, channels = shape_of(inputs)
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (batch, self.n, channels))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "n")}
