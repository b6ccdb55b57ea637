"""`Normalization`: features shifted and scaled to mean 0 and variance 1, by statistics of data seen before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasish import ops
from kerasish.core.config import epsilon
from kerasish.core.contract import Tensor
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, NotBuiltError, ShapeError
from kerasish.core.shapes import axis_index
from kerasish.layers.layer import Layer


class Normalization(Layer):
    """(inputs − mean) / √variance, or the inverse of that.

    Mean and variance are given, or found by `adapt(data)`.

    Args:
        axis: The axes that keep statistics of their own, usually the features; None for one mean of everything.
        mean: Means, in place of `adapt`.
        variance: Variances, in place of `adapt`.
        invert: Whether to compute inputs·√variance + mean.
        **kwargs: `name`, `dtype`.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt([[1.0], [3.0]])
        >>> layer([[1.0], [3.0]]).tolist()
        [[-1.0], [1.0]]
    """

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        if (mean is None) != (variance is None):
            raise ArgumentError(
                "Give both `mean` and `variance`, or neither.",
                where=type(self).__name__,
                received=f"mean={mean}, variance={variance}",
            )
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if self.built:
            return
        rank = len(input_shape)
        axes = sorted(axis_index(a, rank) for a in self.axis)
        if 0 in axes:
            raise ArgumentError("`axis` must not be the batch, axis 0.", received=self.axis)
        unknown = [a for a in axes if input_shape[a] is None]
        if unknown:
            raise ShapeError(
                f"The size of axis {unknown[0]} must be known.",
                received=f"shape {tuple(input_shape)}",
                hint="give it in Input(shape=...)",
            )
        sizes = tuple(input_shape[a] for a in axes)
        self._spread = tuple(input_shape[i] if i in axes else 1 for i in range(rank))
        self._averaged = tuple(i for i in range(rank) if i not in axes)
        if self.input_mean is None:
            options = {"shape": sizes, "trainable": False}
            self.adapt_mean = self.add_weight(name="mean", initializer="zeros", **options)
            self.adapt_variance = self.add_weight(name="variance", initializer="ones", **options)
            self.count = self.add_weight(
                name="count", shape=(), initializer="zeros", dtype="int32", trainable=False
            )

    def adapt(self, data: Any) -> None:
        """Find mean and variance of the data: an array, or something that yields batches (inputs come first in tuples).

        Raises:
            ArgumentError: Mean and variance were given to the constructor, or there is no data.
        """
        if self.input_mean is not None:
            raise ArgumentError("Mean and variance were given: there is nothing to adapt.", where=self.where)
        total, mean, squares = 0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            if not self.built:
                self.build((None, *batch.shape[1:]))
            count = int(np.prod([batch.shape[a] for a in self._averaged], dtype=np.int64))
            own = batch.mean(axis=self._averaged, dtype=np.float64)
            deviations = batch.var(axis=self._averaged, dtype=np.float64) * count
            # Chan et al. 1979: sums of squared deviations of two parts as that of the whole.
            gap = own - mean
            squares = squares + deviations + gap**2 * (total * count / (total + count) if count else 0)
            mean = mean + gap * (count / (total + count) if count else 0)
            total += count
        if total == 0:
            raise ArgumentError("`adapt` was given no data.", where=self.where)
        self.adapt_mean.assign(mean.astype(np.float32))
        self.adapt_variance.assign((squares / total).astype(np.float32))

    @property
    def mean(self) -> Any:
        """The mean, shaped so that it broadcasts against the inputs."""
        return self._statistic(self.input_mean, "adapt_mean")

    @property
    def variance(self) -> Any:
        """The variance, shaped so that it broadcasts against the inputs."""
        return self._statistic(self.input_variance, "adapt_variance")

    def _statistic(self, given: Any, name: str) -> Any:
        if not self.built:
            raise NotBuiltError(
                "Nothing is known of the data yet.", where=self.where, hint="call adapt(data)"
            )
        value = getattr(self, name) if given is None else ops.convert_to_tensor(given, self.compute_dtype)
        if given is not None and np.size(given) == 1:
            return ops.reshape(value, (1,) * len(self._spread))
        return ops.reshape(ops.cast(value, self.compute_dtype), self._spread)

    def call(self, inputs: Tensor) -> Tensor:
        inputs = ops.cast(inputs, self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(self.variance), epsilon())
        if self.invert:
            return ops.add(ops.multiply(inputs, deviation), self.mean)
        return ops.divide(ops.subtract(inputs, self.mean), deviation)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": _plain(self.input_mean),
            "variance": _plain(self.input_variance),
        }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float)) else np.asarray(value).tolist()


def _batches(data: Any) -> Iterator[np.ndarray]:
    if isinstance(data, (list, tuple)) or hasattr(data, "__array__") or hasattr(data, "shape"):
        array = to_numpy(data)
        yield array[:, None] if array.ndim == 1 else array
        return
    for batch in data:
        array = to_numpy(batch[0] if isinstance(batch, tuple) else batch)
        yield array[:, None] if array.ndim == 1 else array
