"""Discrete Fourier transforms and frames of signals. Complex numbers are pairs (real, imaginary) of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, promoted, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.arguments import host_int
from kerasish.ops.fastpath import constant, counting, filled, floats
from kerasish.ops.segments import segment_sum
from kerasish.ops.shaping import sliced, swapaxes

__all__ = ["extract_sequences", "fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft"]

Pair = tuple[Tensor, Tensor]
_DIRECT = 64  # transforms up to this length are one matrix product


def _factor(n: int) -> int:
    """The largest divisor of n a direct transform takes, 1 for a prime."""
    return next((d for d in range(min(_DIRECT, n // 2), 1, -1) if n % d == 0), 1)


def _times(x: Pair, cosine: Tensor, sine: Tensor) -> Pair:
    re, im = x
    return (
        p.subtract(p.multiply(re, cosine), p.multiply(im, sine)),
        p.add(p.multiply(re, sine), p.multiply(im, cosine)),
    )


def _roots(like: Tensor, rows: int, columns: int, n: int, sign: float) -> Pair:
    """cos and sin of sign·2π·i·j/n; the products are reduced modulo n first, so that large ones keep their digits."""
    angle = sign * 2.0 * np.pi * (np.outer(np.arange(rows), np.arange(columns)) % n) / n
    cosine, sine = (
        np.where(np.abs(v) < 1e-15, 0.0, v) for v in (np.cos(angle), np.sin(angle))
    )  # exact quarters
    return constant(like, cosine, dtype_of(like)), constant(like, sine, dtype_of(like))


def _direct(x: Pair, n: int, sign: float) -> Pair:
    cosine, sine = _roots(x[0], n, n, n, sign)
    re, im = x
    return (
        p.subtract(p.matmul(re, cosine), p.matmul(im, sine)),
        p.add(p.matmul(re, sine), p.matmul(im, cosine)),
    )


def _transform(x: Pair, sign: float) -> Pair:
    """Σ x[j]·e^(sign·2πi·jk/n) over the last axis of (rows, n), by Cooley and Tukey's (1965) factors."""
    rows, n = shape_of(x[0])
    first = 1 if n <= _DIRECT else _factor(n)
    if first == 1:
        return _direct(x, n, sign)
    second = n // first
    # j = j1·second + j2 and k = k1 + first·k2.
    parts = [p.transpose(p.reshape(t, shape=(rows, first, second)), axes=(0, 2, 1)) for t in x]
    parts = [p.reshape(t, shape=(rows * second, first)) for t in parts]
    inner = _direct((parts[0], parts[1]), first, sign)
    inner = (
        p.reshape(inner[0], shape=(rows, second, first)),
        p.reshape(inner[1], shape=(rows, second, first)),
    )
    inner = _times(inner, *_roots(x[0], second, first, n, sign))
    turned = [p.reshape(p.transpose(t, axes=(0, 2, 1)), shape=(rows * first, second)) for t in inner]
    outer = _transform((turned[0], turned[1]), sign)
    done = [p.transpose(p.reshape(t, shape=(rows, first, second)), axes=(0, 2, 1)) for t in outer]
    return p.reshape(done[0], shape=(rows, n)), p.reshape(done[1], shape=(rows, n))


@overridable
def _fft(real: Tensor, imag: Tensor, /, *, inverse: bool) -> Pair:
    sizes = shape_of(real)
    n = sizes[-1]
    if not shapes.is_known(n):
        raise ShapeError("The last axis of a Fourier transform must be known.", received=shapes.show(sizes))
    rows = shapes.size_of(sizes[:-1])
    re, im = _transform(
        (p.reshape(real, shape=(rows, n)), p.reshape(imag, shape=(rows, n))), 1.0 if inverse else -1.0
    )
    if inverse:
        re, im = p.divide(re, float(n)), p.divide(im, float(n))
    return p.reshape(re, shape=sizes), p.reshape(im, shape=sizes)


def _complex(x: Any, least: int = 1) -> Pair:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ArgumentError("A pair (real, imaginary) of tensors is needed.", received=type(x).__name__)
    re, im = promoted(*x, at_least="float")
    if shape_of(re) != shape_of(im) or len(shape_of(re)) < least:
        raise ShapeError(
            f"Both parts need one shape of at least {least} axes.", received=f"{shape_of(re)}, {shape_of(im)}"
        )
    return re, im


def _across(x: Pair) -> Pair:
    return swapaxes(x[0], -1, -2), swapaxes(x[1], -1, -2)


@op
def fft(x: Any) -> Pair:
    """The discrete Fourier transform Σ x[j]·e^(−2πi·jk/n) along the last axis of a pair (real, imaginary).

    Example:
        >>> [t.tolist() for t in fft(([1.0, 1.0], [0.0, 0.0]))]
        [[2.0, 0.0], [0.0, 0.0]]
    """
    return _fft(*_complex(x), inverse=False)


@op
def fft2(x: Any) -> Pair:
    """The discrete Fourier transform along the last two axes of a pair (real, imaginary).

    Example:
        >>> fft2(([[1.0]], [[0.0]]))[0].tolist()
        [[1.0]]
    """
    once = _fft(*_complex(x, 2), inverse=False)
    return _across(_fft(*_across(once), inverse=False))


@op
def ifft2(x: Any) -> Pair:
    """The inverse of `fft2`.

    Example:
        >>> ifft2(([[1.0]], [[0.0]]))[0].tolist()
        [[1.0]]
    """
    once = _fft(*_complex(x, 2), inverse=True)
    return _across(_fft(*_across(once), inverse=True))


def _fitted(x: Tensor, length: int) -> Tensor:
    """The last axis cut or filled with zeros to `length`."""
    sizes = shape_of(x)
    last = len(sizes) - 1
    if sizes[last] > length:
        return sliced(x, last, 0, length)
    return p.pad(x, pads=(*((0, 0),) * last, (0, length - sizes[last])), value=0.0)


@op
def rfft(x: Any, fft_length: int | None = None) -> Pair:
    """The non-negative half of the Fourier transform of real x: n // 2 + 1 frequencies along the last axis.

    Example:
        >>> rfft([1.0, 1.0])[0].tolist()
        [2.0, 0.0]
    """
    x = floats(x)
    n = shape_of(x)[-1] if fft_length is None else host_int(fft_length, "fft_length")
    x = _fitted(x, n)
    re, im = _fft(x, filled(x, shape_of(x), 0.0, dtype_of(x)), inverse=False)
    last = len(shape_of(x)) - 1
    return sliced(re, last, 0, n // 2 + 1), sliced(im, last, 0, n // 2 + 1)


@op
def irfft(x: Any, fft_length: int | None = None) -> Tensor:
    """The real signal of length `fft_length` (default 2(n − 1)) whose `rfft` is the pair x.

    Example:
        >>> irfft(([2.0, 0.0], [0.0, 0.0])).tolist()
        [1.0, 1.0]
    """
    re, im = _complex(x)
    last = len(shape_of(re)) - 1
    n = 2 * (shape_of(re)[last] - 1) if fft_length is None else host_int(fft_length, "fft_length")
    re, im = _fitted(re, n // 2 + 1), _fitted(im, n // 2 + 1)
    # A real signal's other half is conjugate; frequency 0, and n/2 of even n, are real whatever was given.
    middle = slice(1, (n + 1) // 2)
    back_re = p.flip(sliced(re, last, middle.start, middle.stop), axis=(last,))
    back_im = p.negative(p.flip(sliced(im, last, middle.start, middle.stop), axis=(last,)))
    weight = np.ones(n // 2 + 1)
    weight[0] = 0.0
    if n % 2 == 0:
        weight[-1] = 0.0
    im = p.multiply(im, constant(im, weight, dtype_of(im)))
    return _fft(
        p.concatenate([re, back_re], axis=last), p.concatenate([im, back_im], axis=last), inverse=True
    )[0]


@op
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Tensor:
    """Windows of x along its last axis: (..., n) to (..., windows, sequence_length).

    Example:
        >>> extract_sequences([1.0, 2.0, 3.0], 2, 1).tolist()
        [[1.0, 2.0], [2.0, 3.0]]
    """
    x = floats(x)
    sizes = shape_of(x)
    length, stride = (
        host_int(sequence_length, "sequence_length"),
        host_int(sequence_stride, "sequence_stride"),
    )
    if not sizes or length < 1 or stride < 1:
        raise ArgumentError(
            "Windows need an axis, a length and a stride above 0.", received=f"{length}, {stride}"
        )
    count = (sizes[-1] - length) // stride + 1
    if shapes.is_known(count) and count < 1:
        raise ShapeError(
            "The signal is shorter than a window.", expected=f"at least {length}", received=sizes[-1]
        )
    starts = p.reshape(p.multiply(counting(x, count), stride), shape=(count, 1))
    index = p.add(starts, p.reshape(counting(x, length), shape=(1, length)))
    return p.take(x, index, axis=len(sizes) - 1)


def _window(like: Tensor, window: Any, length: int, fft_length: int) -> Tensor:
    """The window's values, centred in a frame of fft_length."""
    if not 0 < length <= fft_length:
        raise ArgumentError(
            "`sequence_length` must not exceed `fft_length`.", received=f"{length}, {fft_length}"
        )
    if window is None:
        values = filled(like, (length,), 1.0, dtype_of(like))
    elif isinstance(window, str):
        turns = 2.0 * np.pi * np.arange(length) / length  # periodic, as overlapping frames need it
        tables = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}
        if window not in tables:
            raise ArgumentError(
                "Unknown `window`.", expected="'hann', 'hamming', None or a tensor", received=window
            )
        level, swing = tables[window]
        values = constant(like, level - swing * np.cos(turns), dtype_of(like))
    else:
        values = p.cast(floats(promoted(window, like)[0]), dtype=dtype_of(like))
        if shape_of(values) != (length,):
            raise ShapeError(
                "The window needs `sequence_length` values.", expected=length, received=shape_of(values)
            )
    left = (fft_length - length) // 2
    return p.pad(values, pads=((left, fft_length - length - left),), value=0.0)


def _reflected(x: Tensor, width: int) -> Tensor:
    sizes = shape_of(x)
    if not shapes.is_known(sizes[-1]):
        return p.pad(x, pads=(*((0, 0),) * (len(sizes) - 1), (width, width)), value=0.0)
    index = np.pad(np.arange(sizes[-1]), (width, width), mode="reflect")
    return p.take(x, constant(x, index, "int32"), axis=len(sizes) - 1)


@op
def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> Pair:
    """The short-time Fourier transform: `rfft` of windowed frames, a pair of (..., frames, fft_length // 2 + 1).

    Args:
        x: The signal.
        sequence_length: Length of the window.
        sequence_stride: Distance of neighbouring frames.
        fft_length: Length of a frame, at least `sequence_length`.
        window: "hann", "hamming", a tensor of `sequence_length` values, or None.
        center: Extend x at both ends by reflection, so that frame t is centred at t · sequence_stride.

    Example:
        >>> stft([1.0, 2.0, 3.0, 4.0], 2, 1, 2)[0].shape
        (5, 2)
    """
    x = floats(x)
    values = _window(x, window, sequence_length, fft_length)
    x = _reflected(x, fft_length // 2) if center else x
    frames = extract_sequences(x, fft_length, sequence_stride)
    return rfft(p.multiply(frames, values))


def _overlapped(frames: Tensor, stride: int) -> Tensor:
    """Frames (rows, count, length) added up at their places: (rows, (count − 1)·stride + length)."""
    rows, count, length = shape_of(frames)
    total = (count - 1) * stride + length
    place = (np.arange(count)[:, None] * stride + np.arange(length)[None, :]).reshape(-1)
    columns = p.reshape(p.transpose(frames, axes=(1, 2, 0)), shape=(count * length, rows))
    return p.transpose(segment_sum(columns, constant(frames, place, "int32"), total), axes=(1, 0))


@op
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Tensor:
    """The signal whose `stft` (with the same arguments) is the pair x, cut or filled to `length`.

    Example:
        >>> signal = [1.0, 2.0, 3.0, 4.0]
        >>> [float(round(v)) for v in istft(stft(signal, 2, 1, 2), 2, 1, 2)]
        [1.0, 2.0, 3.0, 4.0]
    """
    re, im = _complex(x, 2)
    frames = irfft((re, im), fft_length)
    values = _window(frames, window, sequence_length, fft_length)
    *batch, count, size = shape_of(frames)
    rows = shapes.size_of(batch)
    weighted = p.reshape(p.multiply(frames, values), shape=(rows, count, size))
    power = p.broadcast_to(p.reshape(p.square(values), shape=(1, 1, size)), shape=(1, count, size))
    weight = _overlapped(power, sequence_stride)
    signal = _overlapped(weighted, sequence_stride)
    used = p.greater(weight, 1e-11)
    signal = p.where(used, p.divide(signal, p.where(used, weight, 1.0)), signal)
    start = fft_length // 2 if center else 0
    total = shape_of(signal)[1]
    stop = start + length if length is not None else total - start
    signal = sliced(signal, 1, start, min(stop, total))
    if length is not None:
        signal = _fitted(signal, length)
    return p.reshape(signal, shape=(*batch, shape_of(signal)[1]))
