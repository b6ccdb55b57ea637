"""Sums and weighted means of values, and of what a function gives for each sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from kerasish import ops
from kerasish.core.convert import dtype_of, shape_of, tensors
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.shapes import size_of
from kerasish.losses.alignment import beside, is_one
from kerasish.losses.loss import mask_of
from kerasish.metrics.metric import Metric


def samplewise(
    values: Any, weight: Any, dtype: str, reduce: Callable[..., Any] = ops.mean
) -> tuple[Any, Any]:
    """Values times their weights, and the weights beside them (None: all 1).

    Where there is one weight for several values, it counts for what `reduce` makes of them.
    """
    values = ops.cast(values, dtype)
    if weight is None:
        return values, None
    weight = ops.cast(weight, dtype)
    while len(shape_of(weight)) > len(shape_of(values)) and is_one(shape_of(weight)[-1]):
        weight = ops.squeeze(weight, -1)
    extra = len(shape_of(values)) - len(shape_of(weight))
    if extra > 0:
        rank = len(shape_of(values))
        values = reduce(values, axis=tuple(range(rank - extra, rank)))
    weight = ops.broadcast_to(beside(values, weight, "sample_weight"), shape_of(values))
    return ops.multiply(values, weight), weight


class Sum(Metric):
    """Sum of values times weights.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(Sum()([1.0, 2.0, 3.0]))
        6.0
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, sample_weight = _operands(values, sample_weight)
        weighted, _ = samplewise(values, sample_weight, self.dtype, ops.sum)
        self.total.assign(ops.add(self.total, ops.sum(weighted)))

    def result(self) -> Any:
        return ops.cast(self.total, self.dtype)


def _operands(values: Any, weight: Any) -> tuple[Any, Any]:
    if weight is None:
        return tensors(values)[0], None
    values, weight = tensors(values, weight)
    return values, weight


class Mean(Metric):
    """Mean of values, by their weights; 0 before the first.

    Args:
        name: A label.
        dtype: Of variables and result; default floatx.

    Example:
        >>> float(Mean()([1.0, 3.0], sample_weight=[1.0, 0.0]))
        1.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, sample_weight = _operands(values, sample_weight)
        weighted, weight = samplewise(values, sample_weight, self.dtype)
        count = float(size_of(shape_of(weighted))) if weight is None else ops.sum(weight)
        self.total.assign(ops.add(self.total, ops.sum(weighted)))
        self.count.assign(ops.add(self.count, count))

    def result(self) -> Any:
        return ops.divide_no_nan(self.total, self.count)


class MeanMetricWrapper(Mean):
    """Mean of a function's values over all samples.

    Args:
        fn: `(y_true, y_pred, **options) -> one value a sample`.
        name: A label; default the function's name for classes of ours, else the class's.
        dtype: Of variables and result; default floatx.
        kwargs: Options handed to `fn`.

    Example:
        >>> metric = MeanMetricWrapper(lambda y_true, y_pred: ops.absolute(ops.subtract(y_true, y_pred)))
        >>> float(metric([1.0, 2.0], [2.0, 4.0]))
        1.5
    """

    #: Options left out of the config while they have this value, as Keras leaves them out.
    _unwritten: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._options = kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        mask = mask_of(y_pred)
        y_true, y_pred = tensors(y_true, y_pred)
        if dtype_of(y_pred) in ("float16", "bfloat16"):
            y_pred = ops.cast(y_pred, self.dtype)
        values = self._fn(y_true, y_pred, **self._options)
        super().update_state(values, with_mask(sample_weight, mask, self.dtype))

    def get_config(self) -> dict[str, Any]:
        options = {
            key: serialize_keras_object(value)
            for key, value in self._options.items()
            if key not in self._unwritten or self._unwritten[key] != value
        }
        config = {**super().get_config(), **options}
        if type(self) is MeanMetricWrapper:
            config["fn"] = serialize_keras_object(self._fn)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)


def with_mask(weight: Any, mask: Any, dtype: str) -> Any:
    """The weights of samples, 0 where the mask is false; None where there is neither."""
    if mask is None:
        return weight
    mask = ops.cast(ops.cast(mask, "bool"), dtype)
    if weight is None:
        return mask
    weight = ops.cast(ops.convert_to_tensor(weight), dtype)
    wide, narrow = (mask, weight) if len(shape_of(mask)) >= len(shape_of(weight)) else (weight, mask)
    return ops.multiply(wide, beside(wide, narrow, "sample_weight"))
