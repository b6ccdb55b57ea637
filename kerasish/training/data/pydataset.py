"""`PyDataset`: batches by index, made in worker threads or processes ahead of the training."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasish.core import seeds, threefry
from kerasish.core.errors import ArgumentError

if TYPE_CHECKING:
    from concurrent.futures import Executor


class PyDataset:
    """A data set that makes its batches itself.

    A subclass defines `__getitem__(index)`, returning the batch `(x, y)` or `(x, y, sample_weight)`, and `__len__` (or
    `num_batches`, None for endless).

    Args:
        workers: Threads or processes that make batches ahead; 1 makes them in the training thread.
        use_multiprocessing: Processes instead of threads; the data set must then be picklable.
        max_queue_size: Batches made ahead at most.

    Example:
        >>> import numpy as np
        >>> class Squares(PyDataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, index):
        ...         x = np.arange(4.0)[:, None] + 4 * index
        ...         return x, x**2
        >>> Squares(workers=2)[1][1].ravel().tolist()
        [16.0, 25.0, 36.0, 49.0]
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    @property
    def num_batches(self) -> int | None:
        """Batches an epoch; None if endless."""
        if hasattr(self, "__len__"):
            return len(self)
        raise ArgumentError(
            "A PyDataset needs __len__ or num_batches.",
            where=type(self).__name__,
            hint="def __len__(self): return ...",
        )

    def __getitem__(self, index: int) -> Any:
        raise ArgumentError(
            "A PyDataset needs __getitem__.",
            where=type(self).__name__,
            hint="def __getitem__(self, index): return x, y",
        )

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


_held: list[Any] = []


def _hold(dataset: Any) -> None:
    _held[:] = [dataset]


def _get(index: int) -> Any:
    return _held[0][index]


class Batches:
    """The batches of a PyDataset, epoch after epoch."""

    def __init__(self, dataset: Any, shuffle: bool) -> None:
        self.dataset = dataset
        #: The key of the order, and the epoch that comes next.
        self.key = threefry.key_from_seed(seeds.make_default_seed()) if shuffle else None
        self.epoch = 0

    def __call__(self) -> Iterator[Any]:
        """An epoch's batches."""
        dataset, length = self.dataset, self.dataset.num_batches
        if hasattr(dataset, "on_epoch_begin"):
            dataset.on_epoch_begin()
        indices = self._order(length)
        self.epoch += 1
        workers = getattr(dataset, "workers", 1)
        if workers <= 1 and not getattr(dataset, "use_multiprocessing", False):
            for index in indices:
                yield dataset[index]
            return
        with self._pool(max(workers, 1)) as pool:
            yield from self._ahead(pool, indices)

    def _order(self, length: int | None) -> Iterator[int]:
        if length is None or math.isinf(length):
            index = 0
            while True:
                yield index
                index += 1
        if self.key is None:
            yield from range(length)
        else:
            key = threefry.fold_in(self.key, self.epoch)
            yield from (int(i) for i in np.argsort(threefry.random_bits(key, length), kind="stable"))

    def _pool(self, workers: int) -> Executor:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        if getattr(self.dataset, "use_multiprocessing", False):
            # "spawn": a forked child would inherit locks of frameworks' threads
            context = multiprocessing.get_context("spawn")
            return ProcessPoolExecutor(
                workers, mp_context=context, initializer=_hold, initargs=(self.dataset,)
            )
        return ThreadPoolExecutor(workers)

    def _ahead(self, pool: Executor, indices: Iterator[int]) -> Iterator[Any]:
        get = _get if getattr(self.dataset, "use_multiprocessing", False) else self.dataset.__getitem__
        depth = max(getattr(self.dataset, "max_queue_size", 10), 1)
        waiting: deque[Any] = deque()
        try:
            for index in indices:
                waiting.append(pool.submit(get, index))
                if len(waiting) >= depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
