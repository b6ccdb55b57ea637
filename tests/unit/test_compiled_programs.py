"""The folders of compiled programs that runs of these tests share with their children."""

import os
import subprocess
import sys

from tests.compiled_programs import compiled_programs


def test_folders_of_runs_that_were_killed_go(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    theirs = [compiled_programs(tmp_path, pid) for pid in (ended.pid, os.getppid())]
    strange = tmp_path / "kerasish-jax-strange"
    strange.mkdir()
    own = compiled_programs(tmp_path, os.getpid())
    assert sorted(map(str, tmp_path.iterdir())) == sorted([theirs[1], own, str(strange)])
