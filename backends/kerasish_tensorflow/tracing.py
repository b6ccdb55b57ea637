"""What is known about the graph being traced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_XLA: ContextVar[bool] = ContextVar("kerasish_tensorflow_xla", default=False)


def xla_active() -> bool:
    """Whether what is traced now will be compiled by XLA."""
    return _XLA.get()


@contextmanager
def tracing_for(xla: bool) -> Iterator[None]:
    """Trace for XLA, or not."""
    token = _XLA.set(xla)
    try:
        yield
    finally:
        _XLA.reset(token)
