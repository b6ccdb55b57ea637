"""`.keras` archives and single files: written atomically, read with distrust.

Layout (Keras 3): `metadata.json`, `config.json`, `model.weights.h5`, nothing compressed.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import h5py

from kerasish.core.errors import ArgumentError, KerasishError, MissingFileError, SavingError, WriteError

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_MAX_JSON = 256 << 20
_MAX_RATIO = 100  # archives are not compressed; deflate alone reaches 1,030


def as_path(filepath: Any, where: str) -> Path:
    """The path that a user gave.

    Raises:
        ArgumentError: It is not one: None, a number, an open file.
    """
    if isinstance(filepath, bytes):
        filepath = os.fsdecode(filepath)
    if not isinstance(filepath, (str, os.PathLike)) or "\0" in str(filepath):
        raise ArgumentError(
            "A path is needed.",
            where=where,
            expected="a string or pathlib.Path",
            received=repr(filepath)
            if isinstance(filepath, (str, int, type(None)))
            else type(filepath).__name__,
            hint='a path such as "model.keras"; open files are not supported',
        )
    return Path(filepath)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while writing into one clear error."""
    try:
        yield
    except KerasishError:
        raise
    except (OSError, RuntimeError) as error:  # HDF5 tells of a full disk by a RuntimeError
        reason = getattr(error, "strerror", None) or str(error)
        raise WriteError(
            f"The file cannot be written: {reason}.",
            received=str(path),
            hint="check that the folder exists, may be written to and has room; an earlier file is left as it was",
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place at the end: a kill in between leaves the old file.

    Where `path` is a symbolic link, the file that it points to is replaced.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_archive(path: Path, metadata: dict[str, Any], config: dict[str, Any], write_weights: Any) -> None:
    """Write an archive; `write_weights(h5_file)` fills the weights."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_weights(file)
    with writing(path), replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps(config))
        archive.writestr(WEIGHTS, buffer.getbuffer())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while reading into one clear error."""
    try:
        yield
    except KerasishError:
        raise
    except FileNotFoundError:
        raise MissingFileError("There is no such file.", received=str(path), hint="check the path") from None
    except IsADirectoryError:
        raise SavingError("This is a folder, not a file.", received=str(path)) from None
    except (
        zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, LookupError, ValueError, TypeError,
        AttributeError, NotImplementedError, RuntimeError, MemoryError, OverflowError,
    ) as error:  # fmt: skip
        raise SavingError(
            f"The file cannot be read: it is truncated, corrupt or of another format ({type(error).__name__}).",
            received=str(path),
            hint="save it again; .keras files are made by model.save, .weights.h5 by model.save_weights",
        ) from error


@contextmanager
def rebuilding(where: str) -> Iterator[None]:
    """Turn whatever goes wrong while objects are made from a config into one clear error."""
    try:
        yield
    except SavingError:
        raise
    except KerasishError as error:
        raise SavingError(
            f"The config does not make a model: {error.problem}",
            where=error.where or where,
            expected=error.expected,
            received=error.received,
            hint=error.hint,
        ) from error
    except Exception as error:  # constructors meet values of any type here: any error is one of the config
        raise SavingError(
            f"The config does not make a model ({type(error).__name__}: {str(error)[:150]}).",
            where=where,
            hint="the file may be damaged, or a class's get_config not fit its __init__",
        ) from error


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, Any], io.BytesIO]:
    """Metadata, config and weights (in memory) of an archive.

    Raises:
        SavingError: The archive is not one, or not to be trusted.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        for name, info in members.items():
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in name:
                raise SavingError("The archive holds a path that leads out of it.", received=name)
            if info.file_size > _MAX_RATIO * max(info.compress_size, 1) + (1 << 26):
                raise SavingError(
                    "The archive unpacks to far more than it holds.",
                    received=f"{name}: {info.file_size} bytes",
                )
        for name in (METADATA, CONFIG, WEIGHTS):
            if name not in members:
                raise SavingError(f"The archive lacks {name!r}: it is not a .keras file.", received=str(path))
        for name in (METADATA, CONFIG):
            if members[name].file_size > _MAX_JSON:
                raise SavingError(f"{name!r} is too large.", received=f"{members[name].file_size} bytes")
        metadata = json.loads(archive.read(METADATA))
        config = json.loads(archive.read(CONFIG))
        if not isinstance(metadata, dict) or not isinstance(config, dict):
            raise SavingError("The archive's config is not an object.", received=str(path))
        return metadata, config, io.BytesIO(archive.read(WEIGHTS))
