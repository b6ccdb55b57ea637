"""The conformance kit: tables of what an engine must do, as one parametrised pytest function.

    # test_mine.py
    from kerasish.testing import conformance
    test_engine = conformance.suite("mine")

Each test's name begins with its kind (`KINDS`), so that `pytest -k gradient-` runs one table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from kerasish.core.contract import Engine
from kerasish.core.primitive import GROUPS, RULES
from kerasish.core.registry import get_engine, use_backend
from kerasish.testing import behaviours, checks, op_checks
from kerasish.testing.cases import ROWS
from kerasish.testing.gradient_cases import GRADIENTS
from kerasish.testing.op_cases import CALLS
from kerasish.testing.override_cases import OVERRIDES, UPDATES

#: kind of test -> what it compares.
KINDS = {
    "names": "the primitives an engine must have, the composites it may override",
    "value": "primitives against the host engine in float64",
    "compiled": "primitives inside a compiled function",
    "gradient": "gradients of primitives against central differences, by hand at ties and kinks",
    "eager": "some of these gradients outside of compiled functions",
    "behaviour": "methods: tensors, vjp, jvp, control flow, compilation, donation",
    "override": "overrides against their composites, in value and gradient",
    "operation": "public operations: value, symbolic shape, gradient, compiled, no retrace",
}


class Test(NamedTuple):
    """One test: `check(engine, *subject)`."""

    __test__ = False
    kind: str
    label: str
    check: Callable[..., None]
    subject: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}-{self.label}"


def all_tests(kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Test]:
    """All tests of these kinds."""
    tables: dict[str, Iterator[Test]] = {
        "names": (Test("names", check.__name__, check) for check in (_has_primitives, _covers_overrides)),
        "value": (Test("value", str(case), checks.check_row, (case,)) for case in ROWS),
        "compiled": (Test("compiled", str(case), checks.check_compiled, (case,)) for case in ROWS[::5]),
        "gradient": (Test("gradient", str(case), checks.check_gradient, (case,)) for case in GRADIENTS),
        "eager": (Test("eager", str(case), checks.check_eager_gradient, (case,)) for case in GRADIENTS[::5]),
        "behaviour": (Test("behaviour", check.__name__, check) for check in behaviours.ALL),
        "override": (
            Test("override", str(case), check, (case,))
            for check, table in ((checks.check_override, OVERRIDES), (checks.check_update, UPDATES))
            for case in table
        ),
        "operation": (Test("operation", str(case), op_checks.check_operation, (case,)) for case in CALLS),
    }
    for kind in kinds:
        yield from tables[kind]


def suite(engine: str | Engine, *, kinds: Sequence[str] = tuple(KINDS)) -> Callable[..., None]:
    """A pytest function that tests an engine against the contract.

    Args:
        engine: Its name, as registered.
        kinds: Which tables to run; default all of `KINDS`.

    Returns:
        A parametrised test function. Tests of overrides that the engine does not have, and of groups of primitives that
        it lacks as a whole, are left out.

    Example:
        >>> test_native_overrides = suite("native", kinds=["names"])
    """

    @pytest.mark.parametrize("test", list(all_tests(kinds)), ids=str)
    def test_engine(test: Test) -> None:
        chosen = get_engine(engine)
        if not applies(chosen, test):
            return
        with use_backend(chosen):
            test.check(chosen, *test.subject)

    return test_engine


def applies(engine: Engine, test: Test) -> bool:
    """Whether the engine has what the test is about."""
    name = getattr(test.subject[0], "name", "") if test.subject else ""
    if test.kind == "override":
        return name in engine.overrides
    return not any(name in group and not group & set(engine.primitives) for group in GROUPS.values())


def _has_primitives(engine: Engine) -> None:
    lacking = set(RULES) - set(engine.primitives)
    for group in GROUPS.values():
        if group <= lacking:
            lacking -= group
    assert not lacking, f"primitives are missing: {sorted(lacking)}"


def _covers_overrides(engine: Engine) -> None:
    """Every override names a composite, has a row in the table, and does not decline all of its rows."""
    tested = {case.name for case in (*OVERRIDES, *UPDATES)}
    assert set(engine.overrides) <= set(checks.COMPOSITES), "an override names no composite"
    assert set(engine.overrides) <= tested, f"add rows for {sorted(set(engine.overrides) - tested)}"
    used: set[str] = set()
    for case in OVERRIDES:  # the first row that an override takes is enough
        if case.name in set(engine.overrides) - used and _answers(engine, case):
            used.add(case.name)
    assert used | {case.name for case in UPDATES} >= set(engine.overrides), (
        "an override declines all its rows"
    )


def _answers(engine: Engine, case: Any) -> bool:
    args = [checks.tensor(engine, x) for x in case.args]
    return engine.overrides[case.name](*args, **case.keywords) is not NotImplemented
