"""`Compilable`: what a model is compiled with, and what one step on one batch means. Users override its steps."""

from __future__ import annotations

import numbers
from typing import Any

from kerasish import metrics as metrics_module
from kerasish import optimizers
from kerasish.core import trees
from kerasish.core.convert import shape_of
from kerasish.core.differentiate import value_and_grad_of_variables
from kerasish.core.errors import ArgumentError, NotBuiltError
from kerasish.core.objects import deserialize_keras_object
from kerasish.core.registry import current_engine, use_backend
from kerasish.training.compiled_loss import CompiledLoss
from kerasish.training.compiled_metrics import CompiledMetrics
from kerasish.training.keywords import suggesting
from kerasish.training.resuming import Progress, Running
from kerasish.training.structure import unpack


class Compilable:
    """Loss, metrics, optimizer and the steps over them."""

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.run_eagerly = False
        self.jit_compile: Any = "auto"
        self.steps_per_execution = 1
        self.auto_scale_loss = True
        self.compiled = False
        self._compile_config: dict[str, Any] | None = None
        self._compiled_loss: CompiledLoss | None = None
        self._compiled_metrics: CompiledMetrics | None = None
        self._loss_tracker: Any = None
        self.history: Any = None
        self._steps: dict[Any, Any] = {}
        #: Where the training stands: `Running` during fit, else the `Progress` of the last one, if any.
        self._progress: Any = None
        #: The `Progress` that a callback wants to go on with.
        self._restored: Progress | None = None
        #: That of the file that weights were last loaded from.
        self._loaded_progress: Progress | None = None

    # -- compile ---------------------------------------------------------------------------------------------------
    @suggesting
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how the model is trained.

        Args:
            optimizer: A name or an optimizer.
            loss: A name, function or Loss; a list or dict of them for several outputs.
            loss_weights: Factors of the outputs' losses.
            metrics: A list of names, functions or metrics (by output, if there are several).
            weighted_metrics: Metrics that sample weights apply to.
            run_eagerly: Run step by step in Python, for debugging.
            steps_per_execution: Batches between two calls of the batch callbacks.
            jit_compile: True, False or "auto": how hard the engine compiles.
            auto_scale_loss: Scale the loss under mixed_float16, so that small gradients survive.
        """
        _check_options(steps_per_execution, jit_compile)
        optimizer = optimizers.get(optimizer)
        policy = self.dtype_policy.name  # type: ignore[attr-defined]
        if (
            auto_scale_loss
            and policy == "mixed_float16"
            and not isinstance(optimizer, optimizers.LossScaleOptimizer)
        ):
            optimizer = optimizers.LossScaleOptimizer(optimizer, name="loss_scale_optimizer")
        names = list(getattr(self, "output_names", []) or []) or None
        self.optimizer = optimizer
        self.loss = loss
        self._compiled_loss = CompiledLoss(loss, loss_weights, names) if loss is not None else None
        self._compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names, loss)
        self._loss_tracker = metrics_module.Mean(name="loss")
        self.run_eagerly = run_eagerly
        self.steps_per_execution = steps_per_execution
        self.jit_compile = jit_compile
        self.auto_scale_loss = auto_scale_loss
        self.stop_training = False
        self.compiled = True
        self._steps = {}
        self._progress = self._restored = None
        self._compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }

    def training_progress(self) -> Progress | None:
        """Where the training stands, for whoever saves the model; None if there was none since `compile`."""
        progress = self._progress
        return progress.progress() if isinstance(progress, Running) else progress

    def resume_training(self, epoch: int = 0) -> None:
        """From a callback's `on_train_begin`: go on where the weights just loaded were saved.

        Args:
            epoch: The epoch to go on with, if the weights' file does not say.
        """
        found = self._loaded_progress
        self._restored = Progress(epoch) if found is None else found

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was called with; None before."""
        return dict(self._compile_config) if self._compile_config is not None else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as in a config written to a file."""
        self.compile(
            **{
                k: deserialize_keras_object(v) if isinstance(v, (dict, list)) else v
                for k, v in config.items()
            }
        )
        if self.built and self.optimizer is not None:  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise NotBuiltError(
                f"The model must be compiled before {method}().",
                where=self.where,  # type: ignore[attr-defined]
                hint="model.compile(optimizer='adam', loss='mse')",
            )

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker, the losses of several outputs, and the compiled metrics; then metrics held by layers."""
        found = [] if self._loss_tracker is None else [self._loss_tracker]
        if self._compiled_loss is not None:
            found += self._compiled_loss.trackers
        if self._compiled_metrics is not None:
            found += self._compiled_metrics.metrics
        held = super().metrics  # type: ignore[misc]
        return found + [m for m in held if not any(m is f for f in found)]

    def _held_metrics(self) -> list[Any]:
        # The loss tracker is an attribute, yet none of the model's own: calls neither read nor change it.
        return [m for m in super()._held_metrics() if m is not self._loss_tracker]  # type: ignore[misc]

    @property
    def metrics_names(self) -> list[str]:
        """Names of the metrics, as `evaluate` returns them."""
        return ordered_names(self.metrics, self._results())

    def reset_metrics(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            with use_backend(metric.variables[0].engine if metric.variables else current_engine()):
                metric.reset_state()

    def _results(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        known: list[Any] = []
        if self._loss_tracker is not None and self._loss_tracker.variables:
            found["loss"] = self._loss_tracker.result()
            known.append(self._loss_tracker)
        if self._compiled_loss is not None:
            for tracker in self._compiled_loss.trackers:
                found[tracker.name] = tracker.result()
                known.append(tracker)
        if self._compiled_metrics is not None and self._compiled_metrics.built:
            found.update(self._compiled_metrics.results())
            known += self._compiled_metrics.metrics
        for metric in self.metrics:
            if not any(metric is k for k in known):
                value = metric.result()
                found.update(value if isinstance(value, dict) else {metric.name: value})
        return found

    def get_metrics_result(self) -> dict[str, Any]:
        """Name -> result of every metric, as tensors."""
        return self._results()

    # -- what users override ---------------------------------------------------------------------------------------
    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The scalar to minimise: the compiled loss plus the penalties that layers added."""
        terms = []
        if self._compiled_loss is not None:
            value = self._compiled_loss(y, y_pred, sample_weight)
            if value is not None:
                terms.append(value)
        terms += self.losses  # type: ignore[attr-defined]
        if not terms:
            raise ArgumentError(
                "There is nothing to minimise.",
                where=self.where,  # type: ignore[attr-defined]
                hint="give compile() a loss, or call add_loss() in a layer",
            )
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Take a batch into account in the metrics; returns all results so far."""
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _has_own_metrics(self) -> bool:
        """Whether the model's class gives `compute_metrics`, whose result is then the logs."""
        return type(self).compute_metrics is not Compilable.compute_metrics

    def _count_in(self, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any] | None:
        """Take a batch into account. None: the results are those of the metrics, to be read when somebody looks."""
        if self._has_own_metrics():
            return self.compute_metrics(x, y, y_pred, sample_weight)
        self._update_metrics(y, y_pred, sample_weight)
        return None

    def _update_metrics(self, y: Any, y_pred: Any, sample_weight: Any) -> None:
        if self._compiled_metrics is not None and y is not None:
            self._compiled_metrics.update(y, y_pred, sample_weight)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on a batch; runs on every engine. Override it for another way of training.

        `data` is x, (x, y) or (x, y, sample_weight): what `fit` was given. `utils.unpack_x_y_sample_weight` tells.
        Everything in it may use variables, optimizers and metrics as usual: it runs inside one pure, compiled step.
        """
        return self._train_on(data) or self.get_metrics_result()

    def _train_on(self, batch: Any) -> dict[str, Any] | None:
        x, y, sample_weight = unpack(batch)
        if self.optimizer is None:
            raise ArgumentError(
                "The model was compiled without an optimizer, so that it cannot be trained.",
                where=self.where,  # type: ignore[attr-defined]
                hint="model.compile(optimizer='adam', loss=...)",
            )

        def objective() -> tuple[Any, Any]:
            y_pred = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            return self.optimizer.scale_loss(loss), (loss, y_pred)

        variables = self.trainable_variables  # type: ignore[attr-defined]
        (_, (loss, y_pred)), gradients = value_and_grad_of_variables(objective, variables, has_aux=True)
        self.optimizer.apply(gradients, variables)
        self._loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        return self._count_in(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation on a batch."""
        return self._test_on(data) or self.get_metrics_result()

    def _test_on(self, batch: Any) -> dict[str, Any] | None:
        x, y, sample_weight = unpack(batch)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        return self._count_in(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Predictions for a batch."""
        x, _, _ = unpack(data)
        return self(x, training=False)  # type: ignore[operator]


def ordered_names(metrics: list[Any], results: dict[str, Any]) -> list[str]:
    """Names of results in Keras' order: metrics' own names as `metrics` go, then the others sorted."""
    own = dict.fromkeys(m.name for m in metrics if m.name in results)
    return [*own, *sorted(name for name in results if name not in own)]


def _check_options(steps_per_execution: Any, jit_compile: Any) -> None:
    if not isinstance(steps_per_execution, numbers.Integral) or steps_per_execution < 1:
        raise ArgumentError(
            "`steps_per_execution` must be a whole number from 1 on.",
            where="compile",
            received=repr(steps_per_execution),
        )
    if jit_compile not in (True, False, None, "auto"):
        raise ArgumentError(
            "`jit_compile` is unknown.",
            where="compile",
            expected="True, False or 'auto'",
            received=repr(jit_compile),
        )


def _batch_size(x: Any) -> float:
    for leaf in trees.flatten(x):
        if leaf is not None and shape_of(leaf):
            return float(shape_of(leaf)[0])
    return 1.0
