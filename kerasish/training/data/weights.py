"""Class weights: a weight for each sample, looked up by its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasish.core import trees
from kerasish.core.config import floatx
from kerasish.core.dtypes import to_numpy
from kerasish.core.errors import ArgumentError


def by_class(y: Any, class_weight: dict[int, float]) -> np.ndarray:
    """The weight of each sample: `class_weight[label]`, 1 for classes that are not listed.

    Args:
        y: Labels (N,) or (N, 1), or one-hot rows (N, C).
        class_weight: Class index -> weight.

    Raises:
        ArgumentError: There are several outputs, or a weight is negative.
    """
    if trees.is_nested(y) and len(trees.flatten(y)) > 1:
        raise ArgumentError(
            "`class_weight` is for models with one output.",
            where="fit",
            hint="pass sample_weight for each output",
        )
    if not isinstance(class_weight, Mapping):
        raise ArgumentError(
            "`class_weight` must be a dict.",
            where="fit",
            expected="class index -> weight",
            received=f"{type(class_weight).__name__} {class_weight!r}",
            hint="dict(enumerate(weights))",
        )
    if any(w < 0 for w in class_weight.values()):
        raise ArgumentError("Class weights must not be negative.", where="fit", received=class_weight)
    labels = np.asarray(trees.flatten(y)[0])
    if labels.ndim > 1:
        labels = np.argmax(labels, axis=-1) if labels.shape[-1] > 1 else labels[..., 0]
    classes = np.round(labels).astype(np.int64)
    size = int(max(classes.max(initial=0), max(class_weight, default=0))) + 1
    table = np.ones(size, to_numpy(floatx()))
    for label, weight in class_weight.items():
        table[int(label)] = weight
    return table[np.clip(classes, 0, size - 1)]
