"""`GroupQueryAttention`: several query heads share one head of key and value."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.layers.attention.heads import HeadAttention
from kerasish.layers.core.einsum_dense import EinsumDense
from kerasish.layers.options import config_of, positive


class GroupedQueryAttention(HeadAttention):
    """Attention with fewer heads of key and value than of query (Ainslie et al. 2023).

    Args:
        head_dim: Size of a head.
        num_query_heads: Number of query heads N; a multiple of the next.
        num_key_value_heads: Number of heads K of key and value. 1 is multi-query attention, N multi-head attention.
        dropout: Fraction of the attention weights that is dropped in training.
        use_bias: Whether the projections have biases.
        sliding_window: Only positions nearer than this are attended to; None for no limit.
        flash_attention: Accepted for Keras' sake; each engine takes its fastest kernel.
        kernel_initializer: Of the projections' kernels.
        bias_initializer: Of the projections' biases.
        kernel_regularizer: Penalty of the kernels.
        bias_regularizer: Penalty of the biases.
        activity_regularizer: Penalty of the output.
        kernel_constraint: Projection of the kernels after each update.
        bias_constraint: Projection of the biases after each update.
        use_gate: Whether the heads' outputs are multiplied by the sigmoid of another projection of the query.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: as of `MultiHeadAttention`.

    Shape: (B, T, C), (B, S, D), (B, S, E) -> (B, T, C).

    Raises:
        ArgumentError: N is no multiple of K.

    Example:
        >>> from kerasish import Input
        >>> x = Input((4, 6))
        >>> GroupedQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)(x, x).shape
        (None, 4, 6)
    """

    _keras_name = "GroupQueryAttention"
    _query_dense: EinsumDense
    _key_dense: EinsumDense
    _value_dense: EinsumDense
    _output_dense: EinsumDense

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        positive(
            self, head_dim=head_dim, num_query_heads=num_query_heads, num_key_value_heads=num_key_value_heads
        )
        if num_query_heads % num_key_value_heads:
            raise ArgumentError(
                "Each head of key and value needs the same number of query heads.",
                where=type(self).__name__,
                expected=f"num_query_heads a multiple of {num_key_value_heads}",
                received=num_query_heads,
            )
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self._set(
            dropout,
            use_bias,
            sliding_window,
            use_gate,
            seed,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self._gate_dense = None

    @property
    def _projections_regularizer(self) -> Any:
        return self.activity_regularizer

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        if not len(query_shape) == len(value_shape) == len(key_shape) == 3:
            raise ShapeError(
                "query, key and value need three axes.",
                expected="(batch, time, channels)",
                received=f"query {query_shape}, value {value_shape}, key {key_shape}",
            )
        size, shared = self.head_dim, self.num_key_value_heads
        self._to_heads("_query_dense", "query", query_shape, self.num_query_heads, size)
        self._to_heads("_key_dense", "key", key_shape, shared, size)
        if self.use_gate:
            self._to_heads("_gate_dense", "gate", query_shape, self.num_query_heads, size)
        self._to_heads("_value_dense", "value", value_shape, shared, size)
        self._build_attention()
        self._from_heads(
            "_output_dense", "attention_output", 2, self.num_query_heads, size, (query_shape[-1],)
        )

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        heads = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        lengths = shape_of(query)[1], shape_of(key)[1]
        mask = self._attention_mask(lengths, query_mask, value_mask, key_mask, attention_mask)
        if mask is not None and len(shape_of(mask)) == 3:
            mask = ops.expand_dims(mask, 1)
        y, weights = self._attend(
            heads,
            mask,
            causal=use_causal_mask,
            scale=1.0 / math.sqrt(self.head_dim),
            scores=return_attention_scores,
            training=training,
            empty_is_zero=self.dropout > 0,
        )
        y = self._output_dense(self._gated(y, self._gate_dense, query))
        return (y, weights) if return_attention_scores else y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **self._options_config(),
            **config_of(self, "head_dim", "num_query_heads", "num_key_value_heads", "activity_regularizer"),
        }


GroupQueryAttention = GroupedQueryAttention
