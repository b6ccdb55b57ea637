"""From measurements to text: the table, the bars, and the JSON file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.workloads import BAR_DISPATCH_US, BAR_FIT_KERAS, BAR_FIT_RAW, BAR_IMPORT_S, BAR_NATIVE

Key = tuple[str, str, str]
"""(model, engine, contender)"""

Imports = Mapping[tuple[str, str], float | None]


class Row(NamedTuple):
    """Medians over the repeats by metric name; spread: (max - min) / median of fit; error: why there are none."""

    medians: dict[str, float]
    spread: float
    error: str | None


_HEADER = (
    f"{'model':<12}{'engine':<11}{'contender':<12}{'fit ms/step':>12}{'+-':>5}{'x raw':>7}{'x keras':>8}"
    f"{'predict ms':>12}{'x raw':>7}{'x keras':>8}{'first s':>9}{'cold s':>8}{'loss':>8}{'params':>9}"
)


def table(rows: Mapping[Key, Row]) -> list[str]:
    """Return the lines of the main table; ratios are to the raw and Keras rows of the same model and engine."""
    lines = [_HEADER, "-" * len(_HEADER)]
    for key, row in rows.items():
        model, engine, contender = key
        head = f"{model:<12}{engine:<11}{contender:<12}"
        if row.error:
            lines.append(f"{head}  n/a: {row.error}")
            continue
        m = row.medians
        fit = "".join(
            _cell(_ratio(rows, key, name, "fit_ms"), width) for name, width in (("raw", 7), ("keras", 8))
        )
        predict = "".join(
            _cell(_ratio(rows, key, name, "predict_ms"), width) for name, width in (("raw", 7), ("keras", 8))
        )
        lines.append(
            f"{head}{m['fit_ms']:>12.3f}{row.spread:>5.0%}{fit}{m['predict_ms']:>12.3f}{predict}"
            f"{m['first_step_s']:>9.2f}{m['cold_s']:>8.2f}{m['loss']:>8.3f}{m['params']:>9.0f}"
        )
    return lines


def _cell(ratio: float | None, width: int) -> str:
    return f"{'-' if ratio is None else format(ratio, '.2f'):>{width}}"


def _ratio(rows: Mapping[Key, Row], key: Key, reference: str, metric: str) -> float | None:
    """Return the row's metric over the reference contender's; on `native`, over the best engine's."""
    model, engine, contender = key
    if contender == reference or rows[key].error:
        return None
    others = [
        row.medians[metric]
        for (other_model, other_engine, other), row in rows.items()
        if other_model == model
        and other == reference
        and not row.error
        and engine in (other_engine, "native")
    ]
    return rows[key].medians[metric] / min(others) if others else None


def import_table(imports: Imports) -> list[str]:
    """Return one line per (engine, contender): seconds of `import X` over a bare interpreter."""
    cells = [
        f"{engine}/{contender} {'n/a' if seconds is None else f'{seconds:.2f}'}"
        for (engine, contender), seconds in sorted(imports.items())
    ]
    return ["import s: " + ", ".join(cells)]


def bars(rows: Mapping[Key, Row], imports: Imports, overheads: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return one pass / FAIL line per bar; `native` is compared with the fastest of all others."""
    return ["bars", "----", *_fit_bars(rows), *_import_bars(imports), *_dispatch_bars(overheads)]


def _fit_bars(rows: Mapping[Key, Row]) -> Iterator[str]:
    for key in rows:
        model, engine, contender = key
        if contender != "kerasish":
            continue
        for metric, what in (("fit_ms", "fit"), ("predict_ms", "predict")):
            if engine == "native":
                ratio, best = _over_all(rows, key, metric)
                verdict = _verdict(ratio, BAR_NATIVE)
                yield f"{verdict}  {model}/native {what} <= {BAR_NATIVE} x best of all ({best}): {_cell(ratio, 0)}"
                continue
            for reference, bar in (("raw", BAR_FIT_RAW), ("keras", BAR_FIT_KERAS)):
                ratio = _ratio(rows, key, reference, metric)
                verdict = _verdict(ratio, bar)
                yield f"{verdict}  {model}/{engine} {what} <= {bar} x {reference}: {_cell(ratio, 0)}"


def _over_all(rows: Mapping[Key, Row], key: Key, metric: str) -> tuple[float | None, str]:
    """Return native's metric over that of the fastest other contender, and which one that is."""
    others = {
        (engine, contender): row.medians[metric]
        for (model, engine, contender), row in rows.items()
        if model == key[0] and contender != "kerasish" and not row.error
    }
    if rows[key].error or not others:
        return None, "-"
    best = min(others, key=lambda k: others[k])
    return rows[key].medians[metric] / others[best], " ".join(best)


def _import_bars(imports: Imports) -> Iterator[str]:
    for (engine, contender), seconds in sorted(imports.items()):
        if contender == "kerasish":
            yield f"{_verdict(seconds, BAR_IMPORT_S)}  {engine} import <= {BAR_IMPORT_S} s: {_cell(seconds, 0)}"


def _dispatch_bars(overheads: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for engine, found in overheads.items():
        worst = None if "error" in found else max(cell["overhead_us"] for cell in found.values())
        verdict = _verdict(worst, BAR_DISPATCH_US)
        yield f"{verdict}  {engine} worst dispatch overhead <= {BAR_DISPATCH_US} us: {_cell(worst, 0)}"


def _verdict(value: float | None, bar: float) -> str:
    if value is None:
        return "n/a "
    return "pass" if value <= bar else "FAIL"


def as_json(
    machine: str,
    arguments: Mapping[str, Any],
    rows: Mapping[Key, Row],
    imports: Imports,
    overheads: Mapping[str, Mapping[str, Any]],
    randomness: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return all that was measured, ready for `json.dumps`."""
    return {
        "machine": machine,
        "arguments": dict(arguments),
        "rows": [
            {
                "model": model,
                "engine": engine,
                "contender": contender,
                "fit_spread": row.spread,
                **row.medians,
            }
            | ({"error": row.error} if row.error else {})
            for (model, engine, contender), row in rows.items()
        ],
        "imports": [{"engine": e, "contender": c, "seconds": s} for (e, c), s in imports.items()],
        "dispatch": dict(overheads),
        "portable_randomness": dict(randomness),
    }
