"""Rows of the gradient table: a function of primitives, by hand at ties and kinks, else against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kerasish.core import dtypes
from kerasish.core import primitives as p
from kerasish.core.registry import engine_of
from kerasish.testing.cases import CONVOLUTIONS, POOLS, SPD, UNARY_FLOAT, array, normal


class Gradient(NamedTuple):
    """A function over primitives whose gradient is compared with `expected`, or with central differences."""

    name: str
    function: Callable[..., Any]
    inputs: list[np.ndarray]
    expected: list[Any] | None = None

    def __str__(self) -> str:
        return self.name


def like(x: Any, host: np.ndarray) -> Any:
    """Host data on the engine of `x`."""
    return engine_of((x,)).asarray(host, dtype=dtypes.of_numpy(host.dtype), device=None)


D = "float64"
NO_PADS = ((0, 0), (0, 0))


def _reduce(name: str, axis: tuple[int, ...] = (0,)) -> Callable[[Any], Any]:
    return lambda x: getattr(p, name)(x, axis=axis, keepdims=False)


def _outputs(index: int, function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *xs: function(*xs)[index]


INDICES = array([[0], [2], [0]], "int32")
GRADIENTS = [
    # rules for ties and special points, by hand (the cotangent is all ones)
    Gradient("max_shares_ties", _reduce("max"), [array([3, 1, 3, 3], D)], [[1 / 3, 0, 1 / 3, 1 / 3]]),
    Gradient("min_shares_ties", _reduce("min"), [array([1, 1, 3], D)], [[0.5, 0.5, 0]]),
    Gradient("max_two_axes", _reduce("max", (0, 1)), [array([[3, 1], [3, 0]], D)], [[[0.5, 0], [0.5, 0]]]),
    Gradient(
        "max_pool_first_of_ties",
        lambda x: p.max_pool(x, window=(2, 2), strides=(2, 2), pads=NO_PADS),
        [array(np.ones((1, 2, 4, 1)), D)],
        [[[[[1], [0], [1], [0]], [[0], [0], [0], [0]]]]],
    ),
    Gradient(
        "max_pool_large_window_first_of_ties",
        lambda x: p.max_pool(x, window=(6, 6), strides=(6, 6), pads=NO_PADS),
        [array(np.ones((1, 6, 6, 1)), D)],
        [np.eye(1, 36).reshape(1, 6, 6, 1)],
    ),
    Gradient("maximum_shares_ties", lambda x: p.maximum(x, 1.0), [array([1, 0, 3], D)], [[0.5, 0, 1]]),
    Gradient(
        "minimum_shares_ties",
        p.minimum,
        [array([[1, 0]], D), array([[1], [2]], D)],
        [[[0.5 + 1, 2]], [[0.5], [0]]],
    ),
    Gradient("prod_with_zero", _reduce("prod"), [array([2, 0, 3], D)], [[0, 6, 0]]),
    Gradient("prod_with_zeros", _reduce("prod"), [array([0, 0, 3], D)], [[0, 0, 0]]),
    Gradient("cumprod_with_zero", lambda x: p.cumprod(x, axis=0), [array([2, 0, 3], D)], [[1, 8, 0]]),
    Gradient("stop_gradient", lambda x: p.multiply(p.stop_gradient(x), x), [array([2.0], D)], [[2.0]]),
    Gradient("abs_at_zero", p.abs, [array([0.0, -2.0], D)], [[0.0, -1.0]]),
    Gradient("power_at_zero", lambda x: p.power(x, 2.0), [array([0.0, -3.0], D)], [[0.0, -6.0]]),
    Gradient(
        "cast_round_trip", lambda x: p.cast(p.cast(x, dtype="float32"), dtype=D), [array([1.5], D)], [[1.0]]
    ),
    Gradient(
        "take_duplicates",
        lambda x: p.take(x, like(x, array([1, 1, 0], "int32")), axis=0),
        [array([1, 2, 3], D)],
        [[1, 2, 0]],
    ),
    Gradient(
        "scatter_update_duplicates",
        lambda x, u: p.scatter_update(x, like(x, INDICES), u),
        [array([1, 2, 3], D), array([4, 5, 6], D)],
        [[0, 1, 0], [0, 1, 1]],
    ),
    Gradient(
        "where_nan_branch", lambda x: p.where(p.greater(x, 0.0), x, 0.0), [array([-1.0, 2.0], D)], [[0, 1]]
    ),
    # all others against central differences
    *(
        Gradient(name, getattr(p, name), [array([0.3, 0.7], D)])
        for name in UNARY_FLOAT
        if name not in ("arccosh", "isfinite", "isnan", "isinf")
    ),
    Gradient("arccosh", p.arccosh, [array([1.3, 2.7], D)]),
    *(
        Gradient(name, getattr(p, name), [array([[0.3, 1.7]], D), array([[1.2], [0.6]], D)])
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "power",
            "maximum",
            "minimum",
            "arctan2",
            "remainder",
        )
    ),
    Gradient("sort", lambda x: p.sort(x, axis=0), [array([3, 1, 2], D)]),
    Gradient("top_k", lambda x: p.top_k(x, k=2)[0], [array([3, 1, 2], D)]),
    Gradient("cumsum", lambda x: p.cumsum(x, axis=1), [normal(2, 3, dtype=D)]),
    Gradient("cumprod", lambda x: p.cumprod(x, axis=1), [normal(2, 3, dtype=D)]),
    Gradient(
        "concatenate",
        lambda x, y: p.concatenate([x, y], axis=0),
        [normal(2, 2, dtype=D), normal(1, 2, dtype=D)],
    ),
    Gradient("pad", lambda x: p.pad(x, pads=((1, 0), (0, 2)), value=3.0), [normal(2, 2, dtype=D)]),
    Gradient("slice", lambda x: p.slice(x, start=(0, 1), stop=(3, 4), step=(2, 1)), [normal(3, 4, dtype=D)]),
    Gradient("flip", lambda x: p.flip(x, axis=(0, 1)), [normal(3, 4, dtype=D)]),
    Gradient("broadcast_to", lambda x: p.broadcast_to(x, shape=(2, 3, 2)), [normal(3, 1, dtype=D)]),
    Gradient(
        "take_along_axis",
        lambda x: p.take_along_axis(x, like(x, array([[1, 1], [0, 2]], "int32")), axis=1),
        [normal(2, 3, dtype=D)],
    ),
    Gradient("gather_nd", lambda x: p.gather_nd(x, like(x, INDICES)), [normal(3, 2, dtype=D)]),
    Gradient(
        "scatter_add",
        lambda x, u: p.scatter_add(x, like(x, INDICES), u),
        [normal(3, dtype=D), normal(3, dtype=D)],
    ),
    Gradient(
        "scatter_max",
        lambda x, u: p.scatter_max(x, like(x, INDICES), u),
        [normal(3, dtype=D), normal(3, dtype=D)],
    ),
    Gradient(
        "dynamic_slice",
        lambda x: p.dynamic_slice(x, like(x, array([1, 9], "int32")), sizes=(2, 1)),
        [normal(3, 2, dtype=D)],
    ),
    Gradient(
        "dynamic_update_slice",
        lambda x, u: p.dynamic_update_slice(x, u, like(x, array([1, 9], "int32"))),
        [normal(3, 2, dtype=D), normal(2, 1, dtype=D)],
    ),
    Gradient("matmul", p.matmul, [normal(2, 3, 4, dtype=D), normal(4, 2, dtype=D)]),
    Gradient(
        "einsum",
        lambda x, y: p.einsum(x, y, subscripts="bij,kj->bk"),
        [normal(2, 3, 4, dtype=D), normal(2, 4, dtype=D)],
    ),
    Gradient("cholesky", lambda x: p.cholesky(p.add(x, p.transpose(x, axes=(0, 2, 1)))), [SPD]),
    Gradient("solve", p.solve, [SPD, normal(2, 3, 2, dtype=D)]),
    Gradient("qr", _outputs(1, p.qr), [normal(3, 3, dtype=D)]),
    Gradient("svd", _outputs(1, p.svd), [normal(3, 3, dtype=D)]),
    Gradient("eigh", lambda x: p.eigh(p.add(x, p.transpose(x, axes=(1, 0))))[0], [normal(3, 3, dtype=D)]),
    *(
        Gradient(
            f"conv_{len(spatial)}d_{groups}_groups_{strides}",
            lambda x, k, o=(strides, pads, dilation, groups): p.conv(
                x, k, strides=o[0], pads=o[1], dilation=o[2], groups=o[3]
            ),
            [normal(1, *spatial, 4, dtype=D), normal(*window, 4 // groups, 4, dtype=D)],
        )
        for spatial, window, strides, pads, dilation, groups in CONVOLUTIONS[:5]
    ),
    Gradient(
        "conv_transpose",
        lambda x, k: p.conv_transpose(
            x, k, strides=(2, 1), pads=((1, 0), (0, 1)), dilation=(1, 1), groups=2, spatial=(5, 3)
        ),
        [normal(1, 3, 3, 4, dtype=D), normal(2, 2, 1, 4, dtype=D)],
    ),
    *(
        Gradient(
            f"{name}_{window}",
            lambda x, n=name, w=window, s=strides, q=pads: getattr(p, n)(x, window=w, strides=s, pads=q),
            [normal(1, *spatial, 2, dtype=D)],
        )
        for name in ("max_pool", "avg_pool")
        for spatial, window, strides, pads in POOLS
    ),
]
