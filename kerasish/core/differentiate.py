"""Gradients with respect to variables: bind them, differentiate, and let what the function assigned come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasish.core import trees
from kerasish.core.context import _CALL, CallContext, entered
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.variable import Variable


def value_and_grad_of_variables(
    function: Callable[[], Any], variables: Sequence[Variable], *, has_aux: bool = False
) -> tuple[Any, list[Any]]:
    """The scalar `function()`, and its gradient with respect to each variable.

    Whatever `function` assigns to other variables (moving statistics, metrics) is assigned for real afterwards, free of
    the differentiation. Masks of tensors in its auxiliary result are kept.

    Args:
        function: Takes nothing; returns a scalar, or `(scalar, aux)` with `has_aux`.
        variables: What to differentiate with respect to.
        has_aux: Whether it returns `(scalar, aux)`.

    Returns:
        `(value, gradients)`, or `((value, aux), gradients)` with `has_aux`.
    """
    for variable in variables:
        if not isinstance(variable, Variable):
            raise ArgumentError(
                "Gradients are taken with respect to Variables.", received=type(variable).__name__
            )
    outer = _CALL.get()
    inputs = [v._uncast() for v in variables]
    engine = engine_of(inputs)
    found: dict[str, Any] = {}

    def objective(*values: Any) -> tuple[Any, Any]:
        context = _nested(outer, variables, values)
        with entered(context):
            result = function()
        value, aux = result if has_aux else (result, None)
        shape = engine_of([value]).shape_of(value)
        if shape != ():
            raise ShapeError(
                "Gradients need a scalar.", received=shape, hint="reduce it with ops.mean or ops.sum"
            )
        leaves = trees.flatten(aux)
        tensors = [i for i, leaf in enumerate(leaves) if _is_tensor(leaf)]
        masks = [context.get_mask(leaves[i]) for i in tensors]
        assigned = list(context.assigned.values())  # type: ignore[union-attr]
        found.update(
            aux=aux, leaves=leaves, tensors=tensors, assigned=assigned, masked=[m is not None for m in masks]
        )
        carried = [leaves[i] for i in tensors], [m for m in masks if m is not None]
        return value, (*carried, [context.bindings[id(v)] for v in assigned])  # type: ignore[index]

    value, (out, masks, updates), grads = engine.value_and_grad(objective, inputs)
    for variable, update in zip(found["assigned"], updates, strict=True):
        variable.assign(update)
    leaves = list(found["leaves"])
    remaining = iter(masks)
    for index, tensor, masked in zip(found["tensors"], out, found["masked"], strict=True):
        leaves[index] = tensor
        if masked and outer is not None:
            outer.set_mask(tensor, next(remaining))
    if not has_aux:
        return value, list(grads)
    return (value, trees.pack_sequence_as(found["aux"], leaves)), list(grads)


def _nested(outer: CallContext | None, variables: Sequence[Variable], values: Sequence[Any]) -> CallContext:
    context = CallContext(training=outer.training if outer else None, abstract=bool(outer and outer.abstract))
    context.bindings = dict(outer.bindings) if outer is not None and outer.bindings is not None else {}
    context.bindings.update((id(v), value) for v, value in zip(variables, values, strict=True))
    context.assigned = {}
    if outer is not None:
        context.draws = outer.draws
        context.autocast = outer.autocast
        context.path = list(outer.path)
        context.masks = dict(outer.masks)
        context.engine = outer.engine
    return context


def _is_tensor(leaf: Any) -> bool:
    return (
        leaf is not None
        and not isinstance(leaf, (bool, int, float, str, Variable))
        and hasattr(leaf, "shape")
    )
