"""How far do the loss curves of the five models part between engines? Fifty steps from one seed, dropout on.

    python -m benchmarks.same_curves                          # the five models as they are benchmarked
    python -m benchmarks.same_curves --models mlp --batch 8   # smaller batches

Printed is the largest relative distance of a step's loss to that on the first engine, and the step. Weights, order of
the data and masks are the same bits, so what parts is rounding, which training amplifies: a ReLU's kink that falls on
the other side, an Adam step of full length along a gradient that is nothing but rounding. How much it may amplify shows
in the rows "nudged": the first engine against itself, every initial weight that is not zero moved by one unit in the
last place.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import kerasish
from benchmarks.models import build
from benchmarks.workloads import WORKLOADS, make_data

STEPS = 50
BAR = 1e-3


def curve(name: str, *, steps: int = STEPS, batch: int | None = None, nudged: bool = False) -> np.ndarray:
    """The loss of each step, on the engine in force; `nudged`: weights begin one unit in the last place off."""
    kerasish.utils.set_random_seed(2026)
    model = build(kerasish, name)
    if nudged:
        for weight in model.trainable_variables:
            value = weight.numpy()
            weight.assign(np.where(value == 0, value, np.nextafter(value, np.float32(np.inf))))
    x, y = make_data(name, steps)
    size = batch or WORKLOADS[name].batch
    losses: list[float] = []
    each_step = kerasish.callbacks.LambdaCallback(
        on_train_batch_begin=lambda number, logs: model.reset_metrics(),
        on_train_batch_end=lambda number, logs: losses.append(float(logs["loss"])),
    )
    model.fit(x[: steps * size], y[: steps * size], batch_size=size, verbose=0, callbacks=[each_step])
    return np.array(losses)


def main() -> int:
    """Print the distances; 1 when one exceeds the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_curves", description=__doc__)
    parser.add_argument("--models", default=",".join(WORKLOADS))
    parser.add_argument("--engines", default=",".join(sorted(kerasish.available_backends())))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, help="samples a step (default: the benchmark's)")
    options = parser.parse_args()
    apart = False
    for name in options.models.split(","):
        reference: np.ndarray | None = None
        engines = options.engines.split(",")
        for number, engine in enumerate([engines[0], *engines]):
            nudged = number == 1
            with kerasish.use_backend(engine):
                found = curve(name, steps=options.steps, batch=options.batch, nudged=nudged)
            if reference is None:
                reference = found
                continue
            distance = np.abs(found - reference) / np.abs(reference)
            worst = int(distance.argmax())
            apart |= bool(distance[worst] > BAR) and not nudged
            label = f"{name:<12}{engine + (' nudged' if nudged else ''):<18}"
            print(
                f"{label}largest distance {distance[worst]:.1e} at step {worst + 1} of {len(found)}, "
                f"loss {found[0]:.4f} -> {found[-1]:.4f}",
                flush=True,
            )
    return int(apart)


if __name__ == "__main__":
    sys.exit(main())
