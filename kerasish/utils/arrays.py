"""Small helpers on host arrays that Keras keeps in `keras.utils`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, DTypeError, OutOfRangeError


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Class indices (...,) as one-hot rows (..., num_classes), float32.

    Args:
        x: Integers from 0.
        num_classes: Default the largest index + 1.

    Raises:
        OutOfRangeError: An index is negative or not below `num_classes`.

    Example:
        >>> to_categorical([0, 2]).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = np.asarray(to_numpy(x))
    if labels.dtype.kind not in "biuf":
        raise DTypeError(
            "Class indices must be integers.",
            where="to_categorical",
            received=f"dtype {labels.dtype}",
            hint="number the classes first: classes, labels = np.unique(x, return_inverse=True)",
        )
    labels = labels.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    count = int(labels.max(initial=-1)) + 1 if num_classes is None else num_classes
    if labels.size and (labels.min() < 0 or labels.max() >= count):
        raise OutOfRangeError(
            "Class indices are out of range.",
            where="to_categorical",
            expected=f"0 to {count - 1}",
            received=f"{labels.min()} to {labels.max()}",
        )
    return np.eye(count, dtype=np.float32)[labels]


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """x divided by its norm of the given order along `axis`; rows of norm 0 stay 0.

    Example:
        >>> normalize([[0.0, 4.0], [0.0, 0.0]]).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    array = np.asarray(to_numpy(x))
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    return np.asarray(array / np.expand_dims(norm, axis))


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: str = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of different lengths as one array (N, maxlen, ...).

    Args:
        sequences: Lists of numbers (or of vectors).
        maxlen: Default the longest.
        dtype: Of the result.
        padding: "pre" or "post": where `value` is added.
        truncating: "pre" or "post": where longer sequences are cut.
        value: The filler.

    Example:
        >>> pad_sequences([[1], [2, 3]]).tolist()
        [[0, 1], [2, 3]]
    """
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise ArgumentError(
                f"Unknown `{name}`.", where="pad_sequences", expected="'pre' or 'post'", received=given
            )
    rows = [np.asarray(s) for s in sequences]
    length = maxlen if maxlen is not None else max((len(r) for r in rows), default=0)
    tail = next((r.shape[1:] for r in rows if len(r)), ())
    result = np.full((len(rows), length, *tail), value, dtype=dtype)
    for index, row in enumerate(rows):
        if not len(row):
            continue
        if row.shape[1:] != tail:
            raise ArgumentError(
                "Sequences hold vectors of different sizes.", where="pad_sequences", received=row.shape[1:]
            )
        cut = row[-length:] if truncating == "pre" else row[:length]
        if length == 0:
            continue
        if padding == "pre":
            result[index, length - len(cut) :] = cut
        else:
            result[index, : len(cut)] = cut
    return result
