"""Reading and writing elements by index.

One meaning on every engine: a negative index counts from the end; an index in a tensor or array that lies outside is
moved to the nearest valid one (checking it would make the host wait for the device); Python ints and lists are checked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.abstract import AbstractTensor
from kerasish.core.contract import Tensor
from kerasish.core.convert import (
    dtype_of,
    host_array,
    plain,
    promoted,
    shape_of,
    tensors,
    to_numpy,
    to_tensor,
)
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError, TraceError
from kerasish.core.primitive import ABSTRACT
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.ops.arguments import known_sizes, size_tuple
from kerasish.ops.fastpath import (
    booleans,
    choice,
    constant,
    filled,
    indexing,
    integers,
    operand,
    picking,
)
from kerasish.ops.shaping import flat

__all__ = [
    "get_item",
    "nonzero",
    "scatter",
    "scatter_update",
    "slice",
    "slice_update",
    "take",
    "take_along_axis",
    "unravel_index",
    "where",
]

_slice = type(np.s_[:])  # the builtin's name is taken by ops.slice


# -- indices -------------------------------------------------------------------------------------------------


@overridable
def _wrap_indices(indices: Tensor, /, *, size: int) -> Tensor:
    inside = p.minimum(p.maximum(indices, -size), size - 1)
    return p.remainder(inside, size)


def indices_within(x: Tensor, indices: Any, size: int, name: str = "indices") -> Tensor:
    """Indices as an int32 tensor beside x, all within 0..size-1.

    Raises:
        OutOfRangeError: A Python int or list holds an index outside [-size, size).
        DTypeError: Not integers.
    """
    found, checked = _int32_indices(x, indices, size, name)
    return found if checked else _wrap_indices(found, size=size)


def _int32_indices(x: Tensor, indices: Any, size: int, name: str) -> tuple[Tensor, bool]:
    """Indices as an int32 tensor beside x, and whether all are known to be within 0..size-1."""
    indices = plain(indices)
    if isinstance(indices, (int, list, tuple, range)) and not isinstance(indices, bool):
        if not isinstance(indices, (list, tuple)) or not _tensor_inside(indices):
            return _checked(x, indices, size, name), True
        indices = promoted_stack(indices)
    indices = to_tensor(indices, engine_of((x, indices)))
    dtype = dtype_of(indices)
    if not dtypes.is_integer(dtype):
        raise DTypeError(f"`{name}` must hold integers.", received=dtype, hint="ops.cast(indices, 'int32')")
    if dtype != "int32":
        indices = p.cast(indices, dtype="int32") if dtypes.bits(dtype) < 32 else _narrowed(indices, size)
    if size == 0 and shapes.is_known(size) and shapes.size_of(shape_of(indices)):
        raise OutOfRangeError("An empty axis has no elements.", where=name)
    return indices, False


def _narrowed(indices: Tensor, size: int) -> Tensor:
    low = 0 if dtype_of(indices).startswith("u") else -size
    return p.cast(p.minimum(p.maximum(indices, low) if low else indices, size), dtype="int32")


def _checked(x: Tensor, indices: Any, size: int, name: str) -> Tensor:
    array = host_array(indices if not isinstance(indices, range) else list(indices))
    if array.size == 0:
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"`{name}` must hold integers.", received=str(array.dtype))
    if shapes.is_known(size) and array.size and (array.min() < -size or array.max() >= size):
        bad = array.min() if array.min() < -size else array.max()
        raise OutOfRangeError(
            "An index is outside the axis.", expected=f"{-size} to {size - 1}", received=int(bad)
        )
    return constant(x, np.where(array < 0, array + size, array), "int32")


def _tensor_inside(items: Any) -> bool:
    return any(
        _tensor_inside(i)
        if isinstance(i, (list, tuple))
        else not isinstance(i, (int, float, np.generic, np.ndarray))
        for i in items
    )


def promoted_stack(items: Any) -> Tensor:
    """Nested lists with tensors inside as one tensor."""
    rows = [promoted_stack(i) if isinstance(i, (list, tuple)) else i for i in items]
    rows = promoted(*rows)
    return p.concatenate([p.reshape(r, shape=(1, *shape_of(r))) for r in rows], axis=0)


@overridable
def _take_anywhere(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    """Entries of x at int32 indices, negative ones from the end, others clipped; override name "take_anywhere"."""
    return p.take(x, _wrap_indices(indices, size=shape_of(x)[axis]), axis=axis)


@picking("take_anywhere")
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """The entries of x along `axis` at `indices` (of the flattened tensor for None).

    Args:
        x: Any tensor.
        indices: Integers of any shape, which takes the place of the axis.
        axis: The axis.

    Raises:
        OutOfRangeError: A Python index is outside the axis. (Indices in tensors are clipped.)

    Example:
        >>> take([10, 20, 30], [2, -3]).tolist()
        [30, 10]
    """
    x = operand(x)
    if axis is None:
        x, axis = flat(x), 0
    place = axis_index(axis, len(shape_of(x)))
    indices, checked = _int32_indices(x, indices, shape_of(x)[place], "indices")
    return (p.take if checked else _take_anywhere)(x, indices, axis=place)


@op
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """result[..., i, ...] = x[..., indices[..., i, ...], ...] along `axis`; other axes broadcast.

    Example:
        >>> take_along_axis([[10, 20], [30, 40]], [[1], [0]], axis=1).tolist()
        [[20], [30]]
    """
    x = operand(x)
    if axis is None:
        x, axis = flat(x), 0
    sizes = shape_of(x)
    place = axis_index(axis, len(sizes))
    indices = indices_within(x, indices, sizes[place])
    given = shape_of(indices)
    if len(given) != len(sizes):
        raise ShapeError("Indices need the tensor's rank.", expected=len(sizes), received=shapes.show(given))
    common = shapes.broadcast(*((*s[:place], 1, *s[place + 1 :]) for s in (sizes, given)))
    x = p.broadcast_to(x, shape=(*common[:place], sizes[place], *common[place + 1 :]))
    indices = p.broadcast_to(indices, shape=(*common[:place], given[place], *common[place + 1 :]))
    return p.take_along_axis(x, indices, axis=place)


# -- x[key] --------------------------------------------------------------------------------------------------


def _is_index_array(item: Any) -> bool:
    return not (item is None or item is Ellipsis or isinstance(item, (int, np.integer, _slice)))


def _items(x: Tensor, key: Any) -> list[Any]:
    """The key as one item an axis and None for new axes; masks become index arrays, the ellipsis full slices."""
    rank = len(shape_of(x))
    parts: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        item = plain(item)
        if isinstance(item, (bool, np.bool_)):
            raise ArgumentError(
                "A single bool is no index.", received=item, hint="use ops.where or ops.expand_dims"
            )
        if isinstance(item, (list, range)):
            item = promoted_stack(item) if _tensor_inside(item) else list(item)
            mask = isinstance(item, list) and host_array(item).dtype == bool
            item = np.asarray(item) if mask else item
        if _is_index_array(item) and dtype_of(item) == "bool":
            parts.extend(_mask_places(item))
        else:
            parts.append(item)
    used = sum(1 for i in parts if i is not None and i is not Ellipsis)
    dots = sum(1 for i in parts if i is Ellipsis)
    if dots > 1 or used > rank:
        raise ArgumentError(
            "Too many indices for the tensor.", expected=f"at most {rank}", received=f"{used}"
        )
    if not dots:
        parts.append(Ellipsis)
    at = next(i for i, item in enumerate(parts) if item is Ellipsis)
    return [*parts[:at], *[_slice(None)] * (rank - used), *parts[at + 1 :]]


def _mask_places(mask: Any) -> list[np.ndarray]:
    engine = engine_of((mask,))
    if isinstance(mask, AbstractTensor) or (engine.is_tensor(mask) and engine.is_traced(mask)):
        raise TraceError(
            "A bool mask chooses a number of elements that is not known while tracing.", hint="use ops.where"
        )
    return [places.astype(np.int32) for places in np.nonzero(to_numpy(mask))]


def _bounds(item: Any, size: int) -> tuple[int, int, int]:
    """start, stop, step of a slice with positive step; a negative step is left to a flip (and given back negative)."""
    if item.start is None and item.stop is None and item.step is None:
        return 0, size, 1
    start, stop, step = item.indices(int(size))
    if step < 0:
        count = max(-(-(start - stop) // -step), 0)
        start, stop = (start + (count - 1) * step, start + 1) if count else (0, 0)
    stop = max(stop, start)
    return (start, stop, step) if shapes.is_known(size) else (start, shapes.Dim(stop), step)


def _at(item: Any, size: int, axis: int) -> int:
    index = int(item)
    if shapes.is_known(size) and not -size <= index < size:
        raise OutOfRangeError(
            "An index is outside the tensor.",
            expected=f"{-size} to {size - 1} for axis {axis}",
            received=index,
        )
    return index + size if index < 0 else index


def _basic(x: Tensor, items: list[Any], keep_ints: bool) -> Tensor:
    """Slices, new axes and (unless kept as arrays) ints."""
    sizes = shape_of(x)
    start, stop, step, flips, shape = [], [], [], [], []
    axis = 0
    for item in items:
        if item is None:
            shape.append(1)
            continue
        size = sizes[axis]
        lo, hi, by = 0, size, 1
        if isinstance(item, _slice):
            lo, hi, by = _bounds(item, size)
            if by < 0:
                flips.append(axis)
                by = -by
        elif not _is_index_array(item) and not keep_ints:
            lo = _at(item, size, axis)
            hi = lo + 1
        if not (isinstance(item, (int, np.integer)) and not keep_ints):
            shape.append(-((hi - lo) // -by))
        start.append(lo), stop.append(hi), step.append(by)
        axis += 1
    if any(lo != 0 or hi != s or by != 1 for lo, hi, by, s in zip(start, stop, step, sizes, strict=True)):
        x = p.slice(x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    if flips:
        x = p.flip(x, axis=tuple(flips))
    return (
        x
        if len(shape) == len(sizes) and all(i is not None for i in items)
        else p.reshape(x, shape=tuple(shape))
    )


def _advanced(x: Tensor, items: list[Any]) -> Tensor:
    """Index arrays: x has one axis an item by now."""
    sizes = shape_of(x)
    axes = [a for a, item in enumerate(items) if item is not None and not isinstance(item, _slice)]
    arrays = [indices_within(x, _listed(items[a]), sizes[a], f"index {a}") for a in axes]
    if len(arrays) == 1:
        return p.take(x, arrays[0], axis=axes[0])
    common = shapes.broadcast(*(shape_of(a) for a in arrays))
    columns = [p.reshape(p.broadcast_to(a, shape=common), shape=(*common, 1)) for a in arrays]
    rest = [a for a in range(len(sizes)) if a not in axes]
    front = p.transpose(x, axes=(*axes, *rest))
    found = p.gather_nd(front, p.concatenate(columns, axis=len(common)))
    if axes != list(range(axes[0], axes[0] + len(axes))) or axes[0] == 0:
        return found  # apart from each other: their axes come first
    n, before = len(common), axes[0]
    order = (*range(n, n + before), *range(n), *range(n + before, n + len(rest)))
    return p.transpose(found, axes=order)


def _listed(item: Any) -> Any:
    return int(item) if isinstance(item, (int, np.integer)) else item


@overridable
def _basic_index(x: Tensor, /, *, items: tuple[Any, ...]) -> Tensor:
    """x[items] for ints, slices, None and ...; override name "basic_index"."""
    return _basic(x, _items(x, items), False)


@indexing("basic_index")
def get_item(x: Any, key: Any) -> Tensor:
    """x[key] under NumPy's rules: ints, slices of any step, None, ..., int arrays, bool masks.

    Raises:
        OutOfRangeError: An int lies outside its axis.
        ArgumentError: More indices than axes.
        TraceError: A mask whose values are not known.

    Example:
        >>> get_item([[1, 2], [3, 4]], np.s_[:, -1]).tolist()
        [2, 4]
    """
    x = operand(x)
    items = _items(x, key)
    if not any(_is_index_array(item) for item in items):
        return _basic(x, items, False)
    y = _basic(x, items, True)
    return _advanced(y, items)


# -- blocks --------------------------------------------------------------------------------------------------


def _starts(x: Tensor, start_indices: Any) -> Tensor:
    start_indices = plain(start_indices)
    if isinstance(start_indices, (list, tuple)):
        if not _tensor_inside(start_indices):
            return constant(x, host_array(list(start_indices)), "int32")
        return p.cast(promoted_stack(start_indices), dtype="int32")
    return p.cast(integers(tensors(x, start_indices)[1], name="start_indices"), dtype="int32")


def _static_starts(start_indices: Any) -> tuple[int, ...] | None:
    items = plain(start_indices)
    if isinstance(items, np.ndarray) and items.dtype.kind in "iu":
        items = items.tolist()
    if isinstance(items, (list, tuple)) and all(isinstance(i, (int, np.integer)) for i in items):
        return tuple(int(i) for i in items)
    return None


@op
def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The block of size `shape` that begins at `start_indices`, moved inside where it would leave the tensor.

    Args:
        inputs: Any tensor.
        start_indices: One index an axis: numbers or a tensor.
        shape: Sizes; −1 means as far as the axis goes (numbers as start only).

    Example:
        >>> slice([1, 2, 3, 4], [1], [2]).tolist()
        [2, 3]
    """
    x = operand(inputs)
    sizes, wanted = shape_of(x), size_tuple(shape)
    fixed = _static_starts(start_indices)
    if len(wanted) != len(sizes) or (fixed is not None and len(fixed) != len(sizes)):
        raise ShapeError(
            "One start and one size for each axis are needed.", expected=len(sizes), received=shape
        )
    if fixed is None:
        if any(w < 0 for w in wanted):
            raise ArgumentError("-1 needs starts that are numbers.", received=shape)
        return p.dynamic_slice(x, _starts(x, start_indices), sizes=wanted)
    blocks = [s - lo if w == -1 else w for w, s, lo in zip(wanted, sizes, fixed, strict=True)]
    for w, s in zip(blocks, sizes, strict=True):
        if not w >= 0 or (shapes.is_known(s) and w > s):
            raise ShapeError(
                "The block is larger than the tensor.", expected=shapes.show(sizes), received=shape
            )
    start = [min(max(lo, 0), s - w) for lo, s, w in zip(fixed, sizes, blocks, strict=True)]
    stop = tuple(lo + w for lo, w in zip(start, blocks, strict=True))
    return p.slice(x, start=tuple(start), stop=stop, step=(1,) * len(sizes))


@op
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """`inputs` with the block that begins at `start_indices` replaced by `updates`.

    Example:
        >>> slice_update([1, 2, 3, 4], [1], [7, 8]).tolist()
        [1, 7, 8, 4]
    """
    x, new = tensors(inputs, updates)
    if dtype_of(new) != dtype_of(x):
        new = p.cast(new, dtype=dtype_of(x))
    return p.dynamic_update_slice(x, new, _starts(x, start_indices))


# -- scattering ----------------------------------------------------------------------------------------------


def _places(x: Tensor, indices: Any) -> Tensor:
    """Indices (n, k) of the first k axes of x, each column within its axis."""
    indices = p.cast(integers(tensors(x, indices)[1], name="indices"), dtype="int32")
    given = shape_of(indices)
    if len(given) < 1 or not shapes.is_known(given[-1]) or given[-1] > len(shape_of(x)):
        raise ShapeError(
            "The last axis of `indices` must name axes.",
            expected=f"at most {len(shape_of(x))}",
            received=given,
        )
    rows = shapes.size_of(given[:-1])
    indices = p.reshape(indices, shape=(rows, given[-1]))
    columns = [
        _wrap_indices(p.slice(indices, start=(0, j), stop=(rows, j + 1), step=(1, 1)), size=shape_of(x)[j])
        for j in range(given[-1])
    ]
    return columns[0] if len(columns) == 1 else p.concatenate(columns, axis=1)


def _multiplied(x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    def step(carry: list[Tensor], row: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        place, value = row
        place = p.reshape(place, shape=(1, *shape_of(place)))
        old = p.gather_nd(carry[0], place)
        return [p.scatter_update(carry[0], place, p.multiply(old, p.reshape(value, shape=shape_of(old))))], []

    length = shape_of(places)[0]
    carry, _ = p.scan([x], [places, updates], fn=step, length=length, reverse=False)
    return carry[0]


def _flipped(x: Tensor) -> Tensor:
    """An order-reversing map of numbers that cannot overflow: maxima become minima."""
    return p.negative(x) if dtypes.is_float(dtype_of(x)) else p.bitwise_not(x)


def scattered(x: Tensor, places: Tensor, updates: Tensor, reduction: str | None) -> Tensor:
    """x with updates put, added, maximised, minimised or multiplied at places (n, k)."""
    if reduction is None:
        return p.scatter_update(x, places, updates)
    if reduction == "add":
        return p.scatter_add(x, places, updates)
    if reduction == "max":
        return p.scatter_max(x, places, updates)
    if reduction == "min":
        return _flipped(p.scatter_max(_flipped(x), places, _flipped(updates)))
    return _multiplied(x, places, updates)


@op
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Tensor:
    """`inputs` with `updates` at `indices`.

    Args:
        inputs: The tensor to start from.
        indices: (..., k): places in the first k axes.
        updates: (..., *rest of the axes).
        reduction: None replaces (of duplicates the last wins); "add", "max", "min" and "mul" combine.

    Example:
        >>> scatter_update([0, 0, 0], [[0], [2]], [5, 7]).tolist()
        [5, 0, 7]
    """
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ArgumentError(
            "Unknown `reduction`.", expected="None, 'add', 'max', 'min' or 'mul'", received=reduction
        )
    x, new = tensors(inputs, updates)
    if dtype_of(new) != dtype_of(x):
        new = p.cast(new, dtype=dtype_of(x))
    places = _places(x, indices)
    rest = shape_of(x)[shape_of(places)[1] :]
    new = p.broadcast_to(new, shape=rest) if not shape_of(new) and not rest else new
    wanted = (shape_of(places)[0], *rest)
    if len(shape_of(new)) < len(rest) + 1:
        new = p.broadcast_to(new, shape=wanted)
    return scattered(x, places, p.reshape(new, shape=wanted), reduction)


@op
def scatter(indices: Any, values: Any, shape: Any) -> Tensor:
    """Zeros of `shape` with `values` added at `indices` (n, k).

    Example:
        >>> scatter([[0], [2]], [5, 7], (4,)).tolist()
        [5, 0, 7, 0]
    """
    indices, values = tensors(indices, values)
    zeros = filled(values, known_sizes(shape), 0, dtype_of(values))
    return scatter_update(zeros, indices, values, reduction="add")


# -- places of conditions ------------------------------------------------------------------------------------


@op
def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The int32 indices of all x that differ from 0, one tensor an axis.

    Raises:
        TraceError: The values of x are not known: the result would have no fixed size.

    Example:
        >>> [i.tolist() for i in nonzero([0, 3, 5])]
        [[1, 2]]
    """
    x = operand(x)
    engine = engine_of((x,))
    if engine is ABSTRACT:
        return tuple(AbstractTensor((None,), "int32") for _ in shape_of(x))
    if engine.is_traced(x):
        raise TraceError(
            "How many values differ from 0 is not known while tracing.",
            hint="use ops.where with three arguments",
        )
    return tuple(constant(x, places, "int32") for places in np.nonzero(engine.to_numpy(x)))


@choice
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """x1 where `condition` holds, else x2; all broadcast. Without x1 and x2: the places, as of `nonzero`.

    Example:
        >>> where([True, False], [1, 2], 9).tolist()
        [1, 9]
    """
    if x1 is None and x2 is None:
        return nonzero(condition)
    if x1 is None or x2 is None:
        raise ArgumentError("where takes both x1 and x2, or neither.")
    x1, x2 = promoted(x1, x2, scalars=True)
    if dtypes.weak_name(x1) is not None:
        condition, x2 = tensors(condition, x2)
    elif dtypes.weak_name(x2) is not None:
        condition, x1 = tensors(condition, x1)
    else:
        condition, x1, x2 = tensors(condition, x1, x2)
    return p.where(booleans(condition), x1, x2)


@op
def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flattened tensor of `shape` as one tensor of indices an axis.

    Example:
        >>> [i.tolist() for i in unravel_index([3, 4], (2, 3))]
        [[1, 1], [0, 1]]
    """
    rest = integers(indices, name="indices")
    sizes = known_sizes(shape)
    total = shapes.size_of(sizes)
    rest = p.where(p.less(rest, 0), p.add(rest, total), rest)
    found = []
    for size in reversed(sizes):
        found.append(p.remainder(rest, size))
        rest = p.floor_divide(rest, size)
    return tuple(reversed(found))
