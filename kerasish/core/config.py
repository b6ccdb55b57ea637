"""Process-wide numeric settings, Keras' names and defaults: floatx, epsilon, image data format."""

from __future__ import annotations

from kerasish.core.errors import ArgumentError

_settings: dict[str, object] = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def floatx() -> str:
    """The default float dtype, "float32" unless set."""
    return _settings["floatx"]  # type: ignore[return-value]


def set_floatx(value: str) -> None:
    """Set the default float dtype.

    Raises:
        ArgumentError: `value` is not one of float16, bfloat16, float32, float64.
    """
    accepted = ("bfloat16", "float16", "float32", "float64")
    if value not in accepted:
        raise ArgumentError(
            "Unknown floatx.", where="set_floatx", expected=f"one of {accepted}", received=value
        )
    _settings["floatx"] = value


def epsilon() -> float:
    """The small number that keeps denominators and logarithms finite, 1e-7 unless set."""
    return _settings["epsilon"]  # type: ignore[return-value]


def set_epsilon(value: float) -> None:
    """Set the small number of `epsilon()`."""
    _settings["epsilon"] = float(value)


def image_data_format() -> str:
    """The default layout of images: "channels_last" unless set."""
    return _settings["image_data_format"]  # type: ignore[return-value]


def set_image_data_format(data_format: str) -> None:
    """Set the default layout of images.

    Raises:
        ArgumentError: `data_format` is neither "channels_last" nor "channels_first".
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
