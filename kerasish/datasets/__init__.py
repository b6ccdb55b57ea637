"""Small datasets that ship with kerasish: nothing is downloaded. Each loads on first use.

Sources and licences: `docs/datasets.md`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["digits"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)} and downloads nothing: "
        "load other data with a library that has them (scikit-learn, torchvision, keras) and pass the arrays to fit"
    )


def __dir__() -> list[str]:
    return __all__
