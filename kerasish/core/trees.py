"""Nested structures of dict, list, tuple and namedtuple: flatten, rebuild, map. Dict keys come in sorted order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kerasish.core.errors import ArgumentError


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a dict, list or tuple.

    Example:
        >>> is_nested([1]), is_nested(1)
        (True, False)
    """
    return isinstance(structure, (dict, list, tuple))


def _is_namedtuple(structure: Any) -> bool:
    return isinstance(structure, tuple) and hasattr(structure, "_fields")


def _keys(structure: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(structure)
    except TypeError:  # keys of different types keep their order
        return list(structure)


def _walk(structure: Any, is_leaf: Callable[[Any], bool] | None) -> Iterator[Any]:
    if is_leaf is not None and is_leaf(structure):
        yield structure
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _walk(item, is_leaf)
    elif isinstance(structure, dict):
        for key in _keys(structure):
            yield from _walk(structure[key], is_leaf)
    else:
        yield structure


def flatten(structure: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """All leaves in order. None is a leaf.

    Example:
        >>> flatten({"b": [1, 2], "a": (3,)})
        [3, 1, 2]
    """
    return list(_walk(structure, is_leaf))


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """All leaves, each with the keys and indices that lead to it.

    Example:
        >>> flatten_with_path({"a": [1, 2]})
        [(('a', 0), 1), (('a', 1), 2)]
    """
    if isinstance(structure, (list, tuple)):
        names: list[Any] = (
            list(getattr(structure, "_fields", ()))
            if _is_namedtuple(structure)
            else list(range(len(structure)))
        )
        items = list(zip(names, structure, strict=True))
    elif isinstance(structure, dict):
        items = [(key, structure[key]) for key in _keys(structure)]
    else:
        return [((), structure)]
    return [((key, *path), leaf) for key, value in items for path, leaf in flatten_with_path(value)]


def _rebuild(structure: Any, items: list[Any]) -> Any:
    if _is_namedtuple(structure):
        return type(structure)(*items)
    if isinstance(structure, (list, tuple)):
        return (
            type(structure)(items)
            if type(structure) in (list, tuple)
            else (tuple(items) if isinstance(structure, tuple) else list(items))
        )
    keys = _keys(structure)
    values = dict(zip(keys, items, strict=True))
    return {key: values[key] for key in structure}


def map_structure(
    function: Callable[..., Any], *structures: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply `function` to corresponding leaves and rebuild the structure of the first argument.

    Raises:
        ArgumentError: The structures differ.

    Example:
        >>> map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
        {'x': 11, 'y': [22]}
    """
    first = structures[0]
    if len(structures) == 1 and is_leaf is None:
        return _map_one(function, first)
    if (is_leaf is not None and is_leaf(first)) or not is_nested(first):
        return function(*structures)
    for other in structures[1:]:
        if not is_nested(other) or len(other) != len(first):
            raise ArgumentError("Structures differ.", expected=_outline(first), received=_outline(other))
    if isinstance(first, (list, tuple)):
        children = list(zip(*structures, strict=True))
    else:
        keys = _keys(first)
        try:
            children = [tuple(s[key] for s in structures) for key in keys]
        except (KeyError, TypeError, IndexError):
            raise ArgumentError(
                "Structures differ.", expected=_outline(first), received=_outline(structures[1])
            ) from None
    return _rebuild(first, [map_structure(function, *c, is_leaf=is_leaf) for c in children])


def _map_one(function: Callable[..., Any], structure: Any) -> Any:
    """`map_structure` of one structure: what every step does to its batch and every layer to its inputs."""
    kind = structure.__class__
    if kind is list:
        return [_map_one(function, item) for item in structure]
    if kind is tuple:
        return tuple([_map_one(function, item) for item in structure])
    if kind is dict:
        if len(structure) < 2:
            return {key: _map_one(function, value) for key, value in structure.items()}
        values = {key: _map_one(function, structure[key]) for key in _keys(structure)}
        return {key: values[key] for key in structure}
    if not isinstance(structure, (dict, list, tuple)):
        return function(structure)
    items = [structure[key] for key in _keys(structure)] if isinstance(structure, dict) else structure
    return _rebuild(structure, [_map_one(function, item) for item in items])


def _outline(structure: Any) -> str:
    return (
        repr(map_structure(lambda _: ".", structure)).replace("'", "")
        if is_nested(structure)
        else "a single value"
    )


def pack_sequence_as(structure: Any, flat: list[Any] | tuple[Any, ...]) -> Any:
    """Put `flat` leaves into the structure of `structure`.

    Example:
        >>> pack_sequence_as({"x": 0, "y": [0]}, [1, 2])
        {'x': 1, 'y': [2]}
    """
    leaves = iter(flat)
    count = len(flatten(structure))
    if count != len(flat):
        raise ArgumentError("The number of leaves differs.", expected=count, received=len(flat))
    return map_structure(lambda _: next(leaves), structure)


def separate(tree: Any, kind: type, leaves: list[Any]) -> Any:
    """Append the objects of class `kind` in a tree to `leaves`; what is left of it comes back, for `unite`.

    Engines tell calls apart by it: it can be hashed if all else in the tree can. Dicts keep their own order.

    Example:
        >>> leaves = []
        >>> left = separate({"b": 1.5, "a": [2.5, None]}, float, leaves)
        >>> leaves, unite(left, iter(leaves))
        ([1.5, 2.5], {'b': 1.5, 'a': [2.5, None]})
    """
    if isinstance(tree, kind):
        leaves.append(tree)
        return _HOLE
    if isinstance(tree, dict):
        return (dict, tuple(tree), tuple([separate(x, kind, leaves) for x in tree.values()]))
    if isinstance(tree, (list, tuple)):
        return (tree.__class__, None, tuple([separate(x, kind, leaves) for x in tree]))
    return (None, tree, ())


def unite(outline: Any, leaves: Iterator[Any]) -> Any:
    """The tree that `separate` took apart, with other leaves in place of its own."""
    if outline is _HOLE:
        return next(leaves)
    kind, left, children = outline
    if kind is None:
        return left
    items = [unite(child, leaves) for child in children]
    if kind is dict:
        return dict(zip(left, items, strict=True))
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


class _Hole:
    """Where a leaf was."""


_HOLE = _Hole()


def assert_same_structure(a: Any, b: Any) -> None:
    """Raise ArgumentError unless `a` and `b` nest alike.

    Example:
        >>> assert_same_structure({"a": (1, 2)}, {"a": (3, 4)})
    """
    map_structure(lambda x, y: _both_leaves(x, y), a, b)


def _both_leaves(_: Any, y: Any) -> None:
    if is_nested(y):
        raise ArgumentError("Structures differ.", expected="a single value", received=_outline(y))
