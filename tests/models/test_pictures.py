"""`summary` and `plot_model`: what people see of a model."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import kerasish
from kerasish.core.errors import KerasishError


def text_of(model, **options):
    out = io.StringIO()
    model.summary(print_fn=lambda line, **_: out.write(line + "\n"), line_length=100, **options)
    return out.getvalue()


SHOWN = {
    "eager_sequential": ["(None, 5)", "(None, 3)", "25", "18", "Total params: 43"],
    "functional": ["(None, 4)", "(None, 5)", "(None, 3)", "Total params: 43"],
    "two_in_two_out": ["Connected to", "concatenate[0]", "(None, 1)", "kind (Dense)"],
    "shared_layer": ["tower[0]", "tower (Dense)", "Total params: 15"],
    "with_operations": ["(None, 3)", "Total params: 15"],
    "nested": ["inner (Sequential)", "(None, 2)"],
}


@pytest.mark.parametrize("name", SHOWN)
def test_summary_shows(name, make):
    text = text_of(make(name))
    for part in SHOWN[name]:
        assert part in text, f"{part!r} not in\n{text}"


def test_summary_of_a_lazy_model_says_so_and_then_shows_shapes(make):
    model = make("lazy_sequential")
    assert "unbuilt" in text_of(model)
    assert "not been built" in text_of(model)
    model.build((None, 4))
    assert "(None, 5)" in text_of(model)
    assert "unbuilt" not in text_of(model)


@pytest.mark.parametrize("how", ["call", "build", "fit"])
def test_layers_of_a_subclassed_model_show_shapes_once_they_ran(how, subclassed):
    model = subclassed()
    x = np.ones((6, 4), "float32")
    if how == "call":
        model(x)
    elif how == "build":
        model.build((None, 4))
    else:
        model.compile("sgd", "mse")
        model.fit(x, np.ones((6, 3)), verbose=0)
    text = text_of(model)
    for shape in ("(None, 5)", "(None, 3)"):
        assert shape in text, text


def test_options(make):
    model = make("nested")
    assert re.search(r"dense \(Dense\).*15", text_of(model, expand_nested=True))
    model.get_layer("inner").trainable = False
    text = text_of(model, show_trainable=True)
    assert re.search(r"inner.*N", text)
    assert "Non-trainable params: 15" in text
    assert "Trainable params: 16" in text
    names = [layer.name for layer in model.layers]
    assert "inner (Sequential)" not in text_of(model, layer_range=[names[-2], names[-1]])


def test_optimizer_counts_after_training(make, inputs):
    model = make("functional")
    model.compile("adam", "mse")
    model.fit(inputs("functional"), np.ones((6, 3)), verbose=0)
    assert "Optimizer params: 88" in text_of(model)


def test_summary_prints(make, capsys):
    make("functional").summary()
    assert 'Model: "functional' in capsys.readouterr().out


@pytest.mark.parametrize("name", ["eager_sequential", "two_in_two_out", "nested", "with_operations"])
def test_plot_is_an_svg_with_every_layer(name, make, tmp_path):
    model = make(name)
    path = tmp_path / "m.svg"
    kerasish.utils.plot_model(model, to_file=path, show_shapes=True, show_layer_names=True)
    text = " ".join(ElementTree.parse(path).getroot().itertext())
    for layer in model.layers:
        assert layer.name in text
    assert "(None, 4)" in text


def test_dot_takes_the_style_of_arrows(make):
    assert "splines=curved;" in kerasish.utils.model_to_dot(make("nested"), splines="curved")


def test_nothing_to_draw_is_said(tmp_path):
    with pytest.raises(KerasishError, match="draw"):
        kerasish.utils.plot_model(kerasish.Sequential(), to_file=tmp_path / "m.svg")
