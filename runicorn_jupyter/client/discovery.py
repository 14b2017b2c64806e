"""Find the Jupyter server that carries this extension, and the token that belongs to it.

A token is only ever paired with the address of the server that it belongs to: one that the
environment names together with it, or one that a runtime file of this very user names while
the process that wrote the file lives and, where the system tells, the port is that user's.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

from runicorn_jupyter.client.transport import PinnedAdapter, UnixAdapter
from runicorn_jupyter.credential_file import SCHEME, credential_path, read_credential
from runicorn_jupyter.json_text import InvalidJson, read_json

__all__ = [
    "DEFAULT_URL",
    "Server",
    "TokenAuth",
    "find_server",
    "is_alive",
    "kernel_id",
    "open_session",
    "parent_server",
    "server_at",
    "use_for_process",
]

DEFAULT_URL = "http://localhost:23300"
"""The address that upstream's examples default to; ``jupyter runicorn`` listens there."""

_PROBE_TIMEOUT = (5.0, 20.0)
"""Seconds to connect and to answer for a server that a runtime file says is on this machine."""

_MAX_FILE_BYTES = 65536
"""Of a runtime file; Jupyter's have some hundred bytes."""

_WILDCARDS = {"", "0.0.0.0", "::", "*"}  # noqa: S104 - compared with, never bound
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Jupyter server is and how to talk to it.

    Parameters
    ----------
    url
        Its address with ``base_url``, without a trailing slash.
    token
        Its token, or None for a server that asks for none.
    source
        What named it: ``argument``, ``hub``, ``environment``, ``runtime file``, ``private`` or ``default``.
    pid
        The server's process where a runtime file says it, else None.
    credential
        What the extension left for this user's programs, for ``/api/remote`` only, or None.
    certificate
        The server's own certificate in PEM, which alone is good then, or None to trace it to an authority.
    socket_path
        The Unix socket that the server listens on, or None.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    source: str = "argument"
    pid: int | None = None
    credential: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    socket_path: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the address is a loopback one."""
        host = urlsplit(self.url).hostname or ""
        return host in _LOOPBACK_NAMES or host.startswith("127.")


class TokenAuth(AuthBase):
    """Adds a server's credential or token to requests for that server's own URLs, and to no others.

    It also keeps ``requests`` from taking other credentials from a ``.netrc`` file.

    Parameters
    ----------
    server
        The server whose token it is.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        header = authorization(self._server, request.url or "")
        if header:
            request.headers["Authorization"] = header
        return request


def authorization(server: Server, url: str) -> str | None:
    """Return the ``Authorization`` header of a request; None where the request is to have none.

    Parameters
    ----------
    server
        The server whose token and credential count.
    url
        The request's address.
    """
    if server.credential and _is_below(url, f"{server.url}/api/remote"):
        return f"{SCHEME} {server.credential}"
    if server.token and _is_below(url, server.url):
        return f"token {server.token}"
    return None


def open_session(server: Server) -> requests.Session:
    """Make a session that authenticates to ``server``, follows no proxy to loopback and no ``.netrc``.

    Parameters
    ----------
    server
        The server that the session is for.
    """
    session = requests.Session()
    session.auth = TokenAuth(server)
    session.headers["Accept"] = "application/json"
    if server.is_local:
        session.trust_env = False  # a proxy named in the environment would see the token
    if server.socket_path:
        session.mount(f"{server.url}/", UnixAdapter(server.socket_path))
    elif server.certificate:
        session.mount(f"{server.url}/", PinnedAdapter(server.certificate))
    return session


def normalise(url: str) -> tuple[str, str | None]:
    """Split what a person copied from a browser or Jupyter's log into base URL and token.

    Parameters
    ----------
    url
        For example ``http://127.0.0.1:8888/user/alice/lab?token=…``.

    Returns
    -------
    tuple
        The server's URL without a trailing slash, and the token of the query or None.
    """
    url = url.strip()
    if not _is_http(url) or not urlsplit(url).hostname:
        raise ValueError(
            f"{url!r} is not the address of a Jupyter server; it begins with http:// or https://."
        )
    parts = urlsplit(url)
    token = parse_qs(parts.query).get("token", [None])[0]
    path = parts.path.rstrip("/")
    for page in ("/lab", "/tree"):  # where Jupyter's own links lead
        path = path.removesuffix(page)
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), token


def server_at(base_url: str, token: str | None = None) -> Server:
    """Name the server that a person asked for; its token may come from this user's runtime files.

    Parameters
    ----------
    base_url
        Its address; one with a ``?token=`` as Jupyter prints it will do.
    token
        Its token. Without one, only what names this very address supplies it: the environment or a
        runtime file of this user.
    """
    url, query_token = normalise(base_url)
    token = token if token is not None else query_token
    known = next((server for server in _candidates(os.environ) if _same_place(server.url, url)), Server(url))
    if token is not None:
        known = replace(known, token=token or None, credential=None)
    return replace(known, url=url, source="argument", pid=None)


def use_for_process(server: Server | None) -> None:
    """Make `find_server` return this server in this process from now on.

    Parameters
    ----------
    server
        The private server of a kernel that has no other, or None to forget it.
    """
    _of_process.clear()
    if server is not None:
        _of_process.append(server)


_of_process: list[Server] = []


def find_server(*, kernel: str | None = None, strict: bool = False) -> Server | None:
    """Find a running Jupyter server that carries this extension.

    The environment comes first (a hub's variables, ``JUPYTER_SERVER_URL`` with ``JUPYTER_TOKEN``),
    then the runtime files, the server that started this process before the others, the newest
    first. Each candidate is asked; one that does not answer is passed over.

    Parameters
    ----------
    kernel
        The id of the kernel that asks: a server that lists this kernel goes before all others.
    strict
        With ``kernel``: no other server will do.

    Returns
    -------
    Server or None
        None when there is none.
    """
    if _of_process:
        return _of_process[0]
    fallback: Server | None = None
    seen: set[tuple[str, str | None]] = set()
    for server in _candidates(os.environ):
        if (server.url, server.token) in seen:
            continue
        seen.add((server.url, server.token))
        with open_session(server) as session:
            ours = (
                kernel is None
                or _is_parent(server, os.environ)
                or _answers(session, f"{server.url}/api/kernels/{kernel}")
            )
            if not ours and (strict or fallback is not None):
                continue
            if not _answers(session, f"{server.url}/api/remote/openapi.json"):
                continue
        if ours:
            return server
        fallback = server
    return fallback


def parent_server() -> Server | None:
    """Return the Jupyter server that started this kernel, whether it has this extension or not."""
    return next((server for server in _from_runtime_files() if _is_parent(server, os.environ)), None)


def kernel_id() -> str | None:
    """Return the id of the Jupyter kernel that this process is, or None where it is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    app = getattr(getattr(shell, "kernel", None), "parent", None)
    connection_file = getattr(app, "connection_file", None)
    if not connection_file:
        return None
    return Path(connection_file).stem.removeprefix("kernel-")


def _answers(session: requests.Session, url: str) -> bool:
    try:
        with session.get(url, timeout=_PROBE_TIMEOUT, allow_redirects=False, stream=True) as response:
            return response.status_code == HTTPStatus.OK
    except requests.RequestException:
        return False


def _candidates(environ: Mapping[str, str]) -> Iterator[Server]:
    yield from _from_hub(environ)
    local = sorted(_from_runtime_files(), key=lambda server: not _is_parent(server, environ))
    # A server started from a terminal of another one passes that one's JUPYTER_SERVER_URL on to its
    # kernels, so the process that started us is the better witness.
    yield from (server for server in local if _is_parent(server, environ))
    yield from _from_environment(environ, local)
    yield from local


def _is_parent(server: Server, environ: Mapping[str, str]) -> bool:
    """Whether the server's process is the one that jupyter_client says started this kernel."""
    return server.pid is not None and str(server.pid) == environ.get("JPY_PARENT_PID")


def _from_hub(environ: Mapping[str, str]) -> Iterator[Server]:
    """Yield the single-user server that a JupyterHub started, by the variables it sets."""
    url, token = environ.get("JUPYTERHUB_SERVICE_URL"), environ.get("JUPYTERHUB_API_TOKEN")
    if url and token and _is_http(url):
        yield Server(url=_reachable(url), token=token, source="hub")


def _from_environment(environ: Mapping[str, str], local: Iterable[Server]) -> Iterator[Server]:
    """Yield the server whose terminal this is: jupyter_server_terminals sets ``JUPYTER_SERVER_URL``."""
    url = environ.get("JUPYTER_SERVER_URL")
    if not url or not _is_http(url):
        return
    url = _reachable(url)
    same = next((server for server in local if _same_place(server.url, url)), None)
    yield same or Server(url=url, token=environ.get("JUPYTER_TOKEN") or None, source="environment")


def _from_runtime_files() -> list[Server]:
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
    from jupyter_core.paths import allow_insecure_writes  # noqa: PLC0415 - as in _from_runtime_files

    # O_NONBLOCK: opening a FIFO must not hang before fstat can tell that it is one.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        is_closed = allow_insecure_writes or not stat.S_IMODE(found.st_mode) & 0o022
        is_own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and is_closed)
        if not is_own or not stat.S_ISREG(found.st_mode):
            raise PermissionError
        return found.st_mtime, read_json(file.read(_MAX_FILE_BYTES + 1), max_size=_MAX_FILE_BYTES)


def _from_info(info: Any) -> Server | None:
    if not isinstance(info, dict):
        return None
    url, port, pid = info.get("url"), info.get("port"), info.get("pid")
    if isinstance(pid, int) and is_alive(pid) and info.get("sock"):
        return _from_socket(info, pid)
    if not isinstance(url, str) or not _is_http(url):
        return None
    if not isinstance(pid, int) or not isinstance(port, int) or not is_alive(pid) or not _is_own_port(port):
        return None
    if info.get("hostname") in _WILDCARDS:
        parts = urlsplit(url)
        url = urlunsplit((parts.scheme, f"127.0.0.1:{port}", parts.path, "", ""))
    return Server(url=_reachable(url), token=info.get("token") or None, source="runtime file", pid=pid)


def _from_socket(info: dict[str, Any], pid: int) -> Server | None:
    """Name a server that listens on a Unix socket, if the socket is this user's."""
    path, base_url = info.get("sock"), info.get("base_url")
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


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and (parts.port is None or parts.port > 0)
    except ValueError:  # not a URL at all
        return False


def _reachable(url: str) -> str:
    """Replace an address that means "all of this machine's" by loopback; drop the trailing slash."""
    parts = urlsplit(url)
    if (parts.hostname or "") in _WILDCARDS:
        parts = parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, "loopback" if host in _LOOPBACK_NAMES else host, port, parts.path.rstrip("/")


def _same_place(one: str, other: str) -> bool:
    return _place(one) == _place(other)


def _is_below(url: str, base: str) -> bool:
    scheme, host, port, path = _place(base)
    return _place(url)[:3] == (scheme, host, port) and f"{urlsplit(url).path}/".startswith(f"{path}/")
