"""What would train silently but wrong is found on the host, before it reaches the engine.

Arrays held in memory are looked at once a fit; batches of generators each. One pass of sums, minima and maxima over the
data costs well under 1 % of training on it once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish import activations
from kerasish import losses as losses_module
from kerasish.core import trees
from kerasish.core.errors import ArgumentError, NumericError, OutOfRangeError
from kerasish.training.structure import pair_targets


class Checks:
    """The checks of one call of fit, evaluate or train_on_batch.

    Args:
        model: The model, prepared for its step.
        source: Where batches come from; its arrays are checked at once. None: batches are checked.
        first: The first batch.
    """

    def __init__(self, model: Any, source: Any, first: Any) -> None:
        self._loss = model._compiled_loss
        self._vocabularies = _vocabularies(model)
        self._model = model
        _no_single_softmax(model, self._loss)
        whole = getattr(source, "data", None)
        self._each_batch = whole is None
        if whole is not None:
            self._look_at(whole)

    def batch(self, batch: Any) -> None:
        """Look at a batch, unless all data was looked at already."""
        if self._each_batch:
            self._look_at(batch)

    def epoch(self, logs: dict[str, Any]) -> None:
        """Look at an epoch's results: nothing to do where the data was found good."""

    def _look_at(self, data: Any) -> None:
        x, y, sample_weight = data
        for name, tree in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            for path, leaf in trees.flatten_with_path(tree):
                if leaf is not None:
                    no_nan(leaf, name + "".join(f"[{p!r}]" for p in path))
        # A dict goes to inputs by name, in whatever order its keys come.
        flat = self._model._graph.arrange(x) if self._vocabularies else []
        for index, layer in self._vocabularies:
            if index < len(flat):
                _within(flat[index], layer.input_dim, f"layer {layer.name!r}", "indices", "raise input_dim")
        if self._loss is not None and self._loss.built and y is not None:
            self._look_at_targets(y)

    def _look_at_targets(self, y: Any) -> None:
        loss = self._loss
        structure = loss.structure
        for name, one, target, shape in zip(
            loss.names, loss.losses, pair_targets(y, structure, loss.names), loss.shapes, strict=True
        ):
            if one is None or target is None:
                continue
            function = getattr(one, "fn", None)
            if function is losses_module.sparse_categorical_crossentropy:
                labels = np.asarray(target)
                ignored = one.get_config().get("ignore_class")
                if ignored is not None:
                    labels = labels[labels != ignored]
                hint = f"labels start at 0; the output needs as many units as there are classes ({shape[-1]} now)"
                _whole(labels)
                _within(
                    labels,
                    shape[-1],
                    f"targets of {name!r}" if len(loss.names) > 1 else "targets",
                    "labels",
                    hint,
                )
            elif function is losses_module.binary_crossentropy and target.size:
                low, high = target.min(), target.max()
                if low < 0 or high > 1:
                    raise OutOfRangeError(
                        "Binary cross-entropy needs targets from 0 to 1.",
                        where="targets",
                        received=f"values from {low} to {high}",
                        hint="map the two classes to 0 and 1; more classes need sparse_categorical_crossentropy",
                    )


def no_nan(array: np.ndarray, name: str) -> None:
    """Raise NumericError if an array holds NaN."""
    if array.dtype.kind != "f" or not array.size:
        return
    with np.errstate(all="ignore"):
        if array.flags.c_contiguous and array.dtype.itemsize >= 4:
            # Squares cannot cancel, so infinities make no NaN of it; a product is what NumPy reads memory fastest for.
            total = np.dot(flat := array.reshape(-1), flat)
        else:
            total = np.add.reduce(array, axis=None)
    if not np.isnan(total):
        return
    where = np.argwhere(np.isnan(array))
    if len(where):
        raise NumericError(
            f"`{name}` holds NaN.",
            received=f"{len(where)} NaN, the first at index {tuple(int(i) for i in where[0])}",
            hint="remove or fill missing values, e.g. np.nan_to_num(x)",
        )


def _whole(labels: np.ndarray) -> None:
    if labels.dtype.kind == "f" and labels.size and not np.array_equal(labels, np.trunc(labels)):
        raise OutOfRangeError(
            "Class labels must be whole numbers.",
            where="targets",
            received=f"{labels[labels != np.trunc(labels)].flat[0]}",
            hint="quantities need a regression loss such as mse; probabilities categorical_crossentropy",
        )


def _within(array: Any, count: int, where: str, what: str, hint: str) -> None:
    array = np.asarray(array)
    if not array.size:
        return
    low, high = array.min(), array.max()
    if low < 0 or high >= count:
        raise OutOfRangeError(
            f"{what.capitalize()} are out of range.",
            where=where,
            expected=f"0 to {count - 1}",
            received=f"{low} to {high}",
            hint=hint,
        )


def _vocabularies(model: Any) -> list[tuple[int, Any]]:
    """(index of the input, layer) for every layer that looks indices up straight from an input of the model."""
    graph = getattr(model, "_graph", None)
    if graph is None:
        return []
    places = {id(x): i for i, x in enumerate(graph.flat_inputs)}
    return [
        (places[id(node.inputs[0])], node.operation)
        for node in graph.nodes
        if getattr(node.operation, "input_kind", None) == "indices"
        and node.inputs
        and id(node.inputs[0]) in places
    ]


def _no_single_softmax(model: Any, loss: Any) -> None:
    for layer in model._flatten_layers():
        activation = getattr(layer, "activation", None)
        if activation is activations.softmax and getattr(layer, "units", None) == 1:
            raise ArgumentError(
                "A softmax over one unit is always 1: nothing can be learned.",
                where=layer.where,
                hint="Dense(1, activation='sigmoid') with binary_crossentropy, or one unit for each class",
            )
    if loss is None or not loss.built:
        return
    categorical = (losses_module.categorical_crossentropy, losses_module.sparse_categorical_crossentropy)
    for one, shape in zip(loss.losses, loss.shapes, strict=True):
        if one is not None and getattr(one, "fn", None) in categorical and shape and shape[-1] == 1:
            raise ArgumentError(
                "A categorical cross-entropy over one unit is always 0: nothing can be learned.",
                where=model.where,
                received=f"an output of shape {shape}",
                hint="binary_crossentropy with Dense(1, activation='sigmoid'), or one unit for each class",
            )
