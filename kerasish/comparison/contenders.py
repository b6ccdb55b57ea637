"""Who takes part in a comparison: engines that are installed, and real Keras on those that it runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from kerasish.comparison.records import KERAS, KERASISH, Contender, Missing
from kerasish.core.errors import UnknownBackendError
from kerasish.core.registry import FALLBACK, engine_infos


def contenders(
    backends: Sequence[str] | None = None, with_keras: bool = False
) -> tuple[list[Contender], list[Missing]]:
    """Who takes part, and who cannot.

    Args:
        backends: Engines by name; None: all that are registered.
        with_keras: Whether real Keras takes part too.

    Raises:
        UnknownBackendError: An engine of that name is not registered.

    Example:
        >>> contenders(["native"])[0][0].name
        'native'
    """
    infos = engine_infos()
    names = list(dict.fromkeys(backends)) if backends else sorted(infos, key=lambda n: (n != FALLBACK, n))
    found: list[Contender] = []
    missing: list[Missing] = []
    for name in names:
        if name not in infos:
            raise UnknownBackendError.of("backend", name, infos, where="compare")
        absent = infos[name].missing()
        if absent:
            missing.append(Missing(name, f"{absent[0]} is not installed", infos[name].install))
            continue
        found.append(Contender.of(KERASISH, name))
        if with_keras and infos[name].requires:  # Keras runs on frameworks only
            found.append(Contender.of(KERAS, name))
    if with_keras and importlib.util.find_spec(KERAS) is None:
        found = [c for c in found if c.api != KERAS]
        missing.append(Missing(KERAS, "keras is not installed", "pip install keras"))
    return found, missing
