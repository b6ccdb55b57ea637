"""The source tree as the architecture tests see it."""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Source(NamedTuple):
    """One Python file: its dotted module name, its path and its syntax tree."""

    module: str
    path: Path
    tree: ast.Module


def read_sources(root, *packages):
    found = []
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Source(module, path, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return found


@pytest.fixture(scope="session")
def repository():
    return ROOT


@pytest.fixture(scope="session")
def api_sources():
    """Every module of `kerasish/`."""
    return read_sources(ROOT, "kerasish")


@pytest.fixture(scope="session")
def engine_sources():
    """Every module of the engine packages."""
    return read_sources(
        ROOT / "backends", *sorted(path.name for path in (ROOT / "backends").glob("kerasish_*"))
    )
