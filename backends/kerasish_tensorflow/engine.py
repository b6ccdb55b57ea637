"""The tensorflow engine: tensors are `tf.Tensor`s, compiled functions are graphs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasish.core import dtypes
from kerasish.core.contract import Engine
from kerasish.core.registry import TABLE

# Before the import: C++ start-up notes are not for every user. (oneDNN's notice does not listen to it.)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from tensorflow import Tensor

from kerasish_tensorflow import placement, taping
from kerasish_tensorflow.compiled import Compiled
from kerasish_tensorflow.fast import OVERRIDES
from kerasish_tensorflow.primitives import DTYPES, PRIMITIVES

_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class TensorflowEngine(Engine):
    """kerasish on tensorflow."""

    name = "tensorflow"
    version = tf.__version__
    primitives = PRIMITIVES
    overrides = OVERRIDES

    def __init__(self) -> None:
        self._eager = type(tf.constant(0))
        TABLE[self._eager] = self

    # -- tensors ---------------------------------------------------------------------------------------------------
    def is_tensor(self, x: object) -> bool:
        return isinstance(x, tf.Tensor)

    def asarray(self, value: np.ndarray, *, dtype: str, device: str | None) -> Tensor:
        host = np.asarray(value, dtypes.to_numpy(dtype))
        return placement.placed(lambda: tf.constant(host, DTYPES[dtype]), device)

    def to_numpy(self, x: Tensor) -> np.ndarray:
        return np.asarray(x.numpy())

    def shape_of(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape.as_list())

    def dtype_of(self, x: Tensor) -> str:
        try:
            return _NAMES[x.dtype]
        except KeyError:
            return dtypes.canonical(x.dtype.name)

    def is_traced(self, x: Tensor) -> bool:
        return x.__class__ is not self._eager

    # -- devices ---------------------------------------------------------------------------------------------------
    def devices(self) -> list[str]:
        return list(placement.device_names())

    def device_of(self, x: Tensor) -> str:
        return placement.device_of(x)

    def to_device(self, x: Tensor, device: str) -> Tensor:
        return placement.placed(lambda: tf.identity(x), device)

    def synchronize(self, tensors: Sequence[Tensor] = ()) -> None:
        tf.test.experimental.sync_devices()

    def facts(self) -> dict[str, Any]:
        return {"threads": tf.config.threading.get_intra_op_parallelism_threads() or "automatic"}

    # -- transformations -------------------------------------------------------------------------------------------
    def vjp(self, fn: Any, inputs: list[Tensor]) -> Any:
        return taping.vjp(fn, inputs)

    def value_and_grad(self, fn: Any, inputs: list[Tensor]) -> tuple[Tensor, Any, list[Tensor]]:
        return taping.value_and_grad(fn, inputs)

    def jvp(self, fn: Any, inputs: list[Tensor], tangents: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return taping.jvp(fn, inputs, tangents)

    def custom_gradient(self, fn: Any, inputs: list[Tensor]) -> list[Tensor]:
        return taping.custom_gradient(fn, inputs)

    def compile(
        self, fn: Any, *, donate: tuple[int, ...] = (), options: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        jit = (options or {}).get("jit", "auto")
        return Compiled(fn, jit is True, bool(donate))

    def vectorize(self, fn: Any, inputs: list[Tensor]) -> list[Tensor]:
        return list(tf.vectorized_map(lambda xs: list(fn(*xs)), list(inputs), fallback_to_while_loop=True))


def build() -> TensorflowEngine:
    """The engine that the entry point names."""
    return TensorflowEngine()
