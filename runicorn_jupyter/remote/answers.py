"""What the boot's answer means, and what it means if there is none."""

from __future__ import annotations

import json
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
from runicorn_jupyter.remote.state import plain_text

if TYPE_CHECKING:
    from runicorn_jupyter.models import Environment

__all__ = ["answer_after", "boot_error", "no_answer"]


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
    for line in output.decode("utf-8", "replace").splitlines():
        if line.startswith(mark + " "):
            try:
                value = json.loads(line.removeprefix(mark))
            except ValueError:
                return None
            return value if isinstance(value, dict) else None
    return None


def _lines(value: Any) -> list[str]:
    return [plain_text(str(line))[:2000] for line in value[-50:]] if isinstance(value, list) else []


def boot_error(answer: dict[str, Any], environment: Environment) -> RemoteError:
    """Turn an answer that holds an ``error`` into the API's."""
    message = plain_text(str(answer.get("message", "")))[:1000] or "The viewer did not start."
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
    said = _lines(stderr.decode("utf-8", "replace").splitlines())
    if status in (126, 127):
        name = plain_text(environment.python_path)
        return EnvironmentNotFound(f"{name} cannot be run on the remote any more; detect environments again.")
    if status == 0:
        return SshUnavailable("The server does not run commands for this account.")
    return ViewerStartFailed("The environment's Python ended before it could start the viewer.", log=said)
