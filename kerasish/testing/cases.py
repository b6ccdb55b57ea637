"""Rows of the conformance table: one call of a primitive each, on awkward inputs.

Add a row where an engine was found wrong; `kerasish.testing.checks` says what is asserted.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasish.core import dtypes, threefry
from kerasish.core.abstract import AbstractTensor
from kerasish.core.primitive import RULES

rng = np.random.default_rng(7)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int32", "uint8", "int8", "int16", "uint16", "uint32", "int64")
AWKWARD = [np.nan, np.inf, -np.inf, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, 100.0]


def array(values: Any, dtype: str | None = None) -> np.ndarray:
    """An array of `dtype`: by default bool for bools, float32 for numbers."""
    host = np.asarray(values)
    name = dtype or ("bool" if host.dtype == bool else "float32")
    with np.errstate(all="ignore"):
        return host.astype(dtypes.to_numpy(name))


def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Normal deviates."""
    return array(rng.normal(size=shape), dtype)


def shown(name: str, args: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """A call as a short test id."""

    def show(x: Any) -> str:
        if isinstance(x, np.ndarray):
            return f"{x.dtype.name}{list(x.shape)}"
        return str([show(y) for y in x]) if isinstance(x, (list, tuple)) else str(x)

    parts = [*map(show, args), *(f"{k}={show(v)}" for k, v in keywords.items())]
    return f"{name}({', '.join(parts)})".replace(" ", "").replace("'", "")


class Row(NamedTuple):
    """One call of a primitive."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def __str__(self) -> str:
        return shown(self.name, self.args, self.keywords)


ROWS: list[Row] = []


def row(name: str, *args: Any, **keywords: Any) -> None:
    """Add a row."""
    ROWS.append(Row(name, args, keywords))


# -- elementwise -------------------------------------------------------------------------------------------------------
_UNARY_FLOAT = """
    negative abs sign square exp expm1 log log1p sqrt rsqrt sin cos tan arcsin arccos arctan sinh cosh tanh
    arcsinh arccosh arctanh sigmoid erf floor ceil trunc round isfinite isnan isinf
"""
UNARY_FLOAT = _UNARY_FLOAT.split()
for name, dtype in itertools.product(UNARY_FLOAT, FLOATS):
    row(name, array(AWKWARD, dtype))
for name in ("exp", "sign", "round", "sigmoid"):
    row(name, array(0.5))
    row(name, np.zeros((0, 2), np.float32))
for name, dtype in itertools.product(("negative", "abs", "sign", "square"), ("int32", "int8", "int64")):
    row(name, array([-128, -3, 0, 5, 127], dtype))
for name, dtype in itertools.product(
    ("negative", "abs", "sign", "square"), ("uint8", "uint16", "uint32", "uint64")
):
    row(name, array([0, 1, 16, 255], dtype))
row("bitwise_not", array([0, 1, -7], "int32"))
row("bitwise_not", array([0, 1, 2**32 - 1], "uint32"))
row("logical_not", array([True, False]))

for name, dtype in itertools.product(
    ("add", "subtract", "multiply", "divide", "power", "remainder", "maximum", "minimum", "arctan2"), FLOATS
):
    one = [np.nan, 1, np.inf, -np.inf, -2.5, 7.0, -7.0, 0.0, 3.0, 1.0, -3.0]
    two = [1, np.nan, 2, 3, 2.0, -3.0, 3.0, 0.0, 0.0, np.inf, 2.0]
    row(name, array(one, dtype), array(two, dtype))
for dtype in FLOATS:
    row("floor_divide", array([-2.5, 7.0, -7.0, 3.0, 6.5], dtype), array([2.0, -3.0, 3.0, 4.0, -0.5], dtype))
for name, dtype in itertools.product(
    ("add", "subtract", "multiply", "floor_divide", "remainder", "maximum", "minimum"), INTEGERS
):
    low, high = dtypes.int_range(dtype)
    row(name, array([7, 7, high, 0, low, 9], dtype), array([3, 0, 2, 0, 3, 5], dtype))
for name in ("floor_divide", "remainder"):
    row(name, array([-7, 7, -7, 7], "int32"), array([3, -3, -3, 0], "int32"))
    row(name, array([-7, 7], "int64"), 0)
    row(name, 7, array([-3, 0, 2], "int32"))
    row(name, array([5.5, -5.5]), 2.0)
for dtype in ("int32", "int64", "int8"):
    row("power", array([2, -1, -1, 1, 0, 3, -2, 0], dtype), array([-1, -3, -2, -5, -1, 4, 3, 0], dtype))
    row("power", array([3, -1, 1, 0], dtype), -3)
    row("power", array([3, -1, 1, 0], dtype), 5)
    row("power", 2, array([3, -1, 0], dtype))
row("power", array([2, 3, 255], "uint8"), array([3, 6, 2], "uint8"))
for exponent in (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 10.0):
    row("power", array([0.0, -2.0, 3.0, np.nan]), exponent)
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    row(name, array([np.nan, 1, 2, -0.0]), array([np.nan, 2, 2, 0.0]))
    row(name, array([1, 2**63 - 1], "int64"), array([2, 2**63 - 2], "int64"))
    row(name, array([0, 2**32 - 1], "uint32"), 5)
    row(name, array([0.5, 1.5], "bfloat16"), 1.0)
for name in ("equal", "not_equal"):
    row(name, array([True, False]), array([True, True]))
for name in ("logical_and", "logical_or", "logical_xor"):
    row(name, array([True, True, False, False]), array([True, False, True, False]))
    row(name, array([True, False]), True)
for name, dtype in itertools.product(
    ("bitwise_and", "bitwise_or", "bitwise_xor"), ("int32", "uint8", "uint32", "int64")
):
    row(name, array([12, 7, 0], dtype), array([10, 1, 3], dtype))
    row(name, array([12, 7, 0], dtype), 6)
for dtype in ("int32", "uint32", "int8", "uint8", "int64"):
    low, high = dtypes.int_range(dtype)
    row("left_shift", array([1, 3, high], dtype), array([2, 0, 1], dtype))
    row("right_shift", array([low, 9, high], dtype), array([1, 2, 3], dtype))
    row("right_shift", array([low, 9, high], dtype), 1)
for dtype in (*FLOATS, "int32", "uint8", "int64", "uint32"):
    row("add", array([1, 2], dtype), 3 if dtype in INTEGERS else 0.5)
    row("subtract", 3 if dtype in INTEGERS else 0.5, array([1, 2], dtype))
row("add", array([1, 2], "uint32"), 2**32 - 1)
row("maximum", array([1, 2**32 - 2], "uint32"), 2**32 - 1)
row("add", normal(2, 1, 3), normal(4, 1))
row("add", np.zeros((0, 3), np.float32), normal(3))
row("multiply", array(2.0), array(3.0))
for dtype in (*FLOATS, "int32", "int64", "bool"):
    row("where", array([True, False, True]), array([1, 0, 1], dtype), array([0, 1, 1], dtype))
row("where", array([[True], [False]]), normal(3), 0.0)
row("where", array([True, False]), -1, array([5, 6], "int64"))
row("where", array(True), array([1.0], "bfloat16"), 0.5)
row("where", array([True, False]), array([5, 6], "uint32"), 2**32 - 1)

# -- casts -------------------------------------------------------------------------------------------------------------
EXTREME = [np.nan, np.inf, -np.inf, 1e10, -1e10, 300.7, -300.7, -1.5, 1.5, 4e9, 1e20, 65000.0, 0.0]
for source, target in itertools.product(FLOATS, dtypes.ALL):
    row("cast", array(EXTREME, source), dtype=target)
for source, target in itertools.product(("int32", "uint8", "int64", "uint32", "bool"), dtypes.ALL):
    row("cast", array([0, 1, 127, 200], source), dtype=target)
for target in ("int8", "uint8", "int16", "uint32", "int32", "uint64"):
    row("cast", array([-1, 2**31 + 5, -(2**40), 300], "int64"), dtype=target)
row("cast", array(3.7), dtype="int32")
row("bitcast", array([1.0, -2.0, np.inf]), dtype="int32")
row("bitcast", array([1, 2**31], "uint32"), dtype="int32")
row("bitcast", array([1, 2**31], "uint32"), dtype="float32")
row("bitcast", array([1.0], "float64"), dtype="int64")
row("bitcast", array([1.0], "bfloat16"), dtype="uint16")

# -- shaping -----------------------------------------------------------------------------------------------------------
for dtype in ("float32", "int64", "float64", "bool", "bfloat16", "uint32"):
    row("full", shape=(2, 3), value=1, dtype=dtype)
row("full", shape=(), value=np.inf, dtype="float32")
row("full", shape=(0, 2), value=2**32 - 1, dtype="uint32")
row("full", shape=(1,), value=2**53 + 1, dtype="int64")
row("arange", start=0, stop=5, step=1, dtype="int32")
row("arange", start=5, stop=-1, step=-2, dtype="int64")
row("arange", start=0.5, stop=2.0, step=0.25, dtype="float32")
row("arange", start=3, stop=3, step=1, dtype="float64")
row("arange", start=0, stop=4, step=1, dtype="bfloat16")
for dtype in ("float32", "int64", "bool", "bfloat16", "uint32", "float64"):
    x = array(np.arange(12).reshape(2, 3, 2) % 5, dtype)
    row("reshape", x, shape=(4, 3))
    row("transpose", x, axes=(2, 0, 1))
    row("broadcast_to", x[:, :1], shape=(4, 2, 3, 2))
    row("concatenate", [x, x[:, :1], x], axis=1)
    row("pad", x, pads=((0, 1), (2, 0), (0, 0)), value=1)
    row("slice", x, start=(0, 0, 1), stop=(2, 3, 2), step=(1, 2, 1))
    row("flip", x, axis=(0, 2))
    row("take", x, array([[2, 0], [1, 1]], "int32"), axis=1)
    row("take_along_axis", x, array([[[2, 0]], [[1, 1]]], "int32"), axis=1)
    row("gather_nd", x, array([[0, 1], [1, 2]], "int32"))
    row("dynamic_slice", x, array([0, 1, 0], "int32"), sizes=(2, 2, 1))
    row("dynamic_slice", x, array([-3, 9, 1], "int32"), sizes=(1, 2, 1))
    row("dynamic_update_slice", x, x[:1, :2], array([5, -1, 0], "int32"))
    row("scatter_update", x, array([[0, 1], [1, 0], [0, 1]], "int32"), x[0] * x[0])
    if dtype != "bool":
        row("scatter_add", x, array([[0, 1], [1, 0], [0, 1]], "int32"), x[0])
        row("scatter_max", x, array([[0], [0], [1]], "int32"), x[[1, 0, 1]])
row("reshape", array(3.0), shape=(1, 1))
row("reshape", np.zeros((0, 3), np.float32), shape=(3, 0))
row("transpose", array(3.0), axes=())
row("pad", array([1.0]), pads=((1, 1),), value=-np.inf)
row("pad", array([1, 2], "int32"), pads=((0, 2),), value=-5)
row("concatenate", [np.zeros((0, 2), np.float32), normal(1, 2)], axis=0)
row("take", normal(4, 3), array(2, "int32"), axis=0)
row("take", normal(4, 3), np.zeros((0,), np.int32), axis=0)
row("gather_nd", normal(4, 3), array([[[1]], [[3]]], "int32"))
row("slice", np.zeros((0, 4), np.float32), start=(0, 1), stop=(0, 4), step=(1, 2))
row("slice", normal(5), start=(2,), stop=(2,), step=(1,))
row("scatter_add", array([1, 2, 3], "int8"), array([[0], [0], [2]], "int32"), array([100, 100, 1], "int8"))
row("scatter_update", normal(4), np.zeros((0, 1), np.int32), np.zeros((0,), np.float32))
row("scatter_update", normal(3), array([[i % 3] for i in range(30)], "int32"), array(range(30)))
row("scatter_max", array([1.0, 2.0]), array([[0], [1], [1]], "int32"), array([np.nan, -1.0, 5.0]))

# -- reductions --------------------------------------------------------------------------------------------------------
for name, dtype in itertools.product(
    ("sum", "prod", "max", "min"), (*FLOATS, "int32", "uint8", "int64", "uint32")
):
    x = array(np.arange(12).reshape(2, 3, 2) % 5 - (0 if dtype.startswith("u") else 2), dtype)
    for axis, keepdims in (((0, 1, 2), False), ((1,), True), ((0, 2), False), ((), False)):
        row(name, x, axis=axis, keepdims=keepdims)
for name in ("sum", "prod", "max", "min"):
    row(name, array([1.0, np.nan, np.inf]), axis=(0,), keepdims=False)
    row(name, array([1.0, np.nan, 3.0], "bfloat16"), axis=(0,), keepdims=False)
    row(name, array(2.0), axis=(), keepdims=False)
row("sum", np.ones(4096, np.float16), axis=(0,), keepdims=False)
row("sum", array(np.ones(1000), "bfloat16"), axis=(0,), keepdims=False)
row("sum", array([200, 100], "uint8"), axis=(0,), keepdims=False)
row("sum", np.zeros((0, 2), np.float32), axis=(0,), keepdims=True)
row("prod", np.zeros((2, 0), np.float32), axis=(1,), keepdims=False)
for name in ("any", "all"):
    row(name, array([[True, False], [True, True]]), axis=(1,), keepdims=False)
    row(name, array([[True, False], [True, True]]), axis=(0, 1), keepdims=True)
    row(name, np.zeros((2, 0), bool), axis=(1,), keepdims=False)
for name in ("argmax", "argmin"):
    row(name, array([[1, 3, 3, 0], [2, 2, 0, 0]]), axis=1, keepdims=False)
    row(name, array([1.0, np.nan, 5.0, np.nan, -5.0]), axis=0, keepdims=True)
    row(name, array([1.0, np.nan, 5.0], "bfloat16"), axis=0, keepdims=False)
    row(name, array([1.0, -np.nan, 5.0], "float64"), axis=0, keepdims=False)
    row(name, array([[2, 2**32 - 1, 0]], "uint32"), axis=1, keepdims=False)
    row(name, array([[2, 2**40, -(2**40)]], "int64"), axis=1, keepdims=False)
    row(name, array([5, 5, 200, 200], "uint8"), axis=0, keepdims=False)
    row(name, array([np.inf, np.inf, -np.inf, -np.inf]), axis=0, keepdims=False)
for name, dtype in itertools.product(("cumsum", "cumprod"), (*FLOATS, "int32", "uint8", "int64")):
    row(name, array([[1, 2, 3], [3, 0, 2]], dtype), axis=1)
    row(name, array([[1, 2, 3], [3, 0, 2]], dtype), axis=0)
row("cumsum", np.zeros((0,), np.float32), axis=0)
TIED = [2.0, np.nan, -np.inf, 3.0, 2.0, np.inf, 0.0, 3.0]
for name in ("sort", "argsort"):
    for dtype in FLOATS:
        row(name, array(TIED, dtype), axis=0)
    for dtype in ("int32", "uint8", "int64", "uint32"):
        row(name, array([[3, 1, 3], [0, 2, 0]], dtype), axis=1)
        row(name, array([[3, 1, 3], [0, 2, 0]], dtype), axis=0)
    row(name, array([-np.nan, 1.0, np.nan, 0.0]), axis=0)
    row(name, np.zeros((0,), np.float32), axis=0)
row("sort", array([2**32 - 1, 0, 2**31], "uint32"), axis=0)
for dtype in FLOATS:
    row("top_k", array([TIED, TIED[::-1]], dtype), k=4)
for dtype in ("int32", "uint8", "int64", "uint32", "int8"):
    row("top_k", array([[3, 1, 3, 0, 3]], dtype), k=3)
row("top_k", array([-np.nan, 1.0, np.nan, 0.0]), k=3)
row("top_k", array([1.0, 2.0]), k=0)

# -- linear algebra ----------------------------------------------------------------------------------------------------
for dtype in FLOATS:
    row("matmul", normal(2, 3, 4, dtype=dtype), normal(4, 5, dtype=dtype))
    row("einsum", normal(2, 3, dtype=dtype), normal(3, 4, dtype=dtype), subscripts="ij,jk->ki")
row("matmul", normal(3, 4), normal(2, 1, 4, 2))
row("matmul", np.ones((1, 4096), np.float16), np.ones((4096, 1), np.float16))
row("matmul", array(np.ones((1, 1000)), "bfloat16"), array(np.ones((1000, 1)), "bfloat16"))
row("matmul", np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32))
row("matmul", array([[100, 100]], "int8"), array([[2], [1]], "int8"))
row("matmul", array([[3, 4]], "int64"), array([[2], [2**40]], "int64"))
row("matmul", array([[3, 4]], "int32"), array([[2], [5]], "int32"))
row("matmul", array([[200, 4]], "uint8"), array([[2], [5]], "uint8"))
row("einsum", normal(2, 3, 4), normal(2, 4, 5), subscripts="bij,bjk->bik")
row("einsum", normal(1, 3), normal(2, 3), subscripts="ij,ij->j")
row("einsum", normal(3, 3), subscripts="ii->i")
row("einsum", normal(2, 3), normal(3), normal(2), subscripts="ab,b,a->")
SQUARE = normal(2, 3, 3, dtype="float64")
SPD = SQUARE @ SQUARE.swapaxes(-1, -2) + 3 * np.eye(3)
for dtype in ("float32", "float64"):
    row("cholesky", array(SPD, dtype))
    row("solve", array(SPD, dtype), normal(2, 3, 2, dtype=dtype))
    row("solve", array(SPD[0], dtype), normal(2, 3, 1, dtype=dtype))
    row("triangular_solve", array(SPD, dtype), normal(3, 2, dtype=dtype), lower=True)
    row("triangular_solve", array(SPD, dtype), normal(2, 3, 2, dtype=dtype), lower=False)
    row("qr", normal(2, 4, 3, dtype=dtype))
    row("qr", normal(2, 3, 4, dtype=dtype))
    row("lu_factor", array(SQUARE, dtype))
row("cholesky", array(SPD, "bfloat16"))

# -- windows -----------------------------------------------------------------------------------------------------------
for dtype in FLOATS:
    row(
        "conv",
        normal(2, 5, 3, dtype=dtype),
        normal(2, 3, 4, dtype=dtype),
        strides=(1,),
        pads=((1, 0),),
        dilation=(1,),
        groups=1,
    )
CONVOLUTIONS = [
    ((7,), (3,), (2,), ((0, 1),), (2,), 1),
    ((6, 5), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1), 1),
    ((6, 5), (3, 2), (2, 3), ((2, 1), (0, 0)), (1, 2), 2),
    ((8, 8), (2, 2), (3, 2), ((0, 0), (1, 0)), (1, 1), 4),
    ((9, 4), (3, 1), (3, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((4, 5, 3), (2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (1, 1)), (2, 1, 1), 1),
    ((4, 5, 3), (2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (1, 1)), (1, 1, 1), 2),
]
for spatial, window, strides, pads, dilation, groups in CONVOLUTIONS:
    options = {"strides": strides, "pads": pads, "dilation": dilation, "groups": groups}
    x, kernel = normal(2, *spatial, 4), normal(*window, 4 // groups, 8)
    row("conv", x, kernel, **options)
    y = RULES["conv"](AbstractTensor(x.shape, "float32"), AbstractTensor(kernel.shape, "float32"), **options)
    row("conv_transpose", normal(*y.shape), kernel, **options, spatial=spatial)
row(
    "conv",
    normal(0, 4, 4, 2),
    normal(2, 2, 2, 3),
    strides=(1, 1),
    pads=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=1,
)
row(
    "conv",
    normal(1, 4, 4, 2, dtype="float16"),
    normal(2, 2, 1, 2, dtype="float16"),
    strides=(2, 2),
    pads=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=2,
)
row(
    "conv_transpose",
    normal(1, 3, 2, dtype="bfloat16"),
    normal(2, 3, 2, dtype="bfloat16"),
    strides=(2,),
    pads=((0, 0),),
    dilation=(1,),
    groups=1,
    spatial=(7,),
)
POOLS = [
    ((7,), (3,), (2,), ((1, 1),)),
    ((6, 6), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((6, 5), (3, 2), (2, 1), ((1, 1), (0, 1))),
    ((8, 7), (6, 6), (1, 1), ((1, 0), (2, 3))),
    ((4, 5, 3), (2, 2, 3), (1, 2, 1), ((0, 1), (1, 1), (1, 1))),
]
for name, (spatial, window, strides, pads) in itertools.product(("max_pool", "avg_pool"), POOLS):
    row(name, normal(2, *spatial, 3), window=window, strides=strides, pads=pads)
for name, dtype in itertools.product(("max_pool", "avg_pool"), FLOATS):
    row(
        name,
        -1 - np.abs(normal(1, 4, 4, 2)).astype(dtypes.to_numpy(dtype)),
        window=(3, 3),
        strides=(1, 1),
        pads=((1, 1), (1, 1)),
    )
NAN_IMAGE = normal(1, 4, 4, 1)
NAN_IMAGE[0, 1, 2, 0] = np.nan
row("max_pool", NAN_IMAGE, window=(2, 2), strides=(1, 1), pads=((0, 0), (0, 0)))
row("max_pool", array([[[1], [5], [-3], [2]]], "int32"), window=(2,), strides=(2,), pads=((1, 1),))

# -- randomness --------------------------------------------------------------------------------------------------------
for shape, draw in (((), 0), ((7,), 0), ((2, 3), 5), ((0,), 1), ((1001,), 2**31 + 1)):
    row("random_bits", threefry.key_from_seed(12345), shape=shape, draw=draw)
    row("random_uniform", threefry.key_from_seed(2**40 + 3), shape=shape, draw=draw)
