"""`Variable`: one engine tensor with a name, that optimizers and layers may change."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core.abstract import AbstractTensor
from kerasish.core.config import floatx
from kerasish.core.context import _CALL, engine_outside
from kerasish.core.contract import Engine
from kerasish.core.convert import host_array, host_cast, to_numpy, to_tensor
from kerasish.core.errors import ArgumentError, DTypeError, EngineMismatchError, ShapeError
from kerasish.core.operators import OPERATIONS, TensorOperators
from kerasish.core.primitive import ABSTRACT
from kerasish.core.primitives.elementwise import cast
from kerasish.core.registry import TABLE, current_device, current_engine, host_engine, use_backend


class Structure:
    """Counts changes of what belongs to what and of what is trained: lists derived from it are kept until it moves."""

    version = 0

    @classmethod
    def changed(cls) -> None:
        """Note a change."""
        cls.version += 1


class Variable(TensorOperators):
    """A tensor that can be assigned to.

    Args:
        initializer: A function `(shape, dtype) -> tensor` (run on the host, so that every engine starts from the same
            numbers), or the initial value itself.
        shape: Sizes; needed with a function, read off a value.
        dtype: A dtype name; default the value's, or `floatx()`.
        trainable: Whether gradients are wanted.
        autocast: Whether reading it follows the dtype policy of the layer being called.
        aggregation: How replicas would combine their values: "none", "mean", "sum" or "only_first_replica".
        name: A label, unique within its layer.

    Example:
        >>> v = Variable([1.0, 2.0])
        >>> _ = v.assign([2.0, 3.0])
        >>> v.numpy().tolist()
        [2.0, 3.0]
    """

    __slots__ = (
        "__weakref__",
        "_dtype",
        "_shape",
        "_trainable",
        "_value",
        "aggregation",
        "autocast",
        "constraint",
        "engine",
        "name",
        "overwrite_with_gradient",
        "path",
        "regularizer",
    )

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or "variable"
        self.path = self.name
        self.trainable = bool(trainable)
        self.autocast = autocast
        self.aggregation = aggregation
        self.regularizer: Any = None
        self.constraint: Any = None
        self.overwrite_with_gradient = False
        engine = current_engine()
        if engine is ABSTRACT:  # built while shapes are inferred: the engine in force outside counts
            engine = engine_outside()
        self.engine: Engine = engine
        host = self._initial(initializer, shape, dtype)
        self._shape = tuple(host.shape)
        self._dtype = dtypes.of_numpy(host.dtype)
        self._value = engine.asarray(host, dtype=self._dtype, device=current_device())

    def _initial(self, initializer: Any, shape: Any, dtype: Any) -> np.ndarray:
        if isinstance(initializer, str):  # initializers are made of variables' operations: not imported ahead
            initializer = importlib.import_module("kerasish.initializers").get(initializer)
        if (
            callable(initializer)
            and not isinstance(initializer, (Variable, np.ndarray))
            and TABLE.get(initializer.__class__) is None
        ):
            if shape is None:
                raise ArgumentError("A variable made by an initializer needs `shape`.", where=self.name)
            sizes = _sizes(shape, self.name)
            name = dtypes.canonical(dtype) if dtype is not None else floatx()
            _take_room(math.prod(sizes) * dtypes.bits(name) // 8, self.name, sizes)
            with use_backend(host_engine()), _no_call():
                host = to_numpy(initializer(sizes, dtype=name))
            if host.shape != sizes:
                raise ShapeError(
                    "The initializer returned another shape.",
                    where=self.name,
                    expected=sizes,
                    received=host.shape,
                )
            return host_cast(np.asarray(host), name)
        if isinstance(initializer, (int, float, list, tuple)):
            host = host_array(initializer)
        else:
            with _no_call():  # a slot may start from a variable while a step's shapes are inferred
                host = to_numpy(initializer)
        if dtype is not None:
            host = host_cast(np.asarray(host), dtypes.canonical(dtype))
        if shape is not None and tuple(shape) != host.shape:
            raise ShapeError(
                "The value has another shape.", where=self.name, expected=shape, received=host.shape
            )
        return np.array(host)

    # -- value -----------------------------------------------------------------------------------------------------
    @property
    def value(self) -> Any:
        """The tensor this variable stands for now."""
        call = _CALL.get()
        if call is None:
            return self._value
        if call.abstract:
            dtype = self._dtype
            if call.autocast and self.autocast and dtypes.is_float(dtype):
                dtype = call.autocast
            return AbstractTensor(self._shape, dtype)
        value = self._value
        if call.bindings is not None:
            value = call.bindings.get(id(self), value)
        if call.autocast and self.autocast and call.autocast != self._dtype and dtypes.is_float(self._dtype):
            value = cast(value, dtype=call.autocast)
        return value

    __kerasish_value__ = property(lambda self: lambda: self.value)

    def assign(self, value: Any) -> Any:
        """Replace the value; within a traced step the new value is part of the step's result.

        Raises:
            ShapeError: The shape differs.
        """
        call = _CALL.get()
        if call is not None and call.abstract:
            return value
        tensor = self._convert(value)
        if (
            call is not None
            and call.bindings is not None
            and (call.assigned is not None or id(self) in call.bindings)
        ):
            call.bindings[id(self)] = tensor
            if call.assigned is not None:
                call.assigned[id(self)] = self
        else:
            self._value = tensor
        return tensor

    def _convert(self, value: Any) -> Any:
        if isinstance(value, Variable):
            value = value.value if value.engine is self.engine else value.numpy()
        owner = TABLE.get(value.__class__)
        if owner is None or owner is self.engine:
            tensor = to_tensor(value, self.engine, self._dtype)
            if tensor is value and value.__class__ is np.ndarray:
                tensor = value.copy()  # a user's array stays the user's
        elif owner.supports("traced_host") and self.engine.supports("host"):
            tensor = value if owner.dtype_of(value) == self._dtype else cast(value, dtype=self._dtype)
        else:
            raise EngineMismatchError(
                f"A tensor of the {owner.name} engine was assigned to a variable of the {self.engine.name} engine.",
                where=self.path,
                hint="assign kerasish.ops.convert_to_numpy(value)",
            )
        shape = tuple((owner or self.engine).shape_of(tensor))
        if shape != self._shape:
            raise ShapeError(
                "The value has another shape than the variable.",
                where=self.path,
                expected=shapes.show(self._shape),
                received=shapes.show(shape),
            )
        return tensor

    def assign_add(self, value: Any) -> Any:
        """Add to the value."""
        return self.assign(OPERATIONS["add"](self._uncast(), value))

    def assign_sub(self, value: Any) -> Any:
        """Subtract from the value."""
        return self.assign(OPERATIONS["subtract"](self._uncast(), value))

    def _uncast(self) -> Any:
        call = _CALL.get()
        if call is None or call.abstract:
            return self.value
        return self._value if call.bindings is None else call.bindings.get(id(self), self._value)

    def numpy(self) -> np.ndarray:
        """The value on the host."""
        return np.asarray(self.engine.to_numpy(self._value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        call = _CALL.get()
        if call is not None and call.bindings is not None and id(self) in call.bindings:
            # Frameworks whose tensors meet us as left operands convert us first; refused, they let __rmul__ answer.
            raise DTypeError(
                "Within a step this variable has no value on the host.",
                where=self.path,
                hint="compute with kerasish.ops, or read it after the step",
            )
        return np.asarray(self.numpy(), dtype=dtype)

    # -- facts -----------------------------------------------------------------------------------------------------
    @property
    def trainable(self) -> bool:
        """Whether gradients are wanted."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        Structure.changed()

    @property
    def shape(self) -> shapes.Shape:
        """Sizes of all axes."""
        return self._shape

    @property
    def dtype(self) -> str:
        """Dtype name; within a layer's call, the one it is read in."""
        call = _CALL.get()
        if call is not None and call.autocast and self.autocast and dtypes.is_float(self._dtype):
            return call.autocast
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self._shape, dtype=np.int64))

    def to_engine(self, engine: Engine) -> None:
        """Move the value to another engine."""
        if engine is not self.engine:
            host = self.numpy()
            self._value = engine.asarray(host, dtype=self._dtype, device=current_device())
            self.engine = engine

    def __len__(self) -> int:
        return int(self._shape[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self._shape[0]))

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __repr__(self) -> str:
        with np.printoptions(threshold=20, precision=4):
            return (
                f"<Variable path={self.path}, shape={self._shape}, dtype={self._dtype}, value={self.numpy()}>"
            )


def _sizes(shape: Any, where: str) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(s is None or isinstance(s, shapes.Dim) for s in sizes):
        raise ShapeError(
            "A variable needs a fully known shape.",
            where=where,
            received=shapes.show(sizes),
            hint="give the input's size in Input(shape=...)",
        )
    return tuple(int(s) for s in sizes)


#: Bytes that variables may still take up, in a list of one number; None: as many as they like.
_ROOM: ContextVar[list[int] | None] = ContextVar("kerasish_room_for_variables", default=None)


@contextmanager
def room_for_variables(size: int) -> Iterator[None]:
    """Within the block, variables of more than `size` bytes in all are an error: a file's config asks for them."""
    token = _ROOM.set([size])
    try:
        yield
    finally:
        _ROOM.reset(token)


def _take_room(size: int, where: str, shape: tuple[int, ...]) -> None:
    room = _ROOM.get()
    if room is None:
        return
    room[0] -= size
    if room[0] < 0:
        raise ShapeError(
            "The config asks for far larger weights than the file holds.",
            where=where,
            received=f"shape {shape}",
        )


@contextmanager
def _no_call() -> Iterator[None]:
    token = _CALL.set(None)
    try:
        yield
    finally:
        _CALL.reset(token)
