"""What installed Keras makes of the table, computed once."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # makes the table importable as `optimizer_cases`


@pytest.fixture(scope="session")
def keras(tmp_path_factory):
    """Keras' variables, configs, histories, schedules and signatures."""
    answers = tmp_path_factory.mktemp("keras") / "answers.pickle"
    program = Path(__file__).with_name("optimizer_cases.py")
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, program, answers], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    with answers.open("rb") as file:
        return pickle.load(file)
