"""Rows of a table answered some at a time: compiling a function of thirty rows costs little more than one of one."""


class Batches:
    """`answers[i]` is the answer to `rows[i]`, where `ask(rows)` gives the answers to several.

    A batch that raises is asked row by row, so that only the guilty row fails.
    """

    def __init__(self, rows, ask, size=32):
        self.rows, self.ask, self.size = list(rows), ask, size
        self._found = {}

    def __getitem__(self, index):
        if index not in self._found:
            start = index - index % self.size
            rows = self.rows[start : start + self.size]
            try:
                self._found.update(zip(range(start, start + len(rows)), self.ask(rows), strict=True))
            except Exception:  # one row of the batch is at fault: only its own test is to fail
                self._found[index] = self.ask([self.rows[index]])[0]
        return self._found[index]


def whole(engine, function):
    """The function, compiled as a whole on jax, where each of its operations would be compiled by itself.

    That primitives do the same outside of compiled functions is what tests/conformance holds.
    """
    return engine.compile(function) if engine.name == "jax" else function
