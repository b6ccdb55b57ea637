"""Activation functions. Each is one definition; NaN goes in and comes out of all of them.

Gradients at a kink (relu at 0, elu at 0 ...) are those of the left side; relu6's is 0 at both.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from kerasish.core import primitives as p
from kerasish.core.contract import Engine, Tensor
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.dispatch import op, overridable
from kerasish.core.errors import ShapeError
from kerasish.core.operators import OPERATIONS
from kerasish.core.primitive import explain
from kerasish.core.registry import TABLE
from kerasish.core.shapes import axis_index, axis_tuple, is_known, show
from kerasish.ops.fastpath import KINDS, counting, floats, numbers, tensor_of, unary

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
    "threshold",
]

F = TypeVar("F", bound=Callable[..., Any])

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _launch(
    name: str, engine: Engine, body: Callable[..., Tensor], where: str, x: Tensor, **keywords: Any
) -> Tensor:
    """The engine's override of `name`, else the composite `body`."""
    override = engine.overrides.get(name)
    if override is not None:
        try:
            result = override(x, **keywords)
        except Exception as error:
            raise explain(name, engine, (x,), keywords, error, body).at(where) from None
        if result is not NotImplemented:
            return result
    return body(x, **keywords)


def _overridden(composite: Callable[..., Tensor], kinds: str = "f") -> Callable[[F], F]:
    """Make a public operation of one tensor; dtypes of `kinds` go straight to the override, or the composite."""
    accepted = frozenset(kinds)
    name = composite.__name__.lstrip("_")
    body = composite.composite  # type: ignore[attr-defined]

    def decorate(function: F) -> F:
        general = op(function)
        where = f"ops.{function.__name__}"

        @functools.wraps(function)
        def call(x: Tensor) -> Tensor:
            engine = tensor_of(x, accepted)
            return general(x) if engine is None else _launch(name, engine, body, where, x)

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def _overridden_over_axis(composite: Callable[..., Tensor]) -> Callable[[F], F]:
    """The same for an operation of a float tensor and an axis, handed on as `axis=(axis,)`."""
    accepted = frozenset("f")
    name = composite.__name__.lstrip("_")
    body = composite.composite  # type: ignore[attr-defined]

    def decorate(function: F) -> F:
        general = op(function)
        where = f"ops.{function.__name__}"

        @functools.wraps(function)
        def call(x: Tensor, axis: Any = -1) -> Tensor:
            engine = tensor_of(x, accepted)
            if engine is None or axis.__class__ is not int:
                return general(x, axis)
            rank = len(engine.shape_of(x))
            if not -rank <= axis < rank:
                return general(x, axis)
            return _launch(name, engine, body, where, x, axis=(axis % rank,))

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def _ready(x: Any) -> Tensor:
    """`x` as a float tensor; a few lookups where it is one already."""
    engine = TABLE.get(x.__class__)
    if engine is not None and KINDS.get(x.dtype) == "f":
        return x
    return floats(x)


# -- rectifiers ------------------------------------------------------------------------------------------------------


@overridable
def _relu(x: Tensor, /) -> Tensor:
    """max(x, 0); override name "relu". The gradient at 0 is 0 (that of `maximum` would be shared with the zero)."""
    return p.where(p.less_equal(x, 0), 0, x)


@_overridden(_relu, "fiu")
def relu(x: Any) -> Tensor:
    """max(x, 0). Integers stay integers. Shape: any -> same.

    Example:
        >>> relu([-1.0, 0.0, 2.0]).tolist()
        [0.0, 0.0, 2.0]
    """
    return _relu(numbers(x))


@overridable
def _relu6(x: Tensor, /) -> Tensor:
    """min(max(x, 0), 6); override name "relu6". The gradient at 0 and at 6 is 0."""
    return p.where(p.greater_equal(x, 6.0), 6.0, _relu(x))


@_overridden(_relu6)
def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6). Shape: any -> same.

    Example:
        >>> relu6([-1.0, 2.0, 8.0]).tolist()
        [0.0, 2.0, 6.0]
    """
    return _relu6(floats(x))


@overridable
def _leaky_relu(x: Tensor, /, *, negative_slope: float) -> Tensor:
    """x where x > 0, else negative_slope·x; override name "leaky_relu"."""
    return p.where(p.greater(x, 0.0), x, p.multiply(x, negative_slope))


@op
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x where x > 0, else negative_slope·x. Shape: any -> same.

    Example:
        >>> leaky_relu([-2.0, 3.0], negative_slope=0.5).tolist()
        [-1.0, 3.0]
    """
    return _leaky_relu(_ready(x), negative_slope=float(negative_slope))


@op
def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x where x > threshold, else default_value. Shape: any -> same.

    Example:
        >>> threshold([1.0, 2.0, 3.0], 2.0, 0.0).tolist()
        [0.0, 0.0, 3.0]
    """
    x = _ready(x)
    return p.where(p.less_equal(x, float(threshold)), float(default_value), x)


# -- exponential units -----------------------------------------------------------------------------------------------


@overridable
def _elu(x: Tensor, /, *, alpha: float) -> Tensor:
    """x where x > 0, else alpha·(e^x − 1); override name "elu"."""
    positive = p.greater(x, 0.0)
    below = p.expm1(
        p.where(positive, 0.0, x)
    )  # the untaken branch must not overflow: inf · 0 is NaN in gradients
    return p.where(positive, x, below if alpha == 1.0 else p.multiply(below, alpha))


@op
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha·(e^x − 1). Shape: any -> same.

    Example:
        >>> elu([0.0, 3.0]).tolist()
        [0.0, 3.0]
    """
    return _elu(_ready(x), alpha=float(alpha))


@overridable
def _selu(x: Tensor, /) -> Tensor:
    """1.0507… · elu(x, 1.6733…); override name "selu"."""
    return p.multiply(_elu(x, alpha=_SELU_ALPHA), _SELU_SCALE)


@_overridden(_selu)
def selu(x: Any) -> Tensor:
    """scale · elu(x, alpha) with alpha = 1.67326324, scale = 1.05070098 (Klambauer et al. 2017). Shape: any -> same.

    Example:
        >>> selu([0.0]).tolist()
        [0.0]
    """
    return _selu(floats(x))


@overridable
def _celu(x: Tensor, /, *, alpha: float) -> Tensor:
    """x where x > 0, else alpha·(e^(x/alpha) − 1); override name "celu"."""
    positive = p.greater(x, 0.0)
    below = p.multiply(p.expm1(p.divide(p.where(positive, 0.0, x), alpha)), alpha)
    return p.where(positive, x, below)


@op
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha·(e^(x/alpha) − 1). Shape: any -> same.

    Example:
        >>> celu([0.0, 3.0]).tolist()
        [0.0, 3.0]
    """
    return _celu(_ready(x), alpha=float(alpha))


# -- sigmoids --------------------------------------------------------------------------------------------------------


@unary("sigmoid")
def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e^−x). Shape: any -> same.

    Example:
        >>> sigmoid([0.0]).tolist()
        [0.5]
    """
    return p.sigmoid(floats(x))


@overridable
def _softplus(x: Tensor, /) -> Tensor:
    """ln(1 + e^x); override name "softplus"."""
    positive = p.greater(x, 0.0)
    tail = p.log1p(p.exp(p.where(positive, p.negative(x), x)))
    return p.where(positive, p.add(x, tail), tail)


@_overridden(_softplus)
def softplus(x: Any) -> Tensor:
    """ln(1 + e^x), without overflow. Shape: any -> same.

    Example:
        >>> round(float(softplus(0.0)), 4)
        0.6931
    """
    return _softplus(floats(x))


@overridable
def _log_sigmoid(x: Tensor, /) -> Tensor:
    """ln sigmoid(x) = −softplus(−x); override name "log_sigmoid"."""
    return p.negative(_softplus(p.negative(x)))


@_overridden(_log_sigmoid)
def log_sigmoid(x: Any) -> Tensor:
    """ln(1 / (1 + e^−x)), without underflow. Shape: any -> same.

    Example:
        >>> round(float(log_sigmoid(0.0)), 4)
        -0.6931
    """
    return _log_sigmoid(floats(x))


@overridable
def _silu(x: Tensor, /) -> Tensor:
    """x · sigmoid(x); override name "silu"."""
    return p.multiply(x, p.sigmoid(x))


@_overridden(_silu)
def silu(x: Any) -> Tensor:
    """x · sigmoid(x), also called swish. Shape: any -> same.

    Example:
        >>> silu([0.0]).tolist()
        [0.0]
    """
    return _silu(floats(x))


swish = silu


@overridable
def _hard_sigmoid(x: Tensor, /) -> Tensor:
    """relu6(x + 3) / 6; override name "hard_sigmoid"."""
    return p.divide(_relu6(p.add(x, 3.0)), 6.0)


@_overridden(_hard_sigmoid)
def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6. Shape: any -> same.

    Example:
        >>> hard_sigmoid([-4.0, 0.0, 4.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return _hard_sigmoid(floats(x))


@overridable
def _hard_silu(x: Tensor, /) -> Tensor:
    """x · hard_sigmoid(x); override name "hard_silu"."""
    return p.multiply(x, _hard_sigmoid(x))


@_overridden(_hard_silu)
def hard_silu(x: Any) -> Tensor:
    """x · relu6(x + 3) / 6, also called hard swish. Shape: any -> same.

    Example:
        >>> hard_silu([-4.0, 0.0, 4.0]).tolist()
        [-0.0, 0.0, 4.0]
    """
    return _hard_silu(floats(x))


hard_swish = hard_silu


@op
def sparse_sigmoid(x: Any) -> Tensor:
    """0 for x <= −1, (x + 1) / 2 between, 1 for x >= 1. Shape: any -> same.

    Example:
        >>> sparse_sigmoid([-2.0, 0.0, 2.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    x = p.add(p.multiply(_ready(x), 0.5), 0.5)
    return p.minimum(p.maximum(x, 0.0), 1.0)


# -- smooth and piecewise --------------------------------------------------------------------------------------------


@overridable
def _gelu(x: Tensor, /, *, approximate: bool) -> Tensor:
    """x · Φ(x), Φ exact by erf or approximated by tanh; override name "gelu"."""
    if approximate:
        inner = p.multiply(
            p.add(x, p.multiply(p.multiply(p.square(x), x), 0.044715)), math.sqrt(2.0 / math.pi)
        )
        gate = p.tanh(inner)
    else:
        gate = p.erf(p.multiply(x, math.sqrt(0.5)))
    return p.multiply(p.multiply(x, 0.5), p.add(gate, 1.0))


@op
def gelu(x: Any, approximate: bool = True) -> Tensor:
    """x · Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016). Shape: any -> same.

    Args:
        x: A tensor.
        approximate: Φ(x) ≈ (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2 instead of the exact one.

    Example:
        >>> gelu([0.0], approximate=False).tolist()
        [0.0]
    """
    return _gelu(_ready(x), approximate=bool(approximate))


@op
def softsign(x: Any) -> Tensor:
    """x / (1 + |x|). Shape: any -> same.

    Example:
        >>> softsign([-1.0, 3.0]).tolist()
        [-0.5, 0.75]
    """
    x = _ready(x)
    return p.divide(x, p.add(p.abs(x), 1.0))


@op
def squareplus(x: Any, b: float = 4) -> Tensor:
    """(x + √(x² + b)) / 2. Shape: any -> same.

    Example:
        >>> squareplus([0.0]).tolist()
        [1.0]
    """
    x = _ready(x)
    return p.multiply(p.add(x, p.sqrt(p.add(p.square(x), float(b)))), 0.5)


@op
def sparse_plus(x: Any) -> Tensor:
    """0 for x <= −1, (x + 1)² / 4 between, x for x >= 1. Shape: any -> same.

    Example:
        >>> sparse_plus([-2.0, 0.0, 2.0]).tolist()
        [0.0, 0.25, 2.0]
    """
    x = _ready(x)
    middle = p.multiply(p.square(p.add(x, 1.0)), 0.25)
    return p.where(p.less_equal(x, -1.0), 0.0, p.where(p.less(x, 1.0), middle, x))


@op
def hard_tanh(x: Any) -> Tensor:
    """min(max(x, −1), 1). Integers stay integers. Shape: any -> same.

    Example:
        >>> hard_tanh([-2.0, 0.5, 2.0]).tolist()
        [-1.0, 0.5, 1.0]
    """
    x = numbers(x)
    if dtype_of(x).startswith("u"):
        return p.minimum(x, 1)
    return p.minimum(p.maximum(x, -1), 1)


@op
def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0. Shape: any -> same.

    Example:
        >>> hard_shrink([-1.0, 0.25, 0.5]).tolist()
        [-1.0, 0.0, 0.0]
    """
    x = _ready(x)
    return p.where(p.less_equal(p.abs(x), float(threshold)), 0.0, x)


@op
def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by threshold, 0 where it would cross. Shape: any -> same.

    Example:
        >>> soft_shrink([-1.0, 0.25, 2.0]).tolist()
        [-0.5, 0.0, 1.5]
    """
    x = _ready(x)
    limit = float(threshold)
    return p.subtract(x, p.minimum(p.maximum(x, -limit), limit))


@op
def tanh_shrink(x: Any) -> Tensor:
    """x − tanh(x). Shape: any -> same.

    Example:
        >>> tanh_shrink([0.0]).tolist()
        [0.0]
    """
    x = _ready(x)
    return p.subtract(x, p.tanh(x))


@op
def glu(x: Any, axis: int = -1) -> Tensor:
    """a · sigmoid(b), a and b the halves of `x` along `axis`. Shape: (..., 2n, ...) -> (..., n, ...).

    Raises:
        ShapeError: The size of `axis` is odd.

    Example:
        >>> glu([4.0, 0.0]).tolist()
        [2.0]
    """
    x = _ready(x)
    shape = shape_of(x)
    axis = axis_index(axis, len(shape))
    size = shape[axis]
    if is_known(size) and size % 2:
        raise ShapeError(
            "glu needs an axis of even size.", expected="an even size", received=f"{show(shape)}, axis {axis}"
        )
    cut = size // 2
    start, stop, step = [0] * len(shape), list(shape), (1,) * len(shape)
    stop[axis] = cut
    first = p.slice(x, start=tuple(start), stop=tuple(stop), step=step)
    start[axis], stop[axis] = cut, size
    second = p.slice(x, start=tuple(start), stop=tuple(stop), step=step)
    return p.multiply(first, p.sigmoid(second))


# -- distributions ---------------------------------------------------------------------------------------------------


@overridable
def _softmax(x: Tensor, /, *, axis: tuple[int, ...]) -> Tensor:
    """e^x / Σ e^x over `axis`; override name "softmax"."""
    shifted = p.exp(p.subtract(x, p.stop_gradient(p.max(x, axis=axis, keepdims=True))))
    return p.divide(shifted, p.sum(shifted, axis=axis, keepdims=True))


@_overridden_over_axis(_softmax)
def softmax(x: Any, axis: int | tuple[int, ...] | None = -1) -> Tensor:
    """e^x / Σ e^x over `axis` (an axis, several, or None for all). Shape: any -> same.

    A row that holds NaN or +inf, or nothing but −inf, gives NaN.

    Example:
        >>> softmax([1.0, 1.0]).tolist()
        [0.5, 0.5]
    """
    x = floats(x)
    return _softmax(x, axis=axis_tuple(axis, len(shape_of(x))))


@overridable
def _log_softmax(x: Tensor, /, *, axis: tuple[int, ...]) -> Tensor:
    """x − ln Σ e^x over `axis`; override name "log_softmax"."""
    shifted = p.subtract(x, p.stop_gradient(p.max(x, axis=axis, keepdims=True)))
    return p.subtract(shifted, p.log(p.sum(p.exp(shifted), axis=axis, keepdims=True)))


@_overridden_over_axis(_log_softmax)
def log_softmax(x: Any, axis: int | tuple[int, ...] | None = -1) -> Tensor:
    """ln softmax(x) over `axis`, without underflow. Shape: any -> same.

    Example:
        >>> [round(v, 4) for v in log_softmax([1.0, 1.0]).tolist()]
        [-0.6931, -0.6931]
    """
    x = floats(x)
    return _log_softmax(x, axis=axis_tuple(axis, len(shape_of(x))))


@overridable
def _sparsemax(x: Tensor, /, *, axis: int) -> Tensor:
    """Euclidean projection onto the simplex along `axis`; override name "sparsemax"."""
    shape = shape_of(x)
    size = shape[axis]
    descending = p.flip(p.sort(x, axis=axis), axis=(axis,))
    ranks = p.add(counting(x, size, dtype_of(x)), 1.0)
    ranks = p.reshape(ranks, shape=tuple(size if i == axis else 1 for i in range(len(shape))))
    outside = p.less_equal(p.add(p.multiply(descending, ranks), 1.0), p.cumsum(descending, axis=axis))
    support = p.logical_not(outside)  # this way round NaN stays in the sum below and spreads
    count = p.sum(p.cast(support, dtype=dtype_of(x)), axis=(axis,), keepdims=True)
    total = p.sum(p.where(support, descending, 0.0), axis=(axis,), keepdims=True)
    return p.maximum(p.subtract(x, p.divide(p.subtract(total, 1.0), count)), 0.0)


@op
def sparsemax(x: Any, axis: int = -1) -> Tensor:
    """The distribution nearest to `x` in Euclidean distance (Martins and Astudillo 2016). Shape: any -> same.

    Example:
        >>> sparsemax([0.0, 1.0, 1.0]).tolist()
        [0.0, 0.5, 0.5]
    """
    x = _ready(x)
    return _sparsemax(x, axis=axis_index(axis, len(shape_of(x))))
