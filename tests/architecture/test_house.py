"""House rules that no linter knows: file names, file sizes, and an API that names no engine."""

import ast
import re

VAGUE_NAMES = {"utils", "util", "misc", "common", "helpers"}
PUBLIC_FACADES = {"kerasish.utils"}  # Keras' public name; it re-exports
MAX_LINES = 800

# Words of identifiers, snake_case or CamelCase. "native" is missing: it is the fallback every installation has.
ENGINE_WORDS = {"torch", "pytorch", "jax", "jaxlib", "tf"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ENGINE_LITERALS = {"torch", "jax", "tensorflow"}


def names_an_engine(name):
    return "tensorflow" in name.lower() or bool(ENGINE_WORDS & {word.lower() for word in WORD.findall(name)})


def test_engine_words_are_told_from_others():
    for name in (
        "torch",
        "to_jax",
        "is_torch_tensor",
        "tf",
        "TorchLayer",
        "jax2x",
        "TensorFlowModel",
        "TORCH",
    ):
        assert names_an_engine(name), name
    for name in ("tensorboard", "TensorBoard", "scorch", "ajax", "portfolio", "tfidf"):
        assert not names_an_engine(name), name


def test_no_module_has_a_vague_name(api_sources, engine_sources):
    vague = {
        source.module
        for source in [*api_sources, *engine_sources]
        if VAGUE_NAMES & {part.strip("_") for part in source.module.split(".")}
    }
    facades = {
        name for name in vague if any(f"{name}.".startswith(f"{facade}.") for facade in PUBLIC_FACADES)
    }
    assert vague - facades == set()


def test_no_file_is_too_long(repository):
    paths = [
        path
        for folder in ("kerasish", "backends", "tests", "examples", "benchmarks")
        for path in (repository / folder).rglob("*")
        if path.suffix in {".py", ".cpp", ".hpp"}
    ]
    lengths = {
        str(path.relative_to(repository)): len(path.read_text(encoding="utf-8").splitlines())
        for path in paths
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_says_what_lives_in_it(api_sources, engine_sources):
    silent = [
        source.module for source in [*api_sources, *engine_sources] if not ast.get_docstring(source.tree)
    ]
    assert silent == []


def identifiers(tree):
    """Every name a module defines or uses, imports and keywords included; strings and comments are not names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.alias):
            yield node.lineno, node.asname or node.name
            yield from ((node.lineno, part) for part in node.name.split("."))
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, part) for part in node.module.split("."))


def test_the_api_names_no_engine(api_sources):
    offences = sorted(
        {
            f"{source.module}:{line} {name}"
            for source in api_sources
            for line, name in identifiers(source.tree)
            if names_an_engine(name)
        }
    )
    assert offences == []


def test_the_api_asks_for_capabilities_not_names(api_sources):
    offences = [
        f"{source.module}:{node.lineno} {ast.unparse(node)}"
        for source in api_sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Compare)
        for operand in ast.walk(node)
        if isinstance(operand, ast.Constant) and operand.value in ENGINE_LITERALS
    ]
    assert offences == []
