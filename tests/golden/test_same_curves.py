"""Fifty steps of the benchmarked models give the same losses on every engine, to 1e-3; in small batches.

`python -m benchmarks.same_curves` runs them with the batches of the benchmark.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks.same_curves import BAR, STEPS, curve
from kerasish.core.registry import host_engine, use_backend

# model -> samples a step
BATCHES = {"mlp": 16, "convnet": 8, "lstm": 4, "transformer": 2, "resnet20": 4}


@functools.cache
def expected(name):
    with use_backend(host_engine()):
        return curve(name, batch=BATCHES[name])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "jax", "tensorflow"], indirect=True)
@pytest.mark.parametrize("name", BATCHES)
def test_steps_stay_together(name, engine):
    found = curve(name, batch=BATCHES[name])
    assert len(found) == STEPS
    np.testing.assert_allclose(found, expected(name), rtol=BAR)
