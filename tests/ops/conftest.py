"""Keras is the oracle of these tests; it runs on JAX, which has every operation."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
