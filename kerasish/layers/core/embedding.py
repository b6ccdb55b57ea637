"""`Embedding`: rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import dtypes
from kerasish.core.context import current_call
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, to_numpy
from kerasish.core.errors import OutOfRangeError
from kerasish.core.registry import engine_of
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, positive, refuse, set_options


class Embedding(Layer):
    """output[..., :] = embeddings[inputs[...], :], for whole numbers from 0 to input_dim − 1.

    Args:
        input_dim: Number of rows V.
        output_dim: Length of a row D.
        embeddings_initializer: Of the table, shape (V, D).
        embeddings_regularizer: Penalty of the table.
        embeddings_constraint: Projection of the table after each update.
        mask_zero: Whether 0 is padding, which later layers skip.
        weights: A table to start from, or None.
        lora_rank: Not offered.
        lora_alpha: Not offered.
        quantization_config: Not offered.
        **kwargs: `name`, `dtype`, `trainable`.

    Shape: (N, ...) -> (N, ..., D).

    Example:
        >>> Embedding(1000, 64).compute_output_shape((None, 10))
        (None, 10, 64)
    """

    #: Read by Sequential (dtype of its input) and by the checks of fit (range of the data).
    input_kind = "indices"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        input_length = kwargs.pop("input_length", None)
        if input_length is not None and input_length.__class__ is int:
            kwargs.setdefault("input_shape", (input_length,))
        super().__init__(**kwargs)
        positive(self, input_dim=input_dim, output_dim=output_dim)
        refuse(self, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        self.input_dim = int(input_dim)
        self.output_dim = int(output_dim)
        self.mask_zero = mask_zero
        self.quantization_config = None
        self.autocast = False  # numbers of rows beyond 2048 would not survive float16
        self.supports_masking = mask_zero
        set_options(
            self,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        if weights is not None:
            self.build()
            self.set_weights([weights] if not isinstance(weights, list) else weights)

    def build(self, input_shape: Any = None) -> None:
        if self.built:
            return
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def call(self, inputs: Tensor) -> Tensor:
        if not dtypes.is_integer(dtype_of(inputs)):
            inputs = ops.cast(inputs, "int32")
        self._check_range(inputs)
        rows = ops.take(self.embeddings, inputs, axis=0)
        return ops.cast(rows, self.compute_dtype)

    def _check_range(self, inputs: Tensor) -> None:
        """Raise for numbers without a row, where looking costs little: values at hand, in the host's memory.

        Steps are compiled, and their data is looked at before.
        """
        engine, call = engine_of((inputs,)), current_call()
        if call is not None and call.bindings is not None:
            return
        if engine.is_traced(inputs) or not engine.device_of(inputs).startswith("cpu"):
            return
        numbers = to_numpy(inputs)
        if not numbers.size:
            return
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high >= self.input_dim:
            raise OutOfRangeError(
                "The table has no such row.",
                expected=f"whole numbers from 0 to {self.input_dim - 1} (input_dim={self.input_dim})",
                received=low if low < 0 else high,
                hint="input_dim must be the largest number + 1",
            )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **config_of(
                self,
                "input_dim",
                "output_dim",
                "embeddings_initializer",
                "embeddings_regularizer",
                "activity_regularizer",
                "embeddings_constraint",
                "mask_zero",
                "quantization_config",
            ),
        }
