"""One table of optimizers, each built from `kerasish.optimizers` or `keras.optimizers`; and what Keras makes of it.

Run as a program it writes Keras' answers to a file: Keras' NumPy engine, which runs all of them eagerly, cannot share
a process with the Keras that other tests run on another engine.
"""

import pickle
import sys

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
    "adafactor_absolute": lambda o: o.Adafactor(
        0.1, relative_step=False, beta_2_decay=-0.5, weight_decay=0.1
    ),
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
    "muon": lambda o: o.Muon(0.1, exclude_layers=["out"]),
    "muon_plain": lambda o: o.Muon(
        0.1, nesterov=False, rms_rate=None, weight_decay=0.1, adam_lr_ratio=0.5, ns_steps=3
    ),
    "muon_excluded": lambda o: o.Muon(0.1, exclude_layers=["^kern"]),
    "schedule_free": lambda o: o.ScheduleFreeAdamW(0.1, warmup_steps=3, weight_decay=0.1),
    "loss_scale": lambda o: o.LossScaleOptimizer(o.Adam(0.01), initial_scale=4.0, dynamic_growth_steps=3),
    "loss_scale_momentum": lambda o: o.LossScaleOptimizer(o.SGD(0.1, momentum=0.9), initial_scale=1.0),
}


def start():
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def gradients(step):
    rng = np.random.default_rng(100 + step)
    return [rng.normal(size=shape).astype("float32") * (1 + step % 3) for shape in SHAPES.values()]


def keras_run(case):
    """What Keras makes of the case: (facts of its variables, config, values of all variables after each step)."""
    import keras

    variables = [keras.Variable(value, name=name) for name, value in start().items()]
    optimizer = CASES[case](keras.optimizers)
    optimizer.build(variables)
    facts = [(v.name, tuple(v.shape), v.dtype) for v in optimizer.variables]
    history = []
    for step in range(STEPS):
        optimizer.apply(gradients(step), variables)
        history.append([np.array(v.value) for v in [*variables, *optimizer.variables]])
    return facts, keras.optimizers.serialize(optimizer), history


SCHEDULES = {
    "exponential": lambda s: s.ExponentialDecay(0.1, 7, 0.5),
    "exponential_stairs": lambda s: s.ExponentialDecay(0.1, 7, 0.5, staircase=True),
    "inverse_time": lambda s: s.InverseTimeDecay(0.1, 7, 0.5),
    "inverse_time_stairs": lambda s: s.InverseTimeDecay(0.1, 7, 0.5, staircase=True),
    "piecewise": lambda s: s.PiecewiseConstantDecay([3, 10], [1.0, 0.5, 0.1]),
    "piecewise_float": lambda s: s.PiecewiseConstantDecay([2.5, 10.0], [1.0, 0.5, 0.1]),
    "polynomial": lambda s: s.PolynomialDecay(0.1, 8, 0.01, power=2.0),
    "polynomial_cycle": lambda s: s.PolynomialDecay(0.1, 8, 0.01, power=0.5, cycle=True),
    "cosine": lambda s: s.CosineDecay(0.1, 8, alpha=0.1),
    "cosine_warmup": lambda s: s.CosineDecay(0.01, 8, alpha=0.1, warmup_target=0.2, warmup_steps=5),
    "cosine_no_steps": lambda s: s.CosineDecay(0.01, 8, warmup_target=0.2),
    "restarts": lambda s: s.CosineDecayRestarts(0.1, 5),
    "restarts_even": lambda s: s.CosineDecayRestarts(0.1, 5, t_mul=1.0, m_mul=0.5, alpha=0.1),
    "restarts_growing": lambda s: s.CosineDecayRestarts(0.1, 4, t_mul=1.5, m_mul=0.9, alpha=0.1),
}


def keras_schedule(case):
    """(config, rates at steps 0..29) of one of Keras' schedules."""
    from keras.optimizers import schedules

    schedule = SCHEDULES[case](schedules)
    return schedules.serialize(schedule), [float(schedule(step)) for step in range(30)]


def keras_signatures():
    """Parameters of Keras' optimizers and schedules: class name -> [(name, default)]."""
    import inspect

    import keras

    found = {}
    for module in (keras.optimizers, keras.optimizers.schedules):
        for name in dir(module):
            if inspect.isclass(getattr(module, name)) and name != "LearningRateSchedule":
                parameters = list(inspect.signature(getattr(module, name).__init__).parameters.values())[1:]
                found[name] = [(p.name, None if p.default is p.empty else p.default) for p in parameters]
    return found


if __name__ == "__main__":
    answers = {
        "optimizers": {case: keras_run(case) for case in CASES},
        "schedules": {case: keras_schedule(case) for case in SCHEDULES},
        "signatures": keras_signatures(),
    }
    with open(sys.argv[1], "wb") as file:
        pickle.dump(answers, file)
