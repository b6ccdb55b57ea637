"""What follows from runs: who is faster, whether numbers are the same (and drawn alike), engines against seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kerasish.comparison.fingerprint import distance
from kerasish.comparison.records import KERASISH, Fingerprint, Run
from kerasish.comparison.significance import paired_ratio, permutation_test

#: Relative distance of weights below which two starts are the same up to rounding.
SAME_START = 1e-5
#: Relative difference of losses above which curves are said to drift apart.
DRIFT = 1e-3

Runs = Mapping[str, Sequence[Run]]


def label(run: Run) -> str:
    """How sentences call the contender of a run."""
    return run.engine if run.api == KERASISH else f"{run.api.capitalize()} on {run.engine}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def small(value: float) -> str:
    """A small number with two digits.

    Example:
        >>> small(0.000012)
        '1.2e-5'
    """
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")


# -- speed -------------------------------------------------------------------------------------------------------------
def speed(runs: Runs) -> dict[str, Any]:
    """Who takes least time a step; nobody is called fastest whose lead is within the noise.

    Returns:
        `order` by median time, `fastest` (all that the quickest cannot be told from), `ratios` to the quickest with
        their 95 % intervals over rounds, `ranked`, `text`.
    """
    times = {name: _by_round(found) for name, found in runs.items()}
    medians = {
        name: statistics.median(t for t in values if t is not None)
        for name, values in times.items()
        if any(t is not None for t in values)
    }
    order = sorted(medians, key=lambda name: medians[name])
    if not order:
        return {"ranked": False, "order": [], "fastest": [], "ratios": {}, "text": "No steps were timed."}
    best, ratios = order[0], {}
    for name in order[1:]:
        found = paired_ratio(times[best], times[name])
        if found is not None:
            ratios[name] = {**found._asdict(), "decided": found.decided}
    fastest = [best, *(name for name, r in ratios.items() if not (r["decided"] and r["ratio"] > 1))]
    ranked = len(order) > 1 and len(fastest) == 1
    names = {name: label(found[0]) for name, found in runs.items()}
    rounds = max(len(values) for values in times.values())
    text = _speed_text(order, fastest, ratios, names, rounds)
    return {"ranked": ranked, "order": order, "fastest": fastest, "ratios": ratios, "text": text}


def _by_round(runs: Sequence[Run]) -> list[float | None]:
    rounds = max(run.repeat for run in runs) + 1
    values: list[float | None] = [None] * rounds
    for run in runs:
        values[run.repeat] = run.steps.median_ms if run.steps else None
    return values


def _speed_text(
    order: list[str], fastest: list[str], ratios: dict[str, Any], names: dict[str, str], rounds: int
) -> str:
    if len(order) == 1:
        return f"Only {names[order[0]]} was timed."
    if rounds < 2:
        return "Not ranked: one run of each says nothing of the noise. Give --repeat 3 or more."
    best = names[order[0]]
    if len(fastest) == 1:
        return f"{best} is fastest. A step takes {_slower(order[1:], ratios, names)}."
    tied = [name for name in order if name in fastest]
    behind = [name for name in order if name not in fastest]
    tail = f" Compared with {best}, a step takes {_slower(behind, ratios, names)}." if behind else ""
    return f"No winner: {listed([names[n] for n in tied])} differ by less than the noise of {rounds} rounds.{tail}"


def _slower(order: list[str], ratios: dict[str, Any], names: dict[str, str]) -> str:
    """How much longer others take; the interval of the first, which matters most, in words."""
    parts = [f"{names[name]} {ratios[name]['ratio']:.3g}" for name in order if name in ratios]
    first = next(ratios[name] for name in order if name in ratios)
    parts[0] += f" times as long ({first['low']:.3g} to {first['high']:.3g})"
    return listed(parts)


# -- numbers -----------------------------------------------------------------------------------------------------------
def numbers(runs: Runs) -> dict[str, Any]:
    """Whether engines computed the same, judged by one run of each with the same seed.

    Returns:
        `reference`, and for each other contender its `level`: "identical" (bit by bit), "rounding", "drift" (losses
        part by more than 0.1 %), "different" (other weights to begin with), "broken" (NaN or infinity on one side only)
        or "unknown"; with `start`, `loss_deviation` by epoch, `max_deviation`, `weights_distance`. `repeats` says
        whether runs with equal seeds gave equal weights. `text`.
    """
    first = {name: min(found, key=lambda r: (r.seed, r.repeat)) for name, found in runs.items()}
    ours = [name for name, run in first.items() if run.api == KERASISH]
    if not ours:
        return {"reference": None, "contenders": {}, "repeats": {}, "text": "There is nothing to compare."}
    reference = first[ours[0]]
    found = {name: against(run, reference) for name, run in first.items() if run is not reference}
    text = _numbers_text(reference, {name: (first[name], verdict) for name, verdict in found.items()})
    if len({r.seed for each in runs.values() for r in each}) == 1 and any(
        verdict["level"] == "different" for verdict in found.values()
    ):
        text += " Try --seeds."
    return {
        "reference": reference.contender,
        "contenders": found,
        "repeats": {name: repeatable(list(r)) for name, r in runs.items()},
        "text": text,
    }


def against(run: Run, reference: Run) -> dict[str, Any]:
    """One run beside the reference."""
    start = _start(run.initial, reference.initial)
    deviations = loss_deviations(run, reference)
    known = [d for d in deviations if d is not None]
    largest = max(known, default=None) if all(math.isfinite(d) for d in known) else math.inf
    apart = distance(run.final, reference.final) if run.final and reference.final else None
    same = bool(run.final and reference.final and run.final.sha256 == reference.final.sha256)
    return {
        "level": _level(start, known, same and largest == 0),
        "start": start,
        "loss_deviation": deviations,
        "max_deviation": largest,
        "weights_distance": apart,
    }


def _start(one: Fingerprint | None, other: Fingerprint | None) -> str:
    if one is None or other is None:
        return "unknown"
    if one.sha256 == other.sha256:
        return "identical"
    apart = distance(one, other)
    return "rounding" if apart is not None and apart <= SAME_START else "different"


def loss_deviations(run: Run, reference: Run) -> list[float | None]:
    """|a - b| / |b| of the losses of each epoch; infinite where one of the two is not finite, None where neither is."""
    mine, theirs = (_losses(r) for r in (run, reference))
    found: list[float | None] = []
    for a, b in zip(mine, theirs, strict=False):
        if not (math.isfinite(a) or math.isfinite(b)):
            found.append(None)
        elif not (math.isfinite(a) and math.isfinite(b)):
            found.append(math.inf)
        else:
            found.append(0.0 if a == b else abs(a - b) / max(abs(b), 1e-12))
    return found


def _losses(run: Run) -> list[float]:
    curves = run.curves
    return curves.get("loss") or next(iter(curves.values()), [])


def _level(start: str, deviations: Sequence[float], identical: bool) -> str:
    if not deviations:
        return "unknown"
    if any(math.isinf(d) for d in deviations):
        return "broken"
    if identical:
        return "identical"
    if start == "different":
        return "different"
    return "rounding" if max(deviations) <= DRIFT else "drift"


def repeatable(runs: Sequence[Run]) -> str:
    """Whether runs with equal seeds ended with equal weights: "identical", "differ", or "unknown"."""
    by_seed: dict[int, set[str]] = {}
    counts: dict[int, int] = {}
    for run in runs:
        if run.final is not None:
            by_seed.setdefault(run.seed, set()).add(run.final.sha256)
            counts[run.seed] = counts.get(run.seed, 0) + 1
    if max(counts.values(), default=0) < 2:
        return "unknown"
    return "identical" if all(len(hashes) == 1 for hashes in by_seed.values()) else "differ"


def _numbers_text(reference: Run, found: dict[str, tuple[Run, dict[str, Any]]]) -> str:
    if not found:
        return f"Only {label(reference)} ran: there is nothing to compare."
    by_level: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for run, verdict in found.values():
        by_level.setdefault(verdict["level"], []).append((label(run), verdict))
    return " ".join(
        _SENTENCES[level](by_level[level], label(reference)) for level in _SENTENCES if level in by_level
    )


def _largest(items: list[tuple[str, dict[str, Any]]], key: str) -> float:
    return max((v[key] for _, v in items if v[key] is not None), default=math.nan)


def _names(items: list[tuple[str, dict[str, Any]]]) -> str:
    return listed([name for name, _ in items])


def _identical(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    return f"{_names(items)} and {reference}: every loss and every weight equal, bit by bit."


def _rounding(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    loss, weights = _largest(items, "max_deviation"), _largest(items, "weights_distance")
    follow = "follows" if len(items) == 1 else "follow"
    tail = "" if math.isnan(weights) else f", final weights by {small(weights)}"
    differ = f"losses differ by at most {small(loss)} of their value{tail}"
    return f"{_names(items)} {follow} the curve of {reference}: {differ}."


def _drift(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    parts = []
    for name, verdict in items:
        epoch = next(i for i, d in enumerate(verdict["loss_deviation"], 1) if d is not None and d > DRIFT)
        parts.append(f"{name} from epoch {epoch} on (up to {small(verdict['max_deviation'])})")
    begin = (
        "Begin with the same weights and part from"
        if len(items) > 1
        else "Begins with the same weights and parts from"
    )
    return f"{begin} {reference} by more than {DRIFT:.1%} of the loss: {listed(parts)}."


def _different(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    begins = "begins" if len(items) == 1 else "begin"
    return (
        f"{_names(items)} {begins} with other weights than {reference}: "
        "such curves compare over several seeds only."
    )


def _broken(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    return f"{_names(items)} and {reference}: NaN or infinite losses on one side only."


def _unknown(items: list[tuple[str, dict[str, Any]]], reference: str) -> str:
    return f"{_names(items)}: no losses to compare with those of {reference}."


_SENTENCES = {
    "broken": _broken,
    "identical": _identical,
    "rounding": _rounding,
    "drift": _drift,
    "different": _different,
    "unknown": _unknown,
}


# -- seeds -------------------------------------------------------------------------------------------------------------
def seeds(runs: Runs) -> dict[str, Any] | None:
    """Whether the last values of losses and metrics differ more between engines than between seeds.

    None where there is one seed only. One value a seed and engine counts; `tests` holds a permutation test a metric.
    Engines with values that are not finite are named in `left_out`: no test is needed to see that they differ.
    """
    by_seed = {
        name: {r.seed: r for r in sorted(found, key=lambda r: -r.repeat)} for name, found in runs.items()
    }
    count = max((len(found) for found in by_seed.values()), default=0)
    if count < 2:
        return None
    tests: dict[str, Any] = {}
    for metric in _shared_metrics(runs):
        values = {
            name: [r.curves[metric][-1] for _, r in sorted(found.items())]
            for name, found in by_seed.items()
            if len(found) > 1
        }
        groups = {name: group for name, group in values.items() if all(map(math.isfinite, group))}
        result = permutation_test(list(groups.values()))
        if result is not None:
            left_out = [label(runs[name][0]) for name in values if name not in groups]
            spread = _within(list(groups.values()))
            tests[metric] = {**result._asdict(), "spread_of_seeds": spread, "left_out": left_out}
    main = next((m for m in ("val_loss", "loss") if m in tests), next(iter(tests), None))
    return {"seeds": count, "metric": main, "tests": tests, "text": _seeds_text(main, tests, count)}


def _within(groups: list[list[float]]) -> float:
    return math.sqrt(statistics.fmean(statistics.variance(group) for group in groups))


def _shared_metrics(runs: Runs) -> list[str]:
    all_curves = [run.curves for found in runs.values() for run in found]
    return (
        [name for name in all_curves[0] if all(name in curves for curves in all_curves)] if all_curves else []
    )


def _seeds_text(main: str | None, tests: dict[str, Any], count: int) -> str:
    if main is None:
        return "Seeds were not compared: there are too few engines or values."
    test = tests[main]
    figures = f"effect {test['effect']:.2g}, p {_p(test)}, {count} seeds"
    if test["left_out"]:
        figures += f"; without {listed(test['left_out'])}, where it is not finite"
    if test["p_value"] < 0.05:
        return f"{main} differs more between engines than between seeds ({figures})."
    return f"{main} does not differ more between engines than between seeds ({figures})."


def _p(test: dict[str, Any]) -> str:
    p = test["p_value"]
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


# -- randomness --------------------------------------------------------------------------------------------------------
def randomness(runs: Runs) -> dict[str, Any] | None:
    """Which contenders' steps drew from an engine's own generator; None where all drew the portable numbers.

    Returns:
        `own` and `portable`, names of contenders; `text`.
    """
    drawn = {name: [r.portable_randomness for r in found] for name, found in runs.items()}
    own = [name for name, found in drawn.items() if False in found]
    portable = [name for name, found in drawn.items() if True in found and False not in found]
    if not own:
        return None
    places = {name: f"{label(found[0])} on {found[0].device}" for name, found in runs.items()}
    text = f"{listed([places[n] for n in own])} drew dropout masks and noise from the engine's own generator"
    if portable:
        text += f", {listed([places[n] for n in portable])} the portable ones"
    if len(own) + len(portable) > 1:
        text += ": curves may part for that reason"
    text += ". --portable-randomness on, or set_portable_randomness(True), makes all draw the same."
    return {"own": own, "portable": portable, "text": text}
