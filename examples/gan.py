"""A GAN with a training loop of its own, on any engine: points on a ring.

`train_step` is engine-neutral: gradients come from `ops.value_and_grad`, the whole step is compiled.
"""

import numpy as np

import kerasish
from kerasish import layers, losses, ops, optimizers

LATENT = 8


class Gan(kerasish.Model):
    """Two networks that learn from each other."""

    def __init__(self):
        super().__init__()
        self.generator = kerasish.Sequential(
            [kerasish.Input((LATENT,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(2)]
        )
        self.critic = kerasish.Sequential(
            [kerasish.Input((2,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(1)]
        )
        self.seeds = kerasish.random.SeedGenerator(6)
        self.critic_optimizer = optimizers.Adam(1e-3, beta_1=0.5)
        self.loss_of = losses.BinaryCrossentropy(from_logits=True)
        self.generator_loss = kerasish.metrics.Mean(name="generator_loss")
        self.critic_loss = kerasish.metrics.Mean(name="critic_loss")

    def call(self, noise):
        return self.generator(noise)

    def train_step(self, real):
        count = ops.shape(real)[0]
        ones, zeros = ops.ones((count, 1)), ops.zeros((count, 1))

        def critic_objective():
            fake = self.generator(kerasish.random.normal((count, LATENT), seed=self.seeds))
            return self.loss_of(ones * 0.9, self.critic(real)) + self.loss_of(zeros, self.critic(fake))

        def generator_objective():
            fake = self.generator(kerasish.random.normal((count, LATENT), seed=self.seeds))
            return self.loss_of(ones, self.critic(fake))

        weights = self.critic.trainable_variables
        value, gradients = ops.value_and_grad(critic_objective, variables=weights)()
        self.critic_optimizer.apply(gradients, weights)
        self.critic_loss.update_state(value)

        weights = self.generator.trainable_variables
        value, gradients = ops.value_and_grad(generator_objective, variables=weights)()
        self.optimizer.apply(gradients, weights)
        self.generator_loss.update_state(value)
        return {"critic_loss": self.critic_loss.result(), "generator_loss": self.generator_loss.result()}


def main(epochs: int = 60) -> float:
    kerasish.utils.set_random_seed(6)
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 2048)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype("float32")
    gan = Gan()
    gan.compile(optimizer=optimizers.Adam(1e-3, beta_1=0.5))
    gan.fit(ring, batch_size=128, epochs=epochs, verbose=0)
    noise = np.random.default_rng(1).normal(size=(512, LATENT)).astype("float32")
    radius = np.linalg.norm(gan.predict(noise, verbose=0), axis=-1)
    print(f"made-up points lie at radius {radius.mean():.2f} ± {radius.std():.2f} (the ring: 1)")
    return float(radius.mean())


if __name__ == "__main__":
    main()
