"""The commands, as a user types them."""

from __future__ import annotations

import json
import re

import pytest

import kerasish
from kerasish.cli import main


def test_demo_learns_and_leaves_its_files(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    accuracy = float(re.search(r"test accuracy (\d\.\d+)", out).group(1))
    assert accuracy >= 0.97
    assert "confusion matrix" in out
    assert "engine: native" in out
    model = kerasish.models.load_model(tmp_path / "digits.keras")
    assert model.output_shape == (None, 10)
    assert (tmp_path / "digits-training.png").stat().st_size > 10_000


def test_demo_says_what_is_missing_for_a_picture(tmp_path, capsys, monkeypatch):
    from kerasish.training.callbacks import History

    def no_plot(self):
        raise ImportError

    monkeypatch.setattr(History, "plot", no_plot)
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1"]) == 0
    assert 'pip install "kerasish[viz]"' in capsys.readouterr().out.replace("\n", " ")


def test_info_lists_every_engine(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"native", "torch", "jax", "tensorflow"} <= set(facts["engines"])
    assert facts["engines"]["native"]["installed"]
    assert main(["info"]) == 0
    assert "native" in capsys.readouterr().out


def test_user_errors_are_one_line_and_code_1(capsys):
    assert main(["demo", "--backend", "troch"]) == 1
    streams = capsys.readouterr()
    assert "did you mean 'torch'" in streams.err
    assert "Traceback" not in streams.err


def test_wrong_command_line_is_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nonsense"])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err
