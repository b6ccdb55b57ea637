"""`Comparison.plot`: curves and bars with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from kerasish.comparison.view import readable
from kerasish.core.errors import UnknownNameError

#: Told apart by people who see few colours, and by their marks (Okabe and Ito's palette, darkened).
_COLOURS = ("#15467f", "#c44a08", "#1f8f78", "#b955c4", "#806200", "#b4283a", "#4d5763", "#2a8fb8")
_MARKS = "os^D"


def figure(comparison: Any, metrics: Sequence[str] | None) -> Figure:
    """A figure: a plot a metric, and one of the time per step."""
    curves = {name: comparison.runs_of(name)[0].curves for name in comparison.contenders}
    known = list(dict.fromkeys(metric for found in curves.values() for metric in found))
    chosen = list(metrics) if metrics is not None else [m for m in known if not m.startswith("val_")]
    for metric in chosen:
        if metric not in known:
            raise UnknownNameError.of("metric", metric, known, where="Comparison.plot")
    found = Figure(figsize=(4.4 * (len(chosen) + 1), 3.6), layout="constrained")
    *plots, last = found.subplots(1, len(chosen) + 1, squeeze=False)[0]
    styles = _styles(comparison)
    for axis, metric in zip(plots, chosen, strict=True):
        for name, values in curves.items():
            if metric in values:
                axis.plot(
                    range(1, len(values[metric]) + 1),
                    values[metric],
                    label=comparison.summary[name]["label"],
                    markersize=3.5,
                    **styles[name],
                )
        axis.set_title(readable(metric))
        axis.set_xlabel("epoch")
        axis.grid(visible=True, alpha=0.3)
    if plots:
        plots[0].legend()
    _bars(comparison, last, styles)
    return found


def _styles(comparison: Any) -> dict[str, dict[str, Any]]:
    engines = comparison.settings["backends"]
    found = {}
    for name in comparison.contenders:
        run = comparison.runs_of(name)[0]
        index = engines.index(run.engine)
        found[name] = {
            "color": _COLOURS[index % len(_COLOURS)],
            "marker": _MARKS[index % len(_MARKS)],
            "linestyle": "-" if name == run.engine else "--",
        }
    return found


def _bars(comparison: Any, axis: Any, styles: dict[str, dict[str, Any]]) -> None:
    steps = {n: s["step_ms"] for n, s in comparison.summary.items() if s["step_ms"] is not None}
    labels = [comparison.summary[name]["label"] for name in steps]
    medians = [s["median"] for s in steps.values()]
    spread = [
        [s["median"] - s["low"] for s in steps.values()],
        [s["high"] - s["median"] for s in steps.values()],
    ]
    axis.barh(
        labels, medians, xerr=spread, color=[styles[n]["color"] for n in steps], ecolor="0.3", capsize=2
    )
    axis.invert_yaxis()
    axis.set_title("ms per step")
    axis.grid(visible=True, axis="x", alpha=0.3)
