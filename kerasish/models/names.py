"""Names within a model: unique among siblings, in order of creation, so that equal code gives equal names."""

from __future__ import annotations

from kerasish.core import naming
from kerasish.core.errors import ArgumentError
from kerasish.layers.layer import Layer


def assign_names(model: Layer) -> None:
    """Give the model's layers unique names, and all variables their paths.

    Raises:
        ArgumentError: Two layers were given the same name.
    """
    _name_children(model)
    _set_paths(model, model.name, set())


def _name_children(parent: Layer) -> None:
    children: list[Layer] = parent._sublayers
    taken: set[str] = set()
    for child in children:
        if not child._auto_named:
            if child.name in taken:
                raise ArgumentError(
                    f"Two layers of a model are both named {child.name!r}.",
                    where=parent.name,
                    hint="rename one of them",
                )
            taken.add(child.name)
    for child in sorted((c for c in children if c._auto_named), key=lambda c: c._serial):
        base = naming.to_snake_case(type(child).__name__)
        if not child.__dict__.get("_name_settled") or child._name in taken:
            child._name = naming.unique(base, taken)
        child._name_settled = True
        taken.add(child._name)


def _set_paths(layer: Layer, path: str, seen: set[int]) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    layer._path = path
    for variable in layer._variables:
        variable.path = f"{path}/{variable.name}"
    for child in layer._sublayers:
        _set_paths(child, f"{path}/{child.name}", seen)
