"""Models: Sequential, Functional and subclassed; cloning, saving, loading."""

from kerasish.models.cloning import clone_model
from kerasish.models.model import Functional, Model
from kerasish.models.sequential import Sequential
from kerasish.saving.model_files import load_model, model_from_json, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
