"""Where batches come from: arrays, generators, loaders. All give `(x, y, sample_weight)` of host arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from kerasish.core import seeds, threefry, trees
from kerasish.core.errors import DataError, KerasishError
from kerasish.training.data.leaves import count_samples, to_host_tree
from kerasish.training.data.weights import by_class
from kerasish.training.structure import unpack

Batch = tuple[Any, Any, Any]


def take_rows(tree: Any, rows: Any) -> Any:
    """The given rows of every array of a tree."""
    return trees.map_structure(lambda a: None if a is None else a[rows], tree)


class ArraySource:
    """Batches cut from arrays held in memory.

    Args:
        x, y, sample_weight: Trees of host arrays of equal length (y and sample_weight may be None).
        batch_size: Samples a batch; the last batch may be smaller.
        shuffle: True: samples in a new order each epoch, the same on every engine; "batch": whole batches.
        where: Name of the calling method, for errors.
    """

    finite = True

    def __init__(
        self, x: Any, y: Any, sample_weight: Any, *, batch_size: int, shuffle: Any, where: str
    ) -> None:
        self.data: Batch = (x, y, sample_weight)
        self.size = count_samples({"x": x, "y": y, "sample_weight": sample_weight}, where)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.num_batches: int | None = math.ceil(self.size / batch_size)
        self._key = threefry.key_from_seed(seeds.make_default_seed()) if shuffle else None
        #: Whether batches are copies that nobody else holds.
        self.gives_away = bool(shuffle)
        #: Whether batches stay as they are for as long as the call that reads them lasts.
        self.stands_still = True

    def peek(self) -> Batch:
        """The first samples, as a batch."""
        return take_rows(self.data, slice(0, min(self.batch_size, self.size)))  # type: ignore[no-any-return]

    def order(self, epoch: int) -> np.ndarray | None:
        """The order of samples in an epoch; None: as they are."""
        if self._key is None:
            return None
        key = threefry.fold_in(self._key, epoch)
        if self.shuffle != "batch":
            return np.argsort(threefry.random_bits(key, self.size), kind="stable")
        blocks = np.argsort(threefry.random_bits(key, math.ceil(self.size / self.batch_size)), kind="stable")
        starts = blocks * self.batch_size
        return np.concatenate([np.arange(s, min(s + self.batch_size, self.size)) for s in starts])

    def iter_epoch(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches."""
        order = self.order(epoch)
        for start in range(0, self.size, self.batch_size):
            stop = min(start + self.batch_size, self.size)
            yield take_rows(self.data, slice(start, stop) if order is None else order[start:stop])

    def on_epoch_end(self) -> None:
        """Nothing to do."""

    def shuffle_key(self) -> list[int] | None:
        """The key of the order of samples; None if they are not shuffled."""
        return None if self._key is None else [int(word) for word in self._key]

    def resume(self, key: list[int] | None, epoch: int) -> None:
        """Take the order of samples of an earlier training."""
        if self._key is not None and key is not None:
            self._key = np.array(key, np.uint32)


class CyclingSource:
    """A finite source read round after round, where an epoch is `steps` batches and not a round.

    Args:
        source: Gives the batches of a round.
        steps: Batches an epoch: where a training begins that starts at a later epoch.
    """

    finite = False

    def __init__(self, source: Any, steps: int) -> None:
        self._source = source
        self._steps = steps
        self._round: int | None = None
        self._batches: Iterator[Batch] = iter(())
        self.num_batches: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def iter_epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches without end."""
        if self._round is None:
            self._round = 0
            length = self._source.num_batches
            if epoch and length and isinstance(self._source, ArraySource):
                self._round, passed = divmod(epoch * self._steps, length)
                self._batches = islice(self._source.iter_epoch(self._round), passed, None)
                self._round += 1
        while True:
            batch = next(self._batches, None)
            if batch is None:
                self._batches = self._source.iter_epoch(self._round)
                self._round += 1
                batch = next(self._batches, None)
                if batch is None:
                    return
            yield batch


class IterableSource:
    """Batches made by something that can be iterated: once (a generator), or again each epoch (a loader).

    Args:
        make: Returns an iterator of batches; called again each epoch if `again`.
        where: Name of the calling method, for errors.
        again: Whether `make` can be called each epoch.
        length: Batches an epoch, if known.
        class_weight: Class index -> weight.
    """

    def __init__(
        self,
        make: Callable[[], Iterator[Any]],
        *,
        where: str,
        again: bool,
        length: int | None = None,
        class_weight: dict[int, float] | None = None,
    ) -> None:
        self._make = make
        self._where = where
        self._again = again
        self._class_weight = class_weight
        self._held: list[Batch] = []
        self._iterator: Iterator[Any] | None = None
        self._seen = 0
        self.num_batches = length
        self.finite = again
        self.batch_size: int | None = None

    def peek(self) -> Batch:
        """The first batch; it is given again by `iter_epoch`."""
        if not self._held:
            self._iterator = self._iterator or self._make()
            first = self._pull()
            if first is None:
                raise DataError(
                    "The data set or generator yielded nothing.",
                    where=self._where,
                    hint="check that it is not empty or used up: a generator gives its batches once, a PyDataset again",
                )
            self._held.append(first)
        return self._held[0]

    def _pull(self) -> Batch | None:
        try:
            item = next(self._iterator)  # type: ignore[arg-type]
        except StopIteration:
            return None
        except KerasishError:
            raise
        except Exception as error:
            raise DataError(
                f"The data generator raised {type(error).__name__}: {str(error)[:120]}",
                where=f"{self._where}, batch {self._seen}",
                hint="iterate over it by itself to debug it; the model is unchanged since the last batch",
            ) from error
        self._seen += 1
        return as_batch(item, self._where, self._class_weight)

    def iter_epoch(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches: all there are."""
        if self._iterator is None or (self._again and not self._held):
            self._iterator = self._make()
        given = 0
        while True:
            batch = self._held.pop() if self._held else self._pull()
            if batch is None:
                break
            given += 1
            yield batch
        if not given and not self._again and self._seen:
            raise DataError(
                "The generator is used up: it can be gone through once.",
                where=self._where,
                received=f"{self._seen} batches in all",
                hint="let it yield for ever and give steps_per_epoch, or pass a PyDataset",
            )

    def on_epoch_end(self) -> None:
        """Nothing to do."""

    def shuffle_key(self) -> list[int] | None:
        """The key of the order of samples, if the data is shuffled here."""
        key = getattr(self._make, "key", None)
        return None if key is None else [int(word) for word in key]

    def resume(self, key: list[int] | None, epoch: int) -> None:
        """Take the order of samples of an earlier training, from the given epoch on."""
        if not hasattr(self._make, "key"):
            return  # whoever made the data knows in which order it comes
        if self._make.key is not None and key is not None:
            self._make.key = np.array(key, np.uint32)
        self._make.epoch = epoch  # type: ignore[attr-defined]
        self._held, self._iterator = [], None  # what was looked at ahead belongs to another epoch


def as_batch(item: Any, where: str, class_weight: dict[int, float] | None = None) -> Batch:
    """What a generator yielded as `(x, y, sample_weight)` of host arrays."""
    x, y, sample_weight = unpack(item)
    x, y = to_host_tree(x, "x"), to_host_tree(y, "y")
    sample_weight = to_host_tree(sample_weight, "sample_weight")
    if class_weight is not None and y is not None:
        weights = by_class(y, class_weight)
        sample_weight = weights if sample_weight is None else weights * sample_weight
    count_samples({"x": x, "y": y, "sample_weight": sample_weight}, where)
    return x, y, sample_weight


class SampleRounds:
    """Batches of an indexable data set of single samples, round after round.

    Args:
        dataset: Has a length, and samples by index.
        batch_size: Samples a batch.
        shuffle: Whether they come in a new order each round.
    """

    def __init__(self, dataset: Any, batch_size: int, *, shuffle: bool) -> None:
        self._dataset = dataset
        self._batch_size = batch_size
        key = threefry.key_from_seed(seeds.make_default_seed())
        #: The key of the order, and the epoch that comes next.
        self.key = key if shuffle else None
        self.epoch = 0

    def __call__(self) -> Iterator[Any]:
        """A round's batches."""
        order: Iterable[int] = range(len(self._dataset))
        if self.key is not None:
            bits = threefry.random_bits(threefry.fold_in(self.key, self.epoch), len(self._dataset))
            order = np.argsort(bits, kind="stable")
        self.epoch += 1
        return batches_of_samples(self._dataset, self._batch_size, order)


def batches_of_samples(dataset: Any, batch_size: int, order: Iterable[int]) -> Iterator[Any]:
    """Batches put together from single samples of an indexable data set."""
    samples: list[Any] = []
    for index in order:
        samples.append(dataset[int(index)])
        if len(samples) == batch_size:
            yield _stack(samples)
            samples = []
    if samples:
        yield _stack(samples)


def _stack(samples: list[Any]) -> Any:
    def stacked(*leaves: Any) -> np.ndarray:
        return np.stack([np.asarray(to_host_tree(leaf, "sample")) for leaf in leaves])

    return trees.map_structure(stacked, *samples)
