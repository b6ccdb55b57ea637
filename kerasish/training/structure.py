"""Pairing targets, predictions, losses and weights of models with one or several outputs."""

from __future__ import annotations

from typing import Any

from kerasish.core import trees
from kerasish.core.errors import ArgumentError, DataError, UnknownNameError


def is_multiple(structure: Any) -> bool:
    """Whether predictions are a nest of several outputs."""
    return trees.is_nested(structure)


def output_keys(y_pred: Any, output_names: list[str] | None) -> list[str]:
    """A name for each leaf of the predictions: dict keys, the model's output names, or output_1, output_2 ...

    In a nest of nests the way to the leaf comes first, as in Keras: "scores/left" or "0/left".
    """
    leaves = trees.flatten_with_path(y_pred)
    if not output_names or len(output_names) != len(leaves):
        output_names = [f"output_{i + 1}" for i in range(len(leaves))]
    keys: list[str] = []
    for (path, _), own in zip(leaves, _distinct(output_names), strict=True):
        last = str(path[-1]) if path and not isinstance(path[-1], int) else own
        keys.append("/".join([*map(str, path[:-1]), last]))
    return keys


def _distinct(given: list[str]) -> list[str]:
    names: list[str] = []
    for name in given:
        names.append(name if name not in names else f"{name}_{names.count(name)}")
    return names


def metric_labels(y_pred: Any, keys: list[str], output_names: list[str] | None) -> list[str]:
    """What the metrics of each output begin with: its key; in a nest of nests the output's own name, as in Keras."""
    named = is_deep(y_pred) and output_names and len(output_names) == len(keys)
    return _distinct(output_names) if named and output_names else keys


def is_deep(structure: Any) -> bool:
    """Whether predictions are a nest of nests."""
    return any(len(path) > 1 for path, _ in trees.flatten_with_path(structure))


def along(value: Any, structure: Any, *, share: bool) -> list[Any] | None:
    """The part of `value` at each leaf of `structure`; None if it has another structure.

    Keys that a dict lacks give None. With `share` one thing serves a whole branch.
    """
    if not is_multiple(structure):
        return [value]
    if value is None or (share and not is_multiple(value)):
        return [value] * len(trees.flatten(structure))
    if isinstance(structure, dict):
        if not isinstance(value, dict) or not set(value) <= set(structure):
            return None
        keys = dict.fromkeys(path[0] for path, _ in trees.flatten_with_path(structure))
        pairs = [(value.get(key), structure[key]) for key in keys]
    else:
        if not isinstance(value, (list, tuple)) or len(value) != len(structure):
            return None
        pairs = list(zip(value, structure, strict=True))
    found: list[Any] = []
    for part, branch in pairs:
        leaves = along(part, branch, share=share)
        if leaves is None:
            return None
        found += leaves
    return found


def spread(value: Any, y_pred: Any, names: list[str], what: str, *, share: bool = True) -> list[Any]:
    """One entry of `value` for each output: by key from a dict, by position from a list, else the same for all.

    Args:
        value: None, one thing, a list, or a dict by output name.
        y_pred: The predictions, for their structure.
        names: Names of the outputs.
        what: How errors call `value`.
        share: Whether a single thing serves all outputs.

    Raises:
        UnknownNameError: A dict names an output that does not exist.
        ArgumentError: A list has the wrong length.
    """
    count = len(names)
    if value is None:
        return [None] * count
    if is_deep(y_pred) and (parts := along(value, y_pred, share=share)) is not None:
        return parts
    if isinstance(value, dict):
        for key in value:
            if key not in names:
                raise UnknownNameError.of(f"output in `{what}`", key, names)
        return [value.get(name) for name in names]
    if isinstance(value, (list, tuple)) and (is_multiple(y_pred) or len(value) == count):
        if len(value) != count:
            raise ArgumentError(
                f"`{what}` needs one entry for each output.",
                expected=f"{count}: {names}",
                received=f"{len(value)}",
            )
        return list(value)
    if count > 1 and not share:
        raise ArgumentError(
            f"`{what}` needs one entry for each output.", expected=f"{count}: {names}", received=value
        )
    return [value] * count


def pair_targets(y: Any, y_pred: Any, names: list[str]) -> list[Any]:
    """The target of each output: targets in a dict by name, in a list by position, or a single one.

    Raises:
        DataError: The number of targets does not fit the outputs.
    """
    count = len(names)
    if y is None:
        return [None] * count
    if is_deep(y_pred) and (parts := along(y, y_pred, share=False)) is not None:
        return parts
    if isinstance(y, dict):
        if all(name in y for name in names):
            return [y[name] for name in names]
        unknown = [k for k in y if k not in names]
        if unknown and not isinstance(y_pred, dict) and len(y) == count:
            raise UnknownNameError.of("output in the targets", unknown[0], names)
        return [y.get(name) for name in names]
    flat = trees.flatten(y)
    if count == 1 and len(flat) == 1:
        return flat
    if len(flat) != count:
        raise DataError(
            "The number of targets does not fit the model's outputs.",
            expected=f"{count} for {names}",
            received=f"{len(flat)}",
            hint="pass y as a list with one array for each output",
        )
    return flat


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """A batch as `unpack` takes it, as short as it can be: x, (x, y) or (x, y, sample_weight).

    A list or tuple of inputs alone comes as (x,), so that it is not taken for inputs and targets. Weights without
    targets are left out, as Keras does.

    Example:
        >>> pack([1], [2])
        ([1], [2])
    """
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of a batch given as x, (x,), (x, y) or (x, y, sample_weight), None for what is not there.

    Raises:
        DataError: A tuple of more than three.

    Example:
        >>> unpack(([1], [2]))
        ([1], [2], None)
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if len(data) == 1:
        return data[0], None, None
    if len(data) == 2:
        return data[0], data[1], None
    if len(data) == 3:
        return data[0], data[1], data[2]
    raise DataError(
        "A batch must be x, (x, y) or (x, y, sample_weight).",
        received=f"a tuple of {len(data)}",
        hint="put several inputs into a list or dict: ((x1, x2), y)",
    )
