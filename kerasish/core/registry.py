"""Which engines there are, which one is in force, and which engine a tensor belongs to."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from kerasish.core.contract import Engine, EngineInfo
from kerasish.core.errors import ArgumentError, EngineMismatchError, UnknownBackendError

GROUP = "kerasish.backends"
ENVIRONMENT = "KERASISH_BACKEND"
FALLBACK = "native"

_lock = threading.RLock()
_extra: dict[str, EngineInfo] = {}
_engines: dict[str, Engine] = {}
_default: Engine | None = None
_scoped: ContextVar[Engine | None] = ContextVar("kerasish_engine", default=None)
_device: ContextVar[str | None] = ContextVar("kerasish_device", default=None)

# type -> engine that owns tensors of the type; None for host data (NumPy arrays, lists, scalars ...).
TABLE: dict[type, Engine | None] = dict.fromkeys(
    (np.ndarray, float, int, bool, list, tuple, dict, str, type(None))
)


@functools.cache
def _discovered() -> dict[str, EngineInfo]:
    found: dict[str, EngineInfo] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        info = point.load()
        found.setdefault(info.name, info)
    return found


def engine_infos() -> dict[str, EngineInfo]:
    """All registered engines by name. Imports no framework."""
    return {**_discovered(), **_extra}


def register_engine(info: EngineInfo) -> None:
    """Register an engine in this process, without an entry point (tests, notebooks)."""
    with _lock:
        _extra[info.name] = info
        _engines.pop(info.name, None)


def available_backends() -> list[str]:
    """Names of the engines whose requirements are installed, native first.

    Example:
        >>> "native" in available_backends()
        True
    """
    names = [name for name, info in engine_infos().items() if not info.missing()]
    return sorted(names, key=lambda name: (name != FALLBACK, name))


def get_engine(name: str | Engine) -> Engine:
    """The engine of that name, built on first use; one instance a process.

    Raises:
        UnknownBackendError: Nothing of that name is registered.
        BackendNotInstalledError: Its framework is missing.
    """
    if isinstance(name, Engine):
        return name
    engine = _engines.get(name)
    if engine is None:
        with _lock:
            if name not in _engines:
                infos = engine_infos()
                if name not in infos:
                    raise UnknownBackendError.of("backend", name, infos)
                _engines[name] = infos[name].build()
            engine = _engines[name]
    return engine


def host_engine() -> Engine:
    """The engine whose tensors are NumPy arrays: initial weights and shuffles are drawn on it."""
    return get_engine(FALLBACK)


def current_engine() -> Engine:
    """The engine in force: `use_backend` scope > `set_backend` > KERASISH_BACKEND > native."""
    scoped = _scoped.get()
    if scoped is not None:
        return scoped
    if _default is None:
        set_backend(os.environ.get(ENVIRONMENT) or FALLBACK)
    return _default  # type: ignore[return-value]


def set_backend(name: str) -> None:
    """Make `name` the default engine of the whole process, seen by every thread.

    Raises:
        UnknownBackendError: Nothing of that name is registered.
        BackendNotInstalledError: Its framework is missing.

    Example:
        >>> set_backend("native")
        >>> backend()
        'native'
    """
    global _default
    _default = get_engine(name)


def backend() -> str:
    """Name of the engine in force.

    Example:
        >>> backend()
        'native'
    """
    return current_engine().name


@contextmanager
def use_backend(name: str | Engine) -> Iterator[Engine]:
    """Use an engine within a `with` block, in this thread or task only.

    Example:
        >>> with use_backend("native"):
        ...     backend()
        'native'
    """
    engine = get_engine(name)
    token = _scoped.set(engine)
    try:
        yield engine
    finally:
        _scoped.reset(token)


def devices(kind: str | None = None) -> list[str]:
    """Devices of the engine in force, best first; `kind` "cpu" or "gpu" filters them.

    Example:
        >>> devices("cpu")
        ['cpu:0']
    """
    found = current_engine().devices()
    return [d for d in found if kind is None or d.startswith(kind.lower() + ":")]


@contextmanager
def device(name: str) -> Iterator[None]:
    """Put tensors and variables made within the block on a device such as "cpu:0" or "gpu:0".

    Raises:
        ArgumentError: The engine in force has no such device.

    Example:
        >>> import kerasish
        >>> with kerasish.device("cpu:0"):
        ...     x = kerasish.ops.ones(3)
        >>> x.shape
        (3,)
    """
    wanted = name.lower()
    wanted = wanted if ":" in wanted else f"{wanted}:0"
    known = current_engine().devices()
    if wanted not in known:
        raise ArgumentError(f"No device {name!r} on the {backend()} engine.", expected=f"one of {known}")
    token = _device.set(wanted)
    try:
        yield
    finally:
        _device.reset(token)


def current_device() -> str | None:
    """The device of the surrounding `device` block, or None for the engine's default."""
    return _device.get()


def discover(kind: type, x: object) -> Engine | None:
    """Find which engine owns objects of type `kind`, and remember it."""
    # NumPy's scalars and memory maps are host data, also where an engine's tensors are arrays.
    owner = None if issubclass(kind, (np.generic, np.ndarray)) else _owner(kind, x)
    TABLE[kind] = owner
    return owner


def _owner(kind: type, x: object) -> Engine | None:
    for engine in list(_engines.values()):
        if engine.is_tensor(x):
            return engine
    module = kind.__module__.partition(".")[0]
    for name, info in engine_infos().items():
        # A tensor of a framework whose engine was not built yet: build it now, its framework is loaded already.
        if any(required.partition(".")[0] == module.removesuffix("lib") for required in info.requires):
            engine = get_engine(name)
            return engine if engine.is_tensor(x) else None
    return None


def engine_of(args: Iterable[Any]) -> Engine:
    """The engine that runs an operation on `args`: the owner with the highest priority, else the one in force.

    Raises:
        EngineMismatchError: Two engines of equal priority own arguments.
    """
    return engine_among(args) or current_engine()


def engine_among(args: Iterable[Any]) -> Engine | None:
    """The owner of highest priority among `args` and, in lists and tuples of them, their items; None without any.

    Raises:
        EngineMismatchError: Two engines of equal priority own arguments.
    """
    best: Engine | None = None
    for x in args:
        kind = x.__class__
        engine = TABLE[kind] if kind in TABLE else discover(kind, x)
        if engine is None:
            if kind is list or kind is tuple:
                engine = engine_among(x)
            if engine is None:
                continue
        if engine is best:
            continue
        if best is None or engine.priority > best.priority:
            best = engine
        elif engine.priority == best.priority:
            raise EngineMismatchError(
                f"Tensors of two engines meet: {best.name} and {engine.name}.",
                hint="convert one with kerasish.ops.convert_to_numpy, or move the model with model.to_backend",
            )
    return best
