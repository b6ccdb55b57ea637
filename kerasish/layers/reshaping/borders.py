"""Padding and cropping of the spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of

Pairs = tuple[tuple[int, int], ...]


def _pairs(layer: Any, rank: int, name: str, value: Any) -> Pairs:
    """An integer, one for each axis, or a (before, after) pair for each axis, as pairs."""

    def pair(item: Any) -> tuple[int, int]:
        two = tuple(item) if isinstance(item, (list, tuple)) else (item, item)
        if len(two) != 2 or any(isinstance(n, bool) or not hasattr(n, "__index__") or n < 0 for n in two):
            raise ArgumentError(
                f"`{name}` must be an integer >= 0, or a pair (before, after) for each of the {rank} axes.",
                where=type(layer).__name__,
                received=f"{name}={value!r}",
            )
        return int(two[0]), int(two[1])

    if rank == 1:
        return (pair(value),)
    items = tuple(value) if isinstance(value, (list, tuple)) else (value,) * rank
    if len(items) != rank:
        raise ArgumentError(
            f"`{name}` needs an entry for each of the {rank} axes.",
            where=type(layer).__name__,
            received=f"{name}={value!r}",
        )
    return tuple(pair(item) for item in items)


def _everywhere(layer: Any, pairs: Pairs) -> Pairs:
    """Pairs for all axes of the input, batch and channels included."""
    none = ((0, 0),)
    if layer.data_format == "channels_first":
        return none + none + pairs
    return none + pairs + none


class _Borders(Layer):
    rank: ClassVar[int]

    def _set(self, name: str, value: Any, data_format: str | None) -> None:
        self.data_format = standardize_data_format(data_format)
        self._borders = _pairs(self, self.rank, name, value)
        setattr(self, name, self._borders[0] if self.rank == 1 else self._borders)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class _ZeroPadding(_Borders):
    def call(self, inputs: Tensor) -> Tensor:
        return ops.pad(inputs, _everywhere(self, self._borders))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "padding", "data_format")}


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after a sequence.

    Args:
        padding: How many on both sides, or a pair (before, after).
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, T', C).

    Example:
        >>> ZeroPadding1D((1, 0))([[[5.0]]]).tolist()
        [[[0.0], [5.0]]]
    """

    rank: ClassVar[int] = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("padding", padding, data_format)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around an image.

    Args:
        padding: An integer, one for each axis, or pairs ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, H, W, C) -> (N, H', W', C), or channels first.

    Example:
        >>> ZeroPadding2D(2).compute_output_shape((None, 4, 4, 1))
        (None, 8, 8, 1)
    """

    rank: ClassVar[int] = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("padding", padding, data_format)


class ZeroPadding3D(_ZeroPadding):
    """Zeros around a volume.

    Args:
        padding: An integer, one for each axis, or a pair (before, after) for each.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, D, H, W, C) -> (N, D', H', W', C), or channels first.

    Example:
        >>> ZeroPadding3D(1).compute_output_shape((None, 4, 4, 4, 1))
        (None, 6, 6, 6, 1)
    """

    rank: ClassVar[int] = 3

    def __init__(
        self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._set("padding", padding, data_format)


class _Cropping(_Borders):
    def call(self, inputs: Tensor) -> Tensor:
        shape = shape_of(inputs)
        pairs = _everywhere(self, self._borders)
        for size, (before, after) in zip(shape, pairs, strict=True):
            if shapes.is_known(size) and before + after and before + after >= size:
                raise ShapeError(
                    "Nothing is left after cropping.",
                    expected=f"an axis longer than {before + after}",
                    received=f"shape {shapes.show(shape)}, cropping {self.cropping}",
                )
        stop = tuple(size - after for size, (_, after) in zip(shape, pairs, strict=True))
        return p.slice(inputs, start=tuple(b for b, _ in pairs), stop=stop, step=(1,) * len(shape))

    def get_config(self) -> dict[str, Any]:
        names = ("cropping",) if self.rank == 1 else ("cropping", "data_format")
        return {**super().get_config(), **config_of(self, *names)}


class Cropping1D(_Cropping):
    """A sequence without its ends.

    Args:
        cropping: How many steps fall away on both sides, or a pair (before, after).
        **kwargs: `name`, `dtype`.

    Shape: (N, T, C) -> (N, T', C).

    Example:
        >>> Cropping1D(1)([[[1.0], [2.0], [3.0]]]).tolist()
        [[[2.0]]]
    """

    rank: ClassVar[int] = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, "channels_last")


class Cropping2D(_Cropping):
    """An image without its borders.

    Args:
        cropping: An integer, one for each axis, or pairs ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, H, W, C) -> (N, H', W', C), or channels first.

    Example:
        >>> Cropping2D(2).compute_output_shape((None, 8, 8, 1))
        (None, 4, 4, 1)
    """

    rank: ClassVar[int] = 2

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, data_format)


class Cropping3D(_Cropping):
    """A volume without its borders.

    Args:
        cropping: An integer, one for each axis, or a pair (before, after) for each.
        data_format: "channels_last" or "channels_first".
        **kwargs: `name`, `dtype`.

    Shape: (N, D, H, W, C) -> (N, D', H', W', C), or channels first.

    Example:
        >>> Cropping3D(1).compute_output_shape((None, 4, 4, 4, 1))
        (None, 2, 2, 2, 1)
    """

    rank: ClassVar[int] = 3

    def __init__(
        self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._set("cropping", cropping, data_format)
