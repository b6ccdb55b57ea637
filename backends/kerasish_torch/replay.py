"""Steps without their Python: a step is watched while it runs, and what it asked torch for is asked again afterwards.

The first call with tensors of certain shapes runs as it is. During the next ones, every call that reaches torch's
kernels (those of gradients and optimizers too) becomes a line of a program. Two equal programs in a row replace the
step. It runs as it is for good if none are equal, or if values left torch: a branch on a number, a detour over NumPy.

An MLP's step asks for some 80 kernels: to call them takes 0.1 ms, to find out in Python which ones another 0.5 ms.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from kerasish.core import trees
from kerasish_torch.tensors import OPERATORS, Tensor, donated, transformed, watcher

_aten = torch.ops.aten
#: Results that are their argument, as far as a program without gradients is concerned.
_SAME = frozenset({_aten.detach.default, _aten.alias.default})
_READING = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape})
_WRITTEN_AS_IS = (bool, int, str, type(None), torch.dtype, torch.layout, torch.memory_format)
_ATTEMPTS = 4

Program = Callable[[list[Tensor]], list[Tensor]]


class _Line(NamedTuple):
    """A call: the variables it makes and reads, its text, and whether it counts even if nobody reads what it makes."""

    makes: list[str]
    reads: list[str]
    text: str
    acts: bool


class _Unclear(Exception):
    """Something that a program cannot hold."""


class Watcher(TorchDispatchMode):
    """Writes down in Python what happens: `x3` is an input, `c0` a constant, `v7` a result."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()
        self.clear = len({id(x) for x in inputs}) == len(inputs) and not any(x.requires_grad for x in inputs)
        self.functions: dict[str, Any] = {}
        #: Tensors that nothing here made, and whether only their values matter.
        self.constants: list[tuple[Tensor, bool]] = []
        self.results: list[str] = []
        self.outline: Any = None
        self._names = WeakTensorKeyDictionary({x: f"x{i}" for i, x in enumerate(inputs)})
        self._foreign = WeakTensorKeyDictionary()
        self._inputs = len(inputs)
        self._lines: list[_Line] = []
        self._count = 0
        self._grad = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        outputs = function(*args, **kwargs)
        if self.clear:
            try:
                self._note(function, args, kwargs, outputs)
            except _Unclear:
                self.clear = False
        return outputs

    def _note(self, function: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
        if function in _SAME or (function is _aten.lift_fresh.default and args[0] in self._names):
            self._names[outputs] = self._name(args[0])
            return
        if function is _aten.lift_fresh.default:  # it comes from the host, and not by way of kerasish
            self._foreign[outputs] = True
            return
        if not _READING.isdisjoint(function.tags) and not _indexes(function, args):
            raise _Unclear
        reads: list[str] = []
        parts = [self._text(x, reads) for x in args]
        parts += [f"{key}={self._text(x, reads)}" for key, x in kwargs.items()]
        changes = function._schema.is_mutable
        if changes and any(name[0] == "c" for name in reads):
            raise _Unclear  # a constant could be what changes
        name = str(function).replace(".", "_")
        self.functions[name] = OPERATORS.get(function, function)
        if torch.is_grad_enabled() != self._grad:  # some kernels keep more for a gradient if there may be one
            self._grad = not self._grad
            self._lines.append(_Line([], [], f"torch.set_grad_enabled({self._grad})", True))
        several = isinstance(outputs, (list, tuple))
        makes = [self._make(y) for y in (outputs if several else [outputs])]
        text = f"{', '.join(makes)}{',' * (len(makes) == 1 and several)} = " if any(makes) else ""
        acts = changes or torch.Tag.nondeterministic_seeded in function.tags
        text += f"{name}({', '.join(parts)})"
        self._lines.append(_Line([m for m in makes if m != "_"], reads, text, acts))

    def _make(self, y: Any) -> str:
        if not isinstance(y, torch.Tensor) or y in self._names:  # a fact of shapes, or changed in place
            return "_"
        self._names[y] = name = f"v{self._count}"
        self._count += 1
        return name

    def _text(self, value: Any, reads: list[str]) -> str:
        if isinstance(value, torch.Tensor):
            reads.append(self._name(value))
            return reads[-1]
        if isinstance(value, (list, tuple)):
            return f"[{', '.join([self._text(x, reads) for x in value])}]"
        if isinstance(value, float):
            return repr(value) if math.isfinite(value) else f"float('{value}')"
        if isinstance(value, torch.device):
            return f"torch.device('{value}')"
        if not isinstance(value, _WRITTEN_AS_IS):
            raise _Unclear
        return repr(value)

    def _name(self, x: Tensor) -> str:
        name: str | None = self._names.get(x)
        if name is None:
            # A number that torch made a tensor of; or a tensor of the user's, which must be the same one in each step.
            name = self.constant(x, x.ndim == 0 and x.device.type == "cpu" and x not in self._foreign)
        return name

    def constant(self, x: Tensor, by_value: bool = True) -> str:
        """Note a tensor that comes from the host."""
        self._names[x] = name = f"c{len(self.constants)}"
        self.constants.append((x, by_value))
        return name

    def finish(self, result: Any) -> None:
        """Note what the step returns."""
        leaves: list[Tensor] = []
        self.outline = trees.separate(result, torch.Tensor, leaves)
        self.results = [self._name(y) for y in leaves]

    def agrees(self, other: Watcher) -> bool:
        """Whether two runs did the same."""
        mine, others = (([x.text for x in w._lines], w.results, w.outline) for w in (self, other))
        if mine != others or len(self.constants) != len(other.constants):
            return False
        return all(
            a is b or (free and a.dtype == b.dtype and a.device == b.device and torch.equal(a, b))
            for (a, free), (b, _) in zip(self.constants, other.constants, strict=True)
        )

    def program(self) -> Program:
        """A function of the inputs that does what was seen and gives the tensors of the result."""
        body: list[str] = []
        needed = set(self.results)
        for line in reversed(self._lines):
            if line.acts or not needed.isdisjoint(line.makes):
                over = [
                    n for n in dict.fromkeys((*line.makes, *line.reads)) if n[0] == "v" and n not in needed
                ]
                body.append(f"{line.text}; del {', '.join(over)}" if over else line.text)
                needed.update(line.reads)
        given = f"{''.join(f'x{i}, ' for i in range(self._inputs))} = inputs" if self._inputs else "pass"
        # A constant that became part of the state would be changed in place one day.
        returned = [f"{n}.clone()" if n[0] == "c" else n for n in self.results]
        lines = ["def program(inputs):", given, *reversed(body), f"return [{', '.join(returned)}]"]
        scope: dict[str, Any] = {f"c{i}": x for i, (x, _) in enumerate(self.constants)}
        scope.update(self.functions, torch=torch)
        exec("\n    ".join(lines), scope)
        program: Program = scope["program"]
        return program


def _indexes(function: Any, args: Any) -> bool:
    """Whether this is indexing by integers, whose result has a known shape."""
    return function is _aten.index.Tensor and all(
        x is None or x.dtype not in (torch.bool, torch.uint8) for x in args[1]
    )


class _Known:
    """What is known about calls with tensors of certain shapes."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: Watcher | None = None
        self.program: Program | None = None
        self.outline: Any = None
        #: Of the state that the program returns: what `_spec` says, and whether no two tensors share memory.
        self.specs: list[Any] = []
        self.apart = False


class Replay:
    """A function of trees of tensors, replaced by programs where it can be.

    Args:
        fn: The function.
        owns: Whether its first argument belongs to it; what it returns then begins with what became of that.
        repeats: Whether it may be replaced at all.
    """

    def __init__(self, fn: Callable[..., Any], owns: bool, repeats: bool = True) -> None:
        self._fn = fn
        self._attempts = _ATTEMPTS if repeats else 0
        self._owns = owns
        self._known: dict[Any, _Known] = {}
        #: Results of the last program, and what is known about those that are the state.
        self._last: tuple[list[Tensor], list[Any], bool] = ([], [], False)

    def __call__(self, *args: Any) -> Any:
        leaves: list[Tensor] = []
        outlines = [trees.separate(args[0], torch.Tensor, leaves)]
        count = len(leaves)
        outputs, specs, apart = self._last
        unchanged = len(specs) == count and all(map(operator.is_, leaves, outputs))
        if self._owns and not (unchanged and apart):
            leaves = _owned(leaves)
            args = (trees.unite(outlines[0], iter(leaves)), *args[1:])
            unchanged = False
        outlines += [trees.separate(x, torch.Tensor, leaves) for x in args[1:]]
        specs = [*specs, *map(_spec, leaves[count:])] if unchanged else [*map(_spec, leaves)]
        try:
            known = self._known.setdefault((*outlines, *specs), _Known())
        except TypeError:  # not everything in the arguments can be hashed
            known = _Known()
        if known.program is not None and watcher.get() is None and not transformed():
            try:
                return self._follow(known, known.program, leaves, count)
            except Exception:  # run as it is, the step says what is wrong in better words
                known.program, known.calls = None, _ATTEMPTS + 1
        self._last = ([], [], False)
        return self._run(known, args, leaves)

    def _follow(self, known: _Known, program: Program, leaves: list[Tensor], count: int) -> Any:
        with torch.no_grad():
            outputs = program(leaves)
        if len(known.specs) != count:
            known.specs = [*map(_spec, outputs[:count])]
            known.apart = all(map(operator.is_, _owned(outputs[:count]), outputs))
        self._last = (outputs, known.specs, known.apart)
        return trees.unite(known.outline, iter(outputs))

    def _run(self, known: _Known, args: Any, leaves: list[Tensor]) -> Any:
        known.calls += 1
        if known.calls == 1 or known.calls > self._attempts or watcher.get() is not None or transformed():
            return self._plainly(args)
        watch = Watcher(leaves)
        token = watcher.set(watch)
        try:
            with watch:
                result = self._plainly(args)
        finally:
            watcher.reset(token)
        watch.finish(result)
        if not watch.clear:
            known.calls, known.seen = _ATTEMPTS, None
        elif known.seen is not None and watch.agrees(known.seen):
            known.program, known.outline = watch.program(), watch.outline
        known.seen = watch
        return result

    def _plainly(self, args: Any) -> Any:
        token = donated.set(self._owns)
        try:
            with torch.no_grad():
                return self._fn(*args)
        finally:
            donated.reset(token)


def _spec(x: Tensor) -> tuple[Any, ...]:
    return x.shape, x.stride(), x.dtype, x.device


def _owned(tensors: list[Tensor]) -> list[Tensor]:
    """The same tensors, each with memory of its own: what is overwritten must show in one place only."""
    seen: set[int] = set()
    result = []
    for x in tensors:
        place = x.untyped_storage().data_ptr()
        result.append(x.clone() if place in seen else x)
        seen.add(place)
    return result
