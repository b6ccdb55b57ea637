"""How labels, predictions, weights and masks are brought to shapes that fit, and what is said when they do not."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.convert import dtype_of, floating, shape_of, tensors
from kerasish.core.errors import ShapeError
from kerasish.core.shapes import Shape, compatible, is_known, show

_SPARSE = "integer labels go with SparseCategoricalCrossentropy / sparse_categorical_accuracy, or one-hot encode them"
_ONE_HOT = "one-hot labels go with CategoricalCrossentropy / categorical_accuracy; or take their argmax"


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes can be the same, unknown sizes included."""
    return len(a) == len(b) and all(compatible(x, y) for x, y in zip(a, b, strict=True))


def is_one(size: int) -> bool:
    """Whether a size is known to be 1."""
    return size == 1 and is_known(size)


def same_rank(x1: Any, x2: Any, expand_rank_1: bool = True) -> tuple[Any, Any]:
    """Drop a last axis of size 1 from one of two tensors, or add it to a vector, where that makes their ranks equal."""
    shape1, shape2 = shape_of(x1), shape_of(x2)
    if len(shape1) == len(shape2) + 1 and is_one(shape1[-1]):
        if len(shape2) == 1 and expand_rank_1:
            return x1, ops.expand_dims(x2, -1)
        return ops.squeeze(x1, -1), x2
    if len(shape2) == len(shape1) + 1 and is_one(shape2[-1]):
        if len(shape1) == 1 and expand_rank_1:
            return ops.expand_dims(x1, -1), x2
        return x1, ops.squeeze(x2, -1)
    return x1, x2


def mismatch(y_true: Any, y_pred: Any, where: str, expected: str | None = None) -> ShapeError:
    """The error for labels and predictions that do not fit, with the likeliest remedy."""
    true, pred = shape_of(y_true), shape_of(y_pred)
    if expected is None:
        expected = f"y_true of shape {show(pred)}"
        sparse = same_shape(true, pred[:-1]) or same_shape(true, (*pred[:-1], 1))
        hint = (
            _SPARSE
            if sparse and len(pred) > 1
            else "give the last layer as many units as the labels have columns"
        )
    else:
        hint = _ONE_HOT if same_shape(true, pred) else "check the shapes of the labels and of the last layer"
    return ShapeError(
        "The labels do not fit the predictions.",
        where=where,
        expected=expected,
        received=f"y_true {show(true)}, y_pred {show(pred)}",
        hint=hint,
    )


def pair(y_true: Any, y_pred: Any, where: str) -> tuple[Any, Any]:
    """Labels and predictions as tensors of one engine, one float dtype (the predictions') and one shape.

    Raises:
        ShapeError: The shapes differ by more than a last axis of size 1, and the labels are no single number.
    """
    y_true, y_pred = tensors(y_true, y_pred)
    y_pred = floating(y_pred)
    dtype = dtype_of(y_pred)
    if dtype_of(y_true) != dtype:
        y_true = ops.cast(y_true, dtype)
    if shape_of(y_true) == shape_of(y_pred):
        return y_true, y_pred
    y_true, y_pred = same_rank(y_true, y_pred)
    shape = shape_of(y_true)
    if shape and not same_shape(shape, shape_of(y_pred)):
        raise mismatch(y_true, y_pred, where)
    return y_true, y_pred


def labels(y_true: Any, y_pred: Any, where: str, axis: int = -1) -> tuple[Any, Any]:
    """Class numbers (..., ) and predictions (..., C) as tensors of one engine; a last axis of size 1 is dropped.

    Raises:
        ShapeError: The labels have another shape.
    """
    y_true, y_pred = tensors(y_true, y_pred)
    y_pred = floating(y_pred)
    pred = list(shape_of(y_pred))
    if not pred:
        raise mismatch(y_true, y_pred, where, "predictions with an axis of classes")
    del pred[axis]
    if len(shape_of(y_true)) == len(pred) + 1 and is_one(shape_of(y_true)[-1]):
        y_true = ops.squeeze(y_true, -1)
    if not same_shape(shape_of(y_true), tuple(pred)):
        raise mismatch(y_true, y_pred, where, f"class numbers of shape {show(pred)}")
    return y_true, y_pred


def _leads(part: Shape, whole: Shape) -> bool:
    return len(part) <= len(whole) and all(
        is_one(p) or compatible(p, w) for p, w in zip(part, whole, strict=False)
    )


def beside(values: Any, weight: Any, what: str) -> Any:
    """A weight or mask in a shape that broadcasts against `values`.

    One number a sample counts for all of the sample's values: (B,) goes with (B, T, ...). A single value for all
    samples (Dice, Tversky) takes any weight.

    Raises:
        ShapeError: The shapes do not fit.
    """
    shape, whole = shape_of(weight), shape_of(values)
    if not whole:
        return weight
    while len(shape) > len(whole) and is_one(shape[-1]):
        weight = ops.squeeze(weight, -1)
        shape = shape_of(weight)
    if _leads(shape, whole):
        missing = len(whole) - len(shape)
        return ops.reshape(weight, (*shape, *[1] * missing)) if missing and shape else weight
    if len(shape) <= len(whole) and _leads(shape, whole[len(whole) - len(shape) :]):
        return weight
    raise ShapeError(
        f"The {what} does not fit the values it weights.",
        where=what,
        expected=f"a shape that begins like {show(whole)}",
        received=show(shape),
        hint="one weight a sample, or one a time step",
    )
