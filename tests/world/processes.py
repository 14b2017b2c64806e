"""Processes that are not our children: who they are, and how they end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

import psutil


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and has not ended (as a zombie has)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def describe(pid: int) -> str:
    """Return a process's id, start and command line, for people."""
    try:
        process = psutil.Process(pid)
        return f"{pid} since {process.create_time():.0f}: {' '.join(process.cmdline())[:300]}"
    except psutil.NoSuchProcess:
        return f"{pid}: has ended"


def descendants(pid: int, name: str) -> list[int]:
    """Return the ids of what a process started, at any depth, whose name begins so."""
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name().startswith(name):
                    found.append(process.pid)
    return found


def with_variable(variable: str, value: str) -> list[int]:
    """Return the ids of the processes, alive, that have this in their environment."""
    needle = f"{variable}={value}".encode()
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and is_alive(pid):
                found.append(pid)
    return found


def ends(pid: int, seconds: float) -> bool:
    """Wait until a process has ended, at most so many seconds; tell whether it has."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])  # readable once it has ended


def kill(pid: int, seconds: float) -> None:
    """Kill a process and wait for its end, at most so many seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        ends(pid, seconds)


def kill_group(pid: int) -> None:
    """Kill a process with its process group, if it leads one: also who it starts in this moment.

    An sshd forks the process that serves a client after it has let the client in.
    """
    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)
