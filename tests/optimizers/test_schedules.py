"""Learning rate schedules against Keras, and what may go wrong with them."""

import numpy as np
import pytest
from optimizer_cases import SCHEDULES

from kerasish import Variable, optimizers
from kerasish.core.errors import ArgumentError, UnknownNameError
from kerasish.optimizers import schedules

every_schedule = pytest.mark.parametrize("case", SCHEDULES)


@every_schedule
def test_rates_equal_keras(engine, case, keras):
    schedule = SCHEDULES[case](schedules)
    expected = keras["schedules"][case][1]
    ours = [float(schedule(step)) for step in range(30)]
    np.testing.assert_allclose(ours, expected, rtol=3e-6, atol=1e-7)
    step = Variable(4, dtype="int32")
    assert engine.is_tensor(schedule(step))
    assert float(schedule(step)) == ours[4]


@every_schedule
def test_config_equals_keras_and_makes_an_equal_schedule(case, keras):
    schedule = SCHEDULES[case](schedules)
    config = schedules.serialize(schedule)
    assert config == keras["schedules"][case][0]
    copy = schedules.deserialize(config)
    assert type(copy) is type(schedule)
    assert float(copy(5)) == float(schedule(5))


@pytest.mark.parametrize("first", [5, 10, 1000])
def test_restarts_begin_at_the_full_rate(first):
    schedule = schedules.CosineDecayRestarts(1.0, first)
    for restart in (1, 3, 7, 15, 31):
        assert float(schedule(restart * first)) == pytest.approx(1.0, abs=1e-4)


def test_large_steps_are_told_apart():
    schedule = schedules.PiecewiseConstantDecay([2**24], [1.0, 0.5])
    assert float(schedule(2**24)) == 1.0
    assert float(schedule(2**24 + 1)) == 0.5


def test_a_schedule_sees_the_updates_done_so_far():
    seen = []

    class Watch(schedules.LearningRateSchedule):
        def __call__(self, step):
            seen.append(int(step))
            return 0.5

    weight = Variable(np.ones(2, "float32"))
    optimizer = optimizers.SGD(Watch())
    for _ in range(3):
        optimizer.apply([np.ones(2, "float32")], [weight])
    assert seen == [0, 1, 2]
    assert weight.numpy().tolist() == [-0.5, -0.5]
    with pytest.raises(NotImplementedError, match="get_config"):
        optimizer.get_config()


ERRORS = {
    "steps": (lambda: schedules.CosineDecay(0.1, 0), ArgumentError, "decay_steps"),
    "first steps": (lambda: schedules.CosineDecayRestarts(0.1, -1), ArgumentError, "first_decay_steps"),
    "lengths": (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), ArgumentError, "One value more"),
    "name": (
        lambda: schedules.deserialize({"class_name": "CosineDecai", "config": {}}),
        UnknownNameError,
        "CosineDecay",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_wrong(case):
    call, kind, text = ERRORS[case]
    with pytest.raises(kind, match=text):
        call()
