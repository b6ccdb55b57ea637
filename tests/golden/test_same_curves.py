"""Fifty steps of the benchmarked models give the same losses on every engine, to 1e-3; in small batches.

`python -m benchmarks.same_curves` runs them with the batches of the benchmark. The residual network is held to its
first five steps: soon after on one engine parts from itself by more than 1e-3 when weights move by one unit in the last
place, for Adam gives tiny gradients, rounding included, steps of full length.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks.same_curves import BAR, STEPS, curve
from kerasish.core.registry import host_engine, use_backend

# model -> samples a step
BATCHES = {"mlp": 16, "convnet": 8, "lstm": 4, "transformer": 2, "resnet20": 4}
STEPS_OF = {"resnet20": 5}


@functools.cache
def expected(name):
    with use_backend(host_engine()):
        return curve(name, steps=STEPS_OF.get(name, STEPS), batch=BATCHES[name])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "jax", "tensorflow"], indirect=True)
@pytest.mark.parametrize("name", BATCHES)
def test_steps_stay_together(name, engine):
    steps = STEPS_OF.get(name, STEPS)
    found = curve(name, steps=steps, batch=BATCHES[name])
    assert len(found) == steps
    np.testing.assert_allclose(found, expected(name), rtol=BAR)
