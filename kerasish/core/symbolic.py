"""Symbolic tensors of the Functional API, and how calling something on them records a node.

The graph lives in the tensors (`tensor.node -> inputs`), not in the layers: it is collected when they die.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from kerasish.core import dtypes, shapes, trees
from kerasish.core.abstract import AbstractTensor
from kerasish.core.context import abstract_call
from kerasish.core.errors import TraceError
from kerasish.core.operators import TensorOperators
from kerasish.core.registry import TABLE


class SymbolicTensor(TensorOperators):
    """A tensor of a model under construction: shape (None where unknown), dtype, and the node that produces it.

    Args:
        shape: Sizes, None where not known.
        dtype: A dtype name.
        name: A label for summaries and errors.

    Example:
        >>> import kerasish
        >>> y = kerasish.layers.Dense(2)(kerasish.Input((3,)))
        >>> y.shape, y.dtype
        ((None, 2), 'float32')
    """

    __slots__ = ("__weakref__", "dtype", "index", "mask", "name", "node", "shape", "sparse")

    def __init__(self, shape: Sequence[int | None], dtype: str = "float32", name: str | None = None) -> None:
        self.shape: shapes.OpenShape = tuple(None if s is None else int(s) for s in shape)
        self.dtype = dtypes.canonical(dtype)
        self.name = name or "tensor"
        self.node: Node | None = None
        self.index = 0
        self.mask: AbstractTensor | None = None  # what the layer that made it says of its time steps
        self.sparse = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            self._no_value()
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def _no_value(self, *_: object, **__: object) -> NoReturn:
        raise TraceError(
            "A symbolic tensor (made by Input) has no values yet.",
            where=self.name,
            received=f"shape {self.shape}, dtype {self.dtype}",
            hint="build a Model from it and call that on data; use ops instead of NumPy functions and `if`",
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = numpy = __iter__ = _no_value


TABLE[SymbolicTensor] = None


class Node:
    """One call of an operation or layer on symbolic tensors.

    Attributes:
        operation: The layer, or an `Operation`.
        args, kwargs: What it was called with, symbolic tensors in place.
        inputs: The symbolic tensors among them, in order.
        outputs: What it returned (a tree), as symbolic tensors.
    """

    __slots__ = ("args", "inputs", "kwargs", "operation", "outputs")

    def __init__(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.inputs = [x for x in trees.flatten((args, kwargs)) if isinstance(x, SymbolicTensor)]
        self.outputs: Any = None


class Operation:
    """A function of `kerasish.ops` as the operation of a node."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call it as a user would: on symbolic tensors that records a node."""
        return record(self, args, kwargs)

    def __repr__(self) -> str:
        return f"<ops.{self.name}>"


def has_symbolic(values: Any) -> bool:
    """Whether a symbolic tensor is anywhere in a tree."""
    return any(isinstance(x, SymbolicTensor) for x in trees.flatten(values))


def lower(tree: Any) -> Any:
    """Symbolic tensors of a tree as abstract ones."""
    return trees.map_structure(
        lambda x: AbstractTensor(x.shape, x.dtype) if isinstance(x, SymbolicTensor) else x, tree
    )


def infer(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function` returns, as abstract tensors, for symbolic or abstract arguments."""
    with abstract_call():
        return function(*lower(args), **lower(kwargs))


def lift(node: Node, result: Any, name: str) -> Any:
    """Abstract results as symbolic tensors that remember `node`."""
    count = 0

    def one(x: Any) -> Any:
        nonlocal count
        if not isinstance(x, AbstractTensor):
            return x
        tensor = SymbolicTensor(shapes.opened(x.shape), x.dtype, name)
        tensor.node, tensor.index = node, count
        count += 1
        return tensor

    node.outputs = trees.map_structure(one, result)
    return node.outputs


def record(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call an operation of `kerasish.ops` on symbolic tensors: infer its result and record one node."""
    result = infer(operation.function, *args, **kwargs)
    return lift(Node(operation, args, kwargs), result, operation.name)
