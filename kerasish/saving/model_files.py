"""`save_model`, `load_model`, `save_weights`, `load_weights`, and models as JSON."""

from __future__ import annotations

import datetime
import json
from functools import partial
from pathlib import Path
from typing import Any

import h5py

from kerasish.core.errors import ArgumentError, NotBuiltError, SavingError
from kerasish.core.objects import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from kerasish.core.variable import room_for_variables
from kerasish.saving.archive import (
    as_path,
    read_archive,
    reading,
    rebuilding,
    replacing,
    write_archive,
    writing,
)
from kerasish.saving.weights_file import read_weights, write_weights

#: The version of Keras whose format is written.
FORMAT_VERSION = "3.15.1"
#: Bytes that a loaded model's variables may take up beside 8 times the file's weights: slots and metrics are not in it.
_ROOM = 512 << 20


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Save architecture, weights, compile settings and optimizer state as a `.keras` file.

    The file is Keras 3's: Keras can load it, and it can be loaded on any engine. Writing is atomic.

    Args:
        model: A model.
        filepath: A path ending in `.keras`.
        overwrite: False: an existing file is an error.
        zipped: Only True (or None) is supported.
        include_optimizer: Whether compile settings and optimizer state are saved.

    Raises:
        ArgumentError: The path does not end in `.keras`.
        SavingError: The file exists and may not be overwritten, or an object cannot be described.

    Example:
        >>> import kerasish
        >>> save_model(kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)]), "model.keras")
    """
    path = _target(filepath, overwrite, ".keras", "model.save")
    if zipped is False:
        raise ArgumentError(
            "Only zipped `.keras` files are written.", where="model.save", received="zipped=False"
        )
    if not model.built and not model.weights:
        raise NotBuiltError(
            "A model without weights cannot be saved.",
            where=model.name,
            hint="call model.build(input_shape) or fit first",
        )
    config = serialize_keras_object(model)
    optimizer = model.optimizer
    if not include_optimizer:
        config.pop("compile_config", None)
    metadata = {"keras_version": FORMAT_VERSION, "date_saved": f"{datetime.datetime.now():%Y-%m-%d@%H:%M:%S}"}
    try:
        if not include_optimizer:
            model.optimizer = None
        write = partial(write_weights, model, with_training=include_optimizer)
        write_archive(path, metadata, config, write)
    finally:
        model.optimizer = optimizer


def load_model(
    filepath: Any, custom_objects: Any = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Load a model saved by `model.save`, here or in Keras 3.

    Nothing in the file is executed: lambdas need `safe_mode=False`, classes are looked up among kerasish's own and
    those registered or given.

    Args:
        filepath: A `.keras` file.
        custom_objects: Name -> class or function, for what the file names.
        compile: Whether to compile as it was when saved, optimizer state included.
        safe_mode: False lets code in the file run.

    Raises:
        SavingError: The file is missing, corrupt, hostile, or names something unknown.

    Example:
        >>> import kerasish
        >>> kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)]).save("model.keras")
        >>> load_model("model.keras").count_params()
        3
    """
    path = as_path(filepath, "load_model")
    if path.suffix in (".h5", ".hdf5"):
        raise SavingError(
            "Whole-model .h5 files are not supported.", received=str(path), hint="save as .keras"
        )
    _, config, weights = read_archive(path)
    compile_config = config.pop("compile_config", None)
    with rebuilding(str(path)), room_for_variables(8 * len(weights.getbuffer()) + _ROOM):
        model = deserialize_keras_object(config, custom_objects=custom_objects, safe_mode=safe_mode)
        if not hasattr(model, "compile_from_config"):
            raise SavingError(
                "The config describes something other than a model.", received=type(model).__name__
            )
        if compile and compile_config:
            with CustomObjectScope(custom_objects or {}):
                model.compile_from_config(compile_config)
    with reading(path), h5py.File(weights, "r") as file:
        read_weights(model, file)
    return model


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """Save the weights as a `.weights.h5` file, which Keras 3 can load too. Writing is atomic.

    Example:
        >>> import kerasish
        >>> save_weights(kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)]), "model.weights.h5")
    """
    path = _target(filepath, overwrite, ".weights.h5", "model.save_weights")
    model.require_built("save_weights")
    with writing(path), replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_weights(model, file)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
    """Load weights from a `.weights.h5` or `.keras` file.

    Raises:
        SavingError: The weights do not fit, unless `skip_mismatch`.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> save_weights(model, "model.weights.h5")
        >>> load_weights(kerasish.models.clone_model(model), "model.weights.h5")
    """
    if kwargs:
        raise ArgumentError(
            f"Unknown argument {next(iter(kwargs))!r}.",
            where="load_weights",
            hint="weights are found by their place in the model; skip_mismatch=True loads what fits",
        )
    path = as_path(filepath, "load_weights")
    model.require_built("load_weights")
    if path.suffix == ".keras":
        source: Any = read_archive(path)[2]
    else:
        source = path
    with reading(path), h5py.File(source, "r") as file:
        read_weights(model, file, skip_mismatch=skip_mismatch)


def _target(filepath: Any, overwrite: bool, suffix: str, where: str) -> Path:
    path = as_path(filepath, where)
    if not str(path).endswith(suffix):
        raise ArgumentError(
            f"The path must end in {suffix!r}.",
            where=where,
            received=str(path),
            hint=f"{path.stem.split('.')[0]}{suffix}",
        )
    if not overwrite and path.exists():
        raise SavingError(
            "The file exists already.", where=where, received=str(path), hint="pass overwrite=True"
        )
    return path


def model_to_json(model: Any, **kwargs: Any) -> str:
    """The architecture as a JSON string.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> "Dense" in model_to_json(model)
        True
    """
    return json.dumps(serialize_keras_object(model), **kwargs)


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """A model from the JSON string of its architecture; its weights are fresh.

    Raises:
        SavingError: It is not JSON, or names something unknown.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
        >>> model_from_json(model.to_json()).count_params()
        3
    """
    try:
        config = json.loads(json_string)
    except ValueError as error:
        raise SavingError(f"This is not JSON: {error}", where="model_from_json") from None
    if not isinstance(config, dict):
        raise SavingError(
            "This JSON does not describe a model.", where="model_from_json", received=type(config).__name__
        )
    config.pop("compile_config", None)
    with rebuilding("model_from_json"):
        return deserialize_keras_object(config, custom_objects=custom_objects)
