"""`Attention` and `AdditiveAttention`: one head, no projections."""

from __future__ import annotations

from typing import Any

from kerasish import ops
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.seeds import SeedGenerator
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, fraction, one_of
from kerasish.ops import random

#: Subtracted from the scores of what is masked: its exponential is 0, and it fits the dtype.
_VERY_LARGE = {"float16": 65504.0}


class Attention(Layer):
    """softmax(scores(query, key))·value with dot-product scores (Luong et al. 2015).

    Args:
        use_scale: Whether the scores are multiplied by a trained scalar.
        score_mode: "dot", query·key; or "concat", w·Σ tanh(query + key) with a trained scalar w.
        dropout: Fraction of the attention weights that is dropped in training.
        seed: An integer, for repeatable dropout.
        **kwargs: `name`, `dtype`, `trainable`.

    Call arguments: `inputs`, the list [query (B, T, C), value (B, S, D), key (B, S, C)], key defaulting to value;
    `mask`, the list [query mask (B, T), value mask (B, S)]; `training`; `return_attention_scores`, to get (outputs,
    weights (B, T, S)); `use_causal_mask`, so that position t attends to s <= t.

    Shape: [(B, T, C), (B, S, D), (B, S, C)] -> (B, T, D).

    Example:
        >>> Attention().compute_output_shape([(None, 4, 3), (None, 5, 3)])
        (None, 4, 3)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        one_of(self, ("dot", "concat"), score_mode=score_mode)
        fraction(self, dropout=dropout)
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if dropout else None
        self.scale: Any = None
        self.concat_score_weight: Any = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        _check_pair(input_shape, "shapes")
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        _check_pair(inputs, "inputs")
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = _pair_of_masks(mask)
        scores = self._scores(query, key)
        scores = _hidden(scores, value_mask, use_causal_mask)
        weights = ops.softmax(scores, axis=-1)
        if training and self.seed_generator is not None:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        y = ops.matmul(weights, value)
        if query_mask is not None:
            y = ops.multiply(y, ops.cast(ops.expand_dims(query_mask, -1), dtype_of(y)))
        return (y, weights) if return_attention_scores else y

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        """The scores (B, T, S)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
            return scores if self.scale is None else ops.multiply(scores, self.scale)
        sums = ops.add(ops.expand_dims(query, 2), ops.expand_dims(key, 1))
        if self.scale is not None:
            sums = ops.multiply(sums, self.scale)
        return ops.multiply(ops.sum(ops.tanh(sums), axis=-1), self.concat_score_weight)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return _pair_of_masks(previous_mask)[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "use_scale", "score_mode", "dropout", "seed")}


class AdditiveAttention(Attention):
    """softmax(Σ scale·tanh(query + key))·value (Bahdanau et al. 2015).

    Args:
        use_scale: Whether there is a trained vector `scale`; otherwise it is 1.
        dropout: Fraction of the attention weights that is dropped in training.
        **kwargs: `name`, `dtype`, `trainable`, `seed`.

    Call arguments: as of `Attention`.

    Shape: [(B, T, C), (B, S, C), (B, S, C)] -> (B, T, C).

    Example:
        >>> AdditiveAttention().compute_output_shape([(None, 4, 3), (None, 5, 3)])
        (None, 4, 3)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        _check_pair(input_shape, "shapes")
        if self.use_scale:
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform"
            )

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        scores = ops.tanh(ops.add(ops.expand_dims(query, 2), ops.expand_dims(key, 1)))
        if self.scale is not None:
            scores = ops.multiply(scores, self.scale)
        return ops.sum(scores, axis=-1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["score_mode"]
        return config


def _check_pair(inputs: Any, what: str) -> None:
    if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
        raise ArgumentError(
            f"Attention takes a list of two or three {what}.",
            expected="[query, value] or [query, value, key]",
            received=f"{len(inputs)} {what}" if isinstance(inputs, (list, tuple)) else type(inputs).__name__,
            hint="layer([query, value])",
        )


def _pair_of_masks(mask: Any) -> tuple[Any, Any]:
    if mask is None:
        return None, None
    if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
        raise ArgumentError(
            "`mask` must be a list.", expected="[query mask, value mask]", received=type(mask).__name__
        )
    return mask[0], mask[1]


def _hidden(scores: Tensor, value_mask: Any, causal: bool) -> Tensor:
    """The scores, very small where a query must not look."""
    allowed = None
    if value_mask is not None:
        if len(shape_of(value_mask)) != 2:
            raise ShapeError("A mask has two axes.", expected="(batch, time)", received=shape_of(value_mask))
        allowed = ops.expand_dims(ops.cast(value_mask, "bool"), 1)
    if causal:
        past = causal_mask(*shape_of(scores)[1:])
        allowed = past if allowed is None else ops.logical_and(allowed, past)
    if allowed is None:
        return scores
    dtype = dtype_of(scores)
    hidden = ops.cast(ops.logical_not(allowed), dtype)
    return ops.subtract(scores, ops.multiply(hidden, _VERY_LARGE.get(dtype, 1e9)))


def causal_mask(length: int, keys: int) -> Tensor:
    """True where s <= t, shape (1, T, S)."""
    rows = ops.reshape(ops.arange(length, dtype="int32"), (1, length, 1))
    return ops.greater_equal(rows, ops.reshape(ops.arange(keys, dtype="int32"), (1, 1, keys)))


def window_mask(length: int, keys: int, width: int) -> Tensor:
    """True where |t − s| < width, shape (1, T, S)."""
    rows = ops.reshape(ops.arange(length, dtype="int32"), (1, length, 1))
    distance = ops.subtract(rows, ops.reshape(ops.arange(keys, dtype="int32"), (1, 1, keys)))
    return ops.less(ops.absolute(distance), width)
