"""A model of rounding: noise as large as what an honest engine's arithmetic may do to a step.

The reference computes without rounding. Run again with this noise in every step, forwards and backwards, it shows how
far results may lie from it (Monte Carlo arithmetic: Parker, "Monte Carlo arithmetic", 1997). The noise of a step:

* results are rounded: u·|y|, u the unit roundoff of the declared dtype;
* sums of n terms t are added up one after the other in the worst case: partial sums are rounded, which gives about
  u·√n·|y| where terms have one sign, and √n times the effect of moving each term by u where they cancel
  (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019);
* plain sums, forwards (means, variances) and backwards (what was repeated), are allowed what they would need if all
  terms had one sign; and twice what adding them up one after the other costs, in their dtype: where many terms are
  equal, as squared deviations behind a ReLU and cotangents before a mean are, their roundings all go the same way;
* bounded functions (tanh, erf, sin ...) are computed to an absolute accuracy.

Sums of 16-bit floats are taken as accumulated in float32.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasish.core import dtypes

_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

#: Forwards these give back elements of their operands.
_MOVING = """
    abs broadcast_to ceil concatenate dynamic_slice dynamic_update_slice flip floor full gather_nd max max_pool maximum
    min minimum negative pad random_uniform reshape round scatter_max scatter_update sign slice sort stop_gradient take
    take_along_axis top_k transpose trunc where arange bitcast
"""
_EXACT = frozenset(_MOVING.split())
#: Matrix products and their kin.
PRODUCTS = frozenset({"matmul", "einsum", "conv", "conv_transpose"})
_LINALG = frozenset({"solve", "triangular_solve", "cholesky", "qr", "svd", "eigh", "lu_factor"})
#: Many terms to an element.
_SUMS = PRODUCTS | _LINALG | {"sum", "prod", "cumsum", "cumprod", "avg_pool", "scatter_add"}
#: Backwards, these are plain sums where an operand was repeated.
_LINEAR = frozenset({"add", "subtract", "multiply", "broadcast_to", "take", "take_along_axis", "gather_nd"})
#: Backwards, these add up the cotangent itself where an operand was repeated.
_REPEATING = frozenset({"add", "subtract", "broadcast_to"})
#: Values or slopes of at most about 1, accurate to an absolute error.
_BOUNDED = frozenset({"tanh", "sigmoid", "erf", "sin", "cos", "arctan", "arctan2"})
#: Computed to a few units by vectorised approximations.
_FUNCTIONS = """
    exp expm1 log log1p power tan tanh sinh cosh arcsinh arccosh arctanh arcsin arccos arctan erf sigmoid rsqrt
"""
_APPROXIMATE = frozenset(_FUNCTIONS.split())
#: How much larger the error of sums may be than that of moving each term, over √n. Convolutions may be computed in a
#: transformed domain (Winograd), which costs accuracy.
_GAIN = {"conv": 1.5, "conv_transpose": 1.5}
_GRADIENT = "gradient of "


@dataclasses.dataclass(frozen=True)
class Step:
    """A computed step of the reference: name, function, arguments, results, their declared dtypes, keywords."""

    name: str
    run: Callable[..., list[Any]]
    arguments: list[np.ndarray]
    given: list[str]
    results: list[Any]
    promised: list[str]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def unit(dtype: str) -> float:
    """The unit roundoff of a float dtype: half the distance from 1 to the next number.

    Example:
        >>> unit("float32") == 2.0**-24
        True
    """
    return _UNIT[dtype]


def bare(name: str) -> str:
    """The primitive's name, without "gradient of"."""
    return name.removeprefix(_GRADIENT)


def disturbed(step: Step, noise: np.random.Generator) -> list[Any]:
    """The step's results with rounding noise."""
    base = bare(step.name)
    backward = base != step.name
    if not any(dtypes.is_float(dtype) for dtype in step.promised):
        return step.results
    if base == "cast" or (not backward and base in _EXACT):
        return _recast(step, noise) if base == "cast" else step.results
    work = _work(base, step)
    summing = base in _SUMS or (backward and any(_terms(work, y) > 1 for y in step.results))
    moved = _moved(step, noise, everything=base in _SUMS) if summing else step.results
    same_sign = summing and base in (_LINEAR if backward else {"sum"})
    absolute = step.run(*map(_absolute, step.arguments)) if same_sign else [None] * len(moved)
    noisy = [
        y
        if y is None or not dtypes.is_float(dtype)
        else _noisy(step, base, backward, y, m, a, dtype, work, noise)
        for y, m, a, dtype in zip(step.results, moved, absolute, step.promised, strict=True)
    ]
    return [
        y if terms is None else y + 2.0 * noise.uniform(-1.0, 1.0, y.shape) * _drift(step, *terms, y.shape)
        for y, terms in zip(noisy, _plain_sums(step), strict=True)
    ]


def _plain_sums(step: Step) -> list[tuple[np.ndarray, tuple[int, ...]] | None]:
    """For each result the terms, and the axes over which they are added up; None where nothing is."""
    if step.name == "sum":
        return [(step.arguments[0], step.options["axis"])]
    if bare(step.name) == step.name or bare(step.name) not in _REPEATING:
        return [None] * len(step.results)
    terms = step.arguments[-1]  # the cotangent
    return [
        None if y is None or y.shape == terms.shape else (terms, _repeated(terms, y)) for y in step.results
    ]


def _repeated(terms: np.ndarray, y: np.ndarray) -> tuple[int, ...]:
    """The axes along which broadcasting repeated an operand of the shape of `y`."""
    new = terms.ndim - y.ndim
    return tuple(i for i, size in enumerate(terms.shape) if i < new or y.shape[i - new] != size)


def _drift(step: Step, x: np.ndarray, axes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The error of sums whose terms are added up one after the other."""
    narrow = np.dtype("float64" if "float64" in step.given else "float32")
    kept = [i for i in range(x.ndim) if i not in axes]
    with np.errstate(all="ignore"):
        terms = np.transpose(x, (*axes, *kept)).reshape(-1, *(x.shape[i] for i in kept)).astype(narrow)
        total = np.zeros(terms.shape[1:]) if not len(terms) else np.add.accumulate(terms, axis=0)[-1]
        drift = total - terms.sum(axis=0, dtype=np.float64)
    return np.where(np.isfinite(drift), drift, 0.0).reshape(shape)


def _absolute(x: np.ndarray) -> np.ndarray:
    return np.abs(x) if x.dtype.kind == "f" else x


def _recast(step: Step, noise: np.random.Generator) -> list[Any]:
    """Casts round where they narrow."""
    return [
        _jittered(y, unit(to), noise)
        if y is not None and dtypes.is_float(to) and dtypes.is_float(of) and unit(to) > unit(of)
        else y
        for y, of, to in zip(step.results, step.given, step.promised, strict=False)
    ]


def _noisy(
    step: Step,
    base: str,
    backward: bool,
    y: np.ndarray,
    moved: np.ndarray,
    absolute: np.ndarray | None,
    dtype: str,
    work: float,
    noise: np.random.Generator,
) -> np.ndarray:
    u, sums = unit(dtype), _sum_unit(dtype)
    n = _terms(work, y)
    size = u * (2.0 if base in _APPROXIMATE else 1.0) + 0.5 * sums * math.sqrt(n) * (n > 1)
    magnitude = np.abs(y)
    if absolute is not None:
        magnitude = np.abs(absolute)
    if base in _BOUNDED:
        floor = np.abs(step.arguments[-1]) if backward and step.arguments[-1].shape == y.shape else 1.0
        magnitude = np.maximum(magnitude, floor)
    with np.errstate(all="ignore"):
        result = y + size * magnitude * noise.uniform(-1.0, 1.0, y.shape)
        if moved is not y:
            result = result + _GAIN.get(base, 0.6) * math.sqrt(n) * (moved - y)
    return np.where(np.isfinite(y), result, y)


def _moved(step: Step, noise: np.random.Generator, *, everything: bool) -> list[Any]:
    """The results for arguments moved by one rounding each; else only the last, the cotangent, is moved."""
    last = len(step.arguments) - 1
    arguments = [
        _jittered(a, _sum_unit(dtype), noise) if dtypes.is_float(dtype) and (everything or i == last) else a
        for i, (a, dtype) in enumerate(zip(step.arguments, step.given, strict=True))
    ]
    return step.run(*arguments)


def _jittered(x: np.ndarray, u: float, noise: np.random.Generator) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.where(np.isfinite(x), x * (1.0 + u * noise.uniform(-1.0, 1.0, x.shape)), x)


def _sum_unit(dtype: str) -> float:
    return _UNIT["float64" if dtype == "float64" else "float32"]


def _work(base: str, step: Step) -> float:
    """About how many terms are added up in all, over the whole result."""
    sizes = [np.size(x) for x in (*step.arguments, *step.results) if x is not None]
    if base in PRODUCTS and len(step.arguments) > 1:
        # (m·k)(k·n)(m·n) = (m·k·n)²: the same for the product and for both of its gradients.
        operands = [np.size(x) for x in (*step.arguments, *(step.results if base == step.name else []))]
        return math.sqrt(math.prod(float(s) for s in operands[:3]))
    if base in _LINALG:
        return float(max(sizes)) * max((max(x.shape[-2:], default=1) for x in step.arguments), default=1)
    return float(max(sizes, default=1))


def _terms(work: float, y: Any) -> float:
    return 1.0 if y is None else max(1.0, work / max(1, np.size(y)))


def shortened(x: Any, bits: int) -> Any:
    """Floats rounded to `bits` bits after the leading one: 10 for TF32 and float16, 7 for bfloat16.

    Example:
        >>> float(shortened(np.array(1.0 + 2.0**-12), 10))
        1.0
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return x
    fraction, exponent = np.frexp(x)
    scale = 2.0 ** (bits + 1)
    return np.ldexp(np.round(fraction * scale) / scale, exponent)
