"""Random graphs: whatever is fused, reordered or written over, the compiled plan computes what the primitives do."""

import numpy as np
import pytest

from kerasish_native._load import load_kernels
from kerasish_native.compile import Plan
from kerasish_native.dispatch import n
from kerasish_native.executor import Program
from kerasish_native.passes import optimize
from kerasish_native.plan.compiled import CompiledProgram
from kerasish_native.trace import Graph, recording

SHAPES = [(6, 5), (5,), (4, 6, 5), (6, 1), (1,), (), (2, 3, 4, 5), (24, 5), (3, 40), (7, 17)]
UNARY = ["negative", "tanh", "sigmoid", "square", "abs", "stop_gradient"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
REDUCE = ["sum", "max", "min"]


class Author:
    """Writes a random graph: each call adds one node on earlier values."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.graph = Graph()
        self.values = [self.graph.input(self._shape(), "float32") for _ in range(3)]

    def _shape(self) -> tuple[int, ...]:
        return SHAPES[self.rng.integers(len(SHAPES))]

    def pick(self):
        """A value, mostly a late one."""
        back = min(int(self.rng.geometric(0.25)), len(self.values))
        return self.values[-back]

    def node(self):
        """One more node."""
        kind = self.rng.choice(
            ["unary", "binary", "scalar", "reduce", "softmax", "view", "select", "matmul", "norm"]
        )
        return getattr(self, kind)(self.pick())

    def unary(self, x):
        return getattr(n, self.rng.choice(UNARY))(x)

    def binary(self, x):
        same = [v for v in self.values if v.shape == x.shape or self._broadcasts(v.shape, x.shape)]
        return getattr(n, self.rng.choice(BINARY))(x, same[self.rng.integers(len(same))])

    @staticmethod
    def _broadcasts(a, b) -> bool:
        try:
            return np.prod(np.broadcast_shapes(a, b)) <= 4000
        except ValueError:
            return False

    def scalar(self, x):
        return getattr(n, self.rng.choice(BINARY))(x, float(self.rng.normal()))

    def reduce(self, x):
        axes = [a for a in range(len(x.shape)) if self.rng.random() < 0.5]
        return getattr(n, self.rng.choice(REDUCE))(
            x, axis=tuple(axes), keepdims=bool(self.rng.random() < 0.5)
        )

    def softmax(self, x):
        if not x.shape:
            return n.exp(n.minimum(x, 1.0))
        axis = (len(x.shape) - 1,)
        e = n.exp(n.subtract(x, n.max(x, axis=axis, keepdims=True)))
        return n.divide(e, n.sum(e, axis=axis, keepdims=True))

    def norm(self, x):
        if not x.shape:
            return n.tanh(x)
        axis = tuple(range(int(self.rng.integers(len(x.shape))), len(x.shape)))
        if self.rng.random() < 0.5:
            axis = tuple(range(len(x.shape) - 1))
        count = float(np.prod([x.shape[a] for a in axis]))
        centred = n.subtract(x, n.divide(n.sum(x, axis=axis, keepdims=True), count))
        spread = n.divide(n.sum(n.square(centred), axis=axis, keepdims=True), count)
        return n.multiply(centred, n.rsqrt(n.add(spread, 0.5)))

    def view(self, x):
        kind = self.rng.choice(["transpose", "reshape", "flip", "slice", "broadcast_to"])
        if kind == "transpose":
            return n.transpose(x, axes=tuple(int(a) for a in self.rng.permutation(len(x.shape))))
        if kind == "reshape":
            size = int(np.prod(x.shape))
            divisors = [d for d in range(1, size + 1) if size % d == 0]
            first = int(self.rng.choice(divisors))
            return n.reshape(x, shape=(first, size // first))
        if kind == "flip":
            return n.flip(x, axis=tuple(a for a in range(len(x.shape)) if self.rng.random() < 0.5))
        if kind == "slice":
            start = tuple(int(self.rng.integers(s)) for s in x.shape)
            step = tuple(int(self.rng.integers(1, 3)) for _ in x.shape)
            return n.slice(x, start=start, stop=tuple(x.shape), step=step)
        return n.broadcast_to(x, shape=(int(self.rng.integers(1, 4)), *x.shape)) if len(x.shape) < 4 else x

    def select(self, x):
        return n.where(n.greater(x, float(self.rng.normal())), x, n.multiply(x, 0.5))

    def matmul(self, x):
        if len(x.shape) < 2 or np.prod(x.shape) > 4000:
            return n.tanh(x)
        turned = n.transpose(x, axes=(*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2))
        return n.multiply(n.matmul(turned, x), 1 / x.shape[-2])


def written(seed: int, nodes: int = 25) -> Graph:
    author = Author(seed)
    with recording(author.graph):
        for _ in range(nodes):
            author.values.append(author.node())
    rng = author.rng
    author.graph.outputs = [
        author.values[i] for i in rng.integers(len(author.values), size=3)
    ] + author.values[-2:]
    optimize(author.graph)
    return author.graph


def farthest(a, b) -> float:
    """Largest distance between elements."""
    return float(np.max(np.abs(a - b), initial=0))


@pytest.mark.parametrize("seed", range(600))
def test_plan_computes_what_the_primitives_do(seed):
    graph = written(seed)
    rng = np.random.default_rng(seed)
    inputs = [np.asarray(rng.normal(size=x.shape), "float32") for x in graph.inputs]
    with np.errstate(all="ignore"):
        reference = Program(graph).run([x.copy() for x in inputs])
        exact = Program(graph).run([x.astype("float64") for x in inputs])
    compiled = CompiledProgram(graph, load_kernels())
    given = [x.copy() for x in inputs]
    for _ in range(2):  # a second run works on an arena full of old values
        for y, ref, want in zip(compiled.run(given), reference, exact, strict=True):
            assert y.shape == ref.shape
            assert y.dtype == ref.dtype
            assert farthest(y, want) <= 20 * farthest(ref, want) + 1e-5 * max(1.0, farthest(want, 0))
    for x, before in zip(given, inputs, strict=True):
        np.testing.assert_array_equal(x, before)  # operands of the caller are never written over


def test_explain_counts_fewer_steps_than_nodes():
    graph = written(3)
    assert len(graph.nodes) > 10
    text = Plan(graph, []).explain()
    assert int(text.split(" nodes in ")[1].split()[0]) < len(graph.nodes)


def test_many_reductions_of_one_tensor_are_split_over_programs():
    graph = Graph()
    x = graph.input((6, 5), "float32")
    with recording(graph):
        sums = [n.sum(n.multiply(x, float(i)), axis=(1,), keepdims=False) for i in range(70)]
    graph.outputs = sums
    values = np.arange(30, dtype="float32").reshape(6, 5)
    for i, y in enumerate(CompiledProgram(graph, load_kernels()).run([values])):
        np.testing.assert_allclose(y, values.sum(1) * i, rtol=1e-6)
