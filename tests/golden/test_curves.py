"""Ten steps of four models give the stored losses on every engine: shuffling, dropout and initial weights included.

The numbers are recorded on the native engine by `python tests/golden/test_curves.py`; a change of them needs a reason.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("golden_models", HERE / "models.py")
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_engine_walks_the_same_curve(engine, name):
    golden = json.loads((HERE / "curves.json").read_text())[name]
    np.testing.assert_allclose(models.curve(name), golden, rtol=1e-4)


if __name__ == "__main__":
    curves = {name: [round(v, 7) for v in models.curve(name)] for name in models.MODELS}
    (HERE / "curves.json").write_text(json.dumps(curves, indent=1) + "\n")
