"""From a seed to words, and from words to numbers: the maps that `kerasish.ops.random` is made of.

* uniform: the top 24 bits of a word times 2⁻²⁴ (11 bits for float16, 8 for bfloat16, 53 of two words for float64), so
  that every value is exact in its dtype and below 1;
* integers: the high word of word · range, computed in 16-bit halves of uint32, so that no engine needs 64-bit
  integers; ranges above 2¹⁶ take two words, which keeps the bias below 2⁻³²;
* normal: the quantile of a uniform number centred within its cell (`random_normal`);
* gamma: Marsaglia and Tsang's rejection with a fixed number of rounds.

All but the last step of gamma and beta numbers is made of operations that every engine rounds alike.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.abstract import AbstractTensor
from kerasish.core.config import floatx
from kerasish.core.contract import Engine, Tensor
from kerasish.core.convert import dtype_of, is_abstract, shape_of, tensors, to_numpy, to_tensor
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.seeds import Draw, draw, draws_portably
from kerasish.ops.random_normal import log, normal_quantile, steady

__all__: list[str] = []

#: Numbers of which initial weights are drawn on the host in one compiled step, at a tenth of the time of many steps.
_WORTH_COMPILING = 1 << 17
#: Rounds of gamma's rejection. One accepts with probability 0.95 or more, so that 8 fail in fewer than 1 of 10¹⁰.
_GAMMA_ROUNDS = 8
#: P(|z| < 2) of a standard normal z: erf(√2), rounded down so that |erfinv| stays within 2 / √2.
TWO_SIGMA = 0.9544995


# -- from a seed to words --------------------------------------------------------------------------------------------


def drawn(seed: Any, beside: Sequence[Any] = ()) -> Draw:
    """The draw a seed stands for, its key on the engine of the tensors `beside`."""
    key, index, in_step = draw(seed)
    if is_abstract():
        return Draw(AbstractTensor((2,), "uint32"), index)
    if beside:
        engine, own = engine_of(beside), engine_of((key,))
        if (
            engine is not own and engine.priority >= own.priority
        ):  # a traced key takes constants to its own engine
            key = to_tensor(to_numpy(key), engine)
    return Draw(key, index, in_step)


def own(at: Draw) -> bool:
    """Whether the engine's own generator stands in for the portable one."""
    if not at.in_step:
        return False
    engine = engine_of((at.key,))
    return not draws_portably(engine, engine.device_of(at.key))


def fractions(at: Draw, shape: tuple[int, ...]) -> Tensor:
    """float32 in [0, 1)."""
    uniform = p.own_uniform if own(at) else p.random_uniform
    return uniform(at.key, shape=shape, draw=at.number)


def size_tuple(shape: Any) -> tuple[int, ...]:
    """A shape argument as a tuple of sizes."""
    try:
        sizes = (
            tuple(shape)
            if isinstance(shape, (tuple, list))
            else tuple(int(s) for s in to_numpy(shape).ravel())
        )
        sizes = tuple(s if isinstance(s, int) else int(to_numpy(s)) for s in sizes)
    except (TypeError, ValueError):
        sizes = (-1,)
    if any(s < 0 for s in sizes):
        raise ShapeError("`shape` must hold sizes >= 0.", expected="such as (2, 3)", received=repr(shape))
    return sizes


def float_dtype(dtype: Any, name: str) -> str:
    result = floatx() if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_float(result):
        raise DTypeError(f"random.{name} makes floats.", expected="a float dtype", received=result)
    return result


def centred_floats(at: Draw, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Uniform in (−1, 1), symmetric, neither end possible: odd multiples of 2⁻²⁴ (float64: of 2⁻⁵³)."""
    if dtype == "float64":
        return p.add(p.subtract(p.multiply(_uniform64(at, shape), 2.0), 1.0), 2.0**-53)
    unit = fractions(at, shape)
    return p.add(p.subtract(p.multiply(unit, 2.0), 1.0), 2.0**-24)


def _uniform64(at: Draw, shape: tuple[int, ...]) -> Tensor:
    """float64 in [0, 1): 53 bits of two words."""
    words = p.random_bits(at.key, shape=(2, *shape), draw=at.number)
    high, low = (p.cast(row_of(words, i), dtype="float64") for i in range(2))
    high, low = p.floor(p.multiply(high, 2.0**-5)), p.floor(p.multiply(low, 2.0**-6))
    return p.multiply(p.add(p.multiply(high, 2.0**26), low), 2.0**-53)


def unit_floats(at: Draw, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Uniform in [0, 1), exact in `dtype`."""
    if dtype == "float64":
        return _uniform64(at, shape)
    unit = fractions(at, shape)
    if dtype == "float32":
        return unit
    steps = 2.0**11 if dtype == "float16" else 2.0**8
    return p.cast(p.multiply(p.floor(p.multiply(unit, steps)), 1.0 / steps), dtype=dtype)


def row_of(x: Tensor, i: int) -> Tensor:
    """x[i]."""
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    part = p.slice(x, start=(i, *rest), stop=(i + 1, *shape[1:]), step=(1,) * len(shape))
    return p.reshape(part, shape=shape[1:])


def unknown_zero(x: Tensor) -> Tensor:
    """⌊|x|⌋ for |x| < 1: zeros of which no compiler knows, for `steady`."""
    return p.floor(p.abs(x))


def affine(x: Tensor, offset: Any, factor: Any, zero: Tensor) -> Tensor:
    """x·factor + offset, rounded twice; either may be a number or a tensor. `zero`: see `steady`."""
    if is_number(offset, 0):
        return x if is_number(factor, 1) else p.multiply(x, like(x, factor))
    x = x if is_number(factor, 1) else steady(p.multiply(x, like(x, factor)), zero)
    return p.add(x, like(x, offset))


def is_number(value: Any, number: float) -> bool:
    return isinstance(value, (int, float)) and value == number


def like(x: Tensor, value: Any) -> Any:
    """A parameter as a Python float, or as a tensor with x's engine and dtype."""
    if isinstance(value, (int, float)):
        return float(value)
    value = tensors(x, value)[1]
    return value if dtype_of(value) == dtype_of(x) else p.cast(value, dtype=dtype_of(x))


def narrow(x: Tensor, dtype: str) -> Tensor:
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


# -- maps ------------------------------------------------------------------------------------------------------------


def standard_normal(at: Draw, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Normal numbers of mean 0 and deviation 1, dtype float32 or float64."""
    x = centred_floats(at, shape, dtype)
    engine = engine_of((x,))
    if engine.supports("host") and not engine.is_traced(x) and math.prod(shape) >= _WORTH_COMPILING:
        return p.reshape(_compiled_quantile(engine)(p.reshape(x, shape=(math.prod(shape),))), shape=shape)
    return _quantile(x)


def _quantile(x: Tensor) -> Tensor:
    return normal_quantile(x, unknown_zero(x))


@functools.cache
def _compiled_quantile(engine: Engine) -> Callable[[Tensor], Tensor]:
    return engine.compile(_quantile)


def wide_dtype(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def scaled_words(at: Draw, shape: tuple[int, ...], span: int) -> Tensor:
    """uint32 numbers in [0, span), 1 <= span <= 2³²."""
    if span == 2**32:
        return p.random_bits(at.key, shape=shape, draw=at.number)
    if span <= 2**16:
        word = p.random_bits(at.key, shape=shape, draw=at.number)
        high, low = p.right_shift(word, 16), p.bitwise_and(word, 0xFFFF)
        carry = p.right_shift(p.multiply(low, span), 16)
        return p.right_shift(p.add(p.multiply(high, span), carry), 16)
    words = p.random_bits(at.key, shape=(2, *shape), draw=at.number)
    top_high, top_low = _product(row_of(words, 0), span)
    below, _ = _product(row_of(words, 1), span)
    carry = p.less(p.add(top_low, below), below)
    return p.add(top_high, p.cast(carry, dtype="uint32"))


def _product(word: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """(high, low) uint32 words of the 64-bit product word · factor, in 16-bit halves."""
    a, b = p.right_shift(word, 16), p.bitwise_and(word, 0xFFFF)
    c, d = factor >> 16, factor & 0xFFFF
    bd, ad, bc = p.multiply(b, d), p.multiply(a, d), p.multiply(b, c)
    middle = p.add(p.right_shift(bd, 16), p.add(p.bitwise_and(ad, 0xFFFF), p.bitwise_and(bc, 0xFFFF)))
    high = p.add(
        p.add(p.multiply(a, c), p.right_shift(middle, 16)),
        p.add(p.right_shift(ad, 16), p.right_shift(bc, 16)),
    )
    low = p.bitwise_or(p.left_shift(middle, 16), p.bitwise_and(bd, 0xFFFF))
    return high, low


# -- gamma and its kin -----------------------------------------------------------------------------------------------


def _log_gamma_sample(alpha: Tensor, normals: Tensor, uniforms: Tensor, boost: Tensor) -> Tensor:
    """ln of gamma numbers: rejection of alpha (or alpha + 1 below 1), rounds along axis 0 of normals and uniforms.

    Marsaglia and Tsang, "A simple method for generating gamma variables", 2000: with d = a − 1/3, v = (1 + z/√(9d))³,
    d·v is accepted where v > 0 and ln u < z²/2 + d − d·v + d·ln v. Where no round accepts, the mode d stands in.
    What decides is rounded alike on every engine: one that decided otherwise would give another number altogether.
    """
    zero = unknown_zero(uniforms)
    small = p.less(alpha, 1.0)
    d = p.subtract(p.where(small, p.add(alpha, 1.0), alpha), 1.0 / 3.0)
    root = p.add(p.divide(normals, p.sqrt(p.multiply(d, 9.0))), 1.0)
    positive = p.greater(root, 0.0)
    log_v = p.multiply(log(p.where(positive, root, 1.0), zero), 3.0)
    v = p.multiply(p.multiply(root, root), root)
    half_square = steady(p.multiply(p.square(normals), 0.5), zero)
    excess = p.add(p.subtract(1.0, steady(v, zero)), steady(log_v, zero))
    bound = p.add(half_square, steady(p.multiply(d, excess), zero))
    accepted = p.logical_and(positive, p.less(log(uniforms, zero), bound))
    chosen = p.multiply(row_of(log_v, 0), 0.0)
    for i in reversed(range(_GAMMA_ROUNDS)):
        chosen = p.where(row_of(accepted, i), row_of(log_v, i), chosen)
    result = p.add(chosen, p.log(d))
    # gamma(a) = gamma(a + 1)·u^(1/a)
    return p.add(result, p.where(small, p.divide(log(boost, unknown_zero(boost)), alpha), 0.0))


def log_gammas(at: Draw, shape: tuple[int, ...], alphas: Sequence[Any], dtype: str) -> list[Tensor]:
    """ln of gamma numbers of each alpha, from one draw."""
    rows = 2 * _GAMMA_ROUNDS + 1
    centred = centred_floats(at, (rows * len(alphas), *shape), dtype)
    results = []
    for n, alpha in enumerate(alphas):
        first = n * rows
        block = rows_of(centred, first, first + rows)
        first_rows = rows_of(block, 0, _GAMMA_ROUNDS)
        normals = normal_quantile(first_rows, unknown_zero(first_rows))
        chances = p.multiply(p.add(rows_of(block, _GAMMA_ROUNDS, rows), 1.0), 0.5)
        uniforms = rows_of(chances, 0, _GAMMA_ROUNDS)
        boost = row_of(chances, _GAMMA_ROUNDS)
        value = like(centred, alpha)
        if isinstance(value, float):
            value = tensors(centred, value)[1]
            value = narrow(value, dtype)
        results.append(_log_gamma_sample(p.broadcast_to(value, shape=shape), normals, uniforms, boost))
    return results


def rows_of(x: Tensor, first: int, end: int) -> Tensor:
    """x[first:end]."""
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    return p.slice(x, start=(first, *rest), stop=(end, *shape[1:]), step=(1,) * len(shape))
