"""Scripts in processes of their own: what is recorded, and what happens to scripts that misbehave."""

import importlib.util
import json
import os

import pytest

from kerasish.comparison import running
from kerasish.comparison.contenders import contenders
from kerasish.comparison.records import KERAS, Contender
from kerasish.comparison.running import Plan, compare_script
from kerasish.core.errors import ArgumentError, UnknownBackendError
from tests.comparison.conftest import make_run
from tests.libraries import absent, library

FIT = """
import numpy as np, kerasish
m = kerasish.Sequential([kerasish.Input((2,)), kerasish.layers.Dense(1)])
m.compile("sgd", "mse")
"""


def one_run(script, engine="native", *, api="kerasish", **options):
    """The run of a script on one engine."""
    plan = Plan(script, backends=[engine], repeat=1, **options)
    return running.run_once(plan, Contender.of(api, engine), 0, script.parent)


def test_a_script_is_recorded_on_an_engine(script, engine):
    run = one_run(script, engine.name, epochs=3)
    assert run.ok, run.error
    assert len(run.epochs) == 3
    assert set(run.epochs[0].logs) == {"loss", "mae", "val_loss", "val_mae"}
    assert run.epochs[-1].logs["loss"] < run.epochs[0].logs["loss"]
    assert 0 < run.import_s < 100
    assert 0 < run.build_s < 60
    assert run.first_step_s > 0
    assert run.batch_size == pytest.approx(72 / 5)
    assert run.predict_ms > 0
    assert run.peak_bytes > 20 * 2**20
    assert run.parameters == 19
    assert run.device in ("cpu:0", "gpu:0")
    assert "kerasish" in run.versions
    assert run.initial.count == run.final.count == 19


def test_one_seed_gives_one_start_on_every_engine(script, engine):
    """The same weights, bit by bit, and curves that differ by rounding, across processes and engines."""
    here, there = one_run(script, "native"), one_run(script, engine.name)
    assert there.initial.sha256 == here.initial.sha256
    assert [e.logs["loss"] for e in there.epochs] == pytest.approx(
        [e.logs["loss"] for e in here.epochs], rel=1e-4
    )


@pytest.mark.parametrize(("choice", "portable"), [("off", False), ("on", True)])
@pytest.mark.parametrize("engine", ["jax"], indirect=True)
def test_whose_random_numbers_a_script_gets(script, engine, choice, portable):
    script.write_text(
        FIT.replace("kerasish.layers.Dense", "kerasish.layers.Dropout(0.5), kerasish.layers.Dense")
    )
    with script.open("a") as file:
        file.write('m.fit(np.ones((8, 2), "float32"), np.ones((8, 1), "float32"))\n')
    run = one_run(script, engine.name, portable_randomness=choice)
    assert run.portable_randomness is portable, run.error


def test_a_choice_of_random_numbers_that_is_none(script):
    with pytest.raises(ArgumentError, match=r"'autto'.*did you mean 'auto'"):
        running.check(Plan(script, portable_randomness="autto"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "jax", "tensorflow"], indirect=True)
def test_real_keras_runs_the_same_script(script, engine):
    library("keras")
    script.write_text(
        script.read_text() + "\nfrom kerasish.layers import Dense\nimport kerasish.optimizers\n"
    )
    run = one_run(script, engine.name, api=KERAS)
    assert run.ok, run.error
    assert run.contender == f"keras-{engine.name}"
    assert run.versions["keras"].startswith("3.")
    assert len(run.versions) == 2
    assert set(run.epochs[0].logs) == {"loss", "mae", "val_loss", "val_mae"}
    assert run.parameters == 19
    assert run.steps.median_ms > 0
    assert run.predict_ms > 0
    assert run.build_s > 0


@pytest.mark.slow
def test_real_keras_is_lent_our_data_and_refuses_what_it_has_not(script):
    library("keras")
    library("jax")
    script.write_text(
        "from kerasish.datasets import digits\nassert digits.load_data()\nimport kerasish\nkerasish.use_backend('x')"
    )
    run = one_run(script, "jax", api=KERAS)
    assert run.error.startswith(
        "train.py, line 4: AttributeError: module 'keras' has no attribute 'use_backend'"
    )


# -- scripts that misbehave --------------------------------------------------------------------------------------------
MISBEHAVIOUR = {
    "raises": ("\n\nraise ValueError('no  such\\nluck')", "train.py, line 3: ValueError: no such luck"),
    "raises below": ("def f():\n    return {}['x']\nf()", "train.py, line 2: KeyError: 'x'"),
    "misses a module": (
        "import no_such_thing",
        "train.py, line 1: ModuleNotFoundError: No module named 'no_such_thing'",
    ),
    "leaves with a code": ("import sys; sys.exit(3)", "the script ended with exit code 3"),
    "leaves with words": ("import sys; sys.exit('bye')", "the script ended with exit code bye"),
    "never fits": ("import kerasish", "the script never called fit of a kerasish model"),
    "dies": ("import os; os.abort()", "the process was ended by SIGABRT"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL; out of memory?"),
    "leaves behind our back": (
        "import os; print('so long'); os.sys.stdout.flush(); os._exit(7)",
        "exit code 7: so long",
    ),
    "chooses its engine": (
        "import kerasish\nfrom kerasish.testing import register_strict\nregister_strict()\n"
        "kerasish.set_backend('strict')" + FIT + "m.fit(np.ones((8, 2)), np.ones((8, 1)))",
        "the script chose the engine strict by itself",
    ),
    "is wrong within fit": (FIT + "m.fit(np.ones((8, 2)), np.ones((7, 1)))", "DataError"),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR)
def test_a_script_that_misbehaves_is_reported_in_a_line(case, script):
    text, message = MISBEHAVIOUR[case]
    script.write_text(text)
    run = one_run(script)
    assert not run.ok
    assert message in run.error
    assert "\n" not in run.error


def test_a_good_exit_is_no_failure(script):
    script.write_text(script.read_text() + "\nsys.exit(0)")
    assert one_run(script).ok


def test_a_run_that_does_not_end_is_given_up(script):
    script.write_text("import time\ntime.sleep(60)")
    assert one_run(script, timeout=1.0).error == "no end after 1 s"


def test_a_failed_engine_is_not_tried_again(script):
    script.write_text("raise SystemExit(1)")
    said = []
    found = compare_script(Plan(script, backends=["native"], repeat=5), said.append)
    assert len(found.runs) == 1
    assert said == ["native, run 1 of 5: failed: the script ended with exit code 1"]


# -- what the script sees ----------------------------------------------------------------------------------------------
def test_the_script_sees_itself_as_it_would_alone(script):
    (script.parent / "beside.py").write_text("VALUE = 7")
    script.write_text(
        "import sys, pathlib, beside\n"
        "assert __name__ == '__main__' and beside.VALUE == 7\n"
        "assert sys.argv[1:] == ['--lr', '0.1'], sys.argv\n"
        "assert pathlib.Path(__file__).name == 'train.py'\n"
        "assert not any(path.endswith('comparison') for path in sys.path), sys.path\n"
        + FIT
        + "m.fit(np.ones((8, 2)), np.ones((8, 1)))"
    )
    run = one_run(script, arguments=["--lr", "0.1"])
    assert run.ok, run.error


def test_seeds_are_added_to_the_scripts(script):
    plan = Plan(script, backends=["native"], repeat=1, seeds=2)
    found = compare_script(plan)
    assert [run.seed for run in found.runs] == [0, 1]
    starts = [run.initial.sha256 for run in found.runs]
    script.write_text(script.read_text().replace("set_random_seed(3)", "set_random_seed(4)"))
    assert one_run(script).initial.sha256 == starts[1] != starts[0]


def test_a_script_without_a_seed_repeats(script):
    script.write_text(script.read_text().replace("keras.utils.set_random_seed(3)", ""))
    found = compare_script(Plan(script, backends=["native"], repeat=2))
    assert found.verdicts["numbers"]["repeats"] == {"native": "identical"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no processes")
def test_threads_pin_the_process(script):
    script.write_text(
        "import os\nassert len(os.sched_getaffinity(0)) == 1\nassert os.environ['OMP_NUM_THREADS'] == '1'\n"
        + FIT
        + "m.fit(np.ones((8, 2)), np.ones((8, 1)))"
    )
    run = one_run(script, threads=1)
    assert run.ok, run.error
    assert run.threads == 1


# -- plans -------------------------------------------------------------------------------------------------------------
def test_engines_take_turns_and_every_other_round_goes_backwards(script, monkeypatch):
    order = []

    def fake(plan, contender, repeat, folder):
        order.append((repeat, contender.name))
        return make_run(contender.engine, repeat=repeat)

    monkeypatch.setattr(running, "run_once", fake)
    monkeypatch.setattr(running, "contenders", lambda *_: ([Contender.of("kerasish", n) for n in "ab"], []))
    compare_script(Plan(script, repeat=3))
    assert order == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]


def bad_plan(tmp_path, case):
    path = tmp_path / "train.py"
    path.write_text("print('x')")
    if case == "missing":
        return Plan(tmp_path / "absent.py")
    if case == "folder":
        return Plan(tmp_path)
    if case == "model":
        (tmp_path / "model.keras").write_bytes(b"PK")
        return Plan(tmp_path / "model.keras")
    if case == "syntax":
        path.write_text("x = (1,\ny = 2 2\n")
        return Plan(path)
    return Plan(path, **{case: 0})


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        ("model", "'model.keras' is not a Python script"),
        ("syntax", r"train.py, line \d: .*[Tt]ry"),
        ("repeat", "`repeat` must be at least 1"),
        ("epochs", "`epochs` must be at least 1"),
        ("threads", "`threads` must be at least 1"),
        ("seeds", "`seeds` must be at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(case, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        compare_script(bad_plan(tmp_path, case))


def test_unknown_engines_are_refused_and_missing_ones_named(monkeypatch):
    with pytest.raises(UnknownBackendError, match="did you mean 'native'"):
        contenders(["natve"])
    from kerasish.core import registry
    from kerasish.core.contract import EngineInfo

    ghost = EngineInfo("ghost", "ghost:build", ("no_such_module",), "pip install ghost")
    monkeypatch.setitem(registry._extra, "ghost", ghost)
    found, missing = contenders(["native", "ghost"], with_keras=False)
    assert [c.name for c in found] == ["native"]
    assert (missing[0].reason, missing[0].hint) == ("no_such_module is not installed", "pip install ghost")


def test_keras_runs_where_there_is_a_framework_below():
    for name in ("keras", "jax"):
        if importlib.util.find_spec(name) is None:
            absent(f"{name} is not installed")
    found, _ = contenders(["native", "jax"], with_keras=True)
    assert [c.name for c in found] == ["native", "jax", "keras-jax"]


def test_keras_that_is_not_installed_is_named(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == KERAS else real(name, *a)
    )
    found, missing = contenders(["native"], with_keras=True)
    assert [c.name for c in found] == ["native"]
    assert [m.contender for m in missing] == [KERAS]


def test_a_record_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_text(json.dumps({"event": "ready", "import_s": 1.0, "versions": {}}) + '\n{"event": "bui')
    assert [event["event"] for event in running._events(path)] == ["ready"]
