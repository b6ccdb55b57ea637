"""`SpectralNormalization`: a wrapper that keeps the largest singular value of a kernel at 1."""

from __future__ import annotations

from typing import Any

from kerasish import initializers, ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of
from kerasish.core.errors import ArgumentError
from kerasish.layers.core.wrapper import Wrapper
from kerasish.layers.options import config_of, positive


class SpectralNormalization(Wrapper):
    """In training, divides the wrapped layer's kernel by its spectral norm before each call (Miyato et al. 2018).

    The norm is estimated by power iteration, whose vector is kept from call to call.

    Args:
        layer: A layer with a `kernel` or `embeddings`.
        power_iterations: Iterations each call.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ArgumentError: The layer has neither.

    Example:
        >>> from kerasish.layers import Dense
        >>> SpectralNormalization(Dense(3)).compute_output_shape((None, 5))
        (None, 3)
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        positive(self, power_iterations=power_iterations)
        self.power_iterations = power_iterations

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel = getattr(self.layer, "kernel", None)
        if self.kernel is None:
            self.kernel = getattr(self.layer, "embeddings", None)
        if self.kernel is None:
            raise ArgumentError(
                "The wrapped layer has no `kernel` and no `embeddings`.", received=type(self.layer).__name__
            )
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.get({"class_name": "TruncatedNormal", "config": {"stddev": 0.02}}),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training:
            self._normalize()
        return ops.cast(self.layer(inputs), dtype_of(inputs))

    def _normalize(self) -> None:
        shape = self.kernel.shape
        matrix: Tensor = ops.reshape(self.kernel, (-1, shape[-1]))
        u: Any = self.vector_u.value
        v = None
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(matrix)), axis=None, epsilon=1e-12)
            u = ops.normalize(ops.matmul(v, matrix), axis=None, epsilon=1e-12)
        u, v = ops.stop_gradient(u), ops.stop_gradient(v)
        norm = ops.matmul(ops.matmul(v, matrix), ops.transpose(u))
        self.vector_u.assign(ops.cast(u, self.vector_u.dtype))
        self.kernel.assign(ops.cast(ops.reshape(ops.divide(matrix, norm), shape), self.kernel.dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "power_iterations")}
