"""The exception tree, and the one place where messages are put together.

    KerasishError
    ├── ShapeError (ValueError)             a shape or rank does not fit
    ├── DTypeError (TypeError)              a dtype does not fit
    ├── ArgumentError (ValueError)          an argument has a value it cannot have
    │   └── UnknownNameError                a name that nothing answers to ("did you mean")
    │       └── UnknownKeywordError (TypeError)
    ├── DataError (ValueError)              the data handed to fit, evaluate or predict cannot be used
    │   └── OutOfRangeError (IndexError)    a label or index outside its valid range
    ├── NotBuiltError (ValueError)          something is used before its weights exist
    ├── GraphError (ValueError)             a Functional graph is disconnected or misused
    ├── TraceError (RuntimeError)           a traced value was used where a number is needed
    ├── NumericError (ArithmeticError)      NaN or infinity where it would train silently
    ├── EngineError (RuntimeError)          an engine failed for a reason kerasish could not foresee
    │   └── EngineMismatchError (ValueError)  tensors of two engines meet in one operation
    ├── BackendNotInstalledError (ImportError)
    ├── UnknownBackendError (ValueError)
    └── SavingError (ValueError)            a file that cannot be written, read or trusted
        ├── MissingFileError (FileNotFoundError)
        └── WriteError (OSError)            the disk is full, the folder may not be written to, ...

Every error carries `code` (stable, kebab-case), `hint` (one line: what to try) and a message of at most 400 characters
which is the same on every engine.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_MESSAGE = 400


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


class KerasishError(Exception):
    """Base of all kerasish errors.

    Args:
        problem: What is wrong, in one sentence.
        where: The layer, op or argument it concerns.
        expected: What would have been valid.
        received: What was given: value, type, shape.
        hint: What to try, in one line.

    Example:
        >>> import kerasish
        >>> try:
        ...     kerasish.ops.matmul([[1.0, 2.0]], [[1.0]])
        ... except kerasish.KerasishError as error:
        ...     print(type(error).__name__)
        ShapeError
    """

    code = "error"

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        expected: object = None,
        received: object = None,
        hint: str | None = None,
    ) -> None:
        self.problem = problem
        self.where = where
        self.expected = expected
        self.received = received
        self.hint = hint
        super().__init__(problem)

    def at(self, where: str) -> KerasishError:
        """Add the place where it happened, unless a nearer place is known. Returns self."""
        if self.where is None:
            self.where = where
        elif where not in self.where and len(self.where) + len(where) < 120:
            self.where = f"{where} > {self.where}"
        return self

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if self.expected is not None:
            parts.append(f"Expected: {_clip(str(self.expected), 110)}.")
        if self.received is not None:
            parts.append(f"Received: {_clip(str(self.received), 110)}.")
        if self.hint:
            parts.append(f"Try: {_clip(self.hint, 160)}")
        room = MAX_MESSAGE - sum(len(part) + 1 for part in parts[1:])
        parts[0] = _clip(parts[0], max(room, 80))
        return _clip(" ".join(parts), MAX_MESSAGE)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.__dict__)


def _rebuild(cls: type[KerasishError], state: dict[str, object]) -> KerasishError:
    error = cls.__new__(cls)
    Exception.__init__(error, state.get("problem"))
    error.__dict__.update(state)
    return error


class ShapeError(KerasishError, ValueError):
    """A shape or rank does not fit."""

    code = "shape"


class DTypeError(KerasishError, TypeError):
    """A dtype does not fit."""

    code = "dtype"


class ArgumentError(KerasishError, ValueError):
    """An argument has a value it cannot have."""

    code = "argument"


class UnknownNameError(ArgumentError):
    """A name that nothing answers to."""

    code = "unknown-name"

    @classmethod
    def of(
        cls, kind: str, name: object, known: Iterable[str], *, where: str | None = None
    ) -> UnknownNameError:
        """Build the error with a 'did you mean' taken from `known`."""
        import difflib

        names = sorted(set(known))
        by_lower = {candidate.lower(): candidate for candidate in reversed(names)}
        close = difflib.get_close_matches(str(name).lower(), list(by_lower), n=1, cutoff=0.5)
        choices = _clip("one of " + ", ".join(map(repr, names)), 150)
        hint = f"did you mean {by_lower[close[0]]!r}?" if close else choices if names else None
        return cls(f"Unknown {kind} {name!r}.", where=where, hint=hint)


class UnknownKeywordError(UnknownNameError, TypeError):
    """A keyword argument has a name that nothing answers to."""

    code = "unknown-keyword"


class DataError(KerasishError, ValueError):
    """The data cannot be used."""

    code = "data"


class OutOfRangeError(DataError, IndexError):
    """A label or an index lies outside its valid range."""

    code = "out-of-range"


class NotBuiltError(KerasishError, ValueError):
    """Something is used before its weights exist."""

    code = "not-built"


class GraphError(KerasishError, ValueError):
    """A Functional graph is disconnected or misused."""

    code = "graph"


class TraceError(KerasishError, RuntimeError):
    """A traced value was used where a concrete number is needed."""

    code = "trace"


class NumericError(KerasishError, ArithmeticError):
    """NaN or infinity appeared where it would spoil training silently."""

    code = "numeric"


class EngineError(KerasishError, RuntimeError):
    """An engine failed."""

    code = "engine"


class EngineMismatchError(EngineError, ValueError):
    """Tensors of two engines meet in one operation."""

    code = "engine-mismatch"


class BackendNotInstalledError(KerasishError, ImportError):
    """The framework behind an engine is not installed.

    Example:
        >>> print(BackendNotInstalledError("tensorflow is missing.", hint='pip install "kerasish[tensorflow]"'))
        tensorflow is missing. Try: pip install "kerasish[tensorflow]"
    """

    code = "backend-not-installed"


class UnknownBackendError(UnknownNameError):
    """No engine of that name is registered."""

    code = "unknown-backend"


class SavingError(KerasishError, ValueError):
    """A file cannot be written, read or trusted."""

    code = "saving"


class MissingFileError(SavingError, FileNotFoundError):
    """There is no file of that name."""

    code = "missing-file"


class WriteError(SavingError, OSError):
    """The disk does not take the file."""

    code = "write"
