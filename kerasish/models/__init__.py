"""Models: Sequential, Functional and subclassed; cloning, saving, loading."""

from typing import TYPE_CHECKING, Any

from kerasish.models.cloning import clone_model
from kerasish.models.model import Functional, Model
from kerasish.models.sequential import Sequential

if TYPE_CHECKING:
    from kerasish.saving.model_files import load_model, model_from_json, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kerasish.saving import model_files  # see `Model.save`: not loaded before it is used

    return getattr(model_files, name)
