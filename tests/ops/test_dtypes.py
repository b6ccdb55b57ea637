"""The dtype of a result is the one Keras gives, for every pair of dtypes; 64-bit ones are kept on every engine."""

import functools
import itertools

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core import dtypes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.convert import dtype_of, to_numpy
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.symbolic import infer
from tests.batches import whole
from tests.oracle import jax, keras, kind_of

# Keras' JAX runs without 64 bits.
NARROW = ("bool", "uint8", "uint16", "int8", "int16", "int32", "float16", "bfloat16", "float32")
ALL = (*NARROW, "uint32", "int64", "uint64", "float64")

UNARY = (
    "absolute", "negative", "sign", "square", "exp", "sqrt", "tanh", "floor", "round", "trunc", "isnan", "logical_not",
    "bitwise_not", "reciprocal", "sum", "prod", "mean", "var", "max", "min", "any", "argmax", "cumsum", "cumprod",
    "median", "logsumexp", "count_nonzero", "sort", "diff", "ptp", "trace", "norm", "ones_like", "signbit",
    "nan_to_num",
)  # fmt: skip
BINARY = (
    "add", "subtract", "multiply", "true_divide", "floor_divide", "mod", "power", "maximum", "less", "logical_or",
    "bitwise_and", "left_shift", "matmul", "dot", "where", "append", "arctan2", "hypot", "outer", "isclose",
)  # fmt: skip


def result_of(module, name, *xs):
    if name == "where":
        return module.where(np.array([[True, False], [False, True]]), *xs)
    return getattr(module, name)(*xs)


@functools.cache
def kerasdtype(name, *names):
    xs = [jax.ShapeDtypeStruct((2, 2), n) for n in names]
    try:
        result = kind_of(functools.partial(result_of, keras.ops, name), *xs)
        return keras.backend.standardize_dtype(result.dtype)
    except (TypeError, ValueError):
        return None


def ones(*names):
    return [ops.convert_to_tensor(np.ones((2, 2)), dtype=n) for n in names]


def ours(name, *names):
    return result_of(ops, name, *ones(*names))


def check_against_keras(engine, name, rows):
    """For each row of dtypes that Keras takes, the result has the dtype that Keras gives."""
    rows = [row for row in rows if kerasdtype(name, *row) is not None]
    results = whole(engine, lambda given: [result_of(ops, name, *xs) for xs in given])
    for row, result in zip(rows, results([ones(*row) for row in rows]), strict=True):
        assert dtype_of(result) == kerasdtype(name, *row), row


@pytest.mark.parametrize("name", UNARY)
def test_of_one_tensor(name, engine):
    check_against_keras(engine, name, [(dtype,) for dtype in NARROW])


@pytest.mark.parametrize("name", BINARY)
def test_of_two_tensors(name, engine):
    first = ("bool", "uint8", "int8", "float16", "float32")
    second = ("bool", "uint8", "int8", "int32", "float16", "bfloat16")
    check_against_keras(engine, name, list(itertools.product(first, second)))


@pytest.mark.parametrize("name", [n for n in BINARY if n not in ("bitwise_and", "left_shift", "where")])
def test_inferred_dtypes_are_the_computed_ones(name):
    for one in ALL:
        for two in ALL:
            if name == "subtract" and one == two == "bool":
                continue
            x1, x2 = AbstractTensor((2, 2), one), AbstractTensor((2, 2), two)
            assert infer(getattr(ops, name), x1, x2).dtype == dtype_of(ours(name, one, two)), (one, two)


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint64", "uint32"])
def test_wide_dtypes_are_kept(dtype, engine):
    x = ops.convert_to_tensor(np.array([1, 2], dtype))
    for result in (x, ops.add(x, x), ops.multiply(x, 2), ops.sum(x), ops.sort(x), ops.concatenate([x, x])):
        assert dtype_of(result) == dtype
        assert to_numpy(result).dtype == dtype


SCALARS = [(True, "bool"), (2, "int"), (2.5, "float")]


@pytest.mark.parametrize(("scalar", "weak"), SCALARS)
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "less", "true_divide"])
def test_python_scalars_are_weak(name, scalar, weak, engine):
    function = getattr(ops, name)
    both = whole(engine, lambda xs: [(function(x, scalar), function(scalar, x)) for x in xs])
    for dtype, results in zip(NARROW, both(ones(*NARROW)), strict=True):
        wanted = dtypes.promote(dtype, weak, *(["float"] if name == "true_divide" else []))
        for result in results:
            assert dtype_of(result) == ("bool" if name == "less" else wanted), dtype


def test_bools_are_no_numbers_to_subtract(engine):
    x = ops.convert_to_tensor([True])
    for call in (
        lambda: ops.subtract(x, x),
        lambda: ops.negative(x),
        lambda: ops.ptp(x),
        lambda: ops.sign(x),
    ):
        with pytest.raises(DTypeError, match="bool"):
            call()
    with pytest.raises(DTypeError, match="Bits"):
        ops.bitwise_and(1.5, 2)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1.7, -1.7, 300.0, -5.0], "uint8", [1, 0, 255, 0]),
        ([np.nan, np.inf, -np.inf], "int32", [0, 2**31 - 1, -(2**31)]),
        ([1e6, -1e6], "int16", [32767, -32768]),
        ([0.0, np.nan, -0.5], "bool", [False, True, True]),
    ],
)
def test_casts_saturate(value, dtype, expected, engine):
    x = ops.convert_to_tensor(np.array(value, np.float32))
    assert to_numpy(ops.cast(x, dtype)).tolist() == expected


def test_a_cast_to_a_narrower_integer_wraps_and_a_saturating_one_does_not(engine):
    x = ops.convert_to_tensor(np.array([300, -5], np.int32))
    assert to_numpy(ops.cast(x, "uint8")).tolist() == [44, 251]
    assert to_numpy(ops.saturate_cast(x, "uint8")).tolist() == [255, 0]
    assert to_numpy(
        ops.saturate_cast(ops.convert_to_tensor(np.array([2**63], np.uint64)), "int64")
    ).tolist() == [2**63 - 1]


INTEGERS = [
    ("floor_divide", [7, -7, 7, -7, 5], [2, 2, -2, -2, 0], [3, -4, -4, 3, 0]),
    ("mod", [7, -7, 7, -7, 5], [3, 3, -3, -3, 0], [1, 2, -2, -1, 0]),
    ("fmod", [7, -7, 7, -7, 5], [3, 3, -3, -3, 0], [1, -1, 1, -1, 0]),
    ("power", [2, 3, -1, 5, 1], [3, 2, 3, -1, -2], [8, 9, -1, 0, 1]),
    ("maximum", [1, -2], [0, 3], [1, 3]),
    ("add", [2**31 - 1], [1], [-(2**31)]),
]


@pytest.mark.parametrize(("name", "x1", "x2", "expected"), INTEGERS, ids=[r[0] for r in INTEGERS])
def test_integer_arithmetic(name, x1, x2, expected, engine):
    x1, x2 = (ops.convert_to_tensor(np.array(x, np.int32)) for x in (x1, x2))
    result = getattr(ops, name)(x1, x2)
    assert to_numpy(result).tolist() == expected
    assert dtype_of(result) == "int32"


EMPTY = np.zeros((0, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: ops.sum(x, 0), np.zeros(3)),
        (lambda x: ops.prod(x, 0), np.ones(3)),
        (lambda x: ops.all(x, 0), np.ones(3, bool)),
        (lambda x: ops.any(x, 0), np.zeros(3, bool)),
        (lambda x: ops.mean(x, 0), np.full(3, np.nan)),
        (lambda x: ops.max(x, 0, initial=-1.0), np.full(3, -1.0)),
        (lambda x: ops.matmul(ops.transpose(x), x), np.zeros((3, 3))),
        (lambda x: ops.concatenate([x, x]), EMPTY),
        (lambda x: ops.sort(x, 0), EMPTY),
        (lambda x: ops.cumsum(x, 0), EMPTY),
        (lambda x: ops.add(x, 1.0), EMPTY),
        (lambda x: ops.take(x, np.zeros((2, 0), np.int32), 1), np.zeros((0, 2, 0))),
    ],
)
def test_nothing_has_its_usual_answers(call, expected, engine):
    found = to_numpy(call(ops.convert_to_tensor(EMPTY)))
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("call", [ops.max, ops.min, ops.amax, ops.argmax, ops.argmin, ops.median, ops.ptp])
def test_nothing_has_no_extreme(call, engine):
    with pytest.raises(ShapeError, match="othing"):
        call(ops.convert_to_tensor(EMPTY), 0)


@pytest.mark.parametrize(
    "call",
    [
        ops.sum,
        ops.mean,
        ops.max,
        ops.exp,
        ops.ravel,
        ops.square,
        lambda x: ops.add(x, x),
        lambda x: ops.add(x, 1),
    ],
)
def test_scalars_are_tensors_without_axes(call, engine):
    assert to_numpy(call(ops.convert_to_tensor(2.0))).ndim == (1 if call is ops.ravel else 0)
    assert to_numpy(call(2.0)).shape == to_numpy(call(ops.convert_to_tensor(2.0))).shape
