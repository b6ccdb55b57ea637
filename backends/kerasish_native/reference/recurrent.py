"""Whole LSTM and GRU sequences, and their gradients written out, in NumPy.

The engine's own primitives: `kerasish.ops.recurrent` is the definition, these are what its overrides run. B is the
batch, T the time, C the channels of x, U the units. Operands that may be absent come last, `bias` and `masked` say
which are there; a mask is bool (B, T), and a step that does not count leaves the states and repeats the output before
it (zeros before the first). `reverse` goes from the last time to the first; outputs stand in the order they are made,
everything kept for the gradient in the order of the inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasish_native.reference.elementwise import KERNELS as ELEMENTWISE
from kerasish_native.reference.elementwise import Kernel

Array = npt.NDArray[Any]
_sigmoid = ELEMENTWISE["sigmoid"]


def _optional(rest: Iterable[Array], *present: bool) -> list[Array | None]:
    """The operands in `rest`, None for those that are not there."""
    left = iter(rest)
    return [next(left) if there else None for there in present]


def _steps(length: int, reverse: bool) -> Iterator[tuple[int, int]]:
    """(number of the step, time of its input)."""
    return enumerate(range(length - 1, -1, -1) if reverse else range(length))


def _counted(mask: Array | None, t: int, new: Array, old: Array) -> Array:
    return new if mask is None else np.where(mask[:, t, None], new, old)


def lstm_sequence(
    x: Array,
    h0: Array,
    c0: Array,
    kernel: Array,
    recurrent: Array,
    *rest: Array,
    bias: bool,
    masked: bool,
    reverse: bool,
    keep: bool,
) -> tuple[Array, ...]:
    """(outputs, h, c), and with `keep` also gates i, f, g, o (B, T, 4U), c of all times and h before each."""
    offset, mask = _optional(rest, bias, masked)
    batch, length, _ = x.shape
    units = h0.shape[1]
    z_of_x = x @ kernel if offset is None else x @ kernel + offset
    outputs, cells, before = (np.zeros((batch, length, units), x.dtype) for _ in range(3))
    gates = np.zeros((batch, length, 4 * units), x.dtype)
    h, c, output = h0, c0, np.zeros_like(h0)
    for step, t in _steps(length, reverse):
        i, f, g, o = np.split(z_of_x[:, t] + h @ recurrent, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        before[:, t] = h
        c = _counted(mask, t, f * c + i * g, c)
        h = _counted(mask, t, o * np.tanh(c), h)
        output = _counted(mask, t, h, output)
        outputs[:, step], cells[:, t] = output, c
        gates[:, t] = np.concatenate([i, f, g, o], axis=1)
    return (outputs, h.copy(), c.copy(), *((gates, cells, before) if keep else ()))


def lstm_sequence_grad(
    *args: Array,
    given: tuple[bool, bool, bool],
    bias: bool,
    masked: bool,
    reverse: bool,
    wants_x: bool,
) -> tuple[Array, ...]:
    """Gradients of x (with `wants_x`), h0, c0, kernel, recurrent kernel and bias (where there is one).

    Operands: the cotangents of outputs, h and c that are `given`, the operands of `lstm_sequence`, and what it kept.
    """
    count = sum(given)
    outputs_grad, h_grad, c_grad = _optional(args[:count], *given)
    x, _, c0, kernel, recurrent, *rest = args[count:-3]
    gates, cells, before = args[-3:]
    _, mask = _optional(rest, bias, masked)
    length = x.shape[1]
    dh = np.zeros_like(c0) if h_grad is None else h_grad
    dc = np.zeros_like(c0) if c_grad is None else c_grad
    dz = np.zeros_like(gates)
    late = np.zeros_like(c0)  # gradients of outputs that repeat an earlier one
    for step, t in reversed(list(_steps(length, reverse))):
        i, f, g, o = np.split(gates[:, t], 4, axis=1)
        late = late if outputs_grad is None else late + outputs_grad[:, step]
        counted = dh + late
        slope = np.tanh(cells[:, t])
        dcell = dc + counted * o * (1 - slope * slope)
        c_before = c0 if step == 0 else cells[:, t + 1 if reverse else t - 1]
        parts = [
            dcell * g * i * (1 - i),
            dcell * c_before * f * (1 - f),
            dcell * i * (1 - g * g),
            counted * slope * o * (1 - o),
        ]
        dz[:, t] = _counted(mask, t, np.concatenate(parts, axis=1), np.zeros((), x.dtype))
        dc = _counted(mask, t, dcell * f, dc)
        dh = _counted(mask, t, dz[:, t] @ recurrent.T, dh)
        late = _counted(mask, t, np.zeros_like(late), late)
    found = [
        *([dz @ kernel.T] if wants_x else []),
        np.array(dh),
        np.array(dc),
        _sums(x, dz),
        _sums(before, dz),
    ]
    return (*found, *([dz.sum((0, 1))] if bias else []))


def _sums(x: Array, g: Array) -> Array:
    """Σ over batch and time of the outer products of rows."""
    return x.reshape(-1, x.shape[2]).T @ g.reshape(-1, g.shape[2])


def gru_sequence(
    x: Array,
    h0: Array,
    kernel: Array,
    recurrent: Array,
    *rest: Array,
    bias: bool,
    masked: bool,
    reverse: bool,
    keep: bool,
) -> tuple[Array, ...]:
    """(outputs, h), and with `keep` also z, r, g, the candidate's recurrent product (B, T, 4U), and h before each time.

    The reset gate is applied after the recurrent product; bias (2, 3U): of the inputs and of that product.
    """
    offset, mask = _optional(rest, bias, masked)
    batch, length, _ = x.shape
    units = h0.shape[1]
    of_x = x @ kernel if offset is None else x @ kernel + offset[0]
    outputs, before = (np.zeros((batch, length, units), x.dtype) for _ in range(2))
    gates = np.zeros((batch, length, 4 * units), x.dtype)
    h, output = h0, np.zeros_like(h0)
    for step, t in _steps(length, reverse):
        inner = h @ recurrent if offset is None else h @ recurrent + offset[1]
        xz, xr, xg = np.split(of_x[:, t], 3, axis=1)
        hz, hr, hg = np.split(inner, 3, axis=1)
        z, r = _sigmoid(xz + hz), _sigmoid(xr + hr)
        g = np.tanh(xg + r * hg)
        before[:, t] = h
        h = _counted(mask, t, g + z * (h - g), h)
        output = _counted(mask, t, h, output)
        outputs[:, step] = output
        gates[:, t] = np.concatenate([z, r, g, hg], axis=1)
    return (outputs, h.copy(), *((gates, before) if keep else ()))


def gru_sequence_grad(
    *args: Array, given: tuple[bool, bool], bias: bool, masked: bool, reverse: bool, wants_x: bool
) -> tuple[Array, ...]:
    """Gradients of x (with `wants_x`), h0, kernel, recurrent kernel and bias (where there is one).

    Operands: the cotangents of outputs and h that are `given`, the operands of `gru_sequence`, and what it kept.
    """
    count = sum(given)
    outputs_grad, h_grad = _optional(args[:count], *given)
    x, h0, kernel, recurrent, *rest = args[count:-2]
    gates, before = args[-2:]
    _, mask = _optional(rest, bias, masked)
    length, units = x.shape[1], h0.shape[1]
    dh = np.zeros_like(h0) if h_grad is None else h_grad
    dx = np.zeros((*x.shape[:2], 3 * units), x.dtype)  # of x·kernel and of h·recurrent, gates z, r, g
    dn = np.zeros_like(dx)
    late = np.zeros_like(h0)  # gradients of outputs that repeat an earlier one
    for step, t in reversed(list(_steps(length, reverse))):
        z, r, g, hg = np.split(gates[:, t], 4, axis=1)
        late = late if outputs_grad is None else late + outputs_grad[:, step]
        counted = dh + late
        dg = counted * (1 - z) * (1 - g * g)
        dz, dr = counted * (before[:, t] - g) * z * (1 - z), dg * hg * r * (1 - r)
        nothing = np.zeros((), x.dtype)
        dx[:, t] = _counted(mask, t, np.concatenate([dz, dr, dg], axis=1), nothing)
        dn[:, t] = _counted(mask, t, np.concatenate([dz, dr, dg * r], axis=1), nothing)
        dh = _counted(mask, t, counted * z + dn[:, t] @ recurrent.T, dh)
        late = _counted(mask, t, np.zeros_like(late), late)
    found = [*([dx @ kernel.T] if wants_x else []), np.array(dh), _sums(x, dx), _sums(before, dn)]
    return (*found, *([np.stack([dx.sum((0, 1)), dn.sum((0, 1))])] if bias else []))


PRIVATE: dict[str, Kernel] = {
    "lstm_sequence": lstm_sequence,
    "lstm_sequence_grad": lstm_sequence_grad,
    "gru_sequence": gru_sequence,
    "gru_sequence_grad": gru_sequence_grad,
}
