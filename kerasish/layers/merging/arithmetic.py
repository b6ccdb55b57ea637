"""Elementwise combinations of several inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.errors import ArgumentError
from kerasish.layers.merging.base import Merge, aligned, masks_like


class Add(Merge):
    """x₁ + x₂ + ….

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Add()([ops.array([[1.0]]), ops.array([[2.0]])]).tolist()
        [[3.0]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return reduce(ops.add, inputs)


class Subtract(Merge):
    """x₁ − x₂, of exactly two inputs.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Subtract()([ops.array([[1.0]]), ops.array([[2.0]])]).tolist()
        [[-1.0]]
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ArgumentError("Exactly two inputs are needed.", received=len(input_shape))

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return ops.subtract(inputs[0], inputs[1])


class Average(Merge):
    """(x₁ + x₂ + …) / n.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Average()([ops.array([[1.0]]), ops.array([[2.0]])]).tolist()
        [[1.5]]
    """

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return ops.divide(reduce(ops.add, inputs), len(inputs))


class Multiply(Merge):
    """x₁ · x₂ · …. Masked elements do not count; where all are masked the result is 0.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Multiply()([ops.array([[3.0]]), ops.array([[2.0]])]).tolist()
        [[6.0]]
    """

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        inputs = aligned(inputs)
        if mask is None:
            return reduce(ops.multiply, inputs)
        masks = masks_like(inputs, mask)
        visible = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(inputs, masks, strict=True)]
        product = reduce(ops.multiply, visible)
        if any(m is None for m in masks):
            return product
        return ops.where(reduce(ops.logical_or, masks), product, 0.0)


class _Extreme(Merge):
    """Largest or smallest of the elements that are not masked; the first where all are."""

    def _pick(self, a: Tensor, b: Tensor) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        inputs = aligned(inputs)
        if mask is None:
            return reduce(self._pick, inputs)
        masks = masks_like(inputs, mask)
        result, seen = inputs[0], masks[0]
        for x, visible in zip(inputs[1:], masks[1:], strict=True):
            both = self._pick(result, x)
            # What was picked so far counts only where it was seen, and x only where it is visible.
            chosen = both if seen is None else ops.where(seen, both, x)
            result = chosen if visible is None else ops.where(visible, chosen, result)
            seen = None if seen is None or visible is None else ops.logical_or(seen, visible)
        return result


class Maximum(_Extreme):
    """The largest of the inputs, element by element; masked elements do not count.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Maximum()([ops.array([[3.0]]), ops.array([[2.0]])]).tolist()
        [[3.0]]
    """

    def _pick(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.maximum(a, b)


class Minimum(_Extreme):
    """The smallest of the inputs, element by element; masked elements do not count.

    Args:
        **kwargs: `name`, `dtype`.

    Example:
        >>> Minimum()([ops.array([[3.0]]), ops.array([[2.0]])]).tolist()
        [[2.0]]
    """

    def _pick(self, a: Tensor, b: Tensor) -> Tensor:
        return ops.minimum(a, b)


def _functional(layer: type[Merge]) -> Callable[..., Any]:
    def merge(inputs: Any, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = layer.__name__.lower()
    merge.__doc__ = f"""`{layer.__name__}(**kwargs)(inputs)`.

    Example:
        >>> {merge.__name__}([ops.ones((2, 3)), ops.ones((2, 3))]).shape
        (2, 3)
    """
    return merge


add = _functional(Add)
average = _functional(Average)
maximum = _functional(Maximum)
minimum = _functional(Minimum)
multiply = _functional(Multiply)
subtract = _functional(Subtract)
