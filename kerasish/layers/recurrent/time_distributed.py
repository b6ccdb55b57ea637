"""`TimeDistributed`: one layer for every step of a sequence."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import dtypes, shapes, trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ShapeError
from kerasish.layers.core.wrapper import Wrapper


class TimeDistributed(Wrapper):
    """output[:, t] = layer(inputs[:, t]), with the same weights for every step.

    All steps go through the layer at once, as one larger batch: a layer that looks at its whole batch in training
    (BatchNormalization) takes its statistics over all steps.

    Args:
        layer: The layer.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: `inputs`; `training`; `mask`, bool (B, T), handed on if the layer takes one.

    Shape: (B, T, ...) -> (B, T, ...), the rest as the layer makes it.

    Raises:
        ShapeError: The inputs have fewer than three axes, or the mask does not fit.

    Example:
        >>> from kerasish import layers
        >>> TimeDistributed(layers.Dense(3)).compute_output_shape((None, 10, 8))
        (None, 10, 3)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        if len(input_shape) < 3:
            raise ShapeError(
                "Sequences are needed.", expected="(batch, time, ...)", received=tuple(input_shape)
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Any:
        shape = shape_of(inputs)
        options: dict[str, Any] = {}
        if mask is not None:
            found = shape_of(mask)
            if len(found) < 2 or not all(
                shapes.compatible(a, b) for a, b in zip(found, shape[:2], strict=False)
            ):
                raise ShapeError(
                    "The mask does not fit the sequences.",
                    expected=shapes.show(shape[:2]),
                    received=shapes.show(found),
                )
            if self.layer._signature.mask:
                options["mask"] = _joined(mask)
        if self.layer._signature.training:
            options["training"] = training
        outputs = self.layer(_joined(inputs), **options)
        return trees.map_structure(
            lambda y: ops.cast(ops.reshape(y, (*shape[:2], *shape_of(y)[1:])), self._dtype_of(y)), outputs
        )

    def _dtype_of(self, y: Tensor) -> str:
        """Floats come in this layer's compute dtype, whatever the policy of the layer inside."""
        return self.compute_dtype if dtypes.is_float(dtype_of(y)) else dtype_of(y)


def _joined(x: Tensor) -> Tensor:
    """Batch and time as one axis."""
    shape = shape_of(x)
    return ops.reshape(x, (shape[0] * shape[1], *shape[2:]))
