"""What is run on the remote for a viewer: its boot, and what is done to its process from outside."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

from runicorn_jupyter.errors import SshUnavailable, ViewerStartFailed
from runicorn_jupyter.remote.answers import answer_after, boot_error, no_answer
from runicorn_jupyter.remote.bundle import COMMAND, SHELL, python_input, shell_input
from runicorn_jupyter.remote.state import RunningViewer, parse_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["boot", "process_action"]

START_SECONDS = 120.0
"""Reading an environment from a cold network file system takes a minute."""
LOCK_SECONDS = 100.0
LOOP_SECONDS = 60.0
"""A viewer whose event loop has stood still for so long ends itself."""
ACTION_SECONDS = 30.0


async def boot(
    connection: Connection,
    environment: Environment,
    root: str | None,
    lease_seconds: float,
    *,
    ignored: Sequence[int] = (),
) -> RunningViewer:
    """Run the boot under the environment's Python; it finds the running viewer or starts one.

    Parameters
    ----------
    connection, environment, root, lease_seconds
        As `RemoteViewer.start` has them.
    ignored
        Process ids of viewers that are not to be adopted.

    Raises
    ------
    RemoteError
        As `RemoteViewer.start` has them.
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
    answer = answer_after(done.stdout, mark)
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
    viewer: RunningViewer,
    action: Literal["check", "log", "end"],
    *,
    lines: int = 0,
    grace: int = 0,
    cleanup: bool = False,
) -> list[str]:
    """Do something to a viewer's process, or about it, by ``process.sh``, which says what it answers.

    Parameters
    ----------
    connection, viewer
        Where it is, and which.
    action
        ``check`` whether it is alive, read the end of its ``log``, or ``end`` it.
    lines
        Of the log, at most.
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
    mark = secrets.token_hex(16)
    stdin = shell_input(
        "process.sh",
        mark=mark,
        action=action,
        pid=str(viewer.pid),
        start=viewer.start_time,
        folder=viewer.folder,
        key=viewer.key,
        lines=str(lines),
        grace=str(grace),
        cleanup="yes" if cleanup else "no",
    )
    done = await connection.run(SHELL, stdin=stdin, timeout=ACTION_SECONDS)
    _, found, answer = done.stdout.decode("utf-8", "replace").partition(f"\n{mark}\n")
    if not found:
        raise SshUnavailable("The server does not run commands for this account.")
    return answer.splitlines()
