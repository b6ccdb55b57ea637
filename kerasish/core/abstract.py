"""Tensors without values: a shape and a dtype. Shape inference runs the ordinary code on them.

`AbstractEngine` is an engine like any other whose primitives are the shape rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core.contract import Engine
from kerasish.core.errors import TraceError
from kerasish.core.operators import TensorOperators
from kerasish.core.registry import TABLE

#: What to do where a tensor without a value was taken for a number.
NO_VALUE_HINT = (
    "use kerasish.ops instead of NumPy's functions, ops.where, ops.cond or ops.while_loop instead of `if` and `while` "
    "on tensors"
)


class AbstractTensor(TensorOperators):
    """A shape (unknown sizes are `Dim`) and a dtype name."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Sequence[int | None], dtype: str) -> None:
        self.shape: shapes.Shape = shapes.closed(shape)
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{self.dtype}{shapes.show(self.shape)}"

    def _no_value(self, *_: object, **__: object) -> NoReturn:
        raise TraceError(
            "A tensor without values was used where a number is needed.",
            received=repr(self),
            hint=NO_VALUE_HINT,
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = numpy = __iter__ = _no_value


def spec_of(engine: Engine, x: Any) -> Any:
    """`x` with its tensors replaced by abstract ones (inside lists and tuples too)."""
    if isinstance(x, AbstractTensor):
        return x
    if isinstance(x, (list, tuple)):
        return type(x)(spec_of(engine, item) for item in x) if type(x) in (list, tuple) else x
    if isinstance(x, (np.ndarray, np.generic)):
        return AbstractTensor(x.shape, dtypes.of_numpy(x.dtype))
    if engine.is_tensor(x):
        return AbstractTensor(engine.shape_of(x), engine.dtype_of(x))
    return x


class AbstractEngine(Engine):
    """Shape inference as an engine."""

    name = "abstract"
    priority = 100
    capabilities = frozenset({"abstract"})

    def __init__(self, rules: dict[str, Callable[..., Any]]) -> None:
        self.primitives = rules  # type: ignore[misc]
        TABLE[AbstractTensor] = self

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, AbstractTensor)

    def asarray(self, value: Any, *, dtype: str, device: str | None) -> AbstractTensor:
        return AbstractTensor(value.shape, dtype)

    def to_numpy(self, x: AbstractTensor) -> np.ndarray:
        return x._no_value()

    def shape_of(self, x: AbstractTensor) -> shapes.Shape:
        return x.shape

    def dtype_of(self, x: AbstractTensor) -> str:
        return x.dtype

    def is_traced(self, x: AbstractTensor) -> bool:
        return True

    def vjp(self, fn: Any, inputs: list[Any]) -> Any:
        outputs, aux = fn(*inputs)
        return outputs, aux, lambda _: list(inputs)

    def value_and_grad(self, fn: Any, inputs: list[Any]) -> Any:
        value, aux = fn(*inputs)
        return value, aux, list(inputs)

    def jvp(self, fn: Any, inputs: list[Any], tangents: list[Any]) -> Any:
        outputs = fn(*inputs)
        return outputs, list(outputs)

    def custom_gradient(self, fn: Any, inputs: list[Any]) -> Any:
        return fn(*inputs)[0]

    def compile(self, fn: Any, *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None) -> Any:
        return fn

    def vectorize(self, fn: Any, inputs: list[Any]) -> Any:
        length = inputs[0].shape[0]
        outputs = fn(*(AbstractTensor(x.shape[1:], x.dtype) for x in inputs))
        return [AbstractTensor((length, *y.shape), y.dtype) for y in outputs]
