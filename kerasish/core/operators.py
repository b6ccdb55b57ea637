"""Python operators and slicing for every kerasish object that stands for a tensor.

The operators look their operation up by name in `OPERATIONS`, which `kerasish.ops` fills when it is imported; so the
classes below `ops` need not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPERATIONS: dict[str, Callable[..., Any]] = {}


def _forward(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return OPERATIONS[name](self, other)

    return method


def _backward(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return OPERATIONS[name](other, self)

    return method


class TensorOperators:
    """Mixin: arithmetic, comparison, logic and slicing through `kerasish.ops`."""

    __slots__ = ()
    __array_priority__ = 1000
    __array_ufunc__ = None  # makes `ndarray + x` call x.__radd__
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return OPERATIONS["negative"](self)

    def __abs__(self) -> Any:
        return OPERATIONS["absolute"](self)

    def __invert__(self) -> Any:
        return OPERATIONS["invert"](self)

    def __getitem__(self, key: Any) -> Any:
        return OPERATIONS["get_item"](self, key)

    def __round__(self, ndigits: int | None = None) -> Any:
        return OPERATIONS["round"](self, ndigits or 0)


for _method, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}.items():
    setattr(TensorOperators, f"__{_method}__", _forward(_name))
    setattr(TensorOperators, f"__r{_method}__", _backward(_name))

for _method, _name in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(TensorOperators, f"__{_method}__", _forward(_name))
