"""Dropout: in training, elements are set to zero at random and the others enlarged."""

from __future__ import annotations

from typing import Any, ClassVar

from kerasish.core.config import standardize_data_format
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError
from kerasish.core.seeds import SeedGenerator
from kerasish.layers.input_spec import InputSpec
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, fraction
from kerasish.ops import random


class RandomLayer(Layer):
    """Base of layers that do something random in training, and nothing otherwise."""

    def _set_seed(self, seed: int | None, active: bool) -> None:
        self.seed = seed
        self.seed_generator = SeedGenerator(seed) if active else None
        self.supports_masking = True
        # Nothing to build: what needs no weights may be called and copied at once.
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if training and self.seed_generator is not None:
            return self._disturbed(inputs)
        return inputs

    def _disturbed(self, inputs: Tensor) -> Tensor:
        """What `call` gives in training."""
        raise NotImplementedError


def _resolved(noise_shape: Any, inputs: Tensor) -> tuple[int, ...] | None:
    """`noise_shape` with None replaced by the inputs' sizes."""
    if noise_shape is None:
        return None
    shape = shape_of(inputs)
    if len(noise_shape) != len(shape):
        raise ArgumentError(
            "`noise_shape` needs one size for each axis of the input.",
            expected=f"{len(shape)} sizes",
            received=tuple(noise_shape),
        )
    return tuple(have if want is None else want for want, have in zip(noise_shape, shape, strict=True))


class Dropout(RandomLayer):
    """In training sets a fraction `rate` of the inputs to 0 and divides the rest by 1 − rate (Srivastava et al. 2014).

    The same seed drops the same elements on every engine, unless its own generator is in force within steps
    (`kerasish.config.set_portable_randomness`).

    Args:
        rate: Fraction in [0, 1] that is dropped.
        noise_shape: Shape of the mask, 1 where it is shared along an axis, None for the input's size.
        seed: An integer, for repeatable masks.
        **kwargs: `name`, `dtype`.

    Example:
        >>> Dropout(0.5)([[1.0, 2.0]], training=False).tolist()
        [[1.0, 2.0]]
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        fraction(self, rate=rate)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self._set_seed(seed, rate > 0)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        shape = _resolved(self.noise_shape, inputs)
        return random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **config_of(self, "rate", "seed", "noise_shape")}


class _SpatialDropout(RandomLayer):
    rank: ClassVar[int]

    def _set(self, rate: float, seed: int | None) -> None:
        fraction(self, rate=rate)
        self.rate = rate
        self.input_spec = InputSpec(ndim=self.rank + 2)
        self._set_seed(seed, rate > 0)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        shape = shape_of(inputs)
        ones = (1,) * self.rank
        if getattr(self, "data_format", "channels_last") == "channels_first":
            noise: tuple[int, ...] = (*shape[:2], *ones)
        else:
            noise = (shape[0], *ones, shape[-1])
        return random.dropout(inputs, self.rate, noise_shape=noise, seed=self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        config = {"rate": self.rate, "seed": self.seed, "name": self.name, "dtype": self.dtype}
        return config if self.rank == 1 else {**config, **config_of(self, "data_format")}


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of a sequence (Tompson et al. 2015).

    Args:
        rate: Fraction in [0, 1] that is dropped.
        seed: An integer, for repeatable masks.
        name: Unique within the model.
        dtype: A dtype name or policy.

    Shape: (N, T, C) -> same.

    Example:
        >>> SpatialDropout1D(0.5).compute_output_shape((None, 5, 2))
        (None, 5, 2)
    """

    rank: ClassVar[int] = 1

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._set(rate, seed)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of an image.

    Args:
        rate: Fraction in [0, 1] that is dropped.
        data_format: "channels_last" or "channels_first".
        seed: An integer, for repeatable masks.
        name: Unique within the model.
        dtype: A dtype name or policy.

    Shape: (N, H, W, C) -> same.

    Example:
        >>> SpatialDropout2D(0.5).compute_output_shape((None, 4, 4, 2))
        (None, 4, 4, 2)
    """

    rank: ClassVar[int] = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.data_format = standardize_data_format(data_format)
        self._set(rate, seed)


class SpatialDropout3D(SpatialDropout2D):
    """Dropout of whole channels of a volume. Arguments as of `SpatialDropout2D`.

    Shape: (N, D, H, W, C) -> same.

    Example:
        >>> SpatialDropout3D(0.5).compute_output_shape((None, 4, 4, 4, 2))
        (None, 4, 4, 4, 2)
    """

    rank: ClassVar[int] = 3
