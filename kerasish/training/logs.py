"""Logs that are computed when somebody reads them: until then nobody waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class LazyLogs(dict[str, Any]):
    """A dict of floats that is filled on the first read.

    Args:
        compute: Returns the dict; may wait for the device.
    """

    def __init__(self, compute: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._compute: Callable[[], dict[str, Any]] | None = compute

    def _fill(self) -> None:
        if self._compute is not None:
            compute, self._compute = self._compute, None
            values = compute()
            for key, value in values.items():
                super().setdefault(key, value)

    def __getitem__(self, key: str) -> Any:
        self._fill()
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return super().__iter__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def __contains__(self, key: object) -> bool:
        self._fill()
        return super().__contains__(key)

    def __eq__(self, other: object) -> bool:
        self._fill()
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        self._fill()
        return super().__repr__()

    def get(self, key: str, default: Any = None) -> Any:
        self._fill()
        return super().get(key, default)

    def keys(self) -> Any:
        self._fill()
        return super().keys()

    def values(self) -> Any:
        self._fill()
        return super().values()

    def items(self) -> Any:
        self._fill()
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._fill()
        return dict(self)

    def pop(self, *args: Any) -> Any:
        self._fill()
        return super().pop(*args)

    def __or__(self, other: Any) -> Any:
        self._fill()
        return dict(self) | dict(other)
