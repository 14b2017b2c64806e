"""What is run on the remote for a viewer: its boot, and what is done to its process from outside."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Literal

from runicorn_jupyter.errors import SshUnavailable, ViewerStartFailed
from runicorn_jupyter.remote.answers import answer_after, boot_error, no_answer
from runicorn_jupyter.remote.bundle import COMMAND, SHELL, python_input, shell_input
from runicorn_jupyter.remote.viewer_state import ViewerState, parse_state
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["boot", "log_lines", "process_action", "read_log"]

START_SECONDS = 120.0
"""Reading an environment from a cold network file system takes a minute."""
LOCK_SECONDS = 100.0
LOOP_SECONDS = 60.0
"""A viewer whose event loop has stood still for so long ends itself."""
ACTION_SECONDS = 30.0
MAX_OUTPUT_BYTES = 4 * 2**20
"""Of an action: twice as long as a viewer's log may be."""
MAX_LINE = 65536
"""Bytes of a line of a log, and of what other actions answer."""
MAX_DIGITS = 18
"""Of the number of lines of a log."""


async def boot(
    connection: Connection,
    environment: Environment,
    root: str | None,
    lease_seconds: float,
    *,
    ignored: Sequence[int] = (),
) -> ViewerState:
    """Run the boot under the environment's Python; it finds the running viewer or starts one.

    Parameters
    ----------
    connection, environment, root, lease_seconds
        As `SshViewerClient.start` has them.
    ignored
        Process ids of viewers that are not to be adopted.

    Raises
    ------
    RemoteError
        As `SshViewerClient.start` has them.
    """
    mark = secrets.token_hex(16)
    config = {
        "marker": mark,
        "root": root,
        "lease_seconds": lease_seconds,
        "lock_seconds": LOCK_SECONDS,
        "start_seconds": START_SECONDS,
        "loop_seconds": LOOP_SECONDS,
        "ignored": list(ignored),
    }
    stdin = python_input(environment.python_path, config)
    done = await connection.run(COMMAND, stdin=stdin, timeout=START_SECONDS)
    answer = await asyncio.to_thread(answer_after, done.stdout, mark)
    if answer is None:
        raise no_answer(done.exit_status, done.stderr, environment)
    if "error" in answer:
        raise boot_error(answer, environment)
    state = parse_state(answer)
    if state is None:
        raise ViewerStartFailed("The remote's answer about its viewer cannot be understood.")
    return state


async def process_action(
    connection: Connection,
    viewer: ViewerState,
    action: Literal["check", "end"],
    *,
    grace: int = 0,
    cleanup: bool = False,
) -> list[str]:
    """Do something to a viewer's process, or about it, by ``process.sh``, which says what it answers.

    Parameters
    ----------
    connection, viewer
        Where it is, and which.
    action
        ``check`` whether it is alive, or ``end`` it.
    grace
        Seconds that it has to end by itself.
    cleanup
        Remove its log and state when it has ended.

    Returns
    -------
    list
        The lines of the answer.

    Raises
    ------
    SshUnavailable
        If the server runs no commands.
    ConnectionLost
        If the connection is down.
    """
    options = {"grace": str(grace), "cleanup": "yes" if cleanup else "no"}
    answer = await _ask(connection, viewer, action, **options)
    return answer[:MAX_LINE].decode("utf-8", "replace").splitlines()


async def read_log(connection: Connection, viewer: ViewerState, lines: int) -> tuple[list[str], int]:
    """Read the end of a viewer's log.

    Parameters
    ----------
    connection, viewer
        Where it is, and which.
    lines
        How many at most.

    Returns
    -------
    tuple
        The lines, oldest first, as plain text; and how many the log has, 0 if there is none.

    Raises
    ------
    SshUnavailable
        If the server runs no commands.
    ConnectionLost
        If the connection is down.
    """
    answer = await _ask(connection, viewer, "log", lines=str(lines))
    return await asyncio.to_thread(log_lines, answer, lines)


def log_lines(answer: bytes, most: int) -> tuple[list[str], int]:
    """Return the last lines of a log, and how many it has; parameters and result as of `read_log`."""
    total, _, text = answer.partition(b"\n")
    total = total.strip()
    if not total.isdigit() or len(total) > MAX_DIGITS:
        return [], 0
    text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n")
    found = text.rsplit(b"\n", most)[-most:] if text else []
    return [plain_text(line[:MAX_LINE].decode("utf-8", "replace")) for line in found], int(total)


async def _ask(connection: Connection, viewer: ViewerState, action: str, **options: str) -> bytes:
    """Run ``process.sh`` and return what it answers."""
    mark = secrets.token_hex(16)
    stdin = shell_input(
        "process.sh",
        mark=mark,
        action=action,
        pid=str(viewer.pid),
        start=viewer.start_time,
        folder=viewer.folder,
        key=viewer.key,
        **{"lines": "0", "grace": "0", "cleanup": "no"} | options,
    )
    done = await connection.run(SHELL, stdin=stdin, timeout=ACTION_SECONDS, max_output=MAX_OUTPUT_BYTES)
    _, found, answer = done.stdout.partition(f"\n{mark}\n".encode())
    if not found:
        raise SshUnavailable("The server does not run commands for this account.")
    return answer
