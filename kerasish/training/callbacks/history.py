"""`History`: what `fit` returns."""

from __future__ import annotations

from typing import Any

from kerasish.core.errors import BackendNotInstalledError, UnknownNameError
from kerasish.training.callbacks.callback import Callback


class History(Callback):
    """The losses and metrics of each epoch.

    Attributes:
        history: Name -> list of values, one an epoch.
        epoch: The epochs recorded.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
        >>> history.epoch, len(history.history["loss"])
        ([0, 1, 2], 3)
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def plot(self, metrics: list[str] | None = None, figsize: tuple[float, float] | None = None) -> Any:
        """Training curves, one plot a metric, training and validation together.

        Args:
            metrics: Names to show; default all.
            figsize: Inches.

        Returns:
            A matplotlib Figure (shown by notebooks; `.savefig(path)` elsewhere).

        Raises:
            BackendNotInstalledError: matplotlib is missing.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise BackendNotInstalledError(
                "Plots need matplotlib.", where="History.plot", hint='pip install "kerasish[viz]"'
            ) from None
        names = metrics or [n for n in self.history if not n.startswith("val_") and n != "learning_rate"]
        for name in names:
            if name not in self.history:
                raise UnknownNameError.of("metric", name, self.history, where="History.plot")
        figure = Figure(figsize=figsize or (5.0 * max(len(names), 1), 3.6), layout="constrained")
        axes = figure.subplots(1, max(len(names), 1), squeeze=False)[0]
        epochs = [e + 1 for e in self.epoch]
        for axis, name in zip(axes, names, strict=False):
            axis.plot(epochs, self.history[name], marker="o", markersize=3, label="training")
            if f"val_{name}" in self.history:
                values = self.history[f"val_{name}"]
                axis.plot(epochs[-len(values) :], values, marker="s", markersize=3, label="validation")
            axis.set_xlabel("epoch")
            axis.set_title(name)
            axis.grid(visible=True, alpha=0.3)
            axis.legend()
        return figure
