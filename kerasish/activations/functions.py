"""The activations that are not a function of `kerasish.ops` under the same name and defaults."""

from __future__ import annotations

from typing import Any

from kerasish import ops


def linear(x: Any) -> Any:
    """x itself.

    Example:
        >>> linear(3.0)
        3.0
    """
    return x


def exponential(x: Any) -> Any:
    """e^x.

    Example:
        >>> float(exponential(0.0))
        1.0
    """
    return ops.exp(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x · Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016).

    Args:
        x: Any tensor.
        approximate: Use the tanh approximation.

    Example:
        >>> round(float(gelu(1.0)), 4)
        0.8413
    """
    return ops.gelu(x, approximate=approximate)


def mish(x: Any) -> Any:
    """x · tanh(softplus(x)) (Misra 2019).

    Example:
        >>> round(float(mish(1.0)), 4)
        0.8651
    """
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """min(x, max_value) from `threshold` on, negative_slope · (x − threshold) below it.

    Args:
        x: Any tensor.
        negative_slope: Slope below the threshold.
        max_value: Where it saturates; None: nowhere.
        threshold: Below it the output is the leak.

    Example:
        >>> relu(ops.convert_to_tensor([-2.0, 8.0]), max_value=6.0).tolist()
        [0.0, 6.0]
    """
    if not negative_slope and not threshold:
        if max_value is None:
            return ops.relu(x)
        return ops.relu6(x) if max_value == 6 else ops.clip(x, 0.0, max_value)
    if not threshold and max_value is None:
        return ops.leaky_relu(x, negative_slope=negative_slope)
    x = ops.convert_to_tensor(x)
    above = x if max_value is None else ops.minimum(x, max_value)
    below = ops.multiply(ops.subtract(x, threshold), negative_slope)
    return ops.where(ops.greater_equal(x, threshold), above, below)
