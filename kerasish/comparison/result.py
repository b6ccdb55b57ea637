"""`Comparison`: the runs, what follows from them, and the ways to show them."""

from __future__ import annotations

import datetime
import json
import statistics
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from kerasish import __version__
from kerasish.comparison import verdicts
from kerasish.comparison.machine import describe_machine
from kerasish.comparison.page import notebook_html, page
from kerasish.comparison.records import SCHEMA, VERSION, Missing, Run, numbers_back, to_json
from kerasish.core.errors import ArgumentError, BackendNotInstalledError

#: Quantities that are measured once a run: name -> how to take it from a run.
QUANTITIES: dict[str, Callable[[Run], float | None]] = {
    "step_ms": lambda run: run.steps.median_ms if run.steps else None,
    "samples_per_s": lambda run: run.samples_per_s,
    "first_step_s": lambda run: run.first_step_s,
    "import_s": lambda run: run.import_s,
    "build_s": lambda run: run.build_s,
    "predict_ms": lambda run: run.predict_ms,
    "peak_bytes": lambda run: run.peak_bytes,
}


class Comparison:
    """Runs of one training on several engines, side by side.

    Made by `kerasish.compare`, by `kerasish compare` (the command), or `from_json`. Shown by notebooks as a table.

    Attributes:
        subject: What was compared: `kind` ("script" or "function"), `name`, `arguments`.
        settings: How.
        runs: Every run, failed ones included.
        missing: Contenders that could not take part.
        environment: The machine.
        created: When, ISO 8601.
    """

    def __init__(
        self,
        subject: dict[str, Any],
        settings: dict[str, Any],
        runs: Sequence[Run],
        missing: Sequence[Missing] = (),
        *,
        environment: dict[str, Any],
        created: str,
        version: str = __version__,
    ) -> None:
        self.subject = subject
        self.settings = settings
        self.runs = list(runs)
        self.missing = list(missing)
        self.environment = environment
        self.created = created
        self._version = version

    @classmethod
    def of(
        cls,
        subject: dict[str, Any],
        settings: dict[str, Any],
        runs: Sequence[Run],
        missing: Sequence[Missing],
    ) -> Comparison:
        """A comparison made now, on this machine."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return cls(subject, settings, runs, missing, environment=describe_machine(), created=now)

    # -- what follows ----------------------------------------------------------------------------------------------
    @property
    def contenders(self) -> list[str]:
        """Names of those that ran at least once, in order."""
        return list(dict.fromkeys(run.contender for run in self.runs if run.ok))

    @property
    def failed(self) -> list[Run]:
        """The runs that failed."""
        return [run for run in self.runs if not run.ok]

    def runs_of(self, contender: str) -> list[Run]:
        """The runs of a contender that came to their end."""
        return [run for run in self.runs if run.contender == contender and run.ok]

    @cached_property
    def summary(self) -> dict[str, dict[str, Any]]:
        """For each contender the quantities: `median`, `low` and `high` over its runs; None where not measured."""
        return {name: self._summary_of(name) for name in self.contenders}

    def _summary_of(self, name: str) -> dict[str, Any]:
        runs = self.runs_of(name)
        found: dict[str, Any] = {
            "label": verdicts.label(runs[0]),
            "runs": len(runs),
            "device": runs[0].device,
            "portable_randomness": runs[0].portable_randomness,
        }
        for quantity, of in QUANTITIES.items():
            values = [v for v in map(of, runs) if v is not None]
            found[quantity] = (
                {"median": statistics.median(values), "low": min(values), "high": max(values)}
                if values
                else None
            )
        first = min(runs, key=lambda r: (r.seed, r.repeat))
        found["last"] = first.epochs[-1].logs if first.epochs else {}
        return found

    @cached_property
    def verdicts(self) -> dict[str, Any]:
        """`speed`, `numbers`, `seeds` (None for one seed) and `randomness` (None where it is the same for all).

        See `kerasish.comparison.verdicts`.
        """
        runs = {name: self.runs_of(name) for name in self.contenders}
        return {
            "speed": verdicts.speed(runs),
            "numbers": verdicts.numbers(runs),
            "seeds": verdicts.seeds(runs),
            "randomness": verdicts.randomness(runs),
        }

    # -- shown -----------------------------------------------------------------------------------------------------
    def table(self) -> Any:
        """Tables of times and numbers, and the verdicts, for a rich console."""
        from kerasish.comparison.table import Tables  # rich is loaded when something is shown

        return Tables(self)

    def __str__(self) -> str:
        from kerasish.comparison.table import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"<Comparison of {self.subject['name']}: {', '.join(self.contenders) or 'no run succeeded'}>"

    def _repr_html_(self) -> str:
        return notebook_html(self.report())

    def plot(self, metrics: Sequence[str] | None = None) -> Any:
        """Curves of losses and metrics, and bars of times, as a matplotlib figure.

        Args:
            metrics: Names of curves; default all that are not validation's.

        Raises:
            BackendNotInstalledError: matplotlib is missing.
        """
        try:
            from kerasish.comparison.plot import figure
        except ImportError:
            raise BackendNotInstalledError(
                "Plots need matplotlib.", where="Comparison.plot", hint='pip install "kerasish[viz]"'
            ) from None
        return figure(self, metrics)

    # -- files -----------------------------------------------------------------------------------------------------
    def report(self) -> dict[str, Any]:
        """Everything, as it is written to `report.json`."""
        return to_json(  # type: ignore[no-any-return]
            {
                "schema": SCHEMA,
                "version": VERSION,
                "kerasish": self._version,
                "created": self.created,
                "subject": self.subject,
                "settings": self.settings,
                "environment": self.environment,
                "summary": self.summary,
                "verdicts": self.verdicts,
                "missing": self.missing,
                "runs": self.runs,
            }
        )

    def to_json(self, path: Any) -> Path:
        """Write `report.json`: the schema is in `docs/compare.md`."""
        target = Path(path)
        text = json.dumps(self.report(), indent=1, allow_nan=False, ensure_ascii=False)
        target.write_text(text + "\n", encoding="utf-8")
        return target

    def to_html(self, path: Any) -> Path:
        """Write a page that needs nothing else: no network, no other file."""
        target = Path(path)
        target.write_text(page(self.report()), encoding="utf-8")
        return target

    @classmethod
    def from_json(cls, path: Any) -> Comparison:
        """The comparison that `to_json` wrote.

        Raises:
            ArgumentError: It is no such file, or of another version.
        """
        where = "Comparison.from_json"
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArgumentError(f"{str(path)!r} cannot be read as JSON: {error}.", where=where) from None
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ArgumentError(f"{str(path)!r} is no report of a comparison.", where=where)
        if data.get("version") != VERSION:
            raise ArgumentError(
                "The report has another version.", where=where, expected=VERSION, received=data.get("version")
            )
        return cls(
            data["subject"],
            data["settings"],
            [Run.from_json(run) for run in numbers_back(data["runs"])],
            [Missing(**one) for one in data["missing"]],
            environment=data["environment"],
            created=data["created"],
            version=data["kerasish"],
        )
