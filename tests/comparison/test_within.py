"""`kerasish.compare`: a function of the user's on every engine, in this process."""

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.core import config
from kerasish.core.errors import ArgumentError, UnknownBackendError
from tests.libraries import library

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def build():
    model = kerasish.Sequential(
        [kerasish.Input((4,)), layers.Dense(8, "tanh"), layers.Dropout(0.1), layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def test_an_engine_follows_the_native_one(engine):
    found = kerasish.compare(build, (X, Y), ["native", engine.name], epochs=2, repeat=1, batch_size=16)
    assert found.contenders == list(dict.fromkeys(["native", engine.name]))
    verdict = found.verdicts["numbers"]
    if engine.name != "native":
        assert verdict["contenders"][engine.name]["level"] in ("rounding", "identical"), verdict
    run = found.runs_of(engine.name)[0]
    assert run.device
    assert run.peak_bytes is None  # one process for all
    assert run.versions[engine.name]
    assert kerasish.backend.backend() == engine.name  # the engine in force stays


def test_everything_that_was_promised(tmp_path):
    found = kerasish.compare(build, (X, Y), ["native"], epochs=2, repeat=2, validation_data=(X, Y))
    assert "native" in str(found)
    assert found.to_json(tmp_path / "r.json").stat().st_size > 1000
    assert found.to_html(tmp_path / "r.html").stat().st_size > 10_000
    assert found.plot().axes
    assert "<table>" in found._repr_html_()
    assert set(found.runs[0].curves) == {"loss", "mae", "val_loss", "val_mae"}
    assert found.verdicts["numbers"]["repeats"] == {"native": "identical"}


def test_seeds_are_gone_round():
    found = kerasish.compare(build, (X, Y), ["native"], epochs=1, repeat=1, seeds=3)
    assert [run.seed for run in found.runs] == [0, 1, 2]
    assert len({run.initial.sha256 for run in found.runs}) == 3


def test_engines_take_turns_and_every_other_round_goes_backwards():
    kerasish.testing.register_strict()
    order = []

    def note():
        order.append(kerasish.backend.backend())
        return build()

    kerasish.compare(note, (X, Y), ["native", "strict"], epochs=1, repeat=3)
    assert order == ["native", "strict", "strict", "native", "native", "strict"]


def test_one_engine_that_fails_costs_no_other():
    kerasish.testing.register_strict()
    calls = []

    def fragile():
        calls.append(kerasish.backend.backend())
        if kerasish.backend.backend() == "strict":
            raise RuntimeError("not here")
        return build()

    found = kerasish.compare(fragile, (X, Y), ["strict", "native"], epochs=1, repeat=2)
    assert found.contenders == ["native"]
    assert [run.error for run in found.failed] == ["RuntimeError: not here"]
    assert calls.count("strict") == 1


def test_where_all_fail_the_error_is_the_users():
    def broken():
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError, match="oh"):
        kerasish.compare(broken, (X, Y), ["native"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backends": ["nativ"]}, UnknownBackendError, "did you mean 'native'"),
        ({"epochs": 0}, ArgumentError, "`epochs` must be at least 1"),
        ({"repeat": 0}, ArgumentError, "`repeat` must be at least 1"),
        ({"seeds": -1}, ArgumentError, "`seeds` must be at least 1"),
    ],
)
def test_mistakes(options, error, message):
    with pytest.raises(error, match=message):
        kerasish.compare(build, (X, Y), **{"backends": ["native"], **options})


def test_a_model_that_is_not_compiled():
    with pytest.raises(ArgumentError, match="must return a compiled model"):
        kerasish.compare(lambda: kerasish.Sequential([layers.Dense(1)]), (X, Y), ["native"])


def test_missing_engines_are_named(monkeypatch):
    from kerasish.core import registry
    from kerasish.core.contract import EngineInfo

    monkeypatch.setitem(
        registry._extra, "ghost", EngineInfo("ghost", "ghost:build", ("no_such_module",), "pip install ghost")
    )
    found = kerasish.compare(build, (X, Y), ["ghost", "native"], epochs=1, repeat=1)
    assert found.contenders == ["native"]
    assert [(m.contender, m.hint) for m in found.missing] == [("ghost", "pip install ghost")]


@pytest.mark.parametrize(("value", "portable"), [(True, True), (False, False), ("auto", True)])
def test_reports_say_whose_random_numbers_they_were(tmp_path, monkeypatch, value, portable):
    library("jax")
    monkeypatch.setitem(config._settings, "portable_randomness", value)
    found = kerasish.compare(build, (X, Y), ["native", "jax"], epochs=1, repeat=1)
    assert [run.portable_randomness for run in found.runs] == [True, portable]
    again = kerasish.comparison.Comparison.from_json(found.to_json(tmp_path / "report.json"))
    assert again.verdicts["randomness"] == found.verdicts["randomness"]
    shown = {
        "terminal": (
            " ".join(str(found).split()),
            "Randomness. jax on cpu:0 drew dropout masks and noise from",
        ),
        "page": (
            found.to_html(tmp_path / "r.html").read_text(),
            "not the same on every engine: jax with its own",
        ),
    }
    for text, words in shown.values():
        assert (words in text) is not portable


def test_a_model_that_draws_nothing_has_no_random_numbers(tmp_path):
    def plain():
        model = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    found = kerasish.compare(plain, (X, Y), ["native"], epochs=1, repeat=1)
    assert found.runs[0].portable_randomness is None
    assert "none within steps" in found.to_html(tmp_path / "r.html").read_text()
