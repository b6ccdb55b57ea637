"""How an update reaches variables: assignments that are cheap inside a step, and assignments under a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kerasish.core import primitives as p
from kerasish.core.context import CallContext, current_call, entered
from kerasish.core.contract import Tensor
from kerasish.core.variable import Variable


def store(variables: Iterable[Variable], tensors: Iterable[Tensor]) -> None:
    """Assign tensors that have the variables' engine, shapes and dtypes by construction."""
    call = current_call()
    bindings = call.bindings if call is not None and call.assigned is None and not call.abstract else None
    for variable, tensor in zip(variables, tensors, strict=True):
        if bindings is not None and id(variable) in bindings:
            bindings[id(variable)] = tensor  # what `assign` does, without its checks: there may be hundreds
        else:
            variable.assign(tensor)


def held_back() -> bool:
    """Whether assignments are being captured, so that the values before them are still needed."""
    call = current_call()
    return call is not None and call.assigned is not None


def assign_if(condition: Tensor, update: Callable[[], None]) -> None:
    """Run `update`; what it assigned counts where the bool scalar `condition` holds.

    Both the old and the new values are computed, and one of them is chosen: no branch, so any engine can compile it.
    """
    outer = current_call()
    if outer is not None and outer.abstract:
        update()  # nothing is assigned while shapes are inferred
        return
    context = CallContext(training=outer.training if outer else None)
    context.bindings = dict(outer.bindings) if outer is not None and outer.bindings is not None else {}
    context.assigned = {}
    if outer is not None:
        context.draws = outer.draws
    with entered(context):
        update()
    for variable in context.assigned.values():
        new = context.bindings[id(variable)]
        old = variable.value
        if new is not old:
            variable.assign(p.where(condition, new, old))
