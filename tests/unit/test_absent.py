"""Every public name of the installed Keras is offered, or its absence is explained."""

import importlib
import types

import pytest

import kerasish
from kerasish.core.absent import TABLE
from tests.libraries import library

keras = library("keras")

MODULES = """
    . activations backend callbacks config constraints dtype_policies initializers layers losses metrics mixed_precision
    models ops optimizers optimizers.schedules random regularizers saving tree utils visualization
"""
#: Keras' own source is public by mistake.
PRIVATE = {"src"}


def explanation(module, name):
    try:
        getattr(module, name)
    except AttributeError as error:
        return str(error)
    return "offered"


@pytest.mark.parametrize("name", MODULES.split())
def test_names_are_offered_or_explained(name):
    theirs = importlib.import_module(f"keras.{name}".rstrip("."))
    ours = importlib.import_module(f"kerasish.{name}".rstrip("."))
    names = [n for n in dir(theirs) if not n.startswith("_") and n not in PRIVATE]
    said = {n: explanation(ours, n) for n in names}
    assert {n: s for n, s in said.items() if s != "offered" and ", which Keras 3 has. Try: " not in s} == {}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_called_absent_is_absent_here_and_there_in_keras(name):
    ours = importlib.import_module(name)
    theirs = importlib.import_module(name.replace("kerasish", "keras"))
    absent = " ".join(TABLE[name]).split()
    assert len(set(absent)) == len(absent)
    assert [n for n in absent if hasattr(ours, n)] == []
    assert [n for n in absent if not hasattr(theirs, n)] == []
    assert isinstance(theirs, types.ModuleType)


@pytest.mark.parametrize(("place", "name"), [(kerasish, "Sequentail"), (kerasish.layers, "Dens")], ids=str)
def test_other_names_are_looked_for(place, name):
    with pytest.raises(AttributeError, match="has no attribute") as caught:
        getattr(place, name)
    assert (caught.value.name, caught.value.obj) == (name, place)
