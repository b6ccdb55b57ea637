"""Inputs to try a model on, and weights if it has none yet."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import current_engine, use_backend
from kerasish.layers import Embedding
from kerasish.training.data.leaves import to_host_tree


def prepared(model: Any, x: Any, seed: int) -> Any:
    """Host arrays to run a model on, made up if `x` is None; the model's weights exist afterwards."""
    inputs = made_up_inputs(model, seed) if x is None else to_host_tree(x, "x")
    _make_ready(model, inputs)
    return inputs


def made_up_inputs(model: Any, seed: int, batch: int = 4) -> Any:
    """Inputs for a model that has symbolic ones.

    Raises:
        ArgumentError: It has none.
    """
    if getattr(model, "inputs", None) is None:
        raise ArgumentError(
            "The model does not say what it takes.",
            where="diff",
            hint="give inputs: diff(model, x), --input x.npy",
        )
    noise = np.random.default_rng(seed)
    rows = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, Embedding)]

    def one(symbol: Any) -> np.ndarray:
        sizes = [batch if s is None and i == 0 else 8 if s is None else s for i, s in enumerate(symbol.shape)]
        dtype = dtypes.to_numpy(symbol.dtype)
        if dtypes.is_float(symbol.dtype):
            return np.asarray(noise.standard_normal(sizes)).astype(dtype)
        return noise.integers(0, 2 if symbol.dtype == "bool" else min(rows, default=2), sizes).astype(dtype)

    return trees.map_structure(one, model.input)


def _make_ready(model: Any, inputs: Any) -> None:
    """Make the weights, if they are still to be made."""
    if not model.built or (getattr(model, "_graph", None) is None and not model._called):
        with use_backend(model.engine or current_engine()):
            model(inputs)
