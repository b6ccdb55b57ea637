"""How long a script makes models: time in the outermost calls that construct, build or compile, before any fit."""

from __future__ import annotations

import functools
import inspect
import time
from typing import Any

#: Class of an API -> its methods that make or prepare a model.
_METHODS = {
    "Layer": ("__init__", "__call__", "build"),
    "Model": ("__init__", "build", "compile"),
    "Sequential": ("__init__", "add", "build"),
    "Functional": ("__init__",),
}
_ABSENT = object()


class BuildTimer:
    """Times the methods above of an API's classes until `stop`, counting nested calls once.

    Args:
        api: The module: kerasish or keras.
    """

    def __init__(self, api: Any) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._kept: list[tuple[type, str, Any]] = []
        for kind, names in _METHODS.items():
            cls = getattr(api, kind, None) or getattr(api.models, kind, None)
            for name in names if cls is not None else ():
                self._wrap(cls, name)

    def _wrap(self, cls: Any, name: str) -> None:
        method = getattr(cls, name)
        self._kept.append((cls, name, vars(cls).get(name, _ABSENT)))

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return method(*args, **kwargs)
            self._depth += 1
            start = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self._depth -= 1

        timed.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]  # configs are read off it
        setattr(cls, name, timed)

    def stop(self) -> None:
        """Take the timers out again: training must not pay for them."""
        for cls, name, original in reversed(self._kept):
            if original is _ABSENT:
                delattr(cls, name)
            else:
                setattr(cls, name, original)
        self._kept = []
