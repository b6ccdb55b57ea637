"""The documents: what they print runs as printed, what they point to is there, commands have the options they show."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import kerasish
from kerasish.cli import main
from kerasish.core import registry
from tests.libraries import absent

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in DOCUMENTS}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"(?:^|`)kerasish ((?:compare|diff|summary|plot) [^#\n`]*)", re.M)


@pytest.fixture(autouse=True)
def a_process_of_its_own(tmp_path, monkeypatch):
    """Files go to a folder that goes; the engine in force is put back."""
    for name in ("torch", "jax", "tensorflow"):
        if name not in kerasish.available_backends():
            absent(f"the documents use {name}")
    monkeypatch.chdir(tmp_path)
    before = registry.backend()
    yield
    registry.set_backend(before)


def having(pattern):
    return [name for name, text in TEXTS.items() if re.search(pattern, text, re.M)]


@pytest.mark.parametrize("name", having("^>>> "))
def test_dialogues_are_what_is_printed(name):
    options = doctest.ELLIPSIS
    failed, tried = doctest.testfile(str(ROOT / name), module_relative=False, optionflags=options)
    assert tried
    assert not failed


@pytest.mark.parametrize(
    "name", [name for name in TEXTS if any(">>>" not in b for b in BLOCK.findall(TEXTS[name]))]
)
def test_programs_run(name):
    """From top to bottom, in one namespace; the engine that a guide calls "mine" is there by another name."""
    with registry.use_backend("native"):
        model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.Dense(2)])
    model.compile("sgd", "mse")
    names = {"model": model, "x": np.ones((4, 3), "float32"), "y": np.ones((4, 2), "float32")}
    for block in BLOCK.findall(TEXTS[name]):
        if ">>>" not in block:
            exec(compile(block.replace('"native", "mine"', '"native", "torch"'), name, "exec"), names)


COMMANDS = sorted({line.strip() for text in TEXTS.values() for line in COMMAND.findall(text)})


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_the_options_they_show(line, capsys):
    """Given with a file that is not there they get as far as missing it."""
    line = re.sub(r"\w+\.(py|keras|npy|npz)\b", r"absent.\1", line)
    assert main(line.split()) == 2
    assert "absent." in capsys.readouterr().err


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_pointed_to_is_there(name):
    folder = (ROOT / name).parent
    prose = re.sub(r"^```.*?^```", "", TEXTS[name], flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose)
    paths = re.findall(r"`((?:kerasish|backends|tests|benchmarks|examples|docs)/[\w/.]+)`", prose)
    assert [link for link in links if not (folder / link).exists()] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_make_has_the_targets_that_are_named():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {target for text in TEXTS.values() for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.M)}
    assert named
    assert named <= targets
