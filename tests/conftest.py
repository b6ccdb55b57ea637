"""What every test stands on: a quiet, deterministic environment and the `engine` fixture.

    pytest --engine torch --engine jax     only these engines (default: all)
    pytest --engine strict                 on the engine that checks the call contract (`kerasish.testing.strict`)

Without a framework its tests are skipped; where CI=true a missing one is a failure.
"""

import os
import shutil
import tempfile
from pathlib import Path

# Before anything imports a framework, here and in the processes that tests start.
os.environ.pop("KERASISH_BACKEND", None)
os.environ["KERAS_BACKEND"] = "jax"  # of the oracle: one for each process, and JAX has every operation
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # one summation order, and no notice about it
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # engines share an accelerator
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("MPLBACKEND", "agg")

if "PYTEST_XDIST_WORKER" in os.environ:
    # One worker per CPU: frameworks that each start as many threads as there are CPUs would fight.
    for variable in (
        "KERASISH_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import pytest

from tests.compiled_programs import compiled_programs
from tests.libraries import absent

ENGINES = ("native", "torch", "jax", "tensorflow")


def pytest_addoption(parser):
    """Add `--engine NAME`, which may be repeated."""
    choices = (*ENGINES, "strict")
    parser.addoption("--engine", action="append", choices=choices, help="test only this engine; repeatable")


def pytest_configure(config):
    """Let jax compile no program twice, in whichever worker or child of a test it turns up."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = compiled_programs(Path(tempfile.gettempdir()), os.getpid())
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_generate_tests(metafunc):
    """Run a test that asks for `engine` on every chosen engine, unless it names its own."""
    if "engine" not in metafunc.fixturenames:
        return
    for mark in metafunc.definition.iter_markers("parametrize"):
        names = mark.args[0]
        if "engine" in (names.replace(" ", "").split(",") if isinstance(names, str) else names):
            return
    metafunc.parametrize("engine", metafunc.config.getoption("engine") or ENGINES, indirect=True)


@pytest.fixture
def engine(request):
    """The engine under test, in force for the duration of the test."""
    import kerasish
    from kerasish.core.registry import engine_infos

    name = request.param
    if name == "strict":
        from kerasish.testing import register_strict

        register_strict()
    missing = engine_infos()[name].missing()
    if missing:
        absent(f"the {name} engine lacks {missing}")
    with kerasish.use_backend(name) as chosen:
        yield chosen
