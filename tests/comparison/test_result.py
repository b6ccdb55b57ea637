"""The comparison itself: files, tables, plots."""

import dataclasses
import json
import math
import re
from pathlib import Path

import pytest

from kerasish.comparison import Comparison, records
from kerasish.comparison.table import times
from kerasish.core.errors import ArgumentError, UnknownNameError
from tests.comparison.conftest import make_comparison, make_run


def strict_json(path):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(Path(path).read_text(), parse_constant=refuse)


def test_report_is_json_and_comes_back(rich_comparison, tmp_path):
    path = rich_comparison.to_json(tmp_path / "report.json")
    data = strict_json(path)
    assert (data["schema"], data["version"]) == ("kerasish.comparison", 1)
    again = Comparison.from_json(path)
    assert again.runs[0] == rich_comparison.runs[0]
    assert math.isnan(next(r for r in again.runs if r.engine == "tensorflow").epochs[-1].logs["loss"])
    assert strict_json(again.to_json(tmp_path / "again.json")) == data


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "cannot be read"),
        ("[]", "is no report"),
        ('{"schema": "other"}', "is no report"),
        ('{"schema": "kerasish.comparison", "version": 99}', "another version"),
    ],
)
def test_other_files_are_refused(content, problem, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ArgumentError, match=problem):
        Comparison.from_json(tmp_path / "x.json")


def test_summary_is_over_runs():
    comparison = make_comparison([make_run(repeat=i, ms=ms) for i, ms in enumerate([1.0, 4.0, 2.0])])
    assert comparison.summary["native"]["step_ms"] == {"median": 2.0, "low": 1.0, "high": 4.0}
    assert comparison.contenders == ["native"]


def test_table_marks_the_fastest_and_names_who_is_absent(rich_comparison):
    text = str(rich_comparison)
    row = next(line for line in text.splitlines() if line.strip().startswith("native"))
    assert "fastest" in row
    assert "1.5" in next(line for line in text.splitlines() if line.strip().startswith("jax"))
    assert "openvino took no part: openvino is not installed" in text
    assert 'pip install "x[openvino]"' in text
    assert "torch failed: train.py, line 3" in text
    assert "Seeds." in text


def test_table_marks_nobody_within_the_noise():
    runs = [
        make_run(e, repeat=i, ms=ms)
        for e, times in {"native": [1, 2], "jax": [2, 1]}.items()
        for i, ms in enumerate(times)
    ]
    assert "fastest" not in str(make_comparison(runs))
    assert "≈" in str(make_comparison(runs))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_table_fits_the_terminal(rich_comparison, width):
    from rich.console import Console

    console = Console(width=width)
    with console.capture() as capture:
        console.print(rich_comparison.table())
    assert max(map(len, capture.get().splitlines())) <= width
    if width >= 80:
        assert "…" not in capture.get()


@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_times_are_whole_however_far_apart(width):
    from rich.console import Console

    contenders = [("native", "kerasish", 0.382), ("tensorflow", "keras", 7.99), ("torch", "keras", 58.2)]
    runs = [make_run(e, api=api, repeat=i, ms=ms) for i in range(3) for e, api, ms in contenders]
    console = Console(width=width)
    with console.capture() as capture:
        console.print(times(make_comparison(runs), width))
    assert "…" not in capture.get()
    assert "keras-tensorflow" in capture.get()
    assert " 152× " in capture.get()


def test_nothing_ran():
    comparison = make_comparison([make_run(error="boom")])
    assert comparison.contenders == []
    assert "native failed: boom" in str(comparison)
    assert "no run succeeded" in repr(comparison)
    assert "boom" in comparison._repr_html_()


def test_notebook_gets_the_tables(rich_comparison):
    text = rich_comparison._repr_html_()
    assert "<table>" in text
    assert "native is fastest" in text
    assert "<script" not in text


def test_plot_shows_curves_and_times(rich_comparison):
    figure = rich_comparison.plot()
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["loss", "accuracy", "ms per step"]
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "native",
        "jax",
        "Keras on jax",
        "tensorflow",
    ]
    assert rich_comparison.plot(["val_accuracy"]).axes[0].get_title() == "validation accuracy"
    with pytest.raises(UnknownNameError, match="did you mean 'loss'"):
        rich_comparison.plot(["los"])


def test_schema_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()
    for kind in (records.Run, records.Epoch, records.Steps, records.Fingerprint, records.Missing):
        for field in dataclasses.fields(kind):
            assert re.search(rf"`(\w+\.)?{field.name}`", text), f"{kind.__name__}.{field.name}"
    for name in make_comparison([make_run()]).report():
        assert f"`{name}`" in text
