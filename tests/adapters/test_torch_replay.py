"""Steps that torch repeats without their Python: the same numbers, and Python again wherever it could matter."""

import random

import numpy as np
import pytest
import torch

import kerasish
from kerasish import layers, ops
from kerasish.core import primitives as p
from kerasish.core.convert import to_numpy
from kerasish.core.errors import KerasishError

pytestmark = pytest.mark.parametrize("engine", ["torch"], indirect=True)

STEPS = 8
BATCHES = [torch.from_numpy(x) for x in np.random.default_rng(0).normal(size=(STEPS, 4, 3)).astype("float32")]


def results(engine, fn, **options):
    """What `fn` returns for each batch, and how often its Python ran."""
    runs = []

    def counted(x):
        runs.append(x)
        return fn(x)

    step = engine.compile(counted, options=options)
    return [to_numpy(step(x)) for x in BATCHES], len(runs)


# -- models ------------------------------------------------------------------------------------------------------------
def images():
    conv = layers.Conv2D(4, 3, padding="same", use_bias=False)
    tail = [layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(), layers.Flatten()]
    return [kerasish.Input((8, 8, 2)), conv, *tail, layers.Dropout(0.3), layers.Dense(2)], (8, 8, 2)


def sequence():
    return [kerasish.Input((6, 3)), layers.LSTM(5), layers.LayerNormalization(), layers.Dense(2)], (6, 3)


def masked():
    cell = layers.GRU(4, dropout=0.2, recurrent_dropout=0.2)
    return [kerasish.Input((5, 3)), layers.Masking(), cell, layers.Dense(2)], (5, 3)


def attention():
    inputs = kerasish.Input((6, 8))
    mixed = layers.MultiHeadAttention(2, 4, dropout=0.1)(inputs, inputs, use_causal_mask=True)
    return kerasish.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(mixed))), (6, 8)


def trained(make, optimizer, jit):
    kerasish.utils.set_random_seed(0)
    layers_or_model, shape = make()
    model = (
        layers_or_model
        if isinstance(layers_or_model, kerasish.Model)
        else kerasish.Sequential(layers_or_model)
    )
    model.compile(optimizer(), "mse", metrics=["mae"], jit_compile=jit)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(22, *shape)).astype("float32"), rng.normal(size=(22, 2)).astype("float32")
    history = model.fit(x, y, batch_size=5, epochs=4, verbose=0, validation_split=0.2).history
    return model, history, model.predict(x, batch_size=3, verbose=0)


OPTIMIZERS = {
    "adam": lambda: kerasish.optimizers.AdamW(0.01, global_clipnorm=1.0),
    "sgd": lambda: kerasish.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "schedule": lambda: kerasish.optimizers.RMSprop(
        kerasish.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)
    ),
    "ema": lambda: kerasish.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3),
    "accumulated": lambda: kerasish.optimizers.Lion(0.01, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize(
    ("make", "optimizer"),
    [(images, "adam"), (images, "ema"), (sequence, "sgd"), (masked, "schedule"), (attention, "accumulated")],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_programs_train_like_the_steps_they_replace(engine, make, optimizer):
    model, history, outputs = trained(make, OPTIMIZERS[optimizer], "auto")
    _, expected, expected_outputs = trained(make, OPTIMIZERS[optimizer], False)
    assert model._steps["train"][1].traces == 6  # three for each of two shapes
    assert history.keys() == expected.keys()
    for name, values in history.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=1e-5, atol=1e-6)


def test_a_learning_rate_that_is_changed_counts(engine):
    model = kerasish.Sequential([kerasish.Input((3,)), layers.Dense(2)])
    model.compile(kerasish.optimizers.SGD(0.1), "mse")
    x = np.ones((40, 3), np.float32)
    model.fit(x, x[:, :2], batch_size=4, verbose=0)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(x, x[:, :2] + 1, batch_size=4, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# -- what becomes a program --------------------------------------------------------------------------------------------
def test_three_calls_are_enough(engine):
    fn = lambda x: ops.softmax(ops.tanh(x) + ops.convert_to_tensor(np.arange(3.0, dtype="float32")))  # noqa: E731
    found, runs = results(engine, fn)
    assert runs == 3
    np.testing.assert_array_equal(found, [to_numpy(fn(x)) for x in BATCHES])
    assert results(engine, fn, jit=False)[1] == STEPS


def test_draws_go_on(engine):
    def fn(keys):
        return p.random_uniform(keys, shape=(5,), draw=3), p.random_bits(keys, shape=(), draw=0)

    step = engine.compile(fn)
    for key in torch.arange(2 * STEPS, dtype=torch.int64).reshape(STEPS, 2).to(torch.uint32):
        for one, other in zip(step(key), fn(key), strict=True):
            np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


def test_constants_are_not_given_away(engine):
    step = engine.compile(lambda state, x: [ops.convert_to_tensor(np.zeros(3, "float32")), x], donate=(0,))
    for i, x in enumerate(BATCHES):
        first, _ = step([x + 1, x + 2], x)
        assert not to_numpy(first).any()
        first += float(i > 3)  # from when on it is a program


def test_state_that_shares_memory_is_told_apart(engine):
    def fn(state, x):
        one, two = state
        one += x.sum()
        return [one, two * 1.0]

    step = engine.compile(fn, donate=(0,))
    both = torch.zeros(2)
    state = [both, both]
    for x in BATCHES:
        state = step(state, x)
    np.testing.assert_array_equal(state[1], [0, 0])
    np.testing.assert_allclose(state[0][0], sum(x.sum() for x in BATCHES), rtol=1e-5)


# -- what does not -----------------------------------------------------------------------------------------------------
def branch(x):
    return x + 1 if x.sum() > 0 else x - 1


def number(x):
    return x * float(x[0, 0])


def numpy_detour(x):
    return torch.from_numpy(np.sort(x.numpy(), axis=0)) + x


def rare_detour(x):
    return x + torch.from_numpy(x.numpy() > 2.0).sum()  # false in the batches seen first


def kerasish_detour(x):
    return ops.convert_to_tensor(to_numpy(x)) * 2


def shape_of_values(x):
    return x[x > 0].sum()


def listed(x):
    return torch.tensor(x[:, 0].tolist())


DICE = random.Random(0)
DETOURS = [branch, number, numpy_detour, rare_detour, kerasish_detour, shape_of_values, listed]


@pytest.mark.parametrize("fn", DETOURS, ids=lambda fn: fn.__name__)
def test_what_depends_on_values_stays_python(engine, fn):
    found, runs = results(engine, fn)
    assert runs == STEPS
    assert fn is not rare_detour or not any((x > 2.0).any() for x in BATCHES[:5])
    for one, x in zip(found, BATCHES, strict=True):
        np.testing.assert_array_equal(one, to_numpy(fn(x)))


def test_what_changes_between_calls_stays_python(engine):
    assert results(engine, lambda x: x * DICE.random())[1] == STEPS


def test_own_tensors_count_as_they_are(engine):
    held = torch.zeros(())
    table = torch.ones(3)

    def fn(x):
        return x * table + held

    step = engine.compile(fn)
    for i, x in enumerate(BATCHES):
        table.fill_(float(i))
        np.testing.assert_array_equal(to_numpy(step(x)), to_numpy(x * float(i)))


def test_errors_of_programs_speak_kerasish(engine):
    step = engine.compile(lambda x, i: p.take(x, i, axis=0))
    table = torch.arange(5.0)
    for i in range(STEPS):
        assert float(step(table, torch.tensor([i % 5]))) == i % 5
    with pytest.raises(KerasishError):
        step(table, torch.tensor([7]))
    assert float(step(table, torch.tensor([2]))) == 2
