"""The one training step: a pure function of the state, written once, compiled by whichever engine runs it.

`StepFunction` binds every variable to a traced value, runs ordinary stateful-looking code, and collects what the
variables stand for afterwards: (values, keys, batch) -> (new values, result).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core import primitives as p
from kerasish.core.context import bind
from kerasish.core.contract import Engine
from kerasish.core.registry import _scoped, current_device
from kerasish.core.seeds import SeedGenerator, StepKeys
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
        self.changes = changes
        self.traces = 0
        #: Random draws in a step, as far as one ran.
        self.draws = 0
        self._keys = StepKeys(generators)
        self._body = body
        self._training = training
        self._eager = eager
        donate = (0,) if changes and not eager else ()
        self._run = self._pure if eager else engine.compile(self._pure, donate=donate, options=options)

    def _pure(self, values: list[Any], keys: Any, batch: Any) -> tuple[list[Any], Any]:
        self.traces += 1
        draws = {id(g): [_row(keys, i), 0] for i, g in enumerate(self._keys.generators)}
        with bind(self.variables, values, draws=draws, training=self._training) as context:
            result = self._body(batch)
            bindings = context.bindings or {}
            after = [bindings[id(v)] for v in self.variables]
        self.draws = sum(count for _, count in draws.values())
        if not self.changes:  # what stays as it is need not be handed back; donated memory has to be
            after = [None if new is old else new for new, old in zip(after, values, strict=True)]
        return after, result

    def __call__(self, batch: Any, owned: bool = False) -> Any:
        """Run on one batch of host arrays (or tensors); the variables hold the new state afterwards.

        With `owned` nobody else holds the arrays of the batch.
        """
        engine = self.engine
        fed = not self._eager and current_device() is None
        place = partial(engine.feed, owned=owned) if fed else self._place
        keys = place(self._keys.next())
        tensors = trees.map_structure(lambda x: place(x) if isinstance(x, np.ndarray) else x, batch)
        values = [v._value for v in self.variables]
        token = _scoped.set(engine)
        try:
            after, result = self._run(values, keys, tensors)
        finally:
            _scoped.reset(token)
        for variable, value in zip(self.variables, after, strict=True):
            if value is not None:
                variable._value = value
        return result

    def _place(self, value: np.ndarray) -> Any:
        return self.engine.asarray(value, dtype=dtypes.of_numpy(value.dtype), device=current_device())


def _row(keys: Any, index: int) -> Any:
    """One generator's key of the keys of all."""
    row = p.slice(keys, start=(index, 0), stop=(index + 1, 2), step=(1, 1))
    return p.reshape(row, shape=(2,))
