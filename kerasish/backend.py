"""Engine-level facts under their Keras names: `keras.backend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasish.core.absent import explaining
from kerasish.core.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from kerasish.core.dtypes import canonical as standardize_dtype
from kerasish.core.dtypes import promote
from kerasish.core.registry import backend
from kerasish.core.symbolic import SymbolicTensor

__all__ = [
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__)


def clear_session(free_memory: bool = True) -> None:
    """Nothing to clear: names are given within models and graphs die with their tensors. Kept for Keras scripts.

    Example:
        >>> clear_session()
    """


def is_keras_tensor(x: object) -> bool:
    """Whether `x` is a symbolic tensor.

    Example:
        >>> import kerasish
        >>> is_keras_tensor(kerasish.Input((3,))), is_keras_tensor(kerasish.ops.ones(3))
        (True, False)
    """
    return isinstance(x, SymbolicTensor)


def is_float_dtype(dtype: object) -> bool:
    """Whether a dtype is a floating type.

    Example:
        >>> is_float_dtype("bfloat16"), is_float_dtype("int8")
        (True, False)
    """
    return "float" in standardize_dtype(dtype)


def is_int_dtype(dtype: object) -> bool:
    """Whether a dtype is an integer type.

    Example:
        >>> is_int_dtype("uint8")
        True
    """
    return "int" in standardize_dtype(dtype)


def result_type(*dtypes: object) -> str:
    """The dtype that operands of these dtypes (int and float: Python scalars) are promoted to.

    Example:
        >>> result_type("int8", "float32"), result_type("float16", float)
        ('float32', 'float16')
    """
    return promote(*("int" if d is int else "float" if d is float else standardize_dtype(d) for d in dtypes))
