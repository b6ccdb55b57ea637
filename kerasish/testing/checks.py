"""What is asserted of an engine: one function for each table of the conformance kit.

The oracle of values is the host engine in float64, rounded to the dtype in question. Tolerances live in `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes, primitives, trees
from kerasish.core.abstract import spec_of
from kerasish.core.contract import Engine
from kerasish.core.convert import host_cast
from kerasish.core.dispatch import COMPOSITES
from kerasish.core.primitive import RULES
from kerasish.core.registry import host_engine, use_backend
from kerasish.testing.cases import Row
from kerasish.testing.gradient_cases import Gradient
from kerasish.testing.override_cases import Override

#: (dtype, class of operation) -> (relative, absolute). "sum" is everything that adds up many rounded terms.
TOLERANCE = {
    ("float64", "map"): (1e-11, 1e-12),
    ("float32", "map"): (2e-5, 1e-6),
    ("float16", "map"): (3e-3, 1e-3),
    ("bfloat16", "map"): (2e-2, 1e-2),
    ("float64", "sum"): (1e-10, 1e-11),
    ("float32", "sum"): (5e-5, 2e-5),
    ("float16", "sum"): (5e-3, 5e-3),
    ("bfloat16", "sum"): (3e-2, 3e-2),
    ("float64", "slope"): (2e-5, 1e-6),
    ("float64", "fit"): (
        1e-8,
        1e-9,
    ),  # the composite is a fitted polynomial, its slope less exact than its value
    ("float32", "update"): (2e-4, 1e-5),
    ("float64", "update"): (2e-4, 1e-5),  # the rate is float32, and so is what the composite makes of it
}
_SUMS = """
    matmul einsum conv conv_transpose solve triangular_solve cholesky qr svd eigh lu_factor det inv slogdet attention
    fft simple_rnn lstm gru batch_norm_train layer_norm dense
"""
SUMS = frozenset(_SUMS.split())
#: What is a function of dtypes and bits: the host engine in the same dtype is the definition.
BITWISE = frozenset({"cast", "bitcast", "full", "arange", "random_bits", "random_uniform"})


def kind_of(name: str) -> str:
    """The class of an operation in `TOLERANCE`."""
    return "sum" if name in SUMS else "fit" if name == "erfinv" else "map"


def tensor(engine: Engine, x: Any) -> Any:
    """NumPy arrays, also within lists, as tensors of the engine."""
    if isinstance(x, np.ndarray):
        return engine.asarray(x, dtype=dtypes.of_numpy(x.dtype), device=None)
    return [tensor(engine, item) for item in x] if isinstance(x, list) else x


def same(found: np.ndarray, expected: np.ndarray, what: str = "", kind: str = "map") -> None:
    """Equal dtype, shape and values up to rounding; NaN equals NaN, infinities only themselves."""
    assert found.dtype == expected.dtype, what
    assert found.shape == expected.shape, what
    name = dtypes.of_numpy(expected.dtype)
    if dtypes.is_float(name):
        relative, absolute = TOLERANCE[name, kind]
        wide = np.float64
        np.testing.assert_allclose(
            found.astype(wide), expected.astype(wide), relative, absolute, err_msg=what
        )
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)


def parts(result: Any) -> list[Any]:
    """Outputs as a list."""
    return list(result) if isinstance(result, (list, tuple)) else [result]


def widened(x: Any) -> Any:
    """Float arrays, also within lists, as float64."""
    if isinstance(x, list):
        return [widened(item) for item in x]
    if isinstance(x, np.ndarray) and dtypes.is_float(dtypes.of_numpy(x.dtype)):
        return x.astype(np.float64)
    return x


def promised(case: Row) -> list[Any]:
    """Shapes and dtypes of the results by the primitive's rule."""
    specs = spec_of(host_engine(), case.args)
    return parts(RULES[case.name](*specs, **case.keywords))


def reference(case: Row) -> list[np.ndarray]:
    """What the primitive gives in float64 on the host engine, rounded to the dtype that its rule promises."""
    args = case.args if case.name in BITWISE else tuple(widened(x) for x in case.args)
    with use_backend(host_engine()):
        found = parts(host_engine().primitives[case.name](*args, **case.keywords))
    return [host_cast(np.asarray(x), spec.dtype) for x, spec in zip(found, promised(case), strict=True)]


def check_row(engine: Engine, case: Row) -> None:
    """The primitive equals its definition: value, shape and dtype."""
    found = parts(engine.primitives[case.name](*(tensor(engine, x) for x in case.args), **case.keywords))
    expected = reference(case)
    assert len(found) == len(expected)
    for one, two, spec in zip(found, expected, promised(case), strict=True):
        assert engine.is_tensor(one)
        assert engine.dtype_of(one) == spec.dtype
        assert engine.shape_of(one) == tuple(spec.shape) == two.shape
        same(engine.to_numpy(one), two, str(case), kind_of(case.name))


def check_compiled(engine: Engine, case: Row) -> None:
    """The primitive does the same inside a compiled function."""
    positions = [i for i, x in enumerate(case.args) if isinstance(x, (np.ndarray, list))]

    def call(tensors: list[Any]) -> list[Any]:
        args = list(case.args)
        for i, x in zip(positions, tensors, strict=True):
            args[i] = x
        return parts(getattr(primitives, case.name)(*args, **case.keywords))

    found = engine.compile(call)([tensor(engine, case.args[i]) for i in positions])
    for one, two in zip(found, reference(case), strict=True):
        same(engine.to_numpy(one), two, str(case), kind_of(case.name))


def check_gradient(engine: Engine, case: Gradient, *, compiled: bool = True) -> None:
    """`vjp` equals the gradient by hand, or central differences along every input's elements."""
    weights = np.ones(())

    def slopes(xs: list[Any]) -> list[Any]:
        nonlocal weights
        outputs, _, pullback = engine.vjp(lambda *ys: ([case.function(*ys)], None), xs)
        shape = engine.shape_of(outputs[0])
        weights = np.ones(shape)
        if case.expected is None:
            weights = np.cos(np.arange(weights.size)).reshape(shape)
        return pullback([tensor(engine, weights)])

    found = (engine.compile(slopes) if compiled else slopes)([tensor(engine, x) for x in case.inputs])
    expected = case.expected if case.expected is not None else differences(case, weights)
    for x, g, e in zip(case.inputs, found, expected, strict=True):
        got = np.zeros(x.shape) if g is None else engine.to_numpy(g)
        same(got, np.asarray(e, np.float64).reshape(x.shape), str(case), "slope")


def check_eager_gradient(engine: Engine, case: Gradient) -> None:
    """The gradient is right outside of compiled functions, too."""
    check_gradient(engine, case, compiled=False)


def differences(case: Gradient, weights: np.ndarray, step: float = 1e-6) -> list[np.ndarray]:
    """Central differences of Σ weights · function on the host engine, for each element of each input."""

    def value(position: int, moved: np.ndarray) -> float:
        xs = [moved if i == position else x for i, x in enumerate(case.inputs)]
        return float(np.sum(host_engine().to_numpy(case.function(*xs)) * weights))

    result = []
    with use_backend(host_engine()):
        for position, x in enumerate(case.inputs):
            gradient = np.zeros(x.shape)
            for index in np.ndindex(x.shape):
                up, down = x.copy(), x.copy()
                up[index] += step
                down[index] -= step
                gradient[index] = (value(position, up) - value(position, down)) / (2 * step)
            result.append(gradient)
    return result


# -- overrides ---------------------------------------------------------------------------------------------------------
def check_override(engine: Engine, case: Override) -> None:
    """The override equals the composite in value and gradient, compiled."""
    composite, override = COMPOSITES[case.name], engine.overrides[case.name]

    def chosen(*args: Any, **keywords: Any) -> Any:
        result = override(*args, **keywords)
        return composite(*args, **keywords) if result is NotImplemented else result

    found, expected = (differentiated(engine, function, case) for function in (chosen, composite))
    for one, two in zip(found, expected, strict=True):
        assert (one is None) == (two is None), str(case)
        if one is not None and two is not None:
            same(one, two, str(case), kind_of(case.name))


def differentiated(engine: Engine, function: Callable[..., Any], case: Override) -> list[np.ndarray | None]:
    """Outputs of the compiled function, then gradients of a weighted sum of them by all float arguments."""
    args = [tensor(engine, x) for x in case.args]
    leaves = trees.flatten(args)
    places = [i for i, x in enumerate(leaves) if engine.is_tensor(x)]
    floating = [i for i in places if dtypes.is_float(engine.dtype_of(leaves[i]))]

    def call(values: dict[int, Any]) -> list[Any]:
        given = trees.pack_sequence_as(args, [values.get(i, x) for i, x in enumerate(leaves)])
        return trees.flatten(function(*given, **case.keywords))

    def run(xs: list[Any]) -> list[Any]:
        values = dict(zip(places, xs, strict=True))
        if not (case.gradient and floating):
            return call(values)
        outputs, _, pullback = engine.vjp(
            lambda *ys: (call({**values, **dict(zip(floating, ys, strict=True))}), None),
            [values[i] for i in floating],
        )
        return [*outputs, *pullback([cotangent(engine, y) for y in outputs])]

    found = engine.compile(run)([leaves[i] for i in places])
    return [None if x is None else engine.to_numpy(x) for x in found]


def cotangent(engine: Engine, y: Any) -> Any:
    """Fixed numbers of the shape and dtype of `y`."""
    shape = engine.shape_of(y)
    values = np.cos(np.arange(np.prod(shape, dtype=int))).reshape(shape)
    return tensor(engine, values.astype(dtypes.to_numpy(engine.dtype_of(y))))


def check_update(engine: Engine, case: Override) -> None:
    """An optimizer's override, given its state away inside a compiled step, equals the composite."""
    composite, override = COMPOSITES[case.name], engine.overrides[case.name]

    def chosen(*args: Any, **keywords: Any) -> Any:
        result = override(*args, **keywords)
        return composite(*args, **keywords) if result is NotImplemented else result

    def run(function: Callable[..., Any], donate: Sequence[int]) -> list[np.ndarray]:
        def step(state: list[Any]) -> Any:
            return [list(y) for y in function(*state, **case.keywords)]

        compiled = engine.compile(step, donate=tuple(donate))
        return [engine.to_numpy(y) for y in trees.flatten(compiled(tensor(engine, list(case.args))))]

    for one, two in zip(run(chosen, (0,)), run(composite, ()), strict=True):
        same(one, two, str(case), "update")
