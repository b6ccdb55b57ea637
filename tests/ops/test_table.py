"""One row an operation: values and dtypes are Keras' on every engine, shapes are inferred, compiling changes nothing.

Rows whose numbers Keras leaves to its backend have an answer of ours: they name a NumPy function instead.
"""

import functools

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core.abstract import AbstractTensor
from kerasish.core.convert import dtype_of, shape_of, to_numpy
from kerasish.core.symbolic import infer
from tests.batches import Batches
from tests.oracle import ask, keras

NAN, INF = float("nan"), float("inf")


def f(*values):
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def i(*values):
    return np.array(values[0] if len(values) == 1 else values, np.int32)


def b(*values):
    return np.array(values, bool)


rng = np.random.default_rng(7)
X = rng.normal(size=(3, 4)).astype(np.float32)
Y = rng.normal(size=(3, 4)).astype(np.float32)
Z = rng.normal(size=(2, 3, 4)).astype(np.float32)
V = rng.normal(size=(5,)).astype(np.float32)
U = rng.uniform(-0.9, 0.9, size=(3, 4)).astype(np.float32)
P = rng.uniform(0.1, 4, size=(3, 4)).astype(np.float32)
SPECIAL = f(-INF, -1.5, -0.0, 0.0, 0.5, 2.5, INF, NAN)
N = i([[7, -7, 3], [0, 5, -2]])
M = i([[2, 3, -2], [4, -3, 5]])
H = f([[1, NAN, 3, 2], [NAN, NAN, NAN, NAN], [4, 0, -1, 9]])
SQ = rng.normal(size=(3, 3)).astype(np.float32)
SPD = (SQ @ SQ.T + np.eye(3)).astype(np.float32)
BATCH = np.stack([SPD, SPD + 2 * np.eye(3, dtype=np.float32)])
LOWER = np.linalg.cholesky(SPD).astype(np.float32)
SIGNAL = rng.normal(size=(40,)).astype(np.float32)

UNARY = {
    "anything": (SPECIAL, [
        "abs", "absolute", "negative", "sign", "square", "exp", "expm1", "tanh", "sigmoid", "erf", "floor", "ceil",
        "trunc", "round", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit", "logical_not",
        "reciprocal", "real", "imag", "conj", "conjugate", "angle", "fabs", "arctan", "nan_to_num", "cbrt", "copy",
        "deg2rad", "rad2deg", "exp2", "erfc", "arcsinh",
    ]),
    "usual": (X, ["sin", "cos", "tan", "sinh", "cosh", "sinc", "i0", "stop_gradient", "erfc", "cbrt", "ravel"]),
    "positive": (P, ["log", "log1p", "log2", "log10", "sqrt", "rsqrt"]),
    "inside": (U, ["arcsin", "arccos", "arctanh", "erfinv"]),
    "above": (P + 1, ["arccosh"]),
    "integers": (N, [
        "abs", "negative", "sign", "square", "exp", "sqrt", "floor", "ceil", "trunc", "round", "isnan", "isfinite",
        "logical_not", "bitwise_not", "bitwise_invert", "signbit", "reciprocal", "isreal",
    ]),
    "bools": (b(True, False), [
        "absolute", "square", "exp", "floor", "logical_not", "bitwise_not", "isnan", "isinf", "signbit",
    ]),
}  # fmt: skip
PAIRS = [
    "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "mod", "fmod", "maximum", "minimum", "fmax",
    "fmin", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_xor", "divide_no_nan", "arctan2", "hypot", "logaddexp", "logaddexp2", "heaviside", "isclose",
]  # fmt: skip
REDUCE = [
    "sum", "prod", "mean", "var", "std", "max", "min", "amax", "amin", "any", "all", "argmax", "argmin", "ptp",
    "count_nonzero", "logsumexp", "median", "average", "nansum", "nanmean", "nanmax", "nanprod", "nanvar", "nanmedian",
    "nanargmin", "norm",
]  # fmt: skip
SKIPPING = [
    "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian", "nanargmax", "nanargmin",
]  # fmt: skip
SPECIAL_2 = SPECIAL[::-1].copy()


def _rows():
    for group in UNARY.values():
        for name in group[1]:
            yield name, group[0]
    for name in PAIRS:
        yield name, X, Y[:1]
        yield name, N, M
        if name not in (
            "hypot",
            "arctan2",
            "logaddexp",
            "logaddexp2",
            "heaviside",
            "fmod",
            "mod",
            "floor_divide",
        ):
            yield name, SPECIAL, SPECIAL_2
    for name in REDUCE:
        yield name, Z
        yield name, Z, {"axis": 1}
        if name not in ("count_nonzero", "average"):
            yield name, Z, {"axis": -1, "keepdims": True}
    for name in SKIPPING:
        yield name, H, {"axis": 1}


ROWS = [
    *_rows(),
    # two tensors
    ("power", P, Y), ("power", X, 2), ("power", i(2, 3, 5), i(3, 0, 2)), ("add", X, 2), ("subtract", 2, N),
    ("multiply", N, 1.5), ("true_divide", N, 2), ("add", b(True, False), b(True, True)),
    ("add", N, b(True, False, True)),
    ("gcd", N, M), ("lcm", N, M), ("ldexp", X, i(1, -2, 3, 0)), ("nextafter", X, Y),
    ("bitwise_and", N, M), ("bitwise_or", N, M), ("bitwise_xor", N, M),
    ("bitwise_and", b(True, False), b(True, True)),
    ("left_shift", N, i(1, 2, 3)), ("right_shift", N, i(1, 2, 3)), ("bitwise_left_shift", N, 2),
    ("bitwise_right_shift", N, 1), ("clip", X, -0.5, 0.5), ("clip", N, -1, 3), ("clip", X, -0.5, Y),
    ("allclose", X, X), ("isclose", SPECIAL, SPECIAL, {"equal_nan": True}), ("isin", N, i(5, 7)),
    ("isin", N, i(5, 7), {"invert": True}), ("select", [X > 0, X > -1], [X, Y], 9.0), ("where", X > 0, X, Y),
    ("where", X > 0, X, 0.0), ("where", X > 0, N[:1, :1], 1.5), ("round", X, 2), ("round", X * 100, -1),
    ("nan_to_num", SPECIAL, 1.0, 2.0, 3.0), ("cast", SPECIAL[1:6], "int32"), ("cast", N, "bool"),
    ("saturate_cast", f(-5, 3.7, 300), "uint8"), ("saturate_cast", i(-5, 3, 300), "int8"),
    ("view", X, "int32"), ("view", i(1, 2), "int8"), ("view", np.arange(8, dtype=np.int8), "int32"),
    # reductions
    ("max", Z, {"axis": 0, "initial": 0.5}), ("min", Z, {"axis": (0, 2)}), ("sum", Z, {"axis": (0, -1)}),
    ("sum", b(True, True)), ("sum", N.astype(np.int8)), ("sum", np.arange(3, dtype=np.uint8)),
    ("prod", N, {"dtype": "float32"}),
    ("mean", N), ("average", X, {"axis": 1, "weights": f(1, 2, 3, 4)}), ("average", X, {"weights": P}),
    ("cumsum", X, 1), ("cumsum", X), ("cumprod", X, 0), ("cumsum", b(True, True)),
    ("cumsum", N, {"dtype": "float32"}),
    ("nancumsum", H, 1), ("nancumprod", H, 1), ("quantile", X, 0.3, {"axis": 1}),
    ("quantile", X, f(0.1, 0.5), {"axis": 0}),
    ("quantile", X, 0.3, {"method": "nearest"}), ("quantile", X, 0.3, {"method": "midpoint"}),
    ("median", H, {"axis": 1}),
    ("quantile", X, 0.4, {"method": "lower"}), ("quantile", X, 0.4, {"method": "higher", "keepdims": True}),
    ("percentile", X, 30, {"axis": (0, 1)}), ("nanquantile", H, f(0.2, 0.9), {"axis": 1}),
    ("nanpercentile", H, 25),
    ("logsumexp", f([-INF, -INF], [1e4, 1e4]), {"axis": 1}), ("argmax", f(1, NAN, 3)), ("argmin", f(2, 1, 1)),
    # creation
    ("zeros", (2, 3)), ("ones", (2,), "int32"), ("full", (2, 2), 3), ("full", (2, 2), f(1, 2)), ("arange", 5),
    ("arange", 1.0, 2.0, 0.25), ("arange", 5, 1, -2), ("arange", 3, {"dtype": "float32"}),
    ("linspace", 0, 1, 5),
    ("linspace", f(0, 1), f(2, 5), 4, {"axis": -1}), ("linspace", 0, 1, 4, {"endpoint": False}),
    ("linspace", 0, 10, 5, {"dtype": "int32"}),
    ("logspace", 0, 2, 5), ("geomspace", 1, 1000, 4), ("geomspace", f(1, 2), f(8, 16), 4), ("eye", 3),
    ("eye", 2, 4, 1, "int32"), ("identity", 3),
    ("tri", 3), ("tri", 2, 4, -1), ("meshgrid", V, X[0]), ("meshgrid", V, X[0], {"indexing": "ij"}),
    ("vander", V),
    ("vander", V, 3, True), ("bartlett", 7), ("blackman", 7), ("hamming", 7), ("hanning", 7),
    ("kaiser", 7, 5.0),
    ("zeros_like", N), ("ones_like", X), ("full_like", N, 4), ("full_like", X, 4, "int32"), ("empty", (2,)),
    # shapes
    ("reshape", X, (2, -1)), ("transpose", Z), ("transpose", Z, (1, 0, 2)), ("expand_dims", X, (0, -1)),
    ("squeeze", Z[:1]),
    ("squeeze", Z[:, :1], 1), ("broadcast_to", X[:1], (2, 3, 4)), ("swapaxes", Z, 0, -1),
    ("moveaxis", Z, 0, -1),
    ("moveaxis", Z, (0, 1), (-1, 0)), ("concatenate", [X, Y], 1),
    ("concatenate", [X, N[:, :1].repeat(4, 1)], 0),
    ("stack", [X, Y], -1), ("append", X, Y), ("append", X, Y, 1), ("vstack", [V, V]), ("hstack", [X, Y]),
    ("hstack", [V, V]),
    ("dstack", [V, V]), ("split", X, 2, 1), ("split", X, [1, 3], 1), ("array_split", V, 3),
    ("hsplit", X, 2), ("vsplit", X, 3),
    ("dsplit", Z, 2), ("unstack", X, {"axis": 1}), ("repeat", X, 2), ("repeat", X, 3, 1),
    ("tile", X, 2), ("tile", X, (2, 1, 3)), ("flip", Z), ("flip", Z, 1), ("fliplr", X), ("flipud", X),
    ("rot90", X),
    ("rot90", X, 3), ("rot90", Z, 2, (1, 2)), ("rot90", Z, -1, (2, 0)), ("roll", X, 2), ("roll", X, -1, 1),
    ("roll", X, (1, 2), (0, 1)),
    ("pad", X, 1), ("pad", X, ((1, 0), (0, 2)), "constant", 5.0), ("pad", X, ((1, 2), (2, 1)), "reflect"),
    ("pad", X, ((1, 2), (0, 1)), "symmetric"), ("rearrange", Z, "b h w -> (b w) h"),
    ("rearrange", Z, "b h (w c) -> b c h w", {"c": 2}),
    # matrices
    ("tril", X), ("triu", X, 1), ("tril", Z, -1), ("triu", X > 0), ("diag", V, 1), ("diag", X, -1),
    ("diagflat", X[:2, :2], -1),
    ("diagonal", Z, 1, 1, 2), ("diagonal", Z), ("trace", X), ("trace", Z, 0, 1, 2),
    # indices
    ("take", X, i(2, 0, -1), 0), ("take", X, i([1, 5]), None), ("take", X, 1, 1),
    ("take_along_axis", X, i([0], [1], [-1]), 1),
    ("slice", X, (1, 1), (2, 2)), ("slice", X, i(2, 3), (2, 2)), ("slice_update", X, (1, 1), P[:2, :2]),
    ("slice_update", X, i(1, 2), P[:1, :2]), ("scatter", i([0], [2], [0]), f(1, 2, 3), (4,)),
    ("scatter", i([[1, 1]]), f(5.0).reshape(1), (2, 2)),
    ("scatter_update", X, i([0, 1], [2, 3]), f(8, 9)), ("scatter_update", X, i([[1]]), P[:1]),
    ("scatter_update", V, i([1], [1], [0]), f(8, 9, -9), "add"),
    ("scatter_update", V, i([1], [1], [0]), f(8, 9, -9), "max"),
    ("scatter_update", V, i([1], [1], [0]), f(8, 9, -9), "min"),
    ("scatter_update", V, i([1], [1], [0]), f(8, 9, -9), "mul"),
    ("scatter_update", i(1, 2, 3), i([1], [2]), i(-5, 9), "min"), ("unravel_index", i(3, 5), (2, 3)),
    ("nonzero", N), ("where", N),
    # order
    ("sort", H, {"axis": 0}), ("sort", X, None), ("sort", N > 0), ("argsort", i(3, 1, 3, 1)),
    ("argsort", X, 0), ("top_k", X, 2),
    ("top_k", N, 1), ("in_top_k", i(1, 0, 2), X, 2), ("searchsorted", f(1, 2, 2, 3), f(2, 0, 5, 2.5)),
    ("searchsorted", f(1, 2, 2, 3), f([[2, 0]]), "right"), ("digitize", X, f(-1, 0, 1)),
    ("digitize", f(1, 2, 3), f(3, 2, 1)),
    ("unique", i(3, 1, 3, 2)), ("unique", N, {"return_inverse": True, "return_counts": True}),
    ("unique", N % 2, {"axis": 0}),
    ("unique", i(3, 1, 3), {"size": 4, "fill_value": 0}),
    # segments
    ("segment_sum", X, i(0, 2, 0), 3), ("segment_max", X, i(0, 2, 0), 4), ("segment_min", N, i(1, 1), 2),
    ("segment_prod", V, i(0, 0, 1, 1, 1), 2), ("segment_sum", V, i(0, -1, 1, 7, 1), 2),
    ("bincount", i(0, 3, 3, 1)),
    ("bincount", i(0, 3, 3, 1), {"weights": f(1, 2, 3, 4)}), ("bincount", i(0, 1), {"minlength": 5}),
    ("histogram", SIGNAL, 4), ("histogram", SIGNAL, 3, (-1.0, 1.0)),
    # products
    ("matmul", X, Y.T), ("matmul", Z, X.T), ("matmul", X, V[:4]), ("matmul", V[:3], X), ("matmul", V, V),
    ("matmul", N, M.T),
    ("matmul", N > 0, M.T > 2), ("dot", Z, X.T), ("dot", X, 2.0), ("dot", V, V), ("inner", X, Y),
    ("outer", X, V), ("vdot", X, Y),
    ("kron", X, N), ("tensordot", Z, Z, ([0, 1], [0, 1])), ("tensordot", X, Y.T, 1), ("tensordot", X, Y),
    ("cross", X[:, :3], Y[:, :3]),
    ("cross", X[:, :2], Y[:, :2]), ("cross", X[:, :2], Y[:, :3]),
    ("cross", X[:3].T, Y[:3].T, {"axisa": 1, "axisb": 1, "axisc": 0}),
    ("einsum", "ij,kj->ik", X, Y), ("einsum", "ij,jk", X, Y.T), ("einsum", "...ij,...kj->...ik", Z, X),
    ("einsum", "ii->i", SQ),
    ("einsum", "ii", SQ), ("einsum", "bij, ij, j -> b", Z, X, V[:4]), ("einsum", "i...->...", Z),
    ("einsum", "ij->ji", N),
    ("einsum", "i,j->ij", N[0], X[0]), ("diff", X), ("diff", X, 2, 0), ("diff", X > 0), ("trapezoid", X),
    ("trapezoid", X, {"dx": 0.5, "axis": 0}),
    ("trapezoid", X, f(0, 1, 3, 4)), ("correlate", V, V[:3]), ("correlate", V, V[:3], "full"),
    ("correlate", V[:3], V, "same"),
    ("correlate", V[:2], V, "valid"), ("corrcoef", X), ("cdist", X, Y), ("cdist", Z, Z),
    # linear algebra
    ("cholesky", BATCH), ("cholesky", SPD, True), ("cholesky_inverse", LOWER), ("det", BATCH),
    ("slogdet", -SPD), ("logdet", BATCH),
    ("inv", BATCH), ("solve", BATCH, np.ones((2, 3, 1), np.float32)), ("solve", SPD, f(1, 2, 3)),
    ("solve_triangular", LOWER, f(1, 2, 3), True),
    ("solve_triangular", LOWER.T.copy(), X, False), ("pinv", X), ("lstsq", Y.T.copy(), V[:4]),
    ("matrix_rank", X), ("matrix_rank", np.ones((2, 3, 3), np.float32)),
    ("norm", X), ("norm", X, 1), ("norm", X, "nuc"), ("norm", X, 2), ("norm", X, -2), ("norm", X, INF),
    ("norm", Z, 3, 1), ("norm", Z, "fro", (0, 2)),
    ("norm", Z, -INF, -1), ("norm", V, 0), ("norm", Z, INF, (2, 0), True), ("lu_factor", SPD),
    ("svd", X, {"compute_uv": False}),
    # signals
    ("fft", (Z, X)[:1] * 2), ("fft2", (Z, Z)), ("ifft2", (Z, Z)), ("rfft", SIGNAL), ("rfft", SIGNAL, 64),
    ("rfft", SIGNAL, 31),
    ("irfft", (Z, Z)), ("irfft", (Z, Z), 5), ("stft", SIGNAL, 8, 4, 16), ("stft", SIGNAL, 8, 4, 8, None, False),
    ("extract_sequences", SIGNAL, 8, 3), ("rfft", np.tile(SIGNAL, 5)[:194]),
]  # fmt: skip


def parts_of(row):
    name, *args = row
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    return name, args, kwargs


def with_arrays(change, tree):
    """The tree with `change` applied to its arrays."""
    if isinstance(tree, np.ndarray):
        return change(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)(with_arrays(change, x) for x in tree)
    if isinstance(tree, dict):
        return {k: with_arrays(change, x) for k, x in tree.items()}
    return tree


def leaves_of(result):
    if isinstance(result, dict):
        return [leaf for key in sorted(result) for leaf in leaves_of(result[key])]
    if isinstance(result, (list, tuple)):
        return [leaf for item in result for leaf in leaves_of(item)]
    return [result]


def row_id(row):
    name, args, kwargs = parts_of(row)

    def show(x):
        if isinstance(x, np.ndarray):
            return f"{x.dtype.kind}{'x'.join(map(str, x.shape))}"
        if isinstance(x, (list, tuple)):
            return "".join(map(show, x))
        return str(x)

    return "-".join([name, *map(show, args), *(f"{k}={show(v)}" for k, v in kwargs.items())])


def dtype_name(x):
    return str(keras.backend.standardize_dtype(x.dtype)) if hasattr(x, "dtype") else type(x).__name__


LOOSE = {
    "pinv",
    "lstsq",
    "inv",
    "solve",
    "det",
    "norm",
    "cholesky_inverse",
    "corrcoef",
    "logdet",
    "slogdet",
    "lu_factor",
}
UNTRACEABLE = {"nonzero", "unique"}


def is_traceable(row):
    name, args, kwargs = parts_of(row)
    if name == "bincount" and "minlength" not in kwargs:
        return False  # its length depends on the values
    tensors = [x for x in leaves_of(args) if isinstance(x, np.ndarray)]
    return tensors and name not in UNTRACEABLE and not (name == "where" and len(args) == 1)


TRACEABLE = [row for row in ROWS if is_traceable(row)]


def results_of(module, rows, arrays):
    """What the operations of `module` make of the arrays of these rows, row by row."""
    rest, results = iter(arrays), []
    for row in rows:
        name, args, kwargs = parts_of(row)
        args, kwargs = with_arrays(lambda _: next(rest), (args, kwargs))
        results.append(leaves_of(getattr(module, name)(*args, **kwargs)))
    return results


def arrays_of(rows):
    arrays = []
    with_arrays(arrays.append, [parts_of(row) for row in rows])
    return arrays


UNTRACEABLE_IN_KERAS = {"bincount", "rearrange"}


def expected_of(rows):
    """The answers of Keras: NumPy arrays, which have its dtypes."""
    traced = [row for row in rows if row[0] not in UNTRACEABLE_IN_KERAS]
    answers = iter(ask(lambda xs: results_of(keras.ops, traced, xs), arrays_of(traced)))
    found = [
        next(answers)
        if row[0] not in UNTRACEABLE_IN_KERAS
        else results_of(keras.ops, [row], arrays_of([row]))[0]
        for row in rows
    ]
    return [[np.asarray(x) for x in answer] for answer in found]


EXPECTED = Batches(TRACEABLE, expected_of)


@functools.cache
def compiled(engine):
    """The answers of the engine in force to traceable rows."""

    def answers(rows):
        function = engine.compile(lambda *xs: results_of(ops, rows, xs))
        return function(*map(ops.convert_to_tensor, arrays_of(rows)))

    return Batches(TRACEABLE, answers)


def same(found, expected, name):
    close = {"rtol": 2e-4, "atol": 2e-4} if name in LOOSE else {"rtol": 2e-5, "atol": 3e-6}
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            np.asarray(to_numpy(ours), np.float64), np.asarray(theirs, np.float64), **close
        )
        assert dtype_of(ours) == dtype_name(theirs)


every_traceable = pytest.mark.parametrize("index", range(len(TRACEABLE)), ids=map(row_id, TRACEABLE))


@every_traceable
def test_value_and_dtype_are_those_of_keras(index, engine):
    row = TRACEABLE[index]
    if (
        engine.name == "jax"
    ):  # where each primitive would be compiled by itself, as the conformance table does
        found = compiled(engine)[index]
    else:
        (found,) = results_of(ops, [row], map(ops.convert_to_tensor, arrays_of([row])))
    same(found, EXPECTED[index], row[0])


@pytest.mark.parametrize("row", [row for row in ROWS if not is_traceable(row)], ids=row_id)
def test_result_of_unknown_shape_is_that_of_keras(row, engine):
    name, args, kwargs = parts_of(row)
    expected = leaves_of(getattr(keras.ops, name)(*args, **kwargs))
    (found,) = results_of(ops, [row], map(ops.convert_to_tensor, arrays_of([row])))
    same(found, expected, name)


@every_traceable
def test_shape_is_inferred(index):
    name, args, kwargs = parts_of(TRACEABLE[index])
    function = getattr(ops, name)
    concrete = leaves_of(function(*args, **kwargs))
    hints, kinds = with_arrays(lambda x: AbstractTensor(x.shape, str(x.dtype)), (args, kwargs))
    inferred = leaves_of(infer(function, *hints, **kinds))
    assert [(x.dtype, x.shape) for x in inferred] == [(dtype_of(x), tuple(shape_of(x))) for x in concrete]


@every_traceable
def test_compiling_changes_nothing(index, engine):
    if engine.name != "jax":  # done above
        same(compiled(engine)[index], EXPECTED[index], TRACEABLE[index][0])
