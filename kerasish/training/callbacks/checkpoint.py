"""Callbacks that write the model to disk while it is trained."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from kerasish.core.errors import ArgumentError, SavingError
from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.monitor import Monitor


def _save_freq(value: Any, owner: str) -> Any:
    if value != "epoch" and (not isinstance(value, int) or value < 1):
        raise ArgumentError(
            "Unknown `save_freq`.", where=owner, expected="'epoch' or a number of batches", received=value
        )
    return value


class ModelCheckpoint(Callback):
    """Saves the model, or its weights, as training goes on.

    Args:
        filepath: Ends in `.keras` (or `.weights.h5` with `save_weights_only`); may hold names of the logs:
            "m-{epoch:02d}-{val_loss:.2f}.keras".
        monitor: Name in the logs, for `save_best_only`.
        verbose: 1 prints a line a save.
        save_best_only: Whether to save only when `monitor` improves.
        save_weights_only: Whether to save weights only.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or every so many batches.
        initial_value_threshold: What the first saved model must be better than.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> kept = ModelCheckpoint("best.keras", monitor="loss", save_best_only=True)
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[kept])
        >>> kerasish.models.load_model("best.keras").count_params()
        3
    """

    remembered: ClassVar[tuple[str, ...]] = ("best", "_batches")

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__()
        self.filepath = str(filepath)
        suffix = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(suffix):
            raise ArgumentError(
                f"The path must end in {suffix!r}.",
                where="ModelCheckpoint",
                received=self.filepath,
                hint="save_weights_only=True goes with .weights.h5, whole models with .keras",
            )
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = _save_freq(save_freq, "ModelCheckpoint")
        self._watch = Monitor(monitor, mode, 0.0, "ModelCheckpoint")
        self.best = self._watch.worst if initial_value_threshold is None else initial_value_threshold
        self._epoch = 0
        self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches >= self.save_freq:
            self._batches = 0
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: Any) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only:
            value = self._watch.read(logs)
            if value is None or not self._watch.better(value, self.best):
                return
            if self.verbose:
                sys.stdout.write(
                    f"\nEpoch {epoch + 1}: {self.monitor} improved from {self.best:.5f} to {value:.5f}, saving {path}\n"
                )
            self.best = value
        elif self.verbose:
            sys.stdout.write(f"\nEpoch {epoch + 1}: saving {path}\n")
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, batch: int | None, logs: Any) -> str:
        names = {**dict(logs or {}), "epoch": epoch + 1}
        if batch is not None:
            names["batch"] = batch + 1
        try:
            return self.filepath.format(**names)
        except KeyError as error:
            raise ArgumentError(
                f"`filepath` names {error.args[0]!r}, which is not in the logs.",
                where="ModelCheckpoint",
                received=self.filepath,
                expected=f"one of {sorted(names)}",
            ) from None


class BackupAndRestore(Callback):
    """Goes on where an interrupted training stopped: run the same script again, on any engine.

    Weights, optimizer state, random streams, the order of samples, what other callbacks remember and the place in the
    training are written to `backup_dir`, as one file that is replaced at once; they are read from it at the start.
    Epochs that were finished are not repeated; of one that was not, the batches up to the last backup are not.

    Args:
        backup_dir: A folder of its own.
        save_freq: "epoch", or every so many batches.
        double_checkpoint: Whether to keep the backup before the last, in case the last cannot be read.
        delete_checkpoint: Whether to delete the backup when training ends.

    Example:
        >>> backup = BackupAndRestore("backup", save_freq=1000)  # model.fit(..., callbacks=[backup])
    """

    comes_last: ClassVar[bool] = True

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not str(backup_dir):
            raise ArgumentError("`backup_dir` must not be empty.", where="BackupAndRestore")
        self.backup_dir = Path(backup_dir)
        self.save_freq = _save_freq(save_freq, "BackupAndRestore")
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._batches = 0

    @property
    def _weights(self) -> Path:
        return self.backup_dir / "latest.weights.h5"

    @property
    def _facts(self) -> Path:
        return self.backup_dir / "training_metadata.json"

    def on_train_begin(self, logs: Any = None) -> None:
        self._batches = 0
        for weights, facts in self._candidates():
            if not weights.exists():
                continue
            try:
                self.model.load_weights(weights)
                self.model.resume_training(self._epoch_of(facts))
            except (SavingError, ValueError) as error:
                sys.stdout.write(f"The backup {weights} cannot be read ({error}); trying the one before.\n")
                continue
            return

    def _candidates(self) -> list[tuple[Path, Path]]:
        pairs = [(self._weights, self._facts)]
        if self.double_checkpoint:
            pairs.append((_previous(self._weights), _previous(self._facts)))
        return pairs

    def _epoch_of(self, facts: Path) -> int:
        """The epoch noted beside weights that say nothing themselves: those of Keras."""
        if not facts.exists():
            return 0
        return int(json.loads(facts.read_text(encoding="utf-8"))["epoch"])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.save_freq != "epoch":
            self._batches += 1
            if self._batches >= self.save_freq:
                self._batches = 0
                self._save()

    def _save(self) -> None:
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._weights.exists():
            shutil.copy(self._weights, _previous(self._weights))
            if self._facts.exists():
                shutil.copy(self._facts, _previous(self._facts))
        # The weights' file holds the place in the training too: nothing can come between the two.
        self.model.save_weights(self._weights, overwrite=True)
        progress = self.model.training_progress()
        temporary = self._facts.with_suffix(".part")
        temporary.write_text(json.dumps({"epoch": progress.epoch, "batch": progress.batch}), encoding="utf-8")
        temporary.replace(self._facts)

    def on_train_end(self, logs: Any = None) -> None:
        if self.delete_checkpoint and self.backup_dir.exists():
            shutil.rmtree(self.backup_dir)


def _previous(path: Path) -> Path:
    return path.with_name(f"previous.{path.name}")
