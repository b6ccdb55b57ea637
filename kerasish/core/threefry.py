"""The portable random generator: counter-based Threefry-2x32-20, in NumPy.

This file is the definition: the same key gives the same words on every engine, and engines that compute them
elsewhere (C++ kernels, an accelerator) are tested against it bit for bit. Here live keys and raw words; the maps
from words to distributions live in `kerasish.ops.random`.

A key is a uint32 array of shape (2,). Nothing here has state: to get new numbers, derive a new key with `fold_in`
or `split`.

Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
import operator
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerasish.core.errors import ArgumentError

Words: TypeAlias = NDArray[np.uint32]

_MASK = 0xFFFFFFFF
_PARITY = 0x1BD11BDA  # of the paper: no key gives an all-zero schedule
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24), (13, 15, 26, 6), (17, 29, 16, 24), (13, 15, 26, 6))
_FOLD_COUNTER = 1  # second counter word of derived keys; `random_bits` uses 0, so the two never meet
_MAX_WORDS = 1 << 33  # 2**32 counters of two words each
_CHUNK = 8192  # counters at a time: the working set stays in the CPU's cache
_SCALAR_LIMIT = 12  # below this many counters Python integers beat NumPy's cost per call


def key_from_seed(seed: int) -> Words:
    """The key of an integer seed: its two 32-bit halves, high first. Bits above 64 are dropped."""
    seed = operator.index(seed)
    return np.array([(seed >> 32) & _MASK, seed & _MASK], dtype=np.uint32)


def fold_in(key: ArrayLike, data: int) -> Words:
    """A new key from `key` and an integer (taken modulo 2**32): the cipher of the counter (data, 1)."""
    k0, k1 = _key_words(key)
    return np.array(_cipher_scalar(k0, k1, operator.index(data) & _MASK, _FOLD_COUNTER), dtype=np.uint32)


def split(key: ArrayLike, n: int) -> Words:
    """`n` independent keys of shape (n, 2): `fold_in(key, 0)` to `fold_in(key, n - 1)`."""
    k0, k1 = _key_words(key)
    if n <= _SCALAR_LIMIT:
        rows = [_cipher_scalar(k0, k1, i, _FOLD_COUNTER) for i in range(n)]
        return np.array(rows, dtype=np.uint32).reshape(n, 2)
    return fold_in_each(key, np.arange(n))


def fold_in_each(key: ArrayLike, data: ArrayLike) -> Words:
    """`fold_in(key, d)` for each integer d of a vector, shape (len(data), 2)."""
    counters = (np.asarray(data, np.int64) & _MASK).astype(np.uint32)
    return np.stack(threefry2x32(key, counters, np.uint32(_FOLD_COUNTER)), axis=-1)


def random_bits(key: ArrayLike, n: int) -> Words:
    """The first `n` words of `key`.

    With h = ceil(n / 2) and (y0[i], y1[i]) the cipher of the counter (i, 0): `concat(y0[0:h], y1[0:h])[:n]`.
    """
    n = operator.index(n)
    if not 0 <= n <= _MAX_WORDS:
        raise ArgumentError("Wrong number of words.", where="random_bits", expected="0 to 2**33", received=n)
    k0, k1 = _key_words(key)
    half = (n + 1) // 2
    if half <= _SCALAR_LIMIT:
        blocks = [_cipher_scalar(k0, k1, i, 0) for i in range(half)]
        return np.array([b[0] for b in blocks] + [b[1] for b in blocks], dtype=np.uint32)[:n]
    words = np.empty(2 * half, dtype=np.uint32)
    scratch = np.empty(min(half, _CHUNK), dtype=np.uint32)
    for begin in range(0, half, _CHUNK):
        x0 = words[begin : min(begin + _CHUNK, half)]
        x1 = words[half + begin : half + begin + len(x0)]
        x0[:] = np.arange(begin, begin + len(x0), dtype=np.uint32)
        x1[:] = 0
        _cipher_in_place(k0, k1, x0, x1, scratch[: len(x0)])
    return words[:n]


def random_uniform(key: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Float32 numbers in [0, 1): the top 24 bits of each word times 2**-24, exactly."""
    bits = random_bits(key, math.prod(shape))
    uniform: NDArray[np.float32] = (bits >> np.uint32(8)).astype(np.float32)
    uniform *= np.float32(2.0**-24)
    return uniform.reshape(shape)


def threefry2x32(key: ArrayLike, c0: ArrayLike, c1: ArrayLike) -> tuple[Words, Words]:
    """The cipher of counters `(c0, c1)`: uint32 arrays, broadcast together."""
    k0, k1 = _key_words(key)
    first, second = np.broadcast_arrays(np.asarray(c0, np.uint32), np.asarray(c1, np.uint32))
    x0, x1 = first.flatten(), second.flatten()
    _cipher_in_place(k0, k1, x0, x1, np.empty_like(x0))
    return x0.reshape(first.shape), x1.reshape(first.shape)


def _key_words(key: ArrayLike) -> tuple[int, int]:
    words = np.asarray(key)
    if words.shape != (2,) or words.dtype != np.uint32:
        raise ArgumentError(
            "This is not a random key.",
            expected="a uint32 array of shape (2,)",
            received=f"{words.dtype} array of shape {words.shape}",
            hint="make a key with key_from_seed(seed)",
        )
    k0, k1 = words.tolist()
    return k0, k1


def _schedule(k0: int, k1: int) -> tuple[int, int, int]:
    return k0, k1, _PARITY ^ k0 ^ k1


def _cipher_scalar(k0: int, k1: int, c0: int, c1: int) -> tuple[int, int]:
    """One block in Python integers: about a tenth of NumPy's time for so little data."""
    schedule = _schedule(k0, k1)
    x0, x1 = (c0 + k0) & _MASK, (c1 + k1) & _MASK
    for group, rotations in enumerate(_ROTATIONS, start=1):
        for by in rotations:
            x0 = (x0 + x1) & _MASK
            x1 = (((x1 << by) & _MASK) | (x1 >> (32 - by))) ^ x0
        x0 = (x0 + schedule[group % 3]) & _MASK
        x1 = (x1 + schedule[(group + 1) % 3] + group) & _MASK
    return x0, x1


def _cipher_in_place(k0: int, k1: int, x0: Words, x1: Words, scratch: Words) -> None:
    """Replaces the counters in `x0`, `x1` by their cipher. Unsigned arithmetic of arrays wraps, as it should."""
    schedule = _schedule(k0, k1)
    x0 += np.uint32(k0)
    x1 += np.uint32(k1)
    for group, rotations in enumerate(_ROTATIONS, start=1):
        for by in rotations:
            x0 += x1
            np.left_shift(x1, np.uint32(by), out=scratch)
            np.right_shift(x1, np.uint32(32 - by), out=x1)
            x1 |= scratch
            x1 ^= x0
        x0 += np.uint32(schedule[group % 3])
        x1 += np.uint32((schedule[(group + 1) % 3] + group) & _MASK)
