"""`TensorBoard`: event files that the TensorBoard program shows. Needs the package `tensorboard`."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerasish.core.errors import BackendNotInstalledError
from kerasish.training.callbacks.callback import Callback


class TensorBoard(Callback):
    """Writes scalars, histograms of the weights and the model's structure for TensorBoard.

    Args:
        log_dir: The folder; training goes to `train/`, validation to `validation/` within it.
        histogram_freq: Epochs between histograms of the weights; 0: none.
        write_graph: Whether to write the model's structure.
        write_images: Accepted; weights are not written as images.
        write_steps_per_second: Whether to write the speed.
        update_freq: "epoch", "batch" or every so many batches: when scalars are written.
        profile_batch: Accepted; engines have their own profilers.
        embeddings_freq: Accepted; embeddings are not written.

    Raises:
        BackendNotInstalledError: The package `tensorboard` is missing.

    Example:
        >>> board = TensorBoard("logs", histogram_freq=1)  # then: tensorboard --logdir logs
    """

    remembered: ClassVar[tuple[str, ...]] = ("_step",)

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        self.log_dir = Path(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._writers: dict[str, Any] = {}
        self._step = 0
        self._protos = _tensorboard()

    def _writer(self, name: str) -> Any:
        if name not in self._writers:
            self._writers[name] = _EventFile(self.log_dir / name, self._protos)
        return self._writers[name]

    def _add(self, name: str, values: list[Any], step: int) -> None:
        protos = self._protos
        event = protos.Event(wall_time=time.time(), step=step, summary=protos.Summary(value=values))
        self._writer(name).add(event)

    def _scalars(self, name: str, logs: dict[str, Any], step: int) -> None:
        value = self._protos.Summary.Value
        self._add(
            name, [value(tag=tag, simple_value=float(v)) for tag, v in logs.items() if np.ndim(v) == 0], step
        )

    def on_train_begin(self, logs: Any = None) -> None:
        self._step = 0
        self._wrote_graph = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began = time.perf_counter(), self._step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._step += 1
        if not self._wrote_graph:
            self._wrote_graph = True
            if self.write_graph:
                self._graph()
        if self.update_freq != "epoch" and self._step % self.update_freq == 0:
            self._scalars("train", {f"batch_{k}": v for k, v in dict(logs or {}).items()}, self._step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = dict(logs or {})
        train = {f"epoch_{k}": v for k, v in logs.items() if not k.startswith("val_")}
        validation = {f"epoch_{k[4:]}": v for k, v in logs.items() if k.startswith("val_")}
        train["epoch_learning_rate"] = float(np.asarray(self.model.optimizer.learning_rate))
        if self.write_steps_per_second:
            start, step = self._began
            train["epoch_steps_per_second"] = (self._step - step) / max(time.perf_counter() - start, 1e-9)
        self._scalars("train", train, epoch)
        if validation:
            self._scalars("validation", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            values = [self._histogram(f"{v.path}/histogram", v.numpy()) for v in self.model.weights]
            self._add("train", values, epoch)
        for writer in self._writers.values():
            writer.flush()

    def _histogram(self, tag: str, array: np.ndarray) -> Any:
        flat = np.asarray(array, np.float64).ravel()
        counts, edges = np.histogram(flat, bins=30)
        proto = self._protos.HistogramProto(
            min=float(flat.min(initial=0.0)) if not flat.size else float(flat.min()),
            max=float(flat.max(initial=0.0)) if not flat.size else float(flat.max()),
            num=float(flat.size),
            sum=float(flat.sum()),
            sum_squares=float(np.square(flat).sum()),
            bucket_limit=[float(e) for e in edges[1:]],
            bucket=[float(c) for c in counts],
        )
        return self._protos.Summary.Value(tag=tag, histo=proto)

    def _graph(self) -> None:
        """The layers as nodes of a graph, and the config as text (the "Keras model" that TensorBoard draws)."""
        protos = self._protos
        graph = protos.GraphDef()
        found = getattr(self.model, "_graph", None)
        if found is not None:
            for node in (*(x.node for x in found.flat_inputs if x.node is not None), *found.nodes):
                inputs = [x.node.operation.name for x in node.inputs if x.node is not None]
                graph.node.add(name=node.operation.name, op=type(node.operation).__name__, input=inputs)
        else:
            for layer in self.model.layers:
                graph.node.add(name=layer.name, op=type(layer).__name__)
        event = protos.Event(wall_time=time.time(), step=0, graph_def=graph.SerializeToString())
        self._writer("train").add(event)

    def on_train_end(self, logs: Any = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


class _EventFile:
    """One event file. The package's own writer is not used: it loads a whole framework where one is installed."""

    def __init__(self, folder: Path, protos: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{time.perf_counter_ns()}"
        self._file = (folder / name).open("wb")
        self._records = protos.RecordWriter(self._file)
        self.add(protos.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, event: Any) -> None:
        self._records.write(event.SerializeToString())

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class _Protos:
    """The parts of the package that are used."""

    Event: Any
    GraphDef: Any
    HistogramProto: Any
    RecordWriter: Any
    Summary: Any


def _tensorboard() -> Any:
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.graph_pb2 import GraphDef
        from tensorboard.compat.proto.histogram_pb2 import HistogramProto
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        raise BackendNotInstalledError(
            "The TensorBoard callback needs tensorboard.",
            hint='pip install "kerasish[all]" or pip install tensorboard',
        ) from None
    found = _Protos()
    found.Event, found.GraphDef, found.HistogramProto = Event, GraphDef, HistogramProto
    found.Summary, found.RecordWriter = Summary, RecordWriter
    return found
