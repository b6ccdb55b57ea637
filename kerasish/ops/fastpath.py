"""The short way from `ops.add(x, y)` to an engine's `add`, and the conversions every operation begins with.

`unary` and `binary` make public operations like `kerasish.core.dispatch.op` does. In front of the general path they put
a few lookups: operands of one engine, of one dtype, of a suitable kind go straight to the engine's primitive.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable
from typing import Any, TypeVar, cast

import numpy as np

from kerasish.core import dtypes, shapes
from kerasish.core.config import floatx
from kerasish.core.contract import Engine, Tensor
from kerasish.core.convert import dtype_of, promoted, tensors, to_tensor
from kerasish.core.dispatch import op
from kerasish.core.errors import DTypeError
from kerasish.core.operators import OPERATIONS
from kerasish.core.primitive import ABSTRACT, explain
from kerasish.core.primitives.elementwise import cast as _cast
from kerasish.core.registry import TABLE, current_engine, engine_of
from kerasish.core.variable import Variable

F = TypeVar("F", bound=Callable[..., Any])

#: A framework's dtype object -> "f" float, "i" signed, "u" unsigned, "b" bool, "" anything else. Filled as they appear.
KINDS: dict[Any, str] = {}
#: Float dtype -> the signed integer of its width.
BITS_OF = {"float16": "int16", "bfloat16": "int16", "float32": "int32", "float64": "int64"}


def kind_of(dtype: str) -> str:
    """The kind letter of a dtype name."""
    if dtypes.is_float(dtype):
        return "f"
    if dtypes.is_integer(dtype):
        return "u" if dtype.startswith("u") else "i"
    return "b" if dtype == "bool" else ""


def remember(x: Tensor) -> None:
    """Note the kind of a tensor's dtype object for the fast paths."""
    raw = getattr(x, "dtype", None)
    if raw is not None and raw not in KINDS:
        KINDS[raw] = kind_of(dtype_of(x))


def host_in_force() -> Engine | None:
    """The engine in force if its tensors are NumPy arrays."""
    engine = current_engine()
    return engine if "host" in engine.capabilities else None


def unary(name: str, kinds: str = "f") -> Callable[[F], F]:
    """Make a public operation of one tensor `x`; dtypes of `kinds` go straight to the primitive `name`."""
    accepted = frozenset(kinds)

    def decorate(function: F) -> F:
        general = op(function)
        where = f"ops.{function.__name__}"

        @functools.wraps(function)
        def call(x: Tensor) -> Tensor:
            cls = x.__class__
            engine = TABLE.get(cls)
            if engine is None and cls is np.ndarray:
                engine = host_in_force()
            if engine is None or KINDS.get(x.dtype) not in accepted:
                return general(x)
            try:
                return engine.primitives[name](x)
            except Exception as error:
                raise explain(name, engine, (x,), {}, error).at(where) from None

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def binary(name: str, kinds: str = "fiu", *, least_rank: int = 0) -> Callable[[F], F]:  # noqa: C901 - flat is fast
    """Make a public operation of two tensors `x1`, `x2`; equal dtypes of `kinds` go straight to the primitive `name`.

    With `least_rank`, only tensors of at least that many axes do, and no scalars.
    """
    accepted = frozenset(kinds)

    def decorate(function: F) -> F:  # noqa: C901
        general = op(function)
        where = f"ops.{function.__name__}"

        @functools.wraps(function)
        def call(x1: Tensor, x2: Tensor) -> Tensor:  # noqa: C901
            cls = x1.__class__
            engine = TABLE.get(cls)
            if engine is None:
                if cls is Variable:
                    return call(x1.value, x2)
                if cls is np.ndarray:
                    engine = host_in_force()
                if engine is None:
                    return general(x1, x2)
            dtype = x1.dtype
            kind = KINDS.get(dtype)
            if kind not in accepted:
                return general(x1, x2)
            other = x2.__class__
            if other is cls or TABLE.get(other) is engine:
                other_dtype = x2.dtype
                if dtype is not other_dtype and dtype != other_dtype:
                    return general(x1, x2)
                if least_rank and (x1.ndim < least_rank or x2.ndim < least_rank):
                    return general(x1, x2)
            elif least_rank:
                return general(x1, x2)
            elif kind == "f" and (other is float or other is int):
                x2 = float(x2)
            elif other is not int or not 0 <= x2 < 128:  # these fit every integer dtype
                return general(x1, x2)
            try:
                return engine.primitives[name](x1, x2)
            except Exception as error:
                raise explain(name, engine, (x1, x2), {}, error).at(where) from None

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def choice(function: F) -> F:
    """Make the public operation `where`: a bool tensor and branches of one dtype go straight to the primitive."""
    general = op(function)

    @functools.wraps(function)
    def call(condition: Any, x1: Any = None, x2: Any = None) -> Any:
        cls = condition.__class__
        engine = TABLE.get(cls)
        if engine is None and cls is np.ndarray:
            engine = host_in_force()
        if engine is None or x1.__class__ is not cls or KINDS.get(condition.dtype) != "b":
            return general(condition, x1, x2)
        dtype = x1.dtype
        if x2.__class__ is cls:
            if KINDS.get(dtype) is None or dtype != x2.dtype:
                return general(condition, x1, x2)
        elif x2.__class__ is not float or KINDS.get(dtype) != "f":
            return general(condition, x1, x2)
        try:
            return engine.primitives["where"](condition, x1, x2)
        except Exception as error:
            raise explain("where", engine, (condition, x1, x2), {}, error).at("ops.where") from None

    OPERATIONS[function.__name__] = call
    return cast(F, call)


def tensor_of(x: Any, accepted: Container[str]) -> Engine | None:
    """The engine of a tensor whose dtype is of one of the `accepted` kinds; None where the short way is not open."""
    cls = x.__class__
    engine = TABLE.get(cls)
    if engine is None and cls is np.ndarray:
        engine = host_in_force()
    if engine is None:
        return None
    kind = KINDS.get(x.dtype)
    if kind is None:
        remember(x)
        kind = KINDS.get(x.dtype)
    return engine if kind in accepted else None


#: `shapes.axis_tuple`, remembered.
axes_of_rank = functools.lru_cache(maxsize=4096, typed=True)(shapes.axis_tuple)


def reduction(name: str, kinds: str = "f", *, overridden: bool = False) -> Callable[[F], F]:
    """Make a public operation `(x, axis, keepdims)`; dtypes of `kinds` go straight to the primitive `name`.

    With `overridden`, `name` is a composite's: the short way is an engine's override of it.
    """
    accepted = frozenset(kinds)

    def decorate(function: F) -> F:
        general = op(function)

        @functools.wraps(function)
        def call(x: Any, axis: Any = None, keepdims: Any = False) -> Tensor:
            engine = tensor_of(x, accepted)
            if (
                engine is None
                or not (axis.__class__ is int or axis is None)
                or keepdims.__class__ is not bool
            ):
                return general(x, axis, keepdims)
            kernel = (engine.overrides if overridden else engine.primitives).get(name)
            try:
                result = kernel(x, axis=axes_of_rank(axis, x.ndim), keepdims=keepdims)  # type: ignore[misc]
            except Exception:  # the long way says what is wrong
                return general(x, axis, keepdims)
            return general(x, axis, keepdims) if result is NotImplemented else result

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def rearrangement(name: str, plan: Callable[..., dict[str, Any]]) -> Callable[[F], F]:
    """Make a public operation of one tensor and fixed arguments: the primitive `name` with `plan(shape, *arguments)`.

    Plans for arguments that are numbers are remembered. The long way knows the others, and what is wrong with them.
    """
    accepted = frozenset("fiub")

    @functools.lru_cache(maxsize=4096, typed=True)
    def remembered(*args: Any) -> dict[str, Any]:
        _only_numbers(args)
        return plan(*args)

    def decorate(function: F) -> F:
        general = op(function)

        @functools.wraps(function)
        def call(x: Any, *args: Any, **kwargs: Any) -> Tensor:
            engine = tensor_of(x, accepted)
            if engine is None or kwargs or engine is ABSTRACT or not isinstance(x.shape, tuple):
                return general(x, *args, **kwargs)
            try:
                return engine.primitives[name](x, **remembered(x.shape, *args))
            except Exception:  # the long way says what is wrong
                return general(x, *args)

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def _only_numbers(value: Any) -> None:
    if isinstance(value, tuple):
        for item in value:
            _only_numbers(item)
    elif value is not None and value.__class__ is not int:
        raise TypeError


def joining(name: str) -> Callable[[F], F]:
    """Make a public operation `(tensors, axis)`: tensors of one dtype go straight to the primitive `name`."""
    accepted = frozenset("fiub")

    def decorate(function: F) -> F:
        general = op(function)

        @functools.wraps(function)
        def call(xs: Any, axis: Any = 0) -> Tensor:
            if (
                (xs.__class__ is not tuple and xs.__class__ is not list)
                or not xs
                or axis.__class__ is not int
            ):
                return general(xs, axis)
            first = xs[0]
            engine, kind = tensor_of(first, accepted), first.__class__
            if engine is None:
                return general(xs, axis)
            dtype, rank = first.dtype, first.ndim
            for x in xs:
                if x.__class__ is not kind or x.ndim != rank or (x.dtype is not dtype and x.dtype != dtype):
                    return general(xs, axis)
            if not -rank <= axis < rank:
                return general(xs, axis)
            try:
                return engine.primitives[name](list(xs), axis=axis % rank)
            except Exception:  # the long way says what is wrong
                return general(xs, axis)

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def picking(name: str) -> Callable[[F], F]:
    """Make a public operation `(x, indices, axis)`: int32 indices in a tensor go straight to an override of `name`."""
    accepted, integers = frozenset("fiub"), frozenset("i")

    def decorate(function: F) -> F:
        general = op(function)

        @functools.wraps(function)
        def call(x: Any, indices: Any, axis: Any = None) -> Tensor:
            engine = tensor_of(x, accepted)
            kernel = None if engine is None else engine.overrides.get(name)
            if kernel is None or axis.__class__ is not int or tensor_of(indices, integers) is not engine:
                return general(x, indices, axis)
            rank = x.ndim
            if not -rank <= axis < rank or engine.dtype_of(indices) != "int32":  # type: ignore[union-attr]
                return general(x, indices, axis)
            try:
                result = kernel(x, indices, axis=axis % rank)
            except Exception:  # the long way says what is wrong
                return general(x, indices, axis)
            return general(x, indices, axis) if result is NotImplemented else result

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


def indexing(name: str) -> Callable[[F], F]:
    """Make a public operation `(x, key)`: keys of ints, slices, None and ... go straight to an override of `name`.

    It raises at what it does not know, and at what is wrong: then the long way is taken.
    """
    accepted, simple = frozenset("fiub"), frozenset((int, slice, type(None), type(...)))

    def decorate(function: F) -> F:
        general = op(function)

        @functools.wraps(function)
        def call(x: Any, key: Any) -> Tensor:
            engine = tensor_of(x, accepted)
            kernel = None if engine is None else engine.overrides.get(name)
            if kernel is None:
                return general(x, key)
            items = key if key.__class__ is tuple else (key,)
            for item in items:
                if item.__class__ not in simple:
                    return general(x, key)
            if items.count(...) > 1:  # some engines do not mind
                return general(x, key)
            try:
                result = kernel(x, items=items)
            except Exception:  # the long way says what is wrong
                return general(x, key)
            return general(x, key) if result is NotImplemented else result

        OPERATIONS[function.__name__] = call
        return cast(F, call)

    return decorate


# -- conversions ---------------------------------------------------------------------------------------------


def operand(x: Any) -> Tensor:
    """`x` as a tensor, its dtype unchanged."""
    if TABLE.get(x.__class__) is None and not (x.__class__ is np.ndarray and host_in_force() is not None):
        x = tensors(x)[0]
    if x.dtype not in KINDS:
        remember(x)
    return x


def operands(x1: Any, x2: Any, *, at_least: str | None = None) -> tuple[Tensor, Tensor, str]:
    """Two operands of one dtype (one may stay a Python scalar), and the name of that dtype."""
    x1, x2 = promoted(x1, x2, scalars=True, at_least=at_least)
    tensor = x1 if dtypes.weak_name(x1) is None else x2
    remember(tensor)
    dtype = dtype_of(tensor)
    if dtype == "bool":
        engine = engine_of((x1, x2))
        x1, x2 = to_tensor(x1, engine, "bool"), to_tensor(x2, engine, "bool")
    return x1, x2, dtype


def floats(x: Any) -> Tensor:
    """`x` as a float tensor; integers and bools become `floatx()`."""
    x = operand(x)
    dtype = dtype_of(x)
    if dtypes.is_float(dtype):
        return x
    dtypes.promote(dtype, "float")  # text is an error
    return _cast(x, dtype=floatx())


def numbers(x: Any) -> Tensor:
    """`x` as a tensor of numbers; bools become int32."""
    x = operand(x)
    return _cast(x, dtype="int32") if dtype_of(x) == "bool" else x


def booleans(x: Any) -> Tensor:
    """`x` as a bool tensor: x != 0."""
    x = operand(x)
    return x if dtype_of(x) == "bool" else _cast(x, dtype="bool")


def integers(x: Any, *, name: str = "x") -> Tensor:
    """`x` as a tensor, which must hold integers.

    Raises:
        DTypeError: It holds something else.
    """
    x = operand(x)
    dtype = dtype_of(x)
    if not dtypes.is_integer(dtype):
        raise DTypeError(f"`{name}` must hold integers.", received=dtype, hint="ops.cast(x, 'int32')")
    return x


def dtype_or_floatx(dtype: Any) -> str:
    """The canonical name of `dtype`, `floatx()` for None."""
    return floatx() if dtype is None else dtypes.canonical(dtype)


# -- constants beside a tensor -------------------------------------------------------------------------------


def filled(like: Tensor, shape: Iterable[int], value: float, dtype: str) -> Tensor:
    """A constant tensor on the engine of `like`."""
    return engine_of((like,)).primitives["full"](shape=tuple(shape), value=value, dtype=dtype)


def counting(like: Tensor, stop: int, dtype: str = "int32") -> Tensor:
    """0, 1, ... stop−1 on the engine of `like`."""
    return engine_of((like,)).primitives["arange"](start=0, stop=stop, step=1, dtype=dtype)


def constant(like: Tensor, value: Any, dtype: str) -> Tensor:
    """Host data as a tensor on the engine of `like`."""
    return to_tensor(np.asarray(value), engine_of((like,)), dtype)
