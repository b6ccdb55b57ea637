"""Initial values without chance: zeros, ones, constants, the identity, Fourier kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish import ops
from kerasish.core.errors import ArgumentError, ShapeError, UnknownNameError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.initializers.initializer import Initializer, dtype_name, sizes_of


class Constant(Initializer):
    """Every element is `value` (an array is broadcast).

    Args:
        value: A number, or an array.

    Example:
        >>> Constant(3.0)((2,)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        name = dtype_name(dtype)
        return ops.broadcast_to(ops.cast(ops.convert_to_tensor(self.value), name), sizes_of(shape))

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(deserialize_keras_object(config["value"]))


class Zeros(Initializer):
    """Every element is 0.

    Example:
        >>> Zeros()((2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.zeros(sizes_of(shape), dtype=dtype_name(dtype))


class Ones(Initializer):
    """Every element is 1.

    Example:
        >>> Ones()((2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.ones(sizes_of(shape), dtype=dtype_name(dtype))


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere.

    Args:
        gain: The factor.

    Raises:
        ShapeError: The shape is not that of a matrix.

    Example:
        >>> Identity(2.0)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        sizes = sizes_of(shape)
        if len(sizes) != 2:
            raise ShapeError("Only a matrix can be the identity.", where="Identity", received=sizes)
        return ops.multiply(ops.eye(*sizes, dtype=dtype_name(dtype)), self.gain)

    def get_config(self) -> dict[str, Any]:
        return {} if self.gain == 1.0 else {"gain": self.gain}


_WINDOWS: dict[str, Callable[[int], np.ndarray]] = {
    "bartlett": np.bartlett,
    "blackman": np.blackman,
    "hamming": np.hamming,
    "hann": np.hanning,
}
_SCALINGS = {
    "density": lambda window: np.sqrt(np.sum(window**2)),
    "spectrum": lambda window: np.abs(np.sum(window)),
}


class STFT(Initializer):
    """Convolution kernels (frame, 1, frequencies) of a short-time Fourier transform.

    kernel[n, 0, k] = window[n] · cos(2πnk/N), or −sin for the imaginary side; N = 2·(frequencies − 1).

    Args:
        side: "real" or "imag".
        window: "hann", "hamming", "blackman", "bartlett", an array of `frame` values, or None for none.
        scaling: Divide the window by its L2 norm ("density"), its sum ("spectrum"), or not (None).
        periodic: Whether the window repeats after its end rather than at it.

    Example:
        >>> STFT("real", None)((4, 1, 3))[1, 0].round(6).tolist()
        [1.0, 0.0, -1.0]
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ArgumentError("Unknown `side`.", where="STFT", expected="'real' or 'imag'", received=side)
        if scaling is not None and scaling not in _SCALINGS:
            raise ArgumentError(
                "Unknown `scaling`.", where="STFT", expected="'density', 'spectrum' or None", received=scaling
            )
        if isinstance(window, str) and window not in _WINDOWS:
            raise UnknownNameError.of("window", window, _WINDOWS, where="STFT")
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def _window(self, frame: int) -> np.ndarray:
        if isinstance(self.window, str):
            # A periodic window is a symmetric one that is longer by one, without its last value.
            values = _WINDOWS[self.window](frame + 1)[:-1] if self.periodic else _WINDOWS[self.window](frame)
        else:
            values = np.asarray(self.window, dtype=np.float64)
        if values.shape != (frame,):
            raise ShapeError(
                "The window has another length.", where="STFT", expected=frame, received=values.shape
            )
        return values / _SCALINGS[self.scaling](values) if self.scaling else values

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        sizes = sizes_of(shape)
        if len(sizes) != 3:
            raise ShapeError(
                "Kernels of a Fourier transform have rank 3.",
                where="STFT",
                expected="(frame, 1, frequencies)",
                received=sizes,
            )
        frame, _, frequencies = sizes
        times = np.arange(frame)[:, None, None]
        angles = 2 * np.pi * times * np.arange(frequencies) / max(2 * (frequencies - 1), 1)
        kernel = np.cos(angles) if self.side == "real" else -np.sin(angles)
        if self.window is not None:
            kernel = kernel * self._window(frame)[:, None, None]
        kernel = np.broadcast_to(kernel, sizes)
        return ops.cast(ops.convert_to_tensor(np.ascontiguousarray(kernel)), dtype_name(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}
