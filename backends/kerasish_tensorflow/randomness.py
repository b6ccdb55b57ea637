"""Random numbers in tensorflow: portable bits (Threefry-2x32-20), and its own generator (Philox).

Threefry is one XLA kernel for each shape, eagerly and in graphs. Op by op it would take ten times as long (2.2 ms
instead of 0.2 ms for 65,536 words), from NumPy three times.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

raw = tf.raw_ops
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _word(value: int) -> Tensor:
    return tf.constant(value, tf.uint32)


def _cipher(key: Tensor, counter: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    schedule = (
        key[0],
        key[1],
        tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(key[0], key[1]), _word(0x1BD11BDA)),
    )
    x0, x1 = counter + schedule[0], second + schedule[1]
    for group in range(5):
        for by in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            left, right = raw.LeftShift(x=x1, y=_word(by)), raw.RightShift(x=x1, y=_word(32 - by))
            x1 = raw.BitwiseXor(x=raw.BitwiseOr(x=left, y=right), y=x0)
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + _word(group + 1)
    return x0, x1


def _bits(key: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
    size = math.prod(shape)
    half = (size + 1) // 2
    counter = tf.cast(tf.range(half, dtype=tf.int64), tf.uint32)
    words = tf.concat(_cipher(key, counter, tf.fill((half,), second)), 0)
    return tf.reshape(words[:size], shape)


def _uniform(key: Tensor, second: Tensor, shape: tuple[int, ...]) -> Tensor:
    top = raw.RightShift(x=_bits(key, second, shape), y=_word(8))
    return tf.cast(top, tf.float32) * tf.constant(2.0**-24)


@functools.lru_cache(maxsize=1024)
def _kernel(body: Callable[..., Tensor], shape: tuple[int, ...]) -> Any:
    function = tf.function(lambda key, second: body(key, second, shape), jit_compile=True, autograph=False)
    with tf.init_scope():
        return function.get_concrete_function(tf.TensorSpec((2,), tf.uint32), tf.TensorSpec((), tf.uint32))


def _random(body: Callable[..., Tensor], dtype: tf.DType) -> Callable[..., Tensor]:
    def call(key: Tensor, /, *, shape: tuple[int, ...], draw: int) -> Tensor:
        if not math.prod(shape):
            return tf.zeros(shape, dtype)
        return _kernel(body, tuple(shape))(key, _word(2 * draw & 0xFFFFFFFF))

    return call


def _own_uniform(key: Tensor, /, *, shape: tuple[int, ...], draw: int) -> Tensor:
    seed = tf.bitcast(tf.bitwise.bitwise_xor(key, tf.constant([0, draw & 0xFFFFFFFF], tf.uint32)), tf.int32)
    return tf.random.stateless_uniform(shape, seed, alg="philox")  # else XLA chooses another


RANDOMNESS = {
    "random_bits": _random(_bits, tf.uint32),
    "random_uniform": _random(_uniform, tf.float32),
    "own_uniform": _own_uniform,
}
