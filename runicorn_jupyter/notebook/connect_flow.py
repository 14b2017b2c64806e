"""Connecting with a person at hand: the questions that the API's answers ask for, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from runicorn_jupyter.client import ApiError, RunicornRemoteClient

__all__ = ["Declined", "Prompter", "connect", "way_forward"]

_ROUNDS = 16
"""Questions in one attempt at most: two for each of some jump hosts, and rounds of codes."""

Work = Callable[[RunicornRemoteClient], dict[str, Any]]

_OPTIONS = {
    "private_key_path": "-i",
    "remote_root": "--root",
    "username": "-u",
    "port": "-p",
    "timeout": "--timeout",
    "lines": "-n",
    "status": "--status",
    "path": "--path",
    "project": "--project",
    "text": "--text",
}
"""What a magic calls a field of the API."""

_HINTS = {
    "connection_not_found": "%runicorn_connections lists the open ones.",
    "environment_not_found": "%runicorn_envs lists them.",
    "viewer_not_running": "%runicorn_viewer ENV starts one.",
    "viewer_already_running": "%runicorn_stop ends it.",
    "too_many_connections": "%runicorn_disconnect NAME closes one.",
}


class Declined(Exception):
    """The person said no, or gave no answer."""


class Prompter(Protocol):
    """Puts the questions to a person."""

    def confirm_host_key(self, host_key: dict[str, Any]) -> bool:
        """Ask whether to trust an unknown host key (``details.host_key``)."""

    def prompt(self, instruction: str, prompts: Sequence[dict[str, Any]]) -> list[str] | None:
        """Ask for codes or passphrases; ``None`` gives up."""


def connect(
    run: Callable[[Work], dict[str, Any]], request: dict[str, Any], prompter: Prompter
) -> dict[str, Any]:
    """Connect, asking what has to be asked.

    Parameters
    ----------
    run
        Runs a call of the API, with progress or on a thread, and returns its answer.
    request
        The arguments of `RunicornRemoteClient.connect`.
    prompter
        Puts the questions.

    Returns
    -------
    dict
        The answer of ``POST connect``.

    Raises
    ------
    Declined
        The person said no.
    ApiError
        Everything else that went wrong.
    """

    def first(client: RunicornRemoteClient) -> dict[str, Any]:
        return client.connect(**request)

    work: Work = first
    for _ in range(_ROUNDS):
        try:
            return run(work)
        except ApiError as exc:
            if exc.code == "host_key_unknown" and "host_key" in exc.details:
                run(_trusting(exc.details["host_key"], prompter))
                work = first
            elif exc.code == "authentication_required" and "challenge_id" in exc.details:
                work = _answering(exc.details, prompter, run)
            else:
                raise
    raise Declined("The server keeps asking; connect again to start over.")


def _trusting(host_key: dict[str, Any], prompter: Prompter) -> Work:
    if not prompter.confirm_host_key(host_key):
        raise Declined(f"Not connected: the key of {host_key['host']} is not trusted.")

    def accept(client: RunicornRemoteClient) -> dict[str, Any]:
        return client.accept_known_host(host_key["host"], host_key["public_key"], host_key["port"])

    return accept


def _answering(details: dict[str, Any], prompter: Prompter, run: Callable[[Work], dict[str, Any]]) -> Work:
    challenge_id: str = details["challenge_id"]

    def cancel(client: RunicornRemoteClient) -> dict[str, Any]:
        return client.drop_challenge(challenge_id)

    try:
        answers = prompter.prompt(str(details.get("instruction") or ""), details.get("prompts") or [])
    except BaseException:
        run(cancel)
        raise
    if answers is None:
        run(cancel)
        raise Declined("Not connected: the question was not answered.")

    def respond(client: RunicornRemoteClient) -> dict[str, Any]:
        return client.answer_challenge(challenge_id, answers)

    return respond


def way_forward(error: ApiError, *, has_password: bool = False) -> str:
    """Say in one line what went wrong and what to do next.

    Parameters
    ----------
    error
        What the API answered.
    has_password
        Whether a password was tried.
    """
    hint = _HINTS.get(error.code, "")
    if error.code == "authentication_failed" and not has_password:
        allowed = error.details.get("allowed_methods") or []
        if {"password", "keyboard-interactive"} & set(allowed):
            hint = "With --password you are asked for one; -i KEY names a key."
    elif error.code == "viewer_already_running" and "viewer" in error.details:
        held = error.details["viewer"]
        hint = f"It shows {held.get('remote_root')} in {held.get('env_name')}; {hint}"
        if held.get("health") == "unresponsive":
            hint = "%runicorn_viewer --restart starts it anew."
    line = " ".join(error.message.split())
    field, colon, reason = line.partition(": ")
    if error.code == "invalid_parameters" and field in _OPTIONS:
        line = f"{_OPTIONS[field]}{colon}{reason}"
    return f"{line} {hint}".strip()
