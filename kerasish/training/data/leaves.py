"""One leaf of the data as a host array in the dtype it travels in.

Floats travel as floatx; 64-bit integers as int32 where their values fit (labels and token ids do), so that every engine
sees the same dtypes; bools and small integers as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.config import floatx
from kerasish.core.convert import host_array, to_numpy
from kerasish.core.errors import DataError, KerasishError


def is_frame(x: Any) -> bool:
    """Whether `x` is a table or column of a data-frame library."""
    return hasattr(x, "iloc") and hasattr(x, "to_numpy")


def is_array(x: Any) -> bool:
    """Whether `x` holds all its numbers: an array, tensor, table, or nested list of numbers."""
    if isinstance(x, np.ndarray) or is_frame(x) or hasattr(x, "__kerasish_value__"):
        return True
    if isinstance(x, (list, tuple)):
        return is_numbers(x)
    return hasattr(x, "__array__") and hasattr(x, "shape")


def is_numbers(x: Any) -> bool:
    """Whether `x` is a list (of lists) of Python numbers or text, decided by its first element."""
    while isinstance(x, (list, tuple)):
        if not x:
            return True
        x = x[0]
    return isinstance(x, (bool, int, float, str, np.generic))


def to_host(x: Any, where: str) -> np.ndarray:
    """`x` as a host array in its travelling dtype.

    Raises:
        DataError: It is not numeric.
    """
    if is_frame(x):
        x = _frame_values(x, where)
    elif hasattr(x, "toarray"):  # sparse matrices
        x = x.toarray()
    try:
        array = to_numpy(x) if not isinstance(x, (list, tuple)) else host_array(x)
    except KerasishError as error:
        raise DataError(str(error.problem), where=where, received=error.received, hint=error.hint) from None
    if array.dtype.kind in "USO":
        raise DataError(
            "The data holds text or objects, not numbers.",
            where=where,
            received=f"dtype {array.dtype}, first value {array.ravel()[:1]!r}",
            hint="encode categories as integers; give all rows the same length",
        )
    if array.dtype.kind in "cmM":
        raise DataError(
            "The data holds complex numbers or times.",
            where=where,
            received=f"dtype {array.dtype}",
            hint="pass real numbers: np.stack([x.real, x.imag], -1); times as seconds or days since some date",
        )
    return travelling(array)


def _frame_values(x: Any, where: str) -> np.ndarray:
    values = x.to_numpy()
    if values.dtype != object:
        return np.asarray(values)
    is_table = hasattr(x, "columns")
    converted, bad = [], []
    for column in [x.iloc[:, i] for i in range(x.shape[1])] if is_table else [x]:
        try:
            converted.append(column.to_numpy().astype(floatx()))
        except (TypeError, ValueError):
            bad.append(f"{column.name} ({column.dtype})")
    if bad:
        raise DataError(
            "Columns of the table are not numeric.",
            where=where,
            received=", ".join(bad[:5]),
            hint="encode or drop them (get_dummies, astype); fill in missing values (fillna)",
        )
    return np.stack(converted, axis=-1) if is_table else converted[0]


def travelling(array: np.ndarray) -> np.ndarray:
    """`array` in the dtype it travels in."""
    name = dtypes.of_numpy(array.dtype)
    if dtypes.is_float(name):
        return array if name == floatx() else array.astype(dtypes.to_numpy(floatx()))
    wide = name in ("int64", "uint64", "uint32")
    if wide and (not array.size or (array.max() < 2**31 and array.min() >= -(2**31))):
        return array.astype(np.int32)
    return array


def to_host_tree(tree: Any, where: str) -> Any:
    """`to_host` on every leaf; None stays."""
    if tree is None:
        return None
    if is_array(tree):
        return to_host(tree, where)
    if trees.is_nested(tree):
        if isinstance(tree, dict):
            return {k: to_host_tree(v, f"{where}[{k!r}]") for k, v in tree.items()}
        items = [to_host_tree(v, f"{where}[{i}]") for i, v in enumerate(tree)]
        return tuple(items) if isinstance(tree, tuple) else items
    return to_host(tree, where)


def count_samples(named: dict[str, Any], where: str) -> int:
    """The common length of all leaves.

    Raises:
        DataError: Lengths differ, a leaf has no axis, or there is no sample.
    """
    lengths: dict[str, int] = {}
    for name, tree in named.items():
        for path, leaf in trees.flatten_with_path(tree):
            label = name + "".join(f"[{p!r}]" for p in path)
            if leaf is None:
                continue
            if leaf.ndim == 0:
                raise DataError(
                    "A single number is not a batch.",
                    where=where,
                    received=f"{label} = {leaf!r}",
                    hint="pass arrays; a data set of single samples must be batched: dataset.batch(32)",
                )
            lengths[label] = len(leaf)
    if len(set(lengths.values())) > 1:
        raise DataError(
            "The arrays hold different numbers of samples.",
            where=where,
            expected="the same length along the first axis",
            received=", ".join(f"{k}: {v}" for k, v in lengths.items()),
            hint="check how x and y were split",
        )
    total = next(iter(lengths.values()), 0)
    if total == 0:
        raise DataError(
            "The data set is empty.", where=where, received=f"{total} samples", hint="check how it was loaded"
        )
    return total
