"""What the observer sees of a training in this process, and that it leaves no trace where nothing is compared."""

import subprocess
import sys
import time

import numpy as np
import pytest

import kerasish
from kerasish import layers
from kerasish.callbacks import Callback
from kerasish.comparison import observer as observer_module
from kerasish.comparison.building import BuildTimer
from kerasish.comparison.observer import Clock, Observer, Windows, assembled, steady, weighted_quantile
from kerasish.comparison.records import Run, numbers_back
from kerasish.training.callbacks import CallbackList

X = np.random.default_rng(0).normal(size=(80, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def model(units=3):
    made = kerasish.Sequential([kerasish.Input((4,)), layers.Dense(units), layers.Dense(1)])
    made.compile("sgd", "mse", metrics=["mae"])
    return made


class FakeTime:
    """The observer's time: it passes when a callback says so, and not otherwise."""

    def __init__(self):
        self.seconds = 0.0

    def perf_counter(self):
        return self.seconds


@pytest.fixture
def passing(monkeypatch):
    fake = FakeTime()
    monkeypatch.setattr(observer_module, "time", fake)
    return fake


class Slow(Callback):
    """Makes each step take a known time."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.seconds += self.seconds


class Stopwatch(Callback):
    """A watch of our own."""

    def __init__(self):
        super().__init__()
        self.stamps = []

    def on_epoch_end(self, epoch, logs=None):
        self.stamps.append(time.perf_counter())


def watch(work, **options):
    events = []
    observer = Observer(kerasish, events.append, **options)
    work(observer)
    observer.finish(seconds=0.0)
    return assembled(Run("native", "kerasish", "native", 0, 0), numbers_back(events))


def test_a_fit_is_recorded():
    made = model()
    run = watch(lambda o: o.fit(made, X, Y, batch_size=16, epochs=3, validation_split=0.2))
    assert (run.fits, len(run.epochs), run.batch_size, run.predict_batch) == (1, 3, 16.0, 16)
    assert [epoch.epoch for epoch in run.epochs] == [1, 2, 3]
    assert set(run.epochs[0].logs) == {"loss", "mae", "val_loss", "val_mae"}
    assert run.epochs[0].logs["loss"] > run.epochs[-1].logs["loss"]
    assert made.history.history["loss"] == [epoch.logs["loss"] for epoch in run.epochs]
    assert run.epochs[0].seconds < run.epochs[1].seconds < run.epochs[2].seconds
    assert run.steps.count == 8  # 4 steps in each of the epochs after the first
    assert run.parameters == made.count_params()
    assert run.initial.sha256 != run.final.sha256
    assert run.predict_ms > 0
    assert run.device == "cpu:0"
    assert run.samples_per_s == pytest.approx(16e3 / run.steps.median_ms)


def test_steps_take_what_they_take(passing):
    run = watch_fit(callbacks=[Slow(passing, 0.03)])
    assert run.steps.median_ms == pytest.approx(30)
    assert (run.steps.low_ms, run.steps.high_ms) == pytest.approx((30, 30))
    assert run.first_step_s == pytest.approx(0.03)
    assert [epoch.seconds for epoch in run.epochs] == pytest.approx([0.15, 0.3, 0.45])


def test_a_slow_first_step_is_no_steady_one(passing):
    class Compile(Callback):
        def on_train_begin(self, logs=None):
            passing.seconds += 5.0

    run = watch_fit(callbacks=[Compile(), Slow(passing, 0.03)])
    assert run.first_step_s == pytest.approx(5.03)
    assert run.steps.high_ms == pytest.approx(30)


def test_validation_and_the_end_of_an_epoch_are_no_steps(passing):
    class Busy(Callback):
        def on_test_begin(self, logs=None):
            passing.seconds += 0.3

        def on_epoch_end(self, epoch, logs=None):
            passing.seconds += 0.2

    run = watch_fit(callbacks=[Busy(), Slow(passing, 0.01)], validation_data=(X, Y))
    assert run.steps.high_ms == pytest.approx(10)
    assert [epoch.seconds for epoch in run.epochs] == pytest.approx([0.35, 0.9, 1.45])


def watch_fit(**options):
    events = []
    Observer(kerasish, events.append).fit(model(), X, Y, batch_size=16, epochs=3, **options)
    return assembled(Run("native", "kerasish", "native", 0, 0), numbers_back(events))


def test_one_epoch_counts_all_but_the_first_step():
    run = watch(lambda o: o.fit(model(), X, Y, batch_size=16, epochs=1))
    assert run.steps.count == 4


def test_one_step_has_no_steady_steps():
    run = watch(lambda o: o.fit(model(), X, Y, batch_size=80))
    assert run.steps is None
    assert run.first_step_s > 0


def test_steps_that_are_run_at_once_count_each():
    made = model()
    made.compile("sgd", "mse", steps_per_execution=2)
    assert watch(lambda o: o.fit(made, X, Y, batch_size=10, epochs=2)).steps.count == 8


@pytest.mark.parametrize(
    "callbacks",
    [None, [], Callback(), [Callback()], (Callback(),), CallbackList([Callback()])],
    ids=lambda c: type(c).__name__,
)
def test_callbacks_of_every_form_are_kept(callbacks):
    seen = []
    made = model()
    if isinstance(callbacks, CallbackList):
        callbacks.set_model(made)
    elif isinstance(callbacks, list):
        callbacks.append(
            kerasish.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        )
    run = watch(lambda o: o.fit(made, X, Y, batch_size=40, epochs=2, callbacks=callbacks))
    assert len(run.epochs) == 2
    if isinstance(callbacks, list):
        assert seen == [0, 1]
        assert len(callbacks) in (1, 2)  # the script's own list is not added to


def test_epochs_may_be_overridden():
    run = watch(lambda o: o.fit(model(), X, Y, epochs=7, initial_epoch=2), epochs=3)
    assert len(run.epochs) == 3


def test_fits_of_one_model_follow_each_other():
    made = model()

    def work(observer):
        for _ in range(3):
            observer.fit(made, X, Y, batch_size=40)

    run = watch(work)
    assert (run.fits, len(run.epochs), run.steps.count) == (3, 3, 2)
    seconds = [epoch.seconds for epoch in run.epochs]
    assert seconds == sorted(seconds)


def test_the_model_that_was_trained_longest_is_meant():
    short, long = model(2), model(5)

    def work(observer):
        observer.fit(short, X, Y, batch_size=40, epochs=1)
        observer.fit(long, X, Y, batch_size=20, epochs=3)
        observer.fit(short, X, Y, batch_size=40, epochs=1)

    run = watch(work)
    assert run.parameters == long.count_params()
    assert len(run.epochs) == 3
    assert run.batch_size == 20


def test_generators_are_not_robbed():
    taken = []

    def batches():
        for i in range(6):
            taken.append(i)
            yield X[:10], Y[:10]

    run = watch(lambda o: o.fit(model(), batches(), steps_per_epoch=5, epochs=1))
    assert len(run.epochs) == 1
    assert run.predict_ms is None
    assert run.samples_per_s is None


def test_a_data_set_tells_its_batch_size():
    class Data(kerasish.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return X[:12], Y[:12]

    run = watch(lambda o: o.fit(model(), Data(), epochs=2))
    assert (run.batch_size, run.predict_batch) == (12.0, 12)


def test_no_fit_no_figures():
    run = watch(lambda o: None)
    assert (run.fits, run.steps, run.epochs) == (0, None, [])


def test_losses_that_are_not_finite_are_kept():
    run = watch(lambda o: o.fit(model(), X * 1e30, Y, batch_size=40, epochs=1))
    assert not np.isfinite(run.epochs[0].logs["loss"])


def test_figures_agree_with_a_stopwatch_within_ten_percent(engine):
    """The observer beside a watch of our own on the very same fit: no noise of the machine comes between them.

    `benchmarks/compare_figures.py` times fits that nobody observes, and hand-written loops, beside observed ones.
    """
    x = np.random.default_rng(1).normal(size=(64 * 40, 16)).astype("float32")
    made = kerasish.Sequential([kerasish.Input((16,)), layers.Dense(32, "relu"), layers.Dense(1)])
    made.compile("adam", "mse")
    watch = Stopwatch()

    def ratio():
        watch.stamps.clear()
        events = []
        Observer(kerasish, events.append).fit(made, x, x[:, :1], batch_size=64, epochs=5, callbacks=[watch])
        windows = [window for window in events[-1]["windows"] if window[0] > 0]
        assert sum(steps for _, steps, _ in windows) == 4 * 40
        per_step = [seconds / steps * 1e3 for _, steps, seconds in windows]
        found = assembled(Run("", "kerasish", "", 0, 0), numbers_back(events)).steps
        assert min(per_step) <= found.low_ms <= found.median_ms <= found.high_ms <= max(per_step)
        return sum(seconds for _, _, seconds in windows) / (watch.stamps[-1] - watch.stamps[0])

    # A process may be put aside between our look at the clock and the observer's, but not time after time.
    assert any(abs(ratio() - 1) < 0.1 for _ in range(5))


# -- parts -------------------------------------------------------------------------------------------------------------
def test_clock_leaves_out_what_is_spent_on_observing(passing):
    clock = Clock()
    start = clock.now()
    passing.seconds += 1.0
    with clock.stopped():
        passing.seconds += 50.0
    assert clock.now() - start == 1.0


def test_the_device_is_waited_for_once_a_window():
    class Time:
        seconds = 0.0

        def now(self):
            return self.seconds

    clock, settled = Time(), []
    windows = Windows(clock, settled.append)
    windows.open(0)
    for step in range(21):
        clock.seconds += 0.03
        windows.step(step)
    windows.close()
    assert settled == [0, 4, 8, 12, 16, 20]  # the first step, then every 0.12 s
    assert [steps for _, steps, _ in windows.found] == [4] * 5
    assert all(seconds == pytest.approx(0.12) for _, _, seconds in windows.found)


def test_quartiles_weigh_windows_by_their_steps():
    found = steady([(0, 1, 9.0), (1, 10, 0.010), (1, 10, 0.020), (1, 1, 1.0)])
    assert found.count == 21
    assert found.median_ms < 2.5
    assert weighted_quantile(np.array([5.0]), np.array([2.0]), 0.25) == 5.0


def test_build_timer_counts_the_outermost_call_once_and_leaves_nothing():
    before = {name: vars(kerasish.Sequential).get(name) for name in ("__init__", "add", "build")}
    timer = BuildTimer(kerasish)
    start = time.perf_counter()
    model()
    passed = time.perf_counter() - start
    timer.stop()
    assert 0.3 * passed < timer.seconds <= passed
    model()
    assert timer.seconds <= passed
    assert {name: vars(kerasish.Sequential).get(name) for name in before} == before


def test_nothing_is_wrapped_or_loaded_where_nothing_is_compared():
    code = (
        "import sys, numpy as np, kerasish\n"
        "m = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])\n"
        "m.compile('sgd', 'mse')\n"
        "m.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)\n"
        "assert not [name for name in sys.modules if 'comparison' in name and 'ops' not in name], sys.modules\n"
        "from kerasish.training.trainer import Trainer\n"
        "kerasish.comparison\n"
        "assert kerasish.Model.fit is Trainer.fit\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
