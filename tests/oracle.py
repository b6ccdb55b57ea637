"""Keras, asked for what it knows. It runs on jax, which has every operation and would compile each by itself."""

import contextlib
import warnings
from unittest import mock

import numpy as np

from tests.libraries import library

keras, jax = library("keras"), library("jax")

#: An answer is computed once: how long its code takes to compile counts, not how fast it runs.
CHEAPLY = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_parallel_codegen_split_count": 1,
    "xla_cpu_use_fusion_emitters": False,
}


def ask(question, *args):
    """`question(*args)`, compiled as a whole; arguments are nests of arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns where we do not
        return jax.jit(question, compiler_options=CHEAPLY)(*args)


def kind_of(question, *args):
    """Shapes and dtypes of what `question(*args)` would give, without computing it."""
    return jax.eval_shape(question, *args)


@contextlib.contextmanager
def blank_weights():
    """Keras' variables made here are zeros: drawing what a test replaces compiles programs for each shape."""

    def zeros(variable, _):
        variable._initialize(variable._convert_to_tensor(np.zeros(variable.shape, variable.dtype)))

    with mock.patch.object(keras.Variable, "_initialize_with_initializer", zeros):
        yield
