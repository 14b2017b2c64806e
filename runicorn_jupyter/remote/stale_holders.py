"""Which holders of a viewer are dead: of this machine, and with a process that is gone.

A Jupyter that was killed leaves its claims to the lease. When it, or another of the same
machine, holds the viewer again, those claims are dropped, so that a deliberate disconnect
leaves nothing behind. Of other machines nothing is known, so nothing is dropped.
"""

from __future__ import annotations

import functools
import hashlib
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.payload.state_files import Machine, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["client_name", "dead_holders", "live"]

live: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""The holders of this process, by name."""


@functools.cache
def _machine() -> str:
    here = Machine.here()
    try:
        # Containers of one machine have processes of the same id.
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = ""
    return hashlib.sha256(f"{here.host}\n{here.boot}\n{namespace}".encode()).hexdigest()[:16]


def client_name() -> str | None:
    """Return what this process says of itself: machine (hashed), process id and start time.

    None on Windows, where dead holders are left to the lease.
    """
    if os.name != "posix":
        return None
    return f"{_machine()} {os.getpid()} {start_time(os.getpid())}"


def dead_holders(holders: Mapping[str, Any]) -> list[str]:
    """Return the names of those that can be told to be dead.

    Parameters
    ----------
    holders
        As the viewer lists them: what each said of itself, by name.
    """
    dead: list[str] = []
    own = client_name()
    if own is None:
        return dead
    for name, client in holders.items():
        machine, _, process = str(client).partition(" ")
        pid, _, start = process.partition(" ")
        if machine != _machine() or not pid.isdecimal():
            continue
        ours = str(client) == own
        if (ours and name not in live) or (not ours and start_time(int(pid)) != start):
            dead.append(name)
    return dead
