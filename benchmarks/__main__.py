"""`python -m benchmarks`: measure every requested contender, print one table, check it against the bars.

Contenders are interleaved inside every repeat, so that a machine that warms up or slows down does so for all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import dispatch, dropout_rng, laptop, report
from benchmarks.machine import describe_machine
from benchmarks.processes import import_seconds, run_worker
from benchmarks.report import Key, Row
from benchmarks.workloads import CONTENDERS, ENGINES, WORKLOADS, contenders_of

RESULTS = Path(__file__).parent / "results" / "latest.json"
METRICS = ("fit_ms", "predict_ms", "first_step_s", "cold_s", "loss", "params")


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--models", type=_names(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--engines", type=_names(ENGINES), default=list(ENGINES))
    parser.add_argument("--contenders", type=_names(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--more", action="store_true", help="add torch.compile and TensorFlow XLA rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, help="steps per epoch; default: per model")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds per process")
    parser.add_argument("--quick", action="store_true", help="one repeat of three steps: does every row run?")
    parser.add_argument("--no-dispatch", action="store_true", help="leave out the per-op overhead")
    parser.add_argument(
        "--no-laptop", action="store_true", help="leave out one row, first step, whole process, growth"
    )
    parser.add_argument(
        "--no-randomness", action="store_true", help="leave out the cost of portable dropout masks"
    )
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.repeats, arguments.steps = 1, arguments.steps or 3
    return arguments


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; choose from {', '.join(known)}")
        return names

    return parse


def measure_all(arguments: argparse.Namespace) -> tuple[dict[Key, Row], dict[tuple[str, str], list[float]]]:
    """Return the rows by (model, engine, contender) and the import times by (engine, contender)."""
    keys: list[Key] = [
        (model, engine, contender)
        for model in arguments.models
        for engine in arguments.engines
        for contender in contenders_of(engine, arguments.contenders, more=arguments.more)
    ]
    samples: dict[Key, list[dict[str, float]]] = {key: [] for key in keys}
    errors: dict[Key, str] = {}
    imports: dict[tuple[str, str], list[float]] = {}
    for repeat in range(arguments.repeats):
        for engine, contender in sorted({key[1:] for key in keys if not key[2].startswith("raw-")}):
            seconds = import_seconds(engine, contender, arguments.threads)
            imports.setdefault((engine, contender), []).extend([] if seconds is None else [seconds])
        # every other repeat runs backwards, so that no contender always follows the same one
        for number, key in enumerate(keys if repeat % 2 == 0 else keys[::-1]):
            if key in errors:
                continue
            steps = arguments.steps or WORKLOADS[key[0]].steps
            found = run_worker(*key, steps, arguments.threads, arguments.timeout)
            if "error" in found:
                errors[key] = str(found["error"])
            else:
                samples[key].append({name: float(str(found[name])) for name in METRICS})
            print(
                f"[{repeat + 1}/{arguments.repeats} {number + 1}/{len(keys)}] {'/'.join(key)}: {_line(found)}",
                flush=True,
            )
    return {key: _row(samples[key], errors.get(key)) for key in keys}, imports


def _line(found: dict[str, object]) -> str:
    if "error" in found:
        return f"n/a: {found['error']}"
    return f"fit {found['fit_ms']:.2f} ms/step, predict {found['predict_ms']:.2f} ms/batch, loss {found['loss']:.3f}"


def _row(samples: list[dict[str, float]], error: str | None) -> Row:
    if error is not None or not samples:
        return Row({}, 0.0, error or "not measured")
    medians = {name: statistics.median(sample[name] for sample in samples) for name in METRICS}
    fits = [sample["fit_ms"] for sample in samples]
    return Row(medians, (max(fits) - min(fits)) / medians["fit_ms"], None)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 1 when a requested contender failed, 0 otherwise."""
    arguments = parse_arguments(argv)
    machine = describe_machine(arguments.threads)
    print(machine, flush=True)
    rows, import_samples = measure_all(arguments)
    imports = {key: statistics.median(values) if values else None for key, values in import_samples.items()}
    overheads: dict[str, dict[str, object]] = {}
    randomness: dict[str, dict[str, object]] = {}
    skips_laptop: bool = arguments.no_laptop or arguments.quick
    if "kerasish" in arguments.contenders and not arguments.no_dispatch:
        overheads = dispatch.measure_engines(arguments.engines, quick=arguments.quick)
    random_models = [model for model in arguments.models if model in dropout_rng.STEPS]
    if "kerasish" in arguments.contenders and random_models and not arguments.no_randomness:
        others = [engine for engine in arguments.engines if engine != "native"]  # it has no other generator
        randomness = dropout_rng.measure_engines(
            others, arguments.threads, random_models, quick=arguments.quick
        )
    print("\n".join(["", *report.table(rows), "", *report.import_table(imports), ""]))
    print("\n".join([*dispatch.table(overheads), "", *dropout_rng.table(randomness), ""]))
    print("\n".join([*report.bars(rows, imports, overheads), "", machine]))
    if "native" in arguments.engines and "kerasish" in arguments.contenders and not skips_laptop:
        keras = "keras" in arguments.contenders
        for figure in laptop.measure(arguments.threads, arguments.repeats, keras):
            print(figure.line(), flush=True)
    RESULTS.write_text(
        json.dumps(report.as_json(machine, vars(arguments), rows, imports, overheads, randomness), indent=1)
        + "\n"
    )
    failed = [key for key, row in rows.items() if row.error] + [
        name for name, o in overheads.items() if "error" in o
    ]
    failed += dropout_rng.failed(randomness)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
