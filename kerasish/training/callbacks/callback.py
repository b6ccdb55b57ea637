"""`Callback`: the events of training, and the list that hands them on."""

from __future__ import annotations

from typing import Any, ClassVar


class Callback:
    """Something that is told what happens during fit, evaluate and predict.

    | event | when | logs |
    |---|---|---|
    | `on_train_begin/end` | once a fit | at the end: the last epoch's |
    | `on_epoch_begin/end(epoch)` | each epoch | at the end: losses and metrics, `val_...` included |
    | `on_train_batch_begin/end(batch)` | each step (each `steps_per_execution` steps) | losses and metrics so far |
    | `on_test_begin/end`, `on_test_batch_begin/end(batch)` | evaluate and validation | likewise |
    | `on_predict_begin/end`, `on_predict_batch_begin/end(batch)` | predict | `outputs` |

    Logs of batches are computed when they are read: a callback that does not look does not slow training down.

    A callback that remembers something from one epoch to the next names it in `remembered`: it is saved with the model
    during a training, and put back where that training goes on in another process or from a file.

    Attributes:
        model: The model.
        params: `epochs`, `steps` (batches an epoch, None if not known) and `verbose`.
        remembered: Names of attributes: numbers, strings, None, arrays, and lists and dicts of them.
        comes_last: Whether it hears of the end of epochs and batches after all others, whatever its place in the list.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> class Print(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(epoch, sorted(logs))
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[Print()])
        0 ['loss']
    """

    remembered: ClassVar[tuple[str, ...]] = ()
    comes_last: ClassVar[bool] = False

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model being trained."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called by the trainer."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called by the trainer."""
        self._model = model

    def get_state(self) -> dict[str, Any]:
        """What it remembers, by name."""
        return {name: getattr(self, name) for name in self.remembered if hasattr(self, name)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` gave."""
        for name in self.remembered:
            if name in state:
                setattr(self, name, state[name])

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Alias of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Alias of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """An epoch has ended."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A step of training begins."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step of training has ended."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A step of evaluation begins."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step of evaluation has ended."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A step of prediction begins."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step of prediction has ended."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Any = None) -> None:
        """Training has ended."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Evaluation begins."""

    def on_test_end(self, logs: Any = None) -> None:
        """Evaluation has ended."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Prediction begins."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Prediction has ended."""
