"""`Initializer`: a function `(shape, dtype) -> tensor` that can be written to a config."""

from __future__ import annotations

from typing import Any

from kerasish.core import dtypes
from kerasish.core.config import floatx


class Initializer:
    """Base class: subclasses give `__call__(shape, dtype=None)` and `get_config`.

    Example:
        >>> class Halves(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return 0.5 * ops.ones(shape, dtype)
        >>> from kerasish import ops
        >>> Halves()((2,)).tolist()
        [0.5, 0.5]
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Initial values of that shape and dtype."""
        raise NotImplementedError("Initializer subclasses must implement __call__(shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """Make one from its configuration."""
        return cls(**config)

    def clone(self) -> Initializer:
        """Another one made with the same arguments."""
        return self.from_config(self.get_config())


def dtype_name(dtype: Any) -> str:
    """The name of `dtype`, or floatx for None."""
    return floatx() if dtype is None else dtypes.canonical(dtype)


def sizes_of(shape: Any) -> tuple[int, ...]:
    """A shape given as an int or a sequence, as a tuple."""
    return (int(shape),) if isinstance(shape, int) else tuple(int(size) for size in shape)
