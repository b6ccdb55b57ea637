"""Nested structures: Keras' `keras.tree`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasish.core.absent import explaining
from kerasish.core.trees import (
    assert_same_structure,
    flatten,
    flatten_with_path,
    is_nested,
    map_structure,
    pack_sequence_as,
)

__all__ = [
    "assert_same_structure",
    "flatten",
    "flatten_with_path",
    "is_nested",
    "map_structure",
    "pack_sequence_as",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)
