"""The jax engine against the contract: `tests/adapters/table.py` says what is checked."""

import pytest

from tests.adapters import behaviours, overrides, table

pytestmark = pytest.mark.parametrize("engine", ["jax"], indirect=True)


@pytest.mark.parametrize("case", table.ROWS, ids=str)
def test_primitive_equals_its_definition(engine, case):
    table.check_row(engine, case)


@pytest.mark.parametrize("case", table.ROWS[::5], ids=str)
def test_primitive_is_the_same_compiled(engine, case):
    table.check_compiled(engine, case)


@pytest.mark.parametrize("case", table.GRADIENTS, ids=str)
def test_gradient(engine, case):
    table.check_gradient(engine, case)


@pytest.mark.parametrize("check", behaviours.ALL, ids=lambda check: check.__name__)
def test_behaviour(engine, check):
    check(engine)


@pytest.mark.parametrize("case", overrides.CASES, ids=str)
def test_override_equals_its_composite(engine, case):
    overrides.check_override(engine, case)
