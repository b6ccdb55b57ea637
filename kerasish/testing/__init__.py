"""For those who write layers, operations and engines: a conformance kit, a strict engine, and agreement of engines.

`conformance.suite(name)` tests an engine, `register_strict()` makes the engine that checks kerasish's side of the
contract, `assert_backends_agree(model, x, y)` compares all engines on one model.
"""

from kerasish.testing.agreement import assert_backends_agree
from kerasish.testing.strict import register_strict

__all__ = ["assert_backends_agree", "register_strict"]
