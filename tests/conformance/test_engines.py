"""The conformance kit on our engines, and on the strict one."""

import pytest

from kerasish.testing import conformance, register_strict

TESTS = list(conformance.all_tests())


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_conformance(engine, test):
    if conformance.applies(engine, test):
        test.check(engine, *test.subject)


@pytest.fixture(autouse=True, scope="module")
def registered(registered_engines):
    register_strict()


test_strict = conformance.suite("strict")
