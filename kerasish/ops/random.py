"""Random numbers that are the same on every engine: our own maps from counter-based words to distributions.

The words come from the primitives `random_bits` and `random_uniform` (Threefry), the maps from `random_maps`. Truncated
normal numbers are normal ones whose argument is scaled into the probability of ±2σ; categorical takes the largest of
logit + Gumbel noise; permutations are a stable sort of words.

All of them agree bit for bit between engines but gamma and beta numbers, whose last step is an engine's own
exponential: these agree to a few units in the last place. Only where `kerasish.config.set_portable_randomness` gives
way to an engine's own generator, what a step draws for dropout masks, uniform and normal numbers is that engine's.

A `seed` is None (the process-wide generator), an integer (the same numbers each time) or a `SeedGenerator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasish.core import dtypes, shapes
from kerasish.core import primitives as p
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, shape_of, tensors, to_numpy
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.seeds import SeedGenerator
from kerasish.ops.fastpath import floats, operand
from kerasish.ops.random_maps import (
    TWO_SIGMA,
    affine,
    centred_floats,
    drawn,
    float_dtype,
    fractions,
    is_number,
    like,
    log_gammas,
    narrow,
    own,
    scaled_words,
    size_tuple,
    unit_floats,
    unknown_zero,
    wide_dtype,
)
from kerasish.ops.random_normal import log, log1p_of_negative, normal_quantile, steady

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
    dtype = float_dtype(dtype, "uniform")
    unit = unit_floats(drawn(seed), size_tuple(shape), dtype)
    if is_number(minval, 0):
        return affine(unit, 0.0, maxval, unit)
    if isinstance(minval, (int, float)) and is_number(maxval, -minval):
        # 2u − 1 is exact, so symmetric intervals are rounded once, even where an engine fuses multiply and add.
        return p.multiply(p.subtract(p.multiply(unit, 2.0), 1.0), float(maxval))
    if isinstance(minval, (int, float)) and isinstance(maxval, (int, float)):
        return affine(unit, minval, maxval - minval, unknown_zero(unit))
    low, high = like(unit, minval), like(unit, maxval)
    return affine(unit, low, p.subtract(high, low), unknown_zero(unit))


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
    dtype = float_dtype(dtype, "normal")
    x = centred_floats(drawn(seed), size_tuple(shape), wide_dtype(dtype))
    zero = unknown_zero(x)
    return narrow(affine(normal_quantile(x, zero), mean, stddev, zero), dtype)


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
    dtype = float_dtype(dtype, "truncated_normal")
    x = centred_floats(drawn(seed), size_tuple(shape), wide_dtype(dtype))
    zero = unknown_zero(x)
    x = normal_quantile(steady(p.multiply(x, TWO_SIGMA), zero), zero)
    return narrow(affine(x, mean, stddev, zero), dtype)


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
    words = scaled_words(drawn(seed), size_tuple(shape), high - low)
    if low >= 0 and dtypes.bits(dtype) <= 32:
        words = p.add(words, low) if low else words
        return narrow(words, dtype)
    if dtypes.bits(dtype) < 32 or dtype == "int32":  # wraps through the sign bit and back
        signed = p.bitcast(words, dtype="int32")
        return narrow(p.add(signed, low), dtype)
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
    at = drawn(seed, (logits,))
    words = p.cast(
        p.random_bits(at.key, shape=(batch, int(num_samples), classes), draw=at.number), dtype="float32"
    )
    # All 32 bits: −ln(1 − v) is as fine near 0, where the winners are, as a float can be.
    chance = p.minimum(p.multiply(p.add(words, 0.5), 2.0**-32), 1.0 - 2.0**-24)
    zero = unknown_zero(chance)
    noise = p.negative(log(p.negative(log1p_of_negative(chance, zero)), zero))
    rows = p.reshape(logits, shape=(batch, 1, classes))
    rows = narrow(rows, "float32") if dtypes.bits(dtype_of(rows)) == 16 else rows
    index = p.argmax(p.add(rows, narrow(noise, dtype_of(rows))), axis=2, keepdims=False)
    return narrow(index, dtypes.canonical(dtype))


@overridable
def _dropout(x: Tensor, key: Tensor, /, *, rate: float, noise_shape: tuple[int, ...], draw: int) -> Tensor:
    """x·m with m = 1/(1 − rate) where u >= rate, else 0, for u = random_uniform(key, noise_shape, draw).

    Override name "dropout". A product and not a selection: its gradient is one product more. NaN and infinities
    that are dropped come out as NaN.
    """
    return _thinned(x, p.random_uniform(key, shape=noise_shape, draw=draw), rate)


def _thinned(x: Tensor, chance: Tensor, rate: float) -> Tensor:
    kept = p.cast(p.greater_equal(chance, rate), dtype=dtype_of(x))
    return p.multiply(x, p.multiply(kept, 1.0 / (1.0 - rate)))


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
    at = drawn(seed, (x,))
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
            p.less(p.random_uniform(at.key, shape=sizes, draw=at.number), 1.0), p.multiply(x, 0.0), 0.0
        )
    if own(at):
        return _thinned(x, fractions(at, sizes), float(rate))
    return _dropout(x, at.key, rate=float(rate), noise_shape=sizes, draw=at.number)


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
    at = drawn(seed, (x,))
    words = p.bitcast(p.random_bits(at.key, shape=(shape[axis],), draw=at.number), dtype="int32")
    return p.take(x, p.argsort(words, axis=0), axis=axis)


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
    dtype = float_dtype(dtype, "gamma")
    (logs,) = log_gammas(drawn(seed), size_tuple(shape), [alpha], wide_dtype(dtype))
    return narrow(p.exp(logs), dtype)


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
    dtype = float_dtype(dtype, "beta")
    one, two = log_gammas(drawn(seed), size_tuple(shape), [alpha, beta], wide_dtype(dtype))
    return narrow(p.sigmoid(p.subtract(one, two)), dtype)


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
    dtype = float_dtype(dtype, "binomial")
    sizes = size_tuple(shape)
    at = drawn(seed)
    trials, chance = (narrow(tensors(at.key, v)[1], "float32") for v in (counts, probabilities))
    most = p.max(trials, axis=tuple(range(len(shape_of(trials)))), keepdims=False)
    zero = p.multiply(p.random_uniform(at.key, shape=sizes, draw=at.number), 0.0)

    def unfinished(number: Tensor, total: Tensor) -> Tensor:
        return p.less(number, most)

    def trial(number: Tensor, total: Tensor) -> list[Tensor]:
        key = p.bitwise_xor(at.key, p.bitcast(number, dtype="uint32"))  # the trial's own stream
        success = p.less(p.random_uniform(key, shape=sizes, draw=at.number), chance)
        success = p.logical_and(success, p.less(number, trials))
        return [p.add(number, 1.0), p.add(total, p.cast(success, dtype="float32"))]

    first = p.multiply(most, 0.0)
    _, total = p.while_loop([first, zero], cond_fn=unfinished, body_fn=trial)
    return narrow(total, dtype)
