"""Where random keys come from: `SeedGenerator` (seed + counter) and the process-wide one behind `seed=None`.

A draw is a pair (key, number): the primitives `random_bits` and `random_uniform` turn it into the same numbers on every
engine. Outside of a compiled step the key is computed on the host from (seed, counter). Inside one, the trainer hands
in one key a generator and step (`StepKeys`, `CallContext.draws`), and further draws of the same call count up the
number.
"""

from __future__ import annotations

import os
import random as python_random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasish.core import threefry
from kerasish.core.config import portable_randomness
from kerasish.core.context import current_call
from kerasish.core.contract import Engine
from kerasish.core.convert import to_tensor
from kerasish.core.errors import ArgumentError
from kerasish.core.registry import current_engine


class Draw(NamedTuple):
    """One use of randomness: a uint32 key of shape (2,) and the number of the draw under that key.

    Attributes:
        key: The key.
        number: The number of the draw.
        in_step: Whether a step draws: then the engine's own generator may stand in (`draws_portably`).
    """

    key: Any
    number: int
    in_step: bool = False


class SeedGenerator:
    """A seed and a counter; every draw uses up one count.

    Args:
        seed: An integer; None takes one from the process-wide generator (`set_random_seed` makes it repeatable).
        name: A label.

    Example:
        >>> g = SeedGenerator(1337)
        >>> g.next_draw().number
        0
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, (int, np.integer)):
            raise ArgumentError("A seed must be an integer.", where="SeedGenerator", received=repr(seed))
        if seed < 0:
            raise ArgumentError("A seed must not be negative.", where="SeedGenerator", received=seed)
        self.name = name or "seed_generator"
        self.seed = int(seed)
        self.counter = 0

    def step_key(self) -> np.ndarray:
        """The key of the next step, on the host; counts up."""
        key = threefry.fold_in(threefry.key_from_seed(self.seed), self.counter)
        self.counter = (self.counter + 1) & 0xFFFFFFFF
        return key

    def next_draw(self) -> Draw:
        """The next draw: of the running step's key inside one, of this generator outside."""
        call = current_call()
        if call is not None:
            if call.abstract:
                return Draw(to_tensor(np.zeros(2, np.uint32)), 0)
            if call.draws is not None:
                entry = call.draws.get(id(self))
                if entry is not None:
                    index = entry[1]
                    entry[1] += 1
                    return Draw(entry[0], index, in_step=True)
        return Draw(to_tensor(self.step_key(), current_engine()), 0)

    def next(self, ordered: bool = True) -> Any:
        """The next key as a uint32 tensor of shape (2,)."""
        return self.next_draw().key

    @property
    def state(self) -> np.ndarray:
        """(seed, counter) as saved in files: uint32, shape (2,)."""
        return np.array([self.seed & 0xFFFFFFFF, self.counter], np.uint32)

    def set_state(self, state: Any) -> None:
        """Restore what `state` gave."""
        seed, counter = (int(v) for v in np.asarray(state).ravel())
        if self.seed & 0xFFFFFFFF != seed:
            self.seed = seed
        self.counter = counter

    def get_config(self) -> dict[str, Any]:
        """The configuration."""
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """Make one from its configuration."""
        return cls(**config)


def draws_portably(engine: Engine, device: str) -> bool:
    """Whether steps on a device of an engine draw the numbers that every engine draws.

    Args:
        engine: The engine.
        device: Such as "gpu:0".
    """
    wanted = portable_randomness()
    if "own_uniform" not in engine.primitives:
        return True
    return device.partition(":")[0] not in engine.own_randomness_on if wanted == "auto" else wanted


class StepKeys:
    """The keys of several generators, step after step: `step_key` of each, computed for many steps at once.

    Args:
        generators: Counted up with each step; whoever else draws from them or sets them is noticed.
    """

    _MOST = 64

    def __init__(self, generators: Sequence[SeedGenerator]) -> None:
        self.generators = list(generators)
        self._keys = np.empty((0, len(self.generators), 2), np.uint32)
        self._at = 0
        #: Seed and counter of each generator, as they are if nobody else touched it since the last step.
        self._expected: list[tuple[int, int]] = []

    def next(self) -> np.ndarray:
        """The keys of the next step on the host, one row a generator."""
        found = [(g.seed, g.counter) for g in self.generators]
        if found != self._expected:
            self._compute(found, 1)
        elif self._at == len(self._keys):
            self._compute(found, min(2 * len(self._keys) or 1, self._MOST))
        keys: np.ndarray = self._keys[self._at]
        self._at += 1
        for generator in self.generators:
            generator.counter = (generator.counter + 1) & 0xFFFFFFFF
        self._expected = [(seed, (counter + 1) & 0xFFFFFFFF) for seed, counter in found]
        return keys

    def _compute(self, states: list[tuple[int, int]], steps: int) -> None:
        columns = []
        for seed, counter in states:
            key = threefry.key_from_seed(seed)
            if steps == 1:
                columns.append(threefry.fold_in(key, counter)[None])
            else:
                columns.append(threefry.fold_in_each(key, np.arange(counter, counter + steps)))
        self._keys = np.stack(columns, 1) if columns else np.empty((steps, 0, 2), np.uint32)
        self._at = 0


class _Default:
    """The process-wide source of seeds: the operating system's entropy unless `set_random_seed` was called."""

    seeds: python_random.Random | None = None
    generator: SeedGenerator | None = None


def set_random_seed(seed: int) -> None:
    """Make everything random repeatable: Python's, NumPy's and kerasish's generators.

    Args:
        seed: A non-negative integer below 2³².

    Example:
        >>> import kerasish
        >>> set_random_seed(1)
        >>> a = kerasish.random.normal((3,))
        >>> set_random_seed(1)
        >>> bool((a == kerasish.random.normal((3,))).all())
        True
    """
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ArgumentError(
            "A seed must be an integer from 0 to 2**32 - 1.", where="set_random_seed", received=seed
        )
    python_random.seed(seed)
    np.random.seed(int(seed))  # noqa: NPY002  users' own np.random calls repeat too, as in Keras
    _Default.seeds = python_random.Random(int(seed))
    _Default.generator = SeedGenerator(int(seed), name="global_seed_generator")


def make_default_seed() -> int:
    """The next seed of the process-wide source, below 2³¹."""
    if _Default.seeds is None:
        _Default.seeds = python_random.Random(int.from_bytes(os.urandom(8), "little"))
    return _Default.seeds.randrange(1, 2**31)


def global_generator() -> SeedGenerator:
    """The generator behind `seed=None`."""
    if _Default.generator is None:
        _Default.generator = SeedGenerator(make_default_seed(), name="global_seed_generator")
    return _Default.generator


def draw(seed: Any = None) -> Draw:
    """What a random op's `seed` means: None, an integer (the same numbers each time), a generator, a `Draw`."""
    if seed is None:
        return global_generator().next_draw()
    if isinstance(seed, Draw):
        return seed
    if hasattr(seed, "next_draw"):
        return seed.next_draw()  # type: ignore[no-any-return]
    if isinstance(seed, (int, np.integer)):
        return Draw(to_tensor(threefry.key_from_seed(int(seed)), current_engine()), 0)
    return Draw(to_tensor(seed, current_engine(), "uint32"), 0)
