"""Gradients in tensorflow: tapes over copies of the inputs, dense results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow import Tensor

_open = threading.local()


def active() -> bool:
    """Whether a gradient of this engine is being recorded in this thread."""
    return getattr(_open, "count", 0) > 0


@contextmanager
def recording(persistent: bool) -> Iterator[tf.GradientTape]:
    """A tape that watches nothing by itself."""
    _open.count = getattr(_open, "count", 0) + 1
    try:
        with tf.GradientTape(persistent=persistent, watch_accessed_variables=False) as tape:
            yield tape
    finally:
        _open.count -= 1


def _watched(tape: tf.GradientTape, inputs: list[Tensor]) -> list[Tensor]:
    """Copies of the inputs, so that a tensor met twice, or in a closure, counts where it was meant."""
    copies = [tf.identity(x) for x in inputs]
    tape.watch([x for x in copies if x.dtype.is_floating])
    return copies


def _dense(gradient: Any, x: Tensor) -> Tensor | None:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, x.shape[0])
    return gradient


def vjp(fn: Callable[..., Any], inputs: list[Tensor]) -> Any:
    """(outputs, aux, pullback) of `fn(*inputs) -> (outputs, aux)`."""
    with recording(persistent=True) as tape:
        copies = _watched(tape, inputs)
        outputs, aux = fn(*copies)
        outputs = [tf.identity(y) for y in outputs]

    def pullback(cotangents: list[Tensor]) -> list[Tensor | None]:
        pairs = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.dtype.is_floating]
        floats = [x for x in copies if x.dtype.is_floating]
        found = iter(tape.gradient([y for y, _ in pairs], floats, output_gradients=[c for _, c in pairs]))
        return [_dense(next(found), x) if x.dtype.is_floating else None for x in copies]

    return outputs, aux, pullback


def value_and_grad(fn: Callable[..., Any], inputs: list[Tensor]) -> tuple[Tensor, Any, list[Tensor]]:
    """(value, aux, gradients), zeros where there is no dependence."""
    with recording(persistent=False) as tape:
        copies = _watched(tape, inputs)
        value, aux = fn(*copies)
    found = iter(tape.gradient(value, [x for x in copies if x.dtype.is_floating]))
    gradients = [_dense(next(found), x) if x.dtype.is_floating else None for x in copies]
    return value, aux, [tf.zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)]


def jvp(
    fn: Callable[..., Any], inputs: list[Tensor], tangents: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and directional derivatives: the pullback is linear, so its own pullback is the derivative forwards."""
    outputs, _, pullback = vjp(lambda *xs: (fn(*xs), None), inputs)
    probes = [tf.zeros_like(y) for y in outputs]
    _, _, forward = vjp(
        lambda *cts: ([_or_zeros(g, x) for g, x in zip(pullback(list(cts)), inputs, strict=True)], None),
        probes,
    )
    moved = forward(tangents)
    return list(outputs), [_or_zeros(t, y) for t, y in zip(moved, outputs, strict=True)]


def _or_zeros(gradient: Tensor | None, x: Tensor) -> Tensor:
    return tf.zeros_like(x) if gradient is None else gradient


def custom_gradient(fn: Callable[..., Any], inputs: list[Tensor]) -> list[Tensor]:
    """`fn(*inputs) -> (outputs, pullback)` with that pullback as its gradient."""

    @tf.custom_gradient
    def call(*xs: Tensor) -> Any:
        outputs, pullback = fn(*xs)
        return list(outputs), lambda *cotangents: list(pullback(list(cotangents)))

    results = call(*inputs)
    return list(results) if isinstance(results, (list, tuple)) else [results]
