"""Images read at other places: interpolation at coordinates, affine, perspective and elastic transformations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of, tensors
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.ops.fastpath import counting, filled, floats, operand
from kerasish.ops.image_filters import blurred
from kerasish.ops.image_layout import closed, from_float, opened, to_float
from kerasish.ops.random_maps import drawn, standard_normal

__all__ = ["affine_transform", "elastic_transform", "map_coordinates", "perspective_transform"]

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _half_away(x: Tensor) -> Tensor:
    """Nearest integer, halves away from 0."""
    return p.trunc(p.add(x, p.multiply(p.sign(x), 0.5)))


def _inside(index: Tensor, size: int, mode: str) -> Tensor:
    """int32 indices brought into 0..size−1."""
    if mode == "wrap":
        return p.remainder(index, size)
    if mode == "mirror":  # d c b | a b c d | c b a
        if size == 1:
            return p.multiply(index, 0)
        return p.abs(p.subtract(p.remainder(p.add(index, size - 1), 2 * (size - 1)), size - 1))
    if mode == "reflect":  # d c b a | a b c d | d c b a
        index = p.remainder(index, 2 * size)
        return p.minimum(index, p.subtract(2 * size - 1, index))
    return p.minimum(p.maximum(index, 0), size - 1)


def _sampled(
    x: Tensor, places: list[Tensor], order: int, mode: str, fill: float, rows: Tensor | None = None
) -> Tensor:
    """x (S0, ..., Sk, *rest) at the float places (k + 1 tensors of one shape P) -> (*P, *rest).

    With `rows`, x has a leading batch axis and rows (int32, broadcasts to P) says which of its entries to read.
    """
    sizes = shape_of(x)
    lead = 0 if rows is None else 1
    spatial = sizes[lead : lead + len(places)]
    rest = sizes[lead + len(places) :]
    flat = p.reshape(x, shape=(shapes.size_of(sizes[: lead + len(places)]), *rest))
    choices = []  # for each axis: (index, whether it is inside, weight)
    for place, size in zip(places, spatial, strict=True):
        low = p.floor(place) if order else _half_away(place)
        index = p.cast(low, dtype="int32")
        corners: list[tuple[Tensor, Tensor | None]] = [(index, None)]
        if order:
            upper = p.subtract(place, low)
            corners = [(index, p.subtract(1.0, upper)), (p.add(index, 1), upper)]
        axis = []
        for at, weight in corners:
            good = None
            if mode == "constant":
                good = p.logical_and(p.greater_equal(at, 0), p.less(at, size))
            axis.append((_inside(at, size, mode), good, weight))
        choices.append(axis)
    total = None
    for corner in itertools.product(*choices):
        value = _corner(flat, corner, spatial, rows, fill, len(rest))
        total = value if total is None else p.add(total, value)
    return total


def _corner(
    flat: Tensor, corner: Any, spatial: shapes.Shape, rows: Tensor | None, fill: float, rest: int
) -> Tensor:
    """The weighted values at one corner of the cells."""
    position, good, weight = rows, None, None
    for (index, inside, part), size in zip(corner, spatial, strict=True):
        position = index if position is None else p.add(p.multiply(position, size), index)
        if inside is not None:
            good = inside if good is None else p.logical_and(good, inside)
        if part is not None:
            weight = part if weight is None else p.multiply(weight, part)
    value = p.take(flat, position, axis=0)
    wide = (1,) * rest
    if good is not None:
        value = p.where(p.reshape(good, shape=(*shape_of(good), *wide)), value, float(fill))
    return value if weight is None else p.multiply(value, p.reshape(weight, shape=(*shape_of(weight), *wide)))


def _check_modes(mode: str, order: Any) -> None:
    if mode not in FILL_MODES:
        raise UnknownNameError.of("fill_mode", mode, FILL_MODES)
    if order not in (0, 1):
        raise ArgumentError("`order` must be 0 (nearest) or 1 (linear).", received=order)


@op
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Tensor:
    """The values of `inputs` at coordinates, interpolated.

    Args:
        inputs: A tensor of rank R.
        coordinates: Shape (R, ...): for each axis the places to read, in elements.
        order: 0 for the nearest element (halves away from 0), 1 for linear interpolation.
        fill_mode: What lies outside: "constant", "nearest" (the edge), "wrap", "mirror" (edge not repeated) or
            "reflect" (edge repeated).
        fill_value: The constant.

    Shape: any, (R, ...) -> (...). Integer inputs are rounded.

    Raises:
        ShapeError: The first axis of the coordinates is not R.

    Example:
        >>> map_coordinates([0.0, 10.0], [[0.5]], order=1).tolist()
        [5.0]
    """
    _check_modes(fill_mode, order)
    x, places = tensors(inputs, coordinates)
    x, places = operand(x), floats(places)
    rank, found = len(shape_of(x)), shape_of(places)
    if not found or found[0] != rank:
        raise ShapeError(
            "The first axis of the coordinates numbers the axes of the input.",
            expected=f"({rank}, ...)",
            received=shapes.show(found),
        )
    dtype = dtype_of(x)
    wide = to_float(x)
    if dtypes.is_float(dtype):
        places = places if dtype_of(places) == dtype else p.cast(places, dtype=dtype)
    each = [p.reshape(_slice0(places, i), shape=found[1:]) for i in range(rank)]
    each = [e if dtype_of(e) == dtype_of(wide) else p.cast(e, dtype=dtype_of(wide)) for e in each]
    return from_float(_sampled(wide, each, order, fill_mode, fill_value), dtype)


def _slice0(x: Tensor, i: int) -> Tensor:
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    return p.slice(x, start=(i, *rest), stop=(i + 1, *shape[1:]), step=(1,) * len(shape))


def _grid(x: Tensor, dtype: str) -> tuple[Tensor, Tensor, Tensor]:
    """(rows of the batch, y, x) of every pixel, shapes (N, 1, 1), (1, H, 1), (1, 1, W)."""
    n, h, w, _ = shape_of(x)
    number = p.reshape(counting(x, n), shape=(n, 1, 1))
    return (
        number,
        p.reshape(counting(x, h, dtype), shape=(1, h, 1)),
        p.reshape(counting(x, w, dtype), shape=(1, 1, w)),
    )


def _projected(x: Tensor, transform: Tensor, interpolation: str, mode: str, fill: float) -> Tensor:
    """x (N, H, W, C) read where `affine_transform` says; transform (N or 1, 8)."""
    n, h, w, _ = shape_of(x)
    dtype = dtype_of(transform)
    rows, ys, xs = _grid(x, dtype)
    count = shape_of(transform)[0]

    def entry(i: int) -> Tensor:
        return p.reshape(
            p.slice(transform, start=(0, i), stop=(count, i + 1), step=(1, 1)), shape=(count, 1, 1)
        )

    def form(i: int, constant: Any) -> Tensor:
        return p.add(p.add(p.multiply(xs, entry(i)), p.multiply(ys, entry(i + 1))), constant)

    divisor = form(6, 1.0)
    across, down = p.divide(form(0, entry(2)), divisor), p.divide(form(3, entry(5)), divisor)
    full = (n, h, w)
    places = [p.broadcast_to(v, shape=full) for v in (down, across)]
    order = {"nearest": 0, "bilinear": 1}[interpolation]
    return _sampled(x, places, order, mode, fill, rows=p.broadcast_to(rows, shape=full))


def _check_interpolation(interpolation: str) -> None:
    if interpolation not in ("nearest", "bilinear"):
        raise UnknownNameError.of("interpolation", interpolation, ("nearest", "bilinear"))


@op
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Tensor:
    """Output pixel (x, y) shows the input at ((a0·x + a1·y + a2)/k, (a3·x + a4·y + a5)/k), k = a6·x + a7·y + 1.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        transform: a0 ... a7, shape (8,) or (N, 8); a6 = a7 = 0 for an affine map.
        interpolation: "nearest" or "bilinear".
        fill_mode: What lies outside, as in `map_coordinates`.
        fill_value: The constant.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> same.

    Raises:
        ShapeError: The transform does not fit.

    Example:
        >>> affine_transform([[[1.0], [2.0]]], [1.0, 0, 1, 0, 1, 0, 0, 0]).tolist()
        [[[2.0], [0.0]]]
    """
    _check_interpolation(interpolation)
    _check_modes(fill_mode, 1)
    x, layout = opened(images, data_format)
    x = to_float(x)
    transform = _transforms(x, transform, (8,), "transform")
    x = _projected(x, transform, interpolation, fill_mode, fill_value)
    return closed(from_float(x, layout.dtype), layout)


def _transforms(x: Tensor, value: Any, tail: tuple[int, ...], name: str) -> Tensor:
    """A parameter of shape `tail` or (N, *tail) as (1 or N, *tail), at least float32."""
    value = floats(tensors(x, value)[1])
    shape = shape_of(value)
    if shape == tail:
        value, shape = p.reshape(value, shape=(1, *tail)), (1, *tail)
    if shape[1:] != tail or not (shape[0] == 1 or shapes.compatible(shape[0], shape_of(x)[0])):
        wanted = ", ".join(map(str, tail))
        raise ShapeError(
            f"`{name}` does not fit.", expected=f"({wanted}) or (N, {wanted})", received=shapes.show(shape)
        )
    dtype = "float64" if dtype_of(x) == "float64" else "float32"
    return value if dtype_of(value) == dtype else p.cast(value, dtype=dtype)


@op
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Tensor:
    """Images warped so that four points move from `start_points` to `end_points`.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        start_points: Four points (x, y): shape (4, 2) or (N, 4, 2).
        end_points: Where they go, same shape.
        interpolation: "nearest" or "bilinear".
        fill_value: What lies outside.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> same.

    Raises:
        ShapeError: The points do not fit.

    Example:
        >>> square = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
        >>> perspective_transform([[[1.0], [2.0]], [[3.0], [4.0]]], square, square).tolist()
        [[[1.0], [2.0]], [[3.0], [4.0]]]
    """
    _check_interpolation(interpolation)
    x, layout = opened(images, data_format)
    x = to_float(x)
    starts = _transforms(x, start_points, (4, 2), "start_points")
    ends = _transforms(x, end_points, (4, 2), "end_points")
    x = _projected(x, _homography(ends, starts), interpolation, "constant", fill_value)
    return closed(from_float(x, layout.dtype), layout)


def _homography(source: Tensor, target: Tensor) -> Tensor:
    """a0 ... a7 (N, 8) of the projective map from four points to four others: two linear equations a point."""
    n = max(shape_of(source)[0], shape_of(target)[0])
    source, target = (p.broadcast_to(v, shape=(n, 4, 2)) for v in (source, target))

    def column(v: Tensor, i: int) -> Tensor:
        return p.slice(v, start=(0, 0, i), stop=(n, 4, i + 1), step=(1, 1, 1))

    x, y, u, v = column(source, 0), column(source, 1), column(target, 0), column(target, 1)
    one, zero = (filled(source, (n, 4, 1), value, dtype_of(source)) for value in (1.0, 0.0))

    def equations(columns: list[Tensor], goal: Tensor) -> Tensor:
        minus = [p.negative(p.multiply(x, goal)), p.negative(p.multiply(y, goal))]
        return p.concatenate([*columns, *minus], axis=2)

    matrix = p.concatenate(
        [equations([x, y, one, zero, zero, zero], u), equations([zero, zero, zero, x, y, one], v)], axis=1
    )
    return p.reshape(p.solve(matrix, p.concatenate([u, v], axis=1)), shape=(n, 8))


@op
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """Images distorted by a smooth random displacement: alpha times sigma times blurred normal noise, for each axis.

    Args:
        images: Shape (H, W, C) or (N, H, W, C); channels first for "channels_first".
        alpha: Strength of the distortion.
        sigma: Its smoothness: standard deviation of the blur in pixels.
        interpolation: "nearest" or "bilinear".
        fill_mode: What lies outside, as in `map_coordinates`.
        fill_value: The constant.
        seed: None, an integer or a `SeedGenerator`.
        data_format: "channels_last" or "channels_first"; default `image_data_format()`.

    Shape: (N, H, W, C) -> same.

    Example:
        >>> elastic_transform([[[1.0], [1.0]], [[1.0], [1.0]]], seed=1).tolist()
        [[[1.0], [1.0]], [[1.0], [1.0]]]
    """
    _check_interpolation(interpolation)
    _check_modes(fill_mode, 1)
    x, layout = opened(images, data_format)
    x = to_float(x)
    n, h, w, _ = shape_of(x)
    dtype = "float64" if dtype_of(x) == "float64" else "float32"
    at = drawn(seed, (x,))
    noise = standard_normal(at, (n, h, w, 2), dtype)
    reach = 2 * int(np.ceil(3 * sigma)) + 1
    moved = p.multiply(blurred(noise, (reach, reach), (sigma, sigma)), float(alpha * sigma))
    rows, ys, xs = _grid(x, dtype)
    places = []
    for i, base in enumerate((ys, xs)):
        shift = p.slice(moved, start=(0, 0, 0, i), stop=(n, h, w, i + 1), step=(1, 1, 1, 1))
        places.append(p.add(p.reshape(shift, shape=(n, h, w)), base))
    order = 0 if interpolation == "nearest" else 1
    x = _sampled(x, places, order, fill_mode, fill_value, rows=p.broadcast_to(rows, shape=(n, h, w)))
    return closed(from_float(x, layout.dtype), layout)
