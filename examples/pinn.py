"""A physics-informed network (Raissi et al. 2019) on any engine: u'' = −u, u(0) = 0, u'(0) = 1. The solution is sin(t).

The loss holds derivatives of the network, so training differentiates through a gradient.
"""

import numpy as np

import kerasish
from kerasish import layers, ops


class Oscillator(kerasish.Model):
    """u(t) = t + t²·network(t): the initial conditions hold by construction."""

    def __init__(self):
        super().__init__()
        self.net = kerasish.Sequential(
            [kerasish.Input((1,)), layers.Dense(32, "tanh"), layers.Dense(32, "tanh"), layers.Dense(1)]
        )

    def call(self, t):
        return t + t * t * self.net(t)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        def total(t):
            return ops.sum(self(t))

        def total_slope(t):
            return ops.sum(ops.grad(total)(t))

        acceleration = ops.grad(total_slope)(x)
        return ops.mean(ops.square(acceleration + self(x)))


def main(epochs: int = 250) -> float:
    kerasish.utils.set_random_seed(8)
    t = np.linspace(0, 4, 128, dtype="float32")[:, None]
    model = Oscillator()
    model.compile(kerasish.optimizers.Adam(5e-3))
    model.fit(t, batch_size=32, epochs=epochs, verbose=0)
    error = float(np.abs(model.predict(t, verbose=0) - np.sin(t)).max())
    print(f"largest distance from sin(t) on [0, 4]: {error:.4f}")
    return error


if __name__ == "__main__":
    main()
