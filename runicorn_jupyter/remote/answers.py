"""What the boot's answer means, and what it means if there is none."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import (
    EnvironmentNotFound,
    InvalidParameters,
    RemoteError,
    RunicornNotInstalled,
    SshUnavailable,
    ViewerStartFailed,
)
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from runicorn_jupyter.models import Environment

__all__ = ["answer_after", "boot_error", "no_answer"]

MAX_ANSWER_BYTES = 2**18
"""The boot answers a state file, or an error with the last 16 KiB of a log, lengthened by JSON's escapes."""
MAX_LOG_LINES, MAX_LINE = 50, 4096


def answer_after(output: bytes, mark: str) -> dict[str, Any] | None:
    """Return the boot's answer, whatever a noisy shell printed before and after it.

    Parameters
    ----------
    output
        All that the command printed.
    mark
        What stands before the answer on its line.

    Returns
    -------
    dict or None
        None if there is no answer of the form.
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
    return [plain_text(line[:MAX_LINE], limit=2000) for line in lines if isinstance(line, str)]


def boot_error(answer: dict[str, Any], environment: Environment) -> RemoteError:
    """Turn an answer that holds an ``error`` into the API's."""
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
        return EnvironmentNotFound(f"{name} cannot be run on the remote any more; detect environments again.")
    if status == 0:
        return SshUnavailable("The server does not run commands for this account.")
    return ViewerStartFailed("The environment's Python ended before it could start the viewer.", log=said)
