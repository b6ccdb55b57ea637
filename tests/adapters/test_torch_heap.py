"""Memory that torch frees stays with the process: a step does not pay for its pages again."""

import os
import platform
import subprocess
import sys

import pytest

from kerasish_torch.heap import keep_freed_memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")

# Prints how many pages of 4 KiB the system hands out for 20 results of 6 MB, taken and freed in turn.
FAULTS = """
import resource
import kerasish
kerasish.set_backend("torch")
x = kerasish.ops.ones((1500, 1000))
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    y = x + 1.0
    z = y * 2.0
    del y, z
before = faults()
for _ in range(10):
    y = x + 1.0
    z = y * 2.0
    del y, z
print(faults() - before)
"""


def faults(**environment):
    given = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={**given, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_pages_are_handed_out_once():
    assert faults() < 100


def test_a_user_who_chose_is_left_alone():
    assert not keep_freed_memory({"MALLOC_TRIM_THRESHOLD_": "1000"})
    assert faults(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072") > 10_000
