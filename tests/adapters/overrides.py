"""Overrides equal their composites, in value and in gradient, on inputs that try the corners."""

from typing import Any, NamedTuple

import numpy as np

import kerasish.ops  # noqa: F401  declares the composites
from kerasish.core import dtypes
from kerasish.core.dispatch import COMPOSITES
from tests.adapters.table import array, normal, same, tensor


class Case(NamedTuple):
    """Arguments of one composite; gradients are compared with respect to its float tensors."""

    name: str
    args: tuple[Any, ...]
    keywords: dict[str, Any] = {}
    gradient: bool = True

    def __str__(self) -> str:
        shown = [x.dtype.name if isinstance(x, np.ndarray) else str(type(x)) for x in self.args]
        return f"{self.name}-{'-'.join(shown)}-{self.keywords}"


SIGNED = array([[-30.0, -1.5, -0.25, 0.0], [0.5, 2.0, 5.0, 30.0]])
SMOOTH = array([-30.0, -1.5, 0.5, 2.0, 5.0, 30.0])
SPECIAL = array([np.nan, np.inf, -np.inf, 0.0])
LOGITS = normal(2, 3, 4)
LABELS = array([[0, 3, 1], [2, 2, 0]], "int32")
PROBABILITIES = array(np.full((2, 3, 4), 0.25) * np.arange(1, 4)[:, None])

CASES = [
    *(
        Case(name, (array(x, dtype),), keywords, gradient=x is SIGNED)
        for name, keywords in (
            ("leaky_relu", {"negative_slope": 0.2}),
            ("elu", {"alpha": 1.0}),
            ("elu", {"alpha": 0.5}),
            ("selu", {}),
            ("softplus", {}),
            ("silu", {}),
            ("gelu", {"approximate": True}),
            ("gelu", {"approximate": False}),
        )
        for x in (SIGNED, SPECIAL)
        for dtype in dtypes.FLOATS
    ),
    # At a kink the override may differ from the composite: maximum(x, 0) shares the gradient at 0, relu's is 0 there.
    *(Case(name, (array(SMOOTH, dtype),)) for name in ("relu", "relu6") for dtype in dtypes.FLOATS),
    Case("relu", (SPECIAL,), gradient=False),
    Case("relu", (array([-2, 0, 3], "int32"),)),
    *(
        Case(name, (array(x, dtype),), {"axis": axis}, gradient=x is LOGITS)
        for name in ("softmax", "log_softmax")
        for x, axis in (
            (LOGITS, (2,)),
            (LOGITS, (1,)),
            (LOGITS, (0, 2)),
            (LOGITS * 1e4, (2,)),
            (SPECIAL, (0,)),
        )
        for dtype in ("float32", "float64", "bfloat16")
    ),
    *(
        Case("mean", (array(x, dtype),), {"axis": axis, "keepdims": keepdims})
        for dtype in dtypes.FLOATS
        for x, axis, keepdims in (
            (LOGITS, (0, 2), True),
            (LOGITS, (1,), False),
            (np.ones(4096) * 3, (0,), False),
        )
    ),
    *(
        Case("one_hot", (array([[0, 2], [5, -1]], dtype),), {"num_classes": 3, "axis": axis, "dtype": target})
        for dtype in ("int32", "int64")
        for axis in (0, 2)
        for target in ("float32", "bool", "bfloat16", "int64")
    ),
    Case("stack", ([LOGITS, LOGITS * 2],), {"axis": 1}),
    Case("stack", ([array([1, 2], "int64"), array([3, 4], "int64")],), {"axis": 0}),
    *(
        Case(name, (first, array(LOGITS * size, dtype)))
        for dtype in ("float32", "float64")
        for size in (1, 50)
        for name, first in (
            ("sparse_softmax_cross_entropy", LABELS),
            ("softmax_cross_entropy", array(PROBABILITIES, dtype)),
        )
    ),
]


def flat(args: Any) -> list[Any]:
    return [x for arg in args for x in (arg if isinstance(arg, list) else [arg])]


def check_override(engine: Any, case: Case) -> None:
    """Skips nothing: an engine without the override compares the composite with itself."""
    composite = COMPOSITES[case.name]

    def override(*args: Any, **keywords: Any) -> Any:
        function = engine.overrides.get(case.name)
        result = NotImplemented if function is None else function(*args, **keywords)
        return composite(*args, **keywords) if result is NotImplemented else result

    found, expected = (run(engine, function, case) for function in (override, composite))
    for a, b in zip(found, expected, strict=True):
        same(a, b, str(case))


def run(engine: Any, function: Any, case: Case) -> list[np.ndarray]:
    """Outputs of the compiled function, then the gradients of its float tensors."""

    def flatly(args: list[Any]) -> list[Any]:
        floating = [x for x in flat(args) if engine.is_tensor(x) and dtypes.is_float(engine.dtype_of(x))]

        def call(*xs: Any) -> Any:
            moved = iter(xs)

            def put(x: Any) -> Any:
                if isinstance(x, list):
                    return [put(y) for y in x]
                return next(moved) if any(x is f for f in floating) else x

            result = function(*(put(x) for x in args), **case.keywords)
            return list(result) if isinstance(result, (list, tuple)) else [result]

        if not (case.gradient and floating):
            return call(*floating)
        outputs, _, pullback = engine.vjp(lambda *xs: (call(*xs), None), floating)
        return [*outputs, *pullback([_weights(engine, y) for y in outputs])]

    found = engine.compile(flatly)([tensor(engine, x) for x in case.args])
    return [engine.to_numpy(x) for x in found if x is not None]


def _weights(engine: Any, y: Any) -> Any:
    shape = engine.shape_of(y)
    return tensor(
        engine, array(np.cos(np.arange(np.prod(shape, dtype=int))).reshape(shape), engine.dtype_of(y))
    )
