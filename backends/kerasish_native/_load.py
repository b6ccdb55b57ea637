"""Finds the compiled kernels. The only place that imports `kerasish_native._kernels`.

The kernels are optional: where no C++ compiler was present at install, kerasish is installed without them and the
native engine runs on its NumPy reference kernels. The user is told once, when the engine first asks.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from types import ModuleType

_MODULE = "kerasish_native._kernels"

#: What to do where the kernels are missing.
REMEDY = (
    "To build them, install a C++17 compiler (for example g++) and reinstall: "
    "pip install --force-reinstall --no-deps --no-cache-dir kerasish (in a checkout: pip install -e .)."
)


class KernelsNotBuiltWarning(UserWarning):
    """The native engine runs without its compiled kernels."""


@functools.cache
def load_kernels() -> ModuleType | None:
    """The compiled kernels, or None where they are absent or cannot be loaded.

    Call it when kernels are first needed, never while a module is imported. The answer is kept; a missing module
    warns once per process.
    """
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        warnings.warn(_notice(error), KernelsNotBuiltWarning, stacklevel=2)
        return None


def _notice(error: ImportError) -> str:
    is_absent = isinstance(error, ModuleNotFoundError) and error.name == _MODULE
    found = "were not built when kerasish was installed" if is_absent else f"could not be loaded ({error})"
    return f"The compiled kernels of the native engine {found}. Everything works, but much slower. {REMEDY}"
