"""Callbacks."""

from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.callback_list import CallbackList
from kerasish.training.callbacks.history import History
from kerasish.training.callbacks.progress import ProgbarLogger

__all__ = ["Callback", "CallbackList", "History", "ProgbarLogger"]
