"""Operations that arrange elements without looking at their values: reshape, transpose, join, split."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import plain, promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.shapes import axis_index, axis_tuple
from kerasish.ops.arguments import host_int, known_sizes, size_tuple
from kerasish.ops.fastpath import joining, operand, rearrangement

__all__ = [
    "append",
    "array_split",
    "broadcast_to",
    "concatenate",
    "dsplit",
    "dstack",
    "expand_dims",
    "hsplit",
    "hstack",
    "moveaxis",
    "ravel",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
    "unstack",
    "vsplit",
    "vstack",
]


def _reshaped(sizes: shapes.Shape, newshape: Any) -> dict[str, Any]:
    return {"shape": shapes.resolve_reshape(sizes, size_tuple(newshape, "newshape"))}


@rearrangement("reshape", _reshaped)
def reshape(x: Any, newshape: Any) -> Tensor:
    """The same elements, in row-major order, under a new shape; one −1 (or None) is computed.

    Raises:
        ShapeError: The number of elements differs.

    Example:
        >>> reshape([1, 2, 3, 4], (2, -1)).tolist()
        [[1, 2], [3, 4]]
    """
    x = operand(x)
    return p.reshape(x, **_reshaped(shape_of(x), newshape))


@op
def ravel(x: Any) -> Tensor:
    """All elements in one axis, row by row.

    Example:
        >>> ravel([[1, 2], [3, 4]]).tolist()
        [1, 2, 3, 4]
    """
    return flat(operand(x))


def flat(x: Tensor) -> Tensor:
    """A tensor's elements in one axis."""
    return p.reshape(x, shape=(shapes.size_of(shape_of(x)),))


def _transposed(sizes: shapes.Shape, axes: Any = None) -> dict[str, Any]:
    rank = len(sizes)
    wanted = range(rank - 1, -1, -1) if axes is None else axes
    order = tuple(axis_index(a, rank, name="axes") for a in wanted)
    if sorted(order) != list(range(rank)):
        raise ArgumentError(
            "`axes` must be a permutation of the axes.", expected=f"of 0..{rank - 1}", received=axes
        )
    return {"axes": order}


@rearrangement("transpose", _transposed)
def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """Axis i of the result is axis axes[i] of x; the reverse order by default.

    Example:
        >>> transpose([[1, 2], [3, 4]]).tolist()
        [[1, 3], [2, 4]]
    """
    x = operand(x)
    return p.transpose(x, **_transposed(shape_of(x), axes))


def _expanded(sizes: shapes.Shape, axis: Any) -> dict[str, Any]:
    new = [axis] if not isinstance(axis, (tuple, list)) else list(axis)
    places = axis_tuple(new, len(sizes) + len(new))
    rest = iter(sizes)
    return {"shape": tuple(1 if i in places else next(rest) for i in range(len(sizes) + len(new)))}


@rearrangement("reshape", _expanded)
def expand_dims(x: Any, axis: Any) -> Tensor:
    """New axes of size 1 at the places `axis` (int or ints) of the result.

    Example:
        >>> expand_dims([1, 2], 0).shape
        (1, 2)
    """
    x = operand(x)
    return p.reshape(x, **_expanded(shape_of(x), axis))


def _squeezed(sizes: shapes.Shape, axis: Any = None) -> dict[str, Any]:
    if axis is None:
        gone = {i for i, s in enumerate(sizes) if s == 1 and shapes.is_known(s)}
    else:
        gone = set(axis_tuple(axis, len(sizes)))
    if any(not shapes.compatible(sizes[a], 1) for a in gone):
        raise ShapeError(
            "Only axes of size 1 can be squeezed.", received=f"axis={axis} of {shapes.show(sizes)}"
        )
    return {"shape": tuple(s for i, s in enumerate(sizes) if i not in gone)}


@rearrangement("reshape", _squeezed)
def squeeze(x: Any, axis: Any = None) -> Tensor:
    """x without the axes `axis`, which must have size 1; by default without all such axes.

    Raises:
        ShapeError: A named axis has another size.

    Example:
        >>> squeeze([[[1, 2]]]).shape
        (2,)
    """
    x = operand(x)
    return p.reshape(x, **_squeezed(shape_of(x), axis))


@op
def broadcast_to(x: Any, shape: Any) -> Tensor:
    """x repeated along axes of size 1 (and missing leading axes) up to `shape`.

    Example:
        >>> broadcast_to([1, 2], (2, 2)).tolist()
        [[1, 2], [1, 2]]
    """
    return p.broadcast_to(operand(x), shape=known_sizes(shape))


@op
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged.

    Example:
        >>> swapaxes([[1, 2]], 0, 1).tolist()
        [[1], [2]]
    """
    x = operand(x)
    order = list(range(len(shape_of(x))))
    one, two = axis_index(axis1, len(order), name="axis1"), axis_index(axis2, len(order), name="axis2")
    order[one], order[two] = two, one
    return p.transpose(x, axes=tuple(order))


@op
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """x with the axes `source` at the places `destination`, the others in their order.

    Example:
        >>> moveaxis([[1, 2]], 0, -1).tolist()
        [[1], [2]]
    """
    x = operand(x)
    rank = len(shape_of(x))
    old = [source] if not isinstance(source, (tuple, list)) else list(source)
    new = [destination] if not isinstance(destination, (tuple, list)) else list(destination)
    if len(old) != len(new):
        raise ArgumentError(
            "As many destinations as sources are needed.", received=f"{source}, {destination}"
        )
    axis_tuple(old, rank, name="source"), axis_tuple(new, rank, name="destination")  # no axis twice
    old = [axis_index(a, rank) for a in old]
    order = [a for a in range(rank) if a not in old]
    for place, axis in sorted(zip((axis_index(a, rank) for a in new), old, strict=True)):
        order.insert(place, axis)
    return p.transpose(x, axes=tuple(order))


# -- joining -------------------------------------------------------------------------------------------------


def _sequence(xs: Any, name: str) -> list[Tensor]:
    xs = plain(xs)
    items = list(xs) if isinstance(xs, (list, tuple)) else unstack(xs)
    if not items:
        raise ArgumentError(f"`{name}` must hold at least one tensor.", received="none")
    return promoted(*items)


@joining("concatenate")
def concatenate(xs: Any, axis: int = 0) -> Tensor:
    """Tensors joined along `axis`; all other axes must agree.

    Raises:
        ShapeError: They do not.

    Example:
        >>> concatenate([[1, 2], [3]]).tolist()
        [1, 2, 3]
    """
    items = _sequence(xs, "xs")
    if axis is None:
        return p.concatenate([flat(x) for x in items], axis=0)
    if not shape_of(items[0]):
        raise ShapeError("Scalars have no axis to be joined along.", hint="use ops.stack")
    return p.concatenate(items, axis=axis_index(axis, len(shape_of(items[0]))))


@overridable
def _stack(xs: list[Tensor], /, *, axis: int) -> Tensor:
    grown = []
    for x in xs:
        sizes = shape_of(x)
        grown.append(p.reshape(x, shape=(*sizes[:axis], 1, *sizes[axis:])))
    return p.concatenate(grown, axis=axis)


@op
def stack(x: Any, axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> stack([[1, 2], [3, 4]], axis=1).tolist()
        [[1, 3], [2, 4]]
    """
    items = _sequence(x, "x")
    first = shape_of(items[0])
    for item in items:
        sizes = shape_of(item)
        if len(sizes) != len(first) or not all(map(shapes.compatible, sizes, first)):
            raise ShapeError(
                "Tensors to stack need one shape.", expected=shapes.show(first), received=shapes.show(sizes)
            )
    return _stack(items, axis=axis_index(axis, len(first) + 1))


@op
def append(x1: Any, x2: Any, axis: int | None = None) -> Tensor:
    """x2 after x1 along `axis`; both flattened first for None.

    Example:
        >>> append([1, 2], [3]).tolist()
        [1, 2, 3]
    """
    return concatenate([x1, x2], axis=axis)  # type: ignore[arg-type]


def _at_least(x: Tensor, rank: int) -> Tensor:
    """x with the axes NumPy's stacking functions add: in front for 1 and 2, around a vector for 3."""
    sizes = shape_of(x)
    if len(sizes) >= rank:
        return x
    if rank == 3:
        return p.reshape(
            x, shape=(1, 1, 1) if not sizes else (1, *sizes, 1) if len(sizes) == 1 else (*sizes, 1)
        )
    return p.reshape(x, shape=(*(1,) * (rank - len(sizes)), *sizes))


@op
def vstack(xs: Any) -> Tensor:
    """Tensors one below the other, along axis 0; vectors are rows.

    Example:
        >>> vstack([[1, 2], [3, 4]]).tolist()
        [[1, 2], [3, 4]]
    """
    return p.concatenate([_at_least(x, 2) for x in _sequence(xs, "xs")], axis=0)


@op
def hstack(xs: Any) -> Tensor:
    """Tensors side by side, along axis 1; vectors along axis 0.

    Example:
        >>> hstack([[1, 2], [3, 4]]).tolist()
        [1, 2, 3, 4]
    """
    items = [_at_least(x, 1) for x in _sequence(xs, "xs")]
    return p.concatenate(items, axis=0 if len(shape_of(items[0])) == 1 else 1)


@op
def dstack(xs: Any) -> Tensor:
    """Tensors one behind the other, along axis 2.

    Example:
        >>> dstack([[1, 2], [3, 4]]).tolist()
        [[[1, 3], [2, 4]]]
    """
    return p.concatenate([_at_least(x, 3) for x in _sequence(xs, "xs")], axis=2)


# -- splitting -----------------------------------------------------------------------------------------------


def sliced(x: Tensor, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    """x[start:stop:step] along one axis."""
    sizes = shape_of(x)
    starts, stops, steps = [0] * len(sizes), list(sizes), [1] * len(sizes)
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return p.slice(x, start=tuple(starts), stop=tuple(stops), step=tuple(steps))


def _cut(x: Tensor, axis: int, bounds: Sequence[int]) -> list[Tensor]:
    return [sliced(x, axis, lo, max(hi, lo)) for lo, hi in itertools.pairwise(bounds)]


def _bounds(size: int, points: Any) -> list[int]:
    clipped = [min(max(q + size if q < 0 else q, 0), size) for q in size_tuple(points, "indices_or_sections")]
    return [0, *clipped, size]


@overridable
def _split(x: Tensor, /, *, sections: int, axis: int) -> list[Tensor]:
    width = shape_of(x)[axis] // sections
    return [sliced(x, axis, i * width, (i + 1) * width) for i in range(sections)]


@op
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """x cut along `axis` into a number of equal parts, or at given places.

    Raises:
        ShapeError: The size is not divisible by the number of parts.

    Example:
        >>> [part.tolist() for part in split([1, 2, 3], [1])]
        [[1], [2, 3]]
    """
    x = operand(x)
    place = axis_index(axis, len(shape_of(x)))
    size = shape_of(x)[place]
    if not _is_count(indices_or_sections):
        return _cut(x, place, _bounds(size, indices_or_sections))
    sections = host_int(indices_or_sections, "indices_or_sections")
    if sections < 1 or (shapes.is_known(size) and size % sections):
        raise ShapeError(
            "The axis cannot be cut into equal parts.",
            expected=f"a size divisible by {sections}",
            received=f"size {size} of axis {axis} of {shapes.show(shape_of(x))}",
            hint="ops.array_split allows unequal parts",
        )
    return list(_split(x, sections=sections, axis=place))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) or (not isinstance(value, (list, tuple)) and not shape_of(plain(value)))


@op
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """x cut along `axis` into parts that may differ in size by one (the larger first), or at given places.

    Example:
        >>> [part.tolist() for part in array_split([1, 2, 3], 2)]
        [[1, 2], [3]]
    """
    x = operand(x)
    place = axis_index(axis, len(shape_of(x)))
    size = shape_of(x)[place]
    if not _is_count(indices_or_sections):
        return _cut(x, place, _bounds(size, indices_or_sections))
    sections = host_int(indices_or_sections, "indices_or_sections")
    if sections < 1:
        raise ArgumentError("At least one section is needed.", received=sections)
    width, extra = size // sections, size % sections
    return _cut(x, place, [i * width + min(i, extra) for i in range(sections + 1)])


@op
def vsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 0.

    Example:
        >>> [part.tolist() for part in vsplit([[1], [2]], 2)]
        [[[1]], [[2]]]
    """
    return split(x, indices_or_sections, axis=0)


@op
def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 1, or axis 0 of a vector.

    Example:
        >>> [part.tolist() for part in hsplit([1, 2], 2)]
        [[1], [2]]
    """
    x = operand(x)
    return split(x, indices_or_sections, axis=0 if len(shape_of(x)) == 1 else 1)


@op
def dsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """`split` along axis 2.

    Example:
        >>> [part.tolist() for part in dsplit([[[1, 2]]], 2)]
        [[[[1]]], [[[2]]]]
    """
    return split(x, indices_or_sections, axis=2)


@op
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices of x along `axis`, without that axis.

    Raises:
        ShapeError: `num` is not given and the size is not known.

    Example:
        >>> [part.tolist() for part in unstack([[1, 2], [3, 4]])]
        [[1, 2], [3, 4]]
    """
    x = operand(x)
    sizes = shape_of(x)
    place = axis_index(axis, len(sizes))
    count = sizes[place] if num is None else num
    if not shapes.is_known(count):
        raise ShapeError("The number of slices is not known.", received=shapes.show(sizes), hint="pass `num`")
    rest = (*sizes[:place], *sizes[place + 1 :])
    return [p.reshape(sliced(x, place, i, i + 1), shape=rest) for i in range(count)]
