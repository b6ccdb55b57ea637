"""Control flow over trees of tensors: branches, loops, scans, maps. It can be traced and differentiated."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import primitives as p
from kerasish.core import shapes, trees
from kerasish.core.contract import Tensor
from kerasish.core.convert import dtype_of, shape_of, tensors, to_tensor
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.registry import engine_of
from kerasish.core.shapes import axis_index
from kerasish.core.symbolic import Operation, has_symbolic, record
from kerasish.ops.arguments import host_int
from kerasish.ops.fastpath import booleans, counting, operand
from kerasish.ops.shaping import sliced

__all__ = [
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "scan",
    "switch",
    "vectorize",
    "vectorized_map",
    "while_loop",
]

Function = Callable[..., Any]


class _Tree:
    """A function of trees as one of flat lists; it remembers the structure of what was returned."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.structure: Any = None

    def flat(self, result: Any) -> list[Tensor]:
        self.structure = result
        return tensors(*trees.flatten(result)) if trees.flatten(result) else []

    def packed(self, leaves: list[Tensor]) -> Any:
        return trees.pack_sequence_as(self.structure, list(leaves))


def _like(leaves: list[Tensor], state: list[Tensor]) -> list[Tensor]:
    """Leaves in the dtypes of the state they replace."""
    if len(leaves) != len(state):
        raise ShapeError(
            "The body changed the structure of its state.", expected=len(state), received=len(leaves)
        )
    return [
        x if dtype_of(x) == dtype_of(old) else p.cast(x, dtype=dtype_of(old))
        for x, old in zip(leaves, state, strict=True)
    ]


def _predicate(value: Any) -> Tensor:
    value = booleans(value)
    if shapes.size_of(shape_of(value)) != 1:
        raise ShapeError("A condition must be a scalar.", received=shapes.show(shape_of(value)))
    return p.reshape(value, shape=()) if shape_of(value) else value


@op
def cond(pred: Any, true_fn: Function, false_fn: Function) -> Any:
    """true_fn() if the scalar `pred` holds, else false_fn(). Both must return the same structure, shapes and dtypes.

    Example:
        >>> float(cond(True, lambda: 1.0, lambda: 2.0))
        1.0
    """
    if isinstance(pred, (bool, np.bool_)):
        return (true_fn if pred else false_fn)()
    yes = _Tree(true_fn)
    found = p.cond(
        _predicate(pred), [], true_fn=lambda: yes.flat(true_fn()), false_fn=lambda: yes.flat(false_fn())
    )
    return yes.packed(found)


@op
def switch(index: Any, branches: Sequence[Function], *operands: Any) -> Any:
    """branches[index](*operands); an index outside is moved to the nearest branch.

    Example:
        >>> float(switch(1, [lambda x: x, lambda x: x * 2], 3.0))
        6.0
    """
    if not branches:
        raise ArgumentError("At least one branch is needed.", received="none")
    if isinstance(index, (int, np.integer)):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    number = p.reshape(operand(index), shape=())

    def choose(low: int) -> Any:
        if low == len(branches) - 1:
            return branches[low](*operands)
        return cond(p.less_equal(number, low), lambda: branches[low](*operands), lambda: choose(low + 1))

    return choose(0)


@op
def while_loop(cond: Function, body: Function, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Repeat loop_vars = body(*loop_vars) while cond(*loop_vars) holds, at most `maximum_iterations` times.

    A list or tuple of loop variables is spread over the arguments; anything else is one argument. Reverse-mode
    gradients need `fori_loop` with known bounds or `scan`.

    Example:
        >>> [int(i) for i in while_loop(lambda i: i < 3, lambda i: (i + 1,), (0,))]
        [3]
    """
    spread = isinstance(loop_vars, (list, tuple))
    state = tensors(*trees.flatten(loop_vars))
    count = len(state)
    limited = maximum_iterations is not None

    def unpack(leaves: Sequence[Tensor]) -> tuple[Any, ...]:
        tree = trees.pack_sequence_as(loop_vars, list(leaves[:count]))
        return tuple(tree) if spread else (tree,)

    def test(*leaves: Tensor) -> Tensor:
        going = _predicate(cond(*unpack(leaves)))
        return p.logical_and(going, p.less(leaves[count], int(maximum_iterations or 0))) if limited else going

    def step(*leaves: Tensor) -> list[Tensor]:
        result = body(*unpack(leaves))
        if spread and not isinstance(result, (list, tuple)):
            result = (result,)
        after = _like(tensors(*trees.flatten(result)), list(leaves[:count]))
        return [*after, p.add(leaves[count], 1)] if limited else after

    start = [*state, to_tensor(np.int32(0), engine_of(state))] if limited else state
    found = p.while_loop(start, cond_fn=test, body_fn=step)
    return trees.pack_sequence_as(loop_vars, list(found[:count]))


@op
def fori_loop(lower: Any, upper: Any, body_fun: Function, init_val: Any) -> Any:
    """val = body_fun(i, val) for i from `lower` to `upper` − 1. With numbers as bounds it can be differentiated.

    Example:
        >>> float(fori_loop(0, 3, lambda i, x: x * 2.0, 1.0))
        8.0
    """
    state = tensors(*trees.flatten(init_val))
    if isinstance(lower, int) and isinstance(upper, int):
        length = max(upper - lower, 0)
        numbers = p.add(counting(state[0], length), lower)

        def step(carry: list[Tensor], x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            result = body_fun(x[0], trees.pack_sequence_as(init_val, carry))
            return _like(tensors(*trees.flatten(result)), carry), []

        found, _ = p.scan(state, [numbers], fn=step, length=length, reverse=False)
        return trees.pack_sequence_as(init_val, list(found))
    first, last = (p.cast(operand(b), dtype="int32") for b in (lower, upper))
    _, result = while_loop(
        lambda i, _: p.less(i, last), lambda i, val: (p.add(i, 1), body_fun(i, val)), (first, init_val)
    )
    return result


def _length(xs: list[Tensor], length: Any) -> int:
    sizes = [shape_of(x)[0] if shape_of(x) else None for x in xs]
    if None in sizes:
        raise ShapeError("Scalars have no axis to run along.", received="a scalar in `xs`")
    known = [s for s in sizes if s is not None]
    if length is not None:
        known.append(host_int(length, "length"))
    if not known:
        raise ArgumentError("Without `xs`, `length` must be given.", received="length=None")
    if not all(shapes.compatible(known[0], s) for s in known):
        raise ShapeError("All of `xs` need one length.", expected=length or known[0], received=known)
    return known[0]


@op
def scan(
    f: Function, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, unroll: Any = 1
) -> Any:
    """carry, y = f(carry, x) for x along axis 0 of `xs`: the last carry, and the ys stacked.

    Args:
        f: (carry, x) -> (carry, y); the carry keeps structure, shapes and dtypes; y may be None.
        init: The first carry.
        xs: A tree of tensors of one length, or None.
        length: The number of steps, needed without `xs`.
        reverse: Run from the last to the first; ys keep their places.
        unroll: Accepted for Keras' sake.

    Example:
        >>> last, sums = scan(lambda c, x: (c + x, c + x), 0, [1, 2, 3])
        >>> int(last), sums.tolist()
        (6, [1, 3, 6])
    """
    if xs is not None and not isinstance(xs, dict) and not _is_tree_of_tensors(xs):
        xs = operand(xs)  # a plain list of numbers is one tensor
    leaves = tensors(*trees.flatten((init, xs if xs is not None else [])))
    count = len(trees.flatten(init))
    state, rows = leaves[:count], leaves[count:]
    steps = _length(rows, length)
    outputs = _Tree(f)

    def step(carry: list[Tensor], x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        packed = None if xs is None else trees.pack_sequence_as(xs, list(x))
        result = f(trees.pack_sequence_as(init, list(carry)), packed)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise ArgumentError(
                "The function of a scan must return (carry, y).", received=type(result).__name__
            )
        after, y = result
        outputs.structure = y
        ys = [] if y is None else outputs.flat(y)
        return _like(tensors(*trees.flatten(after)), list(carry)), ys

    carry, ys = p.scan(state, rows, fn=step, length=steps, reverse=bool(reverse))
    last = trees.pack_sequence_as(init, list(carry))
    return last, None if outputs.structure is None else outputs.packed(ys)


def _is_tree_of_tensors(xs: Any) -> bool:
    """Whether a list or tuple is a structure of tensors rather than nested numbers."""
    if not isinstance(xs, (list, tuple)):
        return True
    return not all(isinstance(x, (int, float)) for x in trees.flatten(xs))


@op
def map(f: Function, xs: Any) -> Any:
    """f of each slice along axis 0 of `xs` (a tree of tensors), stacked; one after the other.

    Example:
        >>> map(lambda x: x + 1, [1, 2]).tolist()
        [2, 3]
    """
    _, found = scan(lambda carry, x: (carry, f(x)), (), xs)
    return found


@op
def vectorized_map(function: Function, elements: Any) -> Any:
    """`function` of each slice along axis 0 of `elements` (a tree of tensors), stacked; all at once.

    Example:
        >>> vectorized_map(lambda x: x + 1, np.array([1, 2])).tolist()
        [2, 3]
    """
    if not _is_tree_of_tensors(elements):
        elements = operand(elements)
    inputs = tensors(*trees.flatten(elements))
    _length(inputs, None)
    outputs = _Tree(function)

    def run(*leaves: Tensor) -> list[Tensor]:
        return outputs.flat(function(trees.pack_sequence_as(elements, list(leaves))))

    found = engine_of(inputs).vectorize(run, inputs)
    return outputs.packed(found)


@op
def associative_scan(f: Function, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running combinations y_i = f(y_{i−1}, x_i) of an associative f, in log₂ n steps.

    Args:
        f: (a, b) -> c over trees like `elems`, elementwise along `axis`.
        elems: A tree of tensors of one length along `axis`.
        reverse: Combine from the end.
        axis: The axis.

    Example:
        >>> associative_scan(lambda a, b: a + b, np.array([1, 2, 3])).tolist()
        [1, 3, 6]
    """
    if not _is_tree_of_tensors(elems):
        elems = operand(elems)
    leaves = tensors(*trees.flatten(elems))
    places = [axis_index(axis, len(shape_of(x))) for x in leaves]
    if reverse:
        leaves = [p.flip(x, axis=(a,)) for x, a in zip(leaves, places, strict=True)]
    size = shape_of(leaves[0])[places[0]]
    if not shapes.is_known(size):
        return trees.pack_sequence_as(elems, leaves)

    def part(start: int, stop: int) -> list[Tensor]:
        return [sliced(x, a, start, stop) for x, a in zip(leaves, places, strict=True)]

    distance = 1
    while distance < size:  # each round doubles how far back an element reaches (Hillis and Steele, 1986)
        before, here = (
            trees.pack_sequence_as(elems, part(*r)) for r in ((0, size - distance), (distance, size))
        )
        joined = tensors(*trees.flatten(f(before, here)))
        untouched = part(0, distance)
        leaves = [p.concatenate([u, j], axis=a) for u, j, a in zip(untouched, joined, places, strict=True)]
        distance *= 2
    if reverse:
        leaves = [p.flip(x, axis=(a,)) for x, a in zip(leaves, places, strict=True)]
    return trees.pack_sequence_as(elems, leaves)


# -- vectorize -----------------------------------------------------------------------------------------------


def _signature(text: str | None, count: int) -> tuple[list[list[str]], list[list[str]] | None]:
    if text is None:
        return [[] for _ in range(count)], None
    sides = text.replace(" ", "").split("->")
    groups = [[[n for n in g.split(",") if n] for g in re.findall(r"\(([^()]*)\)", side)] for side in sides]
    if len(sides) != 2 or len(groups[0]) != count:
        raise ArgumentError(
            "The signature does not fit.", expected=f"{count} groups such as (n)", received=text
        )
    return groups[0], groups[1]


def vectorize(pyfunc: Function, *, excluded: Any = None, signature: str | None = None) -> Function:
    """A function of scalars (or of small tensors named by `signature`) as one of whole tensors, which broadcast.

    Args:
        pyfunc: The function.
        excluded: Numbers and names of arguments that are passed on as they are.
        signature: Such as "(n),(n)->()": the axes a single call takes and returns.

    Example:
        >>> vectorize(lambda a, b: a + b)([1, 2], 10).tolist()
        [11, 12]
    """
    skipped = set(excluded or ())

    def run(*args: Any, **kwargs: Any) -> Any:
        mapped = [i for i in range(len(args)) if i not in skipped]
        xs = tensors(*(args[i] for i in mapped))
        cores, _ = _signature(signature, len(xs))
        splits = [len(shape_of(x)) - len(core) for x, core in zip(xs, cores, strict=True)]
        if any(s < 0 for s in splits):
            raise ShapeError("An argument has fewer axes than its signature.", expected=signature)
        loop = shapes.broadcast(*(shape_of(x)[:s] for x, s in zip(xs, splits, strict=True)))
        rows = shapes.size_of(loop)
        flat = []
        for x, s in zip(xs, splits, strict=True):
            core = shape_of(x)[s:]
            flat.append(p.reshape(p.broadcast_to(x, shape=(*loop, *core)), shape=(rows, *core)))
        outputs = _Tree(pyfunc)

        def once(*values: Tensor) -> list[Tensor]:
            full = list(args)
            for i, value in zip(mapped, values, strict=True):
                full[i] = value
            return outputs.flat(pyfunc(*full, **kwargs))

        found = engine_of(flat).vectorize(once, flat)
        return outputs.packed([p.reshape(y, shape=(*loop, *shape_of(y)[1:])) for y in found])

    operation = Operation("vectorize", run)

    @functools.wraps(pyfunc)
    def call(*args: Any, **kwargs: Any) -> Any:
        return record(operation, args, kwargs) if has_symbolic((args, kwargs)) else run(*args, **kwargs)

    return call
