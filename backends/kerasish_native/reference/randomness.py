"""Portable random bits: the compiled generator where it is present, else NumPy's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish.core import threefry
from kerasish_native.reference.elementwise import Kernel

Array = npt.NDArray[Any]


def random_bits(key: Array, *, shape: tuple[int, ...], draw: int) -> Array:
    """Words of the counters (i, 2·draw)."""
    n = math.prod(shape)
    if not draw:
        return threefry.random_bits(key, n).reshape(shape)
    half = (n + 1) // 2
    second = np.uint32(2 * draw & 0xFFFFFFFF)
    blocks = threefry.threefry2x32(key, np.arange(half, dtype=np.uint32), second)
    return np.concatenate(blocks)[:n].reshape(shape)


def random_uniform(key: Array, *, shape: tuple[int, ...], draw: int) -> Array:
    """The top 24 bits over 2²⁴."""
    words = random_bits(key, shape=shape, draw=draw)
    return np.asarray((words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24))


KERNELS: dict[str, Kernel] = {"random_bits": random_bits, "random_uniform": random_uniform}
