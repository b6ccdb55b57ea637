"""What a diagnosis found: as objects, as text, as JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from kerasish.diagnosis.envelope import Deviation

#: Version of the JSON that `Diagnosis.to_json` gives.
SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Location:
    """An operation within a layer.

    Attributes:
        name: The primitive or composite; or what remains when no operation is wrong by itself.
        where: Path of the layer whose code calls it; None where it is no single operation.
        occurrence: How many calls of it came before within that layer.
        deviation: Its own, or None.
    """

    name: str
    where: str | None = None
    occurrence: int = 0
    deviation: Deviation | None = None


@dataclasses.dataclass(frozen=True)
class Finding:
    """A layer, or an operation outside of layers, that an engine gets wrong on its own.

    Attributes:
        engine: The engine; "every engine" for what is wrong with the model itself.
        where: Path of the layer, or of the layer whose code calls the operation.
        label: The layer's class, or the operation's name.
        kind: "layer", "op" or "optimizer".
        position: Place in the order of computation.
        deviations: What left its envelope, worst first.
        cause: A guess.
        error: What the engine raised, if it failed.
        op: The first operation that is wrong, if it was asked for.
    """

    engine: str
    where: str
    label: str
    kind: str
    position: int
    deviations: tuple[Deviation, ...]
    cause: str
    error: str | None = None
    op: Location | None = None

    @property
    def in_values(self) -> bool:
        """Whether a result is wrong; else only gradients are."""
        return self.error is not None or any(not d.quantity.startswith("gradient") for d in self.deviations)

    @property
    def title(self) -> str:
        """How the place is called in reports."""
        place = self.where or "the model"
        if self.kind == "optimizer":
            return f"the update by {self.label}"
        return f"{place} ({self.label})" if self.kind == "layer" else f"ops.{self.label} in {place}"


@dataclasses.dataclass(frozen=True)
class Row:
    """One unit: the largest deviation by engine (None: equal to the last bit, or not judged)."""

    position: int
    where: str
    label: str
    kind: str
    worst: dict[str, Deviation | None]


@dataclasses.dataclass
class Diagnosis:
    """What `diff` returns.

    Attributes:
        model: The model's name.
        engines: Engines that were compared.
        missing: Engines that took no part -> why, and what to try.
        rows: Every unit in the order of computation.
        findings: What left its envelope.
        steps: Steps of training that were compared.
        skipped: Units that could not be judged because NaN went into them.
    """

    model: str
    engines: list[str]
    rows: list[Row]
    findings: list[Finding]
    missing: dict[str, str] = dataclasses.field(default_factory=dict)
    steps: list[Any] = dataclasses.field(default_factory=list)
    skipped: int = 0

    @property
    def agree(self) -> bool:
        """Whether everything stayed within its envelope."""
        return not self.findings

    def of(self, engine: str) -> list[Finding]:
        """An engine's findings: wrong values in the order of computation, then wrong gradients from the loss on."""
        mine = [f for f in self.findings if f.engine in (engine, "every engine")]
        return sorted(mine, key=lambda f: (not f.in_values, f.position if f.in_values else -f.position))

    def first(self, engine: str) -> Finding | None:
        """The engine's first finding, or None."""
        return next(iter(self.of(engine)), None)

    # -- text ------------------------------------------------------------------------------------------------------
    def __str__(self) -> str:
        lines = [
            f"{self.model}: {len(self.rows)} layers and operations on {', '.join(self.engines)}, "
            "each alone, against float64"
        ]
        lines += [f"{name}: {why}" for name, why in self.missing.items()]
        lines += [str(step) for step in self.steps]
        for engine in self.engines:
            lines += self._engine_lines(engine)
        if self.skipped:
            lines.append(f"{self.skipped} of them were not judged: NaN goes into them.")
        return "\n".join(lines)

    def _engine_lines(self, engine: str) -> list[str]:
        found = self.of(engine)
        if not found:
            worst = max((d.ratio for r in self.rows if (d := r.worst.get(engine)) is not None), default=0.0)
            return [f"{engine}: agrees (largest deviation: {worst:.0%} of what rounding may do)"]
        first, *others = found
        lines = [f"{engine}: differs first in {first.title}", *_finding_lines(first)]
        if others:
            named = ", ".join(f.title for f in others[:4])
            lines.append(f"  also: {named}{', …' if len(others) > 4 else ''}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data, for `json.dumps`: infinities and NaN as text."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "agree": self.agree,
            "engines": list(self.engines),
            "missing": dict(self.missing),
            "skipped": self.skipped,
            "steps": [_plain(dataclasses.asdict(step)) for step in self.steps],
            "findings": [{**_plain(dataclasses.asdict(f)), "title": f.title} for f in self.findings],
            "first": {e: None if (f := self.first(e)) is None else f.title for e in self.engines},
            "layers": [_plain(dataclasses.asdict(row)) for row in self.rows],
        }


def _finding_lines(finding: Finding) -> list[str]:
    lines = []
    if finding.error is not None:
        lines.append(f"  it raised {finding.error}")
    lines += [f"  {line}" for d in finding.deviations[:3] for line in describe(d)]
    if len(finding.deviations) > 3:
        lines.append(f"  and {len(finding.deviations) - 3} more of its results and gradients")
    if finding.op is not None:
        lines += _op_lines(finding.op)
    return [*lines, f"  likely cause: {finding.cause}"]


def _op_lines(op: Location) -> list[str]:
    if op.where is None:
        return [f"  operation: {op.name}"]
    count = f", call {op.occurrence + 1}" if op.occurrence else ""
    return [
        f"  first operation: {op.name} (called in {op.where or 'the model'}{count})",
        *([] if op.deviation is None else [f"    {line}" for line in describe(op.deviation)]),
    ]


def describe(d: Deviation) -> list[str]:
    """A deviation in two lines."""
    if not d.size:
        return [d.quantity]
    place = f"[{', '.join(map(str, d.index))}]" if d.index else ""
    return [
        f"{d.quantity}{place}: {_show(d.found)} instead of {_show(d.expected)} "
        f"(rounding allows ±{d.allowed:.1e}; {_ulps(d)})",
        f"  error max {d.max_error:.2e}, mean {d.mean_error:.2e}; {d.outside} of {d.size} elements outside",
    ]


def _show(value: float) -> str:
    return f"{value:.9g}"


def _ulps(d: Deviation) -> str:
    return f"{d.ulps:.3g} ULP" if math.isfinite(d.ulps) else "not finite"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
