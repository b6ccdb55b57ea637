"""Callbacks."""

from kerasish.training.callbacks.averaging import SwapEMAWeights
from kerasish.training.callbacks.callback import Callback
from kerasish.training.callbacks.callback_list import CallbackList
from kerasish.training.callbacks.checkpoint import BackupAndRestore, ModelCheckpoint
from kerasish.training.callbacks.history import History
from kerasish.training.callbacks.progress import ProgbarLogger
from kerasish.training.callbacks.recording import CSVLogger, LambdaCallback, RemoteMonitor
from kerasish.training.callbacks.schedule import LearningRateScheduler, ReduceLROnPlateau
from kerasish.training.callbacks.stopping import EarlyStopping, TerminateOnNaN
from kerasish.training.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
