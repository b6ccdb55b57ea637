"""`Lambda`: a function as a layer."""

from __future__ import annotations

import base64
import inspect
import marshal
import types
from typing import Any
from weakref import WeakValueDictionary

from kerasish.core.errors import ArgumentError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.layers.layer import Layer

#: Code of lambdas written in this process -> the lambda: a copy made from a config needs no code from a file.
_WRITTEN: WeakValueDictionary[str, Any] = WeakValueDictionary()


class Lambda(Layer):
    """function(inputs, **arguments).

    For anything with weights write a subclass of `Layer`. A named function registered with
    `@register_keras_serializable` can be saved and loaded safely, a `lambda` only with `safe_mode=False`.

    Args:
        function: Called with the inputs, and `mask` and `training` if it takes them.
        output_shape: Ignored: shapes are inferred.
        mask: A mask, or a function (inputs, mask) -> mask.
        arguments: Further keyword arguments.
        **kwargs: `name`, `dtype`.

    Example:
        >>> Lambda(lambda x: x * 2)([[1.0, 2.0]]).tolist()
        [[2.0, 4.0]]
    """

    def __init__(
        self,
        function: Any,
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ArgumentError(
                "`function` must be callable.", where=self.where, received=repr(function)[:80]
            )
        self.function = function
        self.arguments = arguments or {}
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = output_shape
        taken = inspect.signature(function).parameters
        self._takes = ("mask" in taken, "training" in taken)

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        kwargs = dict(self.arguments)
        if self._takes[0]:
            kwargs["mask"] = mask
        if self._takes[1]:
            kwargs["training"] = training
        return self.function(inputs, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "function": _written(self.function)}
        if self._output_shape is not None:
            shape = self._output_shape
            config["output_shape"] = _written(shape) if callable(shape) else shape
        if self.mask is not None:
            config["mask"] = _written(self.mask) if callable(self.mask) else serialize_keras_object(self.mask)
        return {**config, "arguments": serialize_keras_object(dict(self.arguments))}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None, safe_mode: bool | None = None
    ) -> Lambda:
        """Make one from its configuration.

        Raises:
            SavingError: The config holds code, and `safe_mode` is not False.
        """
        safe = safe_mode is None or safe_mode
        config = dict(config)
        for key in ("function", "output_shape", "mask"):
            if isinstance(config.get(key), dict):
                config[key] = _read(config[key], custom_objects, safe)
        config["arguments"] = deserialize_keras_object(config.get("arguments") or {}, custom_objects, safe)
        return cls(**config)


def _written(function: Any) -> dict[str, Any]:
    if not isinstance(function, types.FunctionType) or function.__name__ != "<lambda>":
        return serialize_keras_object(function)  # type: ignore[no-any-return]
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii")
    cells = function.__closure__
    _WRITTEN[code] = function
    return {
        "class_name": "__lambda__",
        "config": {
            "code": code,
            "defaults": function.__defaults__,
            "closure": None
            if cells is None
            else [serialize_keras_object(cell.cell_contents) for cell in cells],
        },
    }


def _read(config: dict[str, Any], custom_objects: Any, safe: bool) -> Any:
    parts = config.get("config")
    if config.get("class_name") == "__lambda__" and isinstance(parts, dict) and "code" in parts:
        known = _WRITTEN.get(parts["code"])
        if known is not None and not parts["closure"] and not parts["defaults"]:
            return known
        value = [parts["code"], parts.get("defaults"), parts.get("closure")]
        config = {"class_name": "__lambda__", "config": {"value": value}}
    return deserialize_keras_object(config, custom_objects, safe)
