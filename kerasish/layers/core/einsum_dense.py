"""`EinsumDense`: a dense layer whose contraction is spelled as an einsum equation."""

from __future__ import annotations

import copy
import functools
import re
from typing import Any, NamedTuple

from kerasish import ops
from kerasish.core import shapes
from kerasish.core.contract import Tensor
from kerasish.core.convert import shape_of
from kerasish.core.errors import ArgumentError, ShapeError
from kerasish.layers.core.dense import dense
from kerasish.layers.layer import Layer
from kerasish.layers.options import config_of, refuse, set_options

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class _Plan(NamedTuple):
    """What the equation says about one input shape."""

    kernel: tuple[int | None, ...]
    bias: tuple[int | None, ...] | None
    fan_in: tuple[int, ...]  # axes of the kernel that are summed over
    fan_out: tuple[int, ...]


def _plan(equation: str, bias_axes: str | None, input_shape: Any, output_shape: tuple[Any, ...]) -> _Plan:
    match = _EQUATION.fullmatch(equation.replace(" ", ""))
    if (
        match is None
        or bool(match[1]) != bool(match[5])
        or bool(match[3]) != bool(match[7])
        or (match[1] and match[3])
    ):
        raise ArgumentError(
            "The equation cannot be understood.",
            expected='"ab,bc->ac", or with an ellipsis at one end of input and output: "...b,bc->...c"',
            received=equation,
        )
    left, right, source, kernel, target = bool(match[1]), bool(match[3]), match[2], match[4], match[6]
    if len(input_shape) < len(source) or (len(input_shape) > len(source) and not (left or right)):
        raise ShapeError(
            "The input does not fit the equation.",
            expected=f"{len(source)} axes for {equation!r}",
            received=f"shape {input_shape}",
        )
    known = dict(zip(source, input_shape[-len(source) :] if left else input_shape, strict=False))
    # `output_shape` leaves out the batch, which is the first letter unless an ellipsis stands there.
    given = output_shape if left else (None, *output_shape)
    if len(given) != len(target):
        raise ShapeError(
            "`output_shape` does not fit the equation.",
            expected=f"{len(target) - (not left)} sizes (without the batch) for {equation!r}",
            received=output_shape,
        )
    sizes = dict(known)
    for letter, size in zip(target, given, strict=True):
        if size is not None and known.get(letter) not in (None, size):
            raise ShapeError(
                f"`output_shape` contradicts the input in axis {letter!r}.",
                expected=known[letter],
                received=f"{size} in {output_shape}",
            )
        if sizes.get(letter) is None:
            sizes[letter] = size
    strange = [letter for letter in kernel if letter not in sizes]
    if strange:
        raise ArgumentError(
            f"The kernel's axis {strange[0]!r} is neither in the input nor in the output.", received=equation
        )
    bias = _bias_shape(bias_axes, target, sizes, len(input_shape) - len(source) if right else 0)
    summed = tuple(i for i, letter in enumerate(kernel) if letter in source and letter not in target)
    kept = tuple(i for i, letter in enumerate(kernel) if letter in target and letter not in source)
    return _Plan(tuple(sizes[letter] for letter in kernel), bias, summed, kept)


def _bias_shape(
    bias_axes: str | None, target: str, sizes: dict[str, Any], trailing: int
) -> tuple[int | None, ...] | None:
    if not bias_axes:
        return None
    strange = [letter for letter in bias_axes if letter not in target]
    if strange:
        raise ArgumentError(
            f"The bias axis {strange[0]!r} is not an axis of the output.",
            expected=f"letters of {target!r}",
            received=bias_axes,
        )
    first = min(target.index(letter) for letter in bias_axes)
    return (*(sizes[c] if c in bias_axes else 1 for c in target[first:]), *(1,) * trailing)


class EinsumDense(Layer):
    """activation(einsum(equation, inputs, kernel) + bias).

    Args:
        equation: Such as "abc,cd->abd" or "...x,xy->...y": input, kernel -> output.
        output_shape: Sizes of the output without the batch and without what "..." stands for; None for a size that
            the input tells.
        activation: Name or function; None for none.
        bias_axes: Letters of the output that the bias has; None for no bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty of the kernel.
        bias_regularizer: Penalty of the bias.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        lora_rank: Not offered.
        lora_alpha: Not offered.
        gptq_unpacked_column_size: Not offered.
        quantization_config: Not offered.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer`.

    Example:
        >>> EinsumDense("abc,cd->abd", output_shape=(None, 64), bias_axes="d").compute_output_shape((None, 10, 32))
        (None, 10, 64)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse(
            self,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.quantization_config = None
        set_options(
            self,
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.bias = None

    def build(self, input_shape: Any) -> None:
        plan = _plan(self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=plan.kernel,
            initializer=_with_fans(self.kernel_initializer, plan.fan_in, plan.fan_out),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if plan.bias is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=plan.bias,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        summed = _summed_at_the_end(self.equation)
        if summed:
            return self.activation(self._product(inputs, summed))
        y = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            y = ops.add(y, self.bias)
        return self.activation(y)

    def _product(self, inputs: Tensor, summed: int) -> Tensor:
        """The einsum as one matrix product of two flat matrices: engines are at their fastest there."""
        shape, kernel = shape_of(inputs), self.kernel.shape
        outer, new = shape[: len(shape) - summed], kernel[summed:]
        width = shapes.size_of(new)
        x = ops.reshape(inputs, (*outer, shapes.size_of(kernel[:summed])))
        flat_kernel = ops.reshape(self.kernel, (shapes.size_of(kernel[:summed]), width))
        bias = self.bias
        flat = bias is not None and bias.shape == new
        y = dense(x, flat_kernel, ops.reshape(bias, (width,)) if flat else None)
        y = ops.reshape(y, (*outer, *new))
        return y if flat or bias is None else ops.add(y, bias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            **config_of(
                self,
                "equation",
                "activation",
                "bias_axes",
                "kernel_initializer",
                "bias_initializer",
                "kernel_regularizer",
                "bias_regularizer",
                "activity_regularizer",
                "kernel_constraint",
                "bias_constraint",
                "quantization_config",
            ),
        }


@functools.lru_cache(maxsize=1024)
def _summed_at_the_end(equation: str) -> int:
    """Number of summed axes, if these are the last of the input and the first of the kernel and nothing else happens.

    Example:
        >>> _summed_at_the_end("abc,cde->abde"), _summed_at_the_end("abc,bd->acd")
        (1, 0)
    """
    source, kernel, target = re.split(",|->", equation.replace(" ", ""))
    for count in range(1, len(kernel)):
        outer, summed = source[:-count], source[-count:]
        if kernel[:count] == summed and target == outer + kernel[count:]:
            separate = not (set(summed) & set(target)) and not (set(kernel) & set(outer))
            return count if separate and len(set(kernel)) == len(kernel) and "." not in summed else 0
    return 0


def _with_fans(initializer: Any, fan_in: tuple[int, ...], fan_out: tuple[int, ...]) -> Any:
    """The initializer, told which axes of the kernel are summed over; the layer's own stays as it was given."""
    if getattr(initializer, "input_axes", 0) is not None or initializer.output_axes is not None:
        return initializer
    informed = copy.copy(initializer)
    informed.input_axes, informed.output_axes = fan_in, fan_out
    return informed
