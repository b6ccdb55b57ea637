"""Every callback: what it does to training, what it writes, what it shows."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import threading
import warnings

os.environ["KERAS_BACKEND"] = "jax"

import numpy as np
import pytest

import kerasish
from kerasish import callbacks, layers
from kerasish.core.errors import ArgumentError, NumericError
from kerasish.training.callbacks.monitor import MissingMonitorWarning
from kerasish.training.callbacks.progress import duration, rate
from tests.libraries import library

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras

rng = np.random.default_rng(0)
X = rng.normal(size=(20, 4)).astype("float32")
Y = rng.normal(size=(20, 2)).astype("float32")


def compiled(optimizer="adam"):
    kerasish.utils.set_random_seed(0)
    model = kerasish.Sequential(
        [kerasish.Input((4,)), layers.Dense(6, activation="tanh"), layers.Dropout(0.2), layers.Dense(2)]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def fit(model, epochs=3, **options):
    return model.fit(X, Y, **{"batch_size": 5, "epochs": epochs, "verbose": 0, **options})


# -- events ------------------------------------------------------------------------------------------------------------
class Recorder(callbacks.Callback):
    """Writes every event down."""

    def __init__(self):
        super().__init__()
        self.events = []


class KerasRecorder(keras.callbacks.Callback):
    """The same for Keras."""

    def __init__(self):
        super().__init__()
        self.events = []


def _note(event):
    def method(self, *args, logs=None):
        # Positional logs come as the last argument.
        numbers = [a for a in args if isinstance(a, int)]
        given = logs if logs is not None else next((a for a in args if isinstance(a, dict)), None)
        self.events.append(
            (event, *numbers, *(sorted(given) if given and event.endswith("epoch_end") else []))
        )

    return method


for _phase in ("train", "test", "predict"):
    for _edge in ("begin", "end"):
        for _event in (f"on_{_phase}_{_edge}", f"on_{_phase}_batch_{_edge}", f"on_epoch_{_edge}"):
            setattr(Recorder, _event, _note(_event))
            setattr(KerasRecorder, _event, _note(_event))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("per_call", [1, 2])
def test_events_come_in_keras_order(per_call):
    seen = []
    for module, recorder in ((kerasish, Recorder()), (keras, KerasRecorder())):
        model = module.Sequential([module.Input((4,)), module.layers.Dense(2)])
        model.compile("sgd", "mse", steps_per_execution=per_call)
        options = {"batch_size": 5, "verbose": 0, "callbacks": [recorder]}
        model.fit(X, Y, epochs=2, validation_data=(X[:10], Y[:10]), **options)
        model.evaluate(X, Y, **options)
        model.predict(X, **options)
        seen.append(recorder.events)
    assert seen[0] == seen[1]


def test_logs_are_read_lazily_and_hold_what_keras_holds(engine):
    found = []
    listener = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: found.append(dict(logs)))
    history = fit(compiled(), 1, callbacks=[listener]).history
    assert [list(logs) for logs in found] == [["loss", "mae"]] * 4
    np.testing.assert_allclose(found[-1]["loss"], history["loss"][0], rtol=1e-6)


def test_model_and_params_are_told():
    recorder = Recorder()
    model = compiled()
    fit(model, 2, callbacks=recorder)
    assert recorder.model is model
    assert recorder.params == {"epochs": 2, "steps": 4, "verbose": 0}


def test_history():
    history = fit(compiled(), 3, validation_split=0.25, initial_epoch=1)
    assert history.epoch == [1, 2]
    assert sorted(history.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert all(len(v) == 2 and all(type(x) is float for x in v) for v in history.history.values())
    library("matplotlib")
    assert len(history.plot().axes) == 2


# -- behaviour equal to Keras' -----------------------------------------------------------------------------------------
class Script:
    """A number for each epoch, in place of a real metric."""

    def __init__(self, values):
        self.values = values

    def logs(self, epoch):
        return {"loss": 1.0, "val_loss": float(self.values[epoch]), "val_accuracy": float(self.values[epoch])}


class FakeOptimizer:
    """A learning rate."""

    def __init__(self):
        self._rate = 1.0

    @property
    def learning_rate(self):
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value):
        self._rate = float(np.asarray(value))


class FakeModel:
    """What callbacks touch of a model."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = FakeOptimizer()
        self.epoch = -1
        self.restored = None
        self.saved = []

    def get_weights(self):
        return [np.array(self.epoch)]

    def set_weights(self, weights):
        self.restored = int(weights[0])

    def save(self, path, **_):
        self.saved.append((self.epoch, os.path.basename(str(path))))

    save_weights = save


def played(callback, values):
    """(epochs run, learning rates, restored epoch) of a callback under scripted numbers."""
    model, script, rates = FakeModel(), Script(values), []
    callback.set_params({"epochs": len(values)})
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(len(values)):
        model.epoch = epoch
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, script.logs(epoch))
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch, np.round(rates, 6).tolist(), model.restored, model.saved


SCRIPTS = {
    "falls then rises": [5, 4, 3, 3.5, 3.2, 3.1, 2.9, 3.4, 3.3, 3.6, 3.7, 3.8],
    "flat": [1.0] * 10,
    "rises": [0.1, 0.2, 0.3, 0.25, 0.29, 0.31, 0.3, 0.2, 0.1, 0.05],
    "tiny steps": [1 - 1e-3 * i for i in range(10)],
    "nan": [1.0, float("nan"), 0.5, 0.45, 0.6, float("nan"), 0.7],
}
SETTINGS = [
    ("EarlyStopping", {}),
    ("EarlyStopping", {"patience": 2, "restore_best_weights": True}),
    ("EarlyStopping", {"patience": 2, "min_delta": 0.05, "restore_best_weights": True}),
    ("EarlyStopping", {"monitor": "val_accuracy", "patience": 2, "restore_best_weights": True}),
    ("EarlyStopping", {"mode": "max", "patience": 1}),
    ("EarlyStopping", {"baseline": 2.0, "patience": 3, "restore_best_weights": True}),
    ("EarlyStopping", {"start_from_epoch": 3, "patience": 1, "restore_best_weights": True}),
    ("ReduceLROnPlateau", {"patience": 2, "factor": 0.5}),
    ("ReduceLROnPlateau", {"patience": 1, "cooldown": 2, "min_lr": 0.01}),
    ("ReduceLROnPlateau", {"patience": 2, "mode": "max", "min_delta": 0.02}),
    ("LearningRateScheduler", {"schedule": lambda epoch, rate: rate * 0.5 if epoch > 1 else rate}),
    ("LearningRateScheduler", {"schedule": lambda epoch: 0.1 / (epoch + 1)}),
    ("ModelCheckpoint", {"filepath": "m-{epoch:02d}-{val_loss:.2f}.keras"}),
    ("ModelCheckpoint", {"filepath": "best.keras", "save_best_only": True}),
    ("ModelCheckpoint", {"filepath": "best.keras", "save_best_only": True, "monitor": "val_accuracy"}),
    (
        "ModelCheckpoint",
        {"filepath": "b.weights.h5", "save_best_only": True, "save_weights_only": True, "mode": "max"},
    ),
    ("ModelCheckpoint", {"filepath": "b.keras", "save_best_only": True, "initial_value_threshold": 3.05}),
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("name", "options"), SETTINGS, ids=lambda v: v if isinstance(v, str) else ",".join(v)
)
def test_behaves_as_keras(name, options, script):
    ours, theirs = getattr(callbacks, name)(**options), getattr(keras.callbacks, name)(**options)
    if name in ("EarlyStopping", "ModelCheckpoint") and options.get("monitor") == "val_accuracy":
        theirs.monitor_op = np.greater  # Keras asks the real model's metrics which way is better
    assert played(ours, SCRIPTS[script]) == played(theirs, SCRIPTS[script])


# -- in training -------------------------------------------------------------------------------------------------------
def test_learning_rate_reaches_the_optimizer_and_the_logs(engine):
    model = compiled("sgd")
    history = fit(model, 3, callbacks=[callbacks.LearningRateScheduler(lambda e: [0.1, 0.0, 0.2][e])]).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.0, 0.2], rtol=1e-6)
    model = compiled("sgd")
    before = model.get_weights()
    fit(model, 2, callbacks=[callbacks.LearningRateScheduler(lambda e: 0.0)])
    assert all(map(np.array_equal, before, model.get_weights()))


def test_early_stopping_goes_back_to_the_best_weights(engine):
    model = compiled(kerasish.optimizers.SGD(0.5))
    kept = {}
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.update({epoch: model.get_weights()})
    )
    stop = callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True, mode="max")
    history = fit(model, 20, callbacks=[keep, stop])
    assert len(history.epoch) < 20
    assert all(map(np.array_equal, kept[stop.best_epoch], model.get_weights()))


def test_terminate_on_nan(engine, capsys):
    model = compiled(kerasish.optimizers.SGD(1e30))
    history = fit(model, 50, callbacks=[callbacks.TerminateOnNaN()])
    assert len(history.epoch) < 50
    assert "training stops" in capsys.readouterr().out
    with pytest.raises(NumericError, match=r"fit, batch \d+: The loss is no longer finite"):
        fit(model, 50, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


def test_checkpoint_and_best_model(tmp_path, engine):
    model = compiled()
    path = tmp_path / "m-{epoch}-{batch}.weights.h5"
    each = callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)
    best = callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="loss", save_best_only=True)
    kept = {}
    keep = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.update({logs["loss"]: model.get_weights()})
    )
    fit(model, 3, callbacks=[each, best, keep])
    assert sorted(p.name for p in tmp_path.glob("*.h5")) == [
        "m-1-3.weights.h5", "m-2-2.weights.h5", "m-3-1.weights.h5", "m-3-4.weights.h5",
    ]  # fmt: skip
    loaded = kerasish.models.load_model(tmp_path / "best.keras")
    assert all(map(np.array_equal, loaded.get_weights(), kept[min(kept)]))
    with pytest.raises(ArgumentError, match="nope"):
        fit(model, 1, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{nope}.keras")])
    with pytest.raises(ArgumentError, match=r"\.keras"):
        callbacks.ModelCheckpoint("model.h5")


class Stop(Exception):
    """Ends a training from within."""


def _dies_in(epoch):
    def die(batch, logs):
        if model_epoch[0] == epoch and batch == 1:
            raise Stop

    model_epoch = [0]
    return callbacks.LambdaCallback(
        on_epoch_begin=lambda e, logs: model_epoch.__setitem__(0, e), on_train_batch_end=die
    )


@pytest.mark.parametrize("double", [False, True])
def test_backup_and_restore_continues_the_uninterrupted_curve(tmp_path, engine, double):
    kerasish.utils.set_random_seed(5)
    whole = compiled()
    expected = fit(whole, 5, validation_split=0.2).history
    backup = callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=double)
    first = compiled()
    with pytest.raises(Stop):
        fit(first, 5, validation_split=0.2, callbacks=[backup, _dies_in(2)])
    again = compiled()
    found = fit(again, 5, validation_split=0.2, callbacks=[callbacks.BackupAndRestore(tmp_path / "b")])
    assert found.epoch == [2, 3, 4]
    for name, values in found.history.items():
        np.testing.assert_allclose(values, expected[name][2:], rtol=1e-6, err_msg=name)
    assert all(map(np.array_equal, again.get_weights(), whole.get_weights()))
    assert not (tmp_path / "b").exists()


def test_a_broken_backup_falls_back_to_the_one_before(tmp_path, capsys):
    backup = callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=True)
    with pytest.raises(Stop):
        fit(compiled(), 5, callbacks=[backup, _dies_in(3)])
    (tmp_path / "b" / "latest.weights.h5").write_bytes(b"torn")
    found = fit(compiled(), 5, callbacks=[callbacks.BackupAndRestore(tmp_path / "b", double_checkpoint=True)])
    assert found.epoch[0] == 2
    assert "cannot be read" in capsys.readouterr().out


def test_csv_logger(tmp_path):
    model = compiled()
    history = fit(model, 2, callbacks=[callbacks.CSVLogger(tmp_path / "log.csv")]).history
    fit(model, 1, callbacks=[callbacks.CSVLogger(tmp_path / "log.csv", append=True)])
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert set(rows[0]) == {"epoch", "loss", "mae"}
    np.testing.assert_allclose([float(row["loss"]) for row in rows[:2]], history["loss"], rtol=1e-6)


def test_csv_logger_keeps_numbers_that_come_later(tmp_path):
    log = tmp_path / "log.csv"
    model = compiled()
    seldom = {"validation_data": (X, Y), "validation_freq": 2}
    found = fit(model, 2, callbacks=[callbacks.CSVLogger(log)], **seldom).history
    fit(model, 1, callbacks=[callbacks.CSVLogger(log, append=True), callbacks.LambdaCallback()])
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [row["val_loss"] for row in rows] == ["NA", str(found["val_loss"][0]), "NA"]
    assert all(None not in row and row["loss"] for row in rows)


def test_remote_monitor():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        fit(compiled(), 2, callbacks=[callbacks.RemoteMonitor(root=root, send_as_json=True)])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [m["epoch"] for m in got] == [0, 1]
    assert got[0]["loss"] > 0
    with pytest.warns(UserWarning, match="could not reach"):
        fit(compiled(), 1, callbacks=[callbacks.RemoteMonitor(root="http://127.0.0.1:9")])


def test_swap_ema_weights(engine):
    model = compiled(kerasish.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    fit(model, 1, callbacks=[callbacks.SwapEMAWeights()], validation_split=0.2)
    averages = [v.numpy() for v in model.optimizer._averages]
    assert all(np.isfinite(a).all() for a in averages)
    with pytest.raises(ArgumentError, match="use_ema=True"):
        fit(compiled(), 1, callbacks=[callbacks.SwapEMAWeights(swap_on_epoch=True)])


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_swap_ema_weights_validates_and_ends_with_averages(swap_on_epoch):
    model = compiled(kerasish.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    swap = callbacks.SwapEMAWeights(swap_on_epoch)
    history = fit(model, 2, callbacks=[swap], validation_data=(X, Y)).history
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    for variable, average in zip(model.trainable_variables, model.optimizer._averages, strict=True):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())


def test_swap_ema_weights_after_an_interruption(engine):
    model = compiled(kerasish.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    stop = callbacks.LambdaCallback(on_epoch_end=_interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(model, 2, callbacks=[callbacks.SwapEMAWeights(swap_on_epoch=True), stop])
    averages = [v.numpy() for v in model.trainable_variables]
    with pytest.raises(KeyboardInterrupt):
        fit(
            model,
            2,
            callbacks=[callbacks.SwapEMAWeights(), callbacks.LambdaCallback(on_train_batch_begin=_interrupt)],
        )
    assert all(map(np.array_equal, averages, [v.numpy() for v in model.optimizer._averages]))


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_its_files(tmp_path, engine):
    library("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = compiled()
    board = callbacks.TensorBoard(
        tmp_path, histogram_freq=1, update_freq="batch", write_steps_per_second=True
    )
    history = fit(model, 2, validation_split=0.25, callbacks=[board]).history
    train = EventAccumulator(str(tmp_path / "train")).Reload()
    assert {"epoch_loss", "epoch_mae", "batch_loss", "epoch_steps_per_second"} <= set(train.Tags()["scalars"])
    np.testing.assert_allclose([s.value for s in train.Scalars("epoch_loss")], history["loss"], rtol=1e-6)
    validation = EventAccumulator(str(tmp_path / "validation")).Reload()
    np.testing.assert_allclose(
        [s.value for s in validation.Scalars("epoch_loss")], history["val_loss"], rtol=1e-6
    )
    assert len(train.Tags()["histograms"]) == len(model.weights)
    assert train.Tags()["graph"]


def test_a_name_that_is_not_in_the_logs_warns_once():
    with pytest.warns(MissingMonitorWarning, match="validation_data") as caught:
        fit(compiled(), 3, callbacks=[callbacks.EarlyStopping()])
    assert len(caught) == 1


# -- progress ----------------------------------------------------------------------------------------------------------
class Terminal(io.StringIO):
    """A stream that can be redrawn."""

    def isatty(self):
        return True


def test_a_pipe_gets_one_line_an_epoch(capsys):
    fit(compiled(), 3, verbose="auto", validation_split=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("Epoch 1/3 - 3 steps")
    assert "val_loss" in lines[2]
    assert not any("\r" in line for line in lines)


@pytest.mark.parametrize(("columns", "bar"), [(100, 1), (130, 20)])
def test_the_last_line_shortens_its_bar_rather_than_wrap(monkeypatch, columns, bar):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    fit(compiled(), 1, verbose=1, validation_split=0.25)
    last = stream.getvalue().splitlines()[-1].rstrip()
    assert bar <= last.count("━") <= 20
    assert len(last) < columns
    assert "val_mae" in last


def test_a_terminal_gets_a_bar_that_is_redrawn(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("kerasish.training.callbacks.progress._PERIOD", 0.0)
    monkeypatch.setenv("COLUMNS", "120")
    fit(compiled(), 2, verbose=1, validation_split=0.25)
    text = stream.getvalue()
    assert text.startswith("Epoch 1/2\n")
    assert text.count("\r") >= 6
    assert "1/3 ━" in text
    assert "left" in text
    assert "validating" in text
    assert "val_mae" in text
    last = text.splitlines()[-1].split("\r")[-1]
    assert last.startswith("3/3 ━")
    assert "val_loss" in last


@pytest.mark.parametrize("verbose", [0, 2])
def test_verbose(capsys, verbose):
    model = compiled()
    fit(model, 2, verbose=verbose)
    model.evaluate(X, Y, verbose=verbose)
    model.predict(X, verbose=verbose)
    assert len(capsys.readouterr().out.splitlines()) == (0 if verbose == 0 else 4)


@pytest.mark.parametrize(("seconds", "text"), [(3, "3s"), (59.7, "1:00"), (125, "2:05"), (3723, "1:02:03")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2, "2.0s/step"), (0.02, "20ms/step"), (0.0021, "2.1ms/step"), (2e-5, "20us/step"), (0, "0us/step")],
)
def test_rates(seconds, text):
    assert rate(seconds) == text
