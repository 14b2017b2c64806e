"""Runs commands on the remote for a viewer: its boot, with the answer, and checks and ends of its process."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from typing import TYPE_CHECKING, Any, Literal

from runicorn_jupyter.errors import (
    EnvironmentNotFound,
    InvalidParameters,
    RemoteError,
    RunicornNotInstalled,
    SshUnavailable,
    ViewerStartFailed,
)
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.remote.bundle import COMMAND, SHELL, python_input, shell_input
from runicorn_jupyter.remote.viewer_state import ViewerStateFile, parse_state
from runicorn_jupyter.ssh.channels.ready import READY
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["answer_after", "boot", "boot_error", "log_lines", "no_answer", "process_action", "read_log"]

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
MAX_ANSWER_BYTES = 2**18
"""The boot answers a state file, or an error with the last 16 KiB of a log, lengthened by JSON's escapes."""
MAX_LOG_LINES, MAX_LOG_LINE = 50, 4096
"""Lines of a log in an error, and the characters of each."""


async def boot(
    connection: Connection,
    environment: Environment,
    root: str | None,
    lease_seconds: float,
    *,
    ignored: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> ViewerStateFile:
    """Run the boot under the environment's Python; it finds the running viewer or starts one.

    Parameters
    ----------
    connection, environment, root, lease_seconds
        As `SshViewerClient.start` has them.
    ignored
        Process ids of viewers that are not to be adopted.
    variables
        Of its environment, beyond what commands get.

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
    stdin = python_input(environment.python_path, config, variables)
    done = await connection.run(COMMAND, stdin=stdin, ready=READY, timeout=START_SECONDS)
    answer = await asyncio.to_thread(answer_after, done.stdout, mark)
    if answer is None:
        raise no_answer(done.exit_status, done.stderr, environment)
    if "error" in answer:
        raise boot_error(answer, environment)
    state = parse_state(answer)
    if state is None:
        raise ViewerStartFailed("The remote's answer about its viewer cannot be understood.")
    return state


def answer_after(output: bytes, mark: str) -> dict[str, Any] | None:
    """Find the boot's answer in the output of a command, whatever a noisy shell printed around it.

    Parameters
    ----------
    output
        All that the command printed.
    mark
        What stands before the answer on its line.

    Returns
    -------
    dict or None
        None if there is no valid answer.
    """
    _, found, rest = (b"\n" + output).partition(f"\n{mark} ".encode())
    if not found:
        return None
    try:
        return read_json_object(rest.partition(b"\n")[0], max_size=MAX_ANSWER_BYTES)
    except InvalidJson:
        return None


def _lines(value: Any) -> list[str]:
    lines = value[-MAX_LOG_LINES:] if isinstance(value, list) else []
    return [plain_text(line[:MAX_LOG_LINE], limit=2000) for line in lines if isinstance(line, str)]


def boot_error(answer: dict[str, Any], environment: Environment) -> RemoteError:
    """Make the API's error of an answer with an ``error``."""
    said = answer.get("message")
    message = plain_text(said, limit=1000) if isinstance(said, str) else ""
    message = message or "The viewer did not start."
    log = _lines(answer.get("log"))
    if answer["error"] == "invalid_parameters":
        return InvalidParameters.for_field("remote_root", message)
    if answer["error"] == "runicorn_not_installed":
        command = f"{shlex.quote(environment.python_path)} -m pip install runicorn"
        return RunicornNotInstalled(
            f"{message} Install it on the remote with: {plain_text(command)}", log=log
        )
    return ViewerStartFailed(message, log=log)


def no_answer(status: int | None, stderr: bytes, environment: Environment) -> RemoteError:
    """Make the error for a boot that did not answer at all.

    Parameters
    ----------
    status
        The command's exit status.
    stderr
        What it said.
    environment
        Whose Python it was.
    """
    said = _lines(stderr[-MAX_ANSWER_BYTES:].decode("utf-8", "replace").splitlines())
    if status in (126, 127):
        name = plain_text(environment.python_path)
        reason = next((line.strip() for line in reversed(said) if line.strip()), "")
        if reason:
            return EnvironmentNotFound(f"{name} cannot be run on the remote: {reason}", log=said)
        return EnvironmentNotFound(f"{name} cannot be run on the remote any more; detect environments again.")
    if status == 0:
        return SshUnavailable("The server does not run commands for this account.")
    return ViewerStartFailed("The environment's Python ended before it could start the viewer.", log=said)


async def process_action(
    connection: Connection,
    viewer: ViewerStateFile,
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


async def read_log(connection: Connection, viewer: ViewerStateFile, lines: int) -> tuple[list[str], int]:
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


async def _ask(connection: Connection, viewer: ViewerStateFile, action: str, **options: str) -> bytes:
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
    done = await connection.run(
        SHELL, stdin=stdin, ready=READY, timeout=ACTION_SECONDS, max_output=MAX_OUTPUT_BYTES
    )
    _, found, answer = done.stdout.partition(f"\n{mark}\n".encode())
    if not found:
        raise SshUnavailable("The server does not run commands for this account.")
    return answer
