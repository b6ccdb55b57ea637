"""Lowering of attention: operands are read by strides, broadcast biases and masks too."""

from __future__ import annotations

import math
from typing import Any

from kerasish_native.plan.builder import Builder, Entry, lowers
from kerasish_native.plan.views import broadcast
from kerasish_native.trace import Node


@lowers("tiled_attention")
def _attention(builder: Builder, node: Node) -> Entry:
    query, key, value, *rest = (builder.view(a) for a in node.args)
    result = builder.view(node.outputs[0])
    batch, length, heads, size = query.shape
    pairs = (batch, heads, length, key.shape[1])
    keywords = node.keywords
    spread = [broadcast(x, pairs) for x in rest]
    bias = spread[0] if keywords["bias"] else None
    mask = spread[-1] if keywords["masked"] else None

    def make() -> Any:
        q, k, v, b, m, y = (
            None if x is None else builder.program_view(x) for x in (query, key, value, bias, mask, result)
        )
        return builder.kernels.attention_step(
            q, k, v, b, m, y, keywords["scale"], keywords["soft_cap"] or 0.0, keywords["causal"]
        )

    reads = [x.buffer for x in (query, key, value, *rest)]
    flops = 2 * math.prod(pairs) * (size + value.shape[3])
    return Entry(f"attention {list(query.shape)} {list(key.shape)}", reads, [result.buffer], make, flops)
