"""Process-wide numeric settings: floatx, epsilon and image data format with Keras' names and defaults, and ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from kerasish.core.errors import ArgumentError, UnknownNameError

#: What `portable_randomness` is unless set: on, off or auto.
PORTABLE_RANDOMNESS = "KERASISH_PORTABLE_RANDOMNESS"

Switch = bool | Literal["auto"]

_settings: dict[str, object] = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def floatx() -> str:
    """The default float dtype, "float32" unless set.

    Example:
        >>> floatx()
        'float32'
    """
    return _settings["floatx"]  # type: ignore[return-value]


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    Raises:
        ArgumentError: `value` is not one of float16, bfloat16, float32, float64.

    Example:
        >>> set_floatx("float64")
        >>> floatx()
        'float64'
        >>> set_floatx("float32")
    """
    accepted = ("bfloat16", "float16", "float32", "float64")
    if value not in accepted:
        raise ArgumentError(
            "Unknown floatx.", where="set_floatx", expected=f"one of {accepted}", received=value
        )
    _settings["floatx"] = value


def epsilon() -> float:
    """The small number that keeps denominators and logarithms finite, 1e-7 unless set.

    Example:
        >>> epsilon()
        1e-07
    """
    return _settings["epsilon"]  # type: ignore[return-value]


def set_epsilon(value: float) -> None:
    """Set the small number of `epsilon()`.

    Example:
        >>> set_epsilon(1e-5)
        >>> epsilon()
        1e-05
        >>> set_epsilon(1e-7)
    """
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """The default layout of images: "channels_last" unless set.

    Example:
        >>> image_data_format()
        'channels_last'
    """
    return _settings["image_data_format"]  # type: ignore[return-value]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images.

    Raises:
        ArgumentError: `data_format` is neither "channels_last" nor "channels_first".

    Example:
        >>> set_image_data_format("channels_first")
        >>> image_data_format()
        'channels_first'
        >>> set_image_data_format("channels_last")
    """
    accepted = ("channels_last", "channels_first")
    if data_format not in accepted:
        raise ArgumentError(
            "Unknown data format.",
            where="set_image_data_format",
            expected=f"one of {accepted}",
            received=data_format,
        )
    _settings["image_data_format"] = data_format


def standardize_data_format(data_format: str | None) -> str:
    """`data_format`, or the configured default for None; an error for anything unknown."""
    if data_format is None:
        return image_data_format()
    text = str(data_format).lower()
    if text not in ("channels_last", "channels_first"):
        raise ArgumentError(
            "Unknown `data_format`.", expected="'channels_last' or 'channels_first'", received=data_format
        )
    return text


def portable_randomness() -> Switch:
    """Whether steps of training draw the same random numbers on every engine: True, False or "auto".

    "auto" unless set here or by the environment variable KERASISH_PORTABLE_RANDOMNESS (on, off or auto).

    Raises:
        ArgumentError: The environment variable holds something else.

    Example:
        >>> portable_randomness()
        'auto'
    """
    if "portable_randomness" not in _settings:
        word = os.environ.get(PORTABLE_RANDOMNESS) or "auto"
        _settings["portable_randomness"] = switch_of(word, PORTABLE_RANDOMNESS)
    return _settings["portable_randomness"]  # type: ignore[return-value]


def set_portable_randomness(value: Switch) -> None:
    """Choose where the random numbers within a step come from: dropout masks and the noise of layers.

    Initial weights, shuffles and whatever is drawn outside of a step of `fit`, `evaluate` or `predict` are the same on
    every engine whatever is chosen here.

    Args:
        value: True: from kerasish's generator, the same numbers on every engine. False: from the engine's own, if it
            has one: the same numbers from the same seed on that engine only. "auto": from kerasish's but on devices
            where that takes more than 5 % of a step.

    Raises:
        ArgumentError: `value` is none of the three.

    Example:
        >>> import kerasish
        >>> kerasish.config.set_portable_randomness("auto")
        >>> kerasish.config.portable_randomness()
        'auto'
    """
    if not isinstance(value, bool) and value != "auto":
        raise ArgumentError(
            "Portable randomness is on, off or decided for each device.",
            where="set_portable_randomness",
            expected='True, False or "auto"',
            received=repr(value),
        )
    _settings["portable_randomness"] = value


def switch_of(word: str, where: str) -> Switch:
    """What "on", "off" or "auto" stands for.

    Raises:
        ArgumentError: It is another word.
    """
    known: dict[str, Switch] = {"on": True, "off": False, "auto": "auto"}
    if word.lower() not in known:
        raise UnknownNameError.of("choice", word, known, where=where)
    return known[word.lower()]


@contextmanager
def drawing_portably() -> Iterator[None]:
    """Within the block all random numbers are the portable ones: engines are held against each other."""
    before = portable_randomness()
    _settings["portable_randomness"] = True
    try:
        yield
    finally:
        _settings["portable_randomness"] = before
