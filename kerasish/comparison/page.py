"""`report.html`: one page that needs nothing else. Tables and bars are plain HTML; curves are drawn by its own script.

Text, tables and bars are there without scripts too. The page's content security policy forbids it every request.
"""

from __future__ import annotations

import datetime
import html
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kerasish.comparison.verdicts import small
from kerasish.comparison.view import chart_data, series_of

_ASSETS = Path(__file__).with_name("assets")
_DASH = "–"
_TEXT = ' class="text"'

Report = dict[str, Any]

#: Quantity -> (heading, factor, how a value is written).
QUANTITIES: dict[str, tuple[str, Callable[[float], str]]] = {
    "step_ms": ("time per step", lambda v: f"{_short(v)} ms"),
    "samples_per_s": ("samples/s", lambda v: f"{v:,.0f}"),
    "first_step_s": ("first step", lambda v: f"{_short(v)} s"),
    "import_s": ("import", lambda v: f"{_short(v)} s"),
    "build_s": ("build", lambda v: f"{_short(v)} s"),
    "predict_ms": ("predict a batch", lambda v: f"{_short(v)} ms"),
    "peak_bytes": ("peak memory", lambda v: f"{v / 2**20:,.0f} MB"),
}
_BARS = ("step_ms", "first_step_s", "peak_bytes")


def page(report: Report) -> str:
    """The whole page."""
    parts = {
        "title": html.escape(f"{report['subject']['name']} on {_engines(report)}: kerasish compare"),
        "css": _asset("report.css"),
        "heading": html.escape(f"{report['subject']['name']} on {_engines(report)}"),
        "facts": html.escape(_facts(report)),
        "verdicts": _verdicts(report),
        "problems": _problems(report),
        "learning": _learning(report),
        "cost": _cost(report),
        "numbers": _numbers(report),
        "setting": _setting(report),
        "footer": _footer(report),
        "view": _embedded({"series": series_of(report), "charts": chart_data(report)}),
        "js": _asset("report.js"),
    }
    text = _asset("report.html")
    for (
        name,
        part,
    ) in parts.items():  # one pass each: a part never holds another's mark, all text in it is escaped
        text = text.replace("{{" + name + "}}", part, 1)
    return text


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8").rstrip()


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# -- head --------------------------------------------------------------------------------------------------------------
def _engines(report: Report) -> str:
    """How many engines, or the only one's name; and whether Keras took part."""
    series = series_of(report)
    engines = list(dict.fromkeys(s["engine"] for s in series))
    keras = " and Keras" if any(s["dashed"] for s in series) else ""
    if len(engines) < 2:
        return (engines[0] if engines else "no engine") + keras
    return f"{len(engines)} engines{keras}"


def _facts(report: Report) -> str:
    settings = report["settings"]
    rounds = max(settings["repeat"], settings["seeds"])
    epochs = max((len(run["epochs"]) for run in report["runs"]), default=0)
    when = datetime.datetime.fromisoformat(report["created"])
    day = f"{when.day} {when:%B %Y, %H:%M} UTC"
    facts = [_count(rounds, "run") + " of each", _count(epochs, "epoch")]
    if settings["seeds"] > 1:
        facts.append(_count(settings["seeds"], "seed"))
    if settings["threads"]:
        facts.append(_count(settings["threads"], "thread"))
    parameters = next((run["parameters"] for run in report["runs"] if run["parameters"]), None)
    if parameters:
        facts.append(f"{parameters:,} parameters")
    return " · ".join([*facts, day])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _verdicts(report: Report) -> str:
    rows = [
        f"<dt>{name.capitalize()}</dt><dd>{html.escape(verdict['text'])}</dd>"
        for name, verdict in report["verdicts"].items()
        if verdict is not None
    ]
    return f'<dl class="verdicts" id="verdicts">{"".join(rows)}</dl>'


def _problems(report: Report) -> str:
    rows = []
    for one in report["missing"]:
        hint = f" Try: <code>{html.escape(one['hint'])}</code>" if one["hint"] else ""
        rows.append(
            f"<b>{html.escape(one['contender'])}</b> took no part: {html.escape(one['reason'])}.{hint}"
        )
    for run in report["runs"]:
        if run["status"] != "ok":
            rows.append(f"<b>{html.escape(run['contender'])}</b> failed: {html.escape(run['error'] or '')}")
    return f'<ul class="problems">{"".join(f"<li>{row}</li>" for row in rows)}</ul>' if rows else ""


# -- sections ----------------------------------------------------------------------------------------------------------
def _section(title: str, note: str, *content: str) -> str:
    return f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n{"".join(content)}\n</section>'


def _learning(report: Report) -> str:
    charts = [chart for chart in chart_data(report) if chart["section"] == "learning"]
    if not charts:
        return ""
    note = "Losses and metrics by epoch, and after how many seconds. Curves that coincide share one striped line."
    if report["settings"]["seeds"] > 1:
        note += " Lines are means over seeds, shades reach from the least to the largest."
    return _section("Learning", note, _figures(charts), _noscript(), _values_by_epoch(report))


def _figures(charts: Iterable[dict[str, Any]]) -> str:
    figures = [
        f'<figure id="{chart["id"]}"><figcaption><h3>{html.escape(chart["title"])}</h3>'
        f'<span class="unit">{html.escape(chart["unit"])}</span></figcaption></figure>'
        for chart in charts
    ]
    return f'<div class="charts">{"".join(figures)}</div>'


def _noscript() -> str:
    return (
        '<noscript><p class="note">Curves need JavaScript; the tables below hold their values.</p></noscript>'
    )


def _values_by_epoch(report: Report) -> str:
    charts = [c for c in chart_data(report) if c["section"] == "learning" and c["x"] == "epoch"]
    labels = {s["name"]: s["label"] for s in series_of(report)}
    tables = []
    for chart in charts:
        epochs = sorted({point[0] for s in chart["series"] for point in s["points"]})
        by_epoch = {s["name"]: {p[0]: p[1] for p in s["points"]} for s in chart["series"]}
        rows = [
            [f"<th scope='row'>{epoch}</th>", *(_cell(_value(v.get(epoch))) for v in by_epoch.values())]
            for epoch in epochs
        ]
        head = [f"{html.escape(chart['title'])}, epoch", *(html.escape(labels[name]) for name in by_epoch)]
        tables.append(_table(head, [("", row) for row in rows], f"{chart['title']} by epoch"))
    return f"<details><summary>All values by epoch</summary>{''.join(tables)}</details>"


def _cost(report: Report) -> str:
    note = (
        "Medians over runs; thin lines and small figures reach from the least to the largest. Steady steps only: the "
        "first epoch does not count where there are others. The first step holds tracing and compiling."
    )
    figures = [
        f'<figure id="bars-{quantity}"><figcaption><h3>{QUANTITIES[quantity][0].capitalize()}</h3></figcaption>'
        f"{_bars(report, quantity)}</figure>"
        for quantity in _BARS
        if any(one[quantity] for one in report["summary"].values())
    ]
    return _section("Cost", note, f'<div class="charts three">{"".join(figures)}</div>', _cost_table(report))


def _bars(report: Report, quantity: str) -> str:
    styles = {s["name"]: s for s in series_of(report)}
    write = QUANTITIES[quantity][1]
    largest = max((one[quantity]["high"] for one in report["summary"].values() if one[quantity]), default=1)
    rows = []
    for name, one in report["summary"].items():
        found = one[quantity]
        if found is None:
            continue
        width, low, high = (found[key] / largest * 100 for key in ("median", "low", "high"))
        hollow = " hollow" if styles[name]["dashed"] else ""
        bar = f'<b class="bar{hollow}" style="width:{width:.2f}%"></b>'
        if high > low:
            bar += f'<u style="left:{low:.2f}%;width:{high - low:.2f}%"></u>'
        rows.append(
            f'<div data-of="{html.escape(name)}"><span>{html.escape(one["label"])}</span>'
            f'<span class="track" style="--c:var(--c{styles[name]["colour"] % 8})">{bar}</span>'
            f'<span class="value">{write(found["median"])}</span></div>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def _cost_table(report: Report) -> str:
    speed = report["verdicts"]["speed"]
    quantities = [q for q in QUANTITIES if any(one[q] for one in report["summary"].values())]
    head = ["", "ratio", *(QUANTITIES[q][0] for q in quantities)]
    rows = []
    for name, one in report["summary"].items():
        best = speed["ranked"] and speed["fastest"] == [name]
        cells = [_cell(_ranged(one[q], QUANTITIES[q][1]), best and q == "step_ms") for q in quantities]
        rows.append((name, [_row_head(one["label"]), _cell(_ratio(speed, name)), *cells]))
    return _table(head, rows, "What training takes")


def _ratio(speed: dict[str, Any], name: str) -> str:
    if name in speed["ratios"]:
        found = speed["ratios"][name]
        interval = "" if found["low"] is None else f"<small>{found['low']:.2f} to {found['high']:.2f}</small>"
        return f"{'' if found['decided'] else '≈ '}{found['ratio']:.2f}×{interval}"
    return "1.00×" if speed["order"][:1] == [name] else _DASH


def _ranged(found: dict[str, float] | None, write: Callable[[float], str]) -> str:
    if found is None:
        return _DASH
    low, median, high = (write(found[key]) for key in ("low", "median", "high"))
    return median if low == high else f"{median}<small>{low.split(' ')[0]} to {high.split(' ')[0]}</small>"


_LEVELS = {
    "identical": "equal, bit by bit",
    "rounding": "same curve, up to rounding",
    "drift": "same start, then drifts apart",
    "different": "other weights to begin with",
    "broken": "NaN or infinity on one side",
    "unknown": "no losses to compare",
}


def _numbers(report: Report) -> str:
    verdict = report["verdicts"]["numbers"]
    if not verdict["contenders"]:
        return ""
    label = report["summary"][verdict["reference"]]["label"]
    charts = [chart for chart in chart_data(report) if chart["section"] == "numbers"]
    note = f"How far losses and weights are from those of {html.escape(label)}, begun with the same seed."
    return _section("Numbers", note, _figures(charts), _numbers_table(report, verdict), _seeds_table(report))


def _numbers_table(report: Report, verdict: dict[str, Any]) -> str:
    metrics = list(dict.fromkeys(m for one in report["summary"].values() for m in one["last"]))
    head = [
        "",
        *(f"last {html.escape(m)}" for m in metrics),
        "losses apart by",
        "weights apart by",
        "repeats",
        "verdict",
    ]
    repeats = {"identical": "identical", "differ": "differ", "unknown": _DASH}
    rows = []
    for name, one in report["summary"].items():
        found = verdict["contenders"].get(name, {})
        level = _LEVELS[found["level"]] if found else "reference"
        cells = [_cell(_value(one["last"].get(m))) for m in metrics]
        cells += [_cell(_far(found.get("max_deviation"))), _cell(_far(found.get("weights_distance")))]
        cells += [_cell(repeats[verdict["repeats"].get(name, "unknown")]), f"<td{_TEXT}>{level}</td>"]
        rows.append((name, [_row_head(one["label"]), *cells]))
    return _table(head, rows, "What training computes")


def _seeds_table(report: Report) -> str:
    verdict = report["verdicts"]["seeds"]
    if verdict is None or not verdict["tests"]:
        return ""
    rows = []
    for metric, test in verdict["tests"].items():
        kind = "all" if test["exact"] else "drawn"
        cells = [_value(test["effect"]), _value(test["p_value"]), _value(test["spread_of_seeds"])]
        cells.append(f"{test['permutations']:,} {kind}")
        rows.append(("", [_row_head(metric), *map(_cell, cells)]))
    head = ["engines against seeds", "effect", "p-value", "spread of seeds", "permutations"]
    return _table(head, rows, "Whether engines differ more than seeds")


def _setting(report: Report) -> str:
    machine, settings = report["environment"], report["settings"]
    versions = {k: v for run in report["runs"] for k, v in run["versions"].items()}
    devices = sorted({run["device"] for run in report["runs"] if run["device"]})
    memory = f", {machine['memory_bytes'] / 2**30:.0f} GB of memory" if machine["memory_bytes"] else ""
    facts = {
        "Machine": f"{_count(machine['cores'], 'core')} of {machine['processor']}{memory}, {machine['system']}",
        "Vector units": " ".join(machine["cpu_features"]) or _DASH,
        "Devices": ", ".join(devices) or _DASH,
        "Threads": str(settings["threads"]) if settings["threads"] else "as many as each engine takes",
        "Random numbers": _randomness(report),
        "Load before": _DASH if machine["load"] is None else f"{machine['load']:.2f}",
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        "Python": f"{machine['python']}, NumPy {machine['numpy']}",
        "Arguments": " ".join(report["subject"]["arguments"]) or _DASH,
    }
    rows = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    how = (
        "Each run had a process of its own; engines took turns, every other round in reverse."
        if report["subject"]["kind"] == "script"
        else "All runs shared one process; engines took turns, every other round in reverse."
    )
    return _section("Setting", how, f'<dl class="setting">{rows}</dl>')


def _randomness(report: Report) -> str:
    drawn = {run["portable_randomness"] for run in report["runs"]} - {None}
    if False in drawn:
        return (
            f"not the same on every engine: {', '.join(report['verdicts']['randomness']['own'])} with its own"
        )
    return "within steps the same on every engine" if drawn else "none within steps"


def _footer(report: Report) -> str:
    made = f"Made by kerasish {html.escape(report['kerasish'])}, report version {report['version']}."
    return f"{made} This page is complete in itself and loads nothing."


# -- tables ------------------------------------------------------------------------------------------------------------
def _table(head: list[str], rows: list[tuple[str, list[str]]], caption: str) -> str:
    heads = "".join(_column_head(cell) for cell in head)
    body = "".join(f"<tr{_of(name)}>{''.join(cells)}</tr>" for name, cells in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _column_head(text: str) -> str:
    if not text:
        return "<td></td>"
    return f'<th scope="col"{_TEXT if text == "verdict" else ""}>{text}</th>'


def _of(name: str) -> str:
    """Marks a row as a contender's: it is hidden with its curves."""
    return f' data-of="{html.escape(name)}"' if name else ""


def _row_head(text: str) -> str:
    return f'<th scope="row">{html.escape(text)}</th>'


def _cell(text: str, best: bool = False) -> str:
    return f'<td class="best">{text}</td>' if best else f"<td>{text}</td>"


def _short(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.2g}"


def _value(value: Any) -> str:
    if value is None:
        return _DASH
    return html.escape(value) if isinstance(value, str) else f"{value:.5g}".replace("e-", "e−")


def _far(value: Any) -> str:
    if value is None:
        return _DASH
    if isinstance(value, str):
        return html.escape(value)
    return f"{value:.2g}" if value == 0 or value >= 0.01 else small(value).replace("e-", "e−")


def notebook_html(report: Report) -> str:
    """What a notebook shows: the verdicts and the two tables, without scripts or styles of their own."""
    if not report["summary"]:
        return _problems(report)
    verdict = report["verdicts"]["numbers"]
    return f"{_verdicts(report)}{_problems(report)}{_cost_table(report)}{_numbers_table(report, verdict)}"
