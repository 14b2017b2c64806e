"""Who uses the private environment: a viewer holds a lock on it for as long as it lives. Python >= 3.8."""

import contextlib
import fcntl
import os
import sys
from typing import List, Optional

__all__ = ["IN_USE", "hold_environment", "users_of"]

IN_USE = ".in-use"
"""The file at an environment's root on which what runs in it has a shared lock; others have no such file."""
MAX_COMMAND_BYTES = 4096


def hold_environment() -> Optional[int]:
    """Lock this process's environment against removal; return the descriptor, None if it is not private."""
    try:
        descriptor = os.open(os.path.join(sys.prefix, IN_USE), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    # Where files cannot be locked, its command line still says that it runs.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def users_of(prefix: str) -> List[int]:
    """Return the ids of the processes that run in an environment; 0 stands for one of another machine.

    Parameters
    ----------
    prefix
        The environment's folder.
    """
    found = []
    for name in _numbers("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                program = file.read(MAX_COMMAND_BYTES).partition(b"\0")[0]
        except OSError:
            continue
        if program.startswith(os.fsencode(prefix) + b"/") and int(name) != os.getpid():
            found.append(int(name))
    if not found and _is_locked(os.path.join(prefix, IN_USE)):
        found.append(0)
    return found


def _numbers(folder: str) -> List[str]:
    try:
        return [name for name in os.listdir(folder) if name.isdigit()]
    except OSError:
        return []


def _is_locked(path: str) -> bool:
    """Whether another process, on any machine that shares the folder, has a lock on a file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
