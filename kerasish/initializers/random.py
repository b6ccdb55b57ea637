"""Random initial values: normal, uniform, and those scaled to the size of a layer."""

from __future__ import annotations

import math
from typing import Any

from kerasish import ops
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.core.objects import deserialize_keras_object, serialize_keras_object
from kerasish.core.seeds import SeedGenerator, make_default_seed
from kerasish.initializers.initializer import Initializer, dtype_name, sizes_of
from kerasish.ops import random

#: Standard deviation of a standard normal variable cut at ±2.
_TRUNCATED_STDDEV = 0.87962566103423978


class RandomInitializer(Initializer):
    """Base of random initializers.

    Args:
        seed: An integer (every call gives the same values), a `SeedGenerator` (every call gives new ones), or None:
            an integer drawn now.

    Example:
        >>> init = RandomNormal(seed=1)
        >>> bool((init((2, 2)) == init((2, 2))).all())
        True
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):
            seed = deserialize_keras_object(seed)
        if seed is not None and not isinstance(seed, (int, SeedGenerator)):
            raise ArgumentError(
                "A seed must be an integer or a SeedGenerator.",
                where=type(self).__name__,
                received=repr(seed),
            )
        self._given_seed = seed
        self.seed = make_default_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialize_keras_object(self._given_seed)}


class RandomNormal(RandomInitializer):
    """Normally distributed values.

    Args:
        mean: Their mean.
        stddev: Their standard deviation.
        seed: See `RandomInitializer`.

    Example:
        >>> RandomNormal(stddev=1.0, seed=0)((2, 3)).shape
        (2, 3)
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.normal(sizes_of(shape), self.mean, self.stddev, dtype=dtype_name(dtype), seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Normally distributed values, none further than two `stddev` from `mean`.

    Args:
        mean: Mean before the cut.
        stddev: Standard deviation before the cut.
        seed: See `RandomInitializer`.

    Example:
        >>> bool(abs(TruncatedNormal(stddev=1.0, seed=0)((100,))).max() <= 2)
        True
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.truncated_normal(
            sizes_of(shape), self.mean, self.stddev, dtype=dtype_name(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Values spread evenly over [minval, maxval).

    Args:
        minval: Lower bound.
        maxval: Upper bound.
        seed: See `RandomInitializer`.

    Example:
        >>> bool(abs(RandomUniform(seed=0)((100,))).max() <= 0.05)
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return random.uniform(
            sizes_of(shape), self.minval, self.maxval, dtype=dtype_name(dtype), seed=self.seed
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class VarianceScaling(RandomInitializer):
    """Values of variance scale/n, where n counts a unit's inputs, outputs or their average.

    Args:
        scale: The factor, > 0.
        mode: What n is: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal", "untruncated_normal" or "uniform" (over ±√(3·scale/n)).
        seed: See `RandomInitializer`.
        input_axes: Axes whose product is fan-in; given together with `output_axes`, instead of the convention that
            the last two axes are input and output and those before them a window.
        output_axes: Axes whose product is fan-out.

    Raises:
        ArgumentError: `scale`, `mode` or `distribution` is not one of the above.

    Example:
        >>> kernel = VarianceScaling(distribution="uniform", seed=0)((300, 5))
        >>> bool(abs(kernel).max() <= 0.1)
        True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0:
            raise ArgumentError("`scale` must be positive.", where=type(self).__name__, received=scale)
        self.scale = scale
        self.mode = _one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        kinds = ("truncated_normal", "untruncated_normal", "uniform")
        self.distribution = _one_of("distribution", distribution.lower(), kinds)
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        sizes, name = sizes_of(shape), dtype_name(dtype)
        fan_in, fan_out = _fans(sizes, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(sizes, -limit, limit, dtype=name, seed=self.seed)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
            return random.truncated_normal(sizes, 0.0, stddev, dtype=name, seed=self.seed)
        return random.normal(sizes, 0.0, math.sqrt(variance), dtype=name, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


def _one_of(name: str, value: str, accepted: tuple[str, ...]) -> str:
    if value not in accepted:
        raise ArgumentError(f"Unknown `{name}`.", expected=f"one of {accepted}", received=value)
    return value


def _fans(shape: tuple[int, ...], input_axes: Any, output_axes: Any) -> tuple[float, float]:
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[a] for a in input_axes), math.prod(shape[a] for a in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class _Preset(VarianceScaling):
    """A VarianceScaling with its first three arguments settled."""

    _settings: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        scale, mode, distribution = self._settings
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {name: config[name] for name in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Preset):
    """Uniform over ±√(6/(fan_in + fan_out)) (Glorot and Bengio 2010).

    Example:
        >>> bool(abs(GlorotUniform(seed=0)((3, 3))).max() <= 1)
        True
    """

    _settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Truncated normal of variance 2/(fan_in + fan_out) (Glorot and Bengio 2010).

    Example:
        >>> GlorotNormal(seed=0)((3, 4)).shape
        (3, 4)
    """

    _settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Preset):
    """Uniform over ±√(6/fan_in) (He et al. 2015).

    Example:
        >>> HeUniform(seed=0)((3, 4)).shape
        (3, 4)
    """

    _settings = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Truncated normal of variance 2/fan_in (He et al. 2015).

    Example:
        >>> HeNormal(seed=0)((3, 4)).shape
        (3, 4)
    """

    _settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Uniform over ±√(3/fan_in) (LeCun et al. 1998).

    Example:
        >>> LecunUniform(seed=0)((3, 4)).shape
        (3, 4)
    """

    _settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    """Truncated normal of variance 1/fan_in (LeCun et al. 1998).

    Example:
        >>> LecunNormal(seed=0)((3, 4)).shape
        (3, 4)
    """

    _settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """Orthonormal columns (rows, where there are fewer rows), times `gain` (Saxe et al. 2014).

    Leading axes count as rows: (..., n) is treated as (product of the others, n).

    Args:
        gain: The factor.
        seed: See `RandomInitializer`.

    Raises:
        ShapeError: The shape has fewer than two axes.

    Example:
        >>> q = Orthogonal(seed=0)((3, 3))
        >>> (q.T @ q).round(3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        True
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        sizes, name = sizes_of(shape), dtype_name(dtype)
        if len(sizes) < 2:
            raise ShapeError("Orthogonal values need at least two axes.", where="Orthogonal", received=sizes)
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        tall = (max(rows, columns), min(rows, columns))
        # Half precision has no decompositions, and its errors would show.
        wide = "float64" if name == "float64" else "float32"
        q, r = ops.qr(random.normal(tall, dtype=wide, seed=self.seed))
        # The signs of R's diagonal make the distribution uniform over all orthogonal matrices (Mezzadri 2007).
        q = ops.multiply(q, ops.where(ops.less(ops.diagonal(r), 0.0), -1.0, 1.0))
        if rows < columns:
            q = ops.transpose(q)
        return ops.cast(ops.multiply(ops.reshape(q, sizes), self.gain), name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}
