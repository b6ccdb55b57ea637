"""How layers are built: `build` seen from outside, and shapes as configs hold them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish.core.context import _CALL, engine_outside
from kerasish.core.errors import KerasishError
from kerasish.core.registry import _scoped
from kerasish.core.symbolic import SymbolicTensor
from kerasish.layers import calling


def wrap_build(build: Callable[..., None]) -> Callable[..., None]:
    """Let `build` run outside of the abstract call that needs it, remember its shapes, and mark the layer as built."""

    @functools.wraps(build)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        depth = self.__dict__.get("_build_depth", 0)
        engine_token, call_token = _scoped.set(engine_outside()), _CALL.set(None)
        object.__setattr__(self, "_build_depth", depth + 1)
        try:
            build(self, *args, **kwargs)
        except KerasishError as error:
            raise error.at(self.where) from None
        finally:
            object.__setattr__(self, "_build_depth", depth)
            _CALL.reset(call_token)
            _scoped.reset(engine_token)
        self.built = True
        if depth == 0:
            names = calling.build_parameters(build)
            shapes_dict = {**dict(zip(names, args, strict=False)), **kwargs}
            single = len(shapes_dict) == 1 and next(iter(shapes_dict)) in ("input_shape", *names[:1])
            shapes = (
                {"input_shape": next(iter(shapes_dict.values()))} if single else {"shapes_dict": shapes_dict}
            )
            self._build_shapes = shapes

    return wrapped


def is_shape(value: Any) -> bool:
    """Whether it is one shape, not a tree of shapes."""
    return isinstance(value, (tuple, list)) and all(
        s is None or isinstance(s, (int, np.integer)) for s in value
    )


def symbolic_of_shape(shape: Any, dtype: str) -> Any:
    """A tree of shapes as symbolic tensors; what is no shape stays."""
    if is_shape(shape):
        return SymbolicTensor(shape, dtype)
    if isinstance(shape, dict):
        return {k: symbolic_of_shape(v, dtype) for k, v in shape.items()}
    if isinstance(shape, (list, tuple)):
        return type(shape)(symbolic_of_shape(v, dtype) for v in shape)
    return shape


def shape_from_config(shape: Any) -> Any:
    """A tree of shapes as configs hold it, where tuples have become lists."""
    if is_shape(shape):
        return tuple(shape)
    if isinstance(shape, dict):
        return {k: shape_from_config(v) for k, v in shape.items()}
    return [shape_from_config(v) for v in shape] if isinstance(shape, (list, tuple)) else shape
