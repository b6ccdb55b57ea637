"""kerasish: Keras-style models on pluggable engines (native, torch, jax, tensorflow).

Importing it loads NumPy and nothing heavier; everything below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULES = (
    "activations",
    "backend",
    "callbacks",
    "comparison",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "testing",
    "tree",
    "utils",
    "visualization",
)

# public name -> (module, name in it)
_NAMES = {
    "BackendNotInstalledError": ("kerasish.core.errors", "BackendNotInstalledError"),
    "DTypePolicy": ("kerasish.core.dtype_policy", "DTypePolicy"),
    "FloatDTypePolicy": ("kerasish.core.dtype_policy", "DTypePolicy"),
    "Functional": ("kerasish.models", "Functional"),
    "Initializer": ("kerasish.initializers", "Initializer"),
    "Input": ("kerasish.layers", "Input"),
    "InputSpec": ("kerasish.layers", "InputSpec"),
    "KerasTensor": ("kerasish.core.symbolic", "SymbolicTensor"),
    "KerasishError": ("kerasish.core.errors", "KerasishError"),
    "Layer": ("kerasish.layers", "Layer"),
    "Loss": ("kerasish.losses", "Loss"),
    "Metric": ("kerasish.metrics", "Metric"),
    "Model": ("kerasish.models", "Model"),
    "Optimizer": ("kerasish.optimizers", "Optimizer"),
    "Regularizer": ("kerasish.regularizers", "Regularizer"),
    "Sequential": ("kerasish.models", "Sequential"),
    "Variable": ("kerasish.ops", "Variable"),
    "available_backends": ("kerasish.core.registry", "available_backends"),
    "compare": ("kerasish.comparison", "compare"),
    "device": ("kerasish.core.registry", "device"),
    "devices": ("kerasish.core.registry", "devices"),
    "diff": ("kerasish.diagnosis", "diff"),
    "set_backend": ("kerasish.core.registry", "set_backend"),
    "use_backend": ("kerasish.core.registry", "use_backend"),
    "version": ("kerasish.config", "version"),
}

__all__ = sorted(["__version__", *_MODULES, *_NAMES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(f"kerasish.{name}")
    elif name in _NAMES:
        module, attribute = _NAMES[name]
        value = getattr(importlib.import_module(module), attribute)
    else:
        importlib.import_module("kerasish.core.absent").explaining(__name__)(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from kerasish import activations as activations
    from kerasish import callbacks as callbacks
    from kerasish import initializers as initializers
    from kerasish import layers as layers
    from kerasish import losses as losses
    from kerasish import metrics as metrics
    from kerasish import models as models
    from kerasish import ops as ops
    from kerasish import optimizers as optimizers
    from kerasish.core.registry import available_backends as available_backends
    from kerasish.core.registry import device as device
    from kerasish.core.registry import devices as devices
    from kerasish.core.registry import set_backend as set_backend
    from kerasish.core.registry import use_backend as use_backend
    from kerasish.core.symbolic import SymbolicTensor as KerasTensor  # noqa: F401
    from kerasish.core.variable import Variable as Variable
    from kerasish.diagnosis import diff as diff
    from kerasish.layers import Input as Input
    from kerasish.layers import Layer as Layer
    from kerasish.models import Functional as Functional
    from kerasish.models import Model as Model
    from kerasish.models import Sequential as Sequential
