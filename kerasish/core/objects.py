"""Objects as JSON configs and back, in Keras 3's format; and the registry that decides what a config may name.

A config never causes an import of what it names. It is resolved against, in this order: the custom objects of the call
and of the surrounding `CustomObjectScope`s, objects registered with `register_keras_serializable`, and kerasish's own
public classes, found through the fixed table `PLACES`. Anything else is an error.
"""

from __future__ import annotations

import base64
import builtins
import importlib
import inspect
import marshal
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from kerasish.core import dtypes
from kerasish.core.convert import to_numpy, to_tensor
from kerasish.core.errors import ArgumentError, DTypeError, KerasishError, SavingError, UnknownNameError
from kerasish.core.registry import TABLE
from kerasish.core.symbolic import SymbolicTensor
from kerasish.core.variable import Variable

T = TypeVar("T")

#: (module in kerasish, module as written in files). A class is written under the longest module prefix that fits;
#: class attributes `_keras_module` and `_keras_name` override what is written. Reading tries all entries of the written
#: module.
PLACES: tuple[tuple[str, str], ...] = (
    ("kerasish.layers", "keras.layers"),
    ("kerasish.models", "keras"),
    ("kerasish.models", "keras.models"),
    ("kerasish.models", "keras.src.models"),
    ("kerasish.initializers", "keras.initializers"),
    ("kerasish.regularizers", "keras.regularizers"),
    ("kerasish.constraints", "keras.constraints"),
    ("kerasish.losses", "keras.losses"),
    ("kerasish.metrics", "keras.metrics"),
    ("kerasish.optimizers.schedules", "keras.optimizers.schedules"),
    ("kerasish.optimizers", "keras.optimizers"),
    ("kerasish.core.dtype_policy", "keras"),
    ("kerasish.core.dtype_policy", "keras.dtype_policies"),
    ("kerasish.core.seeds", "keras.random"),
)
_FUNCTION_PLACES = ("kerasish.activations", "kerasish.losses", "kerasish.metrics", "kerasish.ops")
_PLAIN = (str, int, float, bool, type(None))

_registered: dict[str, Any] = {}
_names: dict[Any, str] = {}
_custom: dict[str, Any] = {}
_scoped: ContextVar[Mapping[str, Any]] = ContextVar(
    "kerasish_custom_objects", default=types.MappingProxyType({})
)
_safe: ContextVar[bool | None] = ContextVar("kerasish_safe_mode", default=None)
_settings = {"unsafe": False}


# -- registry ----------------------------------------------------------------------------------------------------------
def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Decorator: let files refer to a class or function as "package>name".

    Args:
        package: A prefix that keeps names of different authors apart.
        name: The name; default the object's own.

    Raises:
        ArgumentError: A class has no `get_config`, so it could not be written.

    Example:
        >>> @register_keras_serializable("demo")
        ... def double(x):
        ...     return 2 * x
        >>> get_registered_name(double)
        'demo>double'
    """

    def decorate(target: T) -> T:
        own = name or getattr(target, "__name__", type(target).__name__)
        full = f"{package}>{own}"
        if inspect.isclass(target) and not hasattr(target, "get_config"):
            raise ArgumentError(
                f"The class {own} cannot be written to a file.",
                where="register_keras_serializable",
                hint="define get_config(self), which returns the arguments of __init__ as a dict",
            )
        _registered[full] = target
        _names[target] = full
        return target

    return decorate


def get_registered_name(obj: Any) -> str:
    """The registered name of a class or function; its own name if it was not registered.

    Example:
        >>> @register_keras_serializable("mine")
        ... def double(x):
        ...     return 2 * x
        >>> get_registered_name(double)
        'mine>double'
    """
    try:
        found = _names.get(obj)
    except TypeError:  # unhashable
        found = None
    return found or str(getattr(obj, "__name__", type(obj).__name__))


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The object registered under `name`, or None.

    Example:
        >>> @register_keras_serializable("mine")
        ... def triple(x):
        ...     return 3 * x
        >>> get_registered_object("mine>triple")(2)
        6
    """
    for table in (custom_objects or {}, _scoped.get(), _custom, _registered, module_objects or {}):
        if name in table:
            return table[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """The process-wide table of custom objects, to be changed in place.

    Example:
        >>> get_custom_objects()["double"] = lambda x: 2 * x
        >>> get_custom_objects().pop("double")(3)
        6
    """
    return _custom


class CustomObjectScope:
    """Within the block, configs may name these objects.

    Args:
        custom_objects: Name to class or function.

    Example:
        >>> with CustomObjectScope({"twice": lambda x: 2 * x}):
        ...     get_registered_object("twice")(4)
        8
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None = None) -> None:
        self.custom_objects = dict(custom_objects or {})
        self._tokens: list[Any] = []

    def __enter__(self) -> CustomObjectScope:
        self._tokens.append(_scoped.set({**_scoped.get(), **self.custom_objects}))
        return self

    def __exit__(self, *_: object) -> None:
        _scoped.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def enable_unsafe_deserialization() -> None:
    """Let every later load run code found in files (lambdas). Only for files you trust."""
    _settings["unsafe"] = True


def in_safe_mode() -> bool | None:
    """What the load that is running allows: True (no code), False, or None outside of any."""
    return False if _settings["unsafe"] else _safe.get()


# -- writing -----------------------------------------------------------------------------------------------------------
def keras_module(cls: type) -> str | None:
    """The module a class is written under, e.g. "keras.layers"; None for classes from outside kerasish."""
    override = cls.__dict__.get("_keras_module")
    if override is not None:
        return str(override)
    best = ""
    found = None
    for ours, written in PLACES:
        if (cls.__module__ == ours or cls.__module__.startswith(ours + ".")) and len(ours) > len(best):
            best, found = ours, written
    return found


def keras_tensor_config(tensor: Any, history: Any = None) -> dict[str, Any]:
    """A symbolic tensor in a config; `history` is (layer name, node index, tensor index)."""
    config = {"shape": tuple(tensor.shape), "dtype": tensor.dtype, "keras_history": history and list(history)}
    return {"class_name": "__keras_tensor__", "config": config}


def serialize_keras_object(obj: Any) -> Any:
    """An object as plain JSON data.

    Objects become {"module", "class_name", "config", "registered_name"}; arrays, slices, lambdas and symbolic tensors
    have their own marks.

    Raises:
        SavingError: The object has no `get_config`.

    Example:
        >>> serialize_keras_object({"axis": slice(0, 2)})["axis"]["class_name"]
        '__slice__'
    """
    if obj.__class__ in _PLAIN:
        return obj
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    data = _data_config(obj)
    if data is not None:
        return data
    if isinstance(obj, (types.FunctionType, types.BuiltinFunctionType)):
        return _function_config(obj)
    return _object_config(obj)


def _data_config(obj: Any) -> Any:
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return obj.item() if obj.ndim == 0 else _values("__numpy__", obj)
    if isinstance(obj, Variable) or TABLE.get(obj.__class__) is not None:
        return _values("__tensor__", to_numpy(obj))
    if isinstance(obj, SymbolicTensor):
        return keras_tensor_config(obj)
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": {k: serialize_keras_object(v) for k, v in parts.items()}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, (str, int, float)):  # subclasses of plain types
        return obj
    return None


def _values(mark: str, array: np.ndarray) -> dict[str, Any]:
    return {"class_name": mark, "config": {"value": array.tolist(), "dtype": dtypes.of_numpy(array.dtype)}}


def _function_config(function: Any) -> dict[str, Any]:
    kind = type(function).__name__
    if function.__name__ == "<lambda>":
        return {"class_name": "__lambda__", "config": {"value": _lambda_parts(function)}}
    return {
        "module": "builtins",
        "class_name": kind,
        "config": get_registered_name(function),
        "registered_name": kind,
    }


def _object_config(obj: Any) -> dict[str, Any]:
    cls = type(obj)
    if inspect.isclass(obj) or not hasattr(obj, "get_config"):
        raise SavingError(
            f"An object of type {cls.__name__} cannot be written to a file.",
            received=repr(obj),
            hint="give its class get_config(self) and from_config(cls, config)",
        )
    module = keras_module(cls)
    result: dict[str, Any] = {
        "module": module,
        "class_name": cls.__dict__.get("_keras_name", cls.__name__),
        "config": serialize_keras_object(obj.get_config()),
        # Keras marks its own private modules like custom classes: by name.
        "registered_name": None if module and ".src." not in module else get_registered_name(cls),
    }
    for part in ("build_config", "compile_config"):
        getter = getattr(obj, f"get_{part}", None)
        found = getter() if getter is not None else None
        if found is not None:
            result[part] = serialize_keras_object(found)
    return result


def _lambda_parts(function: types.FunctionType) -> list[Any]:
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = function.__closure__
    closure = None if cells is None else [serialize_keras_object(cell.cell_contents) for cell in cells]
    defaults = function.__defaults__
    return [code, None if defaults is None else [serialize_keras_object(d) for d in defaults], closure]


# -- reading -----------------------------------------------------------------------------------------------------------
@contextmanager
def _reading(custom_objects: Mapping[str, Any] | None, safe_mode: bool) -> Iterator[None]:
    outer = in_safe_mode()
    token = _safe.set(safe_mode if outer is None else outer)
    try:
        with CustomObjectScope(custom_objects):
            yield
    finally:
        _safe.reset(token)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """The object that `serialize_keras_object` wrote.

    Args:
        config: Plain JSON data.
        custom_objects: Further names that the config may use.
        safe_mode: Whether code in the config (lambdas) is refused; a surrounding load's choice wins.
        kwargs: `module_objects`: name -> class or function, looked at for configs without a module.

    Raises:
        SavingError: The config is malformed, or holds code in safe mode.
        UnknownNameError: It names a class or function nobody registered.

    Example:
        >>> deserialize_keras_object(serialize_keras_object(slice(1, 3)))
        slice(1, 3, None)
    """
    module_objects = kwargs.pop("module_objects", None)
    if kwargs:
        raise ArgumentError("Unknown arguments.", where="deserialize_keras_object", received=sorted(kwargs))
    with _reading(custom_objects, safe_mode):
        return _read(config, module_objects)


def _read(config: Any, module_objects: Mapping[str, Any] | None = None) -> Any:
    if isinstance(config, str):
        found = get_registered_object(config, None, module_objects)
        return config if found is None else found
    if config.__class__ in _PLAIN:
        return config
    if isinstance(config, (list, tuple)):
        return type(config)(_read(item, module_objects) for item in config)
    if not isinstance(config, Mapping):
        # Already an object: configs made in this process may hold some.
        return config
    name = config.get("class_name")
    if name == "__tuple__" and "items" in config:
        return tuple(_read(item, module_objects) for item in config["items"])
    if not isinstance(name, str) or "config" not in config:
        return {key: _read(value, module_objects) for key, value in config.items()}
    reader = _MARKS.get(name)
    if reader is not None:
        return reader(config["config"])
    if config.get("module") == "builtins" or name in ("function", "builtin_function_or_method"):
        return _read_function(config["config"], module_objects)
    return _read_object(config, name, module_objects)


def _read_object(config: Mapping[str, Any], name: str, module_objects: Mapping[str, Any] | None) -> Any:
    registered = config.get("registered_name") or name
    module = config.get("module")
    if not isinstance(registered, str) or not isinstance(module, (str, types.NoneType)):
        raise SavingError(
            "A class is named by strings.",
            where=name,
            received=f"module={module!r}, registered_name={registered!r}",
        )
    cls = get_registered_object(registered)
    if cls is None and registered != name:
        cls = get_registered_object(name)
    if cls is None and module:
        cls = builtin_class(module, name)
    if cls is None and not module:
        cls = (module_objects or {}).get(name)
    if cls is None:
        raise _unknown("class", registered, module, module_objects)
    if isinstance(cls, types.FunctionType):
        return cls
    inner = config["config"]
    if not isinstance(inner, Mapping):
        raise SavingError("A config must be a dict.", where=str(registered), received=repr(inner))
    result = _construct(cls, dict(inner), str(registered))
    for part, method, done in (
        ("build_config", "build_from_config", "built"),
        ("compile_config", "compile_from_config", "compiled"),
    ):
        if config.get(part) and hasattr(result, method) and not getattr(result, done, False):
            getattr(result, method)(config[part])
    return result


def _construct(cls: Any, config: dict[str, Any], name: str) -> Any:
    maker = getattr(cls, "from_config", None)
    try:
        return maker(config) if maker is not None else cls(**config)
    except KerasishError as error:
        raise error.at(name) from None
    except TypeError as error:
        raise SavingError(
            f"The object could not be made from its config: {error}",
            where=name,
            received=f"keys {sorted(config)}",
            hint="check that __init__ takes what get_config returns",
        ) from error


def builtin_class(module: str, name: str) -> type | None:
    """kerasish's own class for a module and name as written in files, or None."""
    public = _public_module(module)
    for ours, written in PLACES:
        if written != public:
            continue
        found = getattr(_imported(ours), name, None)
        if (
            inspect.isclass(found)
            and found.__module__.startswith("kerasish.")
            and hasattr(found, "from_config")
        ):
            return found
    return None


def _public_module(module: str) -> str:
    """`keras.src.layers.core.dense`, as old files have it, is `keras.layers`."""
    parts = module.split(".")
    if parts[0] not in ("keras", "tf_keras", "kerasish"):
        return ""
    if parts[1:2] == ["src"]:
        if parts[2:3] == ["models"]:
            return "keras.src.models"
        # Keras on torch has optimizers of its own: `keras.src.backend.torch.optimizers.torch_adam`.
        parts = ["keras", *(parts[4:5] if parts[2:3] == ["backend"] else parts[2:3])]
    if "schedules" in module or "learning_rate_schedule" in module:
        return "keras.optimizers.schedules"
    return ".".join(["keras", *parts[1:]])


def _imported(module: str) -> Any:
    # Only names of the constant tables above come here, never one from a file.
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            return None
        raise


def _read_function(name: Any, module_objects: Mapping[str, Any] | None) -> Any:
    if not isinstance(name, str):
        raise SavingError("A function is named by a string.", received=repr(name))
    found = get_registered_object(name, None, module_objects)
    if found is None:
        for place in _FUNCTION_PLACES:
            candidate = getattr(_imported(place), name, None)
            if isinstance(candidate, types.FunctionType) and not name.startswith("_"):
                return candidate
        raise _unknown("function", name, None, module_objects)
    return found


def _unknown(kind: str, name: Any, module: Any, module_objects: Mapping[str, Any] | None) -> UnknownNameError:
    known = {*_scoped.get(), *_custom, *_registered, *(module_objects or {})}
    public = _public_module(str(module)) if module else None
    if public is not None:
        for ours, written in PLACES:
            if written == public:
                known |= {n for n in dir(_imported(ours)) if n[:1].isupper()}
    error = UnknownNameError.of(kind, name, known, where=str(module) if module else None)
    own = "register it with @register_keras_serializable, or pass custom_objects"
    error.hint = f"{error.hint} or {own}" if error.hint else own
    return error


def _read_tensor(config: Mapping[str, Any]) -> Any:
    return to_tensor(_read_array(config))


def _read_array(config: Mapping[str, Any]) -> np.ndarray:
    try:
        return np.asarray(config["value"], dtype=dtypes.to_numpy(dtypes.canonical(config["dtype"])))
    except (KeyError, ValueError, TypeError, DTypeError) as error:
        raise SavingError("Malformed array in a config.", received=repr(config)) from error


def _read_keras_tensor(config: Mapping[str, Any]) -> SymbolicTensor:
    return SymbolicTensor(config["shape"], config["dtype"])


def _read_slice(config: Mapping[str, Any]) -> slice:
    return slice(*(_read(config.get(part)) for part in ("start", "stop", "step")))


def _read_lambda(config: Mapping[str, Any]) -> Any:
    if in_safe_mode() is not False:
        raise SavingError(
            "The config holds a Python lambda, which is code, and code is refused by default.",
            hint="pass safe_mode=False if you trust the file; or use a named function",
        )
    parts = config["value"]
    code_text, defaults, closure = parts if isinstance(parts, (list, tuple)) else (parts, None, None)
    code = marshal.loads(base64.decodebytes(code_text.encode("ascii")))
    cells = None if closure is None else tuple(types.CellType(_read(value)) for value in closure)
    values = None if defaults is None else tuple(_read(value) for value in defaults)
    names = {"__builtins__": builtins, "np": np, "ops": _imported("kerasish.ops"), **_custom, **_scoped.get()}
    return types.FunctionType(code, names, "<lambda>", values, cells)


_MARKS: dict[str, Callable[[Any], Any]] = {
    "__tensor__": _read_tensor,
    "__numpy__": _read_array,
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__ellipsis__": lambda _: Ellipsis,
    "__slice__": _read_slice,
    "__lambda__": _read_lambda,
    "__keras_tensor__": _read_keras_tensor,
}
