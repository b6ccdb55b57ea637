"""Plain gradient descent on a table of which few rows were read: the dense step's bits, without the dense gradient."""

import numpy as np
import pytest

import kerasish
from kerasish.core.registry import use_backend
from kerasish_native import passes
from kerasish_native._load import load_kernels
from kerasish_native.compile import Plan
from kerasish_native.dispatch import n
from kerasish_native.plan.compiled import CompiledProgram
from kerasish_native.trace import Graph, recording

ROWS, COUNT = 50, 20
ZEROS = np.zeros((ROWS, 7), "float32")


def descend(w, i, g, r):
    return [n.subtract(w, n.multiply(n.scatter_add(np.zeros(w.shape, w.dtype), i, g), r))]


def planned(
    author, shapes=((ROWS, 7), (COUNT, 1), (COUNT, 7), ()), dtype="float32", thin=True, monkeypatch=None
):
    """The optimized graph of `author(table, indices, updates, rate)` and its program."""
    graph = Graph()
    inputs = [graph.input(s, "int32" if i == 1 else dtype) for i, s in enumerate(shapes)]
    with recording(graph):
        graph.outputs = author(*inputs)
    if not thin:
        monkeypatch.setattr(passes, "thin", lambda graph: None)
    passes.optimize(graph)
    return [node.name for node in graph.nodes], CompiledProgram(graph, load_kernels())


def same_bits(one, two):
    np.testing.assert_array_equal(one.view(np.uint8), two.view(np.uint8))


INDICES = {
    "all different": np.arange(COUNT),
    "all the same": np.full(COUNT, 7),
    "some twice": np.random.default_rng(0).integers(0, 9, COUNT),
    "the ends": np.tile([0, ROWS - 1], COUNT // 2),
    "beyond the ends": np.tile([-3, ROWS + 5], COUNT // 2),
}
RATES = [0.1, -0.3, 0.0, -0.0, np.inf, np.nan, 1e-45]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [(7,), (1,), (64,), (1500,), (4, 5)])
@pytest.mark.parametrize("name", INDICES)
def test_it_is_the_dense_step_bit_for_bit(name, columns, dtype, rate, monkeypatch):
    shapes = ((ROWS, *columns), (COUNT, 1), (COUNT, *columns), ())
    names, sparse = planned(descend, shapes, dtype)
    dense_names, dense = planned(descend, shapes, dtype, thin=False, monkeypatch=monkeypatch)
    assert "descend_rows" in names
    assert "scatter_add" not in names
    assert "scatter_add" in dense_names
    rng = np.random.default_rng(1)
    table, updates = (rng.standard_normal(s).astype(dtype) for s in (shapes[0], shapes[2]))
    table[3], updates[2] = -0.0, -0.0
    arrays = [table, INDICES[name].astype("int32").reshape(COUNT, 1), updates, np.asarray(rate, dtype)]
    given = [a.copy() for a in arrays]
    with np.errstate(all="ignore"):
        same_bits(sparse.run(given)[0], dense.run(arrays)[0])
    for a, before in zip(given, arrays, strict=True):
        np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("constant", ["python", "array"])
def test_the_rate_may_be_a_constant(constant):
    rate = 0.5 if constant == "python" else np.array(0.5, "float32")
    names, program = planned(lambda w, i, g, r: descend(w, i, g, rate))
    assert "descend_rows" in names
    table, updates = np.ones((ROWS, 7), "float32"), np.ones((COUNT, 7), "float32")
    (after,) = program.run([table, np.zeros((COUNT, 1), "int32"), updates, np.float32(0).reshape(())])
    np.testing.assert_array_equal(after[:2], [[1 - 0.5 * COUNT] * 7, [1.0] * 7])


LEFT = {
    "the gradient is returned": lambda w, i, g, r: (
        lambda d: [n.subtract(w, n.multiply(d, r)), n.sum(d, axis=(0, 1), keepdims=False)]
    )(n.scatter_add(ZEROS, i, g)),
    "the step is returned": lambda w, i, g, r: (lambda d: [n.subtract(w, d), d])(
        n.multiply(n.scatter_add(ZEROS, i, g), r)
    ),
    "a momentum": lambda w, i, g, r: [n.subtract(w, n.add(n.multiply(n.scatter_add(ZEROS, i, g), r), w))],
    "a sum of two lookups": lambda w, i, g, r: [
        n.subtract(w, n.multiply(n.scatter_add(n.scatter_add(ZEROS, i, g), i, g), r))
    ],
    "not from zero": lambda w, i, g, r: [n.subtract(w, n.multiply(n.scatter_add(ZEROS + 1, i, g), r))],
    "from minus zero": lambda w, i, g, r: [n.subtract(w, n.multiply(n.scatter_add(-ZEROS, i, g), r))],
    "a rate for each row": lambda w, i, g, r: [
        n.subtract(w, n.multiply(n.scatter_add(ZEROS, i, g), n.sum(w, axis=(1,), keepdims=True)))
    ],
    "the other way round": lambda w, i, g, r: [n.subtract(n.multiply(n.scatter_add(ZEROS, i, g), r), w)],
    "points, not rows": lambda w, i, g, r: [
        n.subtract(
            w,
            n.multiply(
                n.scatter_add(ZEROS, n.concatenate(i, i, axis=1), n.sum(g, axis=(1,), keepdims=False)), r
            ),
        )
    ],
}


@pytest.mark.parametrize("name", LEFT)
def test_what_needs_the_gradient_keeps_it(name):
    names, _ = planned(LEFT[name])
    assert "descend_rows" not in names


@pytest.mark.parametrize(("rows", "count", "thin"), [(40, 20, True), (39, 20, False), (1000, 1, True)])
def test_only_few_rows_are_worth_it(rows, count, thin):
    names, _ = planned(descend, ((rows, 3), (count, 1), (count, 3), ()))
    assert ("descend_rows" in names) is thin


def test_half_floats_are_left_dense():
    names, _ = planned(descend, dtype="float16")
    assert "descend_rows" not in names


@pytest.mark.parametrize(
    ("optimizer", "thin"),
    [
        (lambda: kerasish.optimizers.SGD(0.1), True),
        (lambda: kerasish.optimizers.SGD(0.1, momentum=0.9), False),
        (lambda: kerasish.optimizers.SGD(0.1, weight_decay=0.01), False),
        (lambda: kerasish.optimizers.SGD(0.1, clipnorm=1.0), False),
        (lambda: kerasish.optimizers.SGD(0.1, global_clipnorm=1.0), False),
        (lambda: kerasish.optimizers.Adam(0.1), False),
    ],
    ids=["plain", "momentum", "decay", "clipnorm", "global clipnorm", "adam"],
)
def test_optimizers(optimizer, thin, monkeypatch):
    def trained():
        seen = []
        made = Plan.__init__

        def noting(self, graph, structure):
            seen.extend(node.name for node in graph.nodes)
            made(self, graph, structure)

        with use_backend("native"), monkeypatch.context() as patch:
            patch.setattr(Plan, "__init__", noting)
            kerasish.utils.set_random_seed(1)
            layers = kerasish.layers
            model = kerasish.Sequential([layers.Embedding(200, 6), layers.Flatten(), layers.Dense(1)])
            model.compile(optimizer=optimizer(), loss="mse")
            x = np.random.default_rng(0).integers(0, 200, (12, 5)).astype("int32")
            model.fit(x, np.ones((12, 1), "float32"), batch_size=4, epochs=2, verbose=0, shuffle=False)
            return seen, [np.asarray(w) for w in model.get_weights()]

    names, weights = trained()
    assert ("descend_rows" in names) is thin
    monkeypatch.setattr(passes, "thin", lambda graph: None)
    for one, two in zip(weights, trained()[1], strict=True):
        np.testing.assert_array_equal(one, two)
