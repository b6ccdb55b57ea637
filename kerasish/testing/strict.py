"""The strict engine: NumPy that asserts the call contract.

It runs on the host engine. Before each primitive it checks that kerasish kept its side of the contract
(`kerasish.core.contract`), after it that the result has the shape and dtype that the primitive's rule promises; what
it hands out is read-only. Run a new operation or layer on it to see whether third-party engines will be able to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes, trees
from kerasish.core import primitives as declared
from kerasish.core.abstract import spec_of
from kerasish.core.contract import Engine, EngineInfo
from kerasish.core.errors import KerasishError
from kerasish.core.operators import TensorOperators
from kerasish.core.primitive import RULES
from kerasish.core.registry import TABLE, engine_infos, get_engine, host_engine, register_engine

_CREATORS = frozenset({"full", "arange"})
_RUN_USER_CODE = frozenset({"cond", "while_loop", "scan"})
_BINARY = """
    add subtract multiply divide floor_divide remainder power maximum minimum arctan2 equal not_equal less less_equal
    greater greater_equal logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift
"""
_SCALAR_OPERANDS = frozenset(_BINARY.split())
_BOOLEAN = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not", "any", "all"})
_INTEGER = frozenset({"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "left_shift", "right_shift"})
#: primitive -> where its int32 index tensor stands.
_INDICES = {
    "take": 1,
    "take_along_axis": 1,
    "gather_nd": 1,
    "scatter_add": 1,
    "scatter_update": 1,
    "scatter_max": 1,
    "dynamic_slice": 1,
    "dynamic_update_slice": 2,
}


class ContractError(KerasishError, AssertionError):
    """A primitive was called, or answered, in a way the engine contract does not allow."""

    code = "contract"


class StrictTensor(TensorOperators):
    """A read-only tensor of the strict engine, around one of the host engine."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Any) -> None:
        if value.__class__ is np.ndarray:
            value = value.view()
            value.flags.writeable = False
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> str:
        """Dtype name."""
        return host_engine().dtype_of(self.value)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.value.shape)

    def numpy(self) -> np.ndarray:
        """The values, read-only."""
        return host_engine().to_numpy(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)

    def __len__(self) -> int:
        return int(self.value.shape[0])

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __repr__(self) -> str:
        return f"<strict {self.value!r}>"


def _require(holds: bool, problem: str, received: object, expected: object = None) -> None:
    if not holds:
        raise ContractError(problem, received=repr(received), expected=expected)


def _wrap(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    return StrictTensor(value)


def _unwrap(x: Any) -> Any:
    _require(isinstance(x, StrictTensor), "A tensor of the engine is needed.", x)
    return x.value


def _inner(tree: Any) -> Any:
    return trees.map_structure(lambda x: x.value if isinstance(x, StrictTensor) else x, tree)


def _outer(tree: Any) -> Any:
    return trees.map_structure(lambda x: _wrap(x) if _is_host(x) else x, tree)


def _is_host(x: Any) -> bool:
    """Arrays, and whatever the host engine traces with."""
    if x is None or isinstance(x, (StrictTensor, str, bool, int, float)):
        return False
    owner = TABLE.get(x.__class__)
    return isinstance(x, (np.ndarray, np.generic)) or bool(owner and owner.supports("traced_host"))


def _runner(values: Sequence[Any]) -> Engine:
    """The engine that runs these host tensors: the recording one if any is traced."""
    for x in values:
        items = x if isinstance(x, list) else [x]
        for item in items:
            owner = TABLE.get(item.__class__)
            if owner is not None:
                return owner
    return host_engine()


# -- the call ----------------------------------------------------------------------------------------------------------
def _natural(x: Any) -> bool:
    return x.__class__ is int and x >= 0


def _naturals(x: Any) -> bool:
    return x.__class__ is tuple and all(map(_natural, x))


def _pairs(x: Any) -> bool:
    return x.__class__ is tuple and all(_naturals(pair) and len(pair) == 2 for pair in x)


#: annotation in the declaration -> (what it means, test).
_KEYWORDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an int >= 0", _natural),
    "bool": ("a bool", lambda x: x.__class__ is bool),
    "str": ("a str", lambda x: x.__class__ is str),
    "float": ("a Python number", lambda x: x.__class__ in (int, float, bool)),
    "tuple[int, ...]": ("a tuple of ints >= 0", _naturals),
    "Ints": ("a tuple of ints >= 0", _naturals),
    "shapes.Shape": ("a tuple of ints >= 0", _naturals),
    "Pads": ("a tuple of pairs of ints >= 0", _pairs),
    "tuple[tuple[int, int], ...]": ("a tuple of pairs of ints >= 0", _pairs),
}


def _check_keywords(name: str, args: Sequence[Any], keywords: dict[str, Any]) -> None:
    signature = getattr(declared, name).signature
    positional = [q for q in signature.parameters.values() if q.kind is q.POSITIONAL_ONLY]
    spread = any(q.kind is q.VAR_POSITIONAL for q in signature.parameters.values())
    wanted = {q.name: str(q.annotation) for q in signature.parameters.values() if q.kind is q.KEYWORD_ONLY}
    _require(spread or len(args) == len(positional), "A primitive got too few or too many tensors.", args)
    _require(
        set(keywords) == set(wanted), "Every keyword must be given, and no other.", [*keywords], [*wanted]
    )
    for key, value in keywords.items():
        meaning, test = _KEYWORDS.get(wanted[key], ("a function", callable))
        _require(test(value), f"`{key}` is not normalised.", value, meaning)
    dtype = keywords.get("dtype")
    _require(dtype is None or dtype in dtypes.ALL, "`dtype` must be a dtype's name.", dtype)
    axis = keywords.get("axis")
    if axis is not None:
        axes = axis if axis.__class__ is tuple else (axis,)
        tensor = args[0][0] if isinstance(args[0], list) else args[0]
        _require(list(axes) == sorted(set(axes)), "`axis` must be sorted, without repetition.", axis)
        _require(all(a < tensor.ndim for a in axes), "`axis` leaves the tensor.", axis, f"{tensor.ndim} axes")


def _check_scalar(x: Any, dtype: str) -> None:
    _require(x.__class__ in (int, float, bool), "A scalar operand must be a Python number.", x)
    if dtypes.is_integer(dtype):
        low, high = dtypes.int_range(dtype)
        fits = x.__class__ is int and low <= x <= high
    else:
        fits = x.__class__ is bool if dtype == "bool" else x.__class__ in (int, float)
    _require(fits, "A scalar operand must be representable in the other's dtype.", x, dtype)


def _check_pair(name: str, one: Any, two: Any) -> None:
    tensors = [x for x in (one, two) if isinstance(x, StrictTensor)]
    _require(bool(tensors), f"{name} needs a tensor.", (one, two))
    if len(tensors) == 1:
        _check_scalar(two if tensors[0] is one else one, tensors[0].dtype)
    else:
        _require(one.dtype == two.dtype, "Operands must have equal dtypes.", f"{one.dtype} and {two.dtype}")


def _check_index(name: str, args: Sequence[Any], axis: int) -> None:
    indices = args[_INDICES[name]]
    _require(indices.dtype == "int32", "Indices must be int32.", indices.dtype)
    value = indices.value
    if name.startswith("dynamic") or value.__class__ is not np.ndarray or not value.size:
        return
    shape = args[0].shape
    _require(bool((value >= 0).all()), "Indices must not be negative.", value.min())
    ends = shape[axis] if name.startswith("take") else shape[: value.shape[-1]]
    _require(bool((value < ends).all()), "Indices leave the tensor.", value.max(), shape)


def _check_operands(name: str, args: Sequence[Any], keywords: dict[str, Any]) -> None:
    for x in args:
        for item in x if isinstance(x, list) else [x]:
            allowed = isinstance(item, StrictTensor) or (
                (name in _SCALAR_OPERANDS or name == "where") and item.__class__ in (int, float, bool)
            )
            _require(allowed, "A tensor of the engine is needed.", item)
    if name in _SCALAR_OPERANDS:
        _check_pair(name, *args)
    elif name == "where":
        _require(args[0].dtype == "bool", "The condition must be bool.", args[0].dtype)
        _check_pair(name, args[1], args[2])
    elif name == "concatenate":
        _require(args[0].__class__ is list and len(args[0]) > 0, "A list of tensors is needed.", args[0])
        _require(len({x.dtype for x in args[0]}) == 1, "Tensors to concatenate need one dtype.", args[0])
    elif name in ("einsum", "solve", "triangular_solve"):
        _require(
            len({x.dtype for x in args}) == 1, "Operands must have equal dtypes.", [x.dtype for x in args]
        )
    for x in args:
        if name in _BOOLEAN and isinstance(x, StrictTensor):
            _require(x.dtype == "bool", f"{name} takes bools.", x.dtype)
        if name in _INTEGER and isinstance(x, StrictTensor):
            _require(dtypes.is_integer(x.dtype), f"{name} takes integers.", x.dtype)
    if name in _INDICES:
        _check_index(name, args, keywords.get("axis", 0))


def _check_result(
    engine: Engine, name: str, args: Sequence[Any], keywords: dict[str, Any], result: Any
) -> None:
    promised = RULES[name](*(spec_of(engine, x) for x in args), **keywords)
    found = [(x.shape, x.dtype) for x in (result if isinstance(result, (tuple, list)) else [result])]
    wanted = [
        (tuple(x.shape), x.dtype) for x in (promised if isinstance(promised, (tuple, list)) else [promised])
    ]
    _require(found == wanted, "The result is not what the rule promises.", found, wanted)


class StrictEngine(Engine):
    """The host engine behind a guard. Gradients and compilation are the host engine's."""

    name = "strict"
    capabilities = frozenset({"eager_only"})

    def __init__(self) -> None:
        known = host_engine().primitives.keys() & RULES.keys()
        self.primitives = {name: self._guarded(name) for name in known}  # type: ignore[misc]
        self.overrides = {}  # type: ignore[misc]
        TABLE[StrictTensor] = self

    def _guarded(self, name: str) -> Callable[..., Any]:
        if name in _RUN_USER_CODE:
            return self._control(name)

        def run(*args: Any, **keywords: Any) -> Any:
            try:
                _check_keywords(name, args, keywords)
                _check_operands(name, args, keywords)
            except ContractError as error:
                raise error.at(name) from None
            values = [_inner(x) if isinstance(x, list) else getattr(x, "value", x) for x in args]
            engine = host_engine() if name in _CREATORS else _runner(values)
            found = engine.primitives[name](*values, **keywords)
            result = type(found)(map(_wrap, found)) if isinstance(found, (tuple, list)) else _wrap(found)
            _check_result(self, name, args, keywords, result)
            return result

        return run

    def _control(self, name: str) -> Callable[..., Any]:
        """Functions given to control flow see strict tensors; the loop itself is the host engine's."""

        def run(*args: Any, **keywords: Any) -> Any:
            _check_keywords(name, args, keywords)
            for x in args:
                _require(isinstance(x, (StrictTensor, list)), "A list of tensors is needed.", x)
            inside = {k: self._lowered(v) if callable(v) else v for k, v in keywords.items()}
            values = [_inner(x) for x in args]
            return _outer(_runner(values).primitives[name](*values, **inside))

        return run

    @staticmethod
    def _lowered(fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn` on strict tensors as a function on the host engine's."""
        return lambda *xs: _inner(fn(*(_outer(x) for x in xs)))

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, StrictTensor)

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> StrictTensor:
        return _wrap(host_engine().asarray(value, dtype=dtype, device=device))

    def to_numpy(self, x: StrictTensor) -> np.ndarray:
        return host_engine().to_numpy(_unwrap(x))

    def shape_of(self, x: StrictTensor) -> tuple[int, ...]:
        return x.shape

    def dtype_of(self, x: StrictTensor) -> str:
        return x.dtype

    def is_traced(self, x: StrictTensor) -> bool:
        return host_engine().is_traced(x.value)

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Callable[..., Any], inputs: list[Any]) -> Any:
        outputs, aux, pullback = host_engine().vjp(self._lowered(fn), _inner(list(inputs)))
        return _outer(outputs), _outer(aux), lambda cotangents: _outer(pullback(_inner(list(cotangents))))

    def value_and_grad(self, fn: Callable[..., Any], inputs: list[Any]) -> Any:
        return _outer(host_engine().value_and_grad(self._lowered(fn), _inner(list(inputs))))

    def jvp(self, fn: Callable[..., Any], inputs: list[Any], tangents: list[Any]) -> Any:
        return _outer(host_engine().jvp(self._lowered(fn), _inner(list(inputs)), _inner(list(tangents))))

    def custom_gradient(self, fn: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        def lowered(*xs: Any) -> Any:
            outputs, pullback = fn(*_outer(list(xs)))
            return _inner(outputs), self._lowered(pullback)

        return _outer(host_engine().custom_gradient(lowered, _inner(list(inputs))))  # type: ignore[no-any-return]

    def compile(
        self, fn: Callable[..., Any], *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        compiled = host_engine().compile(self._lowered(fn), options=options)
        return lambda *args: _outer(compiled(*(_inner(a) for a in args)))

    def vectorize(self, fn: Callable[..., Any], inputs: list[Any]) -> list[Any]:
        return _outer(host_engine().vectorize(self._lowered(fn), _inner(list(inputs))))  # type: ignore[no-any-return]


def build() -> StrictEngine:
    """Make the engine (what its `EngineInfo` names)."""
    return StrictEngine()


def register_strict() -> Engine:
    """Register the engine named "strict" in this process, and return it.

    Example:
        >>> import kerasish
        >>> from kerasish.testing import register_strict
        >>> with kerasish.use_backend(register_strict()):
        ...     kerasish.ops.relu([-1.0, 2.0]).numpy().flags.writeable
        False
    """
    if "strict" not in engine_infos():
        register_engine(EngineInfo(name="strict", load="kerasish.testing.strict:build"))
    return get_engine("strict")
