"""The primitives in tensorflow: raw ops (eagerly half the cost of `tf.*`), and bodies where they fall short.

Many CPU kernels exist for some dtypes only; `via` runs an operation in a wider dtype and returns to the narrow one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from kerasish.core import dtypes
from kerasish_tensorflow.control import CONTROL
from kerasish_tensorflow.linalg import LINALG
from kerasish_tensorflow.placement import ints, placed
from kerasish_tensorflow.randomness import RANDOMNESS
from kerasish_tensorflow.taping import active
from kerasish_tensorflow.tracing import xla_active
from kerasish_tensorflow.windows import WINDOWS

Function = Callable[..., Any]
Axes = tuple[int, ...]
raw = tf.raw_ops

SCALARS = frozenset({bool, int, float})
HALVES = frozenset({tf.float16, tf.bfloat16})
DTYPES = {name: getattr(tf, name) for name in dtypes.ALL}
SMALL_INTEGERS = dict.fromkeys((tf.int8, tf.int16, tf.uint8, tf.uint16), tf.int32)
UNSIGNED = {tf.uint16: tf.int32, tf.uint32: tf.int64}
NARROW = {**SMALL_INTEGERS, tf.uint32: tf.int64}
_SMALL = 64  # a constant of at most this many elements is made on the host
HALF_FLOATS = dict.fromkeys(HALVES, tf.float32)


def via(function: Function, wider: dict[Any, Any]) -> Function:
    """`function`, with first arguments of a dtype in `wider` converted to and its results converted back."""

    def call(x: Tensor, /, *others: Any, **keywords: Any) -> Any:
        dtype = x.dtype
        target = wider.get(dtype)
        if target is None:
            return function(x, *others, **keywords)
        moved = [tf.cast(y, target) if getattr(y, "dtype", None) == dtype else y for y in others]
        return _narrow(function(tf.cast(x, target), *moved, **keywords), target, dtype)

    return call


def _narrow(result: Any, wide: Any, dtype: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_narrow(y, wide, dtype) for y in result)
    return tf.cast(result, dtype) if result.dtype == wide else result


def _unary(function: Function) -> Function:
    return lambda x, /: function(x=x)


def _binary(function: Function, wider: dict[Any, Any] | None = None) -> Function:
    """A raw op of x and y, one of which may be a Python scalar."""
    wider = wider or {}

    def call(x1: Any, x2: Any, /) -> Tensor:
        if x1.__class__ in SCALARS:
            x1 = tf.constant(x1, x2.dtype)
        elif x2.__class__ in SCALARS:
            x2 = tf.constant(x2, x1.dtype)
        if wider:
            dtype = x1.dtype
            target = wider.get(dtype)
            if target is not None:
                return _narrow(function(x=tf.cast(x1, target), y=tf.cast(x2, target)), target, dtype)
        return function(x=x1, y=x2)

    return call


def _tensors(function: Function) -> Function:
    """A function of two tensors; Python scalars become tensors first."""

    def call(x1: Any, x2: Any, /) -> Tensor:
        if x1.__class__ in SCALARS:
            x1 = tf.constant(x1, x2.dtype)
        elif x2.__class__ in SCALARS:
            x2 = tf.constant(x2, x1.dtype)
        return function(x1, x2)

    return call


# -- casts and arithmetic ----------------------------------------------------------------------------------------------
def _cast(x: Tensor, /, *, dtype: str) -> Tensor:
    source, target = x.dtype, DTYPES[dtype]
    if source == target:
        return x
    if target == tf.bool:
        return raw.NotEqual(x=x, y=tf.zeros((), source))
    if not (source.is_floating and target.is_integer):
        return raw.Cast(x=x, DstT=target)
    if source in HALVES:
        x = raw.Cast(x=x, DstT=tf.float32)
    # C++ leaves the conversion of what does not fit open: each end of the range is put in afterwards.
    low, high = dtypes.int_range(dtype)
    top = tf.constant(float(high), x.dtype)
    inside = tf.where((x > float(low)) & (x < top), x, tf.zeros((), x.dtype))
    result = raw.Cast(x=inside, DstT=target)
    result = tf.where(x >= top, tf.constant(high, target), result)
    return tf.where(x <= float(low), tf.constant(low, target), result)


def _bitcast(x: Tensor, /, *, dtype: str) -> Tensor:
    return x if x.dtype == DTYPES[dtype] else raw.Bitcast(input=x, type=DTYPES[dtype])


def _over_zero(function: Function) -> Function:
    """Division of integers where anything over 0 gives 0."""

    def call(x1: Tensor, x2: Tensor) -> Tensor:
        if x1.dtype.is_floating:
            return function(x=x1, y=x2)
        dtype = x1.dtype
        wide = NARROW.get(dtype, dtype)
        x1, x2 = tf.cast(x1, wide), tf.cast(x2, wide)
        zero = tf.equal(x2, 0)
        result = function(x=x1, y=tf.where(zero, tf.ones((), wide), x2))
        return tf.cast(tf.where(zero, tf.zeros((), wide), result), dtype)

    return _tensors(call)


def _remainder(x: Tensor, y: Tensor) -> Tensor:
    """FloorMod, whose gradient is right and which knows no 16-bit floats in places."""
    wide = HALF_FLOATS.get(x.dtype)
    if wide is None:
        return raw.FloorMod(x=x, y=y)
    return tf.cast(raw.FloorMod(x=tf.cast(x, wide), y=tf.cast(y, wide)), x.dtype)


def _power(x1: Any, x2: Any, /) -> Tensor:
    if x2.__class__ in SCALARS and x2 in (0, 1, 2, 3) and x1.dtype.is_floating:
        # Products: a gradient that is right for every base, and faster than Pow.
        return (tf.ones_like, tf.identity, tf.square, lambda x: x * x * x)[int(x2)](x1)
    if x1.__class__ in SCALARS:
        x1 = tf.constant(x1, x2.dtype)
    elif x2.__class__ in SCALARS:
        x2 = tf.constant(x2, x1.dtype)
    if x1.dtype.is_floating:
        return raw.Pow(x=x1, y=x2)
    dtype = x1.dtype
    wide = NARROW.get(dtype, dtype)
    x1, x2 = tf.cast(x1, wide), tf.cast(x2, wide)
    zero, one = tf.zeros((), wide), tf.ones((), wide)
    parity = tf.where(tf.equal(raw.FloorMod(x=x2, y=one + one), one), -one, one)
    inverse = tf.where(tf.equal(x1, one), one, tf.where(tf.equal(x1, -one), parity, zero))
    result = tf.where(x2 < zero, inverse, raw.Pow(x=x1, y=tf.maximum(x2, zero)))
    return tf.cast(result, dtype)


def _erf(x: Tensor, /) -> Tensor:
    if x.dtype != tf.float64:
        return raw.Erf(x=x)
    return tf.where(
        tf.abs(x) > 7, tf.sign(x), raw.Erf(x=tf.clip_by_value(x, -7, 7))
    )  # Eigen gives NaN at infinity


def _extremum(function: Function) -> Function:
    """Maximum or minimum; gradients of equals are shared equally, where tensorflow gives all to the first."""
    plain = _binary(lambda x, y: _spread_nan(function(x=x, y=y), x, y), UNSIGNED)

    @tf.custom_gradient
    def shared(x1: Tensor, x2: Tensor) -> Any:
        y = _spread_nan(function(x=x1, y=x2), x1, x2)

        def gradient(dy: Tensor) -> tuple[Tensor, Tensor]:
            half = tf.where(tf.equal(x1, x2), tf.constant(0.5, dy.dtype), tf.ones((), dy.dtype)) * dy
            zero = tf.zeros((), dy.dtype)
            first, second = tf.equal(y, x1), tf.equal(y, x2)
            return _fitted(tf.where(first, half, zero), x1), _fitted(tf.where(second, half, zero), x2)

        return y, gradient

    def call(x1: Any, x2: Any, /) -> Tensor:
        x = x1 if x2.__class__ in SCALARS else x2
        if not (active() and x.dtype.is_floating):
            return plain(x1, x2)
        return shared(*(tf.constant(v, x.dtype) if v.__class__ in SCALARS else v for v in (x1, x2)))

    return call


def _spread_nan(result: Tensor, *operands: Tensor) -> Tensor:
    """NaN wherever an operand has one: XLA's extrema on the CPU drop it, tensorflow's own kernels do not."""
    if xla_active() and result.dtype.is_floating:
        for x in operands:
            result = tf.where(tf.math.is_nan(x), tf.constant(np.nan, result.dtype), result)
    return result


def _fitted(g: Tensor, x: Tensor) -> Tensor:
    """`g` summed over the axes along which `x` was broadcast."""
    shape = [1] * (g.shape.rank - x.shape.rank) + x.shape.as_list()
    axes = tuple(i for i, (a, b) in enumerate(zip(shape, g.shape.as_list(), strict=True)) if a != b)
    return tf.reshape(tf.reduce_sum(g, axes) if axes else g, x.shape)


def _negative(x: Tensor, /) -> Tensor:
    if x.dtype.is_unsigned:  # Neg does not know them, and the graph optimizer would make one of 0 − x
        return raw.AddV2(x=raw.Invert(x=x), y=tf.ones((), x.dtype))
    return raw.Neg(x=x)


def _sign(x: Tensor, /) -> Tensor:
    if x.dtype.is_unsigned:
        return tf.cast(raw.NotEqual(x=x, y=tf.zeros((), x.dtype)), x.dtype)
    wide = NARROW.get(x.dtype)
    if wide is not None:
        return tf.cast(raw.Sign(x=tf.cast(x, wide)), x.dtype)
    return raw.Sign(x=x)


def _where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    if x1.__class__ in SCALARS:
        x1 = tf.constant(x1, x2.dtype)
    elif x2.__class__ in SCALARS:
        x2 = tf.constant(x2, x1.dtype)
    return raw.SelectV2(condition=condition, t=x1, e=x2)


# -- creation and shape ------------------------------------------------------------------------------------------------
def _full(*, shape: Sequence[int], value: Any, dtype: str) -> Tensor:
    scalar = np.asarray(value).astype(dtypes.to_numpy(dtype))
    if math.prod(shape) <= _SMALL:
        return placed(lambda: tf.constant(np.broadcast_to(scalar, tuple(shape)), DTYPES[dtype]))
    return placed(lambda: tf.fill(tuple(shape), tf.constant(scalar, DTYPES[dtype])))


def _arange(*, start: Any, stop: Any, step: Any, dtype: str) -> Tensor:
    count = max(int(-((stop - start) // -step)), 0)
    values = np.asarray(start + np.arange(count) * step).astype(dtypes.to_numpy(dtype))
    return placed(lambda: tf.constant(values, DTYPES[dtype]))


def _pad(x: Tensor, /, *, pads: tuple[tuple[int, int], ...], value: Any) -> Tensor:
    if not value:
        return raw.Pad(input=x, paddings=tf.constant(pads, tf.int32, (len(pads), 2)))
    return raw.PadV2(
        input=x,
        paddings=tf.constant(pads, tf.int32, (len(pads), 2)),
        constant_values=tf.constant(np.asarray(value).astype(x.dtype.as_numpy_dtype), x.dtype),
    )


def _slice(x: Tensor, /, *, start: Axes, stop: Axes, step: Axes) -> Tensor:
    if not start:
        return x
    return raw.StridedSlice(input=x, begin=start, end=stop, strides=step)


def _inside(x: Tensor, starts: Tensor, sizes: Sequence[int]) -> Tensor:
    room = [size - n for size, n in zip(x.shape.as_list(), sizes, strict=True)]
    return tf.clip_by_value(starts, 0, tf.constant(room, starts.dtype))


def _dynamic_slice(x: Tensor, starts: Tensor, /, *, sizes: Sequence[int]) -> Tensor:
    return raw.Slice(input=x, begin=_inside(x, starts, sizes), size=tf.constant(sizes, starts.dtype))


def _dynamic_update_slice(x: Tensor, update: Tensor, starts: Tensor, /) -> Tensor:
    sizes = update.shape.as_list()
    places = [
        begin + tf.reshape(tf.range(n), [-1 if i == axis else 1 for i in range(len(sizes))])
        for axis, (begin, n) in enumerate(zip(tf.unstack(_inside(x, starts, sizes)), sizes, strict=True))
    ]
    if not places:
        return update
    indices = tf.stack([tf.broadcast_to(place, sizes) for place in places], axis=-1)
    return tf.tensor_scatter_nd_update(x, indices, update)


def _take(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    return raw.GatherV2(params=x, indices=indices, axis=axis)


def _take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    last = x.shape.rank - 1
    if axis != last:
        order = [*(i for i in range(last + 1) if i != axis), axis]
        back = [order.index(i) for i in range(last + 1)]
        moved = _take_along_axis(tf.transpose(x, order), tf.transpose(indices, order), axis=last)
        return tf.transpose(moved, back)
    return tf.gather(x, indices, axis=last, batch_dims=last)


def _gather_nd(x: Tensor, indices: Tensor, /) -> Tensor:
    if not indices.shape[-1]:
        return tf.broadcast_to(x, (*indices.shape[:-1], *x.shape))
    return raw.GatherNd(params=x, indices=indices)


def _scatter_update(x: Tensor, indices: Tensor, updates: Tensor, /) -> Tensor:
    """Updates of one place are all replaced by the last first: the order of writing, left open, does not matter."""
    shape, depth = x.shape.as_list(), indices.shape[-1]
    rows = indices.shape.as_list()[:-1]
    count = math.prod(rows)
    if count > 1 and depth:
        order = tf.reshape(tf.range(count), rows)
        last = tf.gather_nd(tf.tensor_scatter_nd_max(tf.fill(shape[:depth], -1), indices, order), indices)
        flat = tf.reshape(updates, (count, *shape[depth:]))
        winners = tf.stop_gradient(tf.reshape(tf.gather(flat, last), updates.shape))
        mine = tf.reshape(tf.equal(last, order), (*rows, *[1] * (len(shape) - depth)))
        updates = tf.where(mine, updates, winners)  # so that losers get no gradient
    return raw.TensorScatterUpdate(tensor=x, indices=indices, updates=updates)


@tf.custom_gradient
def _scatter_max_floats(x: Tensor, indices: Tensor, updates: Tensor) -> Any:
    """tensorflow's own gradient gives each of several ties the whole; here they share it, as in `max`."""
    result = tf.tensor_scatter_nd_max(x, indices, updates)
    result = tf.where(
        tf.math.is_nan(result), result, tf.tensor_scatter_nd_add(result, indices, updates - updates)
    )

    def gradient(dy: Tensor) -> tuple[Tensor, None, Tensor]:
        mine = tf.cast(tf.equal(x, result), x.dtype)
        theirs = tf.cast(tf.equal(updates, tf.gather_nd(result, indices)), x.dtype)
        share = dy / tf.maximum(tf.tensor_scatter_nd_add(mine, indices, theirs), tf.ones((), x.dtype))
        return share * mine, None, tf.gather_nd(share, indices) * theirs

    return result, gradient


def _scatter_max(x: Tensor, indices: Tensor, updates: Tensor, /) -> Tensor:
    if x.dtype.is_floating:
        return _scatter_max_floats(x, indices, updates)
    return tf.tensor_scatter_nd_max(x, indices, updates)


# -- reductions and sorting --------------------------------------------------------------------------------------------
def _reduce(function: Function, wider: dict[Any, Any]) -> Function:
    return via(lambda x, /, *, axis, keepdims: function(input=x, axis=ints(axis), keep_dims=keepdims), wider)


def _extreme(function: Function) -> Function:
    plain = _reduce(function, UNSIGNED)

    def call(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
        result = plain(x, axis=axis, keepdims=keepdims)
        if not (xla_active() and x.dtype.is_floating):
            return result
        nan = raw.Any(input=tf.math.is_nan(x), axis=ints(axis), keep_dims=keepdims)
        return tf.where(nan, tf.constant(np.nan, x.dtype), result)

    return call


def _index_of(function: Function) -> Function:
    def call(x: Tensor, /, *, axis: int, keepdims: bool) -> Tensor:
        x = tf.cast(x, {tf.bool: tf.int32, tf.uint32: tf.int64}.get(x.dtype, x.dtype))
        index = function(input=x, dimension=axis, output_type=tf.int32)
        if x.dtype.is_floating:  # the first NaN, if there is one
            nan = tf.cast(tf.math.is_nan(x), tf.int32)
            first = raw.ArgMax(input=nan, dimension=axis, output_type=tf.int32)
            index = tf.where(raw.Max(input=nan, axis=axis) > 0, first, index)
        return tf.expand_dims(index, axis) if keepdims else index

    return call


def _running(function: Function, wider: dict[Any, Any]) -> Function:
    return via(lambda x, /, *, axis: function(x=x, axis=axis, exclusive=False, reverse=False), wider)


@tf.custom_gradient
def _cumprod_last(x: Tensor) -> Any:
    """Running products along the last axis; tensorflow's gradient divides by x, which may be 0."""
    y = tf.math.cumprod(x, -1)

    def gradient(dy: Tensor) -> Tensor:
        # dx_j = Σ_{i >= j} dy_i Π_{k <= i, k != j} x_k, with the products before and between kept apart.
        n = x.shape[-1]
        before = tf.math.cumprod(x, -1, exclusive=True)
        rows = tf.repeat(x[..., None, :], n, axis=-2)  # (..., j, i)
        upper = tf.constant(np.triu(np.ones((n, n), bool), 1))
        between = tf.math.cumprod(tf.where(upper, rows, tf.ones((), x.dtype)), -1)
        reach = tf.where(tf.constant(np.triu(np.ones((n, n), bool))), between, tf.zeros((), x.dtype))
        return before * tf.reduce_sum(dy[..., None, :] * reach, -1)

    return y, gradient


def _cumprod(x: Tensor, /, *, axis: int) -> Tensor:
    if not x.dtype.is_floating:
        return tf.math.cumprod(x, axis)
    last = x.shape.rank - 1
    order = [*(i for i in range(last + 1) if i != axis), axis]
    back = [order.index(i) for i in range(last + 1)]
    return tf.transpose(_cumprod_last(tf.transpose(x, order)), back)


def _ascending(x: Tensor, axis: int) -> Tensor:
    """int32 indices of a stable ascending sort along `axis`, NaN last."""
    if not x.dtype.is_floating:
        x = tf.cast(x, NARROW.get(x.dtype, x.dtype) if x.dtype != tf.bool else tf.int32)
        return tf.argsort(x, axis, stable=True)
    if x.dtype in HALVES:
        x = tf.cast(x, tf.float32)
    nan = tf.math.is_nan(x)
    order = tf.argsort(tf.where(nan, tf.constant(np.inf, x.dtype), x), axis, stable=True)
    # A second stable pass moves NaN behind the infinities it was ordered with.
    late = tf.argsort(tf.cast(_take_along_axis(nan, order, axis=axis), tf.int32), axis, stable=True)
    return _take_along_axis(order, late, axis=axis)


def _sort(x: Tensor, /, *, axis: int) -> Tensor:
    return _take_along_axis(x, _ascending(x, axis), axis=axis)


def _top_k(x: Tensor, /, *, k: int) -> tuple[Tensor, Tensor]:
    if x.dtype.is_floating:
        wide = tf.cast(x, HALF_FLOATS.get(x.dtype, x.dtype))
        nan = tf.math.is_nan(wide)
        clean = tf.stop_gradient(tf.where(nan, tf.constant(np.inf, wide.dtype), wide))
        size = x.shape[-1]
        order = tf.math.top_k(clean, size, sorted=True).indices
        late = tf.argsort(
            tf.cast(~_take_along_axis(nan, order, axis=x.shape.rank - 1), tf.int32), -1, stable=True
        )
        indices = _take_along_axis(order, late, axis=x.shape.rank - 1)[..., :k]
    else:
        indices = tf.math.top_k(tf.cast(x, NARROW.get(x.dtype, x.dtype)), k, sorted=True).indices
    return _take_along_axis(x, indices, axis=x.shape.rank - 1), indices


UNARY = {
    "square": raw.Square, "exp": raw.Exp, "expm1": raw.Expm1, "log": raw.Log, "log1p": raw.Log1p, "sqrt": raw.Sqrt,
    "rsqrt": raw.Rsqrt, "sin": raw.Sin, "cos": raw.Cos, "tan": raw.Tan, "arcsin": raw.Asin, "arccos": raw.Acos,
    "arctan": raw.Atan, "sinh": raw.Sinh, "cosh": raw.Cosh, "tanh": raw.Tanh, "arcsinh": raw.Asinh,
    "arccosh": raw.Acosh, "arctanh": raw.Atanh, "sigmoid": raw.Sigmoid, "floor": raw.Floor,
    "ceil": raw.Ceil, "trunc": lambda x: tf.where(x < 0, raw.Ceil(x=x), raw.Floor(x=x)), "round": raw.Round,
    "isfinite": raw.IsFinite, "isnan": raw.IsNan, "isinf": raw.IsInf, "logical_not": raw.LogicalNot,
    "bitwise_not": raw.Invert,
}  # fmt: skip
BINARY = {
    "add": raw.AddV2, "subtract": raw.Sub, "multiply": raw.Mul, "divide": raw.RealDiv,
    "arctan2": lambda x, y: raw.Atan2(y=x, x=y),
    "equal": raw.Equal, "not_equal": raw.NotEqual, "less": raw.Less, "less_equal": raw.LessEqual,
    "greater": raw.Greater, "greater_equal": raw.GreaterEqual, "logical_and": raw.LogicalAnd,
    "logical_or": raw.LogicalOr, "logical_xor": raw.NotEqual, "bitwise_and": raw.BitwiseAnd,
    "bitwise_or": raw.BitwiseOr, "bitwise_xor": raw.BitwiseXor, "left_shift": raw.LeftShift,
    "right_shift": raw.RightShift,
}  # fmt: skip

PRIMITIVES: dict[str, Function] = {
    **{name: _unary(function) for name, function in UNARY.items()},
    **{name: _binary(function) for name, function in BINARY.items()},
    **WINDOWS,
    **CONTROL,
    **LINALG,
    **RANDOMNESS,
    "negative": _negative,
    "abs": lambda x, /: x if x.dtype.is_unsigned else raw.Abs(x=x),
    "sign": _sign,
    "erf": _erf,
    "cast": _cast,
    "bitcast": _bitcast,
    "floor_divide": _over_zero(raw.FloorDiv),
    "remainder": _over_zero(_remainder),
    "power": _power,
    "maximum": _extremum(raw.Maximum),
    "minimum": _extremum(raw.Minimum),
    "where": _where,
    "full": _full,
    "arange": _arange,
    "reshape": lambda x, /, *, shape: raw.Reshape(tensor=x, shape=ints(shape)),
    "transpose": lambda x, /, *, axes: raw.Transpose(x=x, perm=ints(axes)),
    "broadcast_to": lambda x, /, *, shape: raw.BroadcastTo(input=x, shape=ints(shape)),
    "concatenate": lambda xs, /, *, axis: raw.ConcatV2(values=xs, axis=ints(axis)) if len(xs) > 1 else xs[0],
    "pad": _pad,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "flip": lambda x, /, *, axis: raw.ReverseV2(tensor=x, axis=ints(axis)),
    "take": _take,
    "take_along_axis": _take_along_axis,
    "gather_nd": _gather_nd,
    "scatter_add": lambda x, indices, updates, /: raw.TensorScatterAdd(
        tensor=x, indices=indices, updates=updates
    ),
    "scatter_update": _scatter_update,
    "scatter_max": _scatter_max,
    "sum": _reduce(raw.Sum, {**HALF_FLOATS, **NARROW}),
    "prod": _reduce(raw.Prod, {**HALF_FLOATS, **NARROW}),
    "max": _extreme(raw.Max),
    "min": _extreme(raw.Min),
    "any": _reduce(raw.Any, {}),
    "all": _reduce(raw.All, {}),
    "argmax": _index_of(raw.ArgMax),
    "argmin": _index_of(raw.ArgMin),
    "cumsum": _running(raw.Cumsum, {**HALF_FLOATS, **NARROW}),
    "cumprod": via(_cumprod, {**HALF_FLOATS, **NARROW}),
    "sort": _sort,
    "argsort": lambda x, /, *, axis: _ascending(x, axis),
    "top_k": _top_k,
}
