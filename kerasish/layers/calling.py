"""How a layer is called: signatures, conversion and casting of inputs, masks, the training flag."""

from __future__ import annotations

import functools
import inspect
import weakref
from typing import Any, NamedTuple

import numpy as np

from kerasish.core import dtypes, shapes, trees
from kerasish.core.context import CallContext
from kerasish.core.contract import Engine
from kerasish.core.convert import dtype_of, host_array, shape_of, to_tensor
from kerasish.core.primitives.elementwise import cast
from kerasish.core.registry import TABLE
from kerasish.core.symbolic import SymbolicTensor
from kerasish.core.variable import Variable


class Signature(NamedTuple):
    """What the parameters of a layer's `call` are."""

    names: tuple[str, ...]
    positional: tuple[str, ...]
    training: bool
    mask: bool
    mask_of: tuple[tuple[str, str], ...]  # (argument, its mask parameter), for arguments like `query`


@functools.lru_cache(maxsize=4096)
def signature_of(function: Any) -> Signature:
    """Analyse `call`, given as a plain function."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    names = tuple(p.name for p in parameters)
    positional = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    mask_of = tuple((n, f"{n}_mask") for n in names if f"{n}_mask" in names)
    return Signature(names, positional, "training" in names or takes_any, "mask" in names, mask_of)


@functools.lru_cache(maxsize=4096)
def build_parameters(function: Any) -> tuple[str, ...]:
    """Names of the parameters of `build`, given as a plain function."""
    return tuple(
        p.name
        for p in list(inspect.signature(function).parameters.values())[1:]
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )


def is_tensor_like(x: Any) -> bool:
    """Whether `x` is a tensor of any engine, an array, a variable or a symbolic tensor."""
    if isinstance(x, (np.ndarray, SymbolicTensor, Variable)):
        return True
    return TABLE.get(x.__class__) is not None


def holds_tensor(value: Any) -> bool:
    """Whether a call argument is a tensor or a tree with one in it."""
    if trees.is_nested(value):
        return any(is_tensor_like(leaf) for leaf in trees.flatten(value))
    return is_tensor_like(value)


def prepare(x: Any, engine: Engine, compute_dtype: str | None) -> Any:
    """A leaf of the inputs as a tensor of `engine`, floats in `compute_dtype` (None: as they are)."""
    owner = TABLE.get(x.__class__)
    if owner is None:
        if x is None or not (isinstance(x, (np.ndarray, np.generic, Variable)) or hasattr(x, "__array__")):
            return x
        x = to_tensor(x, engine)
        owner = engine
    elif owner is not engine and owner.priority == 1:
        x = to_tensor(x, engine)  # raises the mismatch
    if compute_dtype is not None:
        name = dtype_of(x)
        if name != compute_dtype and dtypes.is_float(name):
            return cast(x, dtype=compute_dtype)
    return x


_AS_THEY_ARE = frozenset({bool, int, float, str, type(None)})


def prepare_tree(value: Any, engine: Engine, compute_dtype: str | None) -> Any:
    """`prepare` on every leaf; plain numbers stay what they are."""
    kind = value.__class__
    if kind in _AS_THEY_ARE:
        return value
    if TABLE.get(kind) is not None or kind is np.ndarray:
        return prepare(value, engine, compute_dtype)
    if trees.is_nested(value):
        return trees.map_structure(lambda leaf: prepare(leaf, engine, compute_dtype), value)
    return prepare(value, engine, compute_dtype)


def prepare_all(args: tuple[Any, ...], engine: Engine, compute_dtype: str | None) -> tuple[Any, ...]:
    """Positional arguments of a layer; the first may be given as nested lists of numbers."""
    first = args[0]
    kind = first.__class__
    if kind is np.ndarray or TABLE.get(kind) is not None:
        first = prepare(first, engine, compute_dtype)
    else:
        first = prepare_tree(as_data(first), engine, compute_dtype)
    if len(args) == 1:
        return (first,)
    return (first, *(prepare_tree(a, engine, compute_dtype) for a in args[1:]))


def prepare_named(kwargs: dict[str, Any], engine: Engine, compute_dtype: str | None) -> dict[str, Any]:
    """Keyword arguments of a layer."""
    return {k: v if k == "training" else prepare_tree(v, engine, compute_dtype) for k, v in kwargs.items()}


def as_data(value: Any) -> Any:
    """Nested lists of Python numbers as one array; anything else as it is."""
    if value.__class__ in (list, tuple) and value:
        leaves = trees.flatten(value)
        if leaves and all(leaf.__class__ in (int, float, bool) for leaf in leaves):
            return host_array(value)
    return value


def tree_shape(value: Any) -> Any:
    """Shapes (None where unknown) of a tree of tensors; None for what has none."""

    def one(x: Any) -> Any:
        if x is None or not (is_tensor_like(x) or hasattr(x, "shape")):
            return None
        return x.shape if isinstance(x, SymbolicTensor) else shapes.opened(shape_of(x))

    return trees.map_structure(one, value)


def input_mask(context: CallContext, value: Any) -> Any:
    """The masks of a tree of tensors: None if no leaf has one."""
    if not context.masks:
        return None
    if not trees.is_nested(value):
        return context.get_mask(value)
    masks = trees.map_structure(context.get_mask, value)
    return masks if any(m is not None for m in trees.flatten(masks)) else None


#: id(tensor) -> (weak reference to it, mask): masks of results of outermost calls, so that a mask also reaches the next
#: layer when layers are called one by one outside of a model.
_LOOSE: dict[int, tuple[Any, Any]] = {}


def keep_masks(context: CallContext, outputs: Any) -> None:
    """Remember the masks of what an outermost call returns, for as long as the tensors live."""
    for leaf in trees.flatten(outputs):
        mask = context.get_mask(leaf)
        if mask is not None:
            key = id(leaf)
            _LOOSE[key] = weakref.ref(leaf, lambda _, key=key: _LOOSE.pop(key, None)), mask


def find_masks(context: CallContext, values: Any) -> None:
    """Bring masks remembered by `keep_masks` into a new outermost call."""
    if _LOOSE:
        for leaf in trees.flatten(values):
            entry = _LOOSE.get(id(leaf))
            if entry is not None and entry[0]() is leaf:
                context.set_mask(leaf, entry[1])
