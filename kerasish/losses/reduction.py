"""From a value per sample to a number: weights, masks, sums and means."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import UnknownNameError
from kerasish.core.shapes import size_of
from kerasish.losses.alignment import beside

REDUCTIONS = ("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", "none", None)
_MEANS = ("mean", "sum_over_batch_size")


def checked_reduction(reduction: str | None) -> str | None:
    """`reduction` if it is one of `REDUCTIONS`.

    Raises:
        UnknownNameError: It is none of them.
    """
    if reduction not in REDUCTIONS:
        raise UnknownNameError.of("reduction", reduction, [r for r in REDUCTIONS if r], where="loss")
    return reduction


def masked_weight(values: Any, weight: Any, mask: Any, reduction: str | None) -> Any:
    """Weight and mask in one, beside `values`; None where there is neither.

    For means the mask is scaled up by its share of valid entries, so that dividing by the number of all values gives
    the mean of the valid ones.
    """
    dtype = dtype_of(values)
    if weight is not None:
        weight = beside(values, ops.cast(ops.convert_to_tensor(weight), dtype), "sample_weight")
    if mask is None:
        return weight
    mask = ops.cast(ops.cast(mask, "bool"), dtype)
    if reduction in _MEANS:
        valid = ops.maximum(ops.sum(mask), 1.0)
        mask = ops.multiply(mask, ops.divide(float(size_of(shape_of(mask))), valid))
    mask = beside(values, mask, "mask")
    return mask if weight is None else ops.multiply(weight, mask)


def reduce_weighted(
    values: Any, sample_weight: Any = None, mask: Any = None, reduction: str | None = "mean"
) -> Any:
    """Weighted values, their sum or their mean.

    Args:
        values: A float tensor.
        sample_weight: Factors, one a value or one a sample; None: all 1.
        mask: Which values count; None: all.
        reduction: "none" (or None), "sum", "mean" = "sum_over_batch_size" (over the number of unmasked values), or
            "mean_with_sample_weight" (over the sum of the weights as given; 0 where that is 0).

    Example:
        >>> float(reduce_weighted(ops.convert_to_tensor([1.0, 3.0]), [0.0, 1.0], reduction="mean"))
        1.5
    """
    weight = masked_weight(values, sample_weight, mask, reduction)
    if weight is not None:
        values = ops.multiply(values, weight)
    if reduction in ("none", None) or not shape_of(values):
        return values
    total = ops.sum(values)
    if reduction == "sum":
        return total
    count = float(max(size_of(shape_of(values)), 1))
    if reduction == "mean_with_sample_weight" and weight is not None:
        return ops.divide_no_nan(total, ops.sum(weight))
    return ops.divide(total, count)
