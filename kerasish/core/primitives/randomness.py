"""Counter-based random bits: the same function of (key, draw, shape) on every engine.

With words k = key (uint32, shape (2,)), n elements and h = ⌈n/2⌉: block i is (a_i, b_i) = threefry2x32(k, (i, 2·draw))
with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011); the words are
a_0 … a_{h-1} b_0 … b_{h-1}, cut to n, in row-major order.

An engine may offer its own generator beside it, for those who would rather have the time than the same numbers.
"""

from __future__ import annotations

from typing import Any

from kerasish.core import shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.primitive import primitive


@primitive
def random_bits(key: Any, /, *, shape: shapes.Shape, draw: int) -> Any:
    """uint32 words."""
    return AbstractTensor(shape, "uint32")


@primitive
def random_uniform(key: Any, /, *, shape: shapes.Shape, draw: int) -> Any:
    """float32 in [0, 1): (bits >> 8) · 2⁻²⁴ exactly."""
    return AbstractTensor(shape, "float32")


@primitive(group="own randomness")
def own_uniform(key: Any, /, *, shape: shapes.Shape, draw: int) -> Any:
    """float32 in [0, 1) from the engine's own generator: equal for equal (key, draw), others for others.

    Optional. `Engine.own_randomness_on` names the devices where it is taken unless the user decides.
    """
    return AbstractTensor(shape, "float32")
