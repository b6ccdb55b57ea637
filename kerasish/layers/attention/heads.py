"""`HeadAttention`: what multi-head and grouped-query attention share, from the masks to the attention itself."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core import dtypes
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.layers.activations.softmax import Softmax
from kerasish.layers.attention.scores import causal_mask, window_mask
from kerasish.layers.core.einsum_dense import EinsumDense
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, fraction, positive, set_options
from kerasish.layers.regularization.dropout import Dropout

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
OPTIONS = (
    "use_bias",
    "use_gate",
    "sliding_window",
    "dropout",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "seed",
)


class HeadAttention(Layer):
    """Base of layers that project query, key and value to heads, attend, and project back."""

    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any

    def _set(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        use_gate: bool,
        seed: int | None,
        **options: Any,
    ) -> None:
        fraction(self, dropout=dropout)
        if sliding_window is not None:
            positive(self, sliding_window=sliding_window)
        self.dropout = dropout
        self.use_bias = use_bias
        self.sliding_window = sliding_window
        self.use_gate = use_gate
        self.seed = seed
        set_options(self, **options)
        self.supports_masking = True

    # -- building --------------------------------------------------------------------------------------------------
    def _dense(
        self, equation: str, output_shape: tuple[int | None, ...], bias_axes: str, name: str
    ) -> EinsumDense:
        """One projection, with the options of this layer."""
        return EinsumDense(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self.use_bias else None,
            # Each projection draws its own weights: a copy of an unseeded initializer has a seed of its own.
            kernel_initializer=_fresh(self.kernel_initializer),
            bias_initializer=_fresh(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            activity_regularizer=self._projections_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )

    @property
    def _projections_regularizer(self) -> Any:
        return None

    def _to_heads(self, attribute: str, name: str, input_shape: Any, heads: int, size: int) -> None:
        """Make `attribute` the projection (B, ..., C) -> (B, ..., heads, size)."""
        rank = len(input_shape)
        outer, channel, new = _LETTERS[: rank - 1], _LETTERS[rank - 1], _LETTERS[rank : rank + 2]
        equation = f"{outer}{channel},{channel}{new}->{outer}{new}"
        setattr(self, attribute, self._dense(equation, (*(None,) * (rank - 2), heads, size), new, name))
        getattr(self, attribute).build(tuple(input_shape))

    def _from_heads(
        self, attribute: str, name: str, outer_rank: int, heads: int, size: int, output: tuple[int, ...]
    ) -> None:
        """Make `attribute` the projection (B, ..., heads, size) -> (B, ..., *output)."""
        outer, old = _LETTERS[:outer_rank], _LETTERS[outer_rank : outer_rank + 2]
        new = _LETTERS[outer_rank + 2 : outer_rank + 2 + len(output)]
        equation = f"{outer}{old},{old}{new}->{outer}{new}"
        setattr(self, attribute, self._dense(equation, (*(None,) * (outer_rank - 1), *output), new, name))
        getattr(self, attribute).build((*(None,) * outer_rank, heads, size))

    def _build_attention(self) -> None:
        self._softmax = Softmax(axis=-1, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self.dropout, seed=self.seed, dtype=self.dtype_policy)

    # -- masks -----------------------------------------------------------------------------------------------------
    def _attention_mask(
        self, lengths: tuple[int, int], query_mask: Any, value_mask: Any, key_mask: Any, attention_mask: Any
    ) -> Any:
        """All masks but the causal one as one (B, T, S); None if there is none."""
        parts = []
        if query_mask is not None:
            parts.append(ops.expand_dims(ops.cast(query_mask, "bool"), -1))
        parts += [ops.expand_dims(ops.cast(m, "bool"), -2) for m in (value_mask, key_mask) if m is not None]
        if self.sliding_window is not None:
            parts.append(window_mask(*lengths, self.sliding_window))
        if attention_mask is not None:
            parts.append(ops.cast(attention_mask, "bool"))
        mask = None
        for part in parts:
            mask = part if mask is None else ops.logical_and(mask, part)
        return mask

    # -- attention -------------------------------------------------------------------------------------------------
    def _attend(
        self,
        heads: tuple[Tensor, Tensor, Tensor],
        mask: Any,
        *,
        causal: bool,
        scale: float,
        scores: bool,
        training: bool | None,
        empty_is_zero: bool = False,
    ) -> tuple[Tensor, Any]:
        """(outputs (B, T, N, H), weights (B, N, T, S) if `scores`), for heads (B, T, N, H) and mask (B, N, T, S).

        A query that may attend to nothing attends to all alike where the engine's attention runs, and to nothing where
        the weights are written out or `empty_is_zero` asks for it: in both as in Keras.
        """
        query, key, value = heads
        if not scores and not (training and self.dropout):
            y = ops.dot_product_attention(query, key, value, mask=mask, scale=scale, is_causal=causal)
            if mask is not None and empty_is_zero:
                allowed = self._with_causal(mask, query, key) if causal else mask
                alive = ops.transpose(ops.any(allowed, axis=-1, keepdims=True), (0, 2, 1, 3))
                y = ops.where(alive, y, 0.0)
            return y, None
        shared = shape_of(query)[2] // shape_of(key)[2]
        if shared > 1:
            key, value = ops.repeat(key, shared, axis=2), ops.repeat(value, shared, axis=2)
        dtype = dtype_of(query)
        logits = ops.einsum("btnh,bsnh->bnts", ops.multiply(query, scale), key)
        if dtypes.bits(dtype) == 16:
            logits = ops.cast(logits, "float32")
        if causal:
            mask = self._with_causal(mask, query, key)
        weights = ops.cast(self._softmax(logits, mask=mask), dtype)
        dropped = self._dropout_layer(weights, training=training)
        return ops.einsum("bnts,bsnh->btnh", dropped, value), weights

    def _with_causal(self, mask: Any, query: Tensor, key: Tensor) -> Tensor:
        past = ops.expand_dims(causal_mask(shape_of(query)[1], shape_of(key)[1]), 1)
        return past if mask is None else ops.logical_and(mask, past)

    def _gated(self, y: Tensor, gate: Any, query: Tensor) -> Tensor:
        return y if gate is None else ops.multiply(y, ops.sigmoid(gate(query)))

    def _options_config(self) -> dict[str, Any]:
        return config_of(self, *OPTIONS)


def _fresh(initializer: Any) -> Any:
    if hasattr(initializer, "get_config") and hasattr(type(initializer), "from_config"):
        return type(initializer).from_config(initializer.get_config())
    return initializer
