"""Puts other kernels in the place of the installed ones: `make asan` sets PYTHONPATH to this folder.

Python imports a module of this name before anything else, in the processes that tests start as well.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

NAME = "kerasish_native._kernels"


class BuiltKernels:
    """Finds the kernels in the folder that KERASISH_TEST_KERNELS names, and nothing else."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != NAME:
            return None
        [built] = Path(os.environ["KERASISH_TEST_KERNELS"]).glob("_kernels*.so")
        return spec_from_file_location(name, built.resolve())


sys.meta_path.insert(0, BuiltKernels)
