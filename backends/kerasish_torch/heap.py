"""The C library's heap: torch allocates each result anew, so memory that is given back is paid for at every step.

glibc returns the end of its heap to the system as soon as 128 KiB there are free, and maps large blocks one by one. The
kernel then clears each page again at the next step: a third of a small convnet's. Raised thresholds keep the memory.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# <malloc.h>
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: Bytes: free memory kept at the heap's end, and blocks from this size on mapped alone (the largest that glibc takes).
KEPT, MAPPED = 256 << 20, 32 << 20
#: A user who sets one of these has chosen.
_CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Raise glibc's thresholds in this process; whether that was done: not elsewhere than on glibc, nor against a user.

    Source: mallopt(3).
    """
    if os.name != "posix" or any(name in environment for name in _CHOSEN):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(_MMAP_THRESHOLD, MAPPED)) and bool(libc.mallopt(_TRIM_THRESHOLD, KEPT))
