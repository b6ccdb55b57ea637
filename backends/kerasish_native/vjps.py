"""Gradient rules of elementwise, reducing and shaping primitives and of windows, written in primitives.

A rule is `rule(g, result, *operands, **keywords)`: the operand's cotangent from the result's. Being written in
primitives, rules are differentiable themselves and work on traced values. Products and decompositions of matrices are
in `vjps_linalg`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish_native.dispatch import is_float, n
from kerasish_native.private import name_of
from kerasish_native.rules import VJPS, joint

Axes = tuple[int, ...]


def shape(x: Any) -> tuple[int, ...]:
    """The shape of a tensor or Python scalar."""
    return tuple(getattr(x, "shape", ()))


def zeros(like: Any, sizes: tuple[int, ...] | None = None) -> np.ndarray:
    """Zeros of the dtype (and, unless given, sizes) of a tensor."""
    return np.zeros(like.shape if sizes is None else sizes, dtypes.to_numpy(name_of(like)))


def cast(x: Any, like: Any) -> Any:
    """`x` in the dtype of a tensor."""
    return n.cast(x, dtype=name_of(like))


def fitted(g: Any, x: Any) -> Any:
    """`g` summed over the axes along which operand `x` was broadcast."""
    target, have = shape(x), g.shape
    if have == target:
        return g
    extra = len(have) - len(target)
    axes = (*range(extra), *(extra + i for i, s in enumerate(target) if s == 1 and have[extra + i] != 1))
    if axes:
        g = n.sum(g, axis=tuple(axes), keepdims=False)
    return g if g.shape == target else n.reshape(g, shape=target)


def spread(g: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """`g` of a reduction with the reduced axes of `x` back, size 1."""
    if keepdims:
        return g
    return n.reshape(g, shape=tuple(1 if i in axis else s for i, s in enumerate(x.shape)))


# -- elementwise -------------------------------------------------------------------------------------------------------
def _unary(**rules: Any) -> None:
    VJPS.update({name: (rule,) for name, rule in rules.items()})


_unary(
    cast=lambda g, y, x, dtype: cast(g, x) if is_float(y) else None,
    negative=lambda g, y, x: n.negative(g),
    abs=lambda g, y, x: n.multiply(g, n.sign(x)),
    square=lambda g, y, x: n.multiply(g, n.multiply(x, 2.0)),
    exp=lambda g, y, x: n.multiply(g, y),
    expm1=lambda g, y, x: n.multiply(g, n.add(y, 1.0)),
    log=lambda g, y, x: n.divide(g, x),
    log1p=lambda g, y, x: n.divide(g, n.add(x, 1.0)),
    sqrt=lambda g, y, x: n.divide(n.multiply(g, 0.5), y),
    rsqrt=lambda g, y, x: n.multiply(n.multiply(g, -0.5), n.multiply(y, n.multiply(y, y))),
    sin=lambda g, y, x: n.multiply(g, n.cos(x)),
    cos=lambda g, y, x: n.negative(n.multiply(g, n.sin(x))),
    tan=lambda g, y, x: n.multiply(g, n.add(n.square(y), 1.0)),
    arcsin=lambda g, y, x: n.multiply(g, n.rsqrt(n.subtract(1.0, n.square(x)))),
    arccos=lambda g, y, x: n.negative(n.multiply(g, n.rsqrt(n.subtract(1.0, n.square(x))))),
    arctan=lambda g, y, x: n.divide(g, n.add(n.square(x), 1.0)),
    sinh=lambda g, y, x: n.multiply(g, n.cosh(x)),
    cosh=lambda g, y, x: n.multiply(g, n.sinh(x)),
    tanh=lambda g, y, x: n.multiply(g, n.subtract(1.0, n.square(y))),
    arcsinh=lambda g, y, x: n.multiply(g, n.rsqrt(n.add(n.square(x), 1.0))),
    arccosh=lambda g, y, x: n.multiply(g, n.rsqrt(n.multiply(n.subtract(x, 1.0), n.add(x, 1.0)))),
    arctanh=lambda g, y, x: n.divide(g, n.subtract(1.0, n.square(x))),
    sigmoid=lambda g, y, x: n.multiply(g, n.multiply(y, n.subtract(1.0, y))),
    erf=lambda g, y, x: n.multiply(g, n.multiply(n.exp(n.negative(n.square(x))), 2.0 / math.sqrt(math.pi))),
)


def _power_base(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if shape(x2) == () and not hasattr(x2, "dtype"):
        if x2 == 0:
            return n.multiply(g, 0.0)
        slope = x1 if x2 == 2 else n.power(x1, float(x2 - 1))
        return g if x2 == 1 else n.multiply(g, n.multiply(slope, float(x2)))
    less = n.where(n.equal(x2, 0.0), 1.0, n.subtract(x2, 1.0))  # 0 · 0^1 instead of 0 · 0^-1
    return fitted(n.multiply(g, n.multiply(n.power(x1, less), x2)), x1)


def _power_exponent(g: Any, y: Any, x1: Any, x2: Any) -> Any:
    if not hasattr(x1, "dtype"):
        return n.multiply(g, n.multiply(y, math.log(x1) if x1 > 0 else (0.0 if x1 == 0 else math.nan)))
    log = n.log(n.where(n.equal(x1, 0.0), 1.0, x1))  # 0^x2 is flat in x2 > 0
    return fitted(n.multiply(g, n.multiply(y, log)), x2)


def _chosen(wins: str, first: bool) -> Any:
    def rule(g: Any, y: Any, x1: Any, x2: Any) -> Any:
        mine, other = (x1, x2) if first else (x2, x1)
        half = n.where(n.equal(x1, x2), n.multiply(g, 0.5), 0.0)
        whole = n.where(getattr(n, wins)(mine, other), g, 0.0)
        return fitted(n.add(whole, half), mine)

    return rule


VJPS.update(
    add=(lambda g, y, x1, x2: fitted(g, x1), lambda g, y, x1, x2: fitted(g, x2)),
    subtract=(lambda g, y, x1, x2: fitted(g, x1), lambda g, y, x1, x2: n.negative(fitted(g, x2))),
    multiply=(
        lambda g, y, x1, x2: fitted(n.multiply(g, x2), x1),
        lambda g, y, x1, x2: fitted(n.multiply(g, x1), x2),
    ),
    divide=(
        lambda g, y, x1, x2: fitted(n.divide(g, x2), x1),
        lambda g, y, x1, x2: fitted(n.negative(n.divide(n.multiply(g, y), x2)), x2),
    ),
    remainder=(
        lambda g, y, x1, x2: fitted(g, x1),
        lambda g, y, x1, x2: fitted(n.negative(n.multiply(g, n.floor_divide(x1, x2))), x2),
    ),
    power=(_power_base, _power_exponent),
    maximum=(_chosen("greater", True), _chosen("greater", False)),
    minimum=(_chosen("less", True), _chosen("less", False)),
    arctan2=(
        lambda g, y, x1, x2: fitted(n.divide(n.multiply(g, x2), _radius(x1, x2)), x1),
        lambda g, y, x1, x2: fitted(n.negative(n.divide(n.multiply(g, x1), _radius(x1, x2))), x2),
    ),
    where=(
        None,
        lambda g, y, c, x1, x2: fitted(n.where(c, g, 0.0), x1),
        lambda g, y, c, x1, x2: fitted(n.where(c, 0.0, g), x2),
    ),
)


def _radius(x1: Any, x2: Any) -> Any:
    one, two = (n.square(x) if hasattr(x, "dtype") else x * x for x in (x1, x2))
    return n.add(one, two)


# -- reductions --------------------------------------------------------------------------------------------------------
def _sum(g: Any, y: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    return n.broadcast_to(spread(g, x, axis, keepdims), shape=tuple(x.shape))


def _extreme(g: Any, y: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    ties = n.equal(x, spread(y, x, axis, keepdims))
    count = n.sum(cast(ties, x), axis=axis, keepdims=True)
    return n.where(ties, n.divide(spread(g, x, axis, keepdims), count), 0.0)


def _prod(g: Any, y: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """g times the product of all the others, which divides by nothing: products from the left times from the right."""
    if not axis:
        return g
    kept = tuple(i for i in range(len(x.shape)) if i not in axis)
    order = (*kept, *axis)
    moved = n.transpose(x, axes=order)
    rows = n.reshape(moved, shape=(*(x.shape[i] for i in kept), math.prod(x.shape[i] for i in axis)))
    last = len(kept)
    right = n.flip(_products_before(n.flip(rows, axis=(last,))), axis=(last,))
    others = n.reshape(n.multiply(_products_before(rows), right), shape=tuple(moved.shape))
    back = n.transpose(others, axes=tuple(int(i) for i in np.argsort(order)))
    return n.multiply(spread(g, x, axis, keepdims), back)


def _products_before(x: Any) -> Any:
    """Product of all earlier entries along the last axis."""
    last = len(x.shape) - 1
    if not x.shape[last]:
        return x
    ones = np.ones((*x.shape[:last], 1), dtypes.to_numpy(name_of(x)))
    return n.cumprod(n.concatenate(ones, _cut(x, last, 0, x.shape[last] - 1), axis=last), axis=last)


def _cut(x: Any, axis: int, start: int, stop: int) -> Any:
    rank = len(x.shape)
    begin = tuple(start if i == axis else 0 for i in range(rank))
    end = tuple(stop if i == axis else s for i, s in enumerate(x.shape))
    return n.slice(x, start=begin, stop=end, step=(1,) * rank)


def _cumsum(g: Any, y: Any, x: Any, axis: int) -> Any:
    return n.flip(n.cumsum(n.flip(g, axis=(axis,)), axis=axis), axis=(axis,))


def _cumprod(g: Any, y: Any, x: Any, axis: int) -> Any:
    """gxᵢ = yᵢ₋₁·sᵢ with sᵢ = gᵢ + xᵢ₊₁·sᵢ₊₁, solved by doubling in log₂ n steps: no division, so zeros do no harm."""
    length = x.shape[axis]
    if length < 2:
        return g

    def later(v: Any, by: int) -> Any:
        pads = tuple((0, by if i == axis else 0) for i in range(len(x.shape)))
        return n.pad(_cut(v, axis, by, length), pads=pads, value=0.0)

    factor, total, by = later(x, 1), g, 1
    while by < length:
        total = n.add(total, n.multiply(factor, later(total, by)))
        factor = n.multiply(factor, later(factor, by))
        by *= 2
    ones = np.ones([1 if i == axis else s for i, s in enumerate(x.shape)], dtypes.to_numpy(name_of(x)))
    before = n.concatenate(ones, _cut(y, axis, 0, length - 1), axis=axis)
    return n.multiply(total, before)


def _sort(g: Any, y: Any, x: Any, axis: int) -> Any:
    places = n.argsort(n.argsort(x, axis=axis), axis=axis)
    return n.take_along_axis(g, places, axis=axis)


def put_along(like: Any, indices: Any, g: Any, axis: int) -> Any:
    """Adjoint of take_along_axis: zeros like `like` with `g` added at `indices` along `axis`."""
    sizes = tuple(like.shape)
    if indices.shape[axis] == 1:  # one place a row: a selection, which fuses with what comes after
        row = [-1 if i == axis else 1 for i in range(len(sizes))]
        places = np.arange(sizes[axis], dtype=name_of(indices)).reshape(row)
        return n.where(n.equal(places, indices), g, 0.0)
    steps = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    wide = "int32" if math.prod(sizes) < 2**31 else "int64"
    grid: Any = np.zeros((), wide)
    for i, length in enumerate(indices.shape):
        if i != axis:
            places = np.arange(length, dtype=wide) * np.array(steps[i], wide)
            grid = grid + places.reshape([-1 if j == i else 1 for j in range(len(sizes))])
    flat = n.add(n.multiply(n.cast(indices, dtype=wide), steps[axis]), grid)
    points = n.reshape(flat, shape=(math.prod(indices.shape), 1))
    summed = n.scatter_add(zeros(g, (math.prod(sizes),)), points, n.reshape(g, shape=(math.prod(g.shape),)))
    return n.reshape(summed, shape=sizes)


@joint
def _top_k(gs: list[Any], y: Any, args: Any, keywords: Any, wanted: Any) -> list[Any]:
    return [None if gs[0] is None else put_along(args[0], y[1], gs[0], len(args[0].shape) - 1)]


_unary(sum=_sum, prod=_prod, max=_extreme, min=_extreme, cumsum=_cumsum, cumprod=_cumprod, sort=_sort)


# -- shaping -----------------------------------------------------------------------------------------------------------
@joint
def concatenate(
    gs: list[Any], y: Any, args: Any, keywords: dict[str, Any], wanted: tuple[int, ...]
) -> list[Any]:
    """Each operand's part."""
    axis = keywords["axis"]
    ends = np.cumsum([x.shape[axis] for x in args]).tolist()
    return [_cut(gs[0], axis, ends[i] - args[i].shape[axis], ends[i]) for i in wanted]


def _pad(g: Any, y: Any, x: Any, pads: Any, value: Any) -> Any:
    begin = tuple(lo for lo, _ in pads)
    end = tuple(lo + s for s, (lo, _) in zip(x.shape, pads, strict=True))
    return n.slice(g, start=begin, stop=end, step=(1,) * len(pads))


def _slice(g: Any, y: Any, x: Any, start: Axes, stop: Axes, step: Axes) -> Any:
    """Steps are filled with zeros by padding a new axis of size 1 up to the step and merging it."""
    for axis, by in enumerate(step):
        if by > 1 and g.shape[axis]:
            sizes = tuple(g.shape)
            apart = n.reshape(g, shape=(*sizes[: axis + 1], 1, *sizes[axis + 1 :]))
            apart = n.pad(
                apart,
                pads=tuple((0, by - 1 if i == axis + 1 else 0) for i in range(len(sizes) + 1)),
                value=0.0,
            )
            g = n.reshape(apart, shape=(*sizes[:axis], sizes[axis] * by, *sizes[axis + 1 :]))
            g = _cut(g, axis, 0, (sizes[axis] - 1) * by + 1)
    after = [s - lo - have for s, lo, have in zip(x.shape, start, g.shape, strict=True)]
    return n.pad(g, pads=tuple(zip(start, after, strict=True)), value=0.0)


def _take(g: Any, y: Any, x: Any, indices: Any, axis: int) -> Any:
    rank = len(indices.shape)
    places = tuple(range(axis, axis + rank))
    others = tuple(i for i in range(len(g.shape)) if i not in places)
    rows = n.transpose(g, axes=(*places, *others))
    count = math.prod(indices.shape)
    tail = (*x.shape[:axis], *x.shape[axis + 1 :])
    rows = n.reshape(rows, shape=(count, *tail))
    points = n.reshape(indices, shape=(count, 1))
    summed = n.scatter_add(zeros(g, (x.shape[axis], *tail)), points, rows)
    return n.transpose(summed, axes=(*range(1, axis + 1), 0, *range(axis + 1, len(x.shape))))


def _scatter_update(g: Any, y: Any, x: Any, indices: Any, updates: Any) -> Any:
    """Of duplicates only the last was kept, so only it has a gradient."""
    lead = tuple(indices.shape[:-1])
    number = np.arange(math.prod(lead), dtype=np.int32).reshape(lead)
    owner = n.scatter_update(np.full(x.shape[: indices.shape[-1]], -1, np.int32), indices, number)
    kept = n.equal(n.gather_nd(owner, indices), number)
    rest = len(updates.shape) - len(lead)
    return n.where(n.reshape(kept, shape=(*lead, *(1,) * rest)), n.gather_nd(g, indices), 0.0)


def _scatter_max(g: Any, y: Any, x: Any, indices: Any, updates: Any, *, into: bool) -> Any:
    mine = n.equal(x, y)
    theirs = n.equal(updates, n.gather_nd(y, indices))
    share = n.divide(g, n.maximum(n.scatter_add(cast(mine, x), indices, cast(theirs, x)), 1.0))
    return n.where(mine, share, 0.0) if into else n.where(theirs, n.gather_nd(share, indices), 0.0)


VJPS.update(
    reshape=(lambda g, y, x, shape: n.reshape(g, shape=tuple(x.shape)),),
    transpose=(lambda g, y, x, axes: n.transpose(g, axes=tuple(int(i) for i in np.argsort(axes))),),
    broadcast_to=(lambda g, y, x, shape: fitted(g, x),),
    pad=(_pad,),
    slice=(_slice,),
    flip=(lambda g, y, x, axis: n.flip(g, axis=axis),),
    dynamic_slice=(lambda g, y, x, starts, sizes: n.dynamic_update_slice(zeros(g, x.shape), g, starts), None),
    dynamic_update_slice=(
        lambda g, y, x, update, starts: n.dynamic_update_slice(g, zeros(g, update.shape), starts),
        lambda g, y, x, update, starts: n.dynamic_slice(g, starts, sizes=tuple(update.shape)),
        None,
    ),
    take=(_take, None),
    take_along_axis=(lambda g, y, x, indices, axis: put_along(x, indices, g, axis), None),
    gather_nd=(lambda g, y, x, indices: n.scatter_add(zeros(g, x.shape), indices, g), None),
    scatter_add=(lambda g, y, x, i, u: g, None, lambda g, y, x, i, u: n.gather_nd(g, i)),
    scatter_update=(lambda g, y, x, i, u: n.scatter_update(g, i, zeros(u)), None, _scatter_update),
    scatter_max=(
        functools.partial(_scatter_max, into=True),
        None,
        functools.partial(_scatter_max, into=False),
    ),
)


# -- windows: each is the other's gradient -----------------------------------------------------------------------------
def _window(kernel: Any) -> tuple[int, ...]:
    return tuple(kernel.shape[:-2])


def _spatial(x: Any) -> tuple[int, ...]:
    return tuple(x.shape[1:-1])


VJPS.update(
    conv=(
        lambda g, y, x, k, **kw: n.conv_transpose(g, k, spatial=_spatial(x), **kw),
        lambda g, y, x, k, **kw: n.conv_kernel_grad(x, g, window=_window(k), **kw),
    ),
    conv_transpose=(
        lambda g, y, x, k, spatial, **kw: n.conv(g, k, **kw),
        lambda g, y, x, k, spatial, **kw: n.conv_kernel_grad(g, x, window=_window(k), **kw),
    ),
    conv_kernel_grad=(
        lambda g, y, x, r, window, **kw: n.conv_transpose(r, g, spatial=_spatial(x), **kw),
        lambda g, y, x, r, window, **kw: n.conv(x, g, **kw),
    ),
    max_pool=(lambda g, y, x, **kw: n.max_pool_grad(x, g, **kw),),
    max_pool_grad=(None, lambda g, y, x, r, **kw: n.max_pool_pick(x, g, **kw)),
    max_pool_pick=(None, lambda g, y, x, v, **kw: n.max_pool_grad(x, g, **kw)),
    avg_pool=(lambda g, y, x, **kw: n.avg_pool_grad(g, spatial=_spatial(x), **kw),),
    avg_pool_grad=(lambda g, y, r, spatial, **kw: n.avg_pool(g, **kw),),
)
