"""The hand-written JAX loops: pure functions over dictionaries, one jitted step with donated state, own Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.contender import Array, batches
from benchmarks.raw_weights import BLOCKS, initial_weights
from benchmarks.workloads import LEARNING_RATE, WORKLOADS

Params: TypeAlias = dict[str, jax.Array]
Key: TypeAlias = jax.Array | None
"""A key means training; None means inference."""


def _dense(p: Params, name: str, x: jax.Array) -> jax.Array:
    w = p[f"{name}/w"]
    flat = x.reshape(-1, len(w)) @ w + p[f"{name}/b"]  # flat: XLA's CPU gradient of a B,T,C product is slower
    return flat.reshape(*x.shape[:-1], -1)


def _drop(x: jax.Array, rate: float, key: Key, site: int) -> jax.Array:
    if key is None:
        return x
    keep = jax.random.bernoulli(jax.random.fold_in(key, site), 1 - rate, x.shape)
    return jnp.where(keep, x / (1 - rate), 0)


def _conv(p: Params, name: str, x: jax.Array, stride: int = 1, padding: str = "SAME") -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, p[f"{name}/w"], (stride, stride), padding, dimension_numbers=numbers)


def _pool(x: jax.Array) -> jax.Array:
    """Max over 2x2 windows by a reshape: the gradient of lax.reduce_window is several times slower on the CPU."""
    b, h, w, c = x.shape
    even = x[:, : h // 2 * 2, : w // 2 * 2]
    return even.reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))


def _mlp(p: Params, s: Params, x: jax.Array, key: Key) -> tuple[jax.Array, Params]:
    h = _drop(jax.nn.relu(_dense(p, "dense0", x)), 0.2, key, 0)
    h = _drop(jax.nn.relu(_dense(p, "dense1", h)), 0.2, key, 1)
    return _dense(p, "dense2", h), s


def _convnet(p: Params, s: Params, x: jax.Array, key: Key) -> tuple[jax.Array, Params]:
    h = x
    for name in ("conv0", "conv1"):
        h = _pool(jax.nn.relu(_conv(p, name, h, padding="VALID") + p[f"{name}/b"]))
    return _dense(p, "out", _drop(h.reshape(len(h), -1), 0.5, key, 0)), s


def _lstm(p: Params, s: Params, x: jax.Array, key: Key) -> tuple[jax.Array, Params]:
    wx, wh = p["lstm/w"][:128], p["lstm/w"][128:]

    def cell(carry: tuple[jax.Array, jax.Array], x_t: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        h, c = carry
        # on the CPU both products inside the scan beat one big x @ wx ahead of it (README)
        i, g, f, o = jnp.split(x_t @ wx + h @ wh + p["lstm/b"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zeros = jnp.zeros((len(x), 128))
    (h, _), _ = lax.scan(cell, (zeros, zeros), p["embed"][x.T])
    return _dense(p, "out", h), s


def _layer_norm(p: Params, name: str, x: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return centred * lax.rsqrt(variance + 1e-6) * p[f"{name}/scale"] + p[f"{name}/shift"]


def _transformer(p: Params, s: Params, x: jax.Array, key: Key) -> tuple[jax.Array, Params]:
    h = p["embed"][x] + p["positions"]  # B,T,C
    b, t, c = h.shape
    for i in range(2):
        q, k, v = jnp.moveaxis(_dense(p, f"qkv{i}", h).reshape(b, t, 3, 4, c // 4), 2, 0)
        weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q * (c // 4) ** -0.5, k))
        attended = jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(b, t, c)
        h = _layer_norm(p, f"norm{i}a", h + _drop(_dense(p, f"proj{i}", attended), 0.1, key, 2 * i))
        f = _dense(p, f"down{i}", jax.nn.relu(_dense(p, f"up{i}", h)))
        h = _layer_norm(p, f"norm{i}b", h + _drop(f, 0.1, key, 2 * i + 1))
    return _dense(p, "out", h.mean(axis=1)), s


def _batch_norm(p: Params, s: Params, new: Params, name: str, x: jax.Array, key: Key) -> jax.Array:
    if key is None:
        mean, variance = s[f"{name}/mean"], s[f"{name}/var"]
    else:
        mean = x.mean((0, 1, 2))
        variance = (x * x).mean((0, 1, 2)) - mean * mean  # one pass over x
        new[f"{name}/mean"] = 0.99 * s[f"{name}/mean"] + 0.01 * lax.stop_gradient(mean)
        new[f"{name}/var"] = 0.99 * s[f"{name}/var"] + 0.01 * lax.stop_gradient(variance)
    scale = p[f"{name}/scale"] * lax.rsqrt(variance + 1e-3)
    return x * scale + (p[f"{name}/shift"] - mean * scale)


def _resnet20(p: Params, s: Params, x: jax.Array, key: Key) -> tuple[jax.Array, Params]:
    new: Params = {}
    h = jax.nn.relu(_batch_norm(p, s, new, "stem", _conv(p, "stem", x), key))
    for name, _, _, stride in BLOCKS:
        r = jax.nn.relu(_batch_norm(p, s, new, f"{name}a", _conv(p, f"{name}a", h, stride), key))
        r = _batch_norm(p, s, new, f"{name}b", _conv(p, f"{name}b", r), key)
        short = h if stride == 1 else _conv(p, f"{name}short", h, stride)
        h = jax.nn.relu(r + short)
    return _dense(p, "out", h.mean((1, 2))), new


Forward = Callable[[Params, Params, jax.Array, Key], tuple[jax.Array, Params]]
_FORWARD: dict[str, Forward] = {
    "mlp": _mlp,
    "convnet": _convnet,
    "lstm": _lstm,
    "transformer": _transformer,
    "resnet20": _resnet20,
}


class _State(NamedTuple):
    """All that a step reads and writes; donated, so buffers are reused."""

    params: Params
    stats: Params
    m: Params
    v: Params
    t: jax.Array
    total_loss: jax.Array


def _loss(logits: jax.Array, y: jax.Array, binary: bool) -> jax.Array:
    if binary:
        z = logits[:, 0]
        return (jax.nn.softplus(z) - z * y).mean()
    picked = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(logits, axis=1) - picked).mean()


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _step(name: str, state: _State, x: jax.Array, y: jax.Array) -> _State:
    key = jax.random.fold_in(jax.random.key(0), state.t)

    def objective(params: Params) -> tuple[jax.Array, Params]:
        logits, stats = _FORWARD[name](params, state.stats, x, key)
        return _loss(logits, y, WORKLOADS[name].binary), stats

    (loss, stats), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    t = state.t + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), state.m, grads)
    v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), state.v, grads)
    params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), state.params, m, v)
    return _State(params, stats, m, v, t, state.total_loss + loss)


@partial(jax.jit, static_argnums=0)
def _infer(name: str, params: Params, stats: Params, x: jax.Array) -> jax.Array:
    return _FORWARD[name](params, stats, x, None)[0]


class RawJax:
    """One workload as a plain JAX training loop."""

    def __init__(self, name: str, batch: int) -> None:
        self._name = name
        self._batch = batch
        self._rng = np.random.default_rng(0)

    def start(self, x: Array, y: Array) -> None:
        params, stats = jax.device_put(initial_weights(self._name))
        m, v = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
        self._state = _State(params, stats, m, v, jnp.zeros((), jnp.int32), jnp.zeros(()))
        self.fit(x, y, 1, lambda loss: None)

    def fit(self, x: Array, y: Array, epochs: int, on_epoch: Callable[[float], None]) -> None:
        for _ in range(epochs):
            state = self._state._replace(total_loss=jnp.zeros(()))
            for xb, yb in batches(x, y, self._batch, self._rng):
                state = _step(self._name, state, xb, yb)
            self._state = jax.block_until_ready(state)
            on_epoch(float(state.total_loss) * self._batch / len(x))

    def predict(self, x: Array) -> Array:
        state: Any = self._state
        starts = range(0, len(x), self._batch)
        outputs = [_infer(self._name, state.params, state.stats, x[i : i + self._batch]) for i in starts]
        return np.concatenate(jax.device_get(outputs))

    def count_params(self) -> int:
        return sum(w.size for w in jax.tree.leaves((self._state.params, self._state.stats)))
