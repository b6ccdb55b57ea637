"""The table of primitives: renames of torch functions, and small bodies where torch means something else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from kerasish.core import dtypes
from kerasish.core.registry import host_engine
from kerasish_torch import windows
from kerasish_torch.tensors import (
    DTYPES,
    FLOATS,
    HALVES,
    Tensor,
    at_hand,
    operation,
    place,
    traced,
    transformed,
    watcher,
)
from kerasish_torch.unsigned import binary, general, unary

Axes = tuple[int, ...]


# -- dtypes ------------------------------------------------------------------------------------------------------------
def _cast(x: Tensor, /, *, dtype: str) -> Tensor:
    target = DTYPES[dtype]
    if target in FLOATS or x.dtype not in FLOATS or target is torch.bool:
        return x.to(target)
    return _saturated(x.detach(), dtype, target)


def _saturated(x: Tensor, name: str, target: Any) -> Tensor:
    """Float to integer; torch leaves NaN and what is out of range undefined.

    https://github.com/pytorch/pytorch/issues/107693
    """
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    low, high = dtypes.int_range(name)
    if name == "uint64":  # two halves of the range, as bits of an int64
        upper = x >= 2.0**63
        bits = _saturated(torch.where(upper, x - 2.0**63, x.clamp(min=0)), "int64", torch.int64)
        bits = torch.where(upper, bits ^ torch.iinfo(torch.int64).min, bits)
        return torch.where(x >= 2.0**64, -1, bits).view(torch.uint64)
    inside = torch.where((x > low) & (x < high), x, 0.0).to(torch.int64)
    inside = torch.where(x >= high, high, inside)
    return torch.where(x <= low, low, inside).to(target)


# -- elementwise -------------------------------------------------------------------------------------------------------
def _sign(x: Tensor, /) -> Tensor:
    y = torch.sign(x)  # 0 for NaN: https://github.com/pytorch/pytorch/issues/41245
    return torch.where(x != x, x, y) if x.dtype in FLOATS else y


def _over_zero(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Integer division that answers 0 to a divisor of 0, where torch raises on the CPU."""

    def run(x1: Any, x2: Any, /) -> Tensor:
        like = x1 if isinstance(x1, torch.Tensor) else x2
        if like.dtype in FLOATS:
            return function(x1, x2)
        if x2 is like or isinstance(x2, torch.Tensor):
            zero = x2 == 0
            return function(x1, torch.where(zero, 1, x2)).masked_fill(zero, 0)
        return function(x1, x2) if x2 else torch.zeros_like(x1)

    return run


def _power(x1: Any, x2: Any, /) -> Tensor:
    if x2.__class__ is int and x2 < 0:  # torch takes negative integer exponents as tensors only
        x2 = torch.full((), x2, dtype=x1.dtype, device=x1.device)
    return torch.pow(x1, x2)


def _extremum(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(x1: Any, x2: Any, /) -> Tensor:
        if x2.__class__ is float or x2.__class__ is int:
            x2 = torch.full((), x2, dtype=x1.dtype, device=x1.device)
        return function(x1, x2)

    return run


# -- reductions: to torch, no axes mean all ----------------------------------------------------------------------------
def _sum(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
    return torch.sum(x, axis, keepdims, dtype=x.dtype) if axis else x


def _prod(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
    for a in reversed(axis):
        x = torch.prod(x, a, keepdims, dtype=x.dtype)
    return x


def _over(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor, /, *, axis: Axes, keepdims: bool) -> Tensor:
        return function(x, axis, keepdims) if axis else x

    return run


def _index_of(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(x: Tensor, /, *, axis: int, keepdims: bool) -> Tensor:
        return function(x, axis, keepdims).to(torch.int32)

    return run


def _top_k(x: Tensor, /, *, k: int) -> tuple[Tensor, Tensor]:
    if k == 1:
        index = torch.argmax(x, -1, True)
        return torch.gather(x, -1, index), index.to(torch.int32)
    # torch.topk orders equals at will: https://github.com/pytorch/pytorch/issues/27542
    values, index = torch.sort(x, stable=True, dim=-1, descending=True)
    return values[..., :k], index[..., :k].to(torch.int32)


# -- making and moving -------------------------------------------------------------------------------------------------
def _full(*, shape: Axes, value: float, dtype: str) -> Tensor:
    if dtype == "uint64" and value >= 2**63:
        return torch.full(shape, int(value) - 2**64, dtype=torch.int64, device=place()).view(torch.uint64)
    return torch.full(shape, value, dtype=DTYPES[dtype], device=place())


def _arange(*, start: float, stop: float, step: float, dtype: str) -> Tensor:
    # torch's own count and its float steps are rounded differently
    count = max(int(-((stop - start) // -step)), 0)
    device = place()
    if all(isinstance(number, int) for number in (start, stop, step)):
        return torch.arange(start, start + count * step, step, dtype=torch.int64, device=device).to(
            DTYPES[dtype]
        )
    wide = torch.float32 if device.type == "mps" else torch.float64
    return (torch.arange(count, dtype=wide, device=device) * step + start).to(DTYPES[dtype])


def _block(x: Tensor, starts: Tensor, sizes: Any) -> list[Tensor]:
    """Indices of a block, an int64 vector an axis, without asking the device for a value."""
    begins = zip(starts.to(torch.int64).unbind(), sizes, x.shape, strict=True)
    return [torch.arange(n, device=x.device) + begin.clamp(0, size - n) for begin, n, size in begins]


def _corner(x: Tensor, starts: Tensor, sizes: Any) -> tuple[slice, ...]:
    begins = zip(starts.tolist(), sizes, x.shape, strict=True)
    corner = [(min(max(begin, 0), size - n), n) for begin, n, size in begins]
    return tuple(slice(begin, begin + n) for begin, n in corner)


def _dynamic_slice(x: Tensor, starts: Tensor, /, *, sizes: Axes) -> Tensor:
    if at_hand(starts):
        return x[_corner(x, starts, sizes)]
    for axis, index in enumerate(_block(x, starts, sizes)):
        if sizes[axis] != x.shape[axis]:
            x = torch.index_select(x, axis, index)
    return x


def _dynamic_update_slice(x: Tensor, update: Tensor, starts: Tensor, /) -> Tensor:
    if x.ndim == 0:
        return update
    if at_hand(starts):
        result = x.clone()
        result[_corner(x, starts, update.shape)] = update
        return result
    return torch.index_put(x, torch.meshgrid(*_block(x, starts, update.shape), indexing="ij"), update)


def take(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    """The primitive `take`."""
    if axis == 0 and x.ndim == 2 and x.dtype in FLOATS:
        return torch.embedding(x, indices)  # its gradient runs in parallel
    flat = torch.index_select(x, axis, indices.reshape(-1))
    return (
        flat if indices.ndim == 1 else flat.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    )


def _gather_nd(x: Tensor, indices: Tensor, /) -> Tensor:
    if indices.shape[-1] == 0:
        return x.expand((*indices.shape[:-1], *x.shape))
    return x[indices.unbind(-1)]


def _scatter_add(x: Tensor, indices: Tensor, updates: Tensor, /) -> Tensor:
    if indices.shape[-1] == 1:
        return torch.index_add(x, 0, indices[:, 0], updates)
    return torch.index_put(x, indices.unbind(-1), updates, accumulate=True)


def _rows(x: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """x with its first k axes merged, and the int64 row each index means."""
    k = indices.shape[-1]
    row = torch.zeros(indices.shape[0], dtype=torch.int64, device=x.device)
    for axis in range(k):
        row = row * x.shape[axis] + indices[:, axis]
    return x.reshape((math.prod(x.shape[:k]), *x.shape[k:])), row


def _scatter_update(x: Tensor, indices: Tensor, updates: Tensor, /) -> Tensor:
    # index_put leaves it open which of duplicates wins: the last index of each row is found first.
    rows, row = _rows(x, indices)
    count = row.shape[0]
    if count == 0:
        return x
    last = torch.full((rows.shape[0],), -1, dtype=torch.int64, device=x.device)
    last = last.scatter_reduce(0, row, torch.arange(count, device=x.device), "amax")
    hit = (last >= 0).reshape(-1, *(1,) * (rows.ndim - 1))
    chosen = torch.index_select(updates, 0, last.clamp(min=0))
    return torch.where(hit, chosen, rows).reshape(x.shape)


def _scatter_max(x: Tensor, indices: Tensor, updates: Tensor, /) -> Tensor:
    rows, row = _rows(x, indices)
    row = row.reshape(-1, *(1,) * (rows.ndim - 1)).expand(updates.shape)
    return rows.scatter_reduce(0, row, updates, "amax").reshape(x.shape)


# -- matrices ----------------------------------------------------------------------------------------------------------
def _matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    try:
        return torch.matmul(x1, x2)
    except RuntimeError:  # no integer kernel on accelerators: https://github.com/pytorch/pytorch/issues/44428
        if x1.dtype in FLOATS or x1.device.type == "cpu":
            raise
        return torch.sum(x1.unsqueeze(-1) * x2.unsqueeze(-3), -2, dtype=x1.dtype)


def _wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decompositions of 16-bit floats, for which LAPACK has none, run in float32."""

    def run(*xs: Tensor, **keywords: Any) -> Any:
        dtype = xs[0].dtype
        if dtype not in HALVES:
            return function(*xs, **keywords)
        result = function(*(x.float() for x in xs), **keywords)
        if isinstance(result, tuple):
            return tuple(y.to(dtype) if y.dtype is torch.float32 else y for y in result)
        return result.to(dtype)

    return run


def _solve(a: Tensor, b: Tensor, /) -> Tensor:
    if b.ndim < a.ndim:  # torch could take b for a batch of vectors
        b = b.expand((*a.shape[:-2], *b.shape[-2:]))
    return torch.linalg.solve(a, b)


def _qr(x: Tensor, /) -> tuple[Tensor, Tensor]:
    q, r = torch.linalg.qr(x)
    sign = torch.where(torch.diagonal(r, dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(x.dtype)
    return q * sign.unsqueeze(-2), r * sign.unsqueeze(-1)


def _lu_factor(x: Tensor, /) -> tuple[Tensor, Tensor]:
    packed, pivots = torch.linalg.lu_factor(x)
    return packed, pivots - 1  # LAPACK counts rows from 1


# -- randomness --------------------------------------------------------------------------------------------------------
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def _threefry(key: Tensor, count: int, draw: int) -> Tensor:
    """The first `count` words, as int32 (whose sums wrap), for accelerators and traced keys."""
    half = (count + 1) // 2
    k0, k1 = key.view(torch.int32).unbind()
    schedule = (k0, k1, k0 ^ k1 ^ _PARITY)
    x0 = torch.arange(half, dtype=torch.int32, device=key.device) + k0
    x1 = k1 + ((2 * draw + 2**31) % 2**32 - 2**31)
    for group in range(5):
        for by in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = ((x1 << by) | ((x1 >> (32 - by)) & ((1 << by) - 1))) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + (group + 1)
    return torch.cat((x0, x1))[:count]


def _on_host(name: str) -> Callable[..., Any]:
    """A random primitive by the host's kernel, which torch sees as one operation."""

    def run(key: Tensor, shape: Axes, draw: int) -> Tensor:
        words = host_engine().primitives[name](key.numpy(), shape=tuple(shape), draw=draw)
        return torch.from_numpy(np.asarray(words))

    whole = operation(f"{name}(Tensor key, int[] shape, int draw) -> Tensor", run)
    return lambda key, shape, draw: (run if watcher.get() is None else whole)(key, shape, draw)


_bits_on_host, _uniform_on_host = _on_host("random_bits"), _on_host("random_uniform")


def _on_cpu(key: Tensor) -> bool:
    return key.device.type == "cpu" and key.__class__ is torch.Tensor and not transformed()


def _random_bits(key: Tensor, /, *, shape: Axes, draw: int) -> Tensor:
    if _on_cpu(key):
        return _bits_on_host(key, shape, draw)
    return _threefry(key, math.prod(shape), draw).view(torch.uint32).reshape(shape)


def _random_uniform(key: Tensor, /, *, shape: Axes, draw: int) -> Tensor:
    if _on_cpu(key):
        return _uniform_on_host(key, shape, draw)
    top = (_threefry(key, math.prod(shape), draw) >> 8) & 0xFFFFFF
    return (top.to(torch.float32) * 2.0**-24).reshape(shape)


def _own(key: Tensor, shape: Axes, draw: int) -> Tensor:
    if key.device.type == "cuda":  # the only device with a generator that takes its key from there
        words = key.clone().view(torch.int64)  # a copy: words at odd places cannot be viewed in pairs
        seed = torch.cat((words, torch.zeros_like(words))).view(torch.uint64)
        return torch.func._random.uniform(torch.func._random.fold_in(seed, draw), *shape)
    seed = key.cpu().numpy().view(np.uint64).item() ^ (draw * 0x9E3779B97F4A7C15)  # torch keeps 64 bits of it
    generator = torch.Generator(key.device).manual_seed(seed % 2**63)
    return torch.rand(shape, generator=generator, device=key.device)


_own_as_one = operation("own_uniform(Tensor key, int[] shape, int draw) -> Tensor", _own)
torch.library.register_fake(
    "kerasish::own_uniform", lambda key, shape, draw: key.new_empty(shape, dtype=torch.float32)
)


def _own_uniform(key: Tensor, /, *, shape: Axes, draw: int) -> Tensor:
    """By torch's own generator, which torch's compiler and whoever watches see as one operation."""
    return (_own if watcher.get() is None and not traced(key) else _own_as_one)(key, shape, draw)


# -- control flow: Python's own ----------------------------------------------------------------------------------------
def _while_loop(state: list[Tensor], /, *, cond_fn: Any, body_fn: Any) -> list[Tensor]:
    state = list(state)
    while cond_fn(*state):
        state = body_fn(*state)
    return state


def _scan(init: list[Tensor], xs: list[Tensor], /, *, fn: Any, length: int, reverse: bool) -> Any:
    if length == 0:
        carry, ys = fn(list(init), [x.new_zeros(x.shape[1:]) for x in xs])  # for the shapes of ys
        return list(init), [y.new_zeros((0, *y.shape)) for y in ys]
    carry, rows = list(init), []
    steps = list(zip(*(x.unbind(0) for x in xs), strict=True)) if xs else [()] * length
    for step in reversed(steps) if reverse else steps:
        carry, ys = fn(carry, list(step))
        rows.append(ys)
    if reverse:
        rows.reverse()
    return carry, [torch.stack(column) for column in zip(*rows, strict=True)]


#: Names that torch uses too: for floats and bools only, of one tensor, of two.
_PLAIN = """
    exp expm1 log log1p sqrt rsqrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh sigmoid erf
    floor ceil trunc round isfinite isnan isinf logical_not where reshape divide
"""
_UNARY = "negative abs square bitwise_not"
_BINARY = """
    add subtract multiply arctan2 not_equal less less_equal greater greater_equal logical_and logical_or logical_xor
    bitwise_and bitwise_or bitwise_xor
"""
_GENERAL: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "prod": _prod,
    "max": _over(torch.amax),
    "min": _over(torch.amin),
    "any": _over(torch.any),
    "all": _over(torch.all),
    "argmax": _index_of(torch.argmax),
    "argmin": _index_of(torch.argmin),
    "cumsum": lambda x, /, *, axis: torch.cumsum(x, axis, dtype=x.dtype),
    "cumprod": lambda x, /, *, axis: torch.cumprod(x, axis, dtype=x.dtype),
    "sort": lambda x, /, *, axis: torch.sort(x, stable=True, dim=axis)[0],
    "argsort": lambda x, /, *, axis: torch.sort(x, stable=True, dim=axis)[1].to(torch.int32),
    "top_k": _top_k,
    "pad": lambda x, /, *, pads, value: F.pad(x, [n for pair in reversed(pads) for n in pair], value=value),
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "flip": lambda x, /, *, axis: torch.flip(x, axis),
    "take": take,
    "take_along_axis": lambda x, indices, /, *, axis: torch.gather(x, axis, indices),
    "gather_nd": _gather_nd,
    "scatter_add": _scatter_add,
    "scatter_update": _scatter_update,
    "scatter_max": _scatter_max,
    "einsum": lambda *operands, subscripts: torch.einsum(subscripts, *operands),
    "conv": windows.conv,
    "conv_transpose": windows.conv_transpose,
    "max_pool": windows.max_pool,
    "avg_pool": windows.avg_pool,
}

PRIMITIVES: dict[str, Callable[..., Any]] = {
    **{name: getattr(torch, name) for name in _PLAIN.split()},
    **{name: unary(name, getattr(torch, name)) for name in _UNARY.split()},
    **{name: binary(name, getattr(torch, name)) for name in _BINARY.split()},
    **{name: general(name, function) for name, function in _GENERAL.items()},
    "cast": _cast,
    "bitcast": lambda x, /, *, dtype: x.view(DTYPES[dtype]),
    "sign": unary("sign", _sign),
    "equal": binary("equal", torch.eq),
    "floor_divide": binary("floor_divide", _over_zero(torch.floor_divide)),
    "remainder": binary("remainder", _over_zero(torch.remainder)),
    "power": binary("power", _power),
    "maximum": binary("maximum", _extremum(torch.maximum)),
    "minimum": binary("minimum", _extremum(torch.minimum)),
    "left_shift": binary("left_shift", torch.bitwise_left_shift),
    "right_shift": binary("right_shift", torch.bitwise_right_shift),
    "full": _full,
    "arange": _arange,
    "transpose": lambda x, /, *, axes: x.permute(axes),
    "broadcast_to": lambda x, /, *, shape: x.expand(shape),
    "concatenate": lambda xs, /, *, axis: torch.cat(xs, axis),
    "slice": lambda x, /, *, start, stop, step: x[tuple(map(slice, start, stop, step))],
    "matmul": binary("matmul", _matmul),
    "cholesky": _wide(torch.linalg.cholesky),
    "solve": _wide(_solve),
    "triangular_solve": _wide(lambda a, b, /, *, lower: torch.linalg.solve_triangular(a, b, upper=not lower)),
    "qr": _wide(_qr),
    "svd": _wide(lambda x, /: tuple(torch.linalg.svd(x, full_matrices=False))),
    "eigh": _wide(lambda x, /: tuple(torch.linalg.eigh(x))),
    "lu_factor": _wide(_lu_factor),
    "random_bits": _random_bits,
    "random_uniform": _random_uniform,
    "own_uniform": _own_uniform,
    "cond": lambda pred, operands, /, *, true_fn, false_fn: (true_fn if pred else false_fn)(*operands),
    "while_loop": _while_loop,
    "scan": _scan,
    "stop_gradient": lambda x, /: x.detach(),
}
