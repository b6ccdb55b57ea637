"""Training that stops on one engine goes on on another: nothing is lost, repeated, or drawn anew."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import kerasish
from kerasish import callbacks, layers

ENGINES = ("native", "torch", "jax", "tensorflow")
PAIRS = list(itertools.permutations(ENGINES, 2))
EPOCHS, STOP = 6, 3


class Stop(Exception):
    """What ends a run in the middle."""


def data():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(48, 5)).astype("float32")
    return x, (x @ rng.normal(size=(5, 1))).astype("float32")


def compiled():
    model = kerasish.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(12, activation="tanh"),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )
    rate = kerasish.optimizers.schedules.ExponentialDecay(0.02, 10, 0.9)
    model.compile(kerasish.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def fit(model, folder=None, extra=(), initial=0, epochs=EPOCHS):
    used = [callbacks.EarlyStopping("loss", patience=50), *extra]
    if folder is not None:
        used.append(callbacks.BackupAndRestore(folder))
    x, y = data()
    return model.fit(x, y, batch_size=8, epochs=epochs, initial_epoch=initial, verbose=0, callbacks=used)


def uninterrupted(engine):
    with kerasish.use_backend(engine):
        kerasish.utils.set_random_seed(11)
        return fit(compiled()).history


def stops_in(epoch):
    def stop(number, logs):
        if number == epoch:
            raise Stop

    return callbacks.LambdaCallback(on_epoch_begin=stop)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_backup_is_resumed_on_another_engine(tmp_path, pair):
    first, second = pair
    expected = uninterrupted(first)
    with kerasish.use_backend(first):
        kerasish.utils.set_random_seed(11)
        with pytest.raises(Stop):
            fit(compiled(), tmp_path / "b", [stops_in(STOP)])
    with kerasish.use_backend(second):
        kerasish.utils.set_random_seed(11)
        found = fit(compiled(), tmp_path / "b")
    assert found.epoch == list(range(STOP, EPOCHS))
    for name, values in found.history.items():
        np.testing.assert_allclose(values, expected[name][STOP:], rtol=2e-4, err_msg=name)


@pytest.mark.parametrize("inside", [True, False], ids=["inside fit", "between fits"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_model_moves_between_epochs(pair, inside):
    histories = []
    for engine in (pair[0], pair[1]):  # the first run stays where it is
        with kerasish.use_backend(pair[0]):
            kerasish.utils.set_random_seed(11)
            model = compiled()
            if inside:
                move = callbacks.LambdaCallback(
                    on_epoch_begin=lambda n, logs, m=model, e=engine: m.to_backend(e) if n == STOP else None
                )
                histories.append(fit(model, extra=[move]).history)
                continue
            start = fit(model, epochs=STOP).history
        model.to_backend(engine)
        end = fit(model, initial=STOP).history
        histories.append({name: start[name] + end[name] for name in start})
    stayed, moved = histories
    for name, values in stayed.items():
        np.testing.assert_allclose(moved[name], values, rtol=2e-4, err_msg=name)


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
import kerasish
from test_resuming import compiled, fit
from kerasish import callbacks
kerasish.utils.set_random_seed(11)
log = open({log!r}, "a")
def note(epoch, logs):
    log.write(f"{{epoch}} {{logs['loss']!r}}\\n")
    log.flush()
print("ready", flush=True)
fit(compiled(), {backup!r}, [callbacks.LambdaCallback(on_epoch_end=note)], epochs={epochs})
print("done", flush=True)
"""


def run_script(tmp_path, engine, epochs):
    text = SCRIPT.format(
        folder=os.path.dirname(__file__),
        log=str(tmp_path / "log.txt"),
        backup=str(tmp_path / "b"),
        epochs=epochs,
    )
    environment = {**os.environ, "KERASISH_BACKEND": engine}
    return subprocess.Popen([sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, text=True)


def epochs_noted(tmp_path):
    path = tmp_path / "log.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(number), json.loads(loss)) for number, loss in (line.split() for line in lines)]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("pair", [("native", "torch"), ("torch", "native"), ("native", "jax")], ids="-".join)
def test_a_killed_run_is_resumed_on_another_engine(tmp_path, pair):
    epochs = 400
    with run_script(tmp_path, pair[0], epochs) as first:
        assert first.stdout.readline() == "ready\n"
        while len(epochs_noted(tmp_path)) < 3:
            time.sleep(0.005)
        time.sleep(random.Random(7).uniform(0, 0.05))
        first.send_signal(signal.SIGKILL)
    before = epochs_noted(tmp_path)
    assert len(before) < epochs
    (tmp_path / "log.txt").unlink()
    with run_script(tmp_path, pair[1], len(before) + 5) as second:
        out, _ = second.communicate(timeout=200)
    assert out.endswith("done\n")
    after = epochs_noted(tmp_path)
    begin = after[0][0]
    assert begin in (
        len(before) - 1,
        len(before),
    )  # killed between the epoch's end and its backup, or after it
    assert [number for number, _ in after] == list(range(begin, len(before) + 5))
    with kerasish.use_backend(pair[0]):
        kerasish.utils.set_random_seed(11)
        expected = fit(compiled(), epochs=len(before) + 5).history["loss"]
    np.testing.assert_allclose([loss for _, loss in (*before[:begin], *after)], expected, rtol=1e-3)
