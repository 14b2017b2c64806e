"""Reads an ssh config with OpenSSH itself, by ``ssh -G``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from runicorn_jupyter.errors import ConnectionTimeout, SshUnavailable
from runicorn_jupyter.ssh.child_process import OutputTooLong, run

__all__ = ["NoSuchLocalUser", "Settings", "find_ssh", "query"]

Settings = dict[str, list[str]]
"""Lower-case option name to its values, in the order of ``ssh -G``."""

_MAX_OUTPUT = 1024 * 1024  # bytes; a real answer is 6 KiB


class NoSuchLocalUser(Exception):
    """This process's user id is not in the user database, as in some containers."""


def find_ssh() -> str | None:
    """Return the path of OpenSSH's client, or None where there is none."""
    return shutil.which("ssh")


def query(
    ssh: str,
    host: str,
    *,
    username: str | None,
    port: int | None,
    config: Path | None,
    timeout: float,
    rename_paths: Callable[[str], str] = str,
) -> Settings:
    """Get the settings of a host from ``ssh -G``.

    Parameters
    ----------
    ssh
        The program.
    host
        Argument of ``ssh``: a host name or alias.
    username, port
        As by ``-l`` and ``-p``; None leaves them to the config.
    config
        Read this file only (``-F``); None for ssh's own default files.
    timeout
        Seconds; the config may run commands (``Match exec``) and look names up.
    rename_paths
        Rewrites the paths in ssh's error message.

    Raises
    ------
    NoSuchLocalUser
        The user database does not know us, and ssh does not run for such.
    SshUnavailable
        ssh refuses the config or the host; the message quotes ssh.
    ConnectionTimeout
        It did not answer in time.
    """
    command = [ssh, "-G"]
    if config is not None:
        command += ["-F", str(config)]
    if username is not None:
        command += ["-l", username]
    if port is not None:
        command += ["-p", str(port)]
    command += ["--", host]
    try:
        # At the limit what its config started (``Match exec``) ends with it.
        done = run(
            command,
            timeout=timeout,
            max_stdout=_MAX_OUTPUT,
            max_stderr=_MAX_OUTPUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except TimeoutError as exc:
        raise ConnectionTimeout(
            f"Reading the ssh config for {host} took longer than {timeout:.3g} s; "
            "look at its 'Match exec' and 'CanonicalizeHostname' lines."
        ) from exc
    except OSError as exc:
        raise SshUnavailable("The ssh program could not be started to read the ssh config.") from exc
    except OutputTooLong as exc:
        raise SshUnavailable(f"ssh prints more than 1 MiB about your ssh config for {host}.") from exc
    if done.status != 0:
        complaint = _complaint(rename_paths(done.stderr.decode("utf-8", "replace")))
        if complaint.startswith("No user exists for uid"):
            raise NoSuchLocalUser(complaint)
        raise SshUnavailable(f"ssh refuses your ssh config for {host}: {complaint}")
    return _parse(done.stdout.decode("utf-8", "surrogateescape"))


def _parse(text: str) -> Settings:
    settings: Settings = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name:
            settings.setdefault(name.lower(), []).append(value)
    return settings


def _complaint(stderr: str) -> str:
    """Return the first line of ssh's complaint, with the home folder as ``~``."""
    lines = [line.strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line and not line.startswith("Pseudo-terminal")]
    if not lines:
        return "it gave no reason."
    text = lines[0].replace(str(Path.home()), "~")
    return re.sub(r"[^\x20-\x7e]", "?", text)[:300].rstrip(".") + "."
