"""Finding the compiled kernels, and what the user is told where there are none."""

import subprocess
import sys
import warnings

import pytest

from kerasish_native import _load

BLOCK = "import sys; sys.modules['kerasish_native._kernels'] = None\n"


@pytest.fixture(autouse=True)
def forget_earlier_answers():
    _load.load_kernels.cache_clear()
    yield
    _load.load_kernels.cache_clear()


def absent(name):
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_absent_kernels_warn_once_with_the_remedy(monkeypatch):
    monkeypatch.setattr(_load.importlib, "import_module", absent)
    with pytest.warns(_load.KernelsNotBuiltWarning, match=r"were not built .* install a C\+\+17 compiler"):
        assert _load.load_kernels() is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _load.load_kernels() is None


def test_broken_kernels_say_why(monkeypatch):
    def broken(name):
        raise ImportError("undefined symbol: pow")

    monkeypatch.setattr(_load.importlib, "import_module", broken)
    with pytest.warns(_load.KernelsNotBuiltWarning, match=r"could not be loaded \(undefined symbol: pow\)"):
        assert _load.load_kernels() is None


def test_importing_kerasish_says_nothing_about_kernels():
    code = BLOCK + "import kerasish, kerasish_native"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
