"""Operations that repeat, turn, shift and pad along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, promoted, shape_of, to_numpy
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index, axis_tuple
from kerasish.ops.arguments import host_int, known_sizes, size_tuple
from kerasish.ops.core import cast
from kerasish.ops.fastpath import constant, operand
from kerasish.ops.shaping import flat, sliced

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "pad",
    "repeat",
    "roll",
    "rot90",
    "tile",
]


@op
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element `repeats` times in a row along `axis`; flattened first for None.

    Args:
        x: Any tensor.
        repeats: One number, or one for each element along `axis`.
        axis: The axis.

    Example:
        >>> repeat([1, 2], 2).tolist()
        [1, 1, 2, 2]
    """
    x = operand(x)
    if axis is None:
        x, axis = flat(x), 0
    sizes = shape_of(x)
    place = axis_index(axis, len(sizes))
    counts = size_tuple(repeats, "repeats")
    if len(counts) == 1:
        wide = p.reshape(x, shape=(*sizes[: place + 1], 1, *sizes[place + 1 :]))
        wide = p.broadcast_to(wide, shape=(*sizes[: place + 1], counts[0], *sizes[place + 1 :]))
        return p.reshape(wide, shape=(*sizes[:place], sizes[place] * counts[0], *sizes[place + 1 :]))
    if not shapes.compatible(len(counts), sizes[place]):
        raise ShapeError("One count for each element is needed.", expected=sizes[place], received=len(counts))
    index = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return p.take(x, constant(x, index, "int32"), axis=place)


@op
def tile(x: Any, repeats: Any) -> Tensor:
    """x as a whole repeated along each axis.

    Example:
        >>> tile([1, 2], 2).tolist()
        [1, 2, 1, 2]
    """
    x = operand(x)
    counts = known_sizes(repeats, "repeats")
    sizes = shape_of(x)
    rank = max(len(counts), len(sizes))
    counts = (*(1,) * (rank - len(counts)), *counts)
    sizes = (*(1,) * (rank - len(sizes)), *sizes)
    lone = [size for s in sizes for size in (1, s)]
    wide = [size for n, s in zip(counts, sizes, strict=True) for size in (n, s)]
    spread = p.broadcast_to(p.reshape(x, shape=tuple(lone)), shape=tuple(wide))
    return p.reshape(spread, shape=tuple(n * s for n, s in zip(counts, sizes, strict=True)))


@op
def flip(x: Any, axis: Any = None) -> Tensor:
    """x in reverse order along `axis` (all axes for None).

    Example:
        >>> flip([1, 2, 3]).tolist()
        [3, 2, 1]
    """
    x = operand(x)
    return p.flip(x, axis=axis_tuple(axis, len(shape_of(x))))


@op
def flipud(x: Any) -> Tensor:
    """x upside down: reversed along axis 0.

    Example:
        >>> flipud([[1], [2]]).tolist()
        [[2], [1]]
    """
    return flip(x, axis=0)


@op
def fliplr(x: Any) -> Tensor:
    """x mirrored: reversed along axis 1.

    Example:
        >>> fliplr([[1, 2]]).tolist()
        [[2, 1]]
    """
    return flip(x, axis=1)


@op
def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """`array` turned by k quarter turns in the plane of two axes, from the first towards the second.

    Example:
        >>> rot90([[1, 2], [3, 4]]).tolist()
        [[2, 4], [1, 3]]
    """
    x = operand(array)
    rank = len(shape_of(x))
    if rank < 2:
        raise ShapeError("Only tensors with two axes or more can be turned.", received=shape_of(x))
    if len(axes) != 2:
        raise ArgumentError("`axes` must name two axes.", received=axes)
    one, two = (axis_index(a, rank, name="axes") for a in axes)
    if one == two:
        raise ArgumentError("`axes` must name two different axes.", received=axes)
    turns = host_int(k, "k") % 4
    if turns == 2:
        return p.flip(x, axis=tuple(sorted((one, two))))
    order = list(range(rank))
    order[one], order[two] = two, one
    if turns == 1:
        return p.transpose(p.flip(x, axis=(two,)), axes=tuple(order))
    return p.flip(p.transpose(x, axes=tuple(order)), axis=(two,)) if turns == 3 else x


@op
def roll(x: Any, shift: Any, axis: Any = None) -> Tensor:
    """x shifted along `axis`, what leaves at one end entering at the other; as a flat sequence for None.

    Example:
        >>> roll([1, 2, 3], 1).tolist()
        [3, 1, 2]
    """
    x = operand(x)
    sizes = shape_of(x)
    if axis is None:
        return p.reshape(_rolled(flat(x), host_int(shift, "shift"), 0), shape=sizes)
    axes = list(axis) if isinstance(axis, (tuple, list)) else [axis]
    shifts = list(size_tuple(shift, "shift"))
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    axes = axes * len(shifts) if len(axes) == 1 else axes
    if len(shifts) != len(axes):
        raise ArgumentError("As many shifts as axes are needed.", received=f"{shift}, {axis}")
    for step, a in zip(shifts, axes, strict=True):
        x = _rolled(x, step, axis_index(a, len(sizes)))
    return x


def _rolled(x: Tensor, shift: int, axis: int) -> Tensor:
    size = shape_of(x)[axis]
    cut = -shift % size if size else 0
    if cut == 0 and shapes.is_known(size):
        return x
    return p.concatenate([sliced(x, axis, cut, size), sliced(x, axis, 0, cut)], axis=axis)


# -- padding -------------------------------------------------------------------------------------------------

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap", "empty")


def _pairs(pad_width: Any, rank: int) -> tuple[tuple[int, int], ...]:
    width = plain(pad_width)
    if isinstance(width, int):
        return ((width, width),) * rank
    rows = [plain(w) for w in width] if isinstance(width, (list, tuple)) else to_numpy(width).tolist()
    if all(isinstance(w, int) for w in rows):
        rows = [rows]
    pairs = [size_tuple(row, "pad_width") for row in rows]
    pairs = [(pair[0], pair[0]) if len(pair) == 1 else pair for pair in pairs]
    pairs = pairs * rank if len(pairs) == 1 else pairs
    if len(pairs) != rank or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ArgumentError(
            "Pad sizes must be pairs >= 0, one for each axis.", expected=rank, received=pad_width
        )
    return tuple((pair[0], pair[1]) for pair in pairs)


@op
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """x with elements added before and after each axis.

    Args:
        x: Any tensor.
        pad_width: A number, a pair (before, after), or a pair for each axis.
        mode: "constant", "edge", "reflect" (without the edge), "symmetric" (with it) or "wrap".
        constant_values: The value of mode "constant"; 0 by default.

    Raises:
        ArgumentError: An unknown mode, bad pad sizes, or `constant_values` with another mode.

    Example:
        >>> pad([1, 2], (1, 2)).tolist()
        [0, 1, 2, 0, 0]
    """
    x = operand(x)
    sizes = shape_of(x)
    pairs = _pairs(pad_width, len(sizes))
    if mode not in _MODES:
        raise ArgumentError("Unknown `mode`.", expected=f"one of {_MODES}", received=mode)
    if mode in ("constant", "empty"):
        value = 0 if constant_values is None else constant_values
        return _padded(x, pairs, value)
    if constant_values is not None:
        raise ArgumentError("`constant_values` belongs to mode 'constant'.", received=f"mode={mode!r}")
    for axis, pair in enumerate(pairs):
        x = _mirrored(x, axis, pair, mode) if any(pair) else x
    return x


def _padded(x: Tensor, pairs: tuple[tuple[int, int], ...], value: Any) -> Tensor:
    if isinstance(value, (bool, int, float)):
        name = dtype_of(x)
        if isinstance(value, float) and not dtypes.is_float(name):
            value = int(to_numpy(cast(value, name)))
        return p.pad(x, pads=pairs, value=bool(value) if name == "bool" else value)
    x, value = promoted(x, value)
    mask = p.pad(_ones(x), pads=pairs, value=False)
    return p.where(mask, p.pad(x, pads=pairs, value=0), value)


def _ones(x: Tensor) -> Tensor:
    return p.broadcast_to(constant(x, True, "bool"), shape=shape_of(x))


def _mirrored(x: Tensor, axis: int, pair: tuple[int, int], mode: str) -> Tensor:
    size = shape_of(x)[axis]
    if not shapes.is_known(size):  # only the shape is wanted
        return p.pad(x, pads=tuple(pair if a == axis else (0, 0) for a in range(len(shape_of(x)))), value=0)
    if size == 0:
        raise ShapeError(f"An empty axis cannot be padded in mode {mode!r}.", received=shape_of(x))
    index = np.pad(np.arange(size, dtype=np.int32), pair, mode=mode)  # type: ignore[call-overload]
    return p.take(x, constant(x, index, "int32"), axis=axis)
