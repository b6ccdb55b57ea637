"""Callbacks that hand the numbers on: to a file, a server, a function."""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasish.training.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes a row an epoch.

    Args:
        filename: The file.
        separator: Between columns.
        append: Whether to go on with an existing file.

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[CSVLogger("log.csv")])
        >>> with open("log.csv") as file:
        ...     print(file.readline().strip())
        epoch,loss
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = Path(filename)
        self.sep = separator
        self.append = append
        self._file: Any = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self._file = self.filename.open("a+" if self.append else "w+", newline="", encoding="utf-8")
        self._file.seek(0)
        self._columns = next(csv.reader(self._file, delimiter=self.sep), [])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        row = {"epoch": epoch, **{key: _plain(value) for key, value in (logs or {}).items()}}
        new = [name for name in ("epoch", *sorted(logs or {})) if name not in self._columns]
        if new:
            self._add_columns(new)
        self._file.seek(0, os.SEEK_END)
        self._rows().writerow(row)
        self._file.flush()

    def _rows(self) -> csv.DictWriter[str]:
        return csv.DictWriter(
            self._file, self._columns, restval="NA", delimiter=self.sep, extrasaction="ignore"
        )

    def _add_columns(self, names: list[str]) -> None:
        """Write the file anew: not every epoch has the same numbers (`validation_freq`, a file that goes on)."""
        self._file.seek(0)
        earlier = list(csv.DictReader(self._file, delimiter=self.sep))
        self._columns += names
        self._file.seek(0)
        self._file.truncate()
        rows = self._rows()
        rows.writeheader()
        rows.writerows(earlier)

    def on_train_end(self, logs: Any = None) -> None:
        self._file.close()


def _plain(value: Any) -> Any:
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, np.ndarray) and value.ndim else value


class RemoteMonitor(Callback):
    """Posts the numbers of each epoch to a server, as JSON.

    Args:
        root: Address of the server.
        path: Below it.
        field: Name of the form field, unless `send_as_json`.
        headers: Further HTTP headers.
        send_as_json: Whether the body is JSON, rather than a form with one field of JSON.

    Example:
        >>> watch = RemoteMonitor("http://localhost:9000", path="/epochs", send_as_json=True)
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        import urllib.parse  # these two load the whole of TLS
        import urllib.request

        text = json.dumps(
            {"epoch": epoch, **{k: v for k, v in (logs or {}).items() if isinstance(v, (int, float))}}
        )
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body, kind = (
                urllib.parse.urlencode({self.field: text}).encode(),
                "application/x-www-form-urlencoded",
            )
        request = urllib.request.Request(
            self.root + self.path, data=body, headers={"Content-Type": kind, **(self.headers or {})}
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except OSError as error:
            warnings.warn(f"RemoteMonitor could not reach {self.root}: {error}", UserWarning, stacklevel=2)


class LambdaCallback(Callback):
    """A callback put together from functions.

    Args:
        on_epoch_begin, on_epoch_end: Called with (epoch, logs).
        on_train_begin, on_train_end: Called with (logs).
        on_train_batch_begin, on_train_batch_end: Called with (batch, logs).

    Example:
        >>> import numpy as np, kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> shown = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, list(logs)))
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[shown])
        0 ['loss']
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if function is not None:
                setattr(self, name, function)
