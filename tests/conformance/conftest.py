"""Engines registered by these tests are gone when a file's tests are done."""

import pytest

from kerasish.core import registry


@pytest.fixture(autouse=True, scope="module")
def registered_engines():
    before = dict(registry._extra)
    yield
    registry._extra.clear()
    registry._extra.update(before)
