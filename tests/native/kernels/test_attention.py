"""Attention: within the rounding of its sums for all sizes, strides, masks, types and instruction sets."""

import hashlib
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Workbench

from kerasish_native.reference.attention import tiled_attention

TOLERANCE = {"float32": 3e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 2e-2}
INF, NAN = np.inf, np.nan

# Around vectors (4, 8, 16 lanes), tiles of queries (6, 14), tasks of them (96, 224) and blocks of keys (256):
# (batch, queries, keys, heads, channels, channels of the values).
SIZES = {
    "one": (1, 1, 1, 1, 1, 1),
    "one query": (2, 1, 17, 2, 3, 3),
    "one key": (2, 17, 1, 3, 32, 32),
    "below a vector": (1, 15, 15, 2, 3, 5),
    "a vector": (2, 16, 16, 1, 16, 16),
    "above a vector": (2, 17, 17, 2, 1, 17),
    "more keys": (1, 15, 65, 2, 64, 33),
    "more queries": (1, 65, 16, 32, 3, 100),
    "wide": (1, 17, 65, 3, 100, 1),
    "usual": (2, 65, 65, 4, 32, 32),
    "a block of keys": (1, 16, 256, 1, 8, 8),
    "blocks of keys": (1, 65, 600, 2, 32, 32),
    "blocks of queries": (1, 300, 257, 1, 17, 40),
    "no channels": (1, 3, 4, 2, 0, 5),
}
MASKS = ["none", "rows", "keys", "pairs", "nothing"]


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def operands(name, dtype, seed=0):
    batch, queries, keys, heads, channels, width = SIZES[name]
    rng = np.random.default_rng(seed)
    shapes = (batch, queries, heads, channels), (batch, keys, heads, channels), (batch, keys, heads, width)
    return [rng.standard_normal(s).astype(numpy_dtype(dtype)) for s in shapes]


def mask_of(kind, name, seed=1):
    """Over (B, N, T, S), some axes broadcast."""
    batch, queries, keys, heads, *_ = SIZES[name]
    rng = np.random.default_rng(seed)
    if kind == "none":
        return None
    if kind == "nothing":
        return np.zeros((1, 1, 1, 1), bool)
    shape = {"rows": (batch, 1, queries, 1), "keys": (batch, 1, 1, keys), "pairs": (1, heads, queries, keys)}
    return rng.random(shape[kind]) < 0.7


def run_step(*arrays, scale=0.4, soft_cap=None, causal=False):
    """A step on q, k, v, bias, mask and y; bias and mask may be None."""
    bench = Workbench()
    views = [None if x is None else bench.put(x) for x in arrays]
    bench.run([bench.kernels.attention_step(*views, scale, soft_cap or 0.0, causal)])


def found(q, k, v, bias=None, mask=None, scale=0.4, soft_cap=None, causal=False):
    """What the kernel writes, and nothing beside it."""
    shape = (*q.shape[:3], v.shape[3])
    pairs = (q.shape[0], q.shape[2], q.shape[1], k.shape[1])
    base = np.full(int(np.prod(shape)) + 14, 9, q.dtype)
    y = base[7:-7].reshape(shape)
    spread = [None if x is None else np.broadcast_to(x, pairs) for x in (bias, mask)]
    run_step(q, k, v, *spread, y, scale=scale, soft_cap=soft_cap, causal=causal)
    assert np.all(base[:7] == 9)
    assert np.all(base[-7:] == 9)
    return np.array(y)


def expected(q, k, v, bias=None, mask=None, scale=0.4, soft_cap=None, causal=False):
    """The reference in float64; 16-bit scores that are masked weigh as little there."""
    rest = [x.astype(np.float64) for x in (bias,) if x is not None] + [x for x in (mask,) if x is not None]
    options = {"bias": bias is not None, "masked": mask is not None, "soft_cap": soft_cap}
    wide = [x.astype(np.float64) for x in (q, k, v)]
    with np.errstate(all="ignore"):
        return tiled_attention(*wide, *rest, scale=scale, causal=causal, **options)


def assert_right(args, **keywords):
    dtype = args[0].dtype.name
    y = found(*args, **keywords)
    assert y.dtype == args[0].dtype
    right = expected(*args, **keywords)
    np.testing.assert_allclose(y.astype(np.float64), right, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", SIZES)
def test_each_number_is_its_sum(name, causal, dtype):
    assert_right(operands(name, dtype), causal=causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("name", ["one", "above a vector", "more keys", "usual", "blocks of keys"])
def test_masks(name, kind, causal):
    assert_right(operands(name, "float32"), mask=mask_of(kind, name), causal=causal)


@pytest.mark.parametrize("soft_cap", [None, 0.5])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1, 2), ()])
def test_biases(axes, dtype, soft_cap):
    name = "blocks of keys"
    batch, queries, keys, heads, *_ = SIZES[name]
    shape = [1 if i in axes else n for i, n in enumerate((batch, heads, queries, keys))]
    bias = np.random.default_rng(2).standard_normal(shape).astype(numpy_dtype(dtype))
    assert_right(operands(name, dtype), bias=bias, mask=mask_of("keys", name), soft_cap=soft_cap)


def strided(x, kind):
    """The same numbers, lying otherwise."""
    if kind == "heads first":
        return np.ascontiguousarray(x.transpose(2, 0, 1, 3)).transpose(1, 2, 0, 3)
    if kind == "channels first":
        return np.ascontiguousarray(x.transpose(0, 3, 2, 1)).transpose(0, 3, 2, 1)
    if kind == "reversed":
        return np.ascontiguousarray(x[:, ::-1, :, ::-1])[:, ::-1, :, ::-1]
    wide = np.zeros((*x.shape[:3], 2 * x.shape[3]), x.dtype)  # every second channel
    wide[..., ::2] = x
    return wide[..., ::2]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["heads first", "channels first", "reversed", "every second"])
@pytest.mark.parametrize("name", ["above a vector", "more keys", "usual"])
def test_operands_lie_anyhow(name, kind, dtype):
    args = operands(name, dtype)
    for i in range(3):
        moved = [strided(x, kind) if i == j else x for j, x in enumerate(args)]
        np.testing.assert_array_equal(found(*moved), found(*args))


def test_one_key_for_all_heads_is_read_with_stride_0():
    q, k, v = operands("usual", "float32")
    shared = [np.broadcast_to(x[:, :, :1], x.shape) for x in (k, v)]
    np.testing.assert_array_equal(found(q, *shared), found(q, *(x.copy() for x in shared)))


# Where: which operand, at which place. What the composite gives there is said by the reference.
ODD = {
    "NaN in a query": ("q", (0, 40, 1, 3), NAN),
    "NaN in a key": ("k", (0, 300, 1, 3), NAN),
    "NaN in a value": ("v", (0, 300, 1, 3), NAN),
    "NaN in the first value": ("v", (0, 0, 0, 0), NAN),
    "infinite value": ("v", (0, 550, 1, 3), INF),
    "infinite key": ("k", (0, 300, 0, 3), INF),
    "infinite query": ("q", (0, 3, 0, 3), -INF),
    "infinite bias": ("bias", (0, 1, 7, 400), INF),
    "a row of -inf": ("bias", (0, 1, 7), -INF),
    "a block of -inf": ("bias", (0, 1, 7, slice(0, 256)), -INF),
    "all but one -inf": ("bias", (0, 1, 7, slice(0, 599)), -INF),
    "a row of -inf but for the mask": ("bias", (0, 1, 7), -INF),
    "NaN bias under the mask": ("bias", (0, 1, 7, 5), NAN),
    "a score below the masked one": ("bias", (0, 1, 7), -3e38),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ODD)
def test_infinities_and_nans_go_where_the_definition_sends_them(case, dtype, causal):
    which, place, value = ODD[case]
    name = "blocks of keys"
    q, k, v = operands(name, dtype)
    bias = np.zeros((1, 2, 65, 600), dtype)
    {"q": q, "k": k, "v": v, "bias": bias}[which][place] = value
    mask = np.ones((1, 1, 1, 600), bool)
    mask[..., 5] = "mask" not in case  # of a row of -inf it would be the only key that counts
    keywords = {"bias": bias, "mask": mask, "causal": causal, "scale": 0.4, "soft_cap": None}
    y = found(q, k, v, **keywords)
    rest = {"bias": True, "masked": True, "scale": 0.4, "causal": causal, "soft_cap": None}
    with np.errstate(all="ignore"):
        right = tiled_attention(q, k, v, bias, mask, **rest)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(right))
    np.testing.assert_allclose(y, right, rtol=1e-4, atol=1e-5)


def test_no_queries_are_no_work():
    q, k, v = operands("usual", "float32")
    assert found(q[:, :0], k, v).shape == (2, 0, 4, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": (2, 0, 4, 8), "v": (2, 0, 4, 8)}, "S > 0"),
        ({"k": (2, 6, 3, 8)}, "fit together"),
        ({"k": (2, 6, 4, 7)}, "fit together"),
        ({"v": (2, 5, 4, 8)}, "fit together"),
        ({"q": (5, 4, 8)}, "four axes"),
        ({"bias": (2, 4, 5, 5)}, "bias"),
        ({"mask": (2, 4, 6, 5)}, "mask"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    shapes = {
        "q": (2, 5, 4, 8),
        "k": (2, 6, 4, 8),
        "v": (2, 6, 4, 8),
        "bias": None,
        "mask": None,
        "y": (2, 5, 4, 8),
    }
    arrays = [
        None if s is None else np.zeros(s, bool if name == "mask" else np.float32)
        for name, s in {**shapes, **change}.items()
    ]
    with pytest.raises(ValueError, match=message):
        run_step(*arrays)


# --- every instruction set, in processes of their own -------------------------------------------------------
def digest():
    """Check all sizes; hash the results' bits."""
    bits = hashlib.sha256()
    for i, name in enumerate(SIZES):
        for dtype in TOLERANCE:
            args, keywords = (
                operands(name, dtype, seed=i),
                {"mask": mask_of("pairs", name), "causal": i % 2 == 0},
            )
            assert_right(args, **keywords)
            bits.update(found(*args, **keywords).tobytes())
    return bits.hexdigest()


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_bits_do_not_depend_on_threads(isa, printed_by):
    digests = set()
    for threads in ("1", "2", "5"):
        digests.add(printed_by(__file__, isa, threads))
    assert len(digests) == 1


if __name__ == "__main__":
    print(digest())
