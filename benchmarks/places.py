"""Who computes where: a remote has cores of its own, and on one machine with us it would take ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil


def can_be_apart() -> bool:
    """Tell whether this machine can give two sides a core each."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@contextmanager
def apart(here: Iterable[int], there: Iterable[int]) -> Iterator[set[int]]:
    """Keep two sides on cores of their own while the block runs; yield the other side's, for what it starts.

    Parameters
    ----------
    here
        Process ids of this side, which gets one core.
    there
        Process ids of the other side, which gets all others.
    """
    everywhere = os.sched_getaffinity(0)
    ours, *others = sorted(everywhere)
    sides = [(list(here), {ours}), (list(there), set(others))]
    try:
        for pids, cores in sides:
            for pid in pids:
                place(pid, cores)
        yield set(others)
    finally:
        for pids, _ in sides:
            for pid in pids:
                place(pid, everywhere)


def place(pid: int, cores: set[int]) -> None:
    """Let a process, all of its threads and of its children, run on these cores only."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            for thread in one.threads():
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    os.sched_setaffinity(thread.id, cores)
