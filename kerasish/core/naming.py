"""Names: snake case of class names, and unique names among siblings."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container

#: Creation order of everything named by itself; gives equal code equal names whatever was made before.
_serial = itertools.count()


def next_serial() -> int:
    """A number larger than all before."""
    return next(_serial)


def to_snake_case(name: str) -> str:
    """`Conv2DTranspose` -> `conv2d_transpose`, `LSTM` -> `lstm`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique(base: str, taken: Container[str]) -> str:
    """`base`, or `base_1`, `base_2` ... whichever is not taken."""
    if base not in taken:
        return base
    for number in itertools.count(1):
        candidate = f"{base}_{number}"
        if candidate not in taken:
            return candidate
    raise AssertionError  # pragma: no cover  itertools.count never ends
