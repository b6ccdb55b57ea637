"""What a layer demands of its inputs, and the check."""

from __future__ import annotations

from typing import Any

from kerasish.core import shapes, trees
from kerasish.core.convert import dtype_of, shape_of
from kerasish.core.errors import DTypeError, ShapeError
from kerasish.core.symbolic import SymbolicTensor


class InputSpec:
    """Rank, shape and dtype that an input must have; None leaves a thing open.

    Args:
        dtype: A dtype name.
        shape: Sizes, None for any.
        ndim: Exact number of axes.
        max_ndim: Largest number of axes.
        min_ndim: Smallest number of axes.
        axes: Size required of single axes, by index.
        allow_last_axis_squeeze: Whether an extra last axis of size 1 is accepted.
        name: Key of the input in a dict.

    Example:
        >>> InputSpec(ndim=4, axes={-1: 3}).axes
        {-1: 3}
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}
        sizes = {**dict(enumerate(self.shape or ())), **self.axes}
        self._sizes = [(axis, size) for axis, size in sizes.items() if size is not None]
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def __repr__(self) -> str:
        facts = {k: v for k, v in vars(self).items() if v not in (None, {}, False) and k != "_sizes"}
        return f"InputSpec({', '.join(f'{k}={v}' for k, v in facts.items())})"

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {k: v for k, v in vars(self).items() if k not in ("optional", "_sizes")}

    def check(self, x: Any, where: str | None = None) -> None:
        """Raise ShapeError or DTypeError unless `x` meets the demand."""
        if x is None:
            if self.optional:
                return
            raise ShapeError("An input is missing.", where=where, expected="a tensor", received="None")
        shape = x.shape if isinstance(x, SymbolicTensor) else shapes.opened(shape_of(x))
        rank = len(shape)
        wanted = self._rank_demand(rank)
        if wanted:
            if isinstance(x, type) or callable(getattr(x, "call", None)):
                raise DTypeError(
                    "A layer was called on a layer instead of on a tensor.",
                    where=where,
                    received=repr(x),
                    hint="put layers into a Sequential([...]), or call them one by one: y = second(first(x))",
                )
            raise ShapeError(
                "The input has the wrong number of axes.",
                where=where,
                expected=wanted,
                received=f"{rank} axes, shape {shape}",
                hint=_rank_hint(rank, self.ndim or self.min_ndim or 0),
            )
        if self.dtype is not None and dtype_of(x) != self.dtype:
            raise DTypeError(
                "The input has the wrong dtype.", where=where, expected=self.dtype, received=dtype_of(x)
            )
        if self.shape is not None and self.allow_last_axis_squeeze and rank == len(self.shape) + 1:
            shape = shape[:-1]
        for axis, size in self._sizes:
            if shape[axis] is not None and shape[axis] != size:
                raise ShapeError(
                    f"Axis {axis} of the input has the wrong size.",
                    where=where,
                    expected=f"{size}" if self.shape is None else f"shape {self.shape}",
                    received=f"shape {shape}",
                    hint="check the data against Input(shape=...); a model keeps the sizes it was built with",
                )

    def _rank_demand(self, rank: int) -> str | None:
        if self.ndim is not None and rank != self.ndim:
            squeezable = self.allow_last_axis_squeeze and rank == self.ndim + 1
            return None if squeezable else f"{self.ndim} axes"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes"
        return None


def _rank_hint(rank: int, wanted: int) -> str:
    if rank == wanted - 1:
        return "add the missing axis: x[None] for one sample, x[..., None] for one channel"
    if rank > wanted:
        return "flatten or reshape first, e.g. with a Flatten layer"
    return "reshape the input"


def check_inputs(specs: Any, inputs: Any, where: str | None = None) -> None:
    """Check a tree of inputs against a spec or a list of specs."""
    if specs.__class__ is InputSpec and inputs.__class__ not in (list, tuple, dict):
        specs.check(inputs, where)
        return
    wanted = [specs] if isinstance(specs, InputSpec) else trees.flatten(specs)
    if isinstance(inputs, dict) and isinstance(specs, InputSpec) and specs.name is None:
        raise ShapeError(
            "This layer takes one tensor, not a dict.",
            where=where,
            received=f"keys {list(inputs)}",
            hint="pass one of the dict's tensors, or join them with Concatenate",
        )
    if isinstance(inputs, dict) and all(spec.name in inputs for spec in wanted):
        given = [inputs[spec.name] for spec in wanted]
    else:
        given = trees.flatten(inputs)
    if len(given) != len(wanted):
        raise ShapeError(
            "The number of inputs is wrong.",
            where=where,
            expected=f"{len(wanted)} input tensor(s)",
            received=f"{len(given)}",
        )
    for spec, x in zip(wanted, given, strict=True):
        if spec is not None:
            spec.check(x, where)
