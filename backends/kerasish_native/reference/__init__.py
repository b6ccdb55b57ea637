"""The readable NumPy version of every primitive: definition, oracle of the tests, and float64-capable.

Kernels take and give `np.ndarray` (never NumPy scalars) of the exact dtype, never write to their arguments, and may
return views of them. They may warn as NumPy does: callers silence floating-point warnings once around many calls.
"""

from __future__ import annotations

from kerasish_native.reference import (
    attention,
    elementwise,
    linalg,
    randomness,
    recurrent,
    reductions,
    shaping,
    windows,
)
from kerasish_native.reference.elementwise import Kernel

#: name -> kernel of every primitive but control flow (see `kerasish_native.control`).
KERNELS: dict[str, Kernel] = {
    **elementwise.KERNELS,
    **reductions.KERNELS,
    **shaping.KERNELS,
    **linalg.KERNELS,
    **windows.KERNELS,
    **randomness.KERNELS,
}
#: name -> kernel of the engine's own primitives.
PRIVATE: dict[str, Kernel] = {
    **shaping.PRIVATE,
    **windows.PRIVATE,
    **linalg.PRIVATE,
    **recurrent.PRIVATE,
    **attention.PRIVATE,
}
