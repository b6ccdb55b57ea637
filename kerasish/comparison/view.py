"""What the page's charts draw: series with their style, and points, out of a report."""

from __future__ import annotations

import math
import statistics
from typing import Any

from kerasish.comparison.records import KERASISH

Report = dict[str, Any]

#: Below this, distances from the reference are drawn as none.
FLOOR = 1e-9


def series_of(report: Report) -> list[dict[str, Any]]:
    """A series for each contender: engines have colours, real Keras is dashed in the colour of its engine."""
    first = {run["contender"]: run for run in reversed(report["runs"]) if run["status"] == "ok"}
    engines = list(dict.fromkeys(first[name]["engine"] for name in report["summary"]))
    return [
        {
            "name": name,
            "label": one["label"],
            "engine": first[name]["engine"],
            "colour": engines.index(first[name]["engine"]),
            "dashed": first[name]["api"] != KERASISH,
        }
        for name, one in report["summary"].items()
    ]


def chart_data(report: Report) -> list[dict[str, Any]]:
    """The line charts: curves by epoch, the best metric over seconds, the distance from the reference."""
    metrics = list(
        dict.fromkeys(
            name
            for run in report["runs"]
            if run["status"] == "ok"
            for epoch in run["epochs"]
            for name in epoch["logs"]
        )
    )
    charts = [_by_epoch(report, metric, number) for number, metric in enumerate(metrics)]
    reached = _goal(metrics)
    if reached is not None:
        charts.append(_over_time(report, reached))
    distance = _distance(report)
    return [*charts, distance] if distance else charts


def readable(metric: str) -> str:
    """A metric's name for people: "val_accuracy" is "validation accuracy".

    Example:
        >>> readable("val_loss")
        'validation loss'
    """
    name = metric.removeprefix("val_").replace("_", " ")
    return f"validation {name}" if metric.startswith("val_") else name


def _ok_runs(report: Report, name: str) -> list[dict[str, Any]]:
    return [run for run in report["runs"] if run["contender"] == name and run["status"] == "ok"]


def _one_a_seed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first run of each seed: repeats of a seed add nothing to a curve."""
    return list({run["seed"]: run for run in reversed(runs)}.values())[::-1]


def _by_epoch(report: Report, metric: str, number: int) -> dict[str, Any]:
    series = []
    for name in report["summary"]:
        runs = _one_a_seed(_ok_runs(report, name))
        if not any(metric in epoch["logs"] for run in runs for epoch in run["epochs"]):
            continue
        length = max(len(run["epochs"]) for run in runs)
        points = [[i + 1, *_spread([_log(run, i, metric) for run in runs])] for i in range(length)]
        series.append({"name": name, "points": points})
    values = [v for s in series for p in s["points"] for v in p[1:] if isinstance(v, (int, float))]
    positive = bool(values) and min(values) > 0 and max(values) > 5 * min(values)
    return {
        "id": f"curve-{number}",
        "section": "learning",
        "title": readable(metric).capitalize(),
        "unit": "by epoch",
        "x": "epoch",
        "scale": "either" if positive else "linear",
        "series": series,
    }


def _log(run: dict[str, Any], index: int, metric: str) -> Any:
    return run["epochs"][index]["logs"].get(metric) if index < len(run["epochs"]) else None


def _spread(values: list[Any]) -> list[Any]:
    """[value] of one run; [mean, least, largest] of several. What is not finite stays as it is written."""
    numbers = [v for v in values if isinstance(v, (int, float))]
    if not numbers:
        return [next((v for v in values if v is not None), None)]
    if len(values) == 1:
        return [numbers[0]]
    return [statistics.fmean(numbers), min(numbers), max(numbers)]


def _goal(metrics: list[str]) -> str | None:
    """The metric worth waiting for: an accuracy (of validation, if there is one), else the loss."""
    accuracies = [m for m in metrics if "acc" in m] or [m for m in metrics if m in ("loss", "val_loss")]
    return next((m for m in accuracies if m.startswith("val_")), next(iter(accuracies), None))


def _over_time(report: Report, metric: str) -> dict[str, Any]:
    series = []
    for name in report["summary"]:
        runs = _ok_runs(report, name)
        length = min(len(run["epochs"]) for run in runs)
        seconds = [statistics.median(run["epochs"][i]["seconds"] for run in runs) for i in range(length)]
        values = [_spread([_log(run, i, metric) for run in _one_a_seed(runs)])[0] for i in range(length)]
        points = [[round(s, 4), v] for s, v in zip(seconds, values, strict=True)]
        series.append({"name": name, "points": points})
    return {
        "id": "over-time",
        "section": "learning",
        "title": f"{readable(metric).capitalize()} over time",
        "unit": "seconds since fit began",
        "x": "seconds",
        "scale": "linear",
        "series": series,
    }


def _distance(report: Report) -> dict[str, Any] | None:
    verdict = report["verdicts"]["numbers"]
    series = [
        {"name": name, "points": [[i, _capped(v)] for i, v in enumerate(found["loss_deviation"], 1)]}
        for name, found in verdict["contenders"].items()
        if found["loss_deviation"]
    ]
    if not series:
        return None
    label = report["summary"][verdict["reference"]]["label"]
    return {
        "id": "distance",
        "section": "numbers",
        "title": f"Distance from {label}",
        "unit": "difference of the loss, as a part of it, by epoch",
        "x": "epoch",
        "scale": "log",
        "floor": FLOOR,
        "series": series,
    }


def _capped(value: Any) -> Any:
    return 0.0 if isinstance(value, float) and math.isfinite(value) and value < FLOOR else value
