"""One layout for all image operations: a batch of images, channels last; and back to what the caller gave."""

from __future__ import annotations

from typing import Any, NamedTuple

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ShapeError
from kerasish.ops.fastpath import operand

__all__: list[str] = []


class Layout(NamedTuple):
    """How the caller's images were laid out."""

    single: bool
    data_format: str
    dtype: str


def opened(images: Any, data_format: str | None, *, rank: int = 4) -> tuple[Tensor, Layout]:
    """Images as a batch with channels last, and how to go back.

    Raises:
        ShapeError: They have neither `rank` axes nor one fewer.
    """
    form = standardize_data_format(data_format)
    x = operand(images)
    shape = shape_of(x)
    if len(shape) not in (rank - 1, rank):
        places = "height, width" if rank == 4 else "depth, height, width"
        order = f"{places}, channels" if form == "channels_last" else f"channels, {places}"
        raise ShapeError(
            "An image or a batch of images is needed.",
            expected=f"({order}) or (batch, {order})",
            received=shapes.show(shape),
        )
    single = len(shape) == rank - 1
    if single:
        x = p.reshape(x, shape=(1, *shape))
    if form == "channels_first":
        x = p.transpose(x, axes=(0, *range(2, rank), 1))
    return x, Layout(single, form, dtype_of(x))


def closed(x: Tensor, layout: Layout) -> Tensor:
    """Images as the caller had them laid out."""
    rank = len(shape_of(x))
    if layout.data_format == "channels_first":
        x = p.transpose(x, axes=(0, rank - 1, *range(1, rank - 1)))
    return p.reshape(x, shape=shape_of(x)[1:]) if layout.single else x


def to_float(x: Tensor) -> Tensor:
    """Images to compute with: integers become float32."""
    return x if dtypes.is_float(dtype_of(x)) else p.cast(x, dtype="float32")


def from_float(x: Tensor, dtype: str) -> Tensor:
    """Back to the images' dtype; integers are rounded to the nearest, halves away from 0, and saturate."""
    if dtype_of(x) == dtype:
        return x
    if dtypes.is_float(dtype):
        return p.cast(x, dtype=dtype)
    return p.cast(p.trunc(p.add(x, p.multiply(p.sign(x), 0.5))), dtype=dtype)
