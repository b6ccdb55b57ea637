"""The reference kernels on awkward inputs: every word of the primitives' contract, and PyTorch as a second opinion."""

from __future__ import annotations

import itertools
import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from kerasish.core import dtypes, threefry
from kerasish.core import primitives as p
from kerasish.core.abstract import spec_of
from kerasish.core.errors import EngineError
from kerasish.core.primitive import RULES
from kerasish.core.registry import get_engine, use_backend
from kerasish_native import reference
from tests.libraries import library

ENGINE = get_engine("native")
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _native():
    with use_backend("native"):
        yield


def arr(values: Any, dtype: str = "float32") -> np.ndarray:
    return np.array(values).astype(dtypes.to_numpy(dtype))


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_every_primitive_has_a_kernel():
    known = set(RULES) - {"own_uniform"}  # its random numbers are the portable ones
    assert set(ENGINE.primitives) == known
    assert set(reference.KERNELS) == known - {"cond", "scan", "while_loop"}


AWKWARD = [
    # cast: saturates, NaN to 0, truncates; integers wrap; overflow to an infinity
    (lambda: p.cast(arr([NAN, INF, -INF, 300.7, -1.9]), dtype="uint8"), [0, 255, 0, 255, 0], "uint8"),
    (lambda: p.cast(arr([NAN, INF, -INF, 2.9, -2.9]), dtype="int32"), [0, 2**31 - 1, -(2**31), 2, -2], "int32"),
    (lambda: p.cast(arr([1e30, -1e30], "float64"), dtype="int64"), [2**63 - 1, -(2**63)], "int64"),
    (lambda: p.cast(arr([300, -1], "int32"), dtype="uint8"), [44, 255], "uint8"),
    (lambda: p.cast(arr([NAN, 0.0, -0.0, 0.1]), dtype="bool"), [True, False, False, True], "bool"),
    (lambda: p.cast(arr([1e6, 65519.0]), dtype="float16"), [INF, 65504.0], "float16"),
    (lambda: p.bitcast(arr([1.0]), dtype="int32"), [0x3F800000], "int32"),
    # unary
    (lambda: p.negative(arr([-128, 1], "int8")), [-128, -1], "int8"),
    (lambda: p.sign(arr([NAN, -0.0, 3.0, -INF])), [NAN, 0.0, 1.0, -1.0], "float32"),
    (lambda: p.sigmoid(arr([-1000.0, 1000.0, 0.0, NAN])), [0.0, 1.0, 0.5, NAN], "float32"),
    (lambda: p.erf(arr([-INF, INF, 0.0, NAN])), [-1.0, 1.0, 0.0, NAN], "float32"),
    (lambda: p.round(arr([0.5, 1.5, -0.5, 2.5])), [0.0, 2.0, -0.0, 2.0], "float32"),
    (lambda: p.log(arr([0.0, -1.0])), [-INF, NAN], "float32"),
    (lambda: p.rsqrt(arr([0.0, 4.0])), [INF, 0.5], "float32"),
    (lambda: p.exp(arr([1000.0, -1000.0])), [INF, 0.0], "float32"),
    (lambda: p.isinf(arr([INF, -INF, NAN, 1.0])), [True, True, False, False], "bool"),
    # binary
    (lambda: p.add(arr([2**31 - 1], "int32"), 1), [-(2**31)], "int32"),
    (lambda: p.floor_divide(arr([7, -7, 7], "int32"), arr([0, 2, -2], "int32")), [0, -4, -4], "int32"),
    (lambda: p.remainder(arr([7, -7, 7], "int32"), arr([0, 3, -3], "int32")), [0, 2, -2], "int32"),
    (lambda: p.remainder(arr([7.0, -7.0, 7.0]), arr([0.0, 3.0, -3.0])), [NAN, 2.0, -2.0], "float32"),
    (lambda: p.divide(arr([1.0, -1.0, 0.0]), 0.0), [INF, -INF, NAN], "float32"),
    (lambda: p.power(arr([2, 1, -1, -1, 0], "int32"), arr([-1, -5, -3, -4, -1], "int32")), [0, 1, -1, 1, 0], "int32"),
    (lambda: p.power(arr([3, -2], "int8"), arr([5, 7], "int8")), [-13, -128], "int8"),
    (lambda: p.power(2, arr([3, -1], "int32")), [8, 0], "int32"),
    (lambda: p.power(arr([0.0, -8.0]), arr([0.0, 1 / 3])), [1.0, NAN], "float32"),
    (lambda: p.maximum(arr([NAN, 1.0, 3.0]), arr([1.0, NAN, 2.0])), [NAN, NAN, 3.0], "float32"),
    (lambda: p.minimum(arr([NAN, 1.0]), 0.0), [NAN, 0.0], "float32"),
    (lambda: p.equal(arr([NAN, 1.0]), arr([NAN, 1.0])), [False, True], "bool"),
    (lambda: p.right_shift(arr([-8, 8], "int8"), 1), [-4, 4], "int8"),
    (lambda: p.right_shift(arr([248], "uint8"), 1), [124], "uint8"),
    (lambda: p.left_shift(arr([127], "int8"), 1), [-2], "int8"),
    (lambda: p.where(arr([True, False], "bool"), arr([1.0, NAN]), 2.0), [1.0, 2.0], "float32"),
    # reductions
    (lambda: p.sum(arr([], "int8"), axis=(0,), keepdims=False), 0, "int8"),
    (lambda: p.sum(arr([100, 100], "int8"), axis=(0,), keepdims=False), -56, "int8"),
    (lambda: p.sum(arr([2048.0] + [1.0] * 8, "float16"), axis=(0,), keepdims=False), 2056.0, "float16"),
    (lambda: p.cumsum(arr([2048.0] + [1.0] * 8, "float16"), axis=0)[-1:], [2056.0], "float16"),
    (lambda: p.sum(arr([[INF, 1.0]] * 100), axis=(0,), keepdims=False), [INF, 100.0], "float32"),
    (lambda: p.prod(arr([]), axis=(0,), keepdims=True), [1.0], "float32"),
    (lambda: p.max(arr([1.0, NAN, 3.0]), axis=(0,), keepdims=False), NAN, "float32"),
    (lambda: p.max(arr([[1.0, 2.0]]), axis=(), keepdims=False), [[1.0, 2.0]], "float32"),
    (lambda: p.any(np.zeros((2, 0), bool), axis=(1,), keepdims=False), [False, False], "bool"),
    (lambda: p.all(np.zeros((2, 0), bool), axis=(1,), keepdims=False), [True, True], "bool"),
    (lambda: p.argmax(arr([3.0, NAN, 5.0, NAN]), axis=0, keepdims=False), 1, "int32"),
    (lambda: p.argmax(arr([3, 5, 5], "int8"), axis=0, keepdims=True), [1], "int32"),
    (lambda: p.argmin(arr([3.0, 1.0, 1.0]), axis=0, keepdims=False), 1, "int32"),
    (lambda: p.sort(arr([NAN, 2.0, -INF, NAN, 1.0]), axis=0), [-INF, 1.0, 2.0, NAN, NAN], "float32"),
    (lambda: p.argsort(arr([NAN, 2.0, 1.0, NAN, 1.0]), axis=0), [2, 4, 1, 0, 3], "int32"),
    (lambda: p.top_k(arr([2.0, NAN, 3.0, 3.0, 1.0]), k=4)[0], [NAN, 3.0, 3.0, 2.0], "float32"),
    (lambda: p.top_k(arr([2.0, NAN, 3.0, 3.0, 1.0]), k=4)[1], [1, 2, 3, 0], "int32"),
    (lambda: p.top_k(arr([2, 200, 3], "uint8"), k=1)[0], [200], "uint8"),
    (lambda: p.top_k(arr([1.0]), k=0)[1], np.zeros(0), "int32"),
    # shaping
    (lambda: p.arange(start=0, stop=5, step=2, dtype="int8"), [0, 2, 4], "int8"),
    (lambda: p.arange(start=5, stop=0, step=-2, dtype="int32"), [5, 3, 1], "int32"),
    (lambda: p.arange(start=0, stop=1, step=0.25, dtype="bfloat16"), [0.0, 0.25, 0.5, 0.75], "bfloat16"),
    (lambda: p.dynamic_slice(arr([0, 1, 2, 3]), arr([9], "int32"), sizes=(2,)), [2, 3], "float32"),
    (lambda: p.dynamic_slice(arr([0, 1, 2, 3]), arr([-9], "int32"), sizes=(2,)), [0, 1], "float32"),
    (lambda: p.dynamic_update_slice(arr([0, 1, 2]), arr([8, 9]), arr([2], "int32")), [0, 8, 9], "float32"),
    (lambda: p.scatter_add(arr([1.0, 2.0]), arr([[1], [1]], "int32"), arr([3.0, 4.0])), [1.0, 9.0], "float32"),
    (lambda: p.scatter_add(arr([0.0, 0.0]), arr([[i % 2] for i in range(100)], "int32"), arr(range(100))),
     [2450.0, 2500.0], "float32"),
    (lambda: p.scatter_update(arr([1.0, 2.0]), arr([[1], [1]], "int32"), arr([3.0, 4.0])), [1.0, 4.0], "float32"),
    (lambda: p.scatter_max(arr([1.0, 5.0]), arr([[0], [0], [1]], "int32"), arr([3.0, NAN, 4.0])),
     [NAN, 5.0], "float32"),
    (lambda: p.gather_nd(arr([[1, 2], [3, 4]]), arr([[1, 0], [0, 1]], "int32")), [3, 2], "float32"),
    (lambda: p.take(arr([[1, 2], [3, 4]]), arr(1, "int32"), axis=1), [2, 4], "float32"),
    (lambda: p.pad(arr([1], "int8"), pads=((1, 2),), value=7), [7, 1, 7, 7], "int8"),
    # matrices and windows
    (lambda: p.matmul(arr([[100, 100]], "int8"), arr([[1], [1]], "int8")), [[-56]], "int8"),
    (lambda: p.matmul(arr([[2048.0] + [1.0] * 8], "float16"), arr([[1.0]] * 9, "float16")), [[2056.0]], "float16"),
    (lambda: p.max_pool(arr([[[-3.0], [-2.0]]]), window=(2,), strides=(1,), pads=((1, 0),)),
     [[[-3.0], [-2.0]]], "float32"),
    (lambda: p.max_pool(arr([[[NAN], [2.0], [1.0]]]), window=(2,), strides=(1,), pads=((0, 0),)),
     [[[NAN], [2.0]]], "float32"),
    (lambda: p.avg_pool(arr([[[4.0], [2.0]]]), window=(2,), strides=(1,), pads=((1, 1),)),
     [[[4.0], [3.0], [2.0]]], "float32"),
    (lambda: p.qr(arr([[-1.0, 2.0], [0.0, -3.0]]))[1], [[1.0, -2.0], [0.0, 3.0]], "float32"),
    (lambda: p.triangular_solve(arr([[2.0, NAN], [1.0, 1.0]]), arr([[2.0], [3.0]]), lower=True),
     [[1.0], [2.0]], "float32"),
    (lambda: p.lu_factor(arr([[1.0, 2.0], [3.0, 4.0]]))[1], [1, 1], "int32"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(AWKWARD)))
def test_contract_on_awkward_input(case):
    run, expected, dtype = AWKWARD[case]
    result = run()
    assert type(result) is np.ndarray
    assert dtypes.of_numpy(result.dtype) == dtype
    np.testing.assert_array_equal(result.astype(np.float64), np.asarray(expected, np.float64))
    assert result.shape == np.shape(expected)


UNARY = sorted(
    set(reference.elementwise._UNARY) | (set(reference.elementwise._EXACT) - {"logical_not", "bitwise_not"})
)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_unary_kernels_keep_dtype_and_rank_0_and_round_once(name, dtype):
    x = arr(0.75 if name != "arccosh" else 1.75, dtype)
    result = getattr(p, name)(x)
    assert type(result) is np.ndarray
    assert result.shape == ()
    assert result.dtype == (np.bool_ if name.startswith("is") else x.dtype)
    exact = float(getattr(p, name)(x.astype(np.float64)))
    assert float(result) == pytest.approx(exact, rel={2: 2**-8, 4: 1e-6, 8: 1e-15}[x.dtype.itemsize])


BINARY = sorted(reference.elementwise._BINARY)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "bfloat16", "float32"])
def test_binary_kernels_take_a_python_scalar_on_either_side(name, dtype):
    is_logical, is_bitwise = name.startswith("logical"), name.startswith("bitwise") or "shift" in name
    fits = {"bool": is_logical, "int8": not is_logical and name not in ("divide", "arctan2")}
    if not fits.get(dtype, not is_logical and not is_bitwise):
        return
    scalar = {"bool": True, "int8": 2}.get(dtype, 1.5)
    x = arr([1, 0] if dtype == "bool" else [3, 1], dtype)
    rule = RULES[name]
    for args in ((x, scalar), (scalar, x), (x, x)):
        result = getattr(p, name)(*args)
        specs = [a if a is scalar else spec_of(ENGINE, a) for a in args]
        assert dtypes.of_numpy(result.dtype) == rule(*specs).dtype
        assert type(result) is np.ndarray
        full = [a if a is not scalar else np.full(2, a, x.dtype) for a in args]
        np.testing.assert_array_equal(result, getattr(p, name)(*full))


def test_erf_is_accurate_to_the_last_bits():
    x = np.concatenate([np.linspace(-7, 7, 4001), 10.0 ** np.linspace(-300, 0, 300)])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(p.erf(x), expected, rtol=1e-15)


@pytest.mark.parametrize("draw", [0, 1, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 64])
def test_random_bits_are_the_documented_words(draw, count):
    key = threefry.key_from_seed(42)
    half = (count + 1) // 2
    a, b = threefry.threefry2x32(key, np.arange(half), np.uint32(2 * draw))
    expected = np.concatenate([a, b])[:count]
    np.testing.assert_array_equal(p.random_bits(key, shape=(count,), draw=draw), expected)
    uniform = p.random_uniform(key, shape=(count, 1), draw=draw)
    np.testing.assert_array_equal(uniform[:, 0], (expected >> 8) * np.float32(2.0**-24))


CONVS = [
    (size, window, stride, dilation, pads, groups, channels, filters)
    for size, window, stride, dilation, pads, (groups, channels, filters) in itertools.product(
        [(7,), (6, 5), (4, 5, 4)], [2, 3], [1, 2], [1, 2], [(0, 0), (2, 1)], [(1, 3, 2), (2, 4, 6), (4, 4, 8)]
    )
    if dilation * (window - 1) < min(size) + sum(pads) and (len(size) < 3 or stride == dilation)
]


@pytest.mark.parametrize("case", CONVS, ids=str)
def test_convolutions_and_pools_agree_with_torch(case):
    torch = library("torch")
    size, window, stride, dilation, pads, groups, channels, filters = case
    rank = len(size)
    x, kernel = normal(2, *size, channels), normal(*(window,) * rank, channels // groups, filters, seed=1)
    keywords = {
        "strides": (stride,) * rank,
        "pads": (pads,) * rank,
        "dilation": (dilation,) * rank,
        "groups": groups,
    }
    y = p.conv(x, kernel, **keywords)
    lead = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    weight = torch.tensor(np.transpose(kernel, (rank + 1, rank, *range(rank))))
    padded = torch.nn.functional.pad(lead, pads * rank)
    expected = getattr(torch.nn.functional, f"conv{rank}d")(padded, weight, None, stride, 0, dilation, groups)
    np.testing.assert_allclose(y, np.moveaxis(expected.detach().numpy(), 1, -1), rtol=1e-10, atol=1e-12)
    g = normal(*y.shape, seed=2)
    expected.backward(torch.tensor(np.moveaxis(g, -1, 1)))
    back = p.conv_transpose(g, kernel, spatial=size, **keywords)
    np.testing.assert_allclose(back, np.moveaxis(lead.grad.numpy(), 1, -1), rtol=1e-10, atol=1e-12)
    pooled = p.max_pool(x, window=(window,) * rank, strides=(stride,) * rank, pads=((0, 0),) * rank)
    theirs = getattr(torch.nn.functional, f"max_pool{rank}d")(lead.detach(), window, stride)
    np.testing.assert_array_equal(pooled, np.moveaxis(theirs.numpy(), 1, -1))


EINSUMS = [
    "ij,jk->ik",
    "bij,bkj->bki",
    "bhid,bhjd->bhij",
    "i,j->ij",
    "ij,kj->",
    "abc,cd->abd",
    "ij,j->ji",
    "ab,cd->dbca",
]


@pytest.mark.parametrize("subscripts", EINSUMS)
def test_einsum_of_two_agrees_with_numpy(subscripts):
    one, two = subscripts.split("->")[0].split(",")
    sizes = {c: 2 + i for i, c in enumerate(sorted(set(one + two)))}
    a, b = (normal(*(sizes[c] for c in term), seed=i) for i, term in enumerate((one, two)))
    np.testing.assert_allclose(p.einsum(a, b, subscripts=subscripts), np.einsum(subscripts, a, b), rtol=1e-12)


def test_decompositions_rebuild_their_matrix():
    x = normal(2, 4, 3)
    q, r = p.qr(x)
    np.testing.assert_allclose(q @ r, x, atol=1e-12)
    assert (np.diagonal(r, axis1=-2, axis2=-1) >= 0).all()
    u, s, vh = p.svd(x)
    np.testing.assert_allclose(u * s[..., None, :] @ vh, x, atol=1e-12)
    square = normal(3, 4, 4)
    lu, swaps = p.lu_factor(square)
    low, up = np.tril(lu, -1) + np.eye(4), np.triu(lu)
    order = reference.linalg.permutation(swaps)
    np.testing.assert_allclose(low @ up, np.take_along_axis(square, order[..., None], axis=1), atol=1e-12)


def test_results_of_bfloat16_stay_bfloat16():
    x = arr([[1.0, 2.0], [3.0, 4.0]], "bfloat16")
    for y in (p.matmul(x, x), p.sum(x, axis=(0,), keepdims=False), p.cumsum(x, axis=0), p.sort(x, axis=0),
              p.einsum(x, x, subscripts="ij,jk->ik"), p.solve(x, x), *p.qr(x), p.top_k(x, k=1)[0]):  # fmt: skip
        assert y.dtype == ml_dtypes.bfloat16


def test_a_failing_kernel_is_reported_in_kerasish_words():
    with pytest.raises(EngineError, match="cholesky"):
        p.cholesky(-np.eye(2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32"])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_where_with_a_zero_is_numpys_where(dtype, zero):
    if dtype == "int32":
        zero = 0
    condition = np.array([[True], [False]])
    x = arr([-0.0, 3.0] if dtype == "int32" else [-0.0, NAN, INF, 1.5], dtype)[::-1]
    for args in ((x, zero), (zero, x)):
        full = [np.full_like(x, a) if a is zero else a for a in args]
        result, expected = p.where(condition, *args), np.where(condition, *full)
        assert result.dtype == expected.dtype
        assert result.tobytes() == expected.tobytes()
    assert p.where(arr(True, "bool"), arr(2.0), 0.0).shape == ()
