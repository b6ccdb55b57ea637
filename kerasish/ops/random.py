"""Random numbers that are the same on every engine: our own maps from counter-based words to distributions.

The words come from the primitives `random_bits` and `random_uniform` (Threefry). From there:

* uniform: the top 24 bits of a word times 2⁻²⁴ (11 bits for float16, 8 for bfloat16, 53 of two words for float64), so
  that every value is exact in its dtype and below 1;
* integers: the high word of word · range, computed in 16-bit halves of uint32, so that no engine needs 64-bit integers;
  ranges above 2¹⁶ take two words, which keeps the bias below 2⁻³²;
* normal: √2·erfinv of a uniform number centred within its cell, with the polynomial below;
* truncated normal: the same, the argument scaled into the probability of ±2σ;
* categorical: the largest of logit + Gumbel noise; gamma: Marsaglia and Tsang's rejection with a fixed number of rounds;
* permutations: a stable sort of words.

Uniform numbers, integers, dropout masks and permutations agree bit for bit between engines. Numbers that pass through an
engine's own logarithm (normal and what is made of it) agree to a few units in the last place.

A `seed` is None (the process-wide generator), an integer (the same numbers each time) or a `SeedGenerator`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.abstract import AbstractTensor
from kerasish.core.config import floatx
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, is_abstract, plain, shape_of, tensors, to_numpy, to_tensor
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.seeds import Draw, SeedGenerator, draw
from kerasish.ops.fastpath import floats, operand

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

#: Rounds of gamma's rejection. One accepts with probability 0.95 or more, so that 8 fail in fewer than 1 of 10¹⁰.
_GAMMA_ROUNDS = 8
#: P(|z| < 2) of a standard normal z: erf(√2), rounded down so that |erfinv| stays within 2 / √2.
_TWO_SIGMA = 0.9544995

# Coefficients of Giles, "Approximating the erfinv function", GPU Computing Gems Jade Edition, 2012 (single precision):
# erfinv(x) = x·P(w), w = −ln((1 − x)(1 + x)); one polynomial in w − 2.5 for w < 5, one in √w − 3 beyond.
_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


# -- from a seed to words --------------------------------------------------------------------------------------------


def _draw(seed: Any, beside: Sequence[Any] = ()) -> Draw:
    """The draw a seed stands for, its key on the engine of the tensors `beside`."""
    key, index = draw(seed)
    if is_abstract():
        return Draw(AbstractTensor((2,), "uint32"), index)
    if beside:
        engine = engine_of(beside)
        if engine is not engine_of((key,)):
            key = to_tensor(to_numpy(key), engine)
    return Draw(key, index)


def _shape(shape: Any) -> tuple[int, ...]:
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


def _float_dtype(dtype: Any, name: str) -> str:
    result = floatx() if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_float(result):
        raise DTypeError(f"random.{name} makes floats.", expected="a float dtype", received=result)
    return result


def _centred(at: Draw, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Uniform in (−1, 1), symmetric, neither end possible: odd multiples of 2⁻²⁴ (float64: of 2⁻⁵³)."""
    if dtype == "float64":
        return p.add(p.subtract(p.multiply(_uniform64(at, shape), 2.0), 1.0), 2.0**-53)
    unit = p.random_uniform(at.key, shape=shape, draw=at.index)
    return p.add(p.subtract(p.multiply(unit, 2.0), 1.0), 2.0**-24)


def _uniform64(at: Draw, shape: tuple[int, ...]) -> Tensor:
    """float64 in [0, 1): 53 bits of two words."""
    words = p.random_bits(at.key, shape=(2, *shape), draw=at.index)
    high, low = (p.cast(_row(words, i), dtype="float64") for i in range(2))
    high, low = p.floor(p.multiply(high, 2.0**-5)), p.floor(p.multiply(low, 2.0**-6))
    return p.multiply(p.add(p.multiply(high, 2.0**26), low), 2.0**-53)


def _unit(at: Draw, shape: tuple[int, ...], dtype: str) -> Tensor:
    """Uniform in [0, 1), exact in `dtype`."""
    if dtype == "float64":
        return _uniform64(at, shape)
    unit = p.random_uniform(at.key, shape=shape, draw=at.index)
    if dtype == "float32":
        return unit
    steps = 2.0**11 if dtype == "float16" else 2.0**8
    return p.cast(p.multiply(p.floor(p.multiply(unit, steps)), 1.0 / steps), dtype=dtype)


def _row(x: Tensor, i: int) -> Tensor:
    """x[i]."""
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    part = p.slice(x, start=(i, *rest), stop=(i + 1, *shape[1:]), step=(1,) * len(shape))
    return p.reshape(part, shape=shape[1:])


def _affine(x: Tensor, offset: Any, factor: Any) -> Tensor:
    """x·factor + offset; either may be a number or a tensor."""
    x = x if _is_number(factor, 1) else p.multiply(x, _beside(x, factor))
    return x if _is_number(offset, 0) else p.add(x, _beside(x, offset))


def _is_number(value: Any, number: float) -> bool:
    return isinstance(value, (int, float)) and value == number


def _beside(x: Tensor, value: Any) -> Any:
    """A parameter as a Python float, or as a tensor with x's engine and dtype."""
    if isinstance(value, (int, float)):
        return float(value)
    value = tensors(x, value)[1]
    return value if dtype_of(value) == dtype_of(x) else p.cast(value, dtype=dtype_of(x))


def _narrow(x: Tensor, dtype: str) -> Tensor:
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


# -- maps ------------------------------------------------------------------------------------------------------------


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Horner's rule, highest power first."""
    result: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        result = p.add(p.multiply(x, result), coefficient)
    return result


def _erfinv(x: Tensor) -> Tensor:
    """Inverse error function on (−1, 1): relative error 4e-7 in float32, full precision in float64."""
    w = p.negative(p.log(p.multiply(p.subtract(1.0, x), p.add(x, 1.0))))
    centre = _polynomial(p.subtract(w, 2.5), _CENTRE)
    tail = _polynomial(p.subtract(p.sqrt(w), 3.0), _TAIL)
    y = p.multiply(p.where(p.less(w, 5.0), centre, tail), x)
    if dtype_of(x) != "float64":
        return y
    for _ in range(2):  # Newton's step, with the second-order term (Halley)
        step = p.multiply(p.multiply(p.subtract(p.erf(y), x), p.exp(p.square(y))), math.sqrt(math.pi) / 2.0)
        y = p.subtract(y, p.divide(step, p.add(p.multiply(y, step), 1.0)))
    return y


@overridable
def _standard_normal(key: Tensor, /, *, shape: tuple[int, ...], draw: int, dtype: str) -> Tensor:
    """Normal numbers of mean 0 and deviation 1, dtype float32 or float64; override name "standard_normal"."""
    return p.multiply(_erfinv(_centred(Draw(key, draw), shape, dtype)), math.sqrt(2.0))


def _wide_dtype(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


# -- distributions ---------------------------------------------------------------------------------------------------


@op
def uniform(
    shape: Sequence[int], minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Uniform numbers in [minval, maxval).

    Args:
        shape: Shape of the result.
        minval: Lower end, included.
        maxval: Upper end; excluded up to rounding.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> x = uniform((1000,), seed=1)
        >>> bool(x.min() >= 0), bool(x.max() < 1)
        (True, True)
    """
    dtype = _float_dtype(dtype, "uniform")
    unit = _unit(_draw(seed), _shape(shape), dtype)
    if _is_number(minval, 0):
        return _affine(unit, 0.0, maxval)
    if _is_number(maxval, 0) or (isinstance(minval, (int, float)) and _is_number(maxval, -minval)):
        # 2u − 1 is exact, so symmetric intervals are rounded once, even where an engine fuses multiply and add.
        if not _is_number(maxval, 0):
            return p.multiply(p.subtract(p.multiply(unit, 2.0), 1.0), float(maxval))
    if isinstance(minval, (int, float)) and isinstance(maxval, (int, float)):
        return _affine(unit, minval, maxval - minval)
    low, high = _beside(unit, minval), _beside(unit, maxval)
    return p.add(p.multiply(unit, p.subtract(high, low)), low)


@op
def normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normal numbers of the given mean and standard deviation.

    Args:
        shape: Shape of the result.
        mean: The mean.
        stddev: The standard deviation.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> abs(float(normal((1000,), seed=1).mean())) < 0.2
        True
    """
    dtype = _float_dtype(dtype, "normal")
    at = _draw(seed)
    x = _standard_normal(at.key, shape=_shape(shape), draw=at.index, dtype=_wide_dtype(dtype))
    return _narrow(_affine(x, mean, stddev), dtype)


@op
def truncated_normal(
    shape: Sequence[int], mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normal numbers, those beyond two standard deviations left out.

    Args:
        shape: Shape of the result.
        mean: The mean.
        stddev: The standard deviation before truncation.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> bool(abs(truncated_normal((1000,), seed=1)).max() <= 2)
        True
    """
    dtype = _float_dtype(dtype, "truncated_normal")
    x = _centred(_draw(seed), _shape(shape), _wide_dtype(dtype))
    x = p.multiply(_erfinv(p.multiply(x, _TWO_SIGMA)), math.sqrt(2.0))
    return _narrow(_affine(x, mean, stddev), dtype)


def _scaled_words(at: Draw, shape: tuple[int, ...], span: int) -> Tensor:
    """uint32 numbers in [0, span), 1 <= span <= 2³²."""
    if span == 2**32:
        return p.random_bits(at.key, shape=shape, draw=at.index)
    if span <= 2**16:
        word = p.random_bits(at.key, shape=shape, draw=at.index)
        high, low = p.right_shift(word, 16), p.bitwise_and(word, 0xFFFF)
        carry = p.right_shift(p.multiply(low, span), 16)
        return p.right_shift(p.add(p.multiply(high, span), carry), 16)
    words = p.random_bits(at.key, shape=(2, *shape), draw=at.index)
    top_high, top_low = _product(_row(words, 0), span)
    below, _ = _product(_row(words, 1), span)
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


@op
def randint(shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Uniform integers from minval to maxval − 1.

    Args:
        shape: Shape of the result.
        minval: Smallest value.
        maxval: One above the largest value; at most 2³² above minval.
        dtype: An integer dtype.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not an integer dtype.
        ArgumentError: The interval is empty, too wide, or outside the dtype.

    Example:
        >>> sorted(set(randint((100,), 1, 4, seed=1).tolist()))
        [1, 2, 3]
    """
    dtype = dtypes.canonical(dtype)
    if not dtypes.is_integer(dtype):
        raise DTypeError("random.randint makes integers.", expected="an integer dtype", received=dtype)
    low, high = (int(to_numpy(plain(v))) for v in (minval, maxval))
    smallest, largest = dtypes.int_range(dtype)
    if not (smallest <= low < high <= largest + 1 and high - low <= 2**32):
        raise ArgumentError(
            "The interval must hold an integer, fit the dtype and be at most 2**32 wide.",
            expected="minval < maxval",
            received=f"minval={minval}, maxval={maxval}, dtype={dtype}",
        )
    words = _scaled_words(_draw(seed), _shape(shape), high - low)
    if low >= 0 and dtypes.bits(dtype) <= 32:
        words = p.add(words, low) if low else words
        return _narrow(words, dtype)
    if dtypes.bits(dtype) < 32 or dtype == "int32":  # wraps through the sign bit and back
        signed = p.bitcast(words, dtype="int32")
        return _narrow(p.add(signed, low), dtype)
    return p.add(p.cast(words, dtype=dtype), low)


@op
def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Indices drawn with probabilities softmax(logits), with replacement.

    Args:
        logits: Unnormalised log probabilities, shape (B, C); −inf is never drawn.
        num_samples: Draws from each row.
        dtype: An integer dtype.
        seed: None, an integer or a `SeedGenerator`.

    Shape: (B, C) -> (B, num_samples).

    Raises:
        ShapeError: `logits` has not two axes.

    Example:
        >>> categorical([[0.0, -1e9]], 3, seed=1).tolist()
        [[0, 0, 0]]
    """
    logits = floats(logits)
    shape = shape_of(logits)
    if len(shape) != 2:
        raise ShapeError("`logits` needs two axes.", expected="(batch, classes)", received=shapes.show(shape))
    batch, classes = shape
    at = _draw(seed, (logits,))
    words = p.cast(
        p.random_bits(at.key, shape=(batch, int(num_samples), classes), draw=at.index), dtype="float32"
    )
    # All 32 bits: −ln(1 − v) is as fine near 0, where the winners are, as a float can be.
    chance = p.minimum(p.multiply(p.add(words, 0.5), 2.0**-32), 1.0 - 2.0**-24)
    noise = p.negative(p.log(p.negative(p.log1p(p.negative(chance)))))
    rows = p.reshape(logits, shape=(batch, 1, classes))
    rows = _narrow(rows, "float32") if dtypes.bits(dtype_of(rows)) == 16 else rows
    index = p.argmax(p.add(rows, _narrow(noise, dtype_of(rows))), axis=2, keepdims=False)
    return _narrow(index, dtypes.canonical(dtype))


@overridable
def _dropout(x: Tensor, key: Tensor, /, *, rate: float, noise_shape: tuple[int, ...], draw: int) -> Tensor:
    """x/(1 − rate) where u >= rate, else 0, for u = random_uniform(key, noise_shape, draw); override name "dropout"."""
    keep = p.greater_equal(p.random_uniform(key, shape=noise_shape, draw=draw), rate)
    return p.where(keep, p.multiply(x, 1.0 / (1.0 - rate)), 0.0)


@op
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Zero a fraction `rate` of the elements, at random, and divide the others by 1 − rate (Srivastava et al. 2014).

    Args:
        inputs: A tensor.
        rate: Probability of zero, in [0, 1].
        noise_shape: Shape of the mask, which is broadcast to the inputs; None within it means the input's size.
        seed: None, an integer or a `SeedGenerator`.

    Shape: any -> same.

    Raises:
        ArgumentError: `rate` is outside [0, 1].
        ShapeError: `noise_shape` does not broadcast to the inputs.

    Example:
        >>> sorted(set(dropout([1.0] * 100, 0.5, seed=1).tolist()))
        [0.0, 2.0]
    """
    if not 0.0 <= rate <= 1.0:
        raise ArgumentError("`rate` must be a fraction.", expected="a number in [0, 1]", received=rate)
    x = floats(inputs)
    if rate == 0.0:
        return x
    at = _draw(seed, (x,))
    shape = shape_of(x)
    sizes = shape
    if noise_shape is not None:
        sizes = tuple(noise_shape)
        padded = (1,) * (len(shape) - len(sizes)) + sizes
        sizes = tuple(s if n is None else n for n, s in zip(padded, shape, strict=False))
        fits = len(padded) == len(shape) and all(
            n == 1 or shapes.compatible(n, s) for n, s in zip(sizes, shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                "`noise_shape` does not broadcast to the inputs.",
                expected=shapes.show(shape),
                received=noise_shape,
            )
    if rate == 1.0:
        return p.where(
            p.less(p.random_uniform(at.key, shape=sizes, draw=at.index), 1.0), p.multiply(x, 0.0), 0.0
        )
    return _dropout(x, at.key, rate=float(rate), noise_shape=sizes, draw=at.index)


@op
def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """`x` with its entries along `axis` in random order.

    Args:
        x: A tensor.
        axis: The axis to permute.
        seed: None, an integer or a `SeedGenerator`.

    Shape: any -> same.

    Example:
        >>> sorted(shuffle([1, 2, 3, 4], seed=1).tolist())
        [1, 2, 3, 4]
    """
    x = operand(x)
    shape = shape_of(x)
    axis = shapes.axis_index(axis, len(shape))
    at = _draw(seed, (x,))
    words = p.bitcast(p.random_bits(at.key, shape=(shape[axis],), draw=at.index), dtype="int32")
    return p.take(x, p.argsort(words, axis=0), axis=axis)


# -- gamma and its kin -----------------------------------------------------------------------------------------------


def _log_gamma_sample(alpha: Tensor, normals: Tensor, uniforms: Tensor, boost: Tensor) -> Tensor:
    """ln of gamma numbers: rejection of alpha (or alpha + 1 below 1), rounds along axis 0 of normals and uniforms.

    Marsaglia and Tsang, "A simple method for generating gamma variables", 2000: with d = a − 1/3, v = (1 + z/√(9d))³,
    d·v is accepted where v > 0 and ln u < z²/2 + d − d·v + d·ln v. Where no round accepts, the mode d stands in.
    """
    small = p.less(alpha, 1.0)
    d = p.subtract(p.where(small, p.add(alpha, 1.0), alpha), 1.0 / 3.0)
    root = p.add(p.multiply(normals, p.rsqrt(p.multiply(d, 9.0))), 1.0)
    positive = p.greater(root, 0.0)
    log_v = p.multiply(p.log(p.where(positive, root, 1.0)), 3.0)
    v = p.exp(log_v)
    bound = p.add(p.multiply(p.square(normals), 0.5), p.multiply(d, p.add(p.subtract(1.0, v), log_v)))
    accepted = p.logical_and(positive, p.less(p.log(uniforms), bound))
    chosen = p.multiply(_row(log_v, 0), 0.0)
    for i in reversed(range(_GAMMA_ROUNDS)):
        chosen = p.where(_row(accepted, i), _row(log_v, i), chosen)
    result = p.add(chosen, p.log(d))
    # gamma(a) = gamma(a + 1)·u^(1/a)
    return p.add(result, p.where(small, p.divide(p.log(boost), alpha), 0.0))


def _log_gammas(at: Draw, shape: tuple[int, ...], alphas: Sequence[Any], dtype: str) -> list[Tensor]:
    """ln of gamma numbers of each alpha, from one draw."""
    rows = 2 * _GAMMA_ROUNDS + 1
    centred = _centred(at, (rows * len(alphas), *shape), dtype)
    results = []
    for n, alpha in enumerate(alphas):
        first = n * rows
        block = _rows(centred, first, first + rows)
        normals = p.multiply(_erfinv(_rows(block, 0, _GAMMA_ROUNDS)), math.sqrt(2.0))
        chances = p.multiply(p.add(_rows(block, _GAMMA_ROUNDS, rows), 1.0), 0.5)
        uniforms = _rows(chances, 0, _GAMMA_ROUNDS)
        boost = _row(chances, _GAMMA_ROUNDS)
        value = _beside(centred, alpha)
        if isinstance(value, float):
            value = tensors(centred, value)[1]
            value = _narrow(value, dtype)
        results.append(_log_gamma_sample(p.broadcast_to(value, shape=shape), normals, uniforms, boost))
    return results


def _rows(x: Tensor, first: int, end: int) -> Tensor:
    """x[first:end]."""
    shape = shape_of(x)
    rest = (0,) * (len(shape) - 1)
    return p.slice(x, start=(first, *rest), stop=(end, *shape[1:]), step=(1,) * len(shape))


@op
def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Gamma numbers of shape parameter alpha and rate 1.

    Args:
        shape: Shape of the result.
        alpha: Positive; a number or a tensor that broadcasts to `shape`.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> abs(float(gamma((1000,), 3.0, seed=1).mean()) - 3) < 0.3
        True
    """
    dtype = _float_dtype(dtype, "gamma")
    (logs,) = _log_gammas(_draw(seed), _shape(shape), [alpha], _wide_dtype(dtype))
    return _narrow(p.exp(logs), dtype)


@op
def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Beta numbers in [0, 1]: g / (g + h) of gamma numbers g, h with parameters alpha and beta.

    Args:
        shape: Shape of the result.
        alpha: Positive; a number or a tensor that broadcasts to `shape`.
        beta: Positive; a number or a tensor that broadcasts to `shape`.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> abs(float(beta((1000,), 2.0, 2.0, seed=1).mean()) - 0.5) < 0.05
        True
    """
    dtype = _float_dtype(dtype, "beta")
    one, two = _log_gammas(_draw(seed), _shape(shape), [alpha, beta], _wide_dtype(dtype))
    return _narrow(p.sigmoid(p.subtract(one, two)), dtype)


@op
def binomial(
    shape: Sequence[int], counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
) -> Tensor:
    """The number of successes in `counts` trials, each succeeding with probability `probabilities`.

    The trials are played one by one, so the time grows with the largest count.

    Args:
        shape: Shape of the result.
        counts: Numbers of trials; a number or a tensor that broadcasts to `shape`.
        probabilities: Chances of success in [0, 1]; a number or a tensor that broadcasts to `shape`.
        dtype: A float dtype; default `floatx()`.
        seed: None, an integer or a `SeedGenerator`.

    Raises:
        DTypeError: `dtype` is not a float dtype.

    Example:
        >>> binomial((3,), 5.0, 1.0, seed=1).tolist()
        [5.0, 5.0, 5.0]
    """
    dtype = _float_dtype(dtype, "binomial")
    sizes = _shape(shape)
    at = _draw(seed)
    trials, chance = (_narrow(tensors(at.key, v)[1], "float32") for v in (counts, probabilities))
    most = p.max(trials, axis=tuple(range(len(shape_of(trials)))), keepdims=False)
    zero = p.multiply(p.random_uniform(at.key, shape=sizes, draw=at.index), 0.0)

    def unfinished(number: Tensor, total: Tensor) -> Tensor:
        return p.less(number, most)

    def trial(number: Tensor, total: Tensor) -> list[Tensor]:
        key = p.bitwise_xor(at.key, p.bitcast(number, dtype="uint32"))  # the trial's own stream
        success = p.less(p.random_uniform(key, shape=sizes, draw=at.index), chance)
        success = p.logical_and(success, p.less(number, trials))
        return [p.add(number, 1.0), p.add(total, p.cast(success, dtype="float32"))]

    first = p.multiply(most, 0.0)
    _, total = p.while_loop([first, zero], cond_fn=unfinished, body_fn=trial)
    return _narrow(total, dtype)
