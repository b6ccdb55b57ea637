"""Cross entropies of distributions, element by element or row by row: what the losses of `kerasish.losses` reduce."""

from __future__ import annotations

from typing import Any

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.config import epsilon
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of, tensors
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.shapes import axis_index, compatible, is_known, show
from kerasish.ops.activations import _softplus

__all__ = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


@overridable
def _sigmoid_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    """−t·ln σ(z) − (1 − t)·ln(1 − σ(z)) elementwise; override name "sigmoid_cross_entropy". Equal shapes and dtypes."""
    return p.subtract(_softplus(logits), p.multiply(targets, logits))


@overridable
def _softmax_cross_entropy(targets: Tensor, logits: Tensor, /) -> Tensor:
    """−Σ t·ln softmax(z) over the last axis; override name "softmax_cross_entropy". (..., C), (..., C) -> (...)."""
    axis = (len(shape_of(logits)) - 1,)
    shifted = p.subtract(logits, p.stop_gradient(p.max(logits, axis=axis, keepdims=True)))
    log_sum = p.log(p.sum(p.exp(shifted), axis=axis, keepdims=True))
    return p.sum(p.multiply(targets, p.subtract(log_sum, shifted)), axis=axis, keepdims=False)


@overridable
def _sparse_softmax_cross_entropy(labels: Tensor, logits: Tensor, /) -> Tensor:
    """−ln softmax(z)[label] over the last axis; override name "sparse_softmax_cross_entropy".

    labels int32 (...) within 0..C−1, logits (..., C) -> (...).
    """
    last = len(shape_of(logits)) - 1
    shifted = p.subtract(logits, p.stop_gradient(p.max(logits, axis=(last,), keepdims=True)))
    log_sum = p.log(p.sum(p.exp(shifted), axis=(last,), keepdims=False))
    return p.subtract(log_sum, _pick(shifted, labels))


def _pick(x: Tensor, labels: Tensor) -> Tensor:
    """x[..., label]."""
    shape = shape_of(labels)
    picked = p.take_along_axis(x, p.reshape(labels, shape=(*shape, 1)), axis=len(shape))
    return p.reshape(picked, shape=shape)


def _operands(target: Any, output: Any) -> tuple[Tensor, Tensor]:
    """Both on one engine, floats; the target takes the output's dtype."""
    target, output = tensors(target, output)
    dtype = dtype_of(output)
    if not dtypes.is_float(dtype):
        dtype = dtypes.promote(dtype, "float")
        output = p.cast(output, dtype=dtype)
    if dtype_of(target) != dtype:
        target = p.cast(target, dtype=dtype)
    return target, output


def _equal_shapes(target: Tensor, output: Tensor) -> None:
    one, two = shape_of(target), shape_of(output)
    if len(one) != len(two) or not all(compatible(a, b) for a, b in zip(one, two, strict=True)):
        raise ShapeError(
            "`target` and `output` must have one shape.",
            expected=f"target of shape {show(two)}, as output",
            received=show(one),
            hint="add or drop an axis of `target` (ops.expand_dims, ops.squeeze), or one-hot encode its labels",
        )


def _clipped(probability: Tensor) -> Tensor:
    """Within [ε, 1 − ε], ε = epsilon(); NaN stays."""
    small = epsilon()
    return p.minimum(p.maximum(probability, small), 1.0 - small)


def _wide(x: Tensor) -> Tensor:
    """16-bit floats as float32, where 1 − ε differs from 1."""
    return p.cast(x, dtype="float32") if dtypes.bits(dtype_of(x)) == 16 else x


def _narrow(x: Tensor, dtype: str) -> Tensor:
    return x if dtype_of(x) == dtype else p.cast(x, dtype=dtype)


def _classes_last(x: Tensor, axis: int) -> Tensor:
    rank = len(shape_of(x))
    if axis == rank - 1:
        return x
    return p.transpose(x, axes=(*(i for i in range(rank) if i != axis), axis))


@op
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """−t·ln p − (1 − t)·ln(1 − p), elementwise, for target t and predicted probability p.

    Args:
        target: Probabilities or 0/1 labels, any number type.
        output: Predicted probabilities, clipped to [ε, 1 − ε] with ε = `epsilon()`; or logits.
        from_logits: `output` holds logits z, p = sigmoid(z). More accurate, and needs no clipping.

    Shape: equal shapes -> same.

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> [round(v, 4) for v in binary_crossentropy([0.0, 1.0], [0.5, 0.5]).tolist()]
        [0.6931, 0.6931]
    """
    target, output = _operands(target, output)
    _equal_shapes(target, output)
    if from_logits:
        return _sigmoid_cross_entropy(target, output)
    dtype = dtype_of(output)
    target, prob = _wide(target), _clipped(_wide(output))
    hit = p.multiply(target, p.log(prob))
    miss = p.multiply(p.subtract(1.0, target), p.log(p.subtract(1.0, prob)))
    return _narrow(p.negative(p.add(hit, miss)), dtype)


@op
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """−Σ t·ln p over the classes, for target distributions t and predicted ones p.

    Args:
        target: Distributions (one-hot rows, for instance).
        output: Predicted probabilities, scaled to sum 1 and clipped to [ε, 1 − ε]; or logits.
        from_logits: `output` holds logits, p = softmax(z).
        axis: The axis of the classes.

    Shape: (..., C), (..., C) -> (...).

    Raises:
        ShapeError: The shapes differ, or there is no axis.

    Example:
        >>> [round(v, 4) for v in categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()]
        [0.6931]
    """
    target, output = _operands(target, output)
    _has_axes(output)
    _equal_shapes(target, output)
    axis = axis_index(axis, len(shape_of(output)))
    if from_logits:
        return _softmax_cross_entropy(_classes_last(target, axis), _classes_last(output, axis))
    dtype = dtype_of(output)
    target, output = _wide(target), _wide(output)
    prob = _clipped(p.divide(output, p.sum(output, axis=(axis,), keepdims=True)))
    return _narrow(p.negative(p.sum(p.multiply(target, p.log(prob)), axis=(axis,), keepdims=False)), dtype)


@op
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """−ln p[label], for integer labels and predicted distributions p.

    A label outside 0..C−1 has no loss: the result is NaN there, on every engine.

    Args:
        target: Integer labels, with or without a last axis of size 1.
        output: Predicted probabilities, scaled to sum 1 and clipped to [ε, 1 − ε]; or logits.
        from_logits: `output` holds logits, p = softmax(z).
        axis: The axis of the classes in `output`.

    Shape: (...) or (..., 1), (..., C) -> (...).

    Raises:
        ShapeError: The labels do not fit the output.

    Example:
        >>> [round(v, 4) for v in sparse_categorical_crossentropy([1], [[0.5, 0.5]]).tolist()]
        [0.6931]
    """
    labels, output = tensors(target, output)
    if not dtypes.is_float(dtype_of(output)):
        output = p.cast(output, dtype=dtypes.promote(dtype_of(output), "float"))
    _has_axes(output)
    axis = axis_index(axis, len(shape_of(output)))
    output = _classes_last(output, axis)
    labels = _labels(labels, output)
    classes = shape_of(output)[-1]
    safe = p.minimum(p.maximum(labels, 0), classes - 1)
    if from_logits:
        loss = _sparse_softmax_cross_entropy(safe, output)
    else:
        dtype = dtype_of(output)
        output = _wide(output)
        total = p.sum(output, axis=(len(shape_of(output)) - 1,), keepdims=False)
        loss = _narrow(p.negative(p.log(_clipped(p.divide(_pick(output, safe), total)))), dtype)
    return p.where(p.equal(safe, labels), loss, float("nan"))


def _has_axes(output: Tensor) -> None:
    if not shape_of(output):
        raise ShapeError("`output` needs an axis of classes.", expected="(..., classes)", received="()")


def _labels(labels: Tensor, output: Tensor) -> Tensor:
    """Labels as int32 of the output's shape without its classes."""
    dtype = dtype_of(labels)
    if dtype == "bool" or not (dtypes.is_integer(dtype) or dtypes.is_float(dtype)):
        raise DTypeError("Labels must be integers.", received=dtype, expected="int32")
    if dtype != "int32":
        labels = p.cast(labels, dtype="int32")
    wanted, shape = shape_of(output)[:-1], shape_of(labels)
    if len(shape) == len(wanted) + 1 and (shape[-1] == 1 or not is_known(shape[-1])):
        shape = shape[:-1]
        labels = p.reshape(labels, shape=shape)
    if len(shape) != len(wanted) or not all(compatible(a, b) for a, b in zip(shape, wanted, strict=True)):
        raise ShapeError(
            "Labels do not fit the output.",
            expected=f"labels of shape {show(wanted)} for output {show(shape_of(output))} (classes last)",
            received=show(shape),
            hint="for one-hot targets use categorical_crossentropy",
        )
    return labels
