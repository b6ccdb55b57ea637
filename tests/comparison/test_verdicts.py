"""What is concluded from runs, and in which words."""

import math

import pytest

from kerasish.comparison import verdicts
from tests.comparison.conftest import make_run


def by_name(*runs):
    found = {}
    for run in runs:
        found.setdefault(run.contender, []).append(run)
    return found


def timed(**times):
    return by_name(
        *(make_run(name, repeat=i, ms=ms) for name, all_ms in times.items() for i, ms in enumerate(all_ms))
    )


# -- speed -------------------------------------------------------------------------------------------------------------
def test_a_clear_lead_is_called_fastest():
    found = verdicts.speed(timed(jax=[2.0, 2.02, 1.98], native=[1.0, 1.02, 1.01]))
    assert (found["ranked"], found["order"], found["fastest"]) == (True, ["native", "jax"], ["native"])
    assert found["ratios"]["jax"]["ratio"] == pytest.approx(1.98, abs=0.01)
    assert found["text"] == "native is fastest. A step takes jax 1.98 times as long (1.93 to 2.03)."


def test_no_winner_where_the_noise_exceeds_the_difference():
    found = verdicts.speed(timed(jax=[1.0, 1.3, 0.9], native=[1.1, 0.9, 1.2], torch=[9.0, 9.1, 9.2]))
    assert not found["ranked"]
    assert set(found["fastest"]) == {"native", "jax"}
    assert "No winner: jax and native differ by less than the noise of 3 rounds." in found["text"]
    assert "torch" in found["text"].split("Compared with")[1]


def test_drift_of_the_machine_does_not_hide_a_lead():
    found = verdicts.speed(timed(native=[1.0, 2.0, 4.0], jax=[1.5, 3.0, 6.0]))
    assert found["fastest"] == ["native"]


def test_one_run_of_each_is_not_ranked():
    found = verdicts.speed(timed(native=[1.0], jax=[5.0]))
    assert not found["ranked"]
    assert "--repeat" in found["text"]


def test_nothing_timed():
    run = make_run()
    run.steps = None
    assert verdicts.speed(by_name(run))["text"] == "No steps were timed."
    assert verdicts.speed(timed(native=[1.0, 1.0]))["text"] == "Only native was timed."


def test_a_round_that_failed_is_left_out():
    runs = timed(native=[1.0, 1.01, 1.0], jax=[2.0, 2.01, 2.02])
    del runs["jax"][1]
    assert verdicts.speed(runs)["ratios"]["jax"]["pairs"] == 2


# -- numbers -----------------------------------------------------------------------------------------------------------
LEVELS = {
    "identical": {},
    "rounding": {"losses": (1.0, 0.5000001), "weights": 1.000001},
    "drift": {"losses": (1.0, 0.51), "weights": 1.1},
    "different": {"losses": (1.2, 0.4), "weights": 1.1, "start": 0.3},
    "broken": {"losses": (1.0, math.nan), "weights": 1.1},
    "unknown": {"losses": ()},
}


@pytest.mark.parametrize("level", LEVELS)
def test_levels(level):
    found = verdicts.numbers(by_name(make_run("native"), make_run("jax", **LEVELS[level])))
    assert found["reference"] == "native"
    assert found["contenders"]["jax"]["level"] == level
    assert "jax" in found["text"]


def test_a_start_that_differs_by_rounding_is_the_same_start():
    found = verdicts.against(make_run("jax", start=1e-7, weights=1.0000001), make_run())
    assert (found["start"], found["level"]) == ("rounding", "rounding")


def test_weights_apart_though_losses_are_equal_are_not_identical():
    found = verdicts.against(make_run("jax", weights=1.0001), make_run())
    assert (found["level"], found["max_deviation"]) == ("rounding", 0.0)
    assert found["weights_distance"] > 0


def test_both_not_finite_is_no_difference():
    losses = (1.0, math.nan)
    found = verdicts.against(make_run("jax", losses=losses), make_run(losses=losses))
    assert found["loss_deviation"] == [0.0, None]
    assert found["level"] == "identical"


def test_drift_names_the_epoch():
    found = verdicts.numbers(by_name(make_run(losses=(1, 1, 1)), make_run("jax", losses=(1, 1.01, 1.02))))
    assert "jax from epoch 2 on (up to 2.0e-2)" in found["text"]


def test_keras_is_never_the_reference():
    found = verdicts.numbers(by_name(make_run("jax", api="keras", start=1.0, weights=2.0), make_run("torch")))
    assert found["reference"] == "torch"
    assert "Keras on jax begins with other weights than torch" in found["text"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_seeds_are_advised_where_there_is_one(seeds):
    runs = [make_run(seed=i) for i in range(seeds)]
    runs += [make_run("jax", seed=i, **LEVELS["different"]) for i in range(seeds)]
    assert ("--seeds" in verdicts.numbers(by_name(*runs))["text"]) == (seeds == 1)


def test_only_one_and_none():
    assert "nothing to compare" in verdicts.numbers(by_name(make_run()))["text"]
    assert verdicts.numbers({})["reference"] is None


@pytest.mark.parametrize(
    ("runs", "found"),
    [
        ([make_run(), make_run(repeat=1)], "identical"),
        ([make_run(), make_run(repeat=1, weights=2.0)], "differ"),
        ([make_run()], "unknown"),
        ([make_run(), make_run(repeat=1, seed=1, weights=2.0)], "unknown"),
    ],
)
def test_repeats(runs, found):
    assert verdicts.repeatable(runs) == found


# -- seeds -------------------------------------------------------------------------------------------------------------
def seeded(gap, seeds=6):
    return by_name(
        *(
            make_run(name, repeat=k, seed=k, losses=(1.0, 0.5 + 0.1 * math.sin(5 * k) + gap * number))
            for number, name in enumerate(("native", "jax"))
            for k in range(seeds)
        )
    )


def test_engines_that_differ_by_rounding_differ_less_than_seeds():
    found = verdicts.seeds(seeded(1e-6))
    assert found["tests"]["loss"]["p_value"] > 0.9
    assert "loss does not differ more between engines than between seeds" in found["text"]


def test_an_engine_that_learns_worse_is_seen():
    found = verdicts.seeds(seeded(0.5))
    assert found["tests"]["loss"]["p_value"] < 0.01
    assert found["tests"]["loss"]["effect"] > 2
    assert "loss differs more between engines than between seeds" in found["text"]
    assert set(found["tests"]) == {"loss", "accuracy", "val_accuracy"}


def test_an_engine_that_ends_in_nan_is_left_out_and_named():
    runs = seeded(1e-6)
    runs["torch"] = [make_run("torch", repeat=k, seed=k, losses=(1.0, math.nan)) for k in range(6)]
    found = verdicts.seeds(runs)
    assert found["tests"]["loss"]["left_out"] == ["torch"]
    assert found["tests"]["loss"]["p_value"] > 0.9
    assert "without torch, where it is not finite" in found["text"]


def test_one_seed_is_not_judged():
    assert verdicts.seeds(by_name(make_run(), make_run("jax"))) is None


def test_seeds_with_repeats_count_once():
    runs = seeded(0.0, seeds=2)
    for name, found in runs.items():
        found += [make_run(name, repeat=2 + k, seed=k) for k in range(2)]
    assert verdicts.seeds(runs)["tests"]["loss"]["permutations"] == math.comb(4, 2)


# -- randomness --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("portable", "own", "words"),
    [
        ({"native": True, "torch": True}, None, ""),
        ({"native": None, "torch": None}, None, ""),
        ({"native": True, "torch": False}, ["torch"], "torch on cpu:0 drew dropout masks"),
        (
            {"native": True, "torch": False},
            ["torch"],
            "generator, native on cpu:0 the portable ones: curves may part",
        ),
        ({"jax": False, "torch": False}, ["jax", "torch"], "jax on cpu:0 and torch on cpu:0 drew"),
        ({"jax": False, "native": None}, ["jax"], "own generator. --portable-randomness on"),
    ],
)
def test_randomness_that_is_not_the_same_is_said(portable, own, words):
    found = verdicts.randomness(
        by_name(*(make_run(name, portable=value) for name, value in portable.items()))
    )
    assert (found and found["own"]) == own
    assert words in (found["text"] if found else "")
