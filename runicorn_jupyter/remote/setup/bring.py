"""Brings a Python to a remote that has none, by its own uv or from here, or finds the one that was."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, NoReturn

from runicorn_jupyter.errors import (
    DiskFull,
    EnvironmentSetupFailed,
    PackagesUnreachable,
    PythonNotFound,
    RemoteError,
)
from runicorn_jupyter.payload.full_disk import full_disk, full_in
from runicorn_jupyter.remote.bundle import TALKING_SHELL, talking_shell_input
from runicorn_jupyter.remote.setup.look import FOLDER
from runicorn_jupyter.remote.setup.standalone import VERSION, packed_python
from runicorn_jupyter.ssh.channels.ready import READY
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from runicorn_jupyter.remote.setup.sent_file import SentFile
    from runicorn_jupyter.remote.setup.standalone import Platform
    from runicorn_jupyter.ssh.connection import Connection, Conversation

__all__ = ["bring_python", "find_brought"]

BROUGHT_BYTES = 150_000_000
"""Of disk while it is brought: it, and its archive."""
MAX_LINE_BYTES, MAX_LINES = 65536, 10_000
LOG_LINES = 50
PIECE_BYTES = 2**18
PROGRESS_SECONDS = 0.5


async def find_brought(connection: Connection, variables: Mapping[str, str] | None) -> str | None:
    """Return the path of a Python that was brought before; None if there is none that runs.

    Parameters
    ----------
    connection
        Leads to the remote.
    variables
        What the person's login shell exports.
    """
    async with _script(connection, variables, action="find") as answers:
        return await answers.python(lambda *_: None)


async def bring_python(
    connection: Connection,
    platform: Platform,
    on_step: Callable[[str, str], None],
    variables: Mapping[str, str] | None,
    *,
    wheels: str,
    needed_bytes: int,
) -> str:
    """Bring a Python, and return its path on the remote.

    Parameters
    ----------
    connection
        Leads to the remote.
    platform
        The remote's.
    on_step
        Called with each step that is reached, and a text about it or nothing.
    variables
        What the person's login shell exports.
    wheels
        Where it may come from: ``remote``, ``local`` or ``auto``, the second where the first fails.
    needed_bytes
        Of disk, for what is made with it.

    Raises
    ------
    PythonNotFound
        If none can run there, or nobody has a uv.
    PackagesUnreachable, DiskFull, EnvironmentSetupFailed
        If it cannot be had, or not be put there.
    """
    if platform.problem:
        raise PythonNotFound(platform.problem)
    needed = str(needed_bytes + BROUGHT_BYTES)
    reason: RemoteError | None = None
    if platform.uv and wheels != "local":
        request = platform.request or VERSION
        try:
            async with _script(
                connection, variables, action="uv", uv=platform.uv, request=request, needed=needed
            ) as answers:
                return await answers.python(on_step) or _no_answer()
        except PackagesUnreachable as error:
            reason = error
    if wheels == "remote" or (reason is not None and platform.request is None):
        raise reason or PackagesUnreachable("The remote has no uv to get a Python with.")
    on_step("downloading_python", "")
    try:
        async with (
            packed_python(platform) as archive,
            _script(
                connection,
                variables,
                action="receive",
                name=f"sent-{archive.sha256[:16]}",
                size=str(archive.size),
                sha256=archive.sha256,
                needed=needed,
            ) as answers,
        ):
            return await answers.python(on_step, archive) or _no_answer()
    except PackagesUnreachable as error:
        raise (reason or error) from error


@contextlib.asynccontextmanager
async def _script(
    connection: Connection, exported: Mapping[str, str] | None, **variables: str
) -> AsyncIterator[_Answers]:
    """Run ``payload/bring.sh``; it ends with the block."""
    mark = secrets.token_hex(16)
    async with connection.converse(TALKING_SHELL, ready=READY) as talk:
        await talk.write(talking_shell_input("bring.sh", exported, mark=mark, **variables))
        yield _Answers(talk, mark)


class _Answers:
    """What the script says."""

    def __init__(self, talk: Conversation, mark: str) -> None:
        self._talk = talk
        self._mark = f"{mark} ".encode()
        self._log: list[str] = []
        self._place = f"~/{FOLDER}"

    async def python(
        self, on_step: Callable[[str, str], None], archive: SentFile | None = None
    ) -> str | None:
        """Return the path of the Python that it ends with; None if there is none.

        Raises
        ------
        DiskFull, EnvironmentSetupFailed, PackagesUnreachable, PythonNotFound
            If it says so.
        """
        for _ in range(MAX_LINES):
            line = await self._talk.read_line(MAX_LINE_BYTES)
            if line is None:
                return None
            _, is_ours, said = line.partition(self._mark)
            word, _, rest = said.decode("utf-8", "surrogateescape").partition(" ")
            if not is_ours:
                self._note(line)
            elif word == "python":
                return rest
            elif word == "none":
                return None
            elif word == "place":
                self._place = plain_text(rest, limit=1000)
            elif word == "step":
                on_step(plain_text(rest, limit=60), "")
            elif word == "want" and archive is not None:
                await self._send(archive, rest, on_step)
            elif word == "failed":
                raise self._problem(*rest.partition(" ")[::2])
        return None

    def _note(self, line: bytes) -> None:
        text = plain_text(line.decode("utf-8", "replace").rpartition("\r")[2], limit=2000).strip()
        if text:
            self._log = [*self._log[-LOG_LINES + 1 :], text]

    async def _send(self, archive: SentFile, begin: str, on_step: Callable[[str, str], None]) -> None:
        done = int(begin) if begin.isascii() and begin.isdigit() else -1
        if not 0 <= done <= archive.size:
            raise EnvironmentSetupFailed("What the remote asks for cannot be understood.")
        data = memoryview(await asyncio.to_thread(archive.path.read_bytes))
        clock, told = asyncio.get_running_loop(), float("-inf")
        while done < archive.size:
            if clock.time() - told >= PROGRESS_SECONDS:
                told = clock.time()
                on_step("sending", f"{done / 1e6:.1f} of {archive.size / 1e6:.1f} MB")
            piece = data[done : done + PIECE_BYTES]
            await self._talk.write(piece)
            done += len(piece)
        self._talk.end_input()

    def _problem(self, kind: str, detail: str) -> RemoteError:
        """Make the error of a failure that it has named."""
        last = self._log[-1] if self._log else "it gave no reason"
        full = full_in(self._log)
        if full is not None:
            return DiskFull(full_disk(full, self._place), log=self._log)
        if kind == "room":
            free = int(detail) if detail.isascii() and detail.isdigit() else 0
            return DiskFull(f"{self._place} has {free / 1e6:.0f} MB left, which is not enough; make room.")
        if kind == "uv":
            return PackagesUnreachable(f"The remote's uv got no Python: {last}", log=self._log)
        if kind == "start" and any("GLIBC_" in line for line in self._log):
            return PythonNotFound(
                f"The Python that was brought needs a newer C library than the remote has: {last}",
                log=self._log,
            )
        message = {
            "noexec": f"Programs cannot be run from {self._place}: its disk is mounted with noexec.",
            "hash": "The Python did not arrive as it was sent; try again.",
            "tool": f"The remote has no {plain_text(detail, limit=60)}, so no Python can be unpacked there.",
            "start": f"The Python that was brought does not run: {last}",
        }
        return EnvironmentSetupFailed(
            message.get(kind, f"No Python can be put into {self._place}: {last}"), log=self._log
        )


def _no_answer() -> NoReturn:
    raise EnvironmentSetupFailed("Bringing a Python ended without an answer; try again, it goes on.")
