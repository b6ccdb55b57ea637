"""Every example runs, on every engine, and does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# name -> what its result must satisfy
EXAMPLES = {
    "digits": lambda accuracy: accuracy > 0.93,
    "convnet": lambda accuracy: accuracy > 0.93,
    "text_lstm": lambda accuracy: accuracy > 0.95,
    "custom_layer": lambda error: error < 0.02,
    "gan": lambda radius: 0.7 < radius < 1.3,
    "grad_cam": lambda heat: heat.shape == (8, 8) and 0.9 < heat.max() <= 1.0,
    "pinn": lambda error: error < 0.1,
}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example_does_what_it_says(name, engine, capsys):
    assert EXAMPLES[name](load(name).main())
    assert capsys.readouterr().out


def test_four_engines_follow_one_curve(capsys):
    curves = load("four_engines").main()
    first = next(iter(curves.values()))
    assert len(curves) >= 1
    for losses in curves.values():
        assert losses == pytest.approx(first, rel=1e-4)


def test_engines_compare(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = load("compare_engines").main()
    assert "native" in found.contenders
    assert not found.failed
    levels = {one["level"] for one in found.verdicts["numbers"]["contenders"].values()}
    assert levels <= {"identical", "rounding"}
    assert "kerasish-engines.html" in capsys.readouterr().out
    assert (tmp_path / "kerasish-engines.html").exists()


def test_every_example_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*EXAMPLES, "compare_engines", "four_engines"}
