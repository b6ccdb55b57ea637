"""Data for fit, evaluate and predict: whatever the user holds becomes batches of host arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core.errors import ArgumentError, DataError
from kerasish.training.data.leaves import count_samples, is_array, to_host_tree
from kerasish.training.data.pydataset import Batches, PyDataset
from kerasish.training.data.sources import (
    ArraySource,
    CyclingSource,
    IterableSource,
    SampleRounds,
    as_batch,
    take_rows,
)
from kerasish.training.data.weights import by_class

__all__ = ["ArraySource", "IterableSource", "PyDataset", "make_source", "reopened", "single_batch", "split"]

_DEFAULT_BATCH = 32


def make_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: Any = False,
    class_weight: dict[int, float] | None = None,
    steps: int | None = None,
    where: str = "fit",
) -> Any:
    """A source of batches for whatever `x` is.

    Raises:
        DataError: The data cannot be used.
        ArgumentError: Arguments do not go together.
    """
    if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
        raise ArgumentError("`batch_size` must be a positive integer.", where=where, received=batch_size)
    if x is None:
        raise DataError("There is no data.", where=where, received="x=None", hint="pass arrays as x and y")
    if _is_array_tree(x):
        source: Any = _from_arrays(x, y, sample_weight, batch_size, shuffle, class_weight, where)
        return source if steps is None else CyclingSource(source, steps)
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ArgumentError(
                f"`{name}` cannot be given beside a {type(x).__name__}.",
                where=where,
                hint="let it yield (x, y) or (x, y, sample_weight)",
            )
    source = _from_iterable(x, batch_size, shuffle, class_weight, where)
    return CyclingSource(source, steps) if steps is not None and source.finite else source


def reopened(given: Any, batch_size: int | None, steps: int | None) -> Any:
    """A source for `validation_data`: (x, y), (x, y, sample_weight), or anything that yields batches."""
    if not (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        x, y, sample_weight = given, None, None
    else:
        x, y, sample_weight = (*given, None)[:3]
    return make_source(x, y, sample_weight, batch_size=batch_size, steps=steps, where="fit, validation_data")


def _is_array_tree(x: Any) -> bool:
    if is_array(x) or hasattr(x, "toarray"):
        return True
    if isinstance(x, (list, tuple, dict)):
        leaves = list(x.values()) if isinstance(x, dict) else list(x)
        return all(_is_array_tree(leaf) for leaf in leaves)
    return False


def _from_arrays(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, shuffle: Any, class_weight: Any, where: str
) -> ArraySource:
    x, y = to_host_tree(x, "x"), to_host_tree(y, "y")
    sample_weight = to_host_tree(sample_weight, "sample_weight")
    if class_weight is not None:
        if sample_weight is not None:
            raise ArgumentError("Give either `class_weight` or `sample_weight`.", where=where)
        if y is None:
            raise ArgumentError("`class_weight` needs targets.", where=where, hint="pass y")
        sample_weight = by_class(y, class_weight)
    return ArraySource(
        x, y, sample_weight, batch_size=batch_size or _DEFAULT_BATCH, shuffle=shuffle, where=where
    )


def _from_iterable(
    x: Any, batch_size: int | None, shuffle: Any, class_weight: Any, where: str
) -> IterableSource:
    options: dict[str, Any] = {"where": where, "class_weight": class_weight}
    if isinstance(x, PyDataset) or (hasattr(x, "__getitem__") and hasattr(x, "num_batches")):
        source = IterableSource(Batches(x, bool(shuffle)), again=True, length=x.num_batches, **options)
        source.on_epoch_end = getattr(x, "on_epoch_end", source.on_epoch_end)  # type: ignore[method-assign]
        return source
    if hasattr(x, "as_numpy_iterator") and hasattr(x, "element_spec"):  # a graph framework's data set
        return IterableSource(
            lambda: iter(x.as_numpy_iterator()), again=True, length=_cardinality(x), **options
        )
    if hasattr(x, "__next__"):
        return IterableSource(lambda: x, again=False, **options)
    if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not hasattr(x, "collate_fn"):
        return _from_samples(x, batch_size or _DEFAULT_BATCH, shuffle, options)
    if hasattr(x, "__iter__"):
        try:
            length = len(x)
        except TypeError:  # it has no length, or cannot tell it: a loader of an iterable data set
            length = None
        return IterableSource(lambda: iter(x), again=True, length=length, **options)
    raise DataError(
        "This kind of data is not understood.",
        where=where,
        received=type(x).__name__,
        hint="pass NumPy arrays, lists of numbers, a generator of (x, y), or a PyDataset",
    )


def _from_samples(x: Any, batch_size: int, shuffle: Any, options: dict[str, Any]) -> IterableSource:
    """A data set of single samples, by index."""
    rounds = SampleRounds(x, batch_size, shuffle=bool(shuffle))
    return IterableSource(rounds, again=True, length=-(-len(x) // batch_size), **options)


def _cardinality(x: Any) -> int | None:
    count = int(np.asarray(x.cardinality())) if hasattr(x, "cardinality") else -1
    return count if count >= 0 else None


def split(x: Any, y: Any, sample_weight: Any, fraction: float) -> tuple[Any, Any]:
    """The first part of arrays to train on, and the last `fraction` to validate on, both `(x, y, sample_weight)`.

    Raises:
        ArgumentError: The data is not arrays, or a part would be empty.
    """
    if not 0 < fraction < 1:
        raise ArgumentError("`validation_split` must be between 0 and 1.", where="fit", received=fraction)
    if not _is_array_tree(x):
        raise ArgumentError(
            "`validation_split` needs arrays.",
            where="fit",
            received=type(x).__name__,
            hint="pass validation_data",
        )
    whole = to_host_tree(x, "x"), to_host_tree(y, "y"), to_host_tree(sample_weight, "sample_weight")
    total = count_samples(dict(zip(("x", "y", "sample_weight"), whole, strict=True)), "fit")
    at = int(total * (1.0 - fraction))
    if at in (0, total):
        raise ArgumentError(
            "`validation_split` leaves one part without samples.",
            where="fit",
            received=f"{fraction} of {total} samples",
        )
    return take_rows(whole, slice(0, at)), take_rows(whole, slice(at, total))


def single_batch(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Any:
    """One batch for the `*_on_batch` methods."""
    if class_weight is not None and sample_weight is not None:
        raise ArgumentError("Give either `class_weight` or `sample_weight`.", where="train_on_batch")
    return as_batch((x, y, sample_weight), "batch", class_weight)
