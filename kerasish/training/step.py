"""The one training step: a pure function of the state, written once, compiled by whichever engine runs it.

`StepFunction` binds every variable to a traced value, runs ordinary stateful-looking code, and collects what the
variables stand for afterwards: (values, keys, batch) -> (new values, result).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core.context import bind
from kerasish.core.contract import Engine
from kerasish.core.registry import current_device, use_backend
from kerasish.core.seeds import SeedGenerator
from kerasish.core.variable import Variable


class StepFunction:
    """A compiled function of a batch that reads and changes variables.

    Args:
        body: Takes a batch (a tree of tensors), returns a tree of tensors.
        engine: Where it runs.
        variables: Everything the body may read or assign.
        generators: Seed generators the body may draw from.
        training: The training flag of the call.
        changes: Whether variables may change (False: the state is only read, and not given away).
        options: The engine's compile options.
    """

    def __init__(
        self,
        body: Callable[[Any], Any],
        *,
        engine: Engine,
        variables: Sequence[Variable],
        generators: Sequence[SeedGenerator],
        training: bool,
        changes: bool = True,
        eager: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.engine = engine
        self.variables = list(variables)
        self.generators = list(generators)
        self.changes = changes
        self.traces = 0
        self._body = body
        self._training = training
        donate = (0,) if changes and not eager else ()
        self._run = self._pure if eager else engine.compile(self._pure, donate=donate, options=options)

    def _pure(self, values: list[Any], keys: list[Any], batch: Any) -> tuple[list[Any], Any]:
        self.traces += 1
        draws = {id(g): [key, 0] for g, key in zip(self.generators, keys, strict=True)}
        with bind(self.variables, values, draws=draws, training=self._training) as context:
            result = self._body(batch)
            bindings = context.bindings or {}
            after = [bindings[id(v)] for v in self.variables]
        return after, result

    def __call__(self, batch: Any) -> Any:
        """Run on one batch of host arrays (or tensors); the variables hold the new state afterwards."""
        engine = self.engine
        feed = engine.feed if current_device() is None else self._place
        tensors = trees.map_structure(lambda x: feed(x) if isinstance(x, np.ndarray) else x, batch)
        keys = [feed(g.step_key()) for g in self.generators]
        values = [v._value for v in self.variables]
        with use_backend(engine):
            after, result = self._run(values, keys, tensors)
        for variable, value in zip(self.variables, after, strict=True):
            variable._value = value
        return result

    def _place(self, value: np.ndarray) -> Any:
        return self.engine.asarray(value, dtype=dtypes.of_numpy(value.dtype), device=current_device())
