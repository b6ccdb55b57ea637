"""Real Keras under the name kerasish: what `import kerasish as keras` gives to a script timed on Keras itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kerasish import datasets

NAME = "kerasish"


@contextmanager
def standing_in(api: ModuleType) -> Iterator[None]:
    """Within the block, importing kerasish or a part of it gives `api` or that part of it.

    Data sets that kerasish ships and `api` lacks are lent to it: they hold arrays and nothing of an engine.
    """
    if api.__name__ == NAME:
        yield
        return
    for name in datasets.__all__:
        if not hasattr(api.datasets, name):
            setattr(api.datasets, name, getattr(datasets, name))
    ours = _named(NAME)
    for name in ours:
        del sys.modules[name]
    sys.modules.update({NAME + name[len(api.__name__) :]: m for name, m in _named(api.__name__).items()})
    for name in datasets.__all__:
        sys.modules.setdefault(f"{NAME}.datasets.{name}", getattr(api.datasets, name))
    try:
        yield
    finally:
        for name in _named(NAME):
            del sys.modules[name]
        sys.modules.update(ours)


def _named(package: str) -> dict[str, ModuleType]:
    return {name: m for name, m in sys.modules.items() if name == package or name.startswith(f"{package}.")}
