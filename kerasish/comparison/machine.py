"""On what machine something was measured: cores, processor, vector units, memory. No host name, no paths."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

#: Flags of processors that say how fast numbers can be crunched, in the spelling of Linux.
VECTOR_FLAGS = (
    "sse4_2", "avx", "fma", "f16c", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "neon", "asimd", "asimdhp", "asimddp", "bf16",
    "i8mm", "sve", "sve2", "sme",
)  # fmt: skip


def cpu_features() -> list[str]:
    """The vector flags of this processor that the system tells of."""
    info = _cpu_info()
    present = set(f"{info.get('flags', '')} {info.get('Features', '')}".split())
    return [flag for flag in VECTOR_FLAGS if flag in present]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """The facts that a measurement needs beside it."""
    info = _cpu_info()
    return {
        "cores": cores(),
        "processor": info.get("model name") or platform.processor() or platform.machine(),
        "cpu_features": cpu_features(),
        "memory_bytes": _memory(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _cpu_info() -> dict[str, str]:
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
