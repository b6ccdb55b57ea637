"""Every optimizer of the table, property by property."""

import re

import numpy as np
import pytest
from optimizer_cases import CASES, SHAPES, STEPS, gradients, start

import kerasish
from kerasish import Variable, config, ops, optimizers, use_backend
from kerasish.core.differentiate import value_and_grad_of_variables
from kerasish.core.registry import host_engine
from kerasish.training.step import StepFunction

every_case = pytest.mark.parametrize("case", CASES)


def variables(dtype="float32"):
    return [Variable(value, dtype=dtype, name=name) for name, value in start().items()]


def run(optimizer, weights, steps):
    optimizer.build(weights)
    history = []
    for step in steps:
        optimizer.apply(gradients(step), weights)
        history.append([v.numpy() for v in [*weights, *optimizer.variables]])
    return history


def run_compiled(optimizer, weights, steps, engine):
    """Like `run`, in a compiled step that owns its state: where engines may overwrite it by kernels of theirs."""
    optimizer.build(weights)

    def body(grads):
        optimizer.apply(grads, weights)
        return optimizer.scale_loss(optimizer._rate())

    everything = [*weights, *optimizer.variables]
    step = StepFunction(body, engine=engine, variables=everything, generators=[], training=True)
    history = []
    for grads in steps:
        step(grads)
        history.append([v.numpy() for v in everything])
    return history


def same(ours, theirs, rtol=5e-6, atol=5e-6):
    assert len(ours) == len(theirs)
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert len(mine) == len(other)
        for index, (a, b) in enumerate(zip(mine, other, strict=True)):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"step {step}, variable {index}")


@every_case
def test_steps_equal_keras(engine, case, keras):
    optimizer = CASES[case](optimizers)
    facts, _, history = keras["optimizers"][case]
    ours = run(optimizer, variables(), range(STEPS))
    facts = [
        (re.sub(r"^variable_\d+$", "variable", name), *rest) for name, *rest in facts
    ]  # numbered by Keras
    assert [(v.name, v.shape, v.dtype) for v in optimizer.variables] == facts
    same(ours, history)


BIAS_CORRECTED = {
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "schedule_free": lambda: optimizers.ScheduleFreeAdamW(0.01, warmup_steps=0),
    "no_momentum": lambda: optimizers.Adam(0.01, beta_1=0.0),
}


@pytest.mark.parametrize("case", BIAS_CORRECTED)
def test_float32_steps_are_as_long_as_float64_steps(engine, case):
    """From zero and one way, so that weights are lengths of steps: nothing hides a bias correction that lost digits."""

    def walked(dtype, chosen):
        before = config.floatx()
        config.set_floatx(dtype)  # that of the rate
        try:
            with use_backend(chosen):
                weights = [Variable(np.zeros(shape), dtype=dtype) for shape in SHAPES.values()]
                steps = [[abs(g).astype(dtype) for g in gradients(number)] for number in range(STEPS)]
                return run_compiled(BIAS_CORRECTED[case](), weights, steps, chosen)
        finally:
            config.set_floatx(before)

    found, expected = walked("float32", engine), walked("float64", host_engine())
    same([step[: len(SHAPES)] for step in found], [step[: len(SHAPES)] for step in expected], 2e-6, 1e-9)


def nameless(config):
    """A config without the names Keras numbers through the process."""
    if isinstance(config, dict):
        names = ("sgd", "adam", "loss_scale")
        drop = [k for k, v in config.items() if k == "name" and str(v).startswith(names)]
        return {k: nameless(v) for k, v in config.items() if k not in drop}
    return config


@every_case
def test_config_equals_keras_and_makes_an_equal_optimizer(case, keras):
    optimizer = CASES[case](optimizers)
    config = optimizers.serialize(optimizer)
    theirs = keras["optimizers"][case][1]
    drop = {"name"}
    assert {k: v for k, v in nameless(config)["config"].items() if k not in drop} == {
        k: v for k, v in nameless(theirs)["config"].items() if k not in drop
    }
    assert {k: v for k, v in config.items() if k != "config"} == {
        k: v for k, v in theirs.items() if k != "config"
    }
    for source in (config, theirs):
        copy = optimizers.deserialize(source)
        assert type(copy) is type(optimizer)
        assert nameless(copy.get_config()) == nameless(source["config"])
    same(run(copy, variables(), range(2)), run(optimizer, variables(), range(2)), 0, 0)


@every_case
def test_compiled_steps_equal_eager_ones(engine, case):
    eager = run(CASES[case](optimizers), variables(), range(4))
    steps = [gradients(number) for number in range(4)]
    same(run_compiled(CASES[case](optimizers), variables(), steps, engine), eager)


@every_case
def test_saved_state_continues_identically(case):
    optimizer, weights = CASES[case](optimizers), variables()
    run(optimizer, weights, range(3))
    file = {}
    optimizer.save_own_variables(file)
    copy = CASES[case](optimizers)
    twins = [Variable(v.numpy(), name=v.name) for v in weights]
    copy.build(twins)
    copy.load_own_variables(file)
    same(run(copy, twins, range(3, 6)), run(optimizer, weights, range(3, 6)), 0, 0)


@every_case
def test_stateless_apply_is_pure_and_equal(case):
    optimizer, weights = CASES[case](optimizers), variables()
    optimizer.build(weights)
    own = [v.value for v in optimizer.variables]
    values = [v.value for v in weights]
    before = [v.numpy().copy() for v in [*weights, *optimizer.variables]]
    after, own = optimizer.stateless_apply(own, gradients(0), values)
    same([[v.numpy() for v in [*weights, *optimizer.variables]]], [before], 0, 0)
    optimizer.apply(gradients(0))
    same([[*after, *own]], [[v.numpy() for v in [*weights, *optimizer.variables]]], 0, 0)


@every_case
def test_a_subclass_rule_for_one_variable_is_obeyed(case):
    kind = type(CASES[case](optimizers))
    calls = []

    class OneByOne(kind):
        def update_step(self, gradient, variable, learning_rate):
            calls.append(variable.name)
            super().update_step(gradient, variable, learning_rate)

    if kind is optimizers.LossScaleOptimizer:
        assert OneByOne.apply is kind.apply  # its steps are the inner optimizer's
        return
    optimizer = OneByOne.from_config(CASES[case](optimizers).get_config())
    same(run(optimizer, variables(), range(4)), run(CASES[case](optimizers), variables(), range(4)))
    assert calls[:3] == list(SHAPES)


@every_case
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_variables_keep_their_dtype(engine, case, dtype):
    weights = variables(dtype)
    optimizer = CASES[case](optimizers)
    run(optimizer, weights, range(2))
    assert [v.numpy().dtype.name for v in weights] == [dtype] * 3
    slots = [v for v in optimizer.variables if v.name.startswith("kernel_")]
    assert {v.numpy().dtype.name for v in slots} <= {dtype}
    for weight, first in zip(weights, start().values(), strict=True):
        change = np.abs(weight.numpy().astype("float32") - first).max()
        assert np.isfinite(change)
        if not optimizer.gradient_accumulation_steps:
            assert change > 1e-3


@every_case
def test_it_converges_on_a_parabola(case):
    optimizer = CASES[case](optimizers)
    weight = Variable(np.array([3.0, -2.0, 1.0], "float32"), name="w")
    optimizer.build([weight])

    def loss():
        return optimizer.scale_loss(ops.sum(ops.square(weight - ops.array([1.0, -1.0, 0.5]))))

    first = float(ops.sum(ops.square(ops.array([2.0, -1.0, 0.5]))))
    for _ in range(40):
        optimizer.apply(value_and_grad_of_variables(loss, [weight])[1])
    last = float(ops.sum(ops.square(weight - ops.array([1.0, -1.0, 0.5]))))
    assert last < 0.9 * first


def test_fit_builds_slots_from_variables_while_the_step_is_still_shapes(engine):
    """A slot may start from its variable, which has no value to the inference of shapes."""
    model = kerasish.Sequential([kerasish.Input((4,)), kerasish.layers.Dense(3)])
    model.compile(CASES["schedule_free"](optimizers), "mse")
    history = model.fit(np.ones((8, 4), "float32"), np.ones((8, 3), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.optimizer.built
