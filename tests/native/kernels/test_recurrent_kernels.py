"""Sequence kernels beside their reference twins, over awkward sizes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from kerasish_native.reference import recurrent

TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
SIZES = [  # batch, time, channels, units
    (1, 1, 1, 1),
    (2, 3, 5, 7),
    (3, 4, 16, 15),
    (33, 2, 17, 16),
    (5, 7, 1, 33),
    (61, 3, 8, 32),
    (2, 3, 40, 130),
]
LARGE = [(4, 3, 300, 200), (30, 2, 64, 256)]  # weights beyond the cache: inputs are multiplied ahead
FLAGS = list(itertools.product((True, False), (False, True), (False, True)))  # bias, masked, reverse
rng = np.random.default_rng(5)


def operands(cell: str, size: tuple[int, ...], bias: bool, dtype: str) -> list[np.ndarray]:
    batch, length, channels, units = size
    gates = units * (4 if cell == "lstm" else 3)
    shapes: list[Any] = [(batch, length, channels), *[(batch, units)] * (2 if cell == "lstm" else 1)]
    shapes += [(channels, gates), (units, gates)]
    if bias:
        shapes.append((gates,) if cell == "lstm" else (2, gates))
    scale = 1.0 / np.sqrt(channels + units)
    return [
        (rng.standard_normal(s) * (scale if i >= len(shapes) - 2 - bias else 1)).astype(dtype)
        for i, s in enumerate(shapes)
    ]


def some_mask(size: tuple[int, ...], masked: bool) -> list[np.ndarray]:
    return [rng.random(size[:2]) < 0.6] if masked else []


def run(bench: Any, make: Any, ins: dict[str, Any], outs: dict[str, Any], **options: Any) -> None:
    views = {name: None if array is None else bench.put(array) for name, array in {**ins, **outs}.items()}
    bench.run([make(**views, **options)])


def named(names: str, arrays: Any) -> dict[str, Any]:
    return dict(zip(names.split(), arrays, strict=True))


OPERANDS = {"lstm": "x h0 c0 kernel recurrent", "gru": "x h0 kernel recurrent"}
RESULTS = {"lstm": "outputs h c gates cells before", "gru": "outputs h gates before"}


def forward(
    bench: Any, cell: str, args: list[np.ndarray], mask: list[np.ndarray], bias: bool, reverse: bool
) -> Any:
    keywords = {"bias": bias, "masked": bool(mask), "reverse": reverse, "keep": True}
    wanted = named(RESULTS[cell], getattr(recurrent, f"{cell}_sequence")(*args, *mask, **keywords))
    ins = named(OPERANDS[cell], args[:-1] if bias else args)
    ins |= {"bias": args[-1] if bias else None, "mask": mask[0] if mask else None}
    outs = {name: np.full_like(y, 7) for name, y in wanted.items()}
    run(bench, getattr(bench.kernels, f"{cell}_step"), ins, outs, reverse=reverse)
    return wanted, outs


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("cell", OPERANDS)
@pytest.mark.parametrize("size", SIZES + LARGE, ids=str)
@pytest.mark.parametrize(("bias", "masked", "reverse"), FLAGS)
def test_forward(bench, cell, size, bias, masked, reverse, dtype):
    args, mask = operands(cell, size, bias, dtype), some_mask(size, masked)
    wanted, outs = forward(bench, cell, args, mask, bias, reverse)
    counted = mask[0][..., None] if masked else True
    for name, y in wanted.items():
        where = counted if name == "gates" else True  # those of steps that do not count are nobody's business
        found, expected = np.where(where, outs[name], 0), np.where(where, y, 0)
        np.testing.assert_allclose(found, expected, TOLERANCE[dtype], TOLERANCE[dtype], err_msg=name)


@pytest.mark.parametrize("cell", OPERANDS)
@pytest.mark.parametrize("size", [SIZES[3], LARGE[0]], ids=str)
def test_what_nobody_needs_is_not_made(bench, cell, size):
    args = operands(cell, size, True, "float32")
    wanted, _ = forward(bench, cell, args, [], True, False)
    outs = dict.fromkeys(RESULTS[cell].split())
    states = ("h", "c") if cell == "lstm" else ("h",)
    outs |= {name: np.zeros_like(wanted[name]) for name in states}
    ins = {**named(OPERANDS[cell], args[:-1]), "bias": args[-1], "mask": None}
    run(bench, getattr(bench.kernels, f"{cell}_step"), ins, outs, reverse=False)
    for name in states:
        np.testing.assert_allclose(outs[name], wanted[name], 3e-5, 3e-5)


def backward(
    bench: Any, cell: str, size: Any, flags: Any, dtype: str, given: Any = None, wants_x: bool = True
) -> Any:
    bias, masked, reverse = flags
    args, mask = operands(cell, size, bias, dtype), some_mask(size, masked)
    results = getattr(recurrent, f"{cell}_sequence")(
        *args, *mask, bias=bias, masked=masked, reverse=reverse, keep=True
    )
    count = 3 if cell == "lstm" else 2
    given = given or (True,) * count
    grads = [
        rng.standard_normal(y.shape).astype(dtype) if g else None
        for y, g in zip(results[:count], given, strict=True)
    ]
    options = {"given": given, "bias": bias, "masked": masked, "reverse": reverse, "wants_x": wants_x}
    present = [g for g in grads if g is not None]
    names = [f"{name}_grad" for name in OPERANDS[cell].split()[0 if wants_x else 1 :]] + ["bias_grad"] * bias
    wanted = dict(
        zip(
            names,
            getattr(recurrent, f"{cell}_sequence_grad")(*present, *args, *mask, *results[count:], **options),
            strict=True,
        )
    )
    ins = named("outputs_grad h_grad c_grad" if cell == "lstm" else "outputs_grad h_grad", grads)
    ins |= {name: x for name, x in zip(OPERANDS[cell].split(), args, strict=False) if name != "h0"}
    ins |= named("gates cells before" if cell == "lstm" else "gates before", results[count:])
    outs = {"x_grad": None, "bias_grad": None} | {name: np.full_like(y, 7) for name, y in wanted.items()}
    ins["mask"] = mask[0] if masked else None
    run(bench, getattr(bench.kernels, f"{cell}_grad_step"), ins, outs, reverse=reverse)
    return wanted, outs


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("cell", OPERANDS)
@pytest.mark.parametrize("size", SIZES + LARGE, ids=str)
@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_backward(bench, cell, size, flags, dtype):
    wanted, found = backward(bench, cell, size, flags, dtype)
    for name, y in wanted.items():
        scale = max(1.0, np.abs(y).max())
        np.testing.assert_allclose(found[name], y, TOLERANCE[dtype], TOLERANCE[dtype] * scale, err_msg=name)


@pytest.mark.parametrize("cell", OPERANDS)
@pytest.mark.parametrize("size", [SIZES[3], LARGE[0]], ids=str)
@pytest.mark.parametrize("given", [(False, True, False), (True, False, False), (False, False, True)])
@pytest.mark.parametrize("wants_x", [True, False])
def test_absent_cotangents_are_zero(bench, cell, size, given, wants_x):
    given = given if cell == "lstm" else given[:2]
    if not any(given):
        given = (True, True)
    wanted, found = backward(bench, cell, size, FLAGS[0], "float32", given, wants_x)
    for name, y in wanted.items():
        scale = max(1.0, np.abs(y).max())
        np.testing.assert_allclose(found[name], y, 3e-5, 3e-5 * scale, err_msg=name)


@pytest.mark.parametrize("cell", OPERANDS)
def test_saturated_gates_stay_finite(bench, cell):
    args = operands(cell, (2, 6, 3, 5), True, "float32")
    args[0] *= 1e4
    wanted, outs = forward(bench, cell, args, [], True, False)
    for name, y in wanted.items():
        np.testing.assert_allclose(outs[name], y, 1e-4, 1e-4, err_msg=name)


def test_nan_stays_in_its_row(bench):
    args = operands("lstm", (4, 3, 5, 6), True, "float32")
    args[0][2, 1, 0] = np.nan
    _, outs = forward(bench, "lstm", args, [], True, False)
    assert np.isnan(outs["h"][2]).all()
    assert np.isfinite(outs["h"][[0, 1, 3]]).all()


@pytest.mark.parametrize("cell", OPERANDS)
def test_runs_repeat_themselves(bench, cell):
    state = rng.bit_generator.state
    one = backward(bench, cell, (40, 9, 24, 48), FLAGS[0], "float32")[1]
    rng.bit_generator.state = state
    two = backward(bench, cell, (40, 9, 24, 48), FLAGS[0], "float32")[1]
    for name, y in one.items():
        np.testing.assert_array_equal(y, two[name], err_msg=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": np.zeros((4, 9), np.float32)}, "kernel"),
        ({"h0": np.zeros((2, 7), np.float64)}, "h0"),
        ({"mask": np.zeros((2, 3), np.int8)}, "mask"),
        ({"x": np.zeros((2, 3, 10), np.float32)[:, :, ::2]}, "x has"),
        ({"recurrent": np.zeros((7,), np.float32)}, "recurrent"),
    ],
    ids=lambda c: next(iter(c)) if isinstance(c, dict) else None,
)
def test_what_does_not_fit_is_refused(bench, change, message):
    args = operands("lstm", (2, 3, 5, 7), False, "float32")
    ins = {**named(OPERANDS["lstm"], args), "bias": None, "mask": None, **change}
    outs = {
        **dict.fromkeys(RESULTS["lstm"].split()),
        "h": np.zeros((2, 7), np.float32),
        "c": np.zeros((2, 7), np.float32),
    }
    with pytest.raises(ValueError, match=message):
        run(bench, bench.kernels.lstm_step, ins, outs, reverse=False)
