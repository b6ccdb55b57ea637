"""`MultiHeadAttention`."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops, regularizers
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.layers.attention.heads import HeadAttention
from kerasish.layers.core.einsum_dense import EinsumDense
from kerasish.layers.options import config_of, positive


class MultiHeadAttention(HeadAttention):
    """Heads that attend side by side, concatenated and projected (Vaswani et al. 2017).

    softmax(q·kᵀ/√key_dim)·v for each head, with q, k, v linear in query, key, value.

    Args:
        num_heads: Number of heads N.
        key_dim: Size of a head of query and key.
        value_dim: Size of a head of value; default `key_dim`.
        dropout: Fraction of the attention weights that is dropped in training.
        use_bias: Whether the projections have biases.
        output_shape: Size, or sizes, of the last axes of the output; default the query's.
        attention_axes: Axes that are attended over; default all between batch and channels.
        sliding_window: Only positions nearer than this are attended to; None for no limit.
        flash_attention: Accepted for Keras' sake; each engine takes its fastest kernel.
        kernel_initializer: Of the projections' kernels.
        bias_initializer: Of the projections' biases.
        kernel_regularizer: Penalty of the kernels.
        bias_regularizer: Penalty of the biases.
        activity_regularizer: Penalty of the projections' outputs.
        kernel_constraint: Projection of the kernels after each update.
        bias_constraint: Projection of the biases after each update.
        use_gate: Whether the heads' outputs are multiplied by the sigmoid of another projection of the query.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: `query` (B, T, C), `value` (B, S, D), `key` (B, S, E), default value; `query_mask`, `value_mask`,
    `key_mask`, bool (B, T) and (B, S), found by themselves after masking layers; `attention_mask`, bool (B, T, S), True
    where a query may attend; `return_attention_scores`, to get (output, weights (B, N, T, S)); `training`;
    `use_causal_mask`, so that position t attends to s <= t.

    Shape: (B, T, C), (B, S, D), (B, S, E) -> (B, T, C) or (B, T, *output_shape).

    Example:
        >>> from kerasish import Input
        >>> x = Input((4, 6))
        >>> MultiHeadAttention(num_heads=2, key_dim=3)(x, x).shape
        (None, 4, 6)
    """

    query_dense: EinsumDense
    key_dense: EinsumDense
    value_dense: EinsumDense
    output_dense: EinsumDense

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        super().__init__(**kwargs)
        value_dim = key_dim if value_dim is None else value_dim
        positive(self, num_heads=num_heads, key_dim=key_dim, value_dim=value_dim)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
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
        self._activity_regularizer = regularizers.get(activity_regularizer)
        self._output_shape = _sizes(output_shape)
        self._attention_axes = _sizes(attention_axes)
        self._gate_dense = None

    @property
    def _projections_regularizer(self) -> Any:
        return self._activity_regularizer

    @property
    def attention_axes(self) -> tuple[int, ...] | None:
        """The axes that are attended over; None before the layer is built, unless given."""
        return self._attention_axes

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        rank = len(query_shape)
        if rank < 3 or len(value_shape) != rank or len(key_shape) != rank:
            raise ShapeError(
                "query, key and value need the same number of axes, at least three.",
                expected="(batch, time, channels)",
                received=f"query {query_shape}, value {value_shape}, key {key_shape}",
            )
        self._attention_axes = self._attended(rank)
        self._to_heads("query_dense", "query", query_shape, self.num_heads, self.key_dim)
        self._to_heads("key_dense", "key", key_shape, self.num_heads, self.key_dim)
        if self.use_gate:
            self._to_heads("_gate_dense", "gate", query_shape, self.num_heads, self.value_dim)
        self._to_heads("value_dense", "value", value_shape, self.num_heads, self.value_dim)
        self._build_attention()
        output = self._output_shape or (query_shape[-1],)
        self._from_heads("output_dense", "attention_output", rank - 1, self.num_heads, self.value_dim, output)

    def _attended(self, rank: int) -> tuple[int, ...]:
        """`attention_axes`, or what None means for inputs of this rank."""
        if self._attention_axes is None:
            return tuple(range(1, rank - 1))
        if any(not 0 < axis % rank < rank - 1 for axis in self._attention_axes):
            raise ArgumentError(
                "`attention_axes` must lie between batch and channels.",
                expected=f"axes from 1 to {rank - 2}",
                received=self._attention_axes,
            )
        return self._attention_axes

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
        axes = tuple(axis % len(shape_of(query)) for axis in self._attention_axes or ())
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        q, k, v = (_rows(x, axes) for x in projected)
        lengths = shape_of(q)[1], shape_of(k)[1]
        # As in Keras, `query_mask` hides nothing here: it is handed on as the mask of the output.
        mask = self._attention_mask(lengths, None, value_mask, key_mask, attention_mask)
        simple = len(axes) == 1 and len(shape_of(query)) == 3
        if mask is not None:
            mask = _score_mask(mask, shape_of(projected[0]), shape_of(projected[1]), axes)
        y, weights = self._attend(
            (q, k, v),
            mask,
            causal=use_causal_mask,
            scale=1.0 / math.sqrt(self.key_dim),
            scores=return_attention_scores,
            training=training,
            empty_is_zero=self.dropout > 0 or not simple,
        )
        y = _unrowed(y, shape_of(projected[0]), axes)
        y = self.output_dense(self._gated(y, self._gate_dense, query))
        if not return_attention_scores:
            return y
        return y, _unrowed_scores(weights, shape_of(projected[0]), shape_of(projected[1]), axes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **self._options_config(),
            **config_of(self, "num_heads", "key_dim", "value_dim"),
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            "activity_regularizer": regularizers.serialize(self._activity_regularizer)
            if self._activity_regularizer is not None
            else None,
        }


def _sizes(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    return (int(value),) if hasattr(value, "__index__") else tuple(int(v) for v in value)


# -- attention over any axes -----------------------------------------------------------------------------------------
# Heads (B, ..., N, H) become rows (B·F, T, N, H): the axes that are not attended over join the batch (F), those that
# are become one (T). For (B, T, N, H) attended over axis 1 nothing moves.


def _free(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[int]:
    return [axis for axis in range(1, len(shape) - 2) if axis not in axes]


def _rows(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    shape = shape_of(x)
    if len(shape) == 4 and axes == (1,):
        return x
    free = _free(shape, axes)
    rank = len(shape)
    x = ops.transpose(x, (0, *free, *axes, rank - 2, rank - 1))
    rows = shapes.size_of([shape[0], *(shape[a] for a in free)])
    return ops.reshape(x, (rows, shapes.size_of([shape[a] for a in axes]), *shape[-2:]))


def _unrowed(y: Tensor, query: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Rows back in the order of the query's axes."""
    if len(query) == 4 and axes == (1,):
        return y
    order = [0, *_free(query, axes), *axes]
    y = ops.reshape(y, (*(query[a] for a in order), *shape_of(y)[-2:]))
    rank = len(query)
    return ops.transpose(y, (*(order.index(a) for a in range(rank - 2)), rank - 2, rank - 1))


def _unrowed_scores(
    weights: Tensor, query: tuple[int, ...], key: tuple[int, ...], axes: tuple[int, ...]
) -> Tensor:
    """Weights (B·F, N, T, S) with all axes apart: (B, *free, N, *query axes, *key axes)."""
    if len(query) == 4 and axes == (1,):
        return weights
    free = [query[a] for a in _free(query, axes)]
    return ops.reshape(
        weights, (query[0], *free, query[-2], *(query[a] for a in axes), *(key[a] for a in axes))
    )


def _score_mask(mask: Tensor, query: tuple[int, ...], key: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """A mask (..., *query axes, *key axes) as one that broadcasts to the rows' scores (B·F, N, T, S)."""
    free = [query[a] for a in _free(query, axes)]
    shape = list(shape_of(mask))
    tail = 2 * len(axes)
    missing = 2 + len(free) + tail - len(shape)
    if missing < 0 or len(shape) < tail:
        raise ShapeError(
            "The mask does not fit the scores.",
            expected=f"(batch, *query axes, *key axes), {1 + tail} axes",
            received=shapes.show(shape),
        )
    lead, tail_sizes = shape[: len(shape) - tail], shape[len(shape) - tail :]
    lead = [*lead, *[1] * missing] if lead else [1] * missing
    full = [
        *(s if s != 1 else query[a] for s, a in zip(tail_sizes[: len(axes)], axes, strict=True)),
        *(s if s != 1 else key[a] for s, a in zip(tail_sizes[len(axes) :], axes, strict=True)),
    ]
    if len(axes) > 1:  # sizes of 1 cannot be broadcast after axes are joined
        mask = ops.broadcast_to(ops.reshape(mask, (*lead, *tail_sizes)), (*lead, *full))
        tail_sizes = [shapes.size_of(full[: len(axes)]), shapes.size_of(full[len(axes) :])]
    if not free:
        return ops.reshape(mask, (*lead, *tail_sizes))
    rows = (query[0], *free)
    mask = ops.broadcast_to(ops.reshape(mask, (*lead, *tail_sizes)), (*rows, lead[-1], *tail_sizes))
    return ops.reshape(mask, (shapes.size_of(rows), lead[-1], *tail_sizes))
