"""`rearrange`: reshapes and transpositions written as "b (h w) c -> b h w c"."""

from __future__ import annotations

import functools
import re
from typing import Any

from kerasish.core import primitives as p
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.dispatch import op
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.ops.fastpath import operand

__all__ = ["rearrange"]

Groups = tuple[tuple[str, ...], ...]


def _groups(side: str, pattern: str) -> Groups:
    groups: list[tuple[str, ...]] = []
    for inner, single in re.findall(r"\(([^()]*)\)|([^\s()]+)", side):
        groups.append(tuple(inner.split()) if single == "" else (single,))
    names = [n for g in groups for n in g]
    bad = [n for n in names if not (n.isidentifier() or n in ("1", "..."))]
    if bad or side.count("(") != side.count(")") or ("..." in names and ("...",) not in groups):
        raise ArgumentError(
            "The pattern cannot be read.", expected="names, 1, ... and (groups)", received=pattern
        )
    return tuple(groups)


@functools.lru_cache(maxsize=512)
def _parse(pattern: str, rank: int) -> tuple[Groups, Groups]:
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ArgumentError("The pattern needs '->'.", received=pattern)
    sides = []
    before = _groups(left, pattern)
    extra = rank - len(before) + 1 if ("...",) in before else 0
    for groups in (before, _groups(right, pattern)):
        full: list[tuple[str, ...]] = []
        for group in groups:
            full.extend([(f"_{i}",) for i in range(extra)] if group == ("...",) else [group])
        sides.append(tuple(full))
    one, two = ([n for g in side for n in g if n != "1"] for side in sides)
    if sorted(one) != sorted(two) or len(set(one)) != len(one):
        raise ArgumentError(
            "Both sides of the pattern must hold the same names, once each.", received=pattern
        )
    if len(sides[0]) != rank:
        raise ShapeError("The pattern does not fit the tensor.", expected=f"{rank} axes", received=pattern)
    return sides[0], sides[1]


def _sizes(group: tuple[str, ...], size: int, given: dict[str, int]) -> dict[str, int]:
    names = [n for n in group if n != "1"]
    open_ = [n for n in names if n not in given]
    known = shapes.size_of(given[n] for n in names if n in given)
    if len(open_) > 1:
        raise ArgumentError("The size of a group's axes is not determined.", expected=f"sizes of {open_[1:]}")
    found = {n: given[n] for n in names if n in given}
    fits = not shapes.is_known(size) or (known and size % known == 0 if open_ else size == known)
    if not fits:
        raise ShapeError(
            "The sizes of a group do not fit its axis.", expected=f"{known} in {size}", received=group
        )
    return found | dict.fromkeys(open_, size // known)


@op
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Tensor:
    """The tensor reshaped and transposed as `pattern` says, in the notation of einops.

    Args:
        tensor: Any tensor.
        pattern: "axes before -> axes after"; (a b) is one axis made of two, 1 an axis of size 1, ... all the others.
        **axes_lengths: Sizes of axes that the shape leaves open.

    Raises:
        ArgumentError: The pattern cannot be read, or leaves a size open.
        ShapeError: It does not fit the tensor.

    Example:
        >>> rearrange([[1, 2, 3, 4]], "b (h w) -> b w h", w=2).tolist()
        [[[1, 3], [2, 4]]]
    """
    x = operand(tensor)
    before, after = _parse(pattern, len(shape_of(x)))
    sizes: dict[str, int] = {}
    for group, size in zip(before, shape_of(x), strict=True):
        sizes |= _sizes(group, size, axes_lengths)
    unknown = set(axes_lengths) - set(sizes)
    if unknown:
        raise ArgumentError("A size is given for no axis of the pattern.", received=sorted(unknown))
    one = [n for group in before for n in group if n != "1"]
    two = [n for group in after for n in group if n != "1"]
    x = p.reshape(x, shape=tuple(sizes[n] for n in one))
    x = p.transpose(x, axes=tuple(one.index(n) for n in two))
    return p.reshape(x, shape=tuple(shapes.size_of(sizes[n] for n in group if n != "1") for group in after))
