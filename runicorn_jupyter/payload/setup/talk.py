"""The conversation with the side that asked: lines of JSON, and bytes of files. Python >= 3.8."""

import json
import select
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

__all__ = ["Gone", "Problem", "Talk"]

MAX_LINE_BYTES = 2**20
TAIL_LINES, TAIL_CHARACTERS = 50, 2000
PROGRESS_SECONDS = 0.5
"""Between two lines about one step, at least."""
END_SECONDS = 5.0


class Gone(Exception):
    """The side that asked has cancelled this, or the line to it is cut."""


class Problem(Exception):
    """Why the environment cannot be made or removed, as one of the contract's errors.

    Parameters
    ----------
    code
        The error's code.
    message
        A sentence.
    log
        The last lines of the program that says so.
    """

    def __init__(self, code: str, message: str, log: Optional[List[str]] = None) -> None:
        super().__init__(message)
        self.answer: Dict[str, Any] = {"error": code, "message": message, "log": log or []}


class Talk:
    """Standard input and output.

    Parameters
    ----------
    marker
        Stands before each line of ours.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._in: Any = sys.stdin.buffer
        self._last: Tuple[str, float] = ("", 0.0)

    def say(self, **what: Any) -> None:
        """Send one object.

        Raises
        ------
        Gone
            If nobody reads it.
        """
        try:
            sys.stdout.write(self.line(**what))
            sys.stdout.flush()
        except OSError as error:
            raise Gone from error

    def line(self, **what: Any) -> str:
        """Return the line that says one object."""
        return f"{self._marker} {json.dumps(what)}\n"

    def step(self, step: str, text: str = "") -> None:
        """Say what is being done; of several texts for one step not more than people can read."""
        now = time.monotonic()
        if self._last[0] != step or now - self._last[1] >= PROGRESS_SECONDS:
            self._last = (step, now)
            self.say(step=step, text=text[:200])

    def ask(self, **what: Any) -> Any:
        """Send one object, and return the one that answers it.

        Raises
        ------
        Gone
            If none comes.
        """
        self.say(**what)
        line = self._in.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Gone
        return json.loads(line.decode("utf-8"))

    def read(self, size: int) -> bytes:
        """Return some of the next ``size`` bytes, at least one.

        Raises
        ------
        Gone
            If none comes.
        """
        data: bytes = self._in.read1(min(size, 2**18))
        if not data:
            raise Gone
        return data

    def run(
        self,
        command: List[str],
        environment: Dict[str, str],
        *,
        kept: Tuple[int, ...] = (),
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> Tuple[int, List[str]]:
        """Run a program; end it if the side that asked goes away.

        Parameters
        ----------
        command, environment
            The program's.
        kept
            Descriptors that it inherits: with the lock, nobody else begins while it is still writing.
        on_line
            Gets each line that it prints.

        Returns
        -------
        tuple
            Its exit status and the last lines that it printed.

        Raises
        ------
        Gone
            If the side that asked has gone away.
        """
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=kept,
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        lines: List[str] = []
        try:
            for line in self._lines(process.stdout):
                lines = [*lines[-TAIL_LINES + 1 :], line]
                on_line(line)
            return process.wait(), lines
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stdout.close()

    def _lines(self, output: Any) -> Any:
        rest = b""
        while True:
            ready, _, _ = select.select([output, self._in], [], [])
            # Nothing is sent unasked: this is the end of the input.
            if self._in in ready:
                raise Gone
            data = output.read1(65536)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole if data else [*whole, rest]:
                text = line.decode("utf-8", "replace").rpartition("\r")[2].strip()[:TAIL_CHARACTERS]
                if text:
                    yield text
            if not data:
                return
            rest = rest[-65536:]
