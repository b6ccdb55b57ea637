"""Whether a model computes the same on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasish import ops
from kerasish.core import trees
from kerasish.core.context import CallContext, entered
from kerasish.core.convert import to_numpy, to_tensor
from kerasish.core.differentiate import value_and_grad_of_variables
from kerasish.core.registry import available_backends, current_engine, get_engine, use_backend


def assert_backends_agree(
    model: Any,
    x: Any,
    y: Any = None,
    rtol: float = 1e-4,
    *,
    atol: float | None = None,
    backends: Sequence[str] | None = None,
) -> None:
    """Assert that outputs, loss and gradients of a model are the same on all engines.

    The first engine named is the yardstick. The loss is the compiled one if `y` is given, else the mean of the squared
    outputs. The model is moved from engine to engine and back; weights and random streams are unchanged afterwards.

    Args:
        model: A built model; with `y`, a compiled one.
        x: Input, a tree of arrays.
        y: Targets, or None.
        rtol: Relative tolerance, with respect to the largest element of each array.
        atol: Absolute tolerance; default `rtol`/100.
        backends: Names of engines; default all that are available.

    Raises:
        AssertionError: Two engines differ; names the quantity and the engine.

    Example:
        >>> import kerasish
        >>> model = kerasish.Sequential([kerasish.Input((3,)), kerasish.layers.Dense(2)])
        >>> assert_backends_agree(model, np.ones((4, 3), "float32"), backends=["native"])
    """
    home = model.engine or current_engine()
    names = list(backends) if backends is not None else available_backends()
    results = {}
    try:
        for name in names:
            results[name] = _run(model, name, x, y)
    finally:
        model.to_backend(home)
    first, *others = names
    for name in others:
        for (what, one), two in zip(results[name].items(), results[first].values(), strict=True):
            scale = max(1.0, float(np.abs(two).max(initial=0)))
            np.testing.assert_allclose(
                one,
                two,
                rtol,
                (rtol / 100 if atol is None else atol) * scale,
                err_msg=f"{what}: {name} and {first}",
            )


def _run(model: Any, name: str, x: Any, y: Any) -> dict[str, np.ndarray]:
    """What the model computes on one engine: its state is put back afterwards."""
    generators = [(g, g.state) for g in model.seed_generators]
    with use_backend(name):
        model.to_backend(get_engine(name))
        variables = [*model.variables, *model.state_variables]
        kept = [v.numpy().copy() for v in variables]
        inputs, targets = (
            trees.map_structure(lambda leaf: None if leaf is None else to_tensor(leaf), t) for t in (x, y)
        )
        results = {
            f"output {i}": to_numpy(o) for i, o in enumerate(trees.flatten(model(inputs, training=False)))
        }

        def objective() -> Any:
            outputs = model(inputs, training=True)
            if y is not None:
                return model.compute_loss(x=inputs, y=targets, y_pred=outputs)
            terms = [ops.mean(ops.square(ops.cast(o, "float32"))) for o in trees.flatten(outputs)]
            return sum(terms[1:], terms[0])

        trained = model.trainable_variables
        if trained:
            with entered(CallContext(training=True)):
                loss, gradients = value_and_grad_of_variables(objective, trained)
            results["loss"] = to_numpy(loss)
            results |= {f"gradient of {v.path}": to_numpy(g) for v, g in zip(trained, gradients, strict=True)}
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
    for generator, state in generators:
        generator.set_state(state)
    return results
