"""Attention layers."""

from kerasish.layers.attention.grouped_query import GroupQueryAttention
from kerasish.layers.attention.multi_head import MultiHeadAttention
from kerasish.layers.attention.scores import AdditiveAttention, Attention

__all__ = ["AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"]
