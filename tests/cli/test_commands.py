"""The commands, as a user types them."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

import kerasish
from kerasish import layers
from kerasish.cli import main
from kerasish.comparison import Comparison
from kerasish.core import registry
from kerasish.core.contract import EngineInfo


@pytest.fixture
def saved(tmp_path):
    """A saved model with a model inside."""
    inner = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(3, name="deep")], name="inner")
    model = kerasish.Sequential([kerasish.Input((4,)), inner, layers.Dense(2, activation="relu", name="top")])
    path = tmp_path / "model.keras"
    model.save(path)
    return path


@pytest.fixture
def ghost(monkeypatch):
    """An engine whose framework is not installed, and one whose framework is broken."""
    infos = [
        EngineInfo("ghost", "ghost:build", ("no_such_module",), 'pip install "kerasish[ghost]"'),
        EngineInfo("wreck", "no_such_module:build", (), "pip install wreck"),
    ]
    for info in infos:
        monkeypatch.setitem(registry._extra, info.name, info)


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


# -- info --------------------------------------------------------------------------------------------------------------
def test_info_lists_every_engine(capsys):
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"native", "torch", "jax", "tensorflow"} <= set(facts["engines"])
    native = facts["engines"]["native"]
    assert native["installed"]
    assert native["devices"] == ["cpu:0"]
    assert native["kernels"] == "compiled" or "remedy" in native
    assert facts["cores"] >= 1
    assert facts["default_backend"] == "native"
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "native (default)" in out
    assert "kernels:" in out


def test_info_says_how_to_install_what_is_missing(capsys, ghost, monkeypatch):
    monkeypatch.setenv("KERASISH_BACKEND", "gost")
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["engines"]["ghost"]["install"] == 'pip install "kerasish[ghost]"'
    assert facts["engines"]["ghost"]["missing"] == ["no_such_module"]
    assert "no_such_module" in facts["engines"]["wreck"]["error"]
    assert not facts["default_is_known"]
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "not installed" in out
    assert "kerasish[ghost]" in out
    assert "KERASISH_BACKEND names 'gost'" in out


def test_info_tells_of_kernels_that_were_not_built(capsys, monkeypatch):
    engine = registry.get_engine("native")
    monkeypatch.setattr(sys.modules[type(engine).__module__], "load_kernels", lambda: None)
    assert main(["info", "--json"]) == 0
    native = json.loads(capsys.readouterr().out)["engines"]["native"]
    assert native["kernels"].startswith("NumPy reference")
    assert "C++17 compiler" in native["remedy"]


# -- summary and plot --------------------------------------------------------------------------------------------------
def test_summary_shows_layers(saved, capsys):
    assert main(["summary", str(saved)]) == 0
    out = capsys.readouterr().out
    assert "top (Dense)" in out
    assert "Total params: 23" in out
    assert "deep" not in out
    assert main(["summary", str(saved), "--nested", "--trainable"]) == 0
    out = capsys.readouterr().out
    assert "deep (Dense)" in out
    assert "Trainable" in out


def test_plot_draws_an_svg(saved, capsys):
    target = saved.with_name("picture.svg")
    assert main(["plot", str(saved), "-o", str(target), "--names", "--shapes", "--activations"]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    text = target.read_text()
    assert "<svg" in text
    assert "top (Dense)" in text
    assert "relu" in text
    assert main(["plot", str(saved)]) == 0
    assert saved.with_suffix(".svg").exists()


@pytest.mark.parametrize("command", ["summary", "plot"])
@pytest.mark.parametrize("case", ["missing", "folder", "text"])
def test_files_that_are_no_models(command, case, tmp_path, capsys):
    path = tmp_path if case == "folder" else tmp_path / "model.keras"
    if case == "text":
        path.write_text("no model")
    assert main([command, str(path)]) == 1
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith(f"kerasish {command}: ")
    assert len(streams.err.splitlines()) == 1


# -- compare -----------------------------------------------------------------------------------------------------------
SCRIPT = """
import sys
import numpy as np
import kerasish as keras
assert sys.argv[1:] == ["--units", "2"], sys.argv
x = np.linspace(0, 1, 64, dtype="float32")[:, None]
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, 2 * x, batch_size=8, epochs=9)
"""


def test_compare_writes_its_reports(tmp_path, capsys, ghost):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    out = tmp_path / "reports"
    arguments = [
        "compare",
        str(script),
        "--backends",
        "native,ghost",
        "--repeat",
        "2",
        "--epochs",
        "3",
        "-o",
        str(out),
    ]
    assert main([*arguments, "--", "--units", "2"]) == 0
    streams = capsys.readouterr()
    assert "native" in streams.out
    assert "ghost took no part: no_such_module is not installed" in streams.out
    assert "native, run 2 of 2" in streams.err
    found = Comparison.from_json(out / "report.json")
    assert [run.repeat for run in found.runs] == [0, 1]
    assert len(found.runs[0].epochs) == 3
    assert found.subject == {"kind": "script", "name": "train.py", "arguments": ["--units", "2"]}
    assert str(tmp_path) not in (out / "report.json").read_text()
    assert (out / "report.html").read_text().startswith("<!doctype html>")


def test_compare_reports_a_failing_script(tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text("import kerasish\n1 / 0\n")
    assert main(["compare", str(script), "--backends", "native", "-o", str(tmp_path)]) == 1
    streams = capsys.readouterr()
    assert "native failed: train.py, line 2: ZeroDivisionError: division by zero" in streams.out
    assert "Traceback" not in streams.out + streams.err
    assert (tmp_path / "report.json").exists()
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.py"], "does not exist"),
        (["."], "is a folder"),
        (["{script}", "--backends", "troch"], "did you mean 'torch'"),
        (["{script}", "--repeat", "0"], "`repeat` must be at least 1"),
        (["{script}", "-o", "{script}"], "is not a folder"),
    ],
)
def test_mistakes_of_compare_are_one_line(arguments, message, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text("print()")
    assert main(["compare", *(a.format(script=script) for a in arguments)]) == 1
    streams = capsys.readouterr()
    assert message in streams.err
    assert len(streams.err.strip().splitlines()) == 1


# -- all of them -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["compare", "demo", "info", "plot", "summary"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"kerasish {command}" in capsys.readouterr().out.partition("xample")[2]


def test_user_errors_are_one_line_and_code_1(capsys):
    assert main(["demo", "--backend", "troch"]) == 1
    streams = capsys.readouterr()
    assert "did you mean 'torch'" in streams.err
    assert "Traceback" not in streams.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        [],
        ["compare"],
        ["compare", "x.py", "--repeat", "many"],
        ["compare", "x.py", "y.py"],
        ["info", "--", "x"],
        ["plot"],
    ],
)
def test_wrong_command_line_is_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_command_is_installed():
    points = importlib.metadata.entry_points(group="console_scripts", name="kerasish")
    assert [point.load() for point in points] == [main]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from kerasish.cli import main; sys.exit(main(['--version']))"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"kerasish {kerasish.__version__}"
