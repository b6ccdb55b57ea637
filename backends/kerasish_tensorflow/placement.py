"""Devices: kerasish's names ("gpu:0") for tensorflow's, and where new tensors go."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasish.core.registry import current_device


def placed(make: Callable[[], Any], device: str | None = None) -> Any:
    """What `make()` returns, made on `device`, else on the device of the surrounding `device` block, if any."""
    device = device or current_device()
    if device is None:
        return make()
    with tf.device(f"/{device.upper()}"):
        return make()


@functools.cache
def device_names() -> tuple[str, ...]:
    """All devices, accelerators first."""
    found = [d.name.split("physical_device:")[-1].lower() for d in tf.config.list_physical_devices()]
    known = [name for name in found if name.startswith(("gpu:", "tpu:", "cpu:"))]
    return tuple(sorted(known, key=lambda n: n[0] == "c"))


def device_of(x: tf.Tensor) -> str:
    """The device a tensor lives on; of a traced one, the first."""
    place = x.device.rpartition("device:")[2].lower()
    return place or device_names()[0]


@functools.lru_cache(maxsize=4096)
def _eager_ints(values: int | tuple[int, ...]) -> tf.Tensor:
    with tf.init_scope(), tf.device("/CPU:0"):
        return _traced_ints(values)


def _traced_ints(values: int | tuple[int, ...]) -> tf.Tensor:
    return tf.constant(values, tf.int32, () if isinstance(values, int) else (len(values),))


def ints(values: int | tuple[int, ...]) -> Any:
    """A shape or axes as an op takes them: an eager op would make a tensor of numbers each time."""
    return (_eager_ints if tf.executing_eagerly() else _traced_ints)(values)
