"""The LSTM as one loop of XLA, and a gradient whose products are taken outside of it.

Forwards both products of a step stay within the loop: on a CPU that beats the product of all inputs ahead of it. In the
gradient it pays to leave the loop: left to itself, XLA adds up the gradients of both kernels step by step, of B rows
each. Written as below, the tangent of all steps' pre-activations,

    dZ = dX·W + X·dW + H·dR + db,    H the states before each step,

is ahead of the loop, so its transpose is one product over B·T rows for each of X, W and R.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerasish_jax.calls import listed

Result = tuple[Array, Array, list[Array]]


def _time_first(x: Array) -> Array:
    return jnp.swapaxes(x, 0, 1)


def _gates(z: Array, c: Array) -> tuple[Array, ...]:
    """i, f, g, o, the new c and its tanh."""
    i, f, g, o = jnp.split(z, 4, -1)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c = f * c + i * g
    return i, f, g, o, c, jnp.tanh(c)


def _forward(parts: tuple[Any, ...], *, kept: bool, unroll: int, go_backwards: bool) -> tuple[Array, Any]:
    """The last c, and of each step the new h; with `kept` also its gates, the c before it, and tanh of the new one."""
    x, h0, c0, kernel, recurrent_kernel, bias = parts

    def step(carry: tuple[Array, Array], now: Array) -> tuple[tuple[Array, Array], Any]:
        h, c = carry
        z = now @ kernel + h @ recurrent_kernel
        i, f, g, o, c_new, t = _gates(z if bias is None else z + bias, c)
        h = o * t
        return (h, c_new), (h, i, f, g, o, c, t) if kept else h

    (_, c), steps = lax.scan(step, (h0, c0), _time_first(x), reverse=go_backwards, unroll=unroll)
    return c, steps


def _result(h0: Array, outputs: Array, c: Array, go_backwards: bool) -> Result:
    """The composite's results; the last state is read from the outputs, through which the gradient is faster."""
    outputs = jnp.flip(outputs, 0) if go_backwards else outputs
    h = outputs[-1] if len(outputs) else h0
    return h, _time_first(outputs), [h, c]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _lstm(go_backwards: bool, *parts: Any) -> Result:
    """Two steps at a time are faster where nobody trains, and slower in the gradient."""
    c, outputs = _forward(parts, kept=False, unroll=2, go_backwards=go_backwards)
    return _result(parts[1], outputs, c, go_backwards)


@_lstm.defjvp
def _move(go_backwards: bool, parts: Any, moved: Any) -> tuple[Result, Result]:
    x, h0, _, kernel, recurrent_kernel, bias = parts
    dx, dh0, dc0, dkernel, drecurrent, dbias = moved
    c, (outputs, i, f, g, o, c_before, t) = _forward(parts, kept=True, unroll=1, go_backwards=go_backwards)
    states = [outputs[1:], h0[None]] if go_backwards else [h0[None], outputs[:-1]]
    before = jnp.concatenate(states)[: len(outputs)]

    def rows(a: Array) -> Array:  # one product of matrices, not one a step
        return a.reshape(a.shape[0] * a.shape[1], a.shape[2])

    dz = rows(_time_first(dx)) @ kernel + rows(_time_first(x)) @ dkernel + rows(before) @ drecurrent
    dz = (dz if bias is None else dz + dbias).reshape(*before.shape[:-1], 4 * before.shape[-1])
    by_i, by_f, by_g = g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g)
    by_o, by_c = t * o * (1 - o), o * (1 - t * t)

    def step(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        dh, dc = carry
        dz, by_i, by_f, by_g, by_o, by_c, f = now
        di, df, dg, do = jnp.split(dz + dh @ recurrent_kernel, 4, -1)
        dc = f * dc + by_i * di + by_f * df + by_g * dg
        dh = by_o * do + by_c * dc
        return (dh, dc), dh

    slopes = (dz, by_i, by_f, by_g, by_o, by_c, f)
    (_, dc), doutputs = lax.scan(step, (dh0, dc0), slopes, reverse=go_backwards)
    return _result(h0, outputs, c, go_backwards), _result(dh0, doutputs, dc, go_backwards)


_compiled = listed(lambda *parts, go_backwards: _lstm(go_backwards, *parts), "go_backwards")


def lstm(*args: Any, activation: Any, recurrent_activation: Any, go_backwards: bool, mask: Any = None) -> Any:
    """The composite `lstm`, with its usual activations and without a mask."""
    if (activation, recurrent_activation) != ("tanh", "sigmoid") or mask is not None:
        return NotImplemented
    return _compiled(*args, go_backwards=go_backwards)
