"""Gradients of functions of tensors and variables.

`fn` takes and returns trees (dicts, lists, tuples) of tensors. With `variables=`, the variables stand for the values
that are differentiated while `fn` runs, and come back unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kerasish.core import dtypes, trees
from kerasish.core import primitives as p
from kerasish.core.context import CallContext, current_call, entered
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, plain, shape_of, tensors
from kerasish.core.errors import ArgumentError, DTypeError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.variable import Variable

__all__ = ["custom_gradient", "grad", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]


@contextmanager
def _standing_for(variables: list[Variable], values: Sequence[Tensor]) -> Iterator[CallContext]:
    """Variables stand for `values`; everything else of the running call stays true."""
    outer = current_call()
    context = CallContext(training=outer.training if outer else None)
    if outer is not None:
        for name in CallContext.__slots__:
            setattr(context, name, getattr(outer, name))
    context.bindings = dict(outer.bindings or {}) if outer else {}
    context.bindings.update((id(v), value) for v, value in zip(variables, values, strict=True))
    with entered(context):
        yield context


def _differentiable(x: Any, what: str) -> Tensor:
    x = tensors(x)[0]
    if not dtypes.is_float(dtype_of(x)):
        raise DTypeError(
            f"{what} must be floats to be differentiated.",
            received=dtype_of(x),
            hint="ops.cast(x, 'float32')",
        )
    return x


def _scalar(value: Any) -> Tensor:
    value = tensors(value)[0]
    if shape_of(value) != () or not dtypes.is_float(dtype_of(value)):
        raise ShapeError(
            "Only a scalar float can be differentiated.",
            received=f"{dtype_of(value)}{shape_of(value)}",
            hint="sum or average it first",
        )
    return value


def _places(argnums: int | Sequence[int] | None, count: int) -> list[int]:
    if argnums is None:
        return []
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(-count <= n < count for n in numbers):
        raise ArgumentError(
            "`argnums` must name positional arguments.", expected=f"0 to {count - 1}", received=argnums
        )
    return [n % count for n in numbers]


def value_and_grad(
    fn: Function,
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    variables: Any = None,
) -> Function:
    """A function that returns the value of `fn` and its gradients.

    Args:
        fn: Returns a scalar, or (scalar, anything) if `has_aux`.
        argnums: Which positional arguments (trees of floats) to differentiate by; 0 by default, none with `variables`.
        has_aux: Whether `fn` returns something beside the scalar.
        variables: A tree of variables to differentiate by.

    Returns:
        A function with the arguments of `fn` that returns (value, gradients), or ((value, aux), gradients).
        Gradients have the structure of the argument (a tuple of them for several), of `variables`, or are a pair
        (of arguments, of variables) if both are asked for.

    Example:
        >>> value, slope = value_and_grad(lambda x: x * x)(3.0)
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    bound: list[Variable] = trees.flatten(variables) if variables is not None else []
    if not all(isinstance(v, Variable) for v in bound):
        raise ArgumentError("`variables` must hold variables.", where="ops.value_and_grad", received=bound)
    chosen = 0 if argnums is None and variables is None else argnums

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        places = _places(chosen, len(args))
        given = [args[n] for n in places]
        inputs = tensors(
            *(
                _differentiable(x, f"Argument {n}")
                for n, arg in zip(places, given, strict=True)
                for x in _leaves(arg)
            ),
            *(_differentiable(v.value, v.path) for v in bound),
        )
        count = len(inputs) - len(bound)

        def run(*values: Tensor) -> tuple[Tensor, Any]:
            leaves = iter(values[:count])
            replaced = list(args)
            for n, arg in zip(places, given, strict=True):
                replaced[n] = trees.map_structure(lambda _: next(leaves), arg)
            with _standing_for(bound, values[count:]):
                result = fn(*replaced, **kwargs)
            value, aux = result if has_aux else (result, None)
            return _scalar(value), aux

        value, aux, slopes = engine_of(inputs).value_and_grad(run, inputs)
        leaves = iter(slopes)
        by_argument = [trees.map_structure(lambda _: next(leaves), arg) for arg in given]
        grads: Any = by_argument[0] if isinstance(chosen, int) else tuple(by_argument)
        if variables is not None:
            by_variable = trees.map_structure(lambda _: next(leaves), variables)
            grads = by_variable if chosen is None else (grads, by_variable)
        return ((value, aux) if has_aux else value), grads

    return call


def _leaves(tree: Any) -> list[Any]:
    return trees.flatten(tree)


def grad(
    fn: Function,
    argnums: int | Sequence[int] | None = None,
    has_aux: bool = False,
    *,
    variables: Any = None,
) -> Function:
    """A function that returns the gradients of `fn`, or (gradients, aux) if `has_aux`; see `value_and_grad`.

    Example:
        >>> float(grad(lambda x: x * x)(3.0))
        6.0
    """
    both = value_and_grad(fn, argnums, has_aux, variables=variables)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, grads = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return call


def vjp(fn: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(outputs, pullback) of fn(*primals): pullback(cotangents) gives one gradient a primal. With aux a third item.

    Example:
        >>> value, pullback = vjp(lambda x: x * x, 3.0)
        >>> [float(g) for g in pullback(1.0)]
        [6.0]
    """
    inputs = tensors(*(_differentiable(x, "Primals") for x in trees.flatten(list(primals))))
    structure: list[Any] = []

    def run(*values: Tensor) -> tuple[list[Tensor], Any]:
        leaves = iter(values)
        result = fn(*(trees.map_structure(lambda _: next(leaves), x) for x in primals))
        result, aux = result if has_aux else (result, None)
        structure[:] = [result]
        return tensors(*trees.flatten(result)), aux

    outputs, aux, pull = engine_of(inputs).vjp(run, inputs)
    result = trees.pack_sequence_as(structure[0], outputs)

    def pullback(cotangents: Any) -> tuple[Any, ...]:
        given = tensors(*trees.flatten(cotangents))
        given = [
            p.cast(c, dtype=dtype_of(y)) if dtype_of(c) != dtype_of(y) else c
            for c, y in zip(given, outputs, strict=True)
        ]
        found = [p.multiply(x, 0.0) if g is None else g for g, x in zip(pull(given), inputs, strict=True)]
        leaves = iter(found)
        return tuple(trees.map_structure(lambda _: next(leaves), x) for x in primals)

    return (result, pullback, aux) if has_aux else (result, pullback)


def jvp(fun: Function, primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(outputs, tangents of the outputs) of fun(*primals) in the direction `tangents`. With aux a third item.

    Args:
        fun: The function.
        primals: A list or tuple of arguments (trees of floats).
        tangents: Directions of the same structure.
        has_aux: Whether `fun` returns (outputs, aux).

    Example:
        >>> [float(t) for t in jvp(lambda x: x * x, (3.0,), (1.0,))]
        [9.0, 6.0]
    """
    if not isinstance(primals, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise ArgumentError("`primals` and `tangents` must be lists or tuples.", where="ops.jvp")
    inputs = tensors(*(_differentiable(x, "Primals") for x in trees.flatten(list(primals))))
    directions = tensors(*trees.flatten(list(tangents)))
    if len(directions) != len(inputs):
        raise ArgumentError("One tangent a primal is needed.", expected=len(inputs), received=len(directions))
    directions = [
        t if dtype_of(t) == dtype_of(x) else p.cast(t, dtype=dtype_of(x))
        for t, x in zip(directions, inputs, strict=True)
    ]
    structure: list[Any] = []

    def run(*values: Tensor) -> list[Tensor]:
        leaves = iter(values)
        result = fun(*(trees.map_structure(lambda _: next(leaves), x) for x in primals))
        structure[:] = list(result) if has_aux else [result]
        return tensors(*(x for part in structure for x in trees.flatten(part)))

    outputs, slopes = engine_of(inputs).jvp(run, inputs, directions)
    count = len(trees.flatten(structure[0]))
    result = trees.pack_sequence_as(structure[0], outputs[:count])
    moved = trees.pack_sequence_as(structure[0], slopes[:count])
    if not has_aux:
        return result, moved
    return result, moved, trees.pack_sequence_as(structure[1], outputs[count:])


def custom_gradient(f: Function) -> Function:
    """Make a function's gradient what it says: f(*args) returns (outputs, pullback).

    `pullback(*cotangents)` takes one cotangent an output and returns one gradient an argument of `f`.

    Example:
        >>> @custom_gradient
        ... def doubled(x):
        ...     return x, lambda upstream: upstream * 2
        >>> float(grad(doubled)(3.0))
        2.0
    """

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        inputs = tensors(*trees.flatten(list(map(plain, args))))
        structure: list[Any] = []

        def run(*values: Tensor) -> tuple[list[Tensor], Function]:
            leaves = iter(values)
            result, pullback = f(*(trees.map_structure(lambda _: next(leaves), x) for x in args), **kwargs)
            structure[:] = [result]

            def pull(cotangents: list[Tensor]) -> list[Tensor]:
                found = trees.flatten(pullback(*cotangents))
                pairs = zip(found, values, strict=True)
                return [p.multiply(x, 0.0) if g is None else tensors(g)[0] for g, x in pairs]

            return tensors(*trees.flatten(result)), pull

        outputs = engine_of(inputs).custom_gradient(run, inputs)
        return trees.pack_sequence_as(structure[0], list(outputs))

    return call
