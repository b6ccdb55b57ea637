"""The commands, as a user types them."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.cli import main
from kerasish.comparison import Comparison
from kerasish.core import config, registry
from kerasish.core.contract import EngineInfo
from kerasish.testing import faults
from tests.libraries import library


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


@pytest.mark.parametrize(("choice", "words"), [(True, "portable"), (False, "its own on cpu:0")])
def test_info_says_whose_random_numbers_steps_draw(capsys, monkeypatch, choice, words):
    library("jax")
    monkeypatch.setitem(config._settings, "portable_randomness", choice)
    assert main(["info", "--json"]) == 0
    engines = json.loads(capsys.readouterr().out)["engines"]
    assert engines["native"]["random_numbers"] == "portable"
    assert engines["jax"]["random_numbers"] == words


def test_info_refuses_a_choice_of_random_numbers_that_is_none(capsys, monkeypatch):
    monkeypatch.delitem(config._settings, "portable_randomness", raising=False)
    monkeypatch.setenv(config.PORTABLE_RANDOMNESS, "offf")
    assert main(["info"]) == 2
    assert "did you mean 'off'" in " ".join(capsys.readouterr().err.split())


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


@pytest.mark.parametrize("command", ["summary", "plot", "diff"])
@pytest.mark.parametrize("case", ["missing", "folder", "text"])
def test_files_that_are_no_models(command, case, tmp_path, capsys):
    path = tmp_path if case == "folder" else tmp_path / "model.keras"
    if case == "text":
        path.write_text("no model")
    assert main([command, str(path)]) == 2
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


# -- diff --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def compiled(tmp_path):
    """A saved model with a loss, a batch for it and targets."""
    kerasish.utils.set_random_seed(3)
    model = kerasish.Sequential(
        [kerasish.Input((4,)), layers.Dense(3, "tanh", name="inner"), layers.Dense(2, name="top")], name="net"
    )
    model.compile("adam", "mse")
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(6, n)).astype("float32") for n in (4, 2))
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", any_name=x)
    np.save(tmp_path / "y.npy", y)
    return tmp_path


def diff(folder, *arguments):
    """Exit code of `kerasish diff` on the native engine; {} stands for the folder."""
    return main(
        ["diff", f"{folder}/model.keras", "--backends", "native", *(a.format(folder) for a in arguments)]
    )


def wrong_tanh():
    return faults.planted("native", "tanh", faults.value_scaled(1.01), where="net/inner")


@pytest.mark.parametrize("more", [[], ["--input", "{}/x.npy"], ["--input", "{}/x.npz", "--batch", "4"]])
def test_diff_is_0_when_engines_agree(compiled, more, capsys):
    assert diff(compiled, *more) == 0
    streams = capsys.readouterr()
    assert "native: agrees" in streams.out
    assert streams.err == ""


def test_diff_is_1_and_names_layer_and_operation(compiled, capsys):
    with wrong_tanh():
        assert diff(compiled, "--eager") == 1
        layer_only = capsys.readouterr().out
        assert diff(compiled, "--eager", "--ops", "--layers", "--input", "{}/x.npy") == 1
    out = capsys.readouterr().out
    assert "differs first in net/inner" in layer_only
    assert "first operation" not in layer_only
    assert "first operation: tanh" in out
    assert "scaled by 1.01" in out
    assert "net/top" in out  # in the table of all layers


def test_diff_prints_json(compiled, capsys):
    with wrong_tanh():
        assert diff(compiled, "--eager", "--ops", "--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["agree"] is False
    assert data["findings"][0]["where"] == "net/inner"
    assert data["findings"][0]["op"]["name"] == "tanh"
    assert diff(compiled, "--json") == 0
    assert json.loads(capsys.readouterr().out)["agree"] is True


def test_diff_names_engines_that_take_no_part(compiled, capsys, ghost):
    assert main(["diff", f"{compiled}/model.keras", "--backends", "native,ghost,wreck"]) == 0
    out = capsys.readouterr().out
    assert 'ghost: not installed. Try: pip install "kerasish[ghost]"' in out
    assert "wreck: cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')" in out


def test_diff_walks_steps_of_training(compiled, capsys):
    steps = ["--train-steps", "3", "--input", "{}/x.npy", "--target", "{}/y.npy", "--json"]
    assert diff(compiled, *steps) == 0
    assert len(json.loads(capsys.readouterr().out)["steps"]) == 3


# -- all of them -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", ["compare", "demo", "diff", "info", "plot", "summary"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"kerasish {command}" in capsys.readouterr().out.partition("xample")[2]


MISTAKES = [
    (["demo", "--backend", "troch"], "did you mean 'torch'"),
    (["demo", "--backend", "ghost"], 'pip install "kerasish[ghost]"'),
    (["demo", "--epochs", "0", "--out", "{file}"], "--epochs must be at least 1"),
    (["demo", "--out", "{file}"], "{file}"),
    (["compare", "absent.py"], "does not exist"),
    (["compare", "."], "is a folder"),
    (["compare", "{file}", "--backends", "troch"], "did you mean 'torch'"),
    (["compare", "{file}", "--repeat", "0"], "`repeat` must be at least 1"),
    (["compare", "{file}", "--timeout", "-1"], "`timeout` must be more than 0 seconds"),
    (["compare", "{file}", "-o", "{file}"], "is not a folder"),
    (["summary", "absent.keras"], "absent.keras"),
    (["summary", "{file}"], "{file}"),
    (["plot", "absent.keras"], "absent.keras"),
    (["plot", "{model}", "-o", "{file}/m.svg"], "m.svg"),
    (["diff", "absent.keras"], "absent.keras"),
    (["diff", "{file}"], "{file}"),
    (["diff", "{model}", "--backends", "troch"], "did you mean 'torch'"),
    (["diff", "{model}", "--backends", "ghost"], 'pip install "kerasish[ghost]"'),
    (["diff", "{model}", "--input", "absent.npy"], "absent.npy"),
    (["diff", "{model}", "--input", "{file}"], "no file of arrays"),
    (["diff", "{model}", "--batch", "0"], "--batch must be at least 1"),
    (["diff", "{model}", "--backends", "native", "--train-steps", "2"], "Steps of training need"),
    (["diff", "{model}", "--import", "no_such_module"], "no_such_module"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_mistakes_are_one_line_and_code_2(arguments, message, saved, tmp_path, capsys, ghost):
    file = tmp_path / "train.py"
    file.write_text("print()")
    assert main([a.format(file=file, model=saved) for a in arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message.format(file=file, model=saved) in streams.err
    assert "Traceback" not in streams.err
    assert len(streams.err.strip().splitlines()) == 1
    command = arguments[0]
    assert streams.err.startswith(f"kerasish {command}: ")
    assert not streams.err.startswith(f"kerasish {command}: {command}: ")


WRONG_LINES = [
    (["nonsense"], "Unknown command 'nonsense'"),
    (["compaer", "x.py"], "did you mean 'compare'?"),
    ([], "COMMAND"),
    (["compare"], "script"),
    (["compare", "x.py", "--repeat", "many"], "--repeat"),
    (["compare", "x.py", "y.py"], "y.py"),
    (["info", "--", "x"], "x"),
    (["plot"], "model"),
    (["diff"], "model"),
    (["diff", "x.keras", "--batch", "many"], "--batch"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_LINES, ids=[" ".join(a) for a, _ in WRONG_LINES])
def test_wrong_command_line_is_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    *usage, error = capsys.readouterr().err.splitlines()
    assert usage[0].startswith("usage: ")
    assert message in error


def test_the_command_is_installed():
    points = importlib.metadata.entry_points(group="console_scripts", name="kerasish")
    assert [point.load() for point in points] == [main]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from kerasish.cli import main; sys.exit(main(['--version']))"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == f"kerasish {kerasish.__version__}"
