"""`Loss`: a value per sample, weighted, masked, reduced to a number; `LossFunctionWrapper` makes one of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from kerasish import ops
from kerasish.core import dtypes, trees
from kerasish.core.config import floatx
from kerasish.core.context import current_call
from kerasish.core.convert import plain, to_tensor
from kerasish.core.dtype_policy import get as get_policy
from kerasish.core.naming import to_snake_case
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.registry import engine_of
from kerasish.losses.alignment import beside
from kerasish.losses.reduction import checked_reduction, reduce_weighted


def mask_of(y_pred: Any) -> Any:
    """The mask that the running call holds for a prediction, or None."""
    call = current_call()
    return None if call is None or trees.is_nested(y_pred) else call.get_mask(y_pred)


class Loss:
    """Base class of losses: subclasses give `call(y_true, y_pred)`, one value a sample.

    Args:
        name: A label.
        reduction: "sum_over_batch_size" (= "mean"), "sum", "mean_with_sample_weight" or "none".
        dtype: What labels and predictions are converted to; default floatx.

    Raises:
        UnknownNameError: There is no such reduction.

    Example:
        >>> from kerasish import ops
        >>> class Gap(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return ops.absolute(ops.subtract(y_true, y_pred))
        >>> float(Gap()([1.0, 2.0], [2.0, 4.0]))
        1.5
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name or to_snake_case(type(self).__name__)
        self.reduction = checked_reduction(reduction)
        self.dtype = floatx() if dtype is None else get_policy(dtype).compute_dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        mask = mask_of(y_pred)
        engine = engine_of([plain(x) for x in trees.flatten((y_pred, y_true, sample_weight))])
        y_true = trees.map_structure(lambda y: self._labels(to_tensor(y, engine)), y_true, is_leaf=_is_data)
        y_pred = trees.map_structure(lambda y: to_tensor(y, engine, self.dtype), y_pred, is_leaf=_is_data)
        values = to_tensor(self.call(y_true, y_pred), engine, self.dtype)
        ignored = self._valid(y_true, values)
        if ignored is not None:
            mask = ignored if mask is None else _both(mask, ignored)
        return reduce_weighted(values, sample_weight, mask, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses before weighting and reduction: one number a sample."""
        raise NotImplementedError(f"{type(self).__name__} must implement call(y_true, y_pred).")

    def _labels(self, y_true: Any) -> Any:
        return to_tensor(y_true, engine_of((y_true,)), self.dtype)

    def _valid(self, y_true: Any, values: Any) -> Any:
        """Which values count, where the labels decide it; None: all."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        config: dict[str, Any] = {"name": self.name, "reduction": self.reduction}
        if self.dtype != floatx():
            config["dtype"] = self.dtype
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Make one from its configuration."""
        return cls(**config)


def _is_data(y: Any) -> bool:
    """Lists of numbers are data; lists, tuples and dicts of tensors are structures."""
    return isinstance(y, (list, tuple)) and all(
        item.__class__ in (int, float, bool) or (isinstance(item, (list, tuple)) and _is_data(item))
        for item in y
    )


def _both(mask: Any, valid: Any) -> Any:
    return ops.logical_and(beside(valid, mask, "mask"), valid)


class LossFunctionWrapper(Loss):
    """A loss made of a function `(y_true, y_pred, **options) -> one value a sample`.

    Args:
        fn: The function.
        reduction: See `Loss`.
        name: A label.
        dtype: See `Loss`.
        kwargs: Options handed to `fn`.

    Example:
        >>> from kerasish.losses import mean_squared_error
        >>> float(LossFunctionWrapper(mean_squared_error)([[1.0]], [[3.0]]))
        4.0
    """

    #: Options left out of the config while they have this value, as Keras leaves them out.
    _unwritten: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._options = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self._options)

    def get_config(self) -> dict[str, Any]:
        options = {
            key: serialize_keras_object(value)
            for key, value in self._options.items()
            if key not in self._unwritten or self._unwritten[key] != value
        }
        config = {**super().get_config(), **options}
        if type(self) is LossFunctionWrapper:
            config["fn"] = serialize_keras_object(self.fn)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        if "fn" in config:
            config = {**config, "fn": deserialize_keras_object(config["fn"])}
        return cls(**config)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self._options.items())
        return f"<{type(self).__name__}({options})>"


def keeps_integers(y_true: Any, dtype: str) -> Any:
    """Integer labels as they are (a float32 cannot hold all of them), anything else in `dtype`."""
    engine = engine_of((y_true,))
    return y_true if dtypes.is_integer(engine.dtype_of(y_true)) else to_tensor(y_true, engine, dtype)
