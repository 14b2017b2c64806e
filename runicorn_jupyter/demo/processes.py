"""What the demo has started, found by a mark that every process inherits: nothing of it is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import psutil

MARK = "RUNICORN_JUPYTER_DEMO"
ORDERLY_SECONDS = 15.0


def mark_of(folder: Path) -> str:
    """Return the value of ``MARK`` for the demo that lives in ``folder``: the same at each start."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def marked(mark: str) -> list[psutil.Process]:
    """Return what a demo with this mark has started, but for this process and its own children."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpid() in (process.pid, process.ppid()):
                continue
            if process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue  # another user's, or gone by now
    return found


def pid_of_another_user() -> int:
    """Return the id of a process of another user, to show as one; that of init if there is none."""
    own = os.geteuid()
    for process in psutil.process_iter():
        try:
            if process.pid > 1 and process.uids().effective != own:
                return process.pid
        except psutil.Error:
            continue  # gone by now
    return 1


async def end_marked(mark: str, *, patience: float = 3.0) -> int:
    """End what carries the mark: a word first, force after ``patience`` seconds.

    Parameters
    ----------
    mark
        As ``mark_of`` gives it.
    patience
        Seconds between SIGTERM and SIGKILL.

    Returns
    -------
    int
        How many processes there were.
    """

    def end() -> int:
        processes = marked(mark)
        for process in processes:
            _signal(process.terminate)
        _, left = psutil.wait_procs(processes, timeout=patience)
        for process in left:
            _signal(process.kill)
        psutil.wait_procs(left, timeout=patience)
        return len(processes)

    return await asyncio.to_thread(end)


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send()


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask a process to stop and wait until it has; end it if it takes longer than ``ORDERLY_SECONDS``."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), ORDERLY_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
