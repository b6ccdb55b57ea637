"""One table of optimizers; `make(module)` builds the same one from `kerasish.optimizers` or `keras.optimizers`."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import functools

import numpy as np

SHAPES = {"kernel": (3, 2), "bias": (2,), "filters": (2, 3, 2)}
STEPS = 7

CASES = {
    "sgd": lambda o: o.SGD(0.1),
    "sgd_momentum": lambda o: o.SGD(0.1, momentum=0.9),
    "sgd_nesterov": lambda o: o.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "sgd_clipnorm": lambda o: o.SGD(0.1, clipnorm=0.5),
    "sgd_clipvalue": lambda o: o.SGD(0.1, clipvalue=0.3),
    "sgd_global_clipnorm": lambda o: o.SGD(0.1, global_clipnorm=0.8),
    "sgd_loss_scale": lambda o: o.SGD(0.1, loss_scale_factor=8.0),
    "sgd_ema": lambda o: o.SGD(0.1, use_ema=True, ema_momentum=0.7),
    "adam": lambda o: o.Adam(0.01),
    "adam_epsilon": lambda o: o.Adam(0.01, beta_1=0.8, beta_2=0.9, epsilon=0.1),
    "adam_amsgrad": lambda o: o.Adam(0.01, amsgrad=True, weight_decay=0.1),
    "adam_ema_overwrite": lambda o: o.Adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "adam_accumulate": lambda o: o.Adam(0.01, gradient_accumulation_steps=2, clipnorm=1.0),
    "adam_accumulate_ema": lambda o: o.Adam(
        o.schedules.ExponentialDecay(0.1, 2, 0.5),
        gradient_accumulation_steps=3,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=2,
        weight_decay=0.1,
    ),
    "adam_exponential": lambda o: o.Adam(o.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "adamw": lambda o: o.AdamW(0.01, weight_decay=0.2),
    "adamw_cosine": lambda o: o.AdamW(o.schedules.CosineDecay(0.01, 6, warmup_target=0.1, warmup_steps=3)),
    "adamax": lambda o: o.Adamax(0.01, weight_decay=0.1),
    "nadam": lambda o: o.Nadam(0.01),
    "nadam_accumulate": lambda o: o.Nadam(0.01, gradient_accumulation_steps=2, weight_decay=0.1),
    "rmsprop": lambda o: o.RMSprop(0.01),
    "rmsprop_momentum": lambda o: o.RMSprop(0.01, rho=0.8, momentum=0.9),
    "rmsprop_centered": lambda o: o.RMSprop(0.01, momentum=0.5, centered=True, epsilon=1e-4),
    "adagrad": lambda o: o.Adagrad(0.1, initial_accumulator_value=0.2),
    "adadelta": lambda o: o.Adadelta(1.0, rho=0.9, epsilon=1e-4),
    "adafactor": lambda o: o.Adafactor(0.1),
    "adafactor_absolute": lambda o: o.Adafactor(0.1, relative_step=False, beta_2_decay=-0.5, weight_decay=0.1),
    "lion": lambda o: o.Lion(0.01, weight_decay=0.1),
    "lamb": lambda o: o.Lamb(0.01, weight_decay=0.1),
    "ftrl": lambda o: o.Ftrl(0.1),
    "ftrl_regularized": lambda o: o.Ftrl(
        0.1,
        learning_rate_power=-0.7,
        l1_regularization_strength=0.1,
        l2_regularization_strength=0.2,
        l2_shrinkage_regularization_strength=0.05,
        beta=0.3,
    ),
    "loss_scale": lambda o: o.LossScaleOptimizer(o.Adam(0.01), initial_scale=4.0, dynamic_growth_steps=3),
    "loss_scale_momentum": lambda o: o.LossScaleOptimizer(o.SGD(0.1, momentum=0.9), initial_scale=1.0),
}


def start():
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape).astype("float32") * (1 + step % 3) for shape in SHAPES.values()]


@functools.cache
def keras_run(case):
    """What Keras makes of the case: (facts of its variables, config, values of all variables after each step)."""
    import keras

    variables = [keras.Variable(value, name=name) for name, value in start().items()]
    optimizer = CASES[case](keras.optimizers)
    optimizer.build(variables)
    facts = [(v.name, tuple(v.shape), v.dtype) for v in optimizer.variables]
    history = []
    for step in range(STEPS):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)], variables)
        history.append([keras.ops.convert_to_numpy(v.value) for v in [*variables, *optimizer.variables]])
    return facts, keras.optimizers.serialize(optimizer), history
