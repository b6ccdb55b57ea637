"""The probes behind docs/semantics.md: one expression, one answer, on every engine.

An answer is a nested list of numbers, a dtype's name, or an exception's class. `f(...)`, `i(...)` ... make tensors of
the engine under test, of that dtype; `slope(fn, x)` is the gradient of the sum of `fn` at `x`.
"""

import numpy as np
import pytest

from kerasish import ops
from kerasish.core.convert import dtype_of, shape_of, to_numpy
from kerasish.core.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError

NAN, INF = float("nan"), float("inf")

PROBES = {
    "NaN, infinities": [
        ("ops.maximum(f(NAN, 1.0), f(1.0, NAN))", [NAN, NAN]),
        ("ops.minimum(f(NAN, 1.0), f(1.0, NAN))", [NAN, NAN]),
        ("ops.max(f(1.0, NAN, 3.0))", NAN),
        ("ops.min(f(1.0, NAN, 3.0))", NAN),
        ("ops.fmax(f(NAN, 1.0, NAN), f(1.0, NAN, NAN))", [1, 1, NAN]),
        ("ops.nanmax(f(1.0, NAN, 3.0))", 3),
        ("ops.nansum(f(NAN, NAN))", 0),
        ("ops.nanargmax(f(NAN, NAN))", -1),
        ("ops.median(f(1.0, NAN, 3.0))", NAN),
        ("ops.argmax(f(1.0, NAN, 5.0, NAN))", 1),
        ("ops.argmin(f(1.0, NAN, -5.0))", 1),
        ("ops.sort(f(NAN, 1.0, INF, -INF))", [-INF, 1, INF, NAN]),
        ("ops.argsort(f(NAN, 1.0, -INF))", [2, 1, 0]),
        ("ops.top_k(f(1.0, NAN, INF), 2)[1]", [1, 2]),
        ("ops.sign(f(NAN, -0.0, -2.0))", [NAN, 0, -1]),
        ("ops.relu(f(NAN, -1.0, INF))", [NAN, 0, INF]),
        ("ops.relu6(f(NAN, INF))", [NAN, 6]),
        ("ops.clip(f(NAN, -INF, INF), -1.0, 1.0)", [NAN, -1, 1]),
        ("ops.sigmoid(f(-INF, INF, NAN))", [0, 1, NAN]),
        ("ops.softplus(f(-INF, INF, 200.0))", [0, INF, 200]),
        ("ops.gelu(f(INF), False)", [INF]),
        ("ops.softmax(f(-INF, 0.0, 0.0))", [0, 0.5, 0.5]),
        ("ops.softmax(f(-INF, -INF))", [NAN, NAN]),
        ("ops.softmax(f(INF, 0.0))[0]", NAN),
        ("ops.logsumexp(f(-INF, -INF))", -INF),
        ("ops.logsumexp(f(1e4, 1e4))", 10000.693),
        ("ops.logaddexp(f(-INF, INF), f(-INF, INF))", [-INF, INF]),
        ("ops.max_pool(f(1.0, NAN, 2.0, 0.0)[None, :, None], 2)[0, :, 0]", [NAN, 2]),
        ("ops.isclose(f(INF, NAN, INF), f(INF, NAN, -INF))", [True, False, False]),
        ("ops.nan_to_num(f(NAN, 2.0))", [0, 2]),
        ("ops.log(f(0.0, -1.0))", [-INF, NAN]),
        ("ops.power(f(-8.0, 0.0), 0.5)", [NAN, 0]),
        ("ops.power(f(NAN, 0.0, INF), 0.0)", [1, 1, 1]),
        ("ops.divide(f(1.0, -1.0, 0.0), 0.0)", [INF, -INF, NAN]),
        ("ops.floor_divide(f(-7.0, 7.0), 2.0)", [-4, 3]),
        ("ops.mod(f(-7.0, 7.0), f(3.0, -3.0))", [2, -2]),
        ("ops.sum(f(INF, -INF))", NAN),
        ("ops.isin(f(NAN, 1.0), f(NAN, 1.0))", [False, True]),
        ("ops.round(f(0.5, 1.5, 2.5, -0.5))", [0, 2, 2, 0]),
        ("ops.signbit(f(-0.0, 0.0))", [True, False]),
    ],
    "Ties": [
        ("ops.argmax(f(1.0, 3.0, 3.0))", 1),
        ("ops.argmin(i(1, 1, 2))", 0),
        ("ops.argsort(i(3, 1, 3, 1))", [1, 3, 0, 2]),
        ("ops.top_k(f(2.0, 3.0, 3.0, 2.0), 3)[1]", [1, 2, 0]),
        ("ops.in_top_k(i(1), f(3.0, 3.0, 1.0)[None], 1)", [True]),
        ("ops.in_top_k(i(5), f(3.0, 3.0, 1.0)[None], 3)", [False]),
        ("ops.searchsorted(f(1.0, 2.0, 2.0), f(2.0))", [1]),
        ("ops.searchsorted(f(1.0, 2.0, 2.0), f(2.0), 'right')", [3]),
        ("ops.unique(i(3, 1, 3))", [1, 3]),
    ],
    "Indices": [
        ("ops.take(f(1.0, 2.0, 3.0), i(-1, 0))", [3, 1]),
        ("ops.take(f(1.0, 2.0, 3.0), i(7, -9))", [3, 1]),
        ("ops.take(f(1.0, 2.0, 3.0), 7)", OutOfRangeError),
        ("ops.take_along_axis(f(1.0, 2.0, 3.0), i(-1, 9), 0)", [3, 3]),
        ("ops.slice(f(1.0, 2.0, 3.0), i(2), (2,))", [2, 3]),
        ("ops.slice_update(f(1.0, 2.0, 3.0), i(9), f(7.0))", [1, 2, 7]),
        ("ops.scatter_update(f(1.0, 2.0, 3.0), i([0], [0]), f(8.0, 9.0))", [9, 2, 3]),
        ("ops.scatter_update(f(1.0, 2.0, 3.0), i([-1]), f(8.0))", [1, 2, 8]),
        ("ops.scatter(i([0], [0]), f(1.0, 2.0), (2,))", [3, 0]),
        ("ops.one_hot(i(0, 3, -1), 3)", [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
        ("ops.segment_sum(f(1.0, 2.0, 3.0), i(0, -1, 5), 2)", [1, 0]),
        ("ops.segment_max(f(1.0), i(0), 2)", [1, -INF]),
        ("ops.switch(i(9)[0], [lambda: f(1.0), lambda: f(2.0)])", [2]),
        ("ops.bincount(i(0, 2), minlength=4)", [1, 0, 1, 0]),
    ],
    "Integers": [
        ("ops.floor_divide(i(7, -7, 5), i(-2, 2, 0))", [-4, -4, 0]),
        ("ops.mod(i(7, -7, 5), i(-3, 3, 0))", [-2, 2, 0]),
        ("ops.fmod(i(7, -7, 5), i(-3, 3, 0))", [1, -1, 0]),
        ("ops.power(i(2, -1, 1, 0), i(-1, -3, -5, 3))", [0, -1, 1, 0]),
        ("ops.true_divide(i(1, 0), i(0, 0))", [INF, NAN]),
        ("ops.add(u8(250), u8(10))", [4]),
        ("ops.multiply(i(2**30), 4)", [0]),
        ("ops.negative(u8(1))", [255]),
        ("ops.abs(np_int8(-128))", [-128]),
        ("ops.right_shift(i(-8), 1)", [-4]),
        ("ops.mean(i(1, 2))", 1.5),
        ("ops.add(b(True, False), b(True, False))", [True, False]),
        ("ops.subtract(b(True), b(True))", DTypeError),
        ("ops.sum(b(True, True))", 2),
        ("ops.gcd(i(12, 0), i(18, 0))", [6, 0]),
    ],
    "Casts": [
        ("ops.cast(f(NAN, 3.7, -3.7, 1e10), 'int32')", [0, 3, -3, 2**31 - 1]),
        ("ops.cast(f(-1.0, 300.0, NAN), 'uint8')", [0, 255, 0]),
        ("ops.cast(i(300, -1), 'uint8')", [44, 255]),
        ("ops.cast(f(NAN, 0.0, 0.5), 'bool')", [True, False, True]),
        ("ops.cast(f(70000.0), 'float16')", [INF]),
        ("ops.saturate_cast(f(70000.0), 'float16')", [65504]),
        ("ops.saturate_cast(i(300, -1), 'uint8')", [255, 0]),
    ],
    "64 bits and mixed dtypes": [
        ("ops.add(i(1), h(1.0))", "float16"),
        ("ops.add(d(1.0), f(1.0))", "float64"),
        ("ops.add(l(1), i(1))", "int64"),
        ("ops.add(l(1), f(1.0))", "float32"),
        ("ops.add(u8(1), np_int8(1))", "int16"),
        ("ops.add(i(1), 1.5)", "float32"),
        ("ops.add(h(1.0), 1.5)", "float16"),
        ("ops.add(h(1.0), bf(1.0))", "float32"),
        ("ops.add(b(True), i(1))", "int32"),
        ("ops.true_divide(i(1), i(2))", "float32"),
        ("ops.exp(l(1))", "float32"),
        ("ops.sum(np_int8(1))", "int32"),
        ("ops.sum(u8(1))", "uint32"),
        ("ops.mean(h(1.0))", "float16"),
        ("ops.matmul(d([1.0]), d([1.0]))", "float64"),
        ("ops.argmax(l(1))", "int32"),
        ("ops.arange(3)", "int32"),
        ("ops.convert_to_tensor(2.5)", "float32"),
        ("ops.convert_to_tensor([1, 2])", "int32"),
        ("ops.add(l(2**62), 1)", [2**62 + 1]),
        ("ops.subtract(ops.add(d(1.0), 1e-12), 1.0)", [1.000088900582341e-12]),
        ("ops.where(b(True), i(1), f(2.0))", "float32"),
        ("ops.concatenate([i(1), f(2.0)])", "float32"),
        ("ops.mean(h(*[300.0] * 300))", 300),
    ],
    "Empty and 0-d": [
        ("ops.sum(e(0, 2), axis=0)", [0, 0]),
        ("ops.prod(e(0))", 1),
        ("ops.mean(e(0))", NAN),
        ("ops.max(e(0))", ShapeError),
        ("ops.max(e(0), initial=3.0)", 3),
        ("ops.argmax(e(0))", ShapeError),
        ("ops.all(e(0) > 0)", True),
        ("ops.any(e(0) > 0)", False),
        ("ops.concatenate([e(0), f(1.0)])", [1]),
        ("ops.matmul(e(2, 0), e(0, 1))", [[0], [0]]),
        ("ops.sum(ops.softmax(e(0, 3)))", 0),
        ("ops.cumsum(e(0))", []),
        ("ops.relu(f(-1.0)[0])", 0),
        ("ops.transpose(f(1.0)[0])", 1),
        ("ops.expand_dims(f(1.0)[0], 0)", [1]),
        ("ops.sort(e(0))", []),
    ],
    "Resizing": [
        ("size(f(0.0, 10.0, 20.0, 30.0), 2, 'nearest')", [10, 30]),
        ("size(f(0.0, 10.0), 4, 'nearest')", [0, 0, 10, 10]),
        ("size(f(0.0, 10.0), 4, 'bilinear')", [0, 2.5, 7.5, 10]),
        ("size(f(0.0, 10.0, 20.0, 30.0), 2, 'bilinear')", [5, 25]),
        ("size(f(0.0, 10.0, 20.0, 30.0), 2, 'bilinear', True)", [1250 / 175, 4000 / 175]),
        ("size(f(0.0, 10.0, 20.0, 30.0), 2, 'area')", [5, 25]),
        ("size(u8(0, 255), 4, 'bilinear')", [0, 64, 191, 255]),
    ],
    "Losses of degenerate probabilities": [
        ("ops.categorical_crossentropy(f([0.0, 1.0]), f([1.0, 0.0]))", [16.118095]),
        ("ops.categorical_crossentropy(f([0.0, 1.0]), f([2.0, 2.0]))", [0.6931472]),
        ("ops.binary_crossentropy(f(1.0, 0.0), f(1.0, 1.0))", [1.1920930e-7, 15.942385]),
        ("ops.binary_crossentropy(f(1.0), f(-200.0), from_logits=True)", [200]),
        ("ops.sparse_categorical_crossentropy(i(5), f([1.0, 1.0]), from_logits=True)", [NAN]),
        ("ops.sparse_categorical_crossentropy(i(-1), f([1.0, 1.0]), from_logits=True)", [NAN]),
        ("ops.categorical_crossentropy(f([0.0, 0.0]), f([1.0, 3.0]), from_logits=True)", [0]),
        ("ops.sparse_categorical_crossentropy(i(0), f([0.0, 500.0]), from_logits=True)", [500]),
    ],
    "Gradients at ties and kinks": [
        ("slope(ops.relu, d(-1.0, 0.0, 1.0))", [0, 0, 1]),
        ("slope(ops.relu6, d(0.0, 3.0, 6.0))", [0, 1, 0]),
        ("slope(ops.hard_sigmoid, f(-3.0, 0.0, 3.0))", [0, 1 / 6, 0]),
        ("slope(ops.hard_silu, f(-3.0, 3.0))", [0, 1]),
        ("slope(ops.hard_tanh, f(-1.0, 1.0))", [0.5, 0.5]),
        ("slope(lambda x: ops.clip(x, -1.0, 1.0), f(-1.0, 0.0, 1.0))", [0.5, 1, 0.5]),
        ("slope(lambda x: ops.leaky_relu(x, 0.2), d(0.0))", [0.2]),
        ("slope(lambda x: ops.elu(x, 0.5), d(0.0))", [0.5]),
        ("slope(ops.abs, d(0.0, -2.0))", [0, -1]),
        ("slope(ops.sign, d(0.0, 2.0))", [0, 0]),
        ("slope(ops.max, d(3.0, 1.0, 3.0))", [0.5, 0, 0.5]),
        ("slope(ops.min, d(1.0, 1.0))", [0.5, 0.5]),
        ("slope(lambda x: ops.maximum(x, 1.0), d(0.0, 1.0, 2.0))", [0, 0.5, 1]),
        ("slope(lambda x: ops.max_pool(x[None, :, None], 2), d(5.0, 5.0, 1.0, 1.0))", [1, 0, 1, 0]),
        ("slope(ops.prod, d(0.0, 2.0, 3.0))", [6, 0, 0]),
        ("slope(ops.square, d(0.0))", [0]),
        ("slope(lambda x: ops.power(x, 2), d(0.0))", [0]),
        ("slope(ops.softplus, d(-800.0, 0.0, 800.0))", [0, 0.5, 1]),
        ("slope(ops.log_sigmoid, d(-800.0, 800.0))", [1, 0]),
        ("slope(lambda x: ops.where(x > 0, ops.sqrt(ops.maximum(x, 1e-9)), 0.0), d(-1.0, 4.0))", [0, 0.25]),
        ("slope(ops.floor, d(1.5))", [0]),
        ("slope(lambda x: ops.take(x, i(0, 0)), d(1.0, 2.0))", [2, 0]),
        ("slope(lambda x: ops.sort(x) * d(1.0, 2.0), d(3.0, 1.0))", [2, 1]),
        ("slope(lambda x: ops.stop_gradient(x) * x, d(3.0))", [3]),
    ],
    "Padding": [
        ("ops.average_pool(f(1.0, 2.0, 3.0)[None, :, None], 2, 2, padding='same')[0, :, 0]", [1.5, 3]),
        ("ops.max_pool(f(-1.0, -2.0, -3.0)[None, :, None], 2, 2, padding='same')[0, :, 0]", [-1, -3]),
        ("conv(f(1.0, 2.0, 3.0, 4.0), f(1.0, 1.0), 'same')", [3, 5, 7, 4]),
        ("conv(f(1.0, 2.0, 3.0, 4.0), f(1.0, 1.0), 'causal')", [1, 3, 5, 7]),
        ("conv(f(1.0, 2.0, 3.0, 4.0), f(1.0, 1.0, 1.0), 'same', 2)", [6, 7]),
        ("conv(f(1.0), f(1.0, 1.0), 'valid')", ShapeError),
        ("ops.pad(f(1.0, 2.0, 3.0), ((2, 1),), 'reflect')", [3, 2, 1, 2, 3, 2]),
        ("ops.pad(f(1.0, 2.0, 3.0), ((2, 1),), 'symmetric')", [2, 1, 1, 2, 3, 3]),
        ("ops.pad(f(1.0), ((-1, 0),))", ArgumentError),
    ],
}
ROWS = [(section, text, answer) for section, rows in PROBES.items() for text, answer in rows]


def maker(dtype):
    return lambda *values: ops.convert_to_tensor(np.array(values), dtype)


def slope(function, x):
    return ops.grad(lambda y: ops.sum(function(y)))(x)


def size(row, width, interpolation, antialias=False):
    image = ops.reshape(row, (1, 1, -1, 1))
    return ops.image.resize(image, (1, width), interpolation, antialias=antialias)[0, 0, :, 0]


def conv(x, kernel, padding, strides=1):
    return ops.conv(x[None, :, None], kernel[:, None, None], strides, padding)[0, :, 0]


NAMES = {
    "NAN": NAN,
    "INF": INF,
    "conv": conv,
    "e": lambda *shape: ops.zeros(shape),
    "ops": ops,
    "size": size,
    "slope": slope,
    **{
        name: maker(dtype)
        for name, dtype in {
            "b": "bool", "f": "float32", "h": "float16", "bf": "bfloat16", "d": "float64", "i": "int32", "l": "int64",
            "u8": "uint8", "np_int8": "int8",
        }.items()
    },
}  # fmt: skip


def test_there_are_enough_probes():
    assert len(ROWS) >= 100
    assert len({text for _, text, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("section", "text", "answer"), ROWS, ids=[text for _, text, _ in ROWS])
def test_one_answer(engine, section, text, answer):
    code = compile(text, section, "eval")
    if isinstance(answer, type):
        with pytest.raises(answer):
            eval(code, NAMES)
        return
    found = eval(code, NAMES)
    if isinstance(answer, str):
        assert dtype_of(found) == answer
        return
    values = to_numpy(found)
    if answer != []:
        assert tuple(shape_of(found)) == np.shape(answer)
    if values.dtype.kind in "iub":
        np.testing.assert_array_equal(values, np.array(answer))
    else:
        np.testing.assert_allclose(values.astype("float64"), np.array(answer, "float64"), 1e-6, 1e-7)
