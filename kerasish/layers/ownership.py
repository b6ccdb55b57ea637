"""What a layer and its sublayers own: weights, metrics, seed generators; which are trained; to and from arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasish.core.contract import Engine
from kerasish.core.errors import NotBuiltError, ShapeError
from kerasish.core.registry import get_engine
from kerasish.core.variable import Structure, Variable
from kerasish.layers.tracking import Trackable


class Owner(Trackable):
    """The part of `Layer` that looks after state.

    Everything is found by walking the tree of layers; what was found is kept until `Structure` notes a change anywhere.
    """

    _is_layer = True
    # What Trackable and Layer set:
    _variables: list[Variable]
    _sublayers: list[Any]
    _metrics_owned: list[Any]
    _generators: list[Any]
    _own_losses: list[Any]
    _trainable: bool
    built: bool
    where: str

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> Iterator[Any]:
        """This layer and those below it, parents first, each once."""
        found = self._below() if recursive else list({id(x): x for x in self._sublayers}.values())
        return iter([self, *found] if include_self else found)

    def _below(self) -> list[Any]:
        """All layers below this one, parents first, each once."""
        kept = self.__dict__.get("_below_kept")
        if kept is None or kept[0] != Structure.version:
            kept = Structure.version, self._walk_layers()
            self.__dict__["_below_kept"] = kept
        return kept[1]  # type: ignore[no-any-return]

    def _walk_layers(self) -> list[Any]:
        found: dict[int, Any] = {id(self): self}
        stack = list(reversed(self._sublayers))
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                stack.extend(reversed(layer._sublayers))
        return list(found.values())[1:]

    def _own_in_order(self) -> list[Variable]:
        own = self._variables
        return [v for v in own if v.trainable] + [v for v in own if not v.trainable]

    def _partition(self) -> tuple[list[Variable], list[Variable]]:
        """All weights in order, and those of them that are trained."""
        kept = self.__dict__.get("_partition_kept")
        if kept is None or kept[0] != Structure.version:
            kept = Structure.version, self._walk_weights()
            self.__dict__["_partition_kept"] = kept
        return kept[1]  # type: ignore[no-any-return]

    def _walk_weights(self) -> tuple[list[Variable], list[Variable]]:
        weights: dict[int, Variable] = {}
        trained: dict[int, bool] = {}
        seen: set[int] = set()
        stack: list[tuple[Any, bool]] = [(self, True)]
        while stack:
            layer, learns = stack.pop()
            learns = learns and layer._trainable
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            for variable in layer._own_in_order():
                weights.setdefault(id(variable), variable)
                # Shared by several owners: frozen as soon as one of them is.
                trained[id(variable)] = trained.get(id(variable), True) and learns and variable.trainable
            stack.extend((child, learns) for child in reversed(layer._sublayers))
        return list(weights.values()), [v for key, v in weights.items() if trained[key]]

    @property
    def weights(self) -> list[Variable]:
        """All variables of this layer and its sublayers."""
        return list(self._partition()[0])

    @property
    def variables(self) -> list[Variable]:
        """`weights`, and the variables of metrics held by layers: what a call can read or change."""
        return [*self.weights, *self._held_metrics_variables()]

    @property
    def trainable_weights(self) -> list[Variable]:
        """Variables that gradients change."""
        return list(self._partition()[1])

    @property
    def trainable_variables(self) -> list[Variable]:
        """Variables that gradients change."""
        return list(self._partition()[1])

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """Variables that gradients do not change."""
        weights, trained = self._partition()
        keep = {id(v) for v in trained}
        return [v for v in weights if id(v) not in keep]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """`non_trainable_weights`, and the variables of metrics held by layers."""
        return [*self.non_trainable_weights, *self._held_metrics_variables()]

    @property
    def metrics(self) -> list[Any]:
        """Metrics held by this layer and its sublayers."""
        return self._held_metrics()

    def _held_metrics(self) -> list[Any]:
        return _distinct(metric for layer in self._flatten_layers() for metric in layer._metrics_owned)

    def _held_metrics_variables(self) -> list[Variable]:
        return [v for metric in self._held_metrics() for v in metric.variables]

    @property
    def metrics_variables(self) -> list[Variable]:
        """Variables of `metrics`."""
        return [v for metric in self.metrics for v in metric.variables]

    @property
    def seed_generators(self) -> list[Any]:
        """Seed generators of this layer and its sublayers."""
        return _distinct(generator for layer in self._flatten_layers() for generator in layer._generators)

    @property
    def state_variables(self) -> list[Variable]:
        """What layers carry from one call to the next (stateful recurrent layers): neither trained nor saved."""
        return _distinct(v for layer in self._flatten_layers() for v in layer.__dict__.get("_carried", ()))

    @property
    def trainable(self) -> bool:
        """Whether this layer's weights are trained; setting it sets all sublayers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers():
            object.__setattr__(layer, "_trainable", bool(value))
        Structure.changed()

    def count_params(self) -> int:
        """Number of scalars in all weights.

        Raises:
            NotBuiltError: The layer has not been built.
        """
        if not self.built:
            raise NotBuiltError(
                "It has no weights yet.", where=self.where, hint="call it on data, or build(input_shape)"
            )
        return sum(v.size for v in self.weights)

    # -- arrays ----------------------------------------------------------------------------------------------------
    def get_weights(self) -> list[np.ndarray]:
        """All weights as NumPy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights from arrays in the order of `get_weights`. Nothing is set if one does not fit.

        Raises:
            ShapeError: The number or a shape differs.
        """
        mine = self.weights
        if len(mine) != len(weights):
            raise ShapeError(
                "The number of weights differs.",
                where=self.where,
                expected=len(mine),
                received=len(weights),
                hint=None if self.built else "build the layer first: call it on data",
            )
        for variable, value in zip(mine, weights, strict=True):
            if variable.shape != np.shape(value):
                raise ShapeError(
                    "A weight has another shape.",
                    where=f"{self.where}, weight {variable.path!r}",
                    expected=variable.shape,
                    received=np.shape(value),
                )
        for variable, value in zip(mine, weights, strict=True):
            variable.assign(np.asarray(value))

    def save_own_variables(self, store: Any) -> None:
        """Put this layer's own variables into a dict-like store, numbered in order."""
        for index, variable in enumerate(self._own_in_order()):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Set this layer's own variables from a store written by `save_own_variables`.

        Raises:
            ShapeError: The number or a shape differs.
        """
        mine = self._own_in_order()
        if len(store.keys()) != len(mine):
            raise ShapeError(
                "The file holds another number of weights.",
                where=self.where,
                expected=len(mine),
                received=len(store.keys()),
                hint="load into the model that was saved" if self.built else "build the layer first",
            )
        for index, variable in enumerate(mine):
            variable.assign(np.asarray(store[str(index)]))

    # -- engine ----------------------------------------------------------------------------------------------------
    @property
    def engine(self) -> Engine | None:
        """The engine its weights live on; None before it has any."""
        kept = self.__dict__.get("_witness")
        if kept is None or kept[0] != Structure.version:
            witness = next((v for layer in self._flatten_layers() for v in layer._variables), None)
            if witness is None:
                return None
            kept = Structure.version, witness
            self.__dict__["_witness"] = kept
        return kept[1].engine  # type: ignore[no-any-return]

    def to_backend(self, name: str | Engine) -> Any:
        """Move all variables to another engine; what is computed afterwards runs there. Returns self.

        Raises:
            UnknownBackendError: Nothing of that name is registered.
            BackendNotInstalledError: Its framework is missing.
        """
        engine = get_engine(name)
        for variable in (*self.variables, *self.metrics_variables, *self.state_variables):
            variable.to_engine(engine)
        for layer in self._flatten_layers():
            layer._own_losses = []
        return self


def _distinct(items: Iterator[Any]) -> list[Any]:
    return list({id(item): item for item in items}.values())
