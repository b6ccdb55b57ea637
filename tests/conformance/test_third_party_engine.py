"""docs/writing-an-engine.md, done: an engine of another package is found, passes the kit and trains a model."""

import numpy as np
import pytest

import kerasish
from kerasish.core import registry, trees
from kerasish.core.contract import Engine, EngineInfo
from kerasish.core.errors import BackendNotInstalledError, EngineMismatchError, UnknownBackendError
from kerasish.testing import assert_backends_agree, conformance


class Cell:
    """A tensor of the toy engine: one of the host engine under another class."""

    def __init__(self, held):
        self.held = held
        self.shape = tuple(held.shape)
        self.dtype = registry.host_engine().dtype_of(held)


def bare(tree):
    return trees.map_structure(lambda x: x.held if isinstance(x, Cell) else x, tree)


def celled(tree):
    return trees.map_structure(
        lambda x: Cell(x) if hasattr(x, "shape") and not isinstance(x, Cell) else x, tree
    )


class ToyEngine(Engine):
    """Primitives are the host engine's, gradients by the host engine's tape; functions run as they are."""

    def __init__(self):
        self.host = registry.host_engine()
        self.primitives = {name: self.renamed(name) for name in self.host.primitives}
        self.overrides = {"relu": self.relu}

    @staticmethod
    def relu(x, /):
        return Cell(np.maximum(x.held, 0)) if type(x.held) is np.ndarray else NotImplemented

    def renamed(self, name):
        def run(*args, **keywords):
            args = [bare(x) for x in args]
            owners = [registry.TABLE.get(type(x)) for x in trees.flatten(args)]
            engine = next((owner for owner in owners if owner), self.host)
            keywords = {k: self.inside(v) if callable(v) else v for k, v in keywords.items()}
            return celled(engine.primitives[name](*args, **keywords))

        return run

    def inside(self, fn):
        return lambda *xs: bare(fn(*celled(list(xs))))

    def is_tensor(self, x):
        return isinstance(x, Cell)

    def asarray(self, value, *, dtype, device):
        return Cell(self.host.asarray(value, dtype=dtype, device=device))

    def to_numpy(self, x):
        return self.host.to_numpy(x.held)

    def shape_of(self, x):
        return tuple(x.held.shape)

    def dtype_of(self, x):
        return self.host.dtype_of(x.held)

    def is_traced(self, x):
        return False

    def vjp(self, fn, inputs):
        outputs, aux, pullback = self.host.vjp(self.inside(fn), bare(inputs))
        return celled(outputs), celled(aux), lambda cotangents: celled(pullback(bare(cotangents)))

    def value_and_grad(self, fn, inputs):
        return celled(self.host.value_and_grad(self.inside(fn), bare(inputs)))

    def compile(self, fn, *, donate=(), options=None):
        return fn


@pytest.fixture(autouse=True, scope="module")
def registered(registered_engines):
    registry.register_engine(EngineInfo("toy", f"{__name__}:ToyEngine"))


test_conformance = conformance.suite("toy", kinds=["names", "value", "gradient", "override"])


@pytest.fixture
def toy():
    with kerasish.use_backend("toy") as engine:
        yield engine


def small_model():
    kerasish.utils.set_random_seed(5)
    model = kerasish.Sequential(
        [
            kerasish.Input((4,)),
            kerasish.layers.Dense(8, activation="relu"),
            kerasish.layers.Dropout(0.2, seed=1),
            kerasish.layers.Dense(1),
        ]
    )
    model.compile(kerasish.optimizers.Adam(0.05), "mse")
    return model


X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = X @ np.float32([[1.0], [-2.0], [0.5], [0.0]])


def test_it_is_listed_and_makes_tensors(toy):
    assert "toy" in registry.available_backends()
    x = kerasish.ops.ones((2, 3))
    assert isinstance(x, Cell)
    assert toy.shape_of(x) == (2, 3)


def test_dispatch_finds_the_owner_of_a_tensor_wherever_it_is(toy):
    x = toy.asarray(np.float32([1.0, -1.0]), dtype="float32", device=None)
    with kerasish.use_backend("native"):
        assert isinstance(kerasish.ops.relu(x), Cell)
        assert isinstance(kerasish.ops.stack([x, x]), Cell)
        assert isinstance(kerasish.ops.where(np.array([True, False]), x, 0.0), Cell)


def test_two_engines_do_not_mix(toy):
    with kerasish.use_backend(kerasish.testing.register_strict()):
        other = kerasish.ops.ones((2,))
    with pytest.raises(EngineMismatchError, match=r"toy.*strict|strict.*toy"):
        kerasish.ops.add(kerasish.ops.ones((2,)), other)


def test_it_trains_the_same_model(toy):
    model = small_model()
    losses = model.fit(X, Y, epochs=4, batch_size=8, verbose=0, shuffle=False).history["loss"]
    with kerasish.use_backend("native"):
        expected = small_model().fit(X, Y, epochs=4, batch_size=8, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(losses, expected, 1e-5)
    assert losses[-1] < losses[0] / 2


def test_engines_agree_on_it():
    with kerasish.use_backend("native"):
        model = small_model()
    kerasish.testing.register_strict()
    before = model.get_weights()
    assert_backends_agree(model, X, Y, backends=["native", "toy", "strict"])
    for one, two in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)
    assert model.engine.name == "native"


def test_disagreement_is_reported():
    with kerasish.use_backend("native"):
        model = small_model()
    toy = registry.get_engine("toy")
    correct = toy.primitives["matmul"]
    toy.primitives["matmul"] = lambda a, b, /: correct(a, toy.primitives["multiply"](b, 1.01))
    try:
        with pytest.raises(AssertionError, match="output 0: toy and native"):
            assert_backends_agree(model, X, Y, backends=["native", "toy"])
    finally:
        toy.primitives["matmul"] = correct


def test_an_engine_that_is_not_there():
    registry.register_engine(
        EngineInfo("absent", "nowhere:build", ("no_such_module_here",), "pip install nowhere")
    )
    try:
        with pytest.raises(BackendNotInstalledError, match="pip install nowhere"):
            kerasish.set_backend("absent")
        with pytest.raises(UnknownBackendError, match="did you mean 'toy'"):
            kerasish.set_backend("toyy")
    finally:
        del registry._extra["absent"]
