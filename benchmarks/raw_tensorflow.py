"""The hand-written TensorFlow loops: `tf.function` over `tf.Variable`s and tf.nn; `xla=True` adds jit_compile.

Nothing here touches tf.keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.contender import Array, batches
from benchmarks.raw_weights import BLOCKS, initial_weights
from benchmarks.workloads import LEARNING_RATE, WORKLOADS

Tensor = Any
Weights = dict[str, Any]


def _dense(w: Weights, name: str, x: Tensor) -> Tensor:
    return tf.nn.bias_add(tf.matmul(x, w[f"{name}/w"]), w[f"{name}/b"])


def _dense3(w: Weights, name: str, x: Tensor) -> Tensor:  # B,T,C: one flat product instead of a batched one
    b, t, c = x.shape
    flat = _dense(w, name, tf.reshape(x, (-1, c)))
    return tf.reshape(flat, (b, t, flat.shape[-1]))


def _drop(x: Tensor, rate: float, training: bool) -> Tensor:
    return tf.nn.dropout(x, rate) if training else x


def _mlp(w: Weights, x: Tensor, training: bool) -> Tensor:
    h = _drop(tf.nn.relu(_dense(w, "dense0", x)), 0.2, training)
    h = _drop(tf.nn.relu(_dense(w, "dense1", h)), 0.2, training)
    return _dense(w, "dense2", h)


def _convnet(w: Weights, x: Tensor, training: bool) -> Tensor:
    h = x
    for name in ("conv0", "conv1"):
        h = tf.nn.conv2d(h, w[f"{name}/w"], 1, "VALID")
        h = tf.nn.max_pool2d(tf.nn.relu(tf.nn.bias_add(h, w[f"{name}/b"])), 2, 2, "VALID")
    return _dense(w, "out", _drop(tf.reshape(h, (h.shape[0], -1)), 0.5, training))


def _lstm_cell(z: Tensor, h: Tensor, c: Tensor, wh: Tensor) -> tuple[Tensor, Tensor]:
    i, g, f, o = tf.split(z + h @ wh, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def _lstm_inputs(w: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return x @ wx + b for all steps in one product (T,B,4C) and the recurrent kernel."""
    embedded = tf.gather(w["embed"], tf.transpose(x))  # T,B,C
    steps, batch, width = embedded.shape
    wx, wh = w["lstm/w"][:width], w["lstm/w"][width:]
    return tf.reshape(tf.reshape(embedded, (-1, width)) @ wx + w["lstm/b"], (steps, batch, 4 * width)), wh


def _lstm(w: Weights, x: Tensor, training: bool) -> Tensor:
    """Unrolled: the fastest form without XLA (BlockLSTMV2 and tf.while_loop are slower; README)."""
    projected, wh = _lstm_inputs(w, x)
    h = c = tf.zeros((projected.shape[1], wh.shape[0]))
    for z in tf.unstack(projected):
        h, c = _lstm_cell(z, h, c, wh)
    return _dense(w, "out", h)


def _lstm_loop(w: Weights, x: Tensor, training: bool) -> Tensor:
    """A tf.while_loop: the fastest form with XLA, where an unrolled one takes half a minute to compile."""
    projected, wh = _lstm_inputs(w, x)
    steps, batch, width = projected.shape[0], projected.shape[1], wh.shape[0]
    source = tf.TensorArray(tf.float32, steps, element_shape=(batch, 4 * width)).unstack(projected)
    _, h, _ = tf.while_loop(
        lambda t, h, c: t < steps,
        lambda t, h, c: (t + 1, *_lstm_cell(source.read(t), h, c, wh)),
        (0, tf.zeros((batch, width)), tf.zeros((batch, width))),
        maximum_iterations=steps,
    )
    return _dense(w, "out", h)


def _layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, w[f"{name}/shift"], w[f"{name}/scale"], 1e-6)


def _transformer(w: Weights, x: Tensor, training: bool) -> Tensor:
    h = tf.gather(w["embed"], x) + w["positions"]  # B,T,C
    b, t, c = h.shape
    for i in range(2):
        heads = tf.reshape(_dense3(w, f"qkv{i}", h), (b, t, 3, 4, c // 4))
        q, k, v = tf.unstack(tf.transpose(heads, (2, 0, 3, 1, 4)))
        weights = tf.nn.softmax(tf.matmul(q * (c // 4) ** -0.5, k, transpose_b=True))
        attended = tf.reshape(tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3)), (b, t, c))
        h = _layer_norm(w, f"norm{i}a", h + _drop(_dense3(w, f"proj{i}", attended), 0.1, training))
        f = _dense3(w, f"down{i}", tf.nn.relu(_dense3(w, f"up{i}", h)))
        h = _layer_norm(w, f"norm{i}b", h + _drop(f, 0.1, training))
    return _dense(w, "out", tf.reduce_mean(h, 1))


def _batch_norm(w: Weights, name: str, x: Tensor, training: bool) -> Tensor:
    mean, variance = w[f"{name}/mean"], w[f"{name}/var"]
    y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=w[f"{name}/scale"],
        offset=w[f"{name}/shift"],
        mean=tf.constant([]) if training else mean,
        variance=tf.constant([]) if training else variance,
        epsilon=1e-3,
        is_training=training,
    )
    if training:
        mean.assign_sub(0.01 * (mean - batch_mean))
        variance.assign_sub(0.01 * (variance - batch_variance))
    return y


def _conv(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    return tf.nn.conv2d(x, w[f"{name}/w"], stride, "SAME")


def _resnet20(w: Weights, x: Tensor, training: bool) -> Tensor:
    h = tf.nn.relu(_batch_norm(w, "stem", _conv(w, "stem", x), training))
    for name, _, _, stride in BLOCKS:
        r = tf.nn.relu(_batch_norm(w, f"{name}a", _conv(w, f"{name}a", h, stride), training))
        r = _batch_norm(w, f"{name}b", _conv(w, f"{name}b", r), training)
        short = h if stride == 1 else _conv(w, f"{name}short", h, stride)
        h = tf.nn.relu(r + short)
    return _dense(w, "out", tf.reduce_mean(h, (1, 2)))


_FORWARD: dict[str, Callable[[Weights, Tensor, bool], Tensor]] = {
    "mlp": _mlp,
    "convnet": _convnet,
    "lstm": _lstm,
    "transformer": _transformer,
    "resnet20": _resnet20,
}


class _Adam:
    """Adam through TensorFlow's fused kernel; the slots and the powers of beta are variables."""

    def __init__(self, variables: list[Any]) -> None:
        self._slots = [(v, tf.Variable(tf.zeros_like(v)), tf.Variable(tf.zeros_like(v))) for v in variables]
        self._power1, self._power2 = tf.Variable(1.0), tf.Variable(1.0)

    def apply(self, grads: list[Tensor]) -> None:
        power1, power2 = self._power1.assign(self._power1 * 0.9), self._power2.assign(self._power2 * 0.999)
        for (variable, m, v), grad in zip(self._slots, grads, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=power1,
                beta2_power=power2,
                lr=LEARNING_RATE,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-7,
                grad=tf.convert_to_tensor(grad),
            )


class RawTensorFlow:
    """One workload as a plain TensorFlow training loop."""

    def __init__(self, name: str, batch: int, *, xla: bool = False) -> None:
        self._batch = batch
        self._binary = WORKLOADS[name].binary
        self._name = name
        self._forward = _lstm_loop if xla and name == "lstm" else _FORWARD[name]
        self._step: Any = tf.function(self._train, jit_compile=xla)
        self._infer: Any = tf.function(lambda x: self._forward(self._weights, x, False), jit_compile=xla)
        self._rng = np.random.default_rng(0)

    def start(self, x: Array, y: Array) -> None:
        params, stats = initial_weights(self._name)
        self._params = {name: tf.Variable(value) for name, value in params.items()}
        self._stats = {name: tf.Variable(value, trainable=False) for name, value in stats.items()}
        self._weights = {**self._params, **self._stats}
        self._adam = _Adam(list(self._params.values()))
        self._total = tf.Variable(0.0)
        self.fit(x, y, 1, lambda loss: None)

    def _train(self, x: Tensor, y: Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = self._forward(self._weights, x, True)
            if self._binary:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(y, tf.float32), logits[:, 0])
            else:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
            loss = tf.reduce_mean(losses)
        self._adam.apply(tape.gradient(loss, list(self._params.values())))
        self._total.assign_add(loss)

    def fit(self, x: Array, y: Array, epochs: int, on_epoch: Callable[[float], None]) -> None:
        for _ in range(epochs):
            self._total.assign(0.0)
            for xb, yb in batches(x, y, self._batch, self._rng):
                self._step(tf.convert_to_tensor(xb), tf.convert_to_tensor(yb))
            on_epoch(float(self._total) * self._batch / len(x))

    def predict(self, x: Array) -> Array:
        starts = range(0, len(x), self._batch)
        outputs = [self._infer(tf.convert_to_tensor(x[i : i + self._batch])) for i in starts]
        return np.concatenate([output.numpy() for output in outputs])

    def count_params(self) -> int:
        return sum(int(np.prod(w.shape)) for w in self._weights.values())
