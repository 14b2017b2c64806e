"""Find the Jupyter server that carries this extension, and the token that belongs to it.

A token is only ever paired with the address of the server that it belongs to: one that the
environment names together with it, or one that a runtime file of this very user names while
the process that wrote the file lives and, where the system tells, the port is that user's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import requests

from runicorn_jupyter.client.runtime_files import running_servers
from runicorn_jupyter.client.server import Server, is_http, open_session, reachable, same_place

__all__ = [
    "DEFAULT_URL",
    "find_server",
    "kernel_id",
    "parent_server",
    "server_at",
    "use_for_process",
]

DEFAULT_URL = "http://localhost:23300"
"""The address that upstream's examples default to; ``jupyter runicorn`` listens there."""

_PROBE_TIMEOUT = (5.0, 20.0)
"""Seconds to connect and to answer for a server that a runtime file says is on this machine."""


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
    if not is_http(url) or not urlsplit(url).hostname:
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
    known = next((server for server in _candidates(os.environ) if same_place(server.url, url)), Server(url))
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
    seen: set[tuple[str, str | None, str | None]] = set()
    for server in _candidates(os.environ):
        way = (server.url, server.token, server.socket_path)
        if way in seen:
            continue
        seen.add(way)
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
    return next((server for server in running_servers() if _is_parent(server, os.environ)), None)


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
    local = sorted(running_servers(), key=lambda server: not _is_parent(server, environ))
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
    if url and token and is_http(url):
        yield Server(url=reachable(url), token=token, source="hub")


def _from_environment(environ: Mapping[str, str], local: Iterable[Server]) -> Iterator[Server]:
    """Yield the server whose terminal this is: jupyter_server_terminals sets ``JUPYTER_SERVER_URL``."""
    url = environ.get("JUPYTER_SERVER_URL")
    if not url or not is_http(url):
        return
    url = reachable(url)
    same = next((server for server in local if same_place(server.url, url)), None)
    yield same or Server(url=url, token=environ.get("JUPYTER_TOKEN") or None, source="environment")
