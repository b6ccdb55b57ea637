"""Tensors made from nothing but their shape: constants, ranges, grids, windows."""

from __future__ import annotations

import math as _math
from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.config import floatx
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of, tensors, to_tensor
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.ops.arguments import host_int, host_number, known_sizes
from kerasish.ops.fastpath import counting, dtype_or_floatx, filled, floats, operand
from kerasish.ops.shaping import flat
from kerasish.ops.special import i0

__all__ = [
    "arange",
    "bartlett",
    "blackman",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "geomspace",
    "hamming",
    "hanning",
    "identity",
    "kaiser",
    "linspace",
    "logspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tri",
    "vander",
    "zeros",
    "zeros_like",
]


@op
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor of `shape` filled with `fill_value`, which may itself be a tensor to broadcast.

    Example:
        >>> full((2,), 7, dtype="int32").tolist()
        [7, 7]
    """
    sizes, name = known_sizes(shape), dtype_or_floatx(dtype)
    if dtypes.weak_name(fill_value) is not None:
        return p.full(shape=sizes, value=fill_value, dtype=name)
    value = to_tensor(fill_value, engine_of((fill_value,)), name)
    return p.broadcast_to(value, shape=sizes)


@op
def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of zeros.

    Example:
        >>> zeros((2,)).tolist()
        [0.0, 0.0]
    """
    return p.full(shape=known_sizes(shape), value=0, dtype=dtype_or_floatx(dtype))


@op
def ones(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of ones.

    Example:
        >>> ones((2,)).tolist()
        [1.0, 1.0]
    """
    return p.full(shape=known_sizes(shape), value=1, dtype=dtype_or_floatx(dtype))


@op
def empty(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor whose values do not matter: zeros.

    Example:
        >>> empty((2, 3)).shape
        (2, 3)
    """
    return p.full(shape=known_sizes(shape), value=0, dtype=dtype_or_floatx(dtype))


def _like(x: Any, value: float, dtype: Any) -> Tensor:
    x = operand(x)
    return filled(x, shape_of(x), value, dtype_of(x) if dtype is None else dtypes.canonical(dtype))


@op
def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros with the shape and dtype of x.

    Example:
        >>> zeros_like([1, 2]).tolist()
        [0, 0]
    """
    return _like(x, 0, dtype)


@op
def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones with the shape and dtype of x.

    Example:
        >>> ones_like([1, 2]).tolist()
        [1, 1]
    """
    return _like(x, 1, dtype)


@op
def empty_like(x: Any, dtype: Any = None) -> Tensor:
    """A tensor with the shape and dtype of x whose values do not matter: zeros.

    Example:
        >>> empty_like([1, 2]).shape
        (2,)
    """
    return _like(x, 0, dtype)


@op
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor with the shape and dtype of x filled with `fill_value`.

    Example:
        >>> full_like([1, 2], 7).tolist()
        [7, 7]
    """
    x = operand(x)
    name = dtype_of(x) if dtype is None else dtypes.canonical(dtype)
    weak = dtypes.weak_name(fill_value)
    if weak is not None and not (weak == "float" and not dtypes.is_float(name)):
        return filled(x, shape_of(x), fill_value, name)
    return p.broadcast_to(to_tensor(fill_value, engine_of((x, fill_value)), name), shape=shape_of(x))


def _range(start: Any, stop: Any, step: Any, dtype: str) -> Tensor:
    return p.arange(start=start, stop=stop, step=step, dtype=dtype)


@op
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """start, start + step, ... below stop; one argument is the stop.

    Integers give int32 and floats `floatx()`, unless NumPy scalars or tensors say otherwise.

    Raises:
        ArgumentError: `step` is 0, or an argument is no number.

    Example:
        >>> arange(2, 8, 2).tolist()
        [2, 4, 6]
    """
    given = [x for x in (start, stop, step) if x is not None]
    if dtype is None:
        dtype = dtypes.promote(*(dtypes.weak_name(x) or dtype_of(operand(x)) for x in given))
    name = dtypes.canonical(dtype)
    begin, end = (0, start) if stop is None else (start, stop)
    by = 1 if step is None else host_number(step, "step")
    if by == 0:
        raise ArgumentError("`step` must not be 0.")
    return _range(host_number(begin, "start"), host_number(end, "stop"), by, name)


def _lines(start: Any, stop: Any, num: Any, endpoint: bool) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """start, stop, the fractions of the way, whether at the end, and the number of intervals."""
    count = host_int(num, "num")
    if count < 0:
        raise ArgumentError("`num` must not be negative.", received=num)
    start, stop = promoted(start, stop, at_least="float")
    first = p.add(start, p.multiply(stop, 0.0)) if shape_of(start) != shape_of(stop) else start
    rank = len(shape_of(first))
    intervals = count - 1 if endpoint else count
    index = counting(start, count)
    fractions = p.divide(p.cast(index, dtype=dtype_of(start)), float(max(intervals, 1)))
    fractions = p.reshape(fractions, shape=(count, *(1,) * rank))
    at_end = p.reshape(
        p.equal(index, count - 1 if endpoint and count > 1 else -1), shape=(count, *(1,) * rank)
    )
    return start, stop, fractions, at_end, intervals


def _placed(values: Tensor, axis: int, dtype: Any) -> Tensor:
    if dtype is not None:
        name = dtypes.canonical(dtype)
        if dtypes.is_integer(name):
            values = p.floor(values)
        if dtype_of(values) != name:
            values = p.cast(values, dtype=name)
    rank = len(shape_of(values))
    place = axis_index(axis, rank)
    if place == 0:
        return values
    return p.transpose(values, axes=(*range(1, place + 1), 0, *range(place + 1, rank)))


@op
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers at equal distances from `start` to `stop` (without it if not `endpoint`).

    Args:
        start: First values, any shape.
        stop: Last values, broadcast with `start`.
        num: How many.
        endpoint: Whether `stop` is one of them.
        retstep: Return (values, distance).
        dtype: Default: a float dtype. Integers are rounded down.
        axis: Where the axis of the `num` values goes.

    Example:
        >>> linspace(0, 1, 3).tolist()
        [0.0, 0.5, 1.0]
    """
    first, last, t, at_end, intervals = _lines(start, stop, num, endpoint)
    values = p.add(p.multiply(first, p.subtract(1.0, t)), p.multiply(last, t))
    values = _placed(p.where(at_end, last, values), axis, dtype)
    if not retstep:
        return values
    step = p.divide(p.subtract(last, first), float(intervals) if intervals > 0 else _math.nan)
    return values, step


@op
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Tensor:
    """base^e for the exponents e of `linspace(start, stop, num)`.

    Example:
        >>> logspace(0, 2, 3).tolist()
        [1.0, 10.0, 100.0]
    """
    exponents = linspace(start, stop, num=num, endpoint=endpoint)
    base, exponents = promoted(base, exponents)
    return _placed(p.power(base, exponents), axis, dtype)


@op
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Tensor:
    """`num` numbers with equal ratios from `start` to `stop`.

    Example:
        >>> geomspace(1, 8, 4).tolist()
        [1.0, 2.0, 4.0, 8.0]
    """
    first, last, t, at_end, _ = _lines(start, stop, num, endpoint)
    ratio = p.divide(last, first)
    values = p.multiply(first, p.exp(p.multiply(p.log(ratio), t)))
    whole = p.round(values)  # ln and exp cost a few bits: 2.0000002 was meant to be 2
    close = p.less_equal(p.abs(p.subtract(values, whole)), p.multiply(p.abs(whole), 4e-7))
    values = (
        p.where(close, whole, values) if dtypes.is_integer(dtypes.canonical(dtype or floatx())) else values
    )
    return _placed(p.where(at_end, last, values), axis, dtype)


@op
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Tensor:
    """An (N, M) matrix with ones at and below the k-th diagonal.

    Example:
        >>> tri(2).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    return p.cast(_band(N, M, k, p.greater_equal), dtype=dtype_or_floatx(dtype))


def _band(N: Any, M: Any, k: Any, compare: Any) -> Tensor:
    rows = host_int(N, "N")
    columns = rows if M is None else host_int(M, "M")
    i = p.reshape(_range(0, rows, 1, "int32"), shape=(rows, 1))
    j = p.reshape(_range(0, columns, 1, "int32"), shape=(1, columns))
    return compare(i, p.subtract(j, host_int(k, "k")))


@op
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Tensor:
    """An (N, M) matrix with ones on the k-th diagonal, zeros elsewhere.

    Example:
        >>> eye(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return p.cast(_band(N, M, k, p.equal), dtype=dtype_or_floatx(dtype))


@op
def identity(n: Any, dtype: Any = None) -> Tensor:
    """The (n, n) identity matrix.

    Example:
        >>> identity(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return p.cast(_band(n, None, 0, p.equal), dtype=dtype_or_floatx(dtype))


@op
def meshgrid(*x: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids of vectors: "ij" keeps their order as axes, "xy" swaps the first two.

    Example:
        >>> [g.tolist() for g in meshgrid([1, 2], [3, 4])]
        [[[1, 2], [1, 2]], [[3, 3], [4, 4]]]
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError("Unknown `indexing`.", expected="'xy' or 'ij'", received=indexing)
    vectors = []
    for vector in tensors(*x):
        if len(shape_of(vector)) > 1:
            raise ShapeError("meshgrid takes vectors.", received=shape_of(vector))
        vectors.append(flat(vector))
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = 1, 0
    sizes: list[int] = [1] * len(order)
    for i, vector in enumerate(vectors):
        sizes[order[i]] = shape_of(vector)[0]
    grids = []
    for i, vector in enumerate(vectors):
        lone = [1] * len(order)
        lone[order[i]] = sizes[order[i]]
        grids.append(p.broadcast_to(p.reshape(vector, shape=tuple(lone)), shape=tuple(sizes)))
    return grids


@op
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix of powers x⁰ … x^(N−1) in columns, falling unless `increasing`.

    Example:
        >>> vander([2, 3]).tolist()
        [[2, 1], [3, 1]]
    """
    x = operand(x)
    if len(shape_of(x)) != 1:
        raise ShapeError("vander takes a vector.", received=shape_of(x))
    size = shape_of(x)[0]
    count = size if N is None else host_int(N, "N")
    name = dtype_of(x)
    if name == "bool":
        x, name = p.cast(x, dtype="int32"), "int32"
    powers = counting(x, count, name)
    if not increasing:
        powers = p.flip(powers, axis=(0,))
    return p.power(p.reshape(x, shape=(size, 1)), p.reshape(powers, shape=(1, count)))


# -- windows of signal processing ----------------------------------------------------------------------------


def _window_angle(x: Any) -> tuple[Tensor, int]:
    """2·n/(N−1) for n = 0 … N−1, and N."""
    count = host_int(x, "x")
    if count < 0:
        raise ArgumentError("A window needs a length >= 0.", received=count)
    n = _range(0, count, 1, floatx())
    return p.divide(p.multiply(n, 2.0), float(max(count - 1, 1))), count


def _cosines(x: Any, weights: tuple[float, ...]) -> Tensor:
    ratio, count = _window_angle(x)
    if count == 1:
        return p.full(shape=(1,), value=1, dtype=floatx())
    window = p.multiply(ratio, 0.0)
    for k, weight in enumerate(weights):
        window = p.add(window, p.multiply(p.cos(p.multiply(ratio, _math.pi * k)), weight))
    return window


@op
def bartlett(x: Any) -> Tensor:
    """The triangular window of length x: 1 − |2n/(N−1) − 1|.

    Example:
        >>> bartlett(3).tolist()
        [0.0, 1.0, 0.0]
    """
    ratio, count = _window_angle(x)
    if count == 1:
        return p.full(shape=(1,), value=1, dtype=floatx())
    return p.subtract(1.0, p.abs(p.subtract(ratio, 1.0)))


@op
def hanning(x: Any) -> Tensor:
    """The Hann window of length x: ½ − ½ cos(2πn/(N−1)).

    Example:
        >>> hanning(3).tolist()
        [0.0, 1.0, 0.0]
    """
    return _cosines(x, (0.5, -0.5))


@op
def hamming(x: Any) -> Tensor:
    """The Hamming window of length x: 0.54 − 0.46 cos(2πn/(N−1)).

    Example:
        >>> hamming(1).tolist()
        [1.0]
    """
    return _cosines(x, (0.54, -0.46))


@op
def blackman(x: Any) -> Tensor:
    """The Blackman window of length x: 0.42 − ½ cos(2πn/(N−1)) + 0.08 cos(4πn/(N−1)).

    Example:
        >>> blackman(1).tolist()
        [1.0]
    """
    return _cosines(x, (0.42, -0.5, 0.08))


@op
def kaiser(x: Any, beta: Any) -> Tensor:
    """The Kaiser window of length x: I₀(β√(1 − (2n/(N−1) − 1)²)) / I₀(β).

    Example:
        >>> kaiser(1, 14.0).tolist()
        [1.0]
    """
    ratio, count = _window_angle(x)
    if count == 1:
        return p.full(shape=(1,), value=1, dtype=floatx())
    beta = p.cast(floats(beta), dtype=floatx())
    inner = p.maximum(p.subtract(1.0, p.square(p.subtract(ratio, 1.0))), 0.0)
    return p.divide(i0(p.multiply(p.sqrt(inner), beta)), i0(beta))
