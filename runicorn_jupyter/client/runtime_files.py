"""The runtime files of this user's Jupyter servers, and which of them are believed."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from runicorn_jupyter.client.server import WILDCARDS, Server, is_http, reachable
from runicorn_jupyter.credential_file import credential_path, read_credential
from runicorn_jupyter.json_text import InvalidJson, read_json

__all__ = ["is_alive", "running_servers"]

_MAX_FILE_BYTES = 65536
"""Of a runtime file; Jupyter's have some hundred bytes."""


def running_servers() -> list[Server]:
    """List this user's live servers, the newest first, as their ``jpserver-*.json`` name them."""
    from jupyter_core.paths import jupyter_runtime_dir  # noqa: PLC0415 - only when nothing else named a server

    found = []
    with contextlib.suppress(OSError):
        for path in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            with contextlib.suppress(OSError, InvalidJson):  # gone, or being written
                changed, info = _read_runtime_file(path)
                server = _from_info(info)
                if server is not None and server.pid is not None:
                    left = read_credential(credential_path(path.parent, server.pid))
                    if left is not None:
                        server = replace(server, credential=left.credential, certificate=left.certificate)
                    found.append((changed, server))
    found.sort(key=lambda each: each[0], reverse=True)
    return [server for _, server in found]


def _read_runtime_file(path: Path) -> tuple[float, Any]:
    """Read a runtime file and the time of its last change, if nobody but this user can have written it."""
    from jupyter_core.paths import allow_insecure_writes  # noqa: PLC0415 - as in running_servers

    # O_NONBLOCK: opening a FIFO must not hang before fstat can tell that it is one.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        is_closed = allow_insecure_writes or not stat.S_IMODE(found.st_mode) & 0o022
        is_own = sys.platform == "win32" or (found.st_uid == os.getuid() and is_closed)
        if not is_own or not stat.S_ISREG(found.st_mode):
            raise PermissionError
        return found.st_mtime, read_json(file.read(_MAX_FILE_BYTES + 1), max_size=_MAX_FILE_BYTES)


def _from_info(info: Any) -> Server | None:
    if not isinstance(info, dict):
        return None
    url, port, pid = info.get("url"), info.get("port"), info.get("pid")
    if isinstance(pid, int) and is_alive(pid) and info.get("sock"):
        return _from_socket(info, pid)
    if not isinstance(url, str) or not is_http(url):
        return None
    if not isinstance(pid, int) or not isinstance(port, int) or not is_alive(pid) or not _is_own_port(port):
        return None
    if info.get("hostname") in WILDCARDS:
        parts = urlsplit(url)
        url = urlunsplit((parts.scheme, f"127.0.0.1:{port}", parts.path, "", ""))
    return Server(url=reachable(url), token=info.get("token") or None, source="runtime file", pid=pid)


def _from_socket(info: dict[str, Any], pid: int) -> Server | None:
    """Name a server that listens on a Unix socket, if the socket is this user's."""
    path, base_url = info.get("sock"), info.get("base_url")
    if sys.platform == "win32":  # where Jupyter has none
        return None
    if not isinstance(path, str) or not isinstance(base_url, str) or not base_url.startswith("/"):
        return None
    try:
        found = os.stat(path)  # noqa: PTH116 - bytes that Path would not take are an OSError or ValueError here too
    except (OSError, ValueError):
        return None
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        return None
    url = f"http://localhost{base_url.rstrip('/')}"
    return Server(url, token=info.get("token") or None, source="runtime file", pid=pid, socket_path=path)


def is_alive(pid: int) -> bool:
    """Whether this is a live process that this user may signal.

    Parameters
    ----------
    pid
        A process id from a file, whatever it is.
    """
    if sys.platform == "win32":
        from jupyter_server.utils import check_pid  # noqa: PLC0415 - Windows has no null signal

        alive: bool = check_pid(pid)
        return alive
    if pid <= 0:  # would mean a group of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    return True


def _is_own_port(port: int) -> bool:
    """Whether the process that listens on ``port`` is this user's, as far as the system tells.

    A runtime file outlives a crash or a reboot. By then its pid may be another process of ours and
    its port another user's server, which must not get the old token. Linux says who listens
    (``proc_net_tcp(5)``: state 0A is LISTEN, the eighth column is the user).
    """
    if not sys.platform.startswith("linux"):
        return True
    owners = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    owners.add(int(columns[7]))
    return owners <= {os.getuid()}
