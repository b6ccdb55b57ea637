"""Attention by blocks: taken where no gradient is asked for, equal to the composite, without its large arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import kerasish
from kerasish import ops
from kerasish.core import primitives as p
from kerasish.core.dispatch import COMPOSITES
from kerasish.core.registry import get_engine, use_backend
from kerasish_native.control import UNROLLED
from kerasish_native.overrides_attention import attention
from kerasish_native.trace import Graph, recording

ENGINE = get_engine("native")
BATCH, QUERIES, KEYS, HEADS, SIZE = 2, 40, 33, 3, 8


@pytest.fixture(autouse=True)
def _native():
    with use_backend("native"):
        yield


def operands(dtype: str = "float32", queries: int = QUERIES) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = [(BATCH, queries, HEADS, SIZE), *[(BATCH, KEYS, HEADS, SIZE)] * 2]
    return [
        np.asarray(rng.standard_normal(s), ENGINE.asarray(np.zeros(()), dtype=dtype, device=None).dtype)
        for s in shapes
    ]


RNG = np.random.default_rng(4)
BIAS = np.round(8 * RNG.standard_normal((1, HEADS, QUERIES, KEYS))) / 8  # no rounding in 16 bits
SOME = RNG.random((BATCH, 1, 1, KEYS)) < 0.6
NOTHING = np.where(np.arange(QUERIES)[:, None] == 7, False, RNG.random((1, 1, QUERIES, KEYS)) < 0.6)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {"scale": 0.7},
    "biased": {"bias": BIAS},
    "bias of keys": {"bias": BIAS[:, :1, :1]},
    "masked": {"mask": SOME},
    "a query with nothing to attend to": {"mask": NOTHING},
    "causal": {"is_causal": True},
    "causal and masked": {"is_causal": True, "mask": NOTHING},
    "capped": {"attn_logits_soft_cap": 0.8},
    "all": {"is_causal": True, "mask": SOME, "bias": BIAS, "attn_logits_soft_cap": 2.0, "scale": 1.5},
}


def graph_of(fn: Any, *arrays: np.ndarray) -> list[str]:
    """The primitives that `fn` records."""
    graph = Graph()
    with recording(graph):
        fn(*[graph.input(x.shape, ENGINE.dtype_of(x)) for x in arrays])
    return [node.name for node in graph.nodes]


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-14), ("float16", 1e-3), ("bfloat16", 1e-2)]
)
@pytest.mark.parametrize("kernels", ["compiled", "reference"])
@pytest.mark.parametrize("case", CASES)
def test_compiled_is_the_composite(case, kernels, dtype, tolerance, monkeypatch):
    if kernels == "reference":
        monkeypatch.setattr("kerasish_native.executor.load_kernels", lambda: None)
    args = operands(dtype)
    compiled = ENGINE.compile(lambda q, k, v: ops.dot_product_attention(q, k, v, **CASES[case]))
    found = compiled(*args)
    right = ops.dot_product_attention(*[x.astype("float64") for x in args], **CASES[case])
    assert "tiled_attention" in [node.name for node in next(iter(compiled.plans.values())).graph.nodes]
    assert found.dtype == args[0].dtype
    np.testing.assert_allclose(found.astype(float), right, rtol=tolerance, atol=tolerance)


def test_a_gradient_keeps_the_composite():
    def loss(q: Any, k: Any, v: Any) -> Any:
        return ops.sum(ops.square(ops.dot_product_attention(q, k, v)))

    def step(*xs: Any) -> Any:
        return ENGINE.value_and_grad(lambda *ys: (loss(*ys), None), list(xs))

    assert "tiled_attention" in graph_of(loss, *operands())
    assert "tiled_attention" not in graph_of(step, *operands())
    found, right = ENGINE.compile(step)(*operands()), step(*operands())
    for one, two in zip(found[2], right[2], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_what_no_gradient_flows_through_is_taken_by_blocks_in_training_too():
    q, k, v = operands()

    def step(w: Any, q: Any, k: Any, v: Any) -> Any:
        read = ops.dot_product_attention(q, k, v)
        return ENGINE.value_and_grad(lambda w: (ops.sum(p.multiply(read, w)), None), [w])

    assert "tiled_attention" in graph_of(step, np.float32(2.0).reshape(()), q, k, v)


@pytest.mark.parametrize("case", CASES)
def test_a_gradient_of_a_subgraph_is_the_composites(case):
    args = operands("float64")
    keywords = {**CASES[case]}
    bias = keywords.pop("bias", None)
    floats = [*args, *([] if bias is None else [bias])]

    def attend(*xs: Any) -> Any:
        return ops.dot_product_attention(*xs[:3], *xs[3:], **keywords)

    def total(*xs: Any) -> Any:
        return ops.sum(ops.sin(attend(*xs)))

    times = UNROLLED + 1

    def in_a_loop(*xs: Any) -> Any:
        def body(carry: list[Any], _: list[Any]) -> tuple[list[Any], list[Any]]:
            return [p.add(carry[0], total(*carry[1:])), *carry[1:]], []

        carry, _ = p.scan([np.zeros(()), *xs], [np.zeros(times)], fn=body, length=times, reverse=False)
        return p.divide(carry[0], float(times))

    def slopes(fn: Any, *xs: Any) -> Any:
        return ENGINE.value_and_grad(lambda *ys: (fn(*ys), None), list(xs))[2]

    right = slopes(total, *floats)
    assert "tiled_attention" in str(_bodies(in_a_loop, *floats))
    for found in (slopes(in_a_loop, *floats), ENGINE.compile(lambda *xs: slopes(in_a_loop, *xs))(*floats)):
        for one, two in zip(found, right, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-13)


def _bodies(fn: Any, *arrays: np.ndarray) -> list[str]:
    """The primitives in the body of a scan."""
    graph = Graph()
    with recording(graph):
        fn(*[graph.input(x.shape, ENGINE.dtype_of(x)) for x in arrays])
    (scan,) = [node for node in graph.nodes if node.name == "graph_scan"]
    return [node.name for node in scan.keywords["body"].nodes]


@pytest.mark.parametrize("change", ["few queries", "no queries", "a gradient", "a bias of another type"])
def test_the_rest_is_left_to_the_composite(change):
    q, k, v = operands(queries={"few queries": 5, "no queries": 0}.get(change, QUERIES))
    bias = BIAS if change == "a bias of another type" else None
    options: dict[str, Any] = {"scale": 1.0, "causal": False, "soft_cap": None}
    found = []

    def call(q: Any) -> Any:
        found.append(attention(q, k, v, bias, None, **options))
        return COMPOSITES["attention"](q, k, v, None, None, **options)

    if change == "a gradient":
        ENGINE.vjp(lambda q: ([call(q)], None), [q])
    else:
        call(q)
    assert found[0] is NotImplemented


def test_a_layer_predicts_the_same_either_way():
    layer = kerasish.layers.MultiHeadAttention(num_heads=2, key_dim=8, value_dim=5)
    x = np.random.default_rng(1).standard_normal((2, 40, 6)).astype("float32")
    eager = np.asarray(layer(x, x, use_causal_mask=True))
    compiled = ENGINE.compile(lambda x: layer(x, x, use_causal_mask=True))
    assert "tiled_attention" in graph_of(lambda x: layer(x, x, use_causal_mask=True), x)
    np.testing.assert_allclose(compiled(x), eager, rtol=1e-5, atol=1e-6)


LONG = """
import resource
import numpy as np
from kerasish import ops
from kerasish.core.registry import get_engine

attend = get_engine("native").compile(lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal={causal}))
small, large = (np.ones((1, t, 2, 16), "float32") for t in (64, 4096))
attend(small, small, small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
attend(large, large, large)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("causal", [False, True])
def test_no_array_of_all_pairs_is_made(causal):
    done = subprocess.run(
        [sys.executable, "-c", LONG.format(causal=causal)],
        env={**os.environ, "KERASISH_BACKEND": "native"},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = 2 * 4096 * 4096 * 4 // 1024  # KiB of the scores
    assert int(done.stdout) < pairs / 8
