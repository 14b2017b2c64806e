"""A Jupyter server: its address, and how requests to it are authenticated."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

from runicorn_jupyter.client.transport import PinnedAdapter, UnixAdapter
from runicorn_jupyter.credential_file import SCHEME

__all__ = [
    "WILDCARDS",
    "Server",
    "TokenAuth",
    "authorization",
    "is_http",
    "open_session",
    "reachable",
    "same_place",
]

WILDCARDS = {"", "0.0.0.0", "::", "*"}  # noqa: S104 - compared with, never bound
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


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
        return host in LOOPBACK_NAMES or host.startswith("127.")


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


def is_http(url: str) -> bool:
    """Whether this is an address that can be asked by HTTP.

    Parameters
    ----------
    url
        Any text.
    """
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and (parts.port is None or parts.port > 0)
    except ValueError:  # not a URL at all
        return False


def reachable(url: str) -> str:
    """Replace an address that means "all of this machine's" by loopback; drop the trailing slash.

    Parameters
    ----------
    url
        A valid address.
    """
    parts = urlsplit(url)
    if (parts.hostname or "") in WILDCARDS:
        parts = parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, "loopback" if host in LOOPBACK_NAMES else host, port, parts.path.rstrip("/")


def same_place(one: str, other: str) -> bool:
    """Whether two addresses are those of one server.

    Parameters
    ----------
    one, other
        Valid addresses.
    """
    return _place(one) == _place(other)


def _is_below(url: str, base: str) -> bool:
    scheme, host, port, path = _place(base)
    return _place(url)[:3] == (scheme, host, port) and f"{urlsplit(url).path}/".startswith(f"{path}/")
