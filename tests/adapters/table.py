"""What every engine must do, as tables: values of primitives on awkward inputs, gradients, transformations.

The oracle of values is the readable NumPy version of each primitive. An engine's test file parametrizes over
`ROWS`, `GRADIENTS` and `BEHAVIOURS` and calls the `check_*` functions.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from kerasish.core import dtypes, threefry
from kerasish.core import primitives as p
from kerasish_native.reference import KERNELS

rng = np.random.default_rng(7)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int32", "uint8", "int8", "int16", "uint16", "uint32", "int64")
AWKWARD = [np.nan, np.inf, -np.inf, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 1.5, 2.5, 100.0]
RELATIVE = {"float64": 1e-11, "float32": 2e-5, "float16": 3e-3, "bfloat16": 2e-2}
ABSOLUTE = {"float64": 1e-12, "float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}


def array(values: Any, dtype: str | None = None) -> np.ndarray:
    """An array of `dtype`: by default bool for bools, float32 for numbers."""
    host = np.asarray(values)
    name = dtype or ("bool" if host.dtype == bool else "float32")
    with np.errstate(all="ignore"):
        return host.astype(dtypes.to_numpy(name))


def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
    return array(rng.normal(size=shape), dtype)


class Row(NamedTuple):
    """One call of a primitive."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any]

    def __str__(self) -> str:
        def show(x: Any) -> str:
            if isinstance(x, np.ndarray):
                return f"{x.dtype.name}{list(x.shape)}"
            return str([show(y) for y in x]) if isinstance(x, list) else str(x)

        parts = [*map(show, self.args), *(f"{k}={v}" for k, v in self.keywords.items())]
        return f"{self.name}({', '.join(parts)})".replace(" ", "")


ROWS: list[Row] = []


def row(name: str, *args: Any, **keywords: Any) -> None:
    ROWS.append(Row(name, args, keywords))


# -- elementwise -------------------------------------------------------------------------------------------------------
UNARY_FLOAT = [
    "negative",
    "abs",
    "sign",
    "square",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "sigmoid",
    "erf",
    "floor",
    "ceil",
    "trunc",
    "round",
    "isfinite",
    "isnan",
    "isinf",
]
for name, dtype in itertools.product(UNARY_FLOAT, FLOATS):
    row(name, array(AWKWARD, dtype))
for name in ("exp", "sign", "round", "sigmoid"):
    row(name, array(0.5))
    row(name, np.zeros((0, 2), np.float32))
for name, dtype in itertools.product(("negative", "abs", "sign", "square"), ("int32", "int8", "int64")):
    row(name, array([-128, -3, 0, 5, 127], dtype))
row("square", array([16, 255], "uint8"))
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
row("take", normal(4, 3), array([3, 1], "int64"), axis=0)
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
    y = KERNELS["conv"](x, kernel, **options)
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


# -- checks ------------------------------------------------------------------------------------------------------------
def tensor(engine: Any, x: Any) -> Any:
    """NumPy arrays, also within lists, as tensors of the engine."""
    if isinstance(x, np.ndarray):
        return engine.asarray(x, dtype=dtypes.of_numpy(x.dtype), device=None)
    return [tensor(engine, item) for item in x] if isinstance(x, list) else x


def same(found: np.ndarray, expected: np.ndarray, what: str = "") -> None:
    """Equal dtype, shape and values up to rounding; NaN equals NaN, infinities only themselves."""
    assert found.dtype == expected.dtype, what
    assert found.shape == expected.shape, what
    name = dtypes.of_numpy(expected.dtype)
    if name in RELATIVE:
        wide = np.float64
        np.testing.assert_allclose(
            found.astype(wide), expected.astype(wide), RELATIVE[name], ABSOLUTE[name], err_msg=what
        )
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def check_row(engine: Any, case: Row) -> None:
    """The primitive equals its definition: value, shape and dtype."""
    with np.errstate(all="ignore"):
        expected = parts(KERNELS[case.name](*case.args, **case.keywords))
    found = parts(engine.primitives[case.name](*(tensor(engine, x) for x in case.args), **case.keywords))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert engine.is_tensor(a)
        assert engine.dtype_of(a) == dtypes.of_numpy(np.asarray(b).dtype)
        assert engine.shape_of(a) == np.shape(b)
        same(engine.to_numpy(a), np.asarray(b), str(case))


def check_compiled(engine: Any, case: Row) -> None:
    """The primitive does the same inside a compiled function."""
    with np.errstate(all="ignore"):
        expected = parts(KERNELS[case.name](*case.args, **case.keywords))
    positions = [i for i, x in enumerate(case.args) if isinstance(x, (np.ndarray, list))]

    def call(tensors: list[Any]) -> list[Any]:
        args = list(case.args)
        for i, x in zip(positions, tensors, strict=True):
            args[i] = x
        return parts(engine.primitives[case.name](*args, **case.keywords))

    found = engine.compile(call)([tensor(engine, case.args[i]) for i in positions])
    for a, b in zip(found, expected, strict=True):
        same(engine.to_numpy(a), np.asarray(b), str(case))


class Gradient(NamedTuple):
    """A function over primitives whose gradient is compared with `expected`, or with central differences."""

    name: str
    function: Any
    inputs: list[np.ndarray]
    expected: list[Any] | None = None

    def __str__(self) -> str:
        return self.name


D = "float64"
NO_PADS = ((0, 0), (0, 0))


def _reduce(name: str, axis: Any = (0,)) -> Any:
    return lambda x: getattr(p, name)(x, axis=axis, keepdims=False)


def _outputs(index: int, function: Any) -> Any:
    return lambda *xs: function(*xs)[index]


INDICES = array([[0], [2], [0]], "int32")
GRADIENTS = [
    # rules for ties and special points, by hand (the cotangent is all ones)
    Gradient("max_shares_ties", _reduce("max"), [array([3, 1, 3, 3], D)], [[1 / 3, 0, 1 / 3, 1 / 3]]),
    Gradient("min_shares_ties", _reduce("min"), [array([1, 1, 3], D)], [[0.5, 0.5, 0]]),
    Gradient("max_two_axes", _reduce("max", (0, 1)), [array([[3, 1], [3, 0]], D)], [[[0.5, 0], [0.5, 0]]]),
    Gradient(
        "max_pool_first_of_ties",
        lambda x: p.max_pool(x, window=(2, 2), strides=(2, 2), pads=NO_PADS),
        [array(np.ones((1, 2, 4, 1)), D)],
        [[[[[1], [0], [1], [0]], [[0], [0], [0], [0]]]]],
    ),
    Gradient(
        "max_pool_large_window_first_of_ties",
        lambda x: p.max_pool(x, window=(6, 6), strides=(6, 6), pads=NO_PADS),
        [array(np.ones((1, 6, 6, 1)), D)],
        [np.eye(1, 36).reshape(1, 6, 6, 1)],
    ),
    Gradient("maximum_shares_ties", lambda x: p.maximum(x, 1.0), [array([1, 0, 3], D)], [[0.5, 0, 1]]),
    Gradient(
        "minimum_shares_ties",
        p.minimum,
        [array([[1, 0]], D), array([[1], [2]], D)],
        [[[0.5 + 1, 2]], [[0.5], [0]]],
    ),
    Gradient("prod_with_zero", _reduce("prod"), [array([2, 0, 3], D)], [[0, 6, 0]]),
    Gradient("prod_with_zeros", _reduce("prod"), [array([0, 0, 3], D)], [[0, 0, 0]]),
    Gradient("cumprod_with_zero", lambda x: p.cumprod(x, axis=0), [array([2, 0, 3], D)], [[1, 8, 0]]),
    Gradient("stop_gradient", lambda x: p.multiply(p.stop_gradient(x), x), [array([2.0], D)], [[2.0]]),
    Gradient("abs_at_zero", p.abs, [array([0.0, -2.0], D)], [[0.0, -1.0]]),
    Gradient("power_at_zero", lambda x: p.power(x, 2.0), [array([0.0, -3.0], D)], [[0.0, -6.0]]),
    Gradient(
        "cast_round_trip", lambda x: p.cast(p.cast(x, dtype="float32"), dtype=D), [array([1.5], D)], [[1.0]]
    ),
    Gradient(
        "take_duplicates",
        lambda x: p.take(x, like(x, array([1, 1, 0], "int32")), axis=0),
        [array([1, 2, 3], D)],
        [[1, 2, 0]],
    ),
    Gradient(
        "scatter_update_duplicates",
        lambda x, u: p.scatter_update(x, like(x, INDICES), u),
        [array([1, 2, 3], D), array([4, 5, 6], D)],
        [[0, 1, 0], [0, 1, 1]],
    ),
    Gradient(
        "where_nan_branch", lambda x: p.where(p.greater(x, 0.0), x, 0.0), [array([-1.0, 2.0], D)], [[0, 1]]
    ),
    # all others against central differences
    *(
        Gradient(name, getattr(p, name), [array([0.3, 0.7], D)])
        for name in UNARY_FLOAT
        if name not in ("arccosh", "isfinite", "isnan", "isinf")
    ),
    Gradient("arccosh", p.arccosh, [array([1.3, 2.7], D)]),
    *(
        Gradient(name, getattr(p, name), [array([[0.3, 1.7]], D), array([[1.2], [0.6]], D)])
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "power",
            "maximum",
            "minimum",
            "arctan2",
            "remainder",
        )
    ),
    Gradient("sort", lambda x: p.sort(x, axis=0), [array([3, 1, 2], D)]),
    Gradient("top_k", lambda x: p.top_k(x, k=2)[0], [array([3, 1, 2], D)]),
    Gradient("cumsum", lambda x: p.cumsum(x, axis=1), [normal(2, 3, dtype=D)]),
    Gradient("cumprod", lambda x: p.cumprod(x, axis=1), [normal(2, 3, dtype=D)]),
    Gradient(
        "concatenate",
        lambda x, y: p.concatenate([x, y], axis=0),
        [normal(2, 2, dtype=D), normal(1, 2, dtype=D)],
    ),
    Gradient("pad", lambda x: p.pad(x, pads=((1, 0), (0, 2)), value=3.0), [normal(2, 2, dtype=D)]),
    Gradient("slice", lambda x: p.slice(x, start=(0, 1), stop=(3, 4), step=(2, 1)), [normal(3, 4, dtype=D)]),
    Gradient("flip", lambda x: p.flip(x, axis=(0, 1)), [normal(3, 4, dtype=D)]),
    Gradient("broadcast_to", lambda x: p.broadcast_to(x, shape=(2, 3, 2)), [normal(3, 1, dtype=D)]),
    Gradient(
        "take_along_axis",
        lambda x: p.take_along_axis(x, like(x, array([[1, 1], [0, 2]], "int32")), axis=1),
        [normal(2, 3, dtype=D)],
    ),
    Gradient("gather_nd", lambda x: p.gather_nd(x, like(x, INDICES)), [normal(3, 2, dtype=D)]),
    Gradient(
        "scatter_add",
        lambda x, u: p.scatter_add(x, like(x, INDICES), u),
        [normal(3, dtype=D), normal(3, dtype=D)],
    ),
    Gradient(
        "scatter_max",
        lambda x, u: p.scatter_max(x, like(x, INDICES), u),
        [normal(3, dtype=D), normal(3, dtype=D)],
    ),
    Gradient(
        "dynamic_slice",
        lambda x: p.dynamic_slice(x, like(x, array([1, 9], "int32")), sizes=(2, 1)),
        [normal(3, 2, dtype=D)],
    ),
    Gradient(
        "dynamic_update_slice",
        lambda x, u: p.dynamic_update_slice(x, u, like(x, array([1, 9], "int32"))),
        [normal(3, 2, dtype=D), normal(2, 1, dtype=D)],
    ),
    Gradient("matmul", p.matmul, [normal(2, 3, 4, dtype=D), normal(4, 2, dtype=D)]),
    Gradient(
        "einsum",
        lambda x, y: p.einsum(x, y, subscripts="bij,kj->bk"),
        [normal(2, 3, 4, dtype=D), normal(2, 4, dtype=D)],
    ),
    Gradient("cholesky", lambda x: p.cholesky(p.add(x, p.transpose(x, axes=(0, 2, 1)))), [SPD]),
    Gradient("solve", p.solve, [SPD, normal(2, 3, 2, dtype=D)]),
    Gradient("qr", _outputs(1, p.qr), [normal(3, 3, dtype=D)]),
    Gradient("svd", _outputs(1, p.svd), [normal(3, 3, dtype=D)]),
    Gradient("eigh", lambda x: p.eigh(p.add(x, p.transpose(x, axes=(1, 0))))[0], [normal(3, 3, dtype=D)]),
    *(
        Gradient(
            f"conv_{len(spatial)}d_{groups}_groups_{strides}",
            lambda x, k, o=(strides, pads, dilation, groups): p.conv(
                x, k, strides=o[0], pads=o[1], dilation=o[2], groups=o[3]
            ),
            [normal(1, *spatial, 4, dtype=D), normal(*window, 4 // groups, 4, dtype=D)],
        )
        for spatial, window, strides, pads, dilation, groups in CONVOLUTIONS[:5]
    ),
    Gradient(
        "conv_transpose",
        lambda x, k: p.conv_transpose(
            x, k, strides=(2, 1), pads=((1, 0), (0, 1)), dilation=(1, 1), groups=2, spatial=(5, 3)
        ),
        [normal(1, 3, 3, 4, dtype=D), normal(2, 2, 1, 4, dtype=D)],
    ),
    *(
        Gradient(
            f"{name}_{window}",
            lambda x, n=name, w=window, s=strides, q=pads: getattr(p, n)(x, window=w, strides=s, pads=q),
            [normal(1, *spatial, 2, dtype=D)],
        )
        for name in ("max_pool", "avg_pool")
        for spatial, window, strides, pads in POOLS
    ),
]


def like(x: Any, host: np.ndarray) -> Any:
    """Host data on the engine of `x`."""
    from kerasish.core.registry import engine_of

    return tensor(engine_of((x,)), host)


def check_gradient(engine: Any, case: Gradient) -> None:
    """`vjp`, compiled, equals the gradient by hand, or central differences along every input's elements."""
    weights = np.ones(())

    def slopes(xs: list[Any]) -> list[Any]:
        nonlocal weights
        outputs, _, pullback = engine.vjp(lambda *ys: ([case.function(*ys)], None), xs)
        shape = engine.shape_of(outputs[0])
        weights = np.ones(shape)
        if case.expected is None:
            weights = np.cos(np.arange(weights.size)).reshape(shape)
        return pullback([tensor(engine, weights)])

    found = engine.compile(slopes)([tensor(engine, x) for x in case.inputs])
    expected = case.expected if case.expected is not None else differences(engine, case, weights)
    for x, g, e in zip(case.inputs, found, expected, strict=True):
        got = np.zeros(x.shape) if g is None else engine.to_numpy(g)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, np.asarray(e).reshape(x.shape), 2e-5, 1e-6)


def differences(engine: Any, case: Gradient, weights: np.ndarray, step: float = 1e-6) -> list[np.ndarray]:
    def value(position: int, moved: np.ndarray) -> float:
        xs = [tensor(engine, moved if i == position else x) for i, x in enumerate(case.inputs)]
        return float(np.sum(engine.to_numpy(case.function(*xs)) * weights))

    result = []
    for position, x in enumerate(case.inputs):
        gradient = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            up, down = x.copy(), x.copy()
            up[index] += step
            down[index] -= step
            gradient[index] = (value(position, up) - value(position, down)) / (2 * step)
        result.append(gradient)
    return result
