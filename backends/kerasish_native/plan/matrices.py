"""Lowerings of products: transposed, sliced and broadcast operands are strides to the kernel."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from kerasish_native.plan.builder import EPILOGUES, Builder, Entry, lowers
from kerasish_native.plan.fusion import Group, middle_sum
from kerasish_native.plan.views import View, broadcast, reshaped, whole
from kerasish_native.trace import Node

_MOST_BATCH_AXES = 6


def _product(builder: Builder, a: View, b: View, c: View) -> Entry:
    """c = a b over the last two axes, batch axes already equal."""
    batch = math.prod(c.shape[:-2])
    m, n, k = c.shape[-2], c.shape[-1], a.shape[-1]
    label = f"matmul {'' if batch == 1 else f'{batch}×'}({m}×{k})({k}×{n})"
    entry = Entry(label, [a.buffer, b.buffer], [c.buffer], lambda: None, 2 * batch * m * n * k)
    views = builder.program_view

    def make(epilogue: Any) -> Any:
        return builder.kernels.matmul_step(views(a), views(b), views(c), epilogue)

    return builder.with_epilogue(entry, make)


def _batched(x: View, batch: tuple[int, ...]) -> View:
    return broadcast(x, (*batch, *x.shape[-2:]))


@lowers("matmul")
def _matmul(builder: Builder, node: Node) -> Entry | None:
    a, b = (builder.view(x) for x in node.args)
    c = builder.view(node.outputs[0])
    if len(a.shape) < 2 or len(b.shape) < 2 or len(c.shape) - 2 > _MOST_BATCH_AXES:
        return None
    batch = c.shape[:-2]
    flat = _as_one_matrix(a, b, c)
    return _product(builder, *(flat or (_batched(a, batch), _batched(b, batch), c)))


def _as_one_matrix(a: View, b: View, c: View) -> tuple[View, View, View] | None:
    """Rows of all batch entries as rows of one product, where the second operand is the same for all."""
    if len(b.shape) != 2 or len(a.shape) == 2:
        return None
    rows = reshaped(a, (math.prod(a.shape[:-1]), a.shape[-1]))
    return None if rows is None else (rows, b, whole(c.buffer, (rows.shape[0], c.shape[-1])))


@lowers("einsum")
def _einsum(builder: Builder, node: Node) -> Entry | None:
    if len(node.args) != 2 or "." in node.keywords["subscripts"]:
        return None
    left, result = node.keywords["subscripts"].replace(" ", "").split("->")
    names = left.split(",")
    if any(len(set(n)) != len(n) for n in (*names, result)):
        return None
    views = dict(zip(names, (builder.view(x) for x in node.args), strict=False))
    if len(views) != 2:
        return None
    found = _einsum_views(names[0], names[1], result, views, builder.view(node.outputs[0]))
    return None if found is None else _product(builder, *found)


def _einsum_views(
    left: str, right: str, result: str, views: dict[str, View], c: View
) -> tuple[View, View, View] | None:
    """Operands and result as (batch..., m, k)(batch..., k, n) = (batch..., m, n); None: no strides can say that."""
    a, b = views[left], views[right]
    if any(
        x not in result and x not in (right if i == 0 else left)
        for i, s in enumerate((left, right))
        for x in s
    ):
        return None
    batch = [x for x in result if x in left and x in right]
    inner = [x for x in left if x in right and x not in result]
    m = [x for x in result if x in left and x not in right]
    n = [x for x in result if x in right and x not in left]
    sizes = {x: s for name, v in ((left, a), (right, b)) for x, s in zip(name, v.shape, strict=True)}
    if any(sizes[x] != s for name, v in ((left, a), (right, b)) for x, s in zip(name, v.shape, strict=True)):
        return None
    for moved in range(len(m) + 1):  # axes of m that no single stride walks become batch axes
        lead, rows = batch + m[:moved], m[moved:]
        a3 = _grouped(left, a, sizes, lead, rows, inner)
        b3 = _grouped(right, b, sizes, lead, inner, n)
        c3 = _grouped(result, c, sizes, lead, rows, n)
        if a3 and b3 and c3 and len(lead) <= _MOST_BATCH_AXES and 1 in c3.strides[-2:]:
            return a3, b3, c3
    return None


def _grouped(
    name: str, view: View, sizes: dict[str, int], batch: list[str], rows: list[str], columns: list[str]
) -> View | None:
    """The view as (batch..., rows, columns), absent axes with stride 0; None where rows or columns need two strides."""
    strides = dict(zip(name, view.strides, strict=True))
    parts = []
    for axes in (rows, columns):
        have = [x for x in axes if sizes[x] != 1]
        for x, y in itertools.pairwise(have):
            if strides[x] != sizes[y] * strides[y]:
                return None
        parts.append((math.prod([sizes[x] for x in axes]), strides[have[-1]] if have else 1))
    shape = (*[sizes[x] for x in batch], parts[0][0], parts[1][0])
    return replace(view, shape=shape, strides=(*[strides.get(x, 0) for x in batch], parts[0][1], parts[1][1]))


@lowers("sum")
def _middle_sum(builder: Builder, node: Node) -> Entry | None:
    """A sum over axes in the middle, as a product with a row of ones."""
    axes = tuple(a for a in node.keywords["axis"] if node.args[0].shape[a] != 1)
    found = middle_sum(builder.view(node.args[0]), axes)
    if found is None:
        return None
    x, batch = found
    one = builder.one(x.dtype)
    ones = View(one, (*x.shape[:batch], 1, x.shape[-2]), (0,) * (batch + 2))
    c = whole(builder.view(node.outputs[0]).buffer, (*x.shape[:batch], 1, x.shape[-1]))
    return _product(builder, ones, x, c)


def _matrix(builder: Builder, node: Node, _: Group) -> tuple[int, int] | None:
    """The result of a product without batch axes."""
    a, b = (builder.view(x) for x in node.args)
    c = builder.view(node.outputs[0])
    if len(a.shape) == 2 and len(b.shape) == 2:
        return c.shape[0], c.shape[1]
    if len(a.shape) < 2 or len(b.shape) < 2:
        return None
    flat = _as_one_matrix(a, b, c)
    return None if flat is None else (flat[2].shape[0], flat[2].shape[1])


EPILOGUES["matmul"] = _matrix
