"""A comparison in the terminal: a table of times, one of numbers, and the verdicts in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_DASH = "–"

#: Heading -> (quantity, how a value is written, how wide a terminal must be to show it).
_TIMES: dict[str, tuple[str, Callable[[float], str], int]] = {
    "samples/s": ("samples_per_s", lambda v: f"{v:,.0f}", 0),
    "first\nstep s": ("first_step_s", lambda v: f"{v:.2f}", 70),
    "import\ns": ("import_s", lambda v: f"{v:.2f}", 80),
    "build\ns": ("build_s", lambda v: f"{v:.2f}", 100),
    "predict\nms": ("predict_ms", lambda v: f"{v:.3g}", 100),
    "peak\nMB": ("peak_bytes", lambda v: f"{v / 2**20:,.0f}", 80),
}


class Tables:
    """Everything that the terminal shows of a comparison, laid out for its width."""

    def __init__(self, comparison: Any) -> None:
        self._comparison = comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        comparison = self._comparison
        if comparison.contenders:
            yield times(comparison, width=options.max_width)
            yield numbers(comparison, room=(options.max_width - 52) // 12)
            yield _verdicts(comparison)
        for line in _absent(comparison):
            yield Padding(Text.from_markup(line), (0, 1))


def _absent(comparison: Any) -> list[str]:
    lines = []
    for one in comparison.missing:
        hint = f" Try: {escape(one.hint)}" if one.hint else ""
        lines.append(f"[bold]{escape(one.contender)}[/] took no part: {escape(one.reason)}.{hint}")
    for run in comparison.failed:
        lines.append(f"[bold red]{escape(run.contender)}[/] failed: {escape(run.error or '')}")
    return lines


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    return table


def times(comparison: Any, width: int = 100) -> Table:
    """What each contender takes, the quickest first and marked, if it is the fastest beyond noise."""
    speed = comparison.verdicts["speed"]
    shown = {h: (q, write) for h, (q, write, least) in _TIMES.items() if width >= least}
    table = _table(f"What {comparison.subject['name']} takes")
    for heading in ("ms/step", "±", "ratio", *shown):
        table.add_column(heading, justify="right", no_wrap=True)
    rest = [name for name in comparison.contenders if name not in speed["order"]]
    for name in [*speed["order"], *rest]:
        summary = comparison.summary[name]
        best = speed["ranked"] and speed["fastest"] == [name]
        cells = [
            _DASH if summary[quantity] is None else write(summary[quantity]["median"])
            for quantity, write in shown.values()
        ]
        ratio = "fastest" if best else _ratio(speed, name)
        style = "bold green" if best else ""
        table.add_row(escape(name), *_steps(summary["step_ms"]), ratio, *cells, style=style)
    return table


def _steps(step: dict[str, float] | None) -> tuple[str, str]:
    """Median and half the range in percent of it."""
    if step is None:
        return _DASH, _DASH
    half = (step["high"] - step["low"]) / 2 / step["median"]
    return f"{step['median']:.3g}", f"{half:.0%}"


def _ratio(speed: dict[str, Any], name: str) -> str:
    if name not in speed["ratios"]:
        return "1.00×" if speed["order"][:1] == [name] else _DASH
    found = speed["ratios"][name]
    ratio = found["ratio"]
    text = f"{ratio:.2f}×" if ratio < 10 else f"{ratio:,.{1 if ratio < 100 else 0}f}×"
    return text if found["decided"] else f"≈{text}"


def numbers(comparison: Any, room: int = 4) -> Table:
    """What each contender computed: last losses and metrics, and how far its loss is from the reference's."""
    verdict = comparison.verdicts["numbers"]
    reference = verdict["reference"]
    logs = {name: comparison.summary[name]["last"] for name in comparison.contenders}
    metrics = list(dict.fromkeys(metric for log in logs.values() for metric in log))[: max(room, 1)]
    table = _table("What it computes")
    for heading in (*metrics, "Δ loss"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weights and losses")
    for name, log in logs.items():
        found = verdict["contenders"].get(name)
        delta = _delta(log.get("loss"), logs.get(reference, {}).get("loss")) if found else _DASH
        level = LEVELS[found["level"]] if found else "reference"
        cells = [_number(log.get(metric)) for metric in metrics]
        table.add_row(escape(name), *cells, delta, level)
    return table


#: What the levels of `verdicts.numbers` are called.
LEVELS = {
    "identical": "equal, bit by bit",
    "rounding": "equal up to rounding",
    "drift": "[yellow]same start, drifts apart[/]",
    "different": "another start",
    "broken": "[red]NaN or infinity on one side[/]",
    "unknown": "no losses",
}


def _number(value: float | None) -> str:
    if value is None:
        return _DASH
    return f"{value:.5g}" if math.isfinite(value) else f"[red]{value}[/]"


def _delta(value: float | None, reference: float | None) -> str:
    if value is None or reference is None:
        return _DASH
    return f"{value - reference:+.1e}" if value != reference else "0"


def _verdicts(comparison: Any) -> Padding:
    lines = [
        f"[bold]{title.capitalize()}.[/] {escape(verdict['text'])}"
        for title, verdict in comparison.verdicts.items()
        if verdict is not None
    ]
    return Padding(Text.from_markup("\n".join(lines)), (0, 1, 1, 1))


def as_text(comparison: Any, width: int = 110) -> str:
    """The tables as plain text."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(Tables(comparison))
    return capture.get()
