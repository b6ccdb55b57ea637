"""The names of `kerasish.ops` and their signatures are those of the installed Keras."""

import inspect

import pytest

import kerasish.ops
from tests.libraries import library

keras = library("keras")

# Complex tensors are no part of the engine contract.
MISSING = {"eig", "view_as_complex", "view_as_real"}
SPACES = ("linalg", "nn", "image")


def names_of(module):
    return {name for name in dir(module) if not name.startswith("_") and callable(getattr(module, name))}


def signature_of(function):
    """Names, kinds and defaults; annotations are ours."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        found.append((parameter.name, parameter.kind, parameter.default))
    return found


@pytest.mark.parametrize("space", ["", *SPACES])
def test_every_name_is_there(space):
    theirs = getattr(keras.ops, space) if space else keras.ops
    ours = getattr(kerasish.ops, space) if space else kerasish.ops
    assert names_of(theirs) - names_of(ours) - MISSING == set()
    assert names_of(ours) & MISSING == set()


def _cases():
    for name in sorted(names_of(keras.ops) & names_of(kerasish.ops)):
        yield pytest.param(getattr(kerasish.ops, name), getattr(keras.ops, name), id=name)
    for space in SPACES:
        theirs, ours = getattr(keras.ops, space), getattr(kerasish.ops, space)
        for name in sorted(names_of(theirs) & names_of(ours)):
            yield pytest.param(getattr(ours, name), getattr(theirs, name), id=f"{space}.{name}")


@pytest.mark.parametrize(("ours", "theirs"), list(_cases()))
def test_signature_is_that_of_keras(ours, theirs):
    assert signature_of(ours) == signature_of(theirs)


def test_public_names_are_documented():
    names = kerasish.ops.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not inspect.getdoc(getattr(kerasish.ops, name))] == []
