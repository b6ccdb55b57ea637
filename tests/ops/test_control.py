"""Branches, loops and scans give what Python's own control flow gives, run at once or compiled."""

import numpy as np
import pytest

import kerasish.ops as ops
from kerasish.core.abstract import AbstractTensor
from kerasish.core.convert import to_numpy
from kerasish.core.errors import ArgumentError, KerasishError
from kerasish.core.symbolic import infer

X = np.arange(6, dtype=np.float32).reshape(3, 2)


def tensor(x):
    return ops.convert_to_tensor(np.asarray(x, np.float32))


def values(tree):
    if isinstance(tree, dict):
        return {k: values(v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [values(v) for v in tree]
    return None if tree is None else to_numpy(tree).tolist()


def branch(x):
    return ops.cond(ops.sum(x) > 10.0, lambda: {"y": x + 1.0}, lambda: {"y": x - 1.0})


def halve(x):
    return ops.while_loop(lambda n, v: ops.sum(v) > 1.0, lambda n, v: (n + 1, v / 2.0), (0, x))


def bounded(x):
    return ops.while_loop(lambda v: ops.sum(v) > -1.0, lambda v: v * 2.0, x, maximum_iterations=3)


def running(x):
    return ops.scan(lambda c, row: (c + row, {"before": c, "row": row * 2.0}), ops.zeros_like(x[0]), x)


def backwards(x):
    return ops.scan(lambda c, row: (c + row, c), ops.zeros_like(x[0]), x, reverse=True)


def powers(x):
    return ops.scan(lambda c, _: (c * 2.0, c), x, length=3)


def loop(x):
    return ops.fori_loop(1, 4, lambda i, v: v * ops.cast(i, "float32"), x)


def loop_with_tensor(x):
    return ops.fori_loop(0, ops.cast(ops.max(x), "int32"), lambda i, v: v + 1.0, x)


def chosen(x):
    return ops.switch(ops.cast(x[0, 1], "int32"), [lambda v: v, lambda v: v * 3.0, lambda v: v * 5.0], x)


def mapped(x):
    return ops.map(lambda row: ops.sum(row) * row, x)


def vectorized(x):
    return ops.vectorized_map(lambda row: ops.sum(row) * row, x)


def vectorized_pair(x):
    return ops.vectorized_map(lambda pair: ops.dot(pair[0], pair[1]), (x, x + 1.0))


def prefixes(x):
    return ops.associative_scan(lambda a, b: a * b + b, x, axis=0)


def suffixes(x):
    return ops.associative_scan(lambda a, b: a + b, x, reverse=True, axis=1)


def by_rows(x):
    return ops.vectorize(lambda a, b: ops.dot(a, b), signature="(n),(n)->()")(x, x[:1])


def by_elements(x):
    return ops.vectorize(lambda a, b: a * b + 1.0)(x, x[:1])


RUNNING = [X.sum(0).tolist(), {"before": [[0, 0], [0, 1], [2, 4]], "row": (2 * X).tolist()}]
TABLE = [
    (branch, {"y": (X + 1).tolist()}),
    (halve, [4, (X / 16).tolist()]),
    (bounded, (X * 8).tolist()),
    (running, RUNNING),
    (backwards, [X.sum(0).tolist(), [[6, 8], [4, 5], [0, 0]]]),
    (powers, [(X * 8).tolist(), [X.tolist(), (2 * X).tolist(), (4 * X).tolist()]]),
    (loop, (X * 6).tolist()),
    (loop_with_tensor, (X + 5).tolist()),
    (chosen, (X * 3).tolist()),
    (mapped, (X.sum(1, keepdims=True) * X).tolist()),
    (vectorized, (X.sum(1, keepdims=True) * X).tolist()),
    (vectorized_pair, (X * (X + 1)).sum(1).tolist()),
    (suffixes, [[1, 1], [5, 3], [9, 5]]),
    (by_rows, (X * X[:1]).sum(1).tolist()),
    (by_elements, (X * X[:1] + 1).tolist()),
]
ROW = pytest.mark.parametrize(("function", "expected"), TABLE, ids=[f.__name__ for f, _ in TABLE])


@ROW
def test_at_once(function, expected, engine):
    assert values(function(tensor(X))) == expected


@ROW
def test_compiled(function, expected, engine):
    assert values(engine.compile(function)(tensor(X))) == expected


@ROW
def test_shapes_are_inferred(function, expected):
    inferred = infer(function, AbstractTensor(X.shape, "float32"))
    if function is not branch:
        shapes = [
            x.shape for x in (inferred if isinstance(inferred, tuple) else [inferred]) if hasattr(x, "shape")
        ]
        wanted = expected if isinstance(inferred, tuple) else [expected]
        assert shapes == [np.shape(w) for w in wanted if not isinstance(w, dict)]


def test_python_conditions_and_indices_choose_at_once():
    assert ops.cond(True, lambda: "yes", lambda: "no") == "yes"
    assert ops.switch(9, [lambda: "a", lambda: "b"]) == "b"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.cond(tensor([True, False]), lambda: 1.0, lambda: 2.0), "scalar"),
        (lambda: ops.scan(lambda c, x: c, 0.0, tensor([1.0])), "must return"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0), "`length`"),
        (lambda: ops.scan(lambda c, x: (c, x), 0.0, tensor([1.0]), length=2), "one length"),
        (lambda: ops.switch(0, []), "branch"),
        (lambda: ops.vectorize(lambda a: a, signature="(n),(n)->()")(tensor([1.0])), "signature"),
    ],
)
def test_mistakes_are_explained(call, message, engine):
    with pytest.raises(KerasishError, match=message):
        call()


def test_excluded_arguments_are_passed_on(engine):
    power = ops.vectorize(lambda x, n: x**n, excluded={1})
    assert values(power(tensor([1, 2]), 3)) == [1, 8]
    with pytest.raises(ArgumentError):
        ops.vectorize(lambda a, b: a, signature="(n)->()")(tensor([1.0]), tensor([1.0]))
