"""The parts of a model that hold variables, with their places in a weights file.

The places are Keras 3's: attributes in alphabetical order, each object where it is met first; members of lists and
dicts by their class in snake case, counted within the container (`layers/dense`, `layers/dense_1`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kerasish.core import naming
from kerasish.layers import Layer
from kerasish.optimizers import Optimizer

_HIDDEN = frozenset(
    [
        "_variables",
        "_sublayers",
        *Layer._kept,
        "_metrics_owned",
        "_generators",
        "_init_args",
        "_stack",
        "_steps",
        "_graph",
        "_compile_config",
        "history",
        "_own_losses",
        "_nodes_io",
        "_seen_shapes",
        "_compiled_loss",
        "_compiled_metrics",
        "_progress",
        "_restored",
        "_loaded_progress",
    ]
)


def _holds_state(value: Any) -> bool:
    return isinstance(value, (Layer, Optimizer))


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """(path, object) for `root` (path "") and everything below it that has variables of its own."""
    yield from _visit(root, "", set())


def _visit(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if id(value) in seen:
        return
    seen.add(id(value))
    yield path, value
    for name, child in _children(value):
        below = f"{path}/{name}" if path else name
        if _holds_state(child):
            yield from _visit(child, below, seen)
        elif isinstance(child, (list, tuple, dict)):
            yield from _container(child, below, seen)


def _children(value: Any) -> list[tuple[str, Any]]:
    attributes = {k: v for k, v in vars(value).items() if k not in _HIDDEN}
    if (
        hasattr(value, "_stack")
        or getattr(value, "_graph", None) is not None
        or hasattr(value, "_compiled_loss")
    ):
        attributes["layers"] = list(value._sublayers)
    return sorted(attributes.items())


def _container(items: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    used: dict[str, int] = {}
    for child in items.values() if isinstance(items, dict) else items:
        if isinstance(child, (list, tuple, dict)):
            yield from _container(child, path, seen)
        elif _holds_state(child) and id(child) not in seen:
            base = naming.to_snake_case(type(child).__name__)
            count = used.get(base, 0)
            used[base] = count + 1
            yield from _visit(child, f"{path}/{base}_{count}" if count else f"{path}/{base}", seen)
