"""Control flow in tensorflow. Called eagerly, `tf.cond` and `tf.while_loop` run as Python's `if` and `while`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

Fn = Callable[..., Any]


def _cond(pred: Tensor, operands: list[Tensor], /, *, true_fn: Fn, false_fn: Fn) -> list[Tensor]:
    if tf.executing_eagerly():
        return list((true_fn if pred else false_fn)(*operands))
    # Identities: a branch may return an operand as it is, which tf.cond would not copy for the other branch.
    chosen = tf.cond(
        pred,
        lambda: [tf.identity(x) for x in true_fn(*operands)],
        lambda: [tf.identity(x) for x in false_fn(*operands)],
    )
    return list(chosen) if isinstance(chosen, (list, tuple)) else [chosen]


def _while_loop(state: list[Tensor], /, *, cond_fn: Fn, body_fn: Fn) -> list[Tensor]:
    if tf.executing_eagerly():
        now = list(state)
        while cond_fn(*now):
            now = list(body_fn(*now))
        return now
    return list(tf.while_loop(lambda *s: cond_fn(*s), lambda *s: list(body_fn(*s)), list(state)))


def _scan(init: list[Tensor], xs: list[Tensor], /, *, fn: Fn, length: int, reverse: bool) -> Any:
    if tf.executing_eagerly() and length:
        return _unrolled(list(init), [tf.unstack(x) for x in xs], fn, length, reverse)
    carry, samples = list(init), [x.shape[1:] for x in xs]
    with tf.name_scope("scan"):
        specs = _row_specs(carry, xs, samples, fn)
        return _looped(carry, xs, specs, fn, length, reverse)


def _unrolled(carry: list[Tensor], rows: list[list[Tensor]], fn: Fn, length: int, reverse: bool) -> Any:
    results = []
    for t in range(length)[:: -1 if reverse else 1]:
        carry, ys = fn(carry, [row[t] for row in rows])
        results.append(list(ys))
    columns = zip(*(results[::-1] if reverse else results), strict=True)
    return list(carry), [tf.stack(column) for column in columns]


def _row_specs(carry: list[Tensor], xs: list[Tensor], samples: list[Any], fn: Fn) -> list[Any]:
    """Shape and dtype of each y, from a trace that is thrown away."""
    specs = [tf.TensorSpec(c.shape, c.dtype) for c in carry]
    rows = [tf.TensorSpec(s, x.dtype) for s, x in zip(samples, xs, strict=True)]
    count = len(carry)

    def body(*flat: Tensor) -> list[Tensor]:
        _, ys = fn(list(flat[:count]), list(flat[count:]))
        return [tf.identity(y) for y in ys]

    outputs = tf.function(body, autograph=False).get_concrete_function(*specs, *rows).outputs
    return [(y.shape, y.dtype) for y in outputs]


def _looped(
    carry: list[Tensor], xs: list[Tensor], specs: list[Any], fn: Fn, length: int, reverse: bool
) -> Any:
    reads = [tf.TensorArray(x.dtype, length, element_shape=x.shape[1:]).unstack(x) for x in xs]
    writes = [tf.TensorArray(dtype, length, element_shape=shape) for shape, dtype in specs]

    def body(step: Tensor, state: list[Tensor], arrays: list[Any]) -> Any:
        at = length - 1 - step if reverse else step
        state, ys = fn(list(state), [array.read(at) for array in reads])
        arrays = [array.write(at, y) for array, y in zip(arrays, ys, strict=True)]
        return step + 1, list(state), arrays

    _, carry, writes = tf.while_loop(
        lambda step, *_: step < length, body, (tf.constant(0), carry, writes), maximum_iterations=length
    )
    stacked = [
        tf.ensure_shape(array.stack(), (length, *shape))
        for array, (shape, _) in zip(writes, specs, strict=True)
    ]
    return list(carry), stacked


CONTROL: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "scan": _scan,
    "stop_gradient": tf.stop_gradient,
}
