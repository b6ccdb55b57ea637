"""Weights in HDF5: written and read in Keras 3's layout, read with distrust."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from kerasish.core.convert import host_cast
from kerasish.core.errors import KerasishError, SavingError, ShapeError
from kerasish.saving.walk import walk
from kerasish.training.resuming import Progress

_RNG = "kerasish_rng"
_TRAINING = "kerasish_training"


class WriteStore:
    """What `save_own_variables` writes to: a group of datasets."""

    def __init__(self, group: Any) -> None:
        self._group = group

    def __setitem__(self, key: str, value: Any) -> None:
        array = np.asarray(value)
        if array.dtype.name == "bfloat16":  # HDF5 knows no bfloat16: its bits, and a note of what they are
            dataset = self._group.create_dataset(key, data=array.view(np.uint16))
            dataset.attrs["dtype"] = "bfloat16"
        else:
            self._group.create_dataset(key, data=array)

    def __contains__(self, key: str) -> bool:
        return key in self._group


class ReadStore:
    """What `load_own_variables` reads from. Every dataset is looked at before it is read.

    Args:
        group: An HDF5 group, or None for a part that the file does not hold.
        where: Path for errors.
        limit: Largest dataset that is read, in bytes.
    """

    def __init__(self, group: Any, where: str, limit: int) -> None:
        self._group = group
        self._where = where
        self._limit = limit

    def keys(self) -> list[str]:
        """Names of the datasets."""
        return [] if self._group is None else list(self._group.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: str) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> np.ndarray:
        if self._group is None or key not in self._group:
            raise SavingError(f"The file lacks the weight {key!r}.", where=self._where)
        dataset = child(self._group, key, self._where)
        if not isinstance(dataset, h5py.Dataset):
            raise SavingError("A weight is not an array.", where=f"{self._where}/{key}")
        if dataset.external or dataset.is_virtual:
            raise SavingError(
                "A weight lies outside of the file; it is not read.", where=f"{self._where}/{key}"
            )
        if dataset.nbytes > self._limit:
            raise SavingError(
                "A weight is far larger than the model's.",
                where=f"{self._where}/{key}",
                received=f"shape {dataset.shape}",
            )
        bfloat16 = dataset.attrs.get("dtype") == "bfloat16"
        if dataset.dtype.kind not in "fiub" or (bfloat16 and dataset.dtype != np.uint16):
            raise SavingError(
                "A weight is not made of numbers that it could hold.",
                where=f"{self._where}/{key}",
                received=f"HDF5 type {dataset.dtype}",
            )
        value = dataset[()]
        if bfloat16:
            return host_cast(np.asarray(value).astype(np.uint32), "uint32").__lshift__(16).view(np.float32)
        return value  # type: ignore[no-any-return]


def child(group: Any, name: str, where: str) -> Any:
    """A member of an HDF5 group, refusing links to other files and soft links."""
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise SavingError("The file holds a link; links are not followed.", where=f"{where}/{name}")
    return group[name]


def write_weights(model: Any, file: Any, *, with_training: bool = True) -> None:
    """Write all variables of a model, and of its optimizer, to an open HDF5 file; and where its training stands."""
    for path, part in walk(model):
        group = file.create_group(f"{path}/vars" if path else "vars")
        group.attrs["name"] = str(part.name)
        part.save_own_variables(WriteStore(group))
    states = [g.state for g in model.seed_generators]
    if states:  # not part of Keras' layout, which ignores it: where each random stream stands
        file.attrs[_RNG] = np.stack(states)
    progress = getattr(model, "training_progress", lambda: None)() if with_training else None
    if progress is not None:
        _write_progress(progress, file)


def read_weights(model: Any, file: Any, *, skip_mismatch: bool = False) -> None:
    """Set all variables from an open HDF5 file.

    Raises:
        SavingError: Something is missing, does not fit, or is not trustworthy.
    """
    parts = list(walk(model))
    size = sum(v.size for _, part in parts for v in part.variables) * 8
    limit = max(size * 2, 1 << 24)
    found = 0
    for path, part in parts:
        group = _group(file, f"{path}/vars" if path else "vars")
        found += group is not None
        wanted = len(part._own_in_order()) if hasattr(part, "_own_in_order") else None
        if group is None and not wanted:
            continue
        _load_part(part, ReadStore(group, path or "the model", limit), path, skip_mismatch)
    if not found:
        raise SavingError(
            "The file holds no weights in the layout of Keras 3.", received=list(file.keys())[:5]
        )
    states = file.attrs.get(_RNG)
    generators = model.seed_generators
    if states is not None and np.shape(states) == (len(generators), 2):
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
    if hasattr(model, "training_progress"):
        model._loaded_progress = _read_progress(file, limit)
        if model._progress is None:
            model._progress = model._loaded_progress


def _write_progress(progress: Progress, file: Any) -> None:
    """Not part of Keras' layout either: a group of JSON text and of the arrays it refers to."""
    data, arrays = progress.pack()
    group = file.create_group(_TRAINING)
    group.create_dataset("state", data=np.frombuffer(json.dumps(data).encode(), np.uint8))
    store = WriteStore(group)
    for number, array in enumerate(arrays):
        store[str(number)] = array


def _read_progress(file: Any, limit: int) -> Progress | None:
    group = _group(file, _TRAINING)
    if group is None:
        return None
    store = ReadStore(group, _TRAINING, limit)
    try:
        data = json.loads(np.asarray(store["state"], np.uint8).tobytes())
    except ValueError as error:
        raise SavingError(f"The record of the training is not JSON: {error}", where=_TRAINING) from None
    count = len(store) - 1
    return Progress.unpack(data, [np.asarray(store[str(number)]) for number in range(count)])


def _load_part(part: Any, store: ReadStore, path: str, skip_mismatch: bool) -> None:
    try:
        part.load_own_variables(store)
    except (ShapeError, SavingError, KerasishError) as error:
        if skip_mismatch:
            return
        where = path or part.name
        raise SavingError(
            f"The weights do not fit: {error.problem}",
            where=where,
            expected=error.expected,
            received=error.received,
            hint=error.hint or "the model must be the one that was saved; skip_mismatch=True loads what fits",
        ) from None


def _group(file: Any, path: str) -> Any:
    group = file
    for name in path.split("/"):
        if not isinstance(group, h5py.Group) or name not in group:
            return None
        group = child(group, name, path)
    return group if isinstance(group, h5py.Group) else None
