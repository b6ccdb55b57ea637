"""`Trainer`: fit, evaluate, predict and their one-batch forms. The mixin of every model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasish import optimizers
from kerasish.core import seeds, trees
from kerasish.core.config import portable_randomness
from kerasish.core.contract import Engine
from kerasish.core.convert import dtype_of, shape_of, to_numpy
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import current_engine, use_backend
from kerasish.core.symbolic import SymbolicTensor, infer
from kerasish.layers.layer import Layer
from kerasish.training import data
from kerasish.training.callbacks import CallbackList
from kerasish.training.checks import Checks
from kerasish.training.compiling import Compilable, ordered_names
from kerasish.training.keywords import suggesting
from kerasish.training.logs import LazyLogs
from kerasish.training.loop import Interrupt, run_batches
from kerasish.training.passes import Pass, evaluate, expect_batches, train
from kerasish.training.step import StepFunction
from kerasish.training.structure import pack, unpack


class Trainer(Compilable):
    """Training and inference for a layer (mixed into `Model`)."""

    # -- steps -----------------------------------------------------------------------------------------------------
    def _engine_in_force(self) -> Engine:
        return self.engine or current_engine()  # type: ignore[attr-defined]

    def _optimizers(self) -> list[Any]:
        leaves = trees.flatten([v for v in vars(self).values() if isinstance(v, (list, dict, tuple))])
        found: list[Any] = []
        for value in (*vars(self).values(), *leaves):
            if isinstance(value, optimizers.Optimizer) and not any(value is f for f in found):
                found.append(value)
        return found

    def _state(self, kind: str) -> list[Any]:
        variables = [*self.weights, *self.state_variables]  # type: ignore[attr-defined]
        if kind == "train":
            for optimizer in self._optimizers():
                variables += optimizer.variables
        if kind != "predict":
            variables += [v for metric in self.metrics for v in metric.variables]
        distinct = list({id(v): v for v in variables}.values())
        engine = self._engine_in_force()
        for variable in distinct:  # an optimizer or a metric may have been made under another engine
            variable.to_engine(engine)
        return distinct

    def _has_own_step(self, kind: str) -> bool:
        """Whether the model's class gives the step, whose result is then the logs (predictions: always the result)."""
        name = f"{kind}_step"
        return kind == "predict" or getattr(type(self), name) is not getattr(Compilable, name)

    def _gives_logs(self, kind: str) -> bool:
        """Whether a step gives the logs; else they are read off the metrics when somebody looks."""
        return self._has_own_step(kind) or self._has_own_metrics()

    def _body(self, kind: str) -> Callable[[Any], Any]:
        """The function of a batch to compile."""
        if self._gives_logs(kind):
            return self._public_step(kind)
        return self._train_on if kind == "train" else self._test_on

    def _public_step(self, kind: str) -> Callable[[Any], Any]:
        """`train_step`, `test_step` or `predict_step`, given x, (x, y) or (x, y, sample_weight), whatever there is."""
        step = getattr(self, f"{kind}_step")
        signature = inspect.signature(step)
        try:
            signature.bind(None)
        except TypeError:
            raise ArgumentError(
                f"`{kind}_step` must take one argument, the batch.",
                where=self.where,  # type: ignore[attr-defined]
                expected=f"{kind}_step(self, data)",
                received=f"{kind}_step{signature}",
                hint="weights are not passed: use self, ops.value_and_grad and self.optimizer.apply, on any engine",
            ) from None
        return lambda batch: step(pack(*unpack(batch)))

    def _step(self, kind: str) -> StepFunction:
        engine = self._engine_in_force()
        variables = self._state(kind)
        generators = [*self.seed_generators, seeds.global_generator()]  # type: ignore[attr-defined]
        trained = tuple(id(v) for v in self.trainable_variables)  # type: ignore[attr-defined]
        key = (kind, engine, trained, tuple(map(id, variables)), tuple(map(id, generators)), self.run_eagerly)
        key += (portable_randomness(),)
        step = self._steps.get(kind)
        if step is None or step[0] != key:
            function = StepFunction(
                self._body(kind),
                engine=engine,
                variables=variables,
                generators=generators,
                training=kind == "train",
                changes=kind != "predict",
                eager=self.run_eagerly,
                options={"jit": self.jit_compile, "kind": kind},
            )
            step = self._steps[kind] = (key, function)
        return step[1]

    def _prepare(self, kind: str, batch: Any) -> None:
        """Make everything a step needs (weights, slots, metrics), by running it without numbers."""
        leaves: list[Any] = []
        outline = trees.map_structure(lambda leaf: leaves.append(_seen(leaf)), batch)
        key = (kind, repr(outline), tuple(leaves), self._engine_in_force().name)
        if key in self._steps:
            return
        specs = trees.map_structure(_symbol, batch)
        with use_backend(self._engine_in_force()):
            if kind == "predict":
                infer(self._public_step(kind), specs)
            else:
                self._infer_call(specs)
                self._infer_step(kind, specs)
                if kind == "train" and self.optimizer is not None and not self.optimizer.built:
                    self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]
        self._after_build()
        self._steps[key] = True

    def _infer_call(self, specs: Any) -> None:
        """Make the weights first: a step asks which variables there are before it calls the model."""
        # Batches of a step of its own need not be what `call` takes.
        if getattr(type(self), "call", None) is not Layer.call and not self._has_own_step("train"):
            infer(lambda batch: self(unpack(batch)[0], training=False), specs)  # type: ignore[operator]

    def _infer_step(self, kind: str, specs: Any) -> None:
        step = self._public_step(kind)
        count = len(self.weights)  # type: ignore[attr-defined]
        infer(step, specs)
        if len(self.weights) != count:  # type: ignore[attr-defined]
            infer(step, specs)  # it looked for variables before its layers had made them

    def _after_build(self) -> None:
        """Hook: weights may have been made."""

    # -- fit -------------------------------------------------------------------------------------------------------
    @suggesting
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train for a number of epochs.

        Args:
            x: Inputs: arrays, lists, nests of them, a DataFrame, a generator, PyDataset, tf.data.Dataset, DataLoader.
            y: Targets, if `x` does not yield them.
            batch_size: Samples a step; 32 unless the data comes in batches.
            epochs: The epoch to stop at (exclusive).
            verbose: "auto", 0 (silent), 1 (progress bar) or 2 (a line an epoch).
            callbacks: Callbacks to notify.
            validation_split: Fraction of arrays, taken from the end, to validate on.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or anything `x` may be.
            shuffle: Whether to visit samples in a new order each epoch (the same on all engines).
            class_weight: Class index -> weight of its samples.
            sample_weight: Weight of each sample in the loss.
            initial_epoch: The epoch to start at.
            steps_per_epoch: Batches an epoch; needed for endless generators.
            validation_steps: Batches a validation.
            validation_batch_size: Default `batch_size`.
            validation_freq: Validate every so many epochs, or after the epochs listed (counted from 1).

        Returns:
            The `History` callback: `.history` maps each name to its values by epoch.
        """
        self._require_compiled("fit")
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = data.split(x, y, sample_weight, validation_split)
        source = data.make_source(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=shuffle,
            class_weight=class_weight,
            steps=steps_per_epoch,
            where="fit",
        )
        if not isinstance(epochs, (int, np.integer)):
            raise ArgumentError("`epochs` must be an integer.", where="fit", received=repr(epochs))
        with Interrupt().watching() as interrupt:
            run = Pass(self, "train", source, steps_per_epoch, interrupt)
            notify = _callback_list(callbacks, self, verbose, epochs=epochs, steps=run.length, history=True)

            def validate(epoch: int) -> dict[str, Any]:
                if validation_data is None or not _validates(epoch, validation_freq):
                    return {}
                again = data.reopened(validation_data, validation_batch_size or batch_size, validation_steps)
                return evaluate(Pass(self, "test", again, validation_steps, interrupt), notify)

            train(run, notify, epochs=epochs, initial_epoch=initial_epoch, validate=validate)
        return self.history

    # -- evaluate --------------------------------------------------------------------------------------------------
    @suggesting
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Loss and metrics on data, in inference mode.

        Returns:
            The loss; or a list of the loss and all metrics, as `metrics_names` orders them; or a dict.
        """
        self._require_compiled("evaluate")
        source = data.make_source(
            x, y, sample_weight, batch_size=batch_size, shuffle=False, steps=steps, where="evaluate"
        )
        with Interrupt().watching() as interrupt:
            run = Pass(self, "test", source, steps, interrupt)
            notify = _callback_list(callbacks, self, verbose, epochs=1, steps=run.length, history=False)
            found = evaluate(run, notify)
        return found if return_dict else self._in_order(found)

    # -- predict ---------------------------------------------------------------------------------------------------
    @suggesting
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Outputs for inputs, in batches, as NumPy arrays."""
        source = data.make_source(x, batch_size=batch_size, shuffle=False, steps=steps, where="predict")
        self._prepare("predict", source.peek())
        step = self._step("predict")
        total = steps if steps is not None else source.num_batches
        notify = _callback_list(callbacks, self, verbose, epochs=1, steps=total, history=False)
        self.stop_predicting = False
        still = getattr(source, "stands_still", False)
        outputs = _Outputs()
        with Interrupt().watching() as interrupt:
            notify.on_predict_begin()
            count = run_batches(
                source,
                lambda batch: outputs.add(step(batch, still)),
                epoch=0,
                limit=steps,
                per_call=self.steps_per_execution,
                begin=notify.on_predict_batch_begin,
                end=lambda index, _: notify.on_predict_batch_end(index, LazyLogs(outputs.logs)),
                logs=dict,
                stop=lambda: self.stop_predicting,
                interrupt=interrupt,
            )
            expect_batches(count, "predict")
            found = outputs.joined()
            notify.on_predict_end()
        return found

    # -- one batch -------------------------------------------------------------------------------------------------
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training on one batch; returns loss and metrics of this batch, from before the step."""
        self._require_compiled("train_on_batch")
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics on one batch."""
        self._require_compiled("test_on_batch")
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def _on_batch(
        self, kind: str, x: Any, y: Any, sample_weight: Any, class_weight: Any, return_dict: bool
    ) -> Any:
        batch = data.single_batch(x, y, sample_weight, class_weight=class_weight)
        self._prepare(kind, batch)
        Checks(self, None, batch).batch(batch)
        self.reset_metrics()
        result = self._step(kind)(batch)
        found = self._read_logs(result if self._gives_logs(kind) else None)
        return found if return_dict else self._in_order(found)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for one batch, as NumPy arrays."""
        batch = data.single_batch(x)
        self._prepare("predict", batch)
        return trees.map_structure(_host_copy, self._step("predict")(batch))

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Results as `evaluate` returns them: the loss alone, or a list in the order of `metrics_names`."""
        values = [logs[name] for name in ordered_names(self.metrics, logs)]
        return values[0] if len(values) == 1 else values

    def _read_logs(self, given: Any) -> dict[str, Any]:
        """Results as floats. Waits for the device."""
        if given is not None and not isinstance(given, dict):
            raise ArgumentError(
                "A step must return a dict of results.",
                where=self.where,  # type: ignore[attr-defined]
                received=type(given).__name__,
                hint="return {'loss': loss} or self.get_metrics_result()",
            )
        with use_backend(self._engine_in_force()):
            found = self.get_metrics_result() if given is None else given
            return {name: _number(value) for name, value in found.items()}


class _Outputs:
    """Predictions on their way to the host: a few stay on the device, to keep it busy; all of them would fill it."""

    _AHEAD = 8

    def __init__(self) -> None:
        self._pending: list[Any] = []
        self._done: list[Any] = []

    def add(self, outputs: Any) -> None:
        self._pending.append(outputs)
        if len(self._pending) > self._AHEAD:
            self._done.append(trees.map_structure(to_numpy, self._pending.pop(0)))

    def logs(self) -> dict[str, Any]:
        return {"outputs": self._pending[-1]}

    def joined(self) -> Any:
        parts = self._done + [trees.map_structure(to_numpy, outputs) for outputs in self._pending]
        return (
            trees.map_structure(_host_copy, parts[0])
            if len(parts) == 1
            else trees.map_structure(lambda *p: np.concatenate(p, axis=0), *parts)
        )


def _host_copy(outputs: Any) -> np.ndarray:
    """An array of its own: outputs may be the inputs, or memory that a framework does not let anybody change."""
    return np.array(to_numpy(outputs))


def _number(value: Any) -> Any:
    array = np.asarray(to_numpy(value))
    return float(array) if array.ndim == 0 else array


def _seen(leaf: Any) -> Any:
    """Shape and dtype of one part of a batch; the number of examples is left out."""
    if leaf is None:
        return None
    shape = shape_of(leaf)
    return (None, *shape[1:]) if shape else (), dtype_of(leaf)


def _symbol(leaf: Any) -> Any:
    return None if leaf is None else SymbolicTensor(*_seen(leaf))


def _validates(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return (epoch + 1) in frequency


def _callback_list(
    callbacks: Any, model: Any, verbose: Any, *, epochs: int, steps: int | None, history: bool
) -> Any:
    if isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(
        callbacks,
        add_history=history,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
    )
