"""`Input`: where a Functional model begins."""

from __future__ import annotations

from typing import Any

from kerasish.core import dtypes
from kerasish.core.config import floatx
from kerasish.core.errors import ArgumentError
from kerasish.core.symbolic import Node, SymbolicTensor
from kerasish.layers.layer import Layer
from kerasish.layers.options import refuse


class InputLayer(Layer):
    """The layer behind `Input`; its `output` is the symbolic tensor.

    Args:
        shape: Sizes without the batch, None for unknown ones.
        batch_size: Size of the batch, if it is fixed.
        dtype: A dtype name; default `floatx()`.
        sparse: Not offered.
        ragged: Not offered.
        batch_shape: Sizes with the batch, in place of `shape` and `batch_size`.
        input_tensor: A symbolic tensor to use instead of making one.
        optional: Whether None may be passed.
        name: Unique within the model.
        **kwargs: As of every layer.

    Raises:
        ArgumentError: No shape was given, or two.

    Example:
        >>> InputLayer(shape=(28, 28)).output.shape
        (None, 28, 28)
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        refuse(self, sparse=sparse, ragged=ragged)
        if input_tensor is not None:
            if not isinstance(input_tensor, SymbolicTensor):
                raise ArgumentError(
                    "`input_tensor` must be symbolic.", where=self.where, received=type(input_tensor).__name__
                )
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        elif batch_shape is None:
            batch_shape = (batch_size, *_sizes(shape))
        elif shape is not None or batch_size is not None:
            raise ArgumentError("Give either `shape` or `batch_shape`.", where=self.where)
        self._dtype = dtypes.canonical(dtype) if dtype is not None else floatx()
        self._batch_shape = tuple(batch_shape)
        self.optional = optional
        self.built = True
        tensor = input_tensor or SymbolicTensor(self._batch_shape, self._dtype, self.name)
        node = Node(self, (), {})
        tensor.node, tensor.index, node.outputs = node, 0, tensor
        self._nodes_io = (tensor, tensor)

    @property
    def dtype(self) -> str:
        """Dtype of the data."""
        return self._dtype

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """Shape of the data, None where unknown."""
        return self._batch_shape

    def call(self) -> Any:
        """Give the symbolic tensor."""
        return self._nodes_io[1]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise ArgumentError(
            "An InputLayer is not called.",
            where=self.where,
            hint="use the tensor that kerasish.Input(...) returns",
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self._batch_shape,
            "dtype": self._dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def _sizes(shape: Any) -> tuple[Any, ...]:
    if shape is None:
        raise ArgumentError(
            "A shape is needed.",
            where="Input",
            hint="Input(shape=(784,)): the sizes of one sample, without the batch",
        )
    if isinstance(shape, int):
        return (shape,)
    sizes = tuple(shape)
    if any(s is not None and (not hasattr(s, "__index__") or s < 0) for s in sizes):
        raise ArgumentError("Sizes must be integers or None.", where="Input", received=f"shape={shape!r}")
    return sizes


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> SymbolicTensor:
    """A symbolic tensor that stands for a model's input.

    Args:
        shape: Sizes of one sample, None for unknown ones.
        batch_size: Size of the batch, if it is fixed.
        dtype: A dtype name; default `floatx()`.
        sparse: Not offered.
        ragged: Not offered.
        batch_shape: Sizes with the batch, in place of `shape` and `batch_size`.
        name: Unique within the model.
        tensor: A symbolic tensor to use instead of making one.
        optional: Whether None may be passed.

    Example:
        >>> Input(shape=(32,)).shape
        (None, 32)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
