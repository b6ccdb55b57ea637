"""What is asserted of a public operation: value, symbolic shape, gradient, compiled call, no retrace."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasish import ops
from kerasish.core import dtypes, trees
from kerasish.core import primitives as p
from kerasish.core.contract import Engine
from kerasish.core.convert import host_cast
from kerasish.core.registry import host_engine, use_backend
from kerasish.core.symbolic import SymbolicTensor
from kerasish.testing.checks import SUMS, cotangent, kind_of, parts, same, tensor, widened
from kerasish.testing.op_cases import Call

#: Operations made of many rounded terms, beyond the primitives of that kind.
_SUMS = SUMS | {"separable_conv", "depthwise_conv", "dot_product_attention", "tensordot", "norm"}


def run(case: Call, arrays: dict[int, Any]) -> list[Any]:
    """Outputs of the operation with some of its arguments replaced."""
    args = [arrays.get(i, x) for i, x in enumerate(case.args)]
    return parts(getattr(ops, case.name)(*args, **case.keywords))


def places(case: Call) -> list[int]:
    """Where the arrays (or lists of arrays) are."""
    return [i for i, x in enumerate(case.args) if isinstance(x, np.ndarray) or _is_list(x)]


def _is_list(x: Any) -> bool:
    return isinstance(x, list) and isinstance(x[0], np.ndarray)


def check_operation(engine: Engine, case: Call) -> None:
    """All of it."""
    found = run(case, {i: tensor(engine, case.args[i]) for i in places(case)})
    symbols = check_symbolic(engine, case, found)
    with use_backend(host_engine()):
        expected = run(case, {i: widened(case.args[i]) for i in places(case)})
    arrays = [host_cast(np.asarray(x), s.dtype) for x, s in zip(expected, symbols, strict=True)]
    kind = "sum" if case.name in _SUMS else kind_of(case.name)
    for one, two in zip(found, arrays, strict=True):
        same(engine.to_numpy(one), two, str(case), kind)
    check_compiled_twice(engine, case, arrays, kind)
    if case.gradient:
        check_slope(engine, case)


def check_symbolic(engine: Engine, case: Call, found: list[Any]) -> list[SymbolicTensor]:
    """On symbolic tensors shapes and dtypes are those of the eager call, also with an unknown first axis."""

    def symbol(i: int, unknown: bool) -> Any:
        def one(x: np.ndarray) -> SymbolicTensor:
            shape = (None, *x.shape[1:]) if unknown and i in case.batch else x.shape
            return SymbolicTensor(shape, dtypes.of_numpy(x.dtype))

        return trees.map_structure(one, case.args[i])

    known = run(case, {i: symbol(i, False) for i in places(case)})
    opened = run(case, {i: symbol(i, True) for i in places(case)})
    for y, s, o in zip(found, known, opened, strict=True):
        assert s.shape == engine.shape_of(y), f"{case}: inferred {s.shape}"
        assert s.dtype == o.dtype == engine.dtype_of(y), f"{case}: inferred {s.dtype}"
        assert len(o.shape) == len(s.shape)
        assert all(a is None or a == b for a, b in zip(o.shape, s.shape, strict=True)), (
            f"{case}: inferred {o.shape}"
        )
    return known


def check_compiled_twice(engine: Engine, case: Call, expected: list[np.ndarray], kind: str) -> None:
    """A compiled call gives the same, and its second call traces nothing."""
    traces = []
    at = places(case)

    def fn(xs: list[Any]) -> list[Any]:
        traces.append(any(engine.is_traced(x) for x in trees.flatten(xs)))
        return run(case, dict(zip(at, xs, strict=True)))

    compiled = engine.compile(fn)
    inputs = [tensor(engine, case.args[i]) for i in at]
    compiled(inputs)
    before = len(traces)
    for one, two in zip(compiled(inputs), expected, strict=True):
        same(engine.to_numpy(one), two, str(case), kind)
    assert len(traces) == before or not any(traces), f"{case}: the second call was traced again"


def check_slope(engine: Engine, case: Call) -> None:
    """The gradient along one random direction in float64 is the central difference there."""
    arrays = {i: widened(case.args[i]) for i in places(case)}
    leaves = trees.flatten(list(arrays.values()))
    moving = [i for i, x in enumerate(leaves) if x.dtype == np.float64]
    directions = {i: np.random.default_rng(i).normal(size=leaves[i].shape) for i in moving}

    def value(on: Engine, values: list[Any]) -> Any:
        given = trees.pack_sequence_as(list(arrays.values()), values)
        total = None
        for y in run(case, dict(zip(arrays, given, strict=True))):
            if not dtypes.is_float(on.dtype_of(y)):
                continue
            axes = tuple(range(len(on.shape_of(y))))
            term = p.sum(p.multiply(y, cotangent(on, y)), axis=axes, keepdims=False)
            total = term if total is None else p.add(total, term)
        return total

    def objective(*floats: Any) -> Any:
        values = [tensor(engine, x) for x in leaves]
        for i, x in zip(moving, floats, strict=True):
            values[i] = x
        return value(engine, values), None

    # Compiled, because engines that compile would do so with each operation of an eager gradient.
    gradients = engine.compile(lambda xs: engine.value_and_grad(objective, xs)[2])
    found = gradients([tensor(engine, leaves[i]) for i in moving])
    slope = sum(float((engine.to_numpy(g) * directions[i]).sum()) for i, g in zip(moving, found, strict=True))
    ends = []
    with use_backend(host_engine()):
        for step in (1e-6, -1e-6):
            moved = [x + step * directions[i] if i in directions else x for i, x in enumerate(leaves)]
            ends.append(float(host_engine().to_numpy(value(host_engine(), moved))))
    same(np.float64(slope), np.float64((ends[0] - ends[1]) / 2e-6), str(case), "slope")
