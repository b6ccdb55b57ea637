"""What users touch: learning rates, exclusions, averages, constraints, own optimizers, names, errors."""

import inspect

import numpy as np
import pytest

import kerasish
from kerasish import Variable, ops, optimizers
from kerasish.core.differentiate import value_and_grad_of_variables
from kerasish.core.errors import (
    ArgumentError,
    EngineMismatchError,
    NotBuiltError,
    ShapeError,
    UnknownNameError,
)
from kerasish.core.objects import CustomObjectScope
from kerasish.optimizers import schedules

ONES = np.ones(2, "float32")


def weight(value=(1.0, 1.0), name="w"):
    return Variable(np.array(value, "float32"), name=name)


def test_signatures_are_those_of_keras(keras):
    shared = {n: v for n, v in keras["signatures"].items() if hasattr(optimizers, n) or hasattr(schedules, n)}
    assert len(shared) >= 20
    for name, expected in shared.items():
        ours = inspect.signature(
            getattr(optimizers, name, None) or getattr(schedules, name)
        ).parameters.values()
        ours = [(p.name, None if p.default is p.empty else p.default) for p in ours if p.name != "kwargs"]
        assert ours == [(n, d) for n, d in expected if n != "kwargs"], name


# -- learning rate -----------------------------------------------------------------------------------------------------
def test_learning_rate_can_be_read_set_and_assigned(engine):
    optimizer = optimizers.Adam(learning_rate=0.5)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    optimizer.learning_rate.assign(0.125)
    assert optimizer.get_config()["learning_rate"] == 0.125
    w = weight()
    sgd = optimizers.SGD(1.0)
    sgd.apply([ONES], [w])
    sgd.learning_rate = 0.5
    sgd.apply([ONES])
    assert w.numpy().tolist() == [-0.5, -0.5]


def test_learning_rate_may_be_a_function():
    rates = iter([1.0, 0.5])
    optimizer, w = optimizers.SGD(lambda: next(rates)), weight()
    optimizer.apply([ONES], [w])
    optimizer.apply([ONES])
    assert w.numpy().tolist() == [-0.5, -0.5]
    assert [v.name for v in optimizer.variables] == ["iteration"]


def test_a_schedule_can_replace_a_number_but_not_the_other_way():
    optimizer = optimizers.SGD(0.1)
    optimizer.learning_rate = schedules.ExponentialDecay(0.5, 1, 0.5)
    assert float(optimizer.learning_rate) == 0.5
    assert [v.name for v in optimizer.variables] == ["iteration"]
    with pytest.raises(ArgumentError, match="schedule"):
        optimizer.learning_rate = 0.1


# -- options -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["names", "list", "pattern"])
def test_excluded_variables_do_not_decay(how):
    kernel, bias = weight(name="kernel"), weight(name="bias")
    optimizer = optimizers.AdamW(0.5, weight_decay=0.5)
    given = {"names": {"var_names": ["bias"]}, "list": {"var_list": [bias]}, "pattern": {"var_names": ["^b"]}}
    optimizer.exclude_from_weight_decay(**given[how])
    optimizer.apply([0 * ONES, 0 * ONES], [kernel, bias])
    assert kernel.numpy().tolist() == [0.75, 0.75]
    assert bias.numpy().tolist() == [1.0, 1.0]
    with pytest.raises(ArgumentError, match="before"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_averages_are_put_in_place_when_training_ends(engine):
    optimizer, w = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), weight((0.0, 0.0))
    optimizer.apply([ONES], [w])
    optimizer.apply([ONES])
    assert w.numpy().tolist() == [-2.0, -2.0]
    optimizer.finalize_variable_values([w])
    assert w.numpy().tolist() == [-1.5, -1.5]


def test_constraints_hold_after_the_step(engine):
    w = weight((0.5, 3.0))
    w.constraint = kerasish.constraints.NonNeg()
    optimizers.SGD(1.0).apply([ONES], [w])
    assert w.numpy().tolist() == [0.0, 2.0]


def test_loss_scale_adapts_and_skips_bad_steps(engine):
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=4.0, dynamic_growth_steps=2)
    w = weight((0.0, 0.0))
    assert float(optimizer.scale_loss(2.0)) == 8.0
    optimizer.build([w])
    found = []
    for gradient in (4.0, np.inf, 2.0, 2.0, np.nan):
        optimizer.apply([gradient * ONES])
        found.append((float(w.numpy()[0]), float(optimizer.dynamic_scale), int(optimizer.iterations)))
    assert found == [(-1.0, 4.0, 1), (-1.0, 2.0, 1), (-2.0, 2.0, 2), (-3.0, 4.0, 3), (-3.0, 2.0, 3)]
    optimizer.learning_rate = 0.5
    assert float(optimizer.inner_optimizer.learning_rate) == 0.5


def test_variables_overwritten_by_their_gradient_have_no_slots():
    scale, w = weight(name="scale"), weight()
    scale.overwrite_with_gradient = True
    optimizer = optimizers.Adam(0.1)
    optimizer.apply([5 * ONES, ONES], [scale, w])
    assert scale.numpy().tolist() == [5.0, 5.0]
    assert [v.name for v in optimizer.variables[2:]] == ["w_momentum", "w_velocity"]
    assert w.numpy()[0] == pytest.approx(0.9, abs=1e-5)


def test_a_variable_without_gradient_is_left_alone():
    w, other = weight(), weight(name="other")
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    with pytest.warns(UserWarning, match="no gradient for other"):
        optimizer.apply([ONES, None], [w, other])
    assert w.numpy().tolist() == [0.0, 0.0]
    assert other.numpy().tolist() == [1.0, 1.0]
    assert int(optimizer.iterations) == 1


def test_some_of_the_variables_can_be_updated():
    w, other = weight(), weight(name="other")
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    optimizer.build([w, other])
    assert int(optimizer.apply_gradients([(ONES, other)])) == 1
    assert w.numpy().tolist() == [1.0, 1.0]
    assert other.numpy().tolist() == [0.0, 0.0]


# -- own optimizers ----------------------------------------------------------------------------------------------------
class Heavy(optimizers.Optimizer):
    """Momentum written the way Keras' guide does."""

    def __init__(self, learning_rate=0.5, momentum=0.5, name="heavy", **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.ms = [self.add_variable_from_reference(v, name="m") for v in variables]
        self.count = self.add_variable(shape=(), dtype="int32", name="count")

    def update_step(self, gradient, variable, learning_rate):
        m = self.ms[self._get_variable_index(variable)]
        self.assign(m, self.momentum * m + gradient)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * m)
        self.assign_add(self.count, 1)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


def test_an_own_optimizer_works(engine):
    optimizer, w = Heavy(gradient_accumulation_steps=2, weight_decay=0.5), weight()
    for _ in range(4):
        optimizer.apply([ONES], [w])
    # decay 3/4, step 1/2; decay 3/4, step 3/4
    assert w.numpy().tolist() == [(1 * 0.75 - 0.5) * 0.75 - 0.75] * 2
    assert [v.path for v in optimizer.variables[-2:]] == ["heavy/w_m", "heavy/count"]
    assert int(optimizer.count) == 2
    with CustomObjectScope({"Heavy": Heavy}):
        assert optimizers.deserialize(optimizers.serialize(optimizer)).get_config() == optimizer.get_config()


def test_an_optimizer_without_a_rule_says_so():
    with pytest.raises(NotImplementedError, match="update_step"):
        optimizers.Optimizer(0.1).apply([ONES], [weight()])


# -- engines -----------------------------------------------------------------------------------------------------------
def test_state_lives_on_the_engine_of_the_variables(engine):
    w = weight()
    with kerasish.use_backend("native"):
        optimizer = optimizers.Adam(schedules.CosineDecay(0.1, 10), clipnorm=1.0, use_ema=True)
        optimizer.apply([ONES], [w])
        optimizer.apply([ONES])
    assert {v.engine for v in optimizer.variables} == {engine}
    assert int(optimizer.iterations) == 2


# -- get ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [n for n in optimizers.__all__ if n[0].isupper()])
def test_optimizers_answer_to_their_names(name):
    kind = getattr(optimizers, name)
    if name in ("Optimizer", "LossScaleOptimizer"):
        return
    for identifier in (name, name.lower(), name.upper(), kind, kind(), {"class_name": name, "config": {}}):
        assert type(optimizers.get(identifier)) is kind


def test_get_passes_on_none_and_optimizers():
    optimizer = optimizers.SGD()
    assert optimizers.get(optimizer) is optimizer
    assert optimizers.get(None) is None


# -- errors ------------------------------------------------------------------------------------------------------------
def _applied(grads, variables=None, known=None):
    optimizer = optimizers.SGD()
    if known:
        optimizer.build(known)
    optimizer.apply(grads, variables)


ERRORS = {
    "count": (lambda: _applied([ONES], [weight(), weight()]), ArgumentError, "Expected: 2 gradients"),
    "none": (
        lambda: _applied([None], [weight()]),
        ArgumentError,
        "the loss does not depend on the variables",
    ),
    "shape": (lambda: _applied([np.ones(3)], [weight()]), ShapeError, r"sgd > w.*\(2,\).*\(3,\)"),
    "unknown variable": (lambda: _applied([ONES], [weight(name="new")], [weight()]), ArgumentError, "'new'"),
    "not built": (lambda: _applied([ONES]), NotBuiltError, "build"),
    "no variable": (lambda: optimizers.SGD().build([ONES]), ArgumentError, "ndarray"),
    "name": (lambda: optimizers.get("adan"), UnknownNameError, "did you mean 'Adam'"),
    "kind": (lambda: optimizers.get(3), ArgumentError, "not an optimizer"),
    "argument": (lambda: optimizers.Adam(beta1=0.9), UnknownNameError, "did you mean 'beta_1'"),
    "rate": (lambda: optimizers.SGD(-0.1), ArgumentError, "negative"),
    "rate nan": (lambda: optimizers.SGD(float("nan")), ArgumentError, "nan"),
    "clipnorm": (lambda: optimizers.SGD(clipnorm=-1.0), ArgumentError, "clipnorm"),
    "two clips": (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), ArgumentError, "one kind"),
    "decay": (lambda: optimizers.SGD(weight_decay=-0.1), ArgumentError, "weight_decay"),
    "no decay": (lambda: optimizers.AdamW(weight_decay=None), ArgumentError, "use Adam"),
    "momentum": (lambda: optimizers.SGD(momentum=2.0), ArgumentError, "momentum"),
    "ema": (lambda: optimizers.SGD(use_ema=True, ema_momentum=2.0), ArgumentError, "ema_momentum"),
    "steps": (lambda: optimizers.SGD(gradient_accumulation_steps=1), ArgumentError, ">= 2"),
    "inner": (lambda: optimizers.LossScaleOptimizer("adam"), ArgumentError, "inner_optimizer"),
    "inner option": (
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0),
        ArgumentError,
        "inner optimizer",
    ),
    "stateless": (lambda: optimizers.SGD().stateless_apply([], [], []), NotBuiltError, "build"),
    "weights": (lambda: optimizers.SGD().set_weights([1]), ArgumentError, "Expected: 2"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_wrong(case):
    call, kind, text = ERRORS[case]
    with pytest.raises(kind, match=text) as info:
        call()
    assert len(str(info.value)) <= 400


@pytest.mark.skipif(
    not {"torch", "jax"} <= set(kerasish.available_backends()),
    reason="needs two engines with tensors of their own",
)
def test_engines_do_not_mix():
    with kerasish.use_backend("torch"):
        gradient = ops.ones((2,))
    with kerasish.use_backend("jax"):
        w = weight()
    with pytest.raises(EngineMismatchError):
        optimizers.SGD().apply([gradient], [w])


def test_state_of_another_size_is_skipped_with_a_warning():
    file = {}
    optimizers.SGD(momentum=0.9).save_own_variables(file)
    optimizer, w = optimizers.Adam(), weight()
    optimizer.apply([np.ones(2, "float32")], [w])
    with pytest.warns(UserWarning, match="holds 2 optimizer variables, the optimizer has 4"):
        optimizer.load_own_variables(file)
    assert int(optimizer.iterations) == 1


UNTRAINED = {
    "adam": lambda rate: optimizers.Adam(rate),
    "schedule": lambda _: optimizers.Adam(optimizers.schedules.CosineDecay(0.5, 10)),
    "loss scale": lambda rate: optimizers.LossScaleOptimizer(optimizers.Adam(rate)),
    "accumulation": lambda rate: optimizers.SGD(rate, momentum=0.9, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("made", UNTRAINED.values(), ids=UNTRAINED)
def test_state_from_before_the_first_step_needs_no_slots(made):
    file = {}
    made(0.5).save_own_variables(file)
    optimizer, w = made(0.25), weight()
    optimizer.build([w])
    optimizer.load_own_variables(file)
    assert float(optimizer.learning_rate) == 0.5
    assert int(optimizer.iterations) == 0
    optimizer.apply([np.ones(2, "float32")], [w])


def test_operators_of_raw_tensors_see_the_value_of_the_step(engine):
    w = weight((2.0, 3.0))
    factor = ops.array([10.0, 10.0])
    loss, (gradient,) = value_and_grad_of_variables(lambda: ops.sum(factor * w), [w])
    assert float(loss) == 50.0
    assert ops.convert_to_numpy(gradient).tolist() == [10.0, 10.0]
