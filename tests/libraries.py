"""Libraries that tests need and kerasish does not: the oracle, data frames, readers of files it writes."""

import importlib
import os
import warnings

import pytest


def library(name):
    """The module; without it the tests that ask are skipped, where CI=true they fail."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what others say when they are imported is not ours to mend
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent(f"these tests need {name}: {error}")


def absent(what):
    """Leave out the tests that lack something, with the reason; where CI=true nothing may be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what, allow_module_level=True)
