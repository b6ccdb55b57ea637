"""Layers that go through sequences step by step."""

from kerasish.layers.recurrent.bidirectional import Bidirectional
from kerasish.layers.recurrent.cell import StackedRNNCells
from kerasish.layers.recurrent.gru import GRU, GRUCell
from kerasish.layers.recurrent.lstm import LSTM, LSTMCell
from kerasish.layers.recurrent.rnn import RNN
from kerasish.layers.recurrent.simple import SimpleRNN, SimpleRNNCell
from kerasish.layers.recurrent.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
]
