"""Child processes with bounded time and output, which are ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from runicorn_jupyter.ssh.threads import run_in_thread

__all__ = ["Finished", "OutputTooLong", "end_group", "run", "run_async"]

_CHUNK_BYTES = 65536


class OutputTooLong(Exception):
    """The program printed more bytes than it may; it was ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a program.

    Attributes
    ----------
    status
        Exit status; negative for the number of a signal.
    stdout
        Standard output, whole.
    stderr
        Standard error, its first bytes.
    """

    status: int
    stdout: bytes
    stderr: bytes


def run(
    command: Sequence[str] | str,
    *,
    timeout: float,
    max_stdout: int = 0,
    max_stderr: int = 0,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program without input and wait for its end; blocks.

    Parameters
    ----------
    command
        Program and arguments; or one line for the system's shell.
    timeout
        Seconds until it is ended, with all that it started.
    max_stdout
        Bytes that it may print; 0 throws its output away, however long.
    max_stderr
        Bytes of its standard error that are kept.
    env
        Its environment; None for ours.

    Raises
    ------
    OSError
        It cannot be started.
    TimeoutError
        It did not end in time.
    OutputTooLong
        It printed more.
    """
    return _Child(command, max_stdout, max_stderr, env).wait(timeout)


async def run_async(command: Sequence[str], *, max_stdout: int) -> Finished:
    """Run a program without input and wait for its end, however long; cancelling ends it.

    Its standard error is thrown away. Parameters and exceptions are those of `run`.
    """
    child = _Child(command, max_stdout, 0, None)
    try:
        return await run_in_thread(child.wait)
    except BaseException:
        child.kill()
        await run_in_thread(child.reap)
        raise


def end_group(pid: int, *, force: bool = True) -> None:
    """End a process that was started as the first of its session, and all that it started.

    Parameters
    ----------
    pid
        The process; it may have ended.
    force
        Whether it is not asked, but made to end. On Windows it always is.
    """
    if sys.platform == "win32":
        # Windows has no groups that a program could not leave: its own tool follows the parents.
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL if force else signal.SIGTERM)


class _Child:
    """A program in a session of its own, with a thread for each stream that is kept."""

    def __init__(
        self,
        command: Sequence[str] | str,
        max_stdout: int,
        max_stderr: int,
        env: Mapping[str, str] | None,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if max_stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE if max_stderr else subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
        self._too_long = False
        self._stdout = _Collector(self._process.stdout, max_stdout, self._end_too_long)
        self._stderr = _Collector(self._process.stderr, max_stderr, lambda: None)

    def wait(self, timeout: float | None = None) -> Finished:
        """Wait for the end of the program and of its output, at most so many seconds."""
        has_ended = False
        try:
            has_ended = self._wait_end(timeout)
        finally:
            if not has_ended:
                self.kill()
                self.reap()
        if not has_ended:
            raise TimeoutError
        if self._too_long:
            raise OutputTooLong
        return Finished(self._process.returncode, bytes(self._stdout.data), bytes(self._stderr.data))

    def _wait_end(self, timeout: float | None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout

        def left() -> float | None:
            return None if deadline is None else max(0.0, deadline - time.monotonic())

        if not (self._stdout.join(left()) and self._stderr.join(left())):
            return False
        # Reaped last: until then the number of its group is nobody else's.
        try:
            self._process.wait(left())
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the program and all that it started; from any thread, any number of times."""
        if self._process.returncode is None:
            end_group(self._process.pid)

    def reap(self) -> None:
        """Wait for the end of the program alone."""
        self._process.wait()

    def _end_too_long(self) -> None:
        self._too_long = True
        self.kill()


class _Collector:
    """Reads a pipe to its end in a thread, and keeps its first bytes."""

    def __init__(self, pipe: IO[bytes] | None, limit: int, on_excess: Callable[[], None]) -> None:
        self.data = bytearray()
        self._limit = limit
        self._on_excess = on_excess
        self._thread = threading.Thread(target=self._read, args=(pipe,), name="ssh-child", daemon=True)
        self._is_started = pipe is not None
        if self._is_started:
            self._thread.start()

    def join(self, timeout: float | None) -> bool:
        """Wait for the end of the pipe, at most so many seconds; return whether it has ended."""
        if self._is_started:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), _CHUNK_BYTES):
                room = self._limit - len(self.data)
                self.data += data[:room]
                if len(data) > room:
                    self._on_excess()
