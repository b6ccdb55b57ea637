"""A layer of one's own needs `call`, and `build` if it has weights. No shape code, no engine code, any engine."""

import numpy as np

import kerasish
from kerasish import layers, ops


class Fourier(layers.Layer):
    """Learned frequencies: x -> [sin(x·f), cos(x·f)]. Shape: (B, C) -> (B, 2·C·units)."""

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.frequencies = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=kerasish.initializers.RandomNormal(stddev=3.0),
            name="f",
        )

    def call(self, x):
        angles = ops.reshape(ops.expand_dims(x, -1) * self.frequencies, (-1, x.shape[-1] * self.units))
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


def main() -> float:
    kerasish.utils.set_random_seed(4)
    x = np.linspace(-2, 2, 512, dtype="float32")[:, None]
    y = np.sin(5 * x) + 0.5 * np.cos(11 * x)
    model = kerasish.Sequential(
        [kerasish.Input((1,)), Fourier(16), layers.Dense(32, activation="tanh"), layers.Dense(1)]
    )
    model.compile(kerasish.optimizers.Adam(1e-2), loss="mse")
    model.fit(x, y, epochs=60, batch_size=64, verbose=0)
    error = model.evaluate(x, y, verbose=0)
    print(f"mean squared error {error:.5f}")
    return error


if __name__ == "__main__":
    main()
