"""The examples of docstrings print what they say, and all that is public has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import kerasish
from kerasish.core import registry

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(kerasish.__path__, "kerasish.")
    if "__main__" not in found.name
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with registry.use_backend("native"):
        failed, _ = doctest.testmod(importlib.import_module(name))
    assert not failed


def test_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [case for name in MODULES for case in finder.find(importlib.import_module(name))]
    assert sum(bool(case.examples) for case in found) > 600


PLACES = """
    . ops layers losses metrics optimizers optimizers.schedules initializers regularizers constraints activations
    callbacks utils saving random config tree models dtype_policies backend
"""


@pytest.mark.parametrize("place", PLACES.split())
def test_what_is_public_shows_an_example(place):
    module = importlib.import_module(f"kerasish.{place}".rstrip("."))
    public = {name: getattr(module, name) for name in module.__all__}
    without = [n for n, v in public.items() if callable(v) and ">>>" not in (inspect.getdoc(v) or "")]
    assert not without
