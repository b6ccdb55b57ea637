"""What an optimizer is handed as gradients: checked, and as tensors of the variables' engine and dtype."""

from __future__ import annotations

import warnings
from typing import Any

from kerasish.core.convert import shape_of, to_tensor
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.variable import Variable
from kerasish.optimizers.rules import Tensors


def usable(grads: list[Any], variables: list[Variable], where: str) -> tuple[Tensors, list[Variable]]:
    """The gradients that exist and their variables.

    Raises:
        ArgumentError: All gradients are None.
        ShapeError: A gradient has another shape than its variable.
    """
    missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
    if missing and len(missing) == len(variables):
        raise ArgumentError(
            "All gradients are None: the loss does not depend on the variables.",
            where=where,
            received=f"no gradient for {', '.join(missing[:4])}",
            hint="compute the loss from the model's output, with ops of kerasish",
        )
    if missing:
        text = f"{where}: no gradient for {', '.join(missing)}; left unchanged. Does the loss depend on them?"
        warnings.warn(text, stacklevel=4)
    kept = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
    tensors = []
    for grad, variable in kept:
        tensor = to_tensor(grad, variable.engine, variable.dtype)
        shape = tuple(shape_of(tensor))
        if shape != variable.shape:
            raise ShapeError(
                "A gradient has another shape than its variable.",
                where=f"{where} > {variable.path}",
                expected=variable.shape,
                received=shape,
            )
        tensors.append(tensor)
    return tensors, [v for _, v in kept]
