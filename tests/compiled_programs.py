"""The folder of compiled programs that the processes of a run share, and what killed runs left of theirs."""

import os
import shutil
import tempfile


def compiled_programs(parent, pid):
    """A folder for the compiled programs of this run; what a run that was killed left there goes."""
    for path in parent.glob("kerasish-jax-*"):
        owner = path.name.split("-")[2]
        if owner.isdecimal() and not is_alive(int(owner)):
            shutil.rmtree(path, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"kerasish-jax-{pid}-", dir=parent)


def is_alive(pid):
    """Whether there is such a process; yes, where there is no asking without ending it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
