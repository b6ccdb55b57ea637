"""One line that says on what the numbers were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

_PACKAGES = ("kerasish", "keras", "torch", "jax", "tensorflow", "tensorflow-cpu", "numpy")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")


def describe_machine(threads: int) -> str:
    """Return cores, processor, vector flags, versions and commit; no host name and no paths."""
    info = _cpu_info()
    flags = [flag for flag in _FLAGS if flag in info.get("flags", "").split()]
    versions = [f"{name} {version}" for name in _PACKAGES if (version := _version(name))]
    processor = info.get("model name", platform.machine())
    return (
        f"{processor}, {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores, {threads} threads, load "
        f"{os.getloadavg()[0]:.1f}, {' '.join(flags) or 'no vector flags known'} | Python {platform.python_version()}, "
        f"{', '.join(versions)} | commit {_commit()}"
    )


def _cpu_info() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none"
