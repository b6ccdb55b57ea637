"""`SwapEMAWeights`: evaluate and save with averaged weights."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish.core.errors import ArgumentError
from kerasish.training.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving average of the weights in place of the weights, during evaluation and prediction.

    Args:
        swap_on_epoch: Whether to do so at the end of each epoch too (and back at the start of the next), so that later
            callbacks see averaged weights.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile(kerasish.optimizers.SGD(use_ema=True), "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[SwapEMAWeights()])
    """

    remembered: ClassVar[tuple[str, ...]] = ("_swapped",)

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch

    def _optimizer(self) -> Any:
        optimizer = self.model.optimizer
        return getattr(optimizer, "inner_optimizer", optimizer)

    @property
    def _swapped(self) -> bool:
        # The optimizer knows: what it does at the end of training depends on it, and an interrupted fit leaves it so.
        return bool(getattr(self._optimizer(), "averages_swapped", False))

    @_swapped.setter
    def _swapped(self, value: bool) -> None:
        self._optimizer().averages_swapped = value

    def _averages(self) -> Any:
        optimizer = self._optimizer()
        if not getattr(optimizer, "use_ema", False):
            raise ArgumentError(
                "SwapEMAWeights needs an optimizer that averages weights.",
                hint="use_ema=True, e.g. Adam(use_ema=True)",
            )
        return [
            (v, a)
            for v, a in zip(optimizer._trainable_variables, optimizer._averages, strict=True)
            if a is not None
        ]

    def _swap(self, to_averages: bool) -> None:
        if to_averages == self._swapped or self.model.optimizer is None or not self.model.optimizer.built:
            return
        for variable, average in self._averages():
            variable._value, average._value = average._value, variable._value
        self._swapped = to_averages

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._swap(self.swap_on_epoch)

    def on_test_begin(self, logs: Any = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Any = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Any = None) -> None:
        self._swap(False)
