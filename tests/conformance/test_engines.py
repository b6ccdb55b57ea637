"""The conformance kit on our engines, and on the strict one."""

import pytest

from kerasish.testing import conformance, register_strict

TESTS = list(conformance.tests())


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_conformance(engine, test):
    if conformance.applies(engine, test):
        test.check(engine, *test.subject)


test_strict = conformance.suite(register_strict())
