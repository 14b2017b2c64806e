"""What the doctor finds on this machine: programs, Jupyter, ssh, proxies, folders. Nothing is changed."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.request import getproxies_environment

from jupyter_core.paths import jupyter_config_path, jupyter_data_dir, jupyter_path, jupyter_runtime_dir
from jupyter_server.extension.config import ExtensionConfigManager

from runicorn_jupyter._version import __version__
from runicorn_jupyter.client.discovery import find_server
from runicorn_jupyter.client.runtime_files import running_servers
from runicorn_jupyter.client.server import Server
from runicorn_jupyter.doctor.report import Check
from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.ssh import child_process
from runicorn_jupyter.ssh.auth.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.config import resolver
from runicorn_jupyter.ssh.config.openssh import find_ssh

__all__ = ["CHECKS", "agent_of", "describe_agent"]

PACKAGES = (
    "jupyter_server", "jupyterlab", "notebook", "ipykernel", "ipywidgets", "anywidget", "tornado",
    "paramiko", "cryptography", "pydantic", "httptools", "requests", "keyring", "jupyterhub",
)  # fmt: skip
MAX_SERVERS = 8
PROGRAM_SECONDS = 5.0
PROGRAM, JUPYTER, SSH, NETWORK, FOLDERS = "Program", "Jupyter", "ssh on this machine", "Network", "Folders"


def program() -> Iterator[Check]:
    """Say which versions there are."""
    yield Check(PROGRAM, "runicorn-jupyter", "ok", __version__)
    yield Check(PROGRAM, "Python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Check(PROGRAM, "system", "ok", platform.platform())
    yield Check(PROGRAM, "packages", "ok", ", ".join(filter(None, map(_package, PACKAGES))))


def _package(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def extensions() -> Iterator[Check]:
    """Say whether Jupyter of this environment loads both halves of the extension."""
    enabled = ExtensionConfigManager(read_config_path=jupyter_config_path()).get_jpserver_extensions()  # type: ignore[no-untyped-call]
    if enabled.get("runicorn_jupyter"):
        yield Check(JUPYTER, "server extension", "ok", "enabled in this environment")
    else:
        mend = (
            "Run `jupyter server extension enable runicorn_jupyter` in the environment that Jupyter runs in."
        )
        yield Check(JUPYTER, "server extension", "problem", "not enabled in this environment", mend)
    folders = [Path(path, "runicorn-jupyter") for path in jupyter_path("labextensions")]
    found = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    if found is not None:
        yield Check(JUPYTER, "panel", "ok", f"{found}")
    elif _package("jupyterlab") or _package("notebook"):
        mend = "Install runicorn-jupyter anew, in the environment that JupyterLab runs in."
        yield Check(JUPYTER, "panel", "problem", "JupyterLab's side is in no folder of labextensions", mend)
    else:
        yield Check(JUPYTER, "panel", "not tried", "neither JupyterLab nor Notebook is in this environment")


def servers() -> Iterator[Check]:
    """List this user's Jupyter servers, and say which one the magics and clients would use."""
    running = running_servers()
    for server in running[:MAX_SERVERS]:
        yield Check(JUPYTER, "server", "ok", _describe(server))
        yield from _agent_there(server)
    if len(running) > MAX_SERVERS:
        yield Check(JUPYTER, "server", "ok", f"… and {len(running) - MAX_SERVERS} more")
    used = find_server()
    if used is not None:
        yield Check(JUPYTER, "used here", "ok", _describe(used))
    elif running:
        yield Check(
            JUPYTER, "used here", "problem", "none of the servers that run answers with this extension",
            "Install runicorn-jupyter in that server's environment, and start it anew.",
        )  # fmt: skip
    else:
        yield Check(
            JUPYTER, "used here", "ok", "no server runs; a kernel without one starts a private server"
        )


def _describe(server: Server) -> str:
    token = "token" if server.token else "no token"
    credential = "credential of this extension" if server.credential else "no credential of this extension"
    process = f"process {server.pid}" if server.pid is not None else f"named by the {server.source}"
    socket = ", a Unix socket" if server.socket_path else ""
    return f"{server.url}{socket} ({process}, {token}, {credential})"


def _agent_there(server: Server) -> Iterator[Check]:
    """Say where a server lacks the agent that this shell has: none was there at its start, or it ended."""
    there = _agent_variable(server.pid)
    if (
        server.credential
        and there is not None
        and "SSH_AUTH_SOCK" in os.environ
        and not Path(there).is_socket()
    ):
        lack = f"its SSH_AUTH_SOCK is {there}, where no agent is" if there else "it has no SSH_AUTH_SOCK"
        mend = "Start Jupyter anew from this shell, or name the agent by IdentityAgent in your ssh config."
        yield Check(
            JUPYTER, "its agent", "problem", f"that server has no agent, this shell has: {lack}", mend
        )


def _agent_variable(pid: int | None) -> str | None:
    """Return a process's ``SSH_AUTH_SOCK``, empty where it has none; None where the system does not tell."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    name = b"SSH_AUTH_SOCK="
    return next((os.fsdecode(each.removeprefix(name)) for each in variables if each.startswith(name)), "")


def ssh() -> Iterator[Check]:
    """Say which ssh and which agent there are, and whether the config can be read."""
    found = find_ssh()
    if found is None:
        yield Check(SSH, "ssh", "ok", "not found; the ssh config is read without it")
    else:
        done = child_process.run([found, "-V"], timeout=PROGRAM_SECONDS, max_stderr=1024)
        yield Check(SSH, "ssh", "ok", f"{done.stderr.decode('utf-8', 'replace').strip()}, {found}")
    try:
        count = len(resolver.list_aliases())
        yield Check(SSH, "ssh config", "ok", f"{count} {'host' if count == 1 else 'hosts'} named")
    except RemoteError as error:
        mend = "Correct the line that the message names; `ssh -G HOST` says the same."
        yield Check(SSH, "ssh config", "problem", error.message, mend, error.code)
    yield agent_of(SSH, None)


def agent_of(section: str, path: str | None) -> Check:
    """Say which keys an agent holds.

    Parameters
    ----------
    section
        The heading of the line.
    path
        The agent's socket; None for the one that the environment names.
    """
    is_named = path is not None or "SSH_AUTH_SOCK" in os.environ
    try:
        text = describe_agent(path)
    except AgentUnavailable as error:
        if not is_named:
            return Check(section, "agent", "ok", "none: SSH_AUTH_SOCK is not set")
        mend = "Start it (`eval $(ssh-agent)`, `ssh-add`), or end the setting that leads to it."
        return Check(section, "agent", "problem", str(error), mend)
    return Check(section, "agent", "ok", text)


def describe_agent(path: str | None) -> str:
    """Count an agent's keys.

    Raises
    ------
    AgentUnavailable
        Nothing answers, or not within the system's time.
    """
    with AgentClient(path) as agent:
        count = len(agent.identities())
    return f"{count} {'key' if count == 1 else 'keys'}" + ("" if count else "; `ssh-add` adds one")


def network() -> Iterator[Check]:
    """Say which proxies the environment names; SSH goes through none of them."""
    proxies = getproxies_environment()
    told = ", ".join(f"{name}: {value}" for name, value in sorted(proxies.items())) or "none"
    yield Check(NETWORK, "proxies", "ok", told)


def folders() -> Iterator[Check]:
    """Say whether what is kept can be written."""
    for name, folder in (("data", jupyter_data_dir()), ("runtime", jupyter_runtime_dir())):
        try:
            _try_to_write(Path(folder))
        except OSError as error:
            mend = "Make room or give rights there, or name others: JUPYTER_DATA_DIR, JUPYTER_RUNTIME_DIR."
            yield Check(FOLDERS, name, "problem", f"{folder} cannot be written: {error.strerror}", mend)
        else:
            yield Check(FOLDERS, name, "ok", f"{folder} can be written")


def _try_to_write(folder: Path) -> None:
    """Write a file that has no name to the folder, or where it would be made; raises `OSError`."""
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(b"runicorn")
        file.flush()
        os.fsync(file.fileno())


CHECKS: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
    (PROGRAM, program),
    (JUPYTER, extensions),
    (JUPYTER, servers),
    (SSH, ssh),
    (NETWORK, network),
    (FOLDERS, folders),
)
"""What is looked at, each below its heading. Each blocks."""
